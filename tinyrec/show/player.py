"""The step player: a page's window on the loop."""

import html
import json

import numpy as np
from matplotlib.colors import to_hex

from tinyrec.show import controls, families
from tinyrec.show.grids import captions, marks
from tinyrec.show.style import tint

STYLE, SCRIPT = controls.read("player.css"), controls.read("player.js")


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
        said = [controls.unbroken(text) for text in self.says]
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

    def _table(self):
        cells = [
            f'<td class="given{" solid" * (sign == "█")}">{html.escape(sign)}</td>'
            if value
            else "<td></td>"
            for value, sign in zip(self.puzzle, self.grids[0], strict=True)
        ]
        rows = "".join(f"<tr>{''.join(row)}</tr>" for row in self._rows(cells))
        return f'<table aria-label="{self.drawing.NAME}"><tbody>{rows}</tbody></table>'

    def _repr_html_(self):
        rows, columns = self.drawing.block(self.puzzle.size)
        wrong = "" if self.solution is None else "<br>corner triangle: wrong"
        return controls.frame(
            "step", self.title, self.steps, self.says, self._table(),
            f"ring: changed in this step{wrong}", STYLE, SCRIPT, pale=to_hex(tint("wrong")),
            columns=self.columns, block_rows=rows, block_columns=columns,
        )  # fmt: skip
