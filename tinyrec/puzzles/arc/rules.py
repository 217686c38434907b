"""The rules of the fifteen tasks of ARC-AGI-1's training part whose grids are all at most 3x3.

All their questions are 3x3. So a question of one task can be asked under the puzzle id of another,
and what the other's rule makes of it is known.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tinyrec.puzzles import PuzzleSet
from tinyrec.puzzles.arc.family import Chosen
from tinyrec.puzzles.arc.grids import encode
from tinyrec.puzzles.arc.views import labels

Grid = np.ndarray
GREY = 5
NAMES = {1: 5, 2: 6, 3: 4, 4: 3, 5: 1, 6: 2, 8: 9, 9: 8}  # of 7 and of black nothing is shown
SHAPES = {"110 101 010": 1, "101 010 101": 2, "011 011 100": 3, "010 111 010": 6}
LINES = {1: "111 000 000", 2: "100 010 001", 3: "001 010 100"}
COUNTS = {1: "100 000 000", 2: "110 000 000", 3: "111 000 000", 4: "111 020 000"}


def rename_colours(grid: Grid) -> Grid | None:
    if set(grid.flat) <= NAMES.keys():
        return np.vectorize(NAMES.get)(grid)


def mark_uniform_rows(grid: Grid) -> Grid:
    return GREY * (grid == grid[:, :1]).all(1, keepdims=True).repeat(3, 1)


def move_down(grid: Grid) -> Grid | None:
    if not grid[-1].any():
        return np.roll(grid, 1, 0)


def name_the_shape(grid: Grid) -> Grid | None:
    number = SHAPES.get(" ".join("".join(row) for row in (grid > 0).astype(int).astype(str)))
    return number and np.array([[number]])


def half_turn(grid: Grid) -> Grid:
    return np.rot90(grid, 2)


def is_symmetric(grid: Grid) -> Grid:
    return np.array([[1 if (grid == np.fliplr(grid)).all() else 7]])


def most_frequent(grid: Grid) -> int | None:
    count = np.bincount(grid.flat)
    return count.argmax() if (count == count.max()).sum() == 1 else None


def fill_with_most_frequent(grid: Grid) -> Grid | None:
    colour = most_frequent(grid)
    return None if colour is None else np.full((3, 3), colour)


def grey_the_others(grid: Grid) -> Grid | None:
    colour = most_frequent(grid)
    return None if colour is None else np.where(grid == colour, colour, GREY)


def count_colours(grid: Grid) -> Grid | None:
    line = LINES.get(len(set(grid.flat)))
    return line and GREY * drawn(line)


def transpose(grid: Grid) -> Grid:
    return grid.T


def count_cells(grid: Grid) -> Grid | None:
    picture = COUNTS.get((grid > 0).sum())
    return picture and np.minimum(2, 2 * drawn(picture))


def colour_by_place(grid: Grid) -> Grid | None:
    if (grid.sum(1) == GREY).all() and ((grid == GREY).sum(1) == 1).all():
        return np.array([2, 4, 3])[grid.argmax(1)][:, None].repeat(3, 1)


def colour_downwards(grid: Grid) -> Grid:
    rows = [grid[0]]
    for row in grid[1:]:
        rows.append(np.where(row > 0, row, rows[-1]))
    return np.array(rows)


def turn_left(grid: Grid) -> Grid:
    return np.rot90(grid)


def drawn(text: str) -> Grid:
    return np.array([list(map(int, row)) for row in text.split()])


# None: the demonstrations do not say what to do with such a grid.
RULES: dict[str, Callable[[Grid], Grid | None]] = {
    "0d3d703e": rename_colours,
    "25d8a9c8": mark_uniform_rows,
    "25ff71a9": move_down,
    "27a28665": name_the_shape,
    "3c9b0459": half_turn,
    "44f52bb0": is_symmetric,
    "5582e5ca": fill_with_most_frequent,
    "6150a2bd": half_turn,
    "6e02f1e3": count_colours,
    "74dd1130": transpose,
    "794b24be": count_cells,
    "9565186b": grey_the_others,
    "a85d4709": colour_by_place,
    "d037b0a7": colour_downwards,
    "ed36ccf7": turn_left,
}


class Crossed(NamedTuple):
    """Every held-out question under every id whose rule says what to make of it."""

    puzzles: PuzzleSet  # y: what the rule of the id's task makes of the question
    own: Tensor  # (N, L) what the rule of its own task makes of it, labelled like y
    asked: Tensor  # (N,) the question's task
    under: Tensor  # (N,) the id's task


def crossed(chosen: Chosen, side: int) -> Crossed:
    """The questions of the tasks chosen, which must all be in RULES: KeyError names one that is
    not.
    """
    asked, under, grids = [], [], []
    for number, task in enumerate(chosen.tasks[: chosen.held_out]):
        for pair in task.test:
            for other, other_task in enumerate(chosen.tasks[: chosen.held_out]):
                answer = RULES[other_task.name](pair.question)
                if answer is not None:
                    asked.append(number)
                    under.append(other)
                    grids.append((pair.question, answer, pair.answer))
    x, y, own = (encode(part, side) for part in zip(*grids, strict=True))
    asked, under = torch.tensor(asked), torch.tensor(under)
    return Crossed(PuzzleSet(x, labels(y), chosen.views.first[under]), labels(own), asked, under)
