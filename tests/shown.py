"""What the tests of `show` look at: a Sudoku, a model that answers by heart, a toy family."""

from types import SimpleNamespace

import numpy as np
import torch
from matplotlib.patches import Rectangle
from torch import nn

from tinyrec.puzzles import families as puzzle_families
from tinyrec.show import families

SOLUTION = np.array([[(3 * (i % 2) + i // 2 + j) % 6 + 1 for j in range(6)] for i in range(6)])
SOLUTION = SOLUTION.ravel()
PUZZLE = np.where(np.arange(36) % 3 == 0, SOLUTION, 0)
ANSWERS = np.repeat(SOLUTION[None], 5, axis=0)
ANSWERS[0, 1:3] = SOLUTION[1:3] % 6 + 1  # two wrong cells
ANSWERS[1, 1] = SOLUTION[1] % 6 + 1  # one of them mended, the other still wrong
Q = np.array([-6.0, -2.0, 0.0, 2.0, 6.0])


class ByHeart(nn.Module):
    """Gives answers (S, L) in tokens, one after each segment, whatever it is asked; q (S, 2)."""

    def __init__(self, answers, q=None, q_learning=False):
        super().__init__()
        self.answers, self.q = answers, q
        self.config = SimpleNamespace(
            vocab=9, length=answers.shape[1], segments=len(answers), q_learning=q_learning
        )
        self.weight = nn.Parameter(torch.zeros(1))
        self.asked = []  # tokens, dtype and puzzle ids of each segment

    def initial_state(self, batch, dtype):
        return (torch.zeros(batch, 1, dtype=dtype),)

    def forward(self, tokens, state, puzzle_ids=None):
        self.asked.append((tokens.tolist(), state[0].dtype, puzzle_ids))
        step = int(state[0][0])
        logits = nn.functional.one_hot(self.answers[step], 9)[None].float() + self.weight
        q = None if self.q is None else self.q[step : step + 1]
        return (state[0] + 1,), logits, q


# A toy family: two rows of three cells, tokens 1 blank, 2 wall, 3 path; the rule is "no blank".
def toy_values(tokens):
    return (tokens - 1).clamp(min=0).numpy()


def toy_shape(cells):
    if cells != 6:
        raise ValueError(f"expected 6 cells, found {cells}")
    return 2, 3


def toy_draw(ax, grid, given, points):
    for cell in np.flatnonzero(grid):
        row, column = divmod(int(cell), 3)
        ax.add_patch(Rectangle((column, row), 1, 1, gid="given" if given[cell] else "answer"))


def toy_parse(text):
    return torch.tensor([".<'".index(sign) + 1 for sign in "".join(text.split())])


TOY = SimpleNamespace(
    NAME="Toy grid",
    values=toy_values,
    shape=toy_shape,
    block=lambda cells: (1, 3),
    signs=lambda cells: ".<'",
    draw=toy_draw,
)
TOY_RULES = SimpleNamespace(
    parse=toy_parse,
    check=lambda x: "a toy" if (x > 1).any() else None,
    judge=lambda x, answers: {"valid": (answers > 1).all(1)},
)


def add_toy(monkeypatch):
    """One line in each of the two lists."""
    monkeypatch.setitem(families.DRAWINGS, "toy", TOY)
    monkeypatch.setitem(puzzle_families.FAMILIES, "toy", TOY_RULES)
