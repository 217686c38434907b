"""The panel to type a puzzle into; on a page without a kernel, a player."""

import html
import sys

import ipywidgets
import torch

from tinyrec.puzzles.families import find
from tinyrec.show import families
from tinyrec.show.player import StepPlayer
from tinyrec.show.thinking import tokens_by_segment

FIXED_WIDTH = "<style>.tinyrec-puzzle textarea{font-family:monospace}</style>"


class SolverWidget:
    """A panel to type a puzzle into, with the player of the model's answers below.

    example: the text to start with, answered at once; it is read as the family
    reads what someone typed. The others are those of `thinking`. Below the text
    stands what there is to say about the puzzle, and whether the last answer keeps
    the rules. Without a kernel, as in the book's pages, the example's player and
    these words are what shows. Raises ValueError for an example that cannot be read.
    """

    def __init__(self, model, example, segments=None, dtype=torch.float32, family="sudoku"):
        self.model, self.segments, self.dtype = model, segments, dtype
        self.family = family
        self.example, self.verdict = self.solve(example)
        self.text = ipywidgets.Textarea(
            example,
            description="Puzzle",
            rows=example.strip().count("\n") + 2,
            layout=dict(width="24rem", max_width="100%"),
        )
        self.text.add_class("tinyrec-puzzle")
        fixed = ipywidgets.HTML(FIXED_WIDTH, layout=dict(display="none"))
        self.button = ipywidgets.Button(description="Solve", button_style="primary")
        self.message = ipywidgets.HTML()
        self.output = ipywidgets.Output()
        self.panel = ipywidgets.VBox([fixed, self.text, self.button, self.message, self.output])
        self.button.on_click(self.click)
        self.show(self.example, self.verdict)

    def solve(self, text):
        """A typed puzzle -> the player of its answers, and what to say about the last of them.

        Raises ValueError for a text that the family cannot read, a puzzle that
        breaks the rules, and one of another length than the model's.
        """
        family = find(self.family)
        if not text.strip():
            raise ValueError("there is no puzzle: type one, such as the example")
        x = family.parse(text)
        if len(x) != self.model.config.length:
            raise ValueError(
                f"this network reads {self.model.config.length} cells, the puzzle has {len(x)}"
            )
        remark = family.check(x)
        puzzle = families.find(self.family).values(x)
        if not puzzle.any():
            remark = "the grid is empty: no cell is given"
        tokens, q = tokens_by_segment(self.model, x, self.segments, self.dtype)
        answers = families.find(self.family).values(tokens)
        player = StepPlayer(puzzle, answers, q=q, title="your puzzle", family=self.family)
        valid = family.judge(x[None], tokens[-1:])["valid"].item()
        verdict = f"the last answer {'keeps' if valid else 'breaks'} the rules"
        words = "; ".join(part for part in (remark, verdict) if part)
        return player, f"{words[0].upper()}{words[1:]}."

    def show(self, player, verdict):
        """Put a player and the words about it in the place of those before."""
        self.message.value = f'<span role="status">{html.escape(verdict)}</span>'
        self.output.outputs = (
            dict(
                output_type="display_data",
                metadata={},
                data={"text/plain": repr(player), "text/html": player._repr_html_()},
            ),
        )

    def click(self, button):
        """Answer what is typed; say in one line what is wrong with it."""
        self.message.value = "solving ..."
        try:
            self.show(*self.solve(self.text.value))
        except ValueError as error:
            self.output.outputs = ()
            self.message.value = f'<b role="alert">{html.escape(str(error))}</b>'

    def __repr__(self):
        return f"SolverWidget, its example:\n{self.example!r}\n{self.verdict}"

    def _repr_mimebundle_(self, include=None, exclude=None):
        view = dict(version_major=2, version_minor=0, model_id=self.panel.model_id)
        bundle = {
            "text/plain": repr(self),
            "application/vnd.jupyter.widget-view+json": view,
        }
        if "google.colab" not in sys.modules:  # Colab might take the HTML for the better form
            bundle["text/html"] = (
                f"{self.example._repr_html_()}<p>{html.escape(self.verdict)}</p>"
                "<p>To type a puzzle of your own, use the network in this page. "
                "To ask this one, run this page as a notebook.</p>"
            )
        return bundle
