"""The panel to type a puzzle into; on a page without a kernel, a player."""

import html
import sys

import ipywidgets

FIXED_WIDTH = "<style>.tinyrec-puzzle textarea{font-family:monospace}</style>"


class SolverWidget:
    """A panel to type a puzzle into, with the player of its solution below.

    solve: text -> StepPlayer, raising ValueError for a text it cannot read;
    example: the text to start with, solved at once. Without a kernel, as in
    the book's pages, the example's player is what shows.
    """

    def __init__(self, solve, example):
        self.solve = solve
        self.example = solve(example)
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
        self.show(self.example)

    def show(self, player):
        """Put a player in the place of the one before."""
        self.output.outputs = (
            dict(
                output_type="display_data",
                metadata={},
                data={"text/plain": repr(player), "text/html": player._repr_html_()},
            ),
        )

    def click(self, button):
        """Solve what is typed; say in one line what is wrong with it."""
        self.message.value = "solving ..."
        try:
            self.show(self.solve(self.text.value))
            self.message.value = ""
        except ValueError as error:
            self.output.outputs = ()
            self.message.value = f'<b role="alert">{html.escape(str(error))}</b>'

    def __repr__(self):
        return f"SolverWidget, its example:\n{self.example!r}"

    def _repr_mimebundle_(self, include=None, exclude=None):
        view = dict(version_major=2, version_minor=0, model_id=self.panel.model_id)
        bundle = {
            "text/plain": repr(self),
            "application/vnd.jupyter.widget-view+json": view,
        }
        if "google.colab" not in sys.modules:  # Colab might take the HTML for the better form
            bundle["text/html"] = (
                self.example._repr_html_()
                + "<p>To type a puzzle of your own, run this page as a notebook.</p>"
            )
        return bundle
