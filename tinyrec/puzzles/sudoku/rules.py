"""Sudoku: rules, text, tokens and symmetries.

A grid is a numpy uint8 array (..., cells), row by row, 0 = blank. The number
of cells tells the size: 16 is 4x4 with boxes of 2x2, 36 is 6x6 with boxes of
2 rows x 3 columns, 81 is 9x9 with boxes of 3x3.
"""

import re
from collections.abc import Callable

import numpy as np
import torch

from tinyrec.puzzles import PuzzleSet

BOXES = {4: (2, 2), 6: (2, 3), 9: (3, 3)}  # size: rows and columns of a box
CELLS = {size * size for size in BOXES}
# Axes of `boxed` grids over which the cells of one row, column or box lie.
UNITS = {"row": (2, 3), "column": (0, 1), "box": (1, 3)}


def layout(cells: int) -> tuple[int, int, int]:
    """Size of a grid of so many cells, rows of a box, columns of a box.

    Raises ValueError unless there are 16, 36 or 81 cells.
    """
    for size, (rows, columns) in BOXES.items():
        if size * size == cells:
            return size, rows, columns
    raise ValueError(f"expected 16, 36 or 81 cells, found {cells}")


def boxed(grids: np.ndarray) -> np.ndarray:
    """View (..., cells) as (bands, rows, stacks, columns, ...).

    A band is a row of boxes, a stack a column of boxes. So a sum over two of
    the first four axes (`UNITS`) is a sum over a row, a column or a box.
    """
    size, rows, columns = layout(grids.shape[-1])
    grids = np.moveaxis(grids, -1, 0)
    bands, stacks = size // rows, size // columns
    return grids.reshape(bands, rows, stacks, columns, *grids.shape[1:])


def cell_name(cell: int, size: int) -> str:
    """The name of a cell in messages, counted from 1."""
    return f"row {cell // size + 1}, column {cell % size + 1}"


# --- text ------------------------------------------------------------------

BLANKS = "-.0_*?xX"
VALUES = dict.fromkeys(BLANKS, 0) | {str(digit): digit for digit in range(1, 10)}
BORDERS = "|+=,\u2500-\u257f"  # as in [] of a regular expression; a range of drawn lines
CROSSING = r"(?<!-)-*[+=][-+=]*"  # part of a border beyond doubt: dashes that touch a + or =
# Lines that may be borders: all of nothing but dashes, those where two dashes touch, none.
DASHED = (rf"[-\s{BORDERS}]*", rf"(?=.*--)[-\s{BORDERS}]*", "")


def parse(text: str) -> np.ndarray:
    """Read a grid (cells,), as people type and paste it and as `format_grid` prints it.

    A blank is one of . 0 _ * ? x X and -. White space, commas and borders made of | + = or of
    box-drawing characters say nothing, nor do dashes that touch a + or =. A line of nothing but
    dashes is a border or a row of blanks: first all such lines are taken for borders, then only
    those where two dashes touch (so `- - -` is a row), then none. The first reading with as many
    lines as each line has cells wins; if there is none, the first with 16, 36 or 81 cells.

    ValueError says where in the text a character is none of these, which digit is larger than the
    size, or how many cells were found. The rules of Sudoku are left to `check`.
    """
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if odd := re.search(rf"[^{BLANKS}\s1-9{BORDERS}]", line):
            column = odd.start() + 1
            place = f"line {number}, column {column}" if lines[1:] else f"character {column}"
            raise ValueError(f"{place}: {odd[0]!r} is neither a digit nor a blank (. 0 _ * ? x -)")

    lines = [re.sub(CROSSING, " ", line) for line in lines]
    readings = []
    for border in DASHED:
        rows = [line for line in lines if not re.fullmatch(border, line)]
        rows = [[VALUES[mark] for mark in row if mark in VALUES] for row in rows]
        readings.append([row for row in rows if row])
    fitting = [rows for rows in readings if sum(map(len, rows)) in CELLS]
    if not fitting:
        counts = dict.fromkeys(sum(map(len, rows)) for rows in readings)
        raise ValueError(f"expected 16, 36 or 81 cells, found {' or '.join(map(str, counts))}")
    square = [rows for rows in fitting if {len(row) for row in rows} == {len(rows)}]
    grid = np.array([digit for row in (square or fitting)[0] for digit in row], np.uint8)

    size, _, _ = layout(len(grid))
    for cell in np.flatnonzero(grid > size):
        raise ValueError(f"{cell_name(cell, size)}: digit {grid[cell]} is larger than {size}")
    return grid


def to_string(grid: np.ndarray) -> str:
    """One line of a grid (cells,), `.` for blanks."""
    return (np.asarray(grid, np.uint8) + np.uint8(ord("0"))).tobytes().decode().replace("0", ".")


def format_grid(grid: np.ndarray) -> str:
    """A grid (cells,) for the eye: one line a row, rules between the boxes."""
    size, rows, columns = layout(len(grid))
    text = to_string(grid)
    rule = "-+-".join(["-" * (2 * columns - 1)] * (size // columns))
    lines = []
    for row in range(size):
        if row and row % rows == 0:
            lines.append(rule)
        line = text[row * size : (row + 1) * size]
        boxes = (line[i : i + columns] for i in range(0, size, columns))
        lines.append(" | ".join(" ".join(box) for box in boxes))
    return "\n".join(lines)


# --- rules -----------------------------------------------------------------


def check(grid: np.ndarray) -> None:
    """Raise ValueError at the first cell of a grid (cells,) that breaks a rule.

    Reading order; blanks break none: `row 3, column 5: digit 7 is repeated in
    its box`.
    """
    size, rows, columns = layout(len(grid))
    seen = set()
    for cell, digit in enumerate(np.asarray(grid).tolist()):
        if not 0 <= digit <= size:
            raise ValueError(f"{cell_name(cell, size)}: {digit} is not in 0..{size}")
        row, column = divmod(cell, size)
        box = (row // rows, column // columns)
        for unit, number in (("row", row), ("column", column), ("box", box)):
            if digit and (unit, number, digit) in seen:
                raise ValueError(
                    f"{cell_name(cell, size)}: digit {digit} is repeated in its {unit}"
                )
            seen.add((unit, number, digit))


def is_solution(puzzle: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """Is the answer complete and valid, and does it keep the puzzle's digits?

    Both (..., cells) -> bool (...).
    """
    puzzle, answer = np.asarray(puzzle), np.asarray(answer)
    size, _, _ = layout(answer.shape[-1])
    good = ((answer >= 1) & (answer <= size)).all(-1)
    good &= ((puzzle == 0) | (puzzle == answer)).all(-1)
    bits = boxed(1 << answer.clip(0, size).astype(np.uint16))
    for axes in UNITS.values():  # a unit is right when all its digits occur
        seen = np.bitwise_or.reduce(bits, axes)
        good &= (seen == 2 ** (size + 1) - 2).all((0, 1))
    return good


# --- tokens ----------------------------------------------------------------


def vocabulary(size: int) -> int:
    """Number of tokens: padding 0, blank 1, digits 2 .. size + 1."""
    return size + 2


def encode(grids: np.ndarray) -> torch.Tensor:
    """Grids (..., cells) -> tokens (..., cells), long: digit + 1."""
    return torch.from_numpy(np.asarray(grids).astype(np.int64) + 1)


def decode(tokens: torch.Tensor) -> np.ndarray:
    """Tokens (..., cells) -> grids (..., cells), uint8; padding becomes blank."""
    return (tokens.cpu().long() - 1).clamp(min=0).numpy().astype(np.uint8)


def symmetry(
    batch: int, cells: int, generator: torch.Generator | None = None, device=None
) -> tuple[torch.Tensor, torch.Tensor]:
    """For each puzzle of a batch one element of the symmetry group of Sudoku, all equally likely.

    It is a permutation of the digits, of the bands, of the rows in each band, of the stacks, of the
    columns in each stack, and, where boxes are square, a transposition. Returned as origin (batch,
    cells), the cell that each new one comes from, and token (batch, size + 2), what each token
    becomes; padding and blanks stay.
    """
    size, rows, columns = layout(cells)

    def permutations(*shape):  # of the last axis, uniform
        return torch.rand(batch, *shape, generator=generator, device=device).argsort(-1)

    def lines(blocks, length):  # new order of the rows (or columns): (batch, size)
        first = length * permutations(blocks)[:, :, None]
        return (first + permutations(blocks, length)).flatten(1)

    row = lines(size // rows, rows)[:, :, None]
    column = lines(size // columns, columns)[:, None, :]
    origin = row * size + column  # (batch, size, size)
    if rows == columns:
        flip = permutations(2)[:, :1, None] == 0
        origin = torch.where(flip, origin.mT, origin)
    fixed = torch.arange(2, device=device).expand(batch, 2)
    return origin.flatten(1), torch.cat([fixed, 2 + permutations(size)], 1)


def move(tokens: torch.Tensor, origin: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
    """The images of tokens (B, cells) under the symmetries of `symmetry`."""
    return token.gather(1, tokens.gather(1, origin).long()).to(tokens.dtype)


def augment(
    x: torch.Tensor, y: torch.Tensor, generator: torch.Generator | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Replace each puzzle of a batch by a random symmetric image of it.

    Question x and answer y, tokens (B, cells), are moved alike; every row gets
    its own element of the symmetry group. The generator is on the device of x.
    """
    how = symmetry(*x.shape, generator, x.device)
    return move(x, *how), move(y, *how)


def view(
    x: torch.Tensor, generator: torch.Generator | None = None
) -> tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]:
    """A random symmetric image of each question x (B, cells), and the function that takes its
    answers back to x's.
    """
    origin, token = symmetry(*x.shape, generator, x.device)
    return move(x, origin, token), lambda y: move(y, origin.argsort(1), token.argsort(1))


def reveal(
    x: torch.Tensor, y: torch.Tensor, share: float, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Make some puzzles of a batch easier: question x (B, cells) with further cells of the answer y
    shown.

    With probability `share` a puzzle is chosen; then each of its blanks is filled in with a
    probability that is drawn for the puzzle, uniformly from 0 to 1. So of n blanks any number from
    0 to n is filled in, all equally likely. The other puzzles stay as they are.
    """
    draw = dict(generator=generator, device=x.device)
    chosen = torch.rand(len(x), 1, **draw) < share
    shown = torch.rand(x.shape, **draw) < torch.rand(len(x), 1, **draw)
    return torch.where(chosen & shown, y, x)


def puzzle_set(
    puzzles: np.ndarray, solutions: np.ndarray, augmented: bool = False, revealed: float = 0.0
) -> PuzzleSet:
    """Grids as a PuzzleSet; `augmented`: a random symmetric image at every draw, a share of them
    `revealed`.
    """

    def drawn(x, y, generator):
        x, y = augment(x, y, generator)
        return (reveal(x, y, revealed, generator) if revealed else x), y

    return PuzzleSet(encode(puzzles), encode(solutions), augment=drawn if augmented else None)
