"""Sudoku puzzles in files of Sudoku-Extreme's format: source, question, answer, rating."""

import gzip
import itertools
import os
import zlib
from pathlib import Path

import numpy as np

from tinyrec.puzzles.sudoku.rules import cell_name, check, is_solution, layout, parse, to_string

HEADER = "source,question,answer,rating"
BLOCK = 50_000  # lines of a file checked together


def write_csv(path, puzzles, solutions, ratings, source: str = "tinyrec") -> None:
    """Write puzzles and solutions (N, cells) and ratings (N,), int.

    The format is Sudoku-Extreme's, compressed when the path ends in .gz. A
    file of that name is replaced whole or, after an error, not at all. Raises
    ValueError when a solution does not solve its puzzle, when the lengths
    differ or when the source holds a comma or a line break.
    """
    wrong = np.flatnonzero(~is_solution(puzzles, solutions))
    if len(wrong):
        raise ValueError(f"puzzle {wrong[0]}: its answer does not solve it")
    if "," in source or len(source.splitlines()) > 1:
        raise ValueError(f"the source must be one line without commas: {source!r}")
    lines = [HEADER]
    for puzzle, solution, rating in zip(puzzles, solutions, ratings, strict=True):
        lines.append(f"{source},{to_string(puzzle)},{to_string(solution)},{rating}")
    data = ("\n".join(lines) + "\n").encode()
    path = Path(path)
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)  # no time: equal data, equal file
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_csv(path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read puzzles (N, cells), solutions (N, cells), uint8, ratings (N,), int.

    The first puzzle decides the size. Raises ValueError that names the file,
    the line and its fault: a wrong header, a missing column, a wrong length,
    an illegal character, an answer that is not valid or contradicts its
    question, a rating that is no whole number.
    """
    opener = gzip.open if Path(path).suffix == ".gz" else open
    # A byte that is no text becomes an illegal character, with a line number.
    try:
        with opener(path, "rt", encoding="utf-8", errors="replace") as file:
            blocks = list(_blocks(file, path))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: cut short or not a gzip file ({error})") from error
    if not blocks:
        raise ValueError(f"{path}: no puzzle below the header")
    puzzles, solutions, ratings = (np.concatenate(column) for column in zip(*blocks))
    return puzzles, solutions, ratings


def _blocks(file, path: str | Path):
    """Yield the columns of BLOCK rows at a time; ValueError names file, line and fault."""
    header = file.readline().rstrip("\n")
    if header != HEADER:
        raise ValueError(f"{path}, line 1: expected {HEADER}, found {header}")
    line, cells = 2, 0
    while lines := list(itertools.islice(file, BLOCK)):
        rows = [text.rstrip("\n").split(",") for text in lines]
        try:
            cells = cells or len(rows[0][1])
            yield _columns(rows, cells)
        except (ValueError, IndexError):
            for number, row in enumerate(rows, line):
                if fault := _fault(row, cells):
                    raise ValueError(f"{path}, line {number}: {fault}") from None
            raise
        line += len(rows)


def _columns(rows: list[list[str]], cells: int) -> tuple[np.ndarray, ...]:
    """All rows at once. Where anything at all is wrong, some ValueError."""
    _, *texts, ratings = zip(*rows, strict=True)
    if {len(text) for column in texts for text in column} != {cells}:
        raise ValueError("a grid of another length")
    digits = "".join(map("".join, texts)).replace(".", "0").encode("ascii")
    grids = np.frombuffer(digits, np.uint8) - np.uint8(ord("0"))
    puzzles, solutions = grids.reshape(2, len(rows), cells)
    if not is_solution(puzzles, solutions).all():  # an illegal character is no digit
        raise ValueError("an answer that does not solve its question")
    return puzzles, solutions, np.array([int(rating) for rating in ratings])


def _fault(row: list[str], cells: int) -> str | None:
    """What is wrong with one row, if anything is."""
    if len(row) != 4:
        return f"expected 4 columns, {HEADER}, found {len(row)}"
    _, question, answer, rating = row
    grids = []
    for name, text in ("question", question), ("answer", answer):
        try:
            grids.append(parse(text))
            if len(text) != cells:
                raise ValueError(f"expected {cells} cells as in the rows before, found {len(text)}")
            check(grids[-1])
        except ValueError as fault:
            return f"{name}: {fault}"
    size, _, _ = layout(cells)
    for cell, (asked, found) in enumerate(zip(*grids)):
        if found == 0:
            return f"answer: {cell_name(cell, size)} is blank"
        if asked not in (0, found):
            return f"answer: {cell_name(cell, size)} is {found}, but {asked} in the question"
    try:
        int(rating)
    except ValueError:
        return f"rating: {rating!r} is not a whole number"
