"""The checks behind the exercises.

Each takes the reader's answer and prints whether it is right; where it is not, the line says what
is wrong. It returns True or False and raises nothing, so that a notebook with open exercises still
runs from top to bottom.
"""

import functools

import numpy as np
import torch

from tinyrec.losses import log_stablemax


class Wrong(Exception):
    """What the reader is told."""


def check(function):
    """Turn a function that raises Wrong into a check that prints a verdict and returns it."""

    @functools.wraps(function)
    def verdict(answer) -> bool:
        try:
            function(answer)
        except Wrong as wrong:
            print(f"Not yet: {wrong}")
        except Exception as error:
            print(f"Not yet: your code raised {type(error).__name__}: {error}")
        else:
            print("Right.")
            return True
        return False

    return verdict


def expect(condition, message: str) -> None:
    if not condition:
        raise Wrong(message)


def given(answer, kind, what: str):
    """The reader's answer if there is one, as `kind`."""
    expect(
        answer is not None and answer is not ..., f"nothing there yet; replace the dots by {what}"
    )
    return kind(answer)


# ---- chapter 1 -----------------------------------------------------------------------------------
# -------------------


@check
def exact_accuracy(f) -> None:
    """f(answers, solutions), both (N, cells) -> share of puzzles with every cell right."""
    solutions = np.array([[1, 2, 3, 4], [2, 1, 4, 3], [3, 4, 1, 2], [4, 3, 2, 1]])
    answers = solutions.copy()
    answers[1, 0] = 3
    value = given(f(answers, solutions), float, "your computation")
    expect(
        value != 15 / 16,
        "that is cell accuracy: 15 of 16 cells. Ask first whether all cells of a puzzle are right",
    )
    expect(value != 3, "that is how many puzzles are right; divide by their number")
    expect(
        abs(value - 3 / 4) < 1e-6,
        f"3 of 4 puzzles are right, so 0.75 was expected, not {value:.3f}",
    )


@check
def relabel(f) -> None:
    """f(grid, new), grid (cells,) with 0 for a blank, new (size + 1,) -> grid with digit d replaced
    by new[d].
    """
    grid = np.array([1, 0, 3, 4, 0, 4, 1, 0, 2, 0, 0, 3, 0, 3, 2, 1])
    new = np.array([0, 2, 3, 4, 1])
    before = grid.copy()
    value = given(f(grid, new), np.asarray, "the new grid")
    expect((grid == before).all(), "the grid given was changed; return a new one")
    expect(value.shape == grid.shape, f"the shape must stay {grid.shape}, not {value.shape}")
    expect((value[grid == 0] == 0).all(), "a blank must stay a blank")
    wanted = new[grid]
    chained = grid.copy()
    for digit in range(1, 5):
        chained[chained == digit] = new[digit]
    expect(
        not (value == chained).all(),
        "a digit was replaced twice: 1 became 2, and that 2 became 3. Read from the old grid only",
    )
    expect((value == wanted).all(), f"expected {wanted.tolist()}, got {value.tolist()}")


@check
def needed_cell_accuracy(p) -> None:
    """The cell accuracy at which half of all 81-cell puzzles are right, if cells erred
    independently.
    """
    value = given(p, float, "a number")
    expect(
        abs(value - 0.5 / 81) > 1e-6 and abs(value - 0.5) > 1e-6,
        "p times p times p ... 81 times must give 0.5; so take a root, do not divide",
    )
    expect(abs(value - 0.5 ** (1 / 36)) > 1e-6, "that is for 36 cells; a 9x9 grid has 81")
    expect(
        abs(value - 0.5 ** (1 / 81)) < 1e-4,
        f"{value:.4f} to the power of 81 is {value**81:.3f}, not 0.5",
    )


# ---- chapter 2 -----------------------------------------------------------------------------------
# -------------------


@check
def recurse(f) -> None:
    """f(step, x, y, loops): apply y <- step(x, y) `loops` times and return the list of all answers."""
    calls = []

    def step(x, y):
        calls.append((x, y))
        return 2 * y + x

    value = given(f(step, 1, 0, 4), list, "the list of answers")
    expect(len(calls) == 4, f"step must be called once per loop, so 4 times, not {len(calls)}")
    expect(all(x == 1 for x, _ in calls), "the question x must go in at every loop, unchanged")
    expect(
        [y for _, y in calls] != [0, 0, 0, 0],
        "each loop must start from the last answer, not from the first",
    )
    expect(
        len(value) == 4, f"the list must hold one answer for each loop, 4 in all, not {len(value)}"
    )
    expect(value == [1, 3, 7, 15], f"expected [1, 3, 7, 15], got {value}")


@check
def one_loop_gradient(f) -> None:
    """f(model_step, x, y, loops): as `recurse`, but only the last loop is differentiated; returns
    the last answer.
    """
    weight = torch.tensor(0.5, requires_grad=True)
    out = given(
        f(lambda x, y: weight * y + x, torch.tensor(1.0), torch.tensor(0.0), 3),
        lambda v: v,
        "the last answer",
    )
    expect(
        torch.is_tensor(out) and out.requires_grad,
        "the last loop must carry a gradient; yours carries none",
    )
    expect(
        abs(out.item() - 1.75) < 1e-6,
        f"the answer itself must not change: expected 1.75, got {out.item():.3f}",
    )
    out.backward()
    full = 2.0  # d/dw of 1 + w + w^2 at w = 0.5
    expect(
        abs(weight.grad.item() - full) > 1e-6,
        "the gradient still goes through all loops; detach before the last",
    )
    expect(
        abs(weight.grad.item() - 1.5) < 1e-6,
        f"expected a gradient of 1.5, got {weight.grad.item():.3f}",
    )


# ---- chapter 8 -----------------------------------------------------------------------------------
# -------------------


@check
def depth(f) -> None:
    """f(recursions, latent_steps, layers) -> layers that a puzzle passes in a segment: T (n + 1)
    layers.
    """
    value = given(f(3, 6, 2), int, "the formula")
    expect(
        value != 36,
        "each latent recursion also has one call on y; you counted the n calls on z only",
    )
    expect(value != 21, "that is the number of calls; each call passes `layers` layers")
    expect(value != 14, "that is one latent recursion; a segment has T of them")
    expect(value == 42, f"the paper counts 42 for T=3, n=6 and 2 layers; you have {value}")
    expect(f(2, 2, 4) == 24, f"for T=2, n=2 and 4 layers it is 24; you have {f(2, 2, 4)}")


@check
def stablemax(f) -> None:
    """f(x), logits (..., V) -> probabilities on the last axis by s(x) / sum s(x)."""
    x = torch.tensor([[2.0, 0.0, -3.0], [1.0, 1.0, 1.0]], dtype=torch.double)
    value = given(f(x), lambda v: v, "your computation")
    expect(
        torch.is_tensor(value) and value.shape == x.shape, "return a tensor of the same shape as x"
    )
    expect(
        not torch.allclose(value, x.softmax(-1)), "that is softmax; use s(x) in the place of exp(x)"
    )
    expect(
        torch.allclose(value.sum(-1), torch.ones(2, dtype=torch.double)),
        "each row must add up to 1",
    )
    expect(bool((value > 0).all()), "below zero s(x) is 1 / (1 - x), which is never negative")
    expect(
        torch.allclose(value, log_stablemax(x).exp()),
        f"expected {log_stablemax(x[0]).exp().tolist()} for "
        f"{x[0].tolist()}, got {value[0].tolist()}",
    )


@check
def segments_used(f) -> None:
    """f(q), halting logits (N, S) -> for each puzzle the first segment (from 1) with q > 0, or S."""
    q = torch.tensor(
        [
            [-1.0, 2.0, -1.0, 3.0],
            [-1.0, -1.0, -1.0, -1.0],
            [0.5, 1.0, 1.0, 1.0],
            [-1.0, -1.0, -1.0, 9.0],
        ]
    )
    value = given(f(q), lambda v: torch.as_tensor(v).tolist(), "your computation")
    expect(
        value != [1, 0, 0, 3],
        "segments are counted from 1, and a puzzle that never halts uses all of them",
    )
    expect(value != [2, 1, 1, 4], "a puzzle that never says solved uses all segments, not 1")
    expect(
        value != [4, 4, 4, 4], "a puzzle stops at the first segment where q > 0, not at the last"
    )
    expect(value == [2, 4, 1, 4], f"expected [2, 4, 1, 4], got {value}")
