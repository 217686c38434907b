"""Small tasks of ARC-AGI-1 whose rule is written down, to ask what a puzzle id carries.

Each of them builds its answer from symmetric images of its question. So for a question of one task
it is known what the rule of another would make of it.
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

Rule = Callable[[np.ndarray], np.ndarray]


def half_turn(grid):
    return np.rot90(grid, 2)


def mirrored_below(grid):
    return np.vstack([grid, np.flipud(grid)])


def mirrored_above(grid):
    return np.vstack([np.flipud(grid), grid])


def mirrored_beside(grid):
    return np.hstack([grid, np.fliplr(grid)])


def mirrored_around(grid):
    return mirrored_below(mirrored_beside(grid))


def turned_around(grid):
    """Four times, each turned once more."""
    right, left = np.rot90(grid, -1), np.rot90(grid)
    return np.block([[grid, right], [left, half_turn(grid)]])


RULES: dict[str, Rule] = {
    "ed36ccf7": np.rot90,
    "3c9b0459": half_turn,
    "6150a2bd": half_turn,
    "74dd1130": np.transpose,
    "9dfd6313": np.transpose,
    "6fa7a44f": mirrored_below,
    "8be77c9e": mirrored_below,
    "4c4377d9": mirrored_above,
    "6d0aefbc": mirrored_beside,
    "c9e6f938": mirrored_beside,
    "62c24649": mirrored_around,
    "67e8384a": mirrored_around,
    "46442a0e": turned_around,
    "7fe24cdd": turned_around,
}


class Crossed(NamedTuple):
    """Held-out questions of some tasks under the ids of all of them."""

    names: list[str]  # of the tasks
    puzzles: PuzzleSet  # y: what the rule of the id's task makes of the question
    asked: Tensor  # (N,) place in `names` of the question's task
    under: Tensor  # (N,) place in `names` of the id's task


def crossed(chosen: Chosen, side: int) -> Crossed:
    """Every held-out question of the tasks in RULES under the id of each, where the rule's answer
    fits into `side` rows and columns; of "turned around" only square questions.
    """
    places = {task.name: number for number, task in enumerate(chosen.tasks)}
    names = [name for name in RULES if places.get(name, chosen.held_out) < chosen.held_out]
    questions, answers, rows = [], [], []
    for asked, name in enumerate(names):
        for pair in chosen.tasks[places[name]].test:
            for under, other in enumerate(names):
                rule, (height, width) = RULES[other], pair.question.shape
                if rule is turned_around and height != width:
                    continue
                answer = rule(pair.question)
                if max(answer.shape) <= side:
                    questions.append(pair.question)
                    answers.append(answer)
                    rows.append((asked, under))
    asked, under = torch.tensor(rows).T
    ids = chosen.views.first[torch.tensor([places[name] for name in names])][under]
    puzzles = PuzzleSet(encode(questions, side), labels(encode(answers, side)), ids)
    return Crossed(names, puzzles, asked, under)
