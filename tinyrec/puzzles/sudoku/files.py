"""Sudoku puzzles in CSV files: written as Sudoku-Extreme's, read as people have them."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

import numpy as np

from tinyrec.puzzles.files import open_text, write_rows
from tinyrec.puzzles.sudoku.rules import (
    VALUES,
    cell_name,
    check,
    is_solution,
    layout,
    parse,
    to_string,
)

SYNONYMS = {
    "question": "question questions quiz quizzes puzzle puzzles sudoku input inputs",
    "answer": "answer answers solution solutions output outputs",
    "rating": "rating ratings difficulty level",
}
BLOCK = 2_000  # rows of a file checked together, few enough for the cache
DIGITS = bytes(VALUES.get(chr(byte), 255) for byte in range(256))  # 255: no cell of a grid
Grids = tuple[np.ndarray, np.ndarray, np.ndarray]  # puzzles and solutions (N, cells), ratings (N,)


def write_csv(path, puzzles, solutions, ratings, source: str = "tinyrec") -> None:
    """Write puzzles and solutions (N, cells) and ratings (N,), int.

    The format is Sudoku-Extreme's, compressed when the path ends in .gz. A
    file of that name is replaced whole or, after an error, not at all. Raises
    ValueError when a solution does not solve its puzzle, when the lengths
    differ or when the source begins with #, like a comment.
    """
    wrong = np.flatnonzero(~is_solution(puzzles, solutions))
    if len(wrong):
        raise ValueError(f"puzzle {wrong[0]}: its answer does not solve it")
    if source.startswith("#"):
        raise ValueError(f"the source must not begin with #, as comments do: {source!r}")
    rows = zip(puzzles, solutions, ratings, strict=True)
    write_rows(path, ((source, to_string(p), to_string(s), rating) for p, s, rating in rows))


def read_csv(path) -> Grids:
    """Read puzzles (N, cells), solutions (N, cells), uint8, ratings (N,).

    Columns may be separated by commas, semicolons or tabs. They are found by
    their names, `SYNONYMS` in capitals or not; others are passed over. Without
    names the only two columns of grids are question and answer. A rating is a
    number, -1 where there is none. Grids may look as `parse` allows; the first
    puzzle decides the size. Blank lines and lines that begin with # are passed
    over. Text is UTF-8, or UTF-16 with a byte order mark, compressed or not,
    whatever the file's name is.

    Raises ValueError that names the file, the line (for a row of several, its
    last) and the fault: a missing column, a wrong length, an odd character, an
    answer that is not valid or contradicts its question, a rating that is no
    number.
    """
    with open_text(path) as file:
        blocks = list(_blocks(_rows(file, path), path))
    if not blocks:
        raise ValueError(f"{path}: no puzzle in it")
    puzzles, solutions, ratings = map(np.concatenate, zip(*blocks, strict=True))
    return puzzles, solutions, ratings


class Columns(NamedTuple):
    """Where things stand in each row of a file."""

    number: int  # of columns
    question: int
    answer: int
    rating: int | None


def _rows(file: io.TextIOWrapper, path) -> Iterator[tuple[int, list[str]]]:
    """Yield each row and the number of its line, without blank lines and comments."""
    lines = ("\n" if line.startswith("#") else line for line in file)
    written = ((number, line) for number, line in enumerate(lines) if line.strip())
    skipped, first = next(written, (0, ""))
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(chain([first], lines), delimiter=delimiter, skipinitialspace=True)
    try:
        for row in reader:
            if any(row):
                yield skipped + reader.line_num, row
    except csv.Error as error:
        raise ValueError(f"{path}, line {skipped + reader.line_num}: {error}") from error


def _blocks(rows: Iterator[tuple[int, list[str]]], path) -> Iterator[Grids]:
    """Yield BLOCK rows at a time; ValueError names file, line and fault."""
    head = next(rows, None)
    if head is None:
        return
    columns, named = _columns(head[1], f"{path}, line {head[0]}")
    rows = rows if named else chain([head], rows)
    cells = 0
    while block := list(islice(rows, BLOCK)):
        numbers, block = zip(*block, strict=True)
        try:
            grids = _quick(block, columns, cells)
        except ValueError:
            places = [f"{path}, line {number}" for number in numbers]
            grids = _careful(zip(places, block, strict=True), columns, cells)
        cells = grids[0].shape[1]
        yield grids


def _columns(row: list[str], where: str) -> tuple[Columns, bool]:
    """The columns that the first row of a file tells of, and whether it names them."""
    names = [name.strip().lower() for name in row]
    found = {}
    for role, synonyms in SYNONYMS.items():
        known = [name for name in synonyms.split() if name in names]
        found[role] = names.index(known[0]) if known else None
    missing = [role for role in ("question", "answer") if found[role] is None]
    if not missing:
        return Columns(len(row), **found), True
    grids = [column for column, text in enumerate(row) if _is_grid(text)]
    if len(grids) == 2:
        return Columns(len(row), *grids, rating=None), False
    needed = "; ".join(f"the {role} ({', '.join(SYNONYMS[role].split())})" for role in missing)
    raise ValueError(f"{where}: found the columns {', '.join(row)[:200]}, but none for {needed}")


def _is_grid(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _quick(rows: Sequence[list[str]], columns: Columns, cells: int) -> Grids:
    """All rows at once. Where anything at all is out of the ordinary, some ValueError."""
    fields = list(zip(*rows, strict=True))
    if len(fields) != columns.number:
        raise ValueError("another number of columns")
    texts = fields[columns.question] + fields[columns.answer]
    cells = cells or len(texts[0])
    if set(map(len, texts)) != {cells}:
        raise ValueError("a grid of another length")
    digits = "".join(texts).encode("ascii").translate(DIGITS)
    puzzles, solutions = np.frombuffer(digits, np.uint8).reshape(2, len(rows), cells)
    if not is_solution(puzzles, solutions).all():  # an odd character is no digit
        raise ValueError("an answer that does not solve its question")
    ratings = [""] * len(rows) if columns.rating is None else fields[columns.rating]
    return puzzles, solutions, np.array([_number(rating) for rating in ratings])


def _careful(rows: Iterable[tuple[str, list[str]]], columns: Columns, cells: int) -> Grids:
    """The same row by row, each with the name of its place, which the ValueError begins with."""
    found = []
    for where, row in rows:
        try:
            found.append(_row(row, columns, cells))
        except ValueError as fault:
            raise ValueError(f"{where}: {fault}") from None
        cells = len(found[0][0])
    puzzles, solutions, ratings = map(np.array, zip(*found, strict=True))
    return puzzles, solutions, ratings


def _row(row: list[str], columns: Columns, cells: int) -> tuple[np.ndarray, np.ndarray, float]:
    if len(row) != columns.number:
        raise ValueError(f"expected {columns.number} columns as in the first row, found {len(row)}")
    grids = []
    for name, text in ("question", row[columns.question]), ("answer", row[columns.answer]):
        try:
            grid = parse(text)
            cells = cells or len(grid)
            if len(grid) != cells:
                raise ValueError(f"expected {cells} cells as in the rows before, found {len(grid)}")
            check(grid)
        except ValueError as fault:
            raise ValueError(f"{name}: {fault}") from None
        grids.append(grid)
    size, _, _ = layout(cells)
    for cell, (asked, found) in enumerate(zip(*grids, strict=True)):
        if found == 0:
            raise ValueError(f"answer: {cell_name(cell, size)} is blank")
        if asked not in (0, found):
            raise ValueError(
                f"answer: {cell_name(cell, size)} is {found}, but {asked} in the question"
            )
    return *grids, _number("" if columns.rating is None else row[columns.rating])


def _number(rating: str) -> float:
    """A rating: an int where it is whole, -1 where there is none."""
    try:
        return int(rating or -1)
    except ValueError:
        pass
    try:
        number = float(rating)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"rating: {rating!r} is not a number")
    return number
