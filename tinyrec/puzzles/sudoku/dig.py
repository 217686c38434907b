"""Digging Sudoku puzzles out of random solutions, and making them hard."""

from itertools import count as rounds

import numpy as np

from tinyrec.puzzles.sudoku.rules import layout
from tinyrec.puzzles.sudoku.solve import candidates, digits, rate, search, singles

Puzzles = tuple[np.ndarray, np.ndarray]  # puzzles and solutions, each (N, cells)
ROUNDS = 4  # of the search for hard puzzles, until the easier half is given up


def shuffled(rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """Independent permutations of 0 .. columns - 1, (rows, columns)."""
    return rng.permuted(np.tile(np.arange(columns), (rows, 1)), axis=1)


def fill(size: int, number: int, rng: np.random.Generator) -> np.ndarray:
    """Random complete grids (N, cells): guess, follow the singles, guess again.

    Each guess takes a random cell among those with the fewest candidates and a
    random one of these. A contradiction starts that grid anew.
    """
    full = np.uint16(2**size - 1)
    states = np.full((size * size, number), full)
    done = []
    while states.shape[1]:
        new, dead, solved = singles(states)
        done.append(digits(new.compress(solved, 1)))
        new[:, dead] = full
        stuck = np.flatnonzero((new == states).all(0) & ~solved)
        options = np.bitwise_count(new.take(stuck, 1))
        cell = np.where(options > 1, options + rng.random(options.shape), 99).argmin(0)
        bits = np.left_shift(1, np.arange(size))[:, None]
        chance = np.where(new[cell, stuck] & bits, rng.random((size, len(stuck))), -1)
        new[cell, stuck] = 1 << chance.argmax(0)
        states = new.compress(~solved, 1)
    return np.concatenate(done)


def dig(puzzles: np.ndarray, clues: int, rng: np.random.Generator) -> np.ndarray:
    """Remove clues in random order while the solution stays the only one.

    Puzzles (N, cells), such as solutions -> puzzles (N, cells) with at least `clues` clues. One
    pass makes them minimal: a clue needed now is needed with fewer clues too.
    """
    puzzles = puzzles.copy()
    count, cells = puzzles.shape
    size, _, _ = layout(cells)
    order = shuffled(count, cells, rng)
    blank = np.take_along_axis(puzzles, order, 1) == 0
    order = np.take_along_axis(order, blank.argsort(1, kind="stable"), 1)  # the given ones first
    for cell in order.T:
        given = puzzles[np.arange(count), cell] > 0
        rows = np.flatnonzero(given & ((puzzles > 0).sum(1) > clues))
        if len(rows) == 0:
            break
        # Is there a solution where this cell takes another digit?
        states = candidates(puzzles[rows])
        states[cell[rows], np.arange(len(rows))] ^= np.uint16(2**size - 1)
        _, owner, _ = search(states, limit=1)
        rows = np.delete(rows, owner)
        puzzles[rows, cell[rows]] = 0
    return puzzles


def harden(
    puzzles: np.ndarray, solutions: np.ndarray, rating: int, rng: np.random.Generator
) -> Puzzles:
    """Minimal puzzles (N, cells) -> those that a search made as hard as `rating`, and solutions.

    A round shows one to three more cells of a puzzle and digs it out again; the new one stays if
    it takes at least as many wrong guesses. After every ROUNDS the easier half is given up, so that
    most of the work goes into the most promising.
    """
    ratings = rate(puzzles)
    hard = [(puzzles[:0], solutions[:0])]
    for number in rounds(1):
        done = ratings >= rating
        hard.append((puzzles[done], solutions[done]))
        going = ~done
        if number % ROUNDS == 0 and going.any():
            going &= ratings > np.median(ratings[going])
        if not going.any():
            return tuple(map(np.concatenate, zip(*hard, strict=True)))
        puzzles, solutions, ratings = puzzles[going], solutions[going], ratings[going]
        places = np.where(puzzles == 0, rng.random(puzzles.shape), 1).argsort(1).argsort(1)
        more = places < rng.integers(1, 4, len(puzzles))[:, None]
        changed = dig(np.where(more, solutions, puzzles), 0, rng)
        harder = rate(changed)
        better = harder >= ratings
        puzzles[better], ratings[better] = changed[better], harder[better]
