"""ARC grids as tokens on a square canvas, and their images.

A canvas is `side` x `side` cells, L = side * side tokens. The grid stands in its upper left corner,
or elsewhere in training; a line of END follows below it and at its right, where there is room.
"""

from collections.abc import Sequence
from math import isqrt

import numpy as np
import torch
from torch import Tensor

PAD, END, BLACK = 0, 1, 2  # colour c is token BLACK + c
VOCABULARY = 12
ROWS = 4096  # imaged at once, so that the votes of a whole set fit into memory

# The symmetries of a square in the official order: as it is, three turns to the left, mirrored left
# to right, top to bottom, along the diagonal and along the other one. Each is told by whether the
# grid is transposed, and whether the rows, and the columns, are reversed after that.
REVERSED = torch.tensor([(0, 0), (1, 0), (1, 1), (0, 1), (0, 1), (1, 0), (0, 0), (1, 1)]).bool()
TRANSPOSED = torch.tensor([0, 1, 0, 1, 0, 0, 1, 1]).bool()
INVERSE = torch.tensor([0, 3, 2, 1, 4, 5, 6, 7])


def encode(grids: Sequence[np.ndarray], side: int) -> Tensor:
    """Grids (rows, columns) of colours 0 to 9 -> tokens (N, L)."""
    canvas = torch.zeros(len(grids), side, side, dtype=torch.long)
    for place, grid in zip(canvas, grids, strict=True):
        place[: grid.shape[0], : grid.shape[1]] = torch.tensor(grid.tolist()) + BLACK
    return image(canvas.flatten(1))


def decode(tokens: Tensor) -> list[np.ndarray]:
    """Tokens (N, L) -> the grids, as `sizes` finds them; 0x0 where there is none."""
    canvas = tokens.unflatten(1, (isqrt(tokens.shape[1]), -1)) - BLACK
    return [
        grid[:rows, :columns].numpy().astype(np.uint8)
        for grid, (rows, columns) in zip(canvas, sizes(tokens).tolist(), strict=True)
    ]


def sizes(tokens: Tensor) -> Tensor:
    """Rows and columns (N, 2) of the grids in tokens (N, L): the largest rectangle of colours at
    the upper left corner, of two as large the lower one, as the official evaluator cuts it out.
    """
    side = isqrt(tokens.shape[1])
    coloured = (tokens >= BLACK).long().unflatten(1, (side, side))
    width = coloured.cumprod(2).sum(2).cummin(1).values  # (N, side) of the rows down to each
    area = width * torch.arange(1, side + 1)
    rows = area.argmax(1)  # the first of the largest
    columns = width.gather(1, rows[:, None])[:, 0]
    return torch.stack((torch.where(columns > 0, rows + 1, 0), columns), 1)


def image(
    tokens: Tensor,
    symmetry: Tensor | None = None,
    colours: Tensor | None = None,
    corner: Tensor | None = None,
) -> Tensor:
    """Images of the grids in the upper left corner of tokens (N, L).

    symmetry (N,), 0 to 7; colours (N, 10), colour c becomes colours[c]; corner (N, 2), row and
    column where the image begins. Without them: as it is, the same colours, upper left.
    """
    n, length = tokens.shape
    side = isqrt(length)
    symmetry = torch.zeros(n, dtype=torch.long) if symmetry is None else symmetry
    colours = torch.arange(10).expand(n, 10) if colours is None else colours
    corner = torch.zeros(n, 2, dtype=torch.long) if corner is None else corner
    if n > ROWS:
        parts = (part.split(ROWS) for part in (tokens, symmetry, colours, corner))
        return torch.cat([image(*rows) for rows in zip(*parts, strict=True)])
    swap = TRANSPOSED[symmetry][:, None]
    size = torch.where(swap, sizes(tokens).flip(1), sizes(tokens))[..., None]  # (N, 2, 1)
    place = torch.arange(side) - corner[..., None]  # (N, 2, side): rows and columns of the image
    inside, after = (place >= 0) & (place < size), place == size
    place = torch.where(REVERSED[symmetry][..., None], size - 1 - place, place)
    (row, column), (in_rows, in_columns) = cross(place), cross(inside)
    (below, _), (_, right) = cross(after), cross(after)
    swap = swap[..., None]
    source = side * torch.where(swap, column, row) + torch.where(
        swap, row, column
    )  # (N, side, side)
    old = tokens.gather(1, source.flatten(1).clamp(0, length - 1)) - BLACK
    new = colours.gather(1, old.clamp(0, 9)) + BLACK
    end = (below & in_columns) | (in_rows & right)
    return new.where((in_rows & in_columns).flatten(1), END * end.flatten(1).long())


def cross(lines: Tensor) -> tuple[Tensor, Tensor]:
    """(N, 2, side) -> what stands for the rows (N, side, 1), and for the columns (N, 1, side)."""
    return lines[:, 0, :, None], lines[:, 1, None, :]


def canonical(x: Tensor, y: Tensor) -> bytes:
    """The same for all images of a pair of canvases (L,), and for no other pair: of the eight
    symmetries, with colours but black numbered as they first appear, the smallest.
    """
    every = torch.arange(8)
    both = torch.cat([image(part.expand(8, -1), every) for part in (x, y)], 1)  # (8, 2L)
    return min(renumbered(row) for row in both.numpy().astype(np.uint8))


def renumbered(row: np.ndarray) -> bytes:
    tokens, first = np.unique(row, return_index=True)
    coloured = [token for token in tokens[first.argsort()] if token > BLACK]
    names = np.arange(VOCABULARY, dtype=np.uint8)
    names[coloured] = np.arange(BLACK + 1, BLACK + 1 + len(coloured))
    return names[row].tobytes()
