"""The step player: a page's window on the loop.

The player is plain HTML with its own style and script (player.css, player.js),
so it works wherever HTML does: a static page, a file on disk, JupyterLab, Colab.
What each step shows is computed here; the script only turns the pages.
"""

import hashlib
import html
import json
from pathlib import Path
from string import Template

import numpy as np
from matplotlib.colors import to_hex

from tinyrec.show import families
from tinyrec.show.grids import captions, marks
from tinyrec.show.style import COLOURS, INK, PAPER, tint

STYLE = Template(Path(__file__).with_name("player.css").read_text("utf-8"))
SCRIPT = Path(__file__).with_name("player.js").read_text("utf-8")
BUTTONS = ("first", "back", "play", "next", "last")


class StepPlayer:
    """Page through a model's answers to one puzzle of a family.

    puzzle (cells,) values, for Sudoku digits, 0 blank; answers (S, cells) after
    each segment; solution (cells,), to mark what is wrong; q (S,) halting logits,
    told as sigmoid(q). `thinking` gives answers and q. Step 0 is the puzzle, step s
    the answer after segment s, with a ring on each cell that changed since
    segment s - 1 and a corner triangle on each wrong one.
    Raises ValueError where the shapes do not fit.
    """

    def __init__(self, puzzle, answers, solution=None, q=None, title="", family="sudoku"):
        self.puzzle = np.asarray(puzzle).astype(int).ravel()
        self.answers = np.asarray(answers).astype(int)
        self.solution = solution
        self.title = title
        self.drawing = families.find(family)
        cells = self.puzzle.size
        self.columns = self.drawing.shape(cells)[1]
        if self.answers.ndim != 2 or self.answers.shape[1] != cells or not len(self.answers):
            raise ValueError(f"answers is {self.answers.shape}: expected (segments, {cells})")
        for name, part, size in (("solution", solution, cells), ("q", q, len(self.answers))):
            if part is not None and np.shape(part) != (size,):
                raise ValueError(f"{name} is {np.shape(part)}: expected ({size},)")
        grids = np.vstack([self.puzzle, self.answers])
        signs = self.drawing.signs(cells)
        if grids.min() < 0 or grids.max() >= len(signs):
            raise ValueError(f"values {grids.min()}..{grids.max()}: expected 0..{len(signs) - 1}")
        self.grids = ["".join(signs[value] for value in grid) for grid in grids]
        wrong, changed = marks(self.answers, solution)
        marked = np.vstack([np.zeros(cells, int), wrong + 2 * changed])
        given = f"the puzzle · {(self.puzzle > 0).sum()} of {cells} cells given"
        self.says = [given, *(" · ".join(said) for said in captions(self.answers, solution, q))]
        # On a narrow page a line breaks between the parts, not within one.
        said = [text.replace(" ", "\xa0").replace("\xa0·\xa0", " · ") for text in self.says]
        steps = dict(
            grids=self.grids, marks=["".join(map(str, row)) for row in marked.tolist()], says=said
        )
        self.steps = json.dumps(steps, ensure_ascii=False, separators=(",", ":"))

    def _rows(self, cells):
        return [cells[start : start + self.columns] for start in range(0, len(cells), self.columns)]

    def __repr__(self):
        lines = [f"StepPlayer {self.title}".rstrip(), self.says[0], self.says[-1]]
        for halves in zip(*(self._rows(self.grids[step]) for step in (0, -1)), strict=True):
            lines.append("    ".join(" ".join(half) for half in halves))
        return "\n".join(lines)

    def _style(self, name):
        rows, columns = self.drawing.block(self.puzzle.size)
        colours = COLOURS | dict(ink=INK, paper=PAPER, pale=to_hex(tint("wrong")))
        sizes = dict(columns=self.columns, block_rows=rows, block_columns=columns)
        return STYLE.substitute(colours | sizes, id=name)

    def _table(self):
        cells = [
            f"<td class=given>{html.escape(sign)}</td>" if value else "<td></td>"
            for value, sign in zip(self.puzzle, self.grids[0], strict=True)
        ]
        rows = "".join(f"<tr>{''.join(row)}</tr>" for row in self._rows(cells))
        return f'<table aria-label="{self.drawing.NAME}"><tbody>{rows}</tbody></table>'

    def _repr_html_(self):
        content = f"{self.title}\n{self.steps}".encode()
        name = "tinyrec-" + hashlib.sha256(content).hexdigest()[:10]
        title = html.escape(self.title)
        steps = html.escape(self.steps, quote=False).replace("'", "&#x27;")
        buttons = "".join(
            f'<button type="button" data-go="{go}">{go.title()}</button>' for go in BUTTONS
        )
        wrong = "" if self.solution is None else "<br>corner triangle: wrong"
        # Lumino's attribute keeps JupyterLab from taking the keys for itself.
        return (
            f'<div id="{name}" role="group" tabindex="0" data-lm-suppress-shortcuts="true" '
            f"aria-label=\"Step player {title}\" data-steps='{steps}'>"
            f"<style>{self._style(name)}</style>"
            + (f'<p class="title">{title}</p>' if title else "")
            + self._table()
            + f'<p class="status" role="status" aria-live="polite">{self.says[0]}</p>'
            f'<div class="controls">{buttons}</div>'
            f'<input type="range" min="0" max="{len(self.answers)}" value="0" aria-label="Step">'
            f'<p class="key">ring: changed in this step{wrong}<br>keys: left, right, space</p>'
            f"<script>{SCRIPT}</script></div>"
        )
