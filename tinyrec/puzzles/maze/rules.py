"""Mazes: text, tokens, answers and symmetries.

A maze is a tensor of tokens (..., cells), a square row by row: 1 wall, 2 free, 3 start, 4 goal and,
in an answer, 5 path; 0 is padding. The number of cells tells the size.
"""

from collections.abc import Callable
from math import isqrt

import numpy as np
import torch
from torch import Tensor

from tinyrec.puzzles.maze.paths import (
    Board,
    is_way,
    on_shortest_paths,
    shortest_path,
    to_bits,
    to_mask,
)

CHARACTERS = "# SGo"  # of tokens 1 to 5, as in the official data
WALL, FREE, START, GOAL, PATH = range(1, 6)
VOCABULARY = 6
SMALLEST = 3  # rows


def size_of(cells: int) -> int:
    """Rows of a maze of so many cells; ValueError unless that is a square of at least 3 x 3."""
    size = isqrt(cells)
    if size < SMALLEST or size * size != cells:
        raise ValueError(f"expected the cells of a square, such as 81 or 900, found {cells}")
    return size


def cell_name(cell: int, size: int) -> str:
    return f"row {cell // size + 1}, column {cell % size + 1}"


# --- text ------------------------------------------------------------------


def parse(text: str) -> Tensor:
    """Read a maze (cells,): # wall, space or . free, S start, G goal, o path.

    On one line, or on one for each row; rows whose last free cells were lost are filled up.
    ValueError says where in the text a character is none of these, or how many cells were found.
    """
    rows = text.strip("\n").splitlines() or [""]
    width = max(map(len, rows))
    for number, row in enumerate(rows, 1):
        for column, sign in enumerate(row, 1):
            if sign not in CHARACTERS + ".":
                place = f"line {number}, column {column}" if rows[1:] else f"character {column}"
                raise ValueError(f"{place}: {sign!r} is none of # S G o, a space or .")
    if rows[1:] and len(rows) != width:
        raise ValueError(f"expected a square, found {len(rows)} rows of {width} cells")
    signs = "".join(row.ljust(width) for row in rows).replace(".", " ")
    size_of(len(signs))
    return torch.tensor([CHARACTERS.index(sign) + 1 for sign in signs])


def to_string(x: Tensor) -> str:
    """A maze (cells,) on one line, as in the official files; padding becomes free."""
    return "".join((" " + CHARACTERS)[token] for token in x.tolist())


def line(x: Tensor) -> str:
    """The same with `.` where it is free, so that nothing is lost where spaces are."""
    return to_string(x).replace(" ", ".")


def picture(x: Tensor) -> str:
    """A maze (cells,) for the eye, one line a row."""
    size, text = size_of(len(x)), line(x)
    return "\n".join(text[start : start + size] for start in range(0, len(text), size))


# --- questions and answers -------------------------------------------------


def boards(questions: Tensor) -> list[Board]:
    """Questions (N, cells) for searching. Path cells count as free."""
    tokens = questions.cpu().numpy()
    sets = (to_bits(cells) for cells in (tokens > WALL, tokens == START, tokens == GOAL))
    row = size_of(tokens.shape[1]) + 1
    return [Board(*cells, row) for cells in zip(*sets, strict=True)]


def check(x: Tensor) -> str | None:
    """ValueError where x (cells,) is no question or has no answer; a remark where several answers
    are as short.
    """
    size = size_of(len(x))
    for token in (PATH, 0):
        for cell in (x == token).nonzero():
            what = "a path is drawn already" if token else "padding"
            raise ValueError(f"{cell_name(int(cell), size)}: {what}")
    for token, name in (START, "start (S)"), (GOAL, "goal (G)"):
        if (count := int((x == token).sum())) != 1:
            raise ValueError(f"expected one {name}, found {count}")
    [board] = boards(x[None])
    if not (path := shortest_path(board)):
        raise ValueError("the walls leave no way from S to G")
    several = on_shortest_paths(board) != path
    return "the maze has more than one shortest path" if several else None


def solve(questions: Tensor) -> Tensor:
    """The answers of questions (N, cells): each with its shortest path, ties broken by one rule.

    ValueError names the question that has none.
    """
    answers = questions.clone()
    for number, board in enumerate(boards(questions)):
        if not (path := shortest_path(board)):
            raise ValueError(f"maze {number}: the walls leave no way from S to G")
        inner = to_mask(path ^ board.start ^ board.goal, questions.shape[1])
        answers[number, torch.from_numpy(inner)] = PATH
    return answers


def judge(x: Tensor, answers: Tensor) -> dict[str, Tensor]:
    """Which answers (N, cells) to x (N, cells) are ways from start to goal, and which are shortest.

    valid: nothing but free cells of the question is changed, all of these into path, and what is
    marked is one way from start to goal (`is_way`). optimal: no way is shorter.
    """
    x, answers = x.cpu(), answers.cpu()
    drawn = answers == PATH
    kept = torch.where(drawn, x == FREE, answers == x).all(1).tolist()
    marked = to_bits(((answers >= START) & (answers <= PATH)).numpy())
    valid, optimal = [], []
    for good, way, board in zip(kept, marked, boards(x), strict=True):
        valid.append(good and is_way(way, board))
        shortest = valid[-1] and way.bit_count() == shortest_path(board).bit_count()
        optimal.append(shortest)
    return {"valid": torch.tensor(valid, dtype=bool), "optimal": torch.tensor(optimal, dtype=bool)}


# --- symmetries ------------------------------------------------------------


def symmetries(cells: int) -> Tensor:
    """The 8 symmetries of the square (8, cells): the cell that each one of an image comes from."""
    size = size_of(cells)
    square = np.arange(cells).reshape(size, size)
    turned = [np.rot90(side, turns) for side in (square, square.T) for turns in range(4)]
    return torch.from_numpy(np.stack(turned).reshape(8, cells))


def view(
    x: Tensor, generator: torch.Generator | None = None
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """A random symmetric image of each question x (B, cells), and the function that takes its
    answers back.
    """
    which = torch.randint(8, (len(x),), generator=generator, device=x.device)
    origin = symmetries(x.shape[1]).to(x.device)[which]
    return x.gather(1, origin), lambda answers: answers.gather(1, origin.argsort(1))


def images(questions: Tensor) -> Tensor:
    """All images (8 N, cells) of questions (N, cells); the first N are the questions themselves."""
    return torch.cat([questions[:, origin] for origin in symmetries(questions.shape[1])])


def layouts(questions: Tensor) -> list[bytes]:
    """A key for each question (N, cells): equal just where walls are images of one another."""
    walls = (images(questions) == WALL).reshape(8, *questions.shape).numpy()
    return [min(map(bytes, sides)) for sides in np.packbits(walls, axis=2).transpose(1, 0, 2)]
