"""Making Sudoku puzzles: random ones from a seed, and honest splits."""

from collections.abc import Callable

import numpy as np

from tinyrec.puzzles.sudoku.classes import fingerprint, normal_grids
from tinyrec.puzzles.sudoku.dig import Puzzles, dig, fill, harden, shuffled
from tinyrec.puzzles.sudoku.rules import BOXES, layout
from tinyrec.puzzles.sudoku.solve import BLOCK

FEWEST_CLUES = {4: 4, 6: 8, 9: 17}  # with fewer, no puzzle has just one solution
STARTS = 256  # puzzles that a search for hard ones begins with: few of them get there
PATIENCE = 5000  # grids tried in a row without a new puzzle before giving up


def generate(
    size: int, count: int, seed: int, clues: int | None = None, rating: int = 0
) -> Puzzles:
    """Different puzzles with exactly one solution each, and their solutions.

    Sizes 4, 6 and 9; both (count, cells), uint8. Without `clues` the puzzles
    are minimal: no clue can go without a second solution appearing. With it
    they have exactly so many clues. With `rating` they are minimal, and a search
    has made each so hard that `rate` counts at least so many wrong guesses.
    Equal seeds give equal puzzles.

    Each puzzle is dug out of a random solution: clues go in random order where
    the solution stays the only one. At 4x4 and 6x6 all 288 or 28,200,960
    solutions are equally likely. At 9x9 a random fill finds them: all images of
    a grid are equally likely, different classes are not (the same fill at 6x6
    draws a class between 0.2 and 2.3 times as often as it should).

    Raises ValueError for a size or a number of clues that cannot be, for a
    rating of puzzles that need not be minimal, and when so many puzzles are not
    found in thousands of tries.
    """
    _check(size, clues, rating)
    grids = None if size == 9 else normal_grids(size)[0]
    draw = _drawer(size, clues, rating, np.random.default_rng(seed), grids)
    return _collect(draw, size, count, _rows, set())


def split(
    size: int,
    train: int,
    test: int,
    seed: int,
    clues: int | None = None,
    rating: int = 0,
    new_classes: int = 0,
) -> dict[str, Puzzles]:
    """Puzzles to train on, and others to test on that are no images of them.

    Returns {"train": (puzzles, solutions), "test": ...}, made as by `generate`.
    With `new_classes` = k (4x4 and 6x6 only) k random solution classes are kept
    out of both, and "test_new_classes" has `test` puzzles of these alone.

    Proof by construction: images have equal fingerprints, and a puzzle with the
    fingerprint of a test puzzle is never taken again, neither to test nor to
    train. Two training puzzles are different, but may be images of one another.

    Raises ValueError like `generate`, and for an impossible k.
    """
    _check(size, clues, rating)
    rng = np.random.default_rng(seed)
    old = new = None
    if size != 9 or new_classes:
        grids, first = normal_grids(size)
        classes = np.unique(first)
        if not 0 <= new_classes < len(classes):
            raise ValueError(f"new_classes must be 0..{len(classes) - 1}, not {new_classes}")
        held_out = np.isin(first, rng.choice(classes, new_classes, replace=False))
        old, new = grids[~held_out], grids[held_out]
    draw = _drawer(size, clues, rating, rng, old)
    prints = set()
    parts = {"test": _collect(draw, size, test, _prints, prints)}

    def draw_train(number: int) -> Puzzles:
        puzzles, solutions = draw(number)
        apart = [mark not in prints for mark in _prints(puzzles)]
        return puzzles[apart], solutions[apart]

    parts["train"] = _collect(draw_train, size, train, _rows, set())
    if new_classes:
        draw_new = _drawer(size, clues, rating, rng, new)
        parts["test_new_classes"] = _collect(draw_new, size, test, _prints, prints)
    return parts


def hold_out(
    puzzles: np.ndarray, solutions: np.ndarray, train: int, test: int, seed: int
) -> dict[str, Puzzles]:
    """Of puzzles (N, cells) that exist already, `test` to test on, and at most `train` others.

    As in `split`, no training puzzle is an image of a test puzzle, and the test puzzles are no
    images of one another. ValueError when too few are there.
    """
    order = np.random.default_rng(seed).permutation(len(puzzles))
    for start in order[: 2 * (train + test)], order:  # of millions the first few will often do
        prints = fingerprint(puzzles[start])
        different = np.sort(np.unique(prints, return_index=True)[1])
        held_out = different[:test]
        rest = np.flatnonzero(~np.isin(prints, prints[held_out]))[:train]
        if len(different) > test and len(rest) == train:
            break
    if len(different) <= test:
        raise ValueError(
            f"{len(different)} puzzles that are no images of one another; "
            f"expected more than the {test} to test on"
        )
    rows = {"train": order[rest], "test": order[held_out]}
    return {name: (puzzles[rows], solutions[rows]) for name, rows in rows.items()}


def keep_apart(
    puzzles: np.ndarray, solutions: np.ndarray, tested: np.ndarray, train: int, seed: int
) -> Puzzles:
    """At most `train` puzzles, drawn with the seed, that are no images of those `tested`."""
    order = np.random.default_rng(seed).permutation(len(puzzles))
    apart = ~np.isin(fingerprint(puzzles[order]), fingerprint(tested))
    rows = order[apart][:train]
    return puzzles[rows], solutions[rows]


def _check(size: int, clues: int | None, rating: int) -> None:
    if size not in BOXES:
        raise ValueError(f"the size must be 4, 6 or 9, not {size}")
    if clues is not None and not FEWEST_CLUES[size] <= clues <= size * size:
        raise ValueError(
            f"a {size}x{size} puzzle with one solution has {FEWEST_CLUES[size]} to "
            f"{size * size} clues, not {clues}"
        )
    if clues is not None and rating:
        raise ValueError(
            f"a rating of {rating} is for minimal puzzles; {clues} clues are asked for"
        )


def _rows(puzzles: np.ndarray) -> list[bytes]:
    return [puzzle.tobytes() for puzzle in puzzles]


def _prints(puzzles: np.ndarray) -> list[int]:
    return fingerprint(puzzles).tolist()


def _collect(
    draw: Callable[[int], Puzzles],
    size: int,
    count: int,
    keys: Callable[[np.ndarray], list],
    seen: set,
) -> Puzzles:
    """Draw until there are `count` puzzles with new keys, which join `seen`."""
    puzzles, solutions = np.zeros((2, count, size * size), np.uint8)
    have = vain = 0
    while have < count:
        tries = min(BLOCK, max(16, count - have, vain))
        drawn = draw(tries)
        vain += tries
        for puzzle, solution, key in zip(*drawn, keys(drawn[0]), strict=True):
            if have < count and key not in seen:
                seen.add(key)
                puzzles[have], solutions[have] = puzzle, solution
                have += 1
                vain = 0
        if vain >= PATIENCE:
            raise ValueError(
                f"found only {have} of {count} such puzzles: the last {vain} grids gave no new one"
            )
    return puzzles, solutions


def _drawer(
    size: int,
    clues: int | None,
    rating: int,
    rng: np.random.Generator,
    grids: np.ndarray | None,
) -> Callable[[int], Puzzles]:
    """A function that makes puzzles from so many random solutions.

    The solutions are `normal_grids` among `grids`, or a random fill for None.
    Puzzles that end with more than `clues` clues or below `rating` are left out.
    """

    def draw(number: int) -> Puzzles:
        number = max(number, STARTS) if rating else number
        if grids is None:
            solutions = fill(size, number, rng)
        else:
            solutions = _rename(grids[rng.integers(len(grids), size=number)], rng)
        puzzles = dig(solutions, clues or 0, rng)
        if rating:
            return harden(puzzles, solutions, rating, rng)
        right = (puzzles > 0).sum(1) == clues if clues else slice(None)
        return puzzles[right], solutions[right]

    return draw


def _rename(grids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Complete grids (N, cells) with their digits permuted at random."""
    size, _, _ = layout(grids.shape[1])
    names = shuffled(len(grids), size, rng).astype(np.uint8) + np.uint8(1)
    return np.take_along_axis(names, grids.astype(np.intp) - 1, 1)
