"""Sudoku drawn as Sudoku: the contract of `tinyrec.show.families`. What is drawn are digits."""

from tinyrec.puzzles.sudoku import rules
from tinyrec.show.style import COLOURS

NAME = "Sudoku grid"
values = rules.decode


def shape(cells):
    size, _, _ = rules.layout(cells)
    return size, size


def block(cells):
    _, rows, columns = rules.layout(cells)
    return rows, columns


def signs(cells):
    size, _, _ = rules.layout(cells)
    return ".123456789"[: size + 1]


def draw(ax, grid, given, points):
    """Given digits are bold, the others in the colour of answers."""
    size, _, _ = rules.layout(len(grid))
    for cell, digit in enumerate(grid):
        if digit:
            row, column = divmod(cell, size)
            ax.text(
                column + 0.5, row + 0.52, str(digit), ha="center", va="center",
                fontsize=0.62 * points, fontweight="bold" if given[cell] else "normal",
                color=COLOURS["question" if given[cell] else "answer"],
            )  # fmt: skip
