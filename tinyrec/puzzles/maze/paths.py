"""Shortest paths by breadth-first search, with all cells of a maze as the bits of one whole number.

One step from a set of cells to their neighbours is then four shifts, however many cells there are:
a 30x30 maze is searched in a fraction of a millisecond. Each row has one bit more than there are
columns; it is never free, so that no step leads from the end of a row to the next.
"""

from math import isqrt
from typing import NamedTuple

import numpy as np


class Board(NamedTuple):
    """A maze; start and goal are free too."""

    free: int
    start: int
    goal: int
    row: int  # bits of a row


def to_bits(masks: np.ndarray) -> list[int]:
    """Sets of cells, bool (N, cells), as N numbers."""
    size = isqrt(masks.shape[1])
    padded = np.zeros((len(masks), size, size + 1), bool)
    padded[:, :, :size] = masks.reshape(-1, size, size)
    packed = np.packbits(padded.reshape(len(masks), -1), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def to_mask(bits: int, cells: int) -> np.ndarray:
    """A set of cells as bools (cells,)."""
    size = isqrt(cells)
    count = size * (size + 1)
    packed = np.frombuffer(bits.to_bytes(-(-count // 8), "little"), np.uint8)
    mask = np.unpackbits(packed, count=count, bitorder="little")
    return mask.reshape(size, size + 1)[:, :size].ravel().astype(bool)


def first(cells: int) -> int:
    """Of a set of cells the first in reading order."""
    return cells & -cells


def around(cells: int, row: int) -> int:
    """The neighbours of a set of cells, walls included."""
    return cells << 1 | cells >> 1 | cells << row | cells >> row


def spread(start: int, free: int, row: int) -> list[int]:
    """The cells that are 0, 1, 2, ... steps away from the start."""
    fronts = []
    while start:
        fronts.append(start)
        free ^= start
        start = around(start, row) & free
    return fronts


def shortest_path(board: Board) -> int:
    """The cells of one shortest path, both ends included; 0 where no way leads to the goal.

    Seen from the start, the path takes the first neighbour in reading order (up, left, right, down)
    that is nearer to the goal. So a maze has one answer, however many paths are as short.
    """
    fronts = spread(board.goal, board.free, board.row)
    steps = next((n for n, front in enumerate(fronts) if front & board.start), None)
    if steps is None:
        return 0
    path = here = board.start
    for nearer in reversed(fronts[:steps]):
        here = first(around(here, board.row) & nearer)
        path |= here
    return path


def on_shortest_paths(board: Board) -> int:
    """The cells of all shortest paths together; 0 where no way leads to the goal."""
    from_start = spread(board.start, board.free, board.row)
    from_goal = spread(board.goal, board.free, board.row)
    steps = next((n for n, front in enumerate(from_goal) if front & board.start), -1)
    return sum(from_start[n] & from_goal[steps - n] for n in range(steps + 1))


def is_way(marked: int, board: Board) -> bool:
    """Do the marked cells, both ends among them, form one way from start to goal?

    From the start on, exactly one marked cell must come next, until none is left and the goal is
    reached. So nothing branches, nothing is left over, and the way never touches itself.
    """
    here, rest = board.start, marked ^ board.start
    while rest:
        here = around(here, board.row) & rest
        if here.bit_count() != 1:
            return False
        rest ^= here
    return here == board.goal
