"""Mazes drawn as mazes: the contract of `tinyrec.show.families`."""

import numpy as np
from matplotlib.patches import Circle, Rectangle

from tinyrec.puzzles.maze import rules
from tinyrec.show.style import COLOURS

NAME = "maze"
SIGNS = ".█SGo"  # free, wall, start, goal, path
VALUES = np.array([0, 1, 0, 2, 3, 4])  # of tokens; padding is drawn as free


def values(tokens):
    return VALUES[tokens.cpu().numpy()]


def shape(cells):
    size = rules.size_of(cells)
    return size, size


def block(cells):
    return shape(cells)  # a thick line around the whole alone


def signs(cells):
    return SIGNS


def draw(ax, grid, given, points):
    """Walls fill their cells, a path is a chain of dots in the colour of answers."""
    size, _ = shape(len(grid))
    for cell, value in enumerate(grid):
        row, column = divmod(cell, size)
        sign, colour = SIGNS[value], COLOURS["question" if given[cell] else "answer"]
        if sign == "█":
            ax.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, gid="wall"))
        elif sign == "o":
            ax.add_patch(Circle((column + 0.5, row + 0.5), 0.2, facecolor=colour, gid="path"))
        elif sign != ".":
            ax.text(
                column + 0.5, row + 0.52, sign, ha="center", va="center",
                fontsize=0.7 * points, fontweight="bold", color=colour,
            )  # fmt: skip
