"""Which Sudoku are images of one another under the symmetries of `augment`?

For complete grids of 4x4 and 6x6 exactly: `solution_class`. For puzzles of any
size safely: `fingerprint`. Two puzzles with different fingerprints are no
images of one another.
"""

from functools import cache

import numpy as np

from tinyrec.puzzles.sudoku.rules import UNITS, boxed, is_solution, layout
from tinyrec.puzzles.sudoku.solve import BLOCK, all_solutions

ROUNDS = 6  # of colour refinement; with more, no further puzzles were told apart


def relabelled(grids: np.ndarray) -> np.ndarray:
    """Complete grids (N, cells) with digits renamed: the first row is 1, 2, 3 ..."""
    size, _, _ = layout(grids.shape[1])
    name = grids[:, :size].argsort(1).astype(np.uint8) + np.uint8(1)  # (N, size)
    return np.take_along_axis(name, grids.astype(np.intp) - 1, 1)


def _key(grids: np.ndarray) -> np.ndarray:
    """Complete grids (N, cells) as byte strings (N,), ordered as the grids are."""
    return np.ascontiguousarray(grids).view(f"S{grids.shape[1]}")[:, 0]


def _swaps(size: int, block: int) -> list[np.ndarray]:
    """Orders of the rows (or columns), in blocks, that generate all allowed ones."""
    lines = np.arange(size)
    swaps = []
    for first in range(size - 1):
        if (first + 1) % block:  # neighbours in one block change places
            swaps.append(lines.copy())
            swaps[-1][[first, first + 1]] = first + 1, first
    for first in range(size // block - 1):  # neighbouring blocks do
        blocks = lines.reshape(-1, block).copy()
        blocks[[first, first + 1]] = blocks[[first + 1, first]]
        swaps.append(blocks.ravel())
    return swaps


@cache
def normal_grids(size: int) -> tuple[np.ndarray, np.ndarray]:
    """All complete grids whose first row is 1, 2, 3 ..., sorted: (G, cells), uint8.

    Each stands for size! grids. Beside them, for each, the number (G,) of the
    first grid of its class. G is 12 at 4x4 and 39,168 at 6x6; raises ValueError
    at 9x9.
    """
    if size not in (4, 6):
        raise ValueError(f"solution classes are known for 4x4 and 6x6, not {size}x{size}")
    _, rows, columns = layout(size * size)
    start = np.zeros((size, size), np.uint8)
    start[0] = np.arange(1, size + 1)
    grids = all_solutions(start.ravel())
    keys = np.sort(_key(grids))
    grids = keys.view(np.uint8).reshape(grids.shape)

    cells = np.arange(size * size).reshape(size, size)
    moves = [cells[order] for order in _swaps(size, rows)]
    moves += [cells[:, order] for order in _swaps(size, columns)]
    if rows == columns:
        moves.append(cells.T)
    images = [np.searchsorted(keys, _key(relabelled(grids[:, m.ravel()]))) for m in moves]
    # Grids that a chain of moves connects are one class. Every grid takes the
    # smallest number among its neighbours until nothing changes any more.
    first, before = np.arange(len(grids)), None
    while not np.array_equal(first, before):
        before = first
        for image in images:
            first = np.minimum(first, first[image])
    return grids, first


def solution_class(solutions: np.ndarray) -> np.ndarray:
    """The lexicographically smallest image (N, cells) of grids (N, cells).

    The class of a complete 4x4 or 6x6 grid: equal just where two grids are
    images of one another. The smallest image starts with 1, 2, 3 ..., for the
    digits can be renamed; so it is among the `normal_grids`. Raises ValueError
    at 9x9, which has 5,472,730,538 classes, and for a grid that is no solution.
    """
    solutions = np.asarray(solutions)
    size, _, _ = layout(solutions.shape[1])
    grids, first = normal_grids(size)
    for number in np.flatnonzero(~is_solution(solutions, solutions)):
        raise ValueError(f"grid {number} is not a complete valid grid")
    return grids[first[np.searchsorted(_key(grids), _key(relabelled(solutions)))]]


def fingerprint(puzzles: np.ndarray) -> np.ndarray:
    """A number (N,), uint64, that all images of a puzzle (N, cells) share.

    Different numbers prove that two puzzles are not images of one another;
    equal ones nearly always mean that they are. Complete grids of a size look
    all alike, and some with a single blank do: use `solution_class` there.

    Colour refinement (Weisfeiler and Leman): at first a cell's colour says only
    whether it is blank. In every round it becomes a hash of the old one and of
    the colours in its row, its column, its box and the cells with its digit,
    each taken as a multiset by a sum of hashes. Row and column are taken alike,
    because transposition is a symmetry where boxes are square; elsewhere the
    boxes, wider than high, tell them apart.
    """
    puzzles = np.asarray(puzzles)
    starts = range(0, max(1, len(puzzles)), BLOCK)  # a block at a time: what fits into the cache
    return np.concatenate([_fingerprint(puzzles[start : start + BLOCK]) for start in starts])


def _fingerprint(puzzles: np.ndarray) -> np.ndarray:
    size, _, _ = layout(puzzles.shape[1])
    grids = boxed(puzzles)  # (bands, rows, stacks, columns, N)
    same = [grids == digit for digit in range(1, size + 1)]
    colour = _mix((grids > 0).astype(np.uint64), 0)
    for _ in range(ROUNDS):
        row, column, box = (colour.sum(axes, keepdims=True) for axes in UNITS.values())
        digit = sum(cells * (colour * cells).sum((0, 1, 2, 3)) for cells in same)
        lines = _mix(row, 1) + _mix(column, 1)
        colour = _mix(_mix(colour, 2) + lines + _mix(box, 3) + _mix(digit, 4), 5)
    return colour.sum((0, 1, 2, 3))


def _mix(numbers: np.ndarray, salt: int) -> np.ndarray:
    """Scramble uint64 numbers, so that equal sums do not happen by chance."""
    odd = np.uint64(0xD6E8FEB86659FD93)
    numbers = (numbers + np.uint64((salt + 1) * 0x9E3779B97F4A7C15 % 2**64)) * odd
    numbers = (numbers ^ (numbers >> np.uint64(32))) * odd
    return numbers ^ (numbers >> np.uint64(32))
