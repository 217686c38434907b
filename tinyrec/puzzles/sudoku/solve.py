"""A Sudoku solver that works on many puzzles at once.

A state of the search is a bit mask of candidates for each cell. All states
advance together, one round of singles at a time: numpy takes the same step for
a thousand of them in about the time that Python would need for one. States are
kept (cells, M), so that each operation runs along the batch.
"""

import math
from typing import NamedTuple

import numpy as np

from tinyrec.puzzles.sudoku.rules import UNITS, boxed, layout

BLOCK = 2048  # puzzles searched together
WIDTH = 512  # states stepped together, even when fewer puzzles are open


class Solved(NamedTuple):
    """What `solve` found about N puzzles."""

    count: np.ndarray  # (N,) solutions, up to the limit
    solution: np.ndarray  # (N, cells) one of them, zeros where there is none
    guesses: np.ndarray  # (N,) wrong ones: branches that ended in a contradiction


def solve(puzzles: np.ndarray, limit: float = 2) -> Solved:
    """Count the solutions of puzzles (N, cells), up to `limit` for each.

    Where the count is below the limit the search was exhaustive; elsewhere
    solution and guesses depend on the whole batch, though never on chance.
    Raises ValueError for another shape and for digits above the size.
    """
    puzzles = np.asarray(puzzles)
    count, guesses = np.zeros((2, len(puzzles)), int)
    solution = np.zeros(puzzles.shape, np.uint8)
    for start in range(0, len(puzzles), BLOCK):
        block = slice(start, start + BLOCK)
        found, owner, guesses[block] = search(candidates(puzzles[block]), limit)
        solution[block][owner] = found
        count[block] = np.bincount(owner, minlength=len(count[block])).clip(max=limit)
    return Solved(count, solution, guesses)


def all_solutions(puzzle: np.ndarray) -> np.ndarray:
    """Every solution (S, cells) of one puzzle (cells,)."""
    return search(candidates(puzzle[None]), math.inf)[0]


def rate(puzzles: np.ndarray) -> np.ndarray:
    """Difficulty (N,) of puzzles (N, cells): wrong guesses; 0, singles suffice.

    Raises ValueError for a puzzle that has not exactly one solution.
    """
    count, _, guesses = solve(puzzles)
    for number in np.flatnonzero(count != 1):
        found = "several solutions" if count[number] else "no solution"
        raise ValueError(f"puzzle {number} has {found}, a rating needs exactly one")
    return guesses


def candidates(puzzles: np.ndarray) -> np.ndarray:
    """Puzzles (N, cells) -> candidates (cells, N), uint16: digit d is bit d - 1.

    Raises ValueError for another shape and for digits above the size.
    """
    if puzzles.ndim != 2:
        raise ValueError(f"expected puzzles (N, cells), found shape {puzzles.shape}")
    size, _, _ = layout(puzzles.shape[1])
    if puzzles.max(initial=0) > size:
        raise ValueError(f"digit {puzzles.max()} is larger than {size}")
    masks = np.array([2**size - 1] + [1 << digit for digit in range(size)], np.uint16)
    return masks[puzzles.T]


def digits(states: np.ndarray) -> np.ndarray:
    """Solved states (cells, M) -> grids (M, cells), uint8."""
    return np.bitwise_count(states - 1).T + np.uint8(1)


def singles(states: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One round of naked and hidden singles on candidates (cells, M).

    A cell with one candidate takes it away from its row, column and box; a
    digit with one place left in a unit goes there. Returns the new candidates
    (cells, M), which states are contradictory and which are solved, bool (M,).
    """
    size, _, _ = layout(len(states))
    now = boxed(states.T)  # (bands, rows, stacks, columns, M)
    everywhere = (0, 1, 2, 3)
    naked = now * ((now & (now - 1)) == 0)
    taken, hidden = np.zeros_like(now), np.zeros_like(now)
    dead = np.zeros(now.shape[-1], bool)
    for axes in UNITS.values():
        placed = np.bitwise_or.reduce(naked, axes, keepdims=True)
        # Added up as numbers, different bits give their union, equal ones more.
        clash = placed != naked.sum(axes, np.uint16, keepdims=True)
        dead |= clash.any(everywhere)
        taken |= placed
        once = twice = np.uint16(0)
        for line in np.moveaxis(now, axes, (0, 1)):
            for cell in line:
                twice = twice | (once & cell)
                once = once | cell
        dead |= (once != 2**size - 1).any((0, 1))
        hidden |= np.expand_dims(once & ~twice, axes)
    new = now & ~(taken & ~naked)
    forced = new & hidden
    dead |= ((new == 0) | (forced & (forced - 1) != 0)).any(everywhere)
    new = np.where(forced, forced, new).reshape(states.shape)
    return new, dead, naked.all(everywhere) & ~dead


def branch(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Guess each candidate of the first among the cells with the fewest.

    Unsolved states (cells, M) -> children (cells, C), the parent of each (C,).
    """
    options = np.bitwise_count(states)
    cell = np.where(options > 1, options, 99).argmin(0)  # (M,)
    guess = states[cell, np.arange(len(cell))] & (1 << np.arange(9))[:, None]
    digit, parent = np.nonzero(guess)
    children = states.take(parent, 1)
    children[cell[parent], np.arange(len(parent))] = 1 << digit
    return children, parent


def search(states: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Search candidates (cells, N) until each has `limit` solutions.

    Returns the solutions found (S, cells), uint8; which of the N each belongs
    to (S,), perhaps more than `limit` times; and the wrong guesses (N,).

    All states wait on one stack, and the latest of them step together. So the
    search goes deep before it goes wide, and memory stays small on an empty
    grid too.
    """
    owner = np.arange(states.shape[1])
    count, wrong = np.zeros((2, len(owner)), int)
    guessed = np.zeros(len(owner), bool)
    found, owners = [np.zeros((0, len(states)), np.uint8)], [owner[:0]]
    while len(owner):
        top = max(WIDTH, np.count_nonzero(count < limit))
        now, mine = states[:, -top:], owner[-top:]
        new, dead, solved = singles(now)
        found.append(digits(new.compress(solved, 1)))
        owners.append(mine[solved])
        np.add.at(count, mine[solved], 1)
        np.add.at(wrong, mine[dead], 1)

        over = dead | solved
        stuck = (new == now).all(0) & ~over
        moving = ~stuck & ~over
        guessed[mine[stuck]] = True
        children, parent = branch(new.compress(stuck, 1))
        states = np.concatenate([states[:, :-top], new.compress(moving, 1), children], 1)
        owner = np.concatenate([owner[:-top], mine[moving], mine[stuck][parent]])
        if solved.any():
            searching = count[owner] < limit
            states, owner = states.compress(searching, 1), owner[searching]
    wrong[~guessed] = 0  # it was contradictory from the start, without a guess
    return np.concatenate(found), np.concatenate(owners), wrong
