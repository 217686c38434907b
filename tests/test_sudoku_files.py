"""Sudoku in CSV files, as people have them."""

import gzip
import os

import numpy as np
import pytest
from sudoku_yardsticks import (
    ANSWERS,
    PUZZLES,
)

from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.files import read_csv, write_csv


@pytest.mark.parametrize("name", ("grids.csv", "grids.csv.gz"))
def test_csv_round_trip(tmp_path, name):
    path = tmp_path / name
    write_csv(path, PUZZLES, ANSWERS, [0, 93, 5], source="known")
    opener = gzip.open if name.endswith("gz") else open
    with opener(path, "rt") as file:
        lines = file.read().split("\n")
    question, answer = next(iter(KNOWN.items()))
    assert lines[:2] == ["source,question,answer,rating", f"known,{question},{answer},0"]
    puzzles, solutions, ratings = read_csv(path)
    assert puzzles.dtype == solutions.dtype == np.uint8
    assert (puzzles == PUZZLES).all() and (solutions == ANSWERS).all()
    assert ratings.tolist() == [0, 93, 5]
    first = path.read_bytes()
    write_csv(str(path), puzzles, solutions, ratings, source="known")
    assert path.read_bytes() == first and os.listdir(tmp_path) == [name]


QUESTION, ANSWER = (rules.to_string(grids[0]) for grids in (PUZZLES, ANSWERS))
SWAPPED = ANSWER[:2] + ANSWER[3] + ANSWER[2] + ANSWER[4:]  # two digits change places


@pytest.mark.parametrize(
    "line, fault",
    [
        ("", "expected 4 columns, source,question,answer,rating, found 1"),
        (f"a,{QUESTION},{ANSWER}", "expected 4 columns, source,question,answer,rating, found 3"),
        (f"a,{QUESTION[1:]},{ANSWER},1", "question: expected 16, 36 or 81 cells, found 80"),
        (f"a,{'.' * 16},{ANSWER},1", "question: expected 81 cells as in the rows before, found 16"),
        (f"a,{QUESTION},{ANSWER}1,1", "answer: expected 16, 36 or 81 cells, found 82"),
        (
            f"a,x{QUESTION[1:]},{ANSWER},1",
            "question: row 1, column 1: 'x' is neither a digit nor . or 0",
        ),
        (
            f"a,é{QUESTION[1:]},{ANSWER},1",
            "question: row 1, column 1: 'é' is neither a digit nor . or 0",
        ),
        (
            f"a,{QUESTION},/{ANSWER[1:]},1",
            "answer: row 1, column 1: '/' is neither a digit nor . or 0",
        ),
        (f"a,{QUESTION},{SWAPPED},1", "answer: row 2, column 1: digit 6 is repeated in its box"),
        (f"a,{QUESTION},{QUESTION},1", "answer: row 1, column 3 is blank"),
        (f"a,1{QUESTION[1:]},{ANSWER},1", "answer: row 1, column 1 is 5, but 1 in the question"),
        (f"a,{QUESTION},{ANSWER},hard", "rating: 'hard' is not a whole number"),
    ],
)
def test_read_names_the_broken_line(tmp_path, line, fault):
    path = tmp_path / "broken.csv"
    good = f"a,{QUESTION},{ANSWER},1"
    path.write_text(
        "\n".join(["source,question,answer,rating", good, good, line, good, ""]), "utf-8"
    )
    with pytest.raises(ValueError) as error:
        read_csv(path)
    assert str(error.value) == f"{path}, line 4: {fault}"


@pytest.mark.parametrize(
    "text, fault",
    [
        ("", ", line 1: expected source,question,answer,rating, found "),
        (
            "question,answer\n",
            ", line 1: expected source,question,answer,rating, found question,answer",
        ),
        ("source,question,answer,rating\n", ": no puzzle below the header"),
        (
            "source,question,answer,rating\nx\n",
            ", line 2: expected 4 columns, source,question,answer,rating, found 1",
        ),
        (
            "source,question,answer,rating\na,12,12,1\n",
            ", line 2: question: expected 16, 36 or 81 cells, found 2",
        ),
    ],
)
def test_read_names_a_broken_beginning(tmp_path, text, fault):
    path = tmp_path / "broken.csv"
    path.write_text(text)
    with pytest.raises(ValueError) as error:
        read_csv(path)
    assert str(error.value) == f"{path}{fault}"


def test_read_counts_lines_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(sudoku_files, "BLOCK", 3)
    path = tmp_path / "grids.csv"
    write_csv(path, PUZZLES[[0] * 8], ANSWERS[[0] * 8], range(8))
    assert read_csv(path)[2].tolist() == list(range(8))
    path.write_text(path.read_text() + "oops\n")
    with pytest.raises(ValueError, match="line 10: expected 4 columns"):
        read_csv(path)


def test_a_failing_write_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "grids.csv"
    write_csv(path, PUZZLES, ANSWERS, [1, 2, 3])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="puzzle 1: its answer does not solve it"):
        write_csv(path, PUZZLES, ANSWERS[[0, 0, 2]], [1, 2, 3])
    with pytest.raises(ValueError):
        write_csv(path, PUZZLES, ANSWERS, [1, 2])
    with pytest.raises(ValueError, match="one line without commas: 'a,b'"):
        write_csv(path, PUZZLES, ANSWERS, [1, 2, 3], source="a,b")

    def fail(*paths):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        write_csv(path, PUZZLES[:1], ANSWERS[:1], [1])
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["grids.csv"]
