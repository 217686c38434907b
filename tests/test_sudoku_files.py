"""Sudoku in CSV files: as written here, and as people have them."""

import codecs
import gzip
import os

import numpy as np
import pytest
from sudoku_yardsticks import ANSWERS, PUZZLES, QUESTIONS, SOLUTIONS

from tinyrec.puzzles.sudoku import files, rules
from tinyrec.puzzles.sudoku.files import read_csv, write_csv

HEADER = "source,question,answer,rating"
RATINGS = [0, 93, 5]
QUESTION, ANSWER = QUESTIONS[0], SOLUTIONS[0]
SWAPPED = ANSWER[:2] + ANSWER[3] + ANSWER[2] + ANSWER[4:]  # two digits change places


def table(form, header=HEADER, end="\n"):
    """A file of the three puzzles, each line in the given form."""
    fields = zip(QUESTIONS, SOLUTIONS, RATINGS, range(3), strict=True)
    lines = [form.format(q=q, a=a, r=r, i=i) for q, a, r, i in fields]
    return end.join([header, *lines, ""])


PLAIN = table("a,{q},{a},{r}")


def reads_all(path, ratings=RATINGS):
    puzzles, solutions, found = read_csv(path)
    assert puzzles.dtype == solutions.dtype == np.uint8
    assert (puzzles == PUZZLES).all() and (solutions == ANSWERS).all()
    assert found.tolist() == ratings
    return True


@pytest.mark.parametrize("name", ("grids.csv", "grids.csv.gz", "GRIDS.CSV.GZ"))
def test_what_is_written_is_read(tmp_path, name):
    path = tmp_path / name
    write_csv(path, PUZZLES, ANSWERS, RATINGS, source="known")
    opener = gzip.open if name.lower().endswith("gz") else open
    with opener(path, "rt") as file:
        lines = file.read().split("\n")
    assert lines[:2] == [HEADER, f"known,{QUESTION},{ANSWER},0"]
    assert lines[4:] == [""]
    assert reads_all(path)
    first = path.read_bytes()
    write_csv(str(path), *read_csv(path), source="known")
    assert path.read_bytes() == first and os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("source", ("", "a,b", 'the "best"', "two\nlines", "a # b"))
def test_any_source_can_be_written(tmp_path, source):
    write_csv(tmp_path / "grids.csv", PUZZLES, ANSWERS, RATINGS, source)
    assert reads_all(tmp_path / "grids.csv")


NONE = [-1, -1, -1]
TEXTS = {  # text of a file, and the ratings in it
    "plain": (PLAIN, RATINGS),
    "Windows' line ends": (PLAIN.replace("\n", "\r\n"), RATINGS),
    "no line break at the end": (PLAIN[:-1], RATINGS),
    "blank lines": ("\n\n" + PLAIN.replace("\n", "\n\n") + " \n,,,\n", RATINGS),
    "comments": ('# it\'s "mine, "all\n' + PLAIN.replace("a,", '# b, "\na,'), RATINGS),
    "quoted": (
        table('"a, b","{q}","{a}","{r}"', HEADER.replace("q", '"q').replace("n,", 'n",')),
        RATINGS,
    ),
    "spaces after commas": (PLAIN.replace(",", ", "), RATINGS),
    "spaces all around": (PLAIN.replace(",", " , "), RATINGS),
    "semicolons": (PLAIN.replace(",", ";"), RATINGS),
    "tabs": (PLAIN.replace(",", "\t"), RATINGS),
    "an index": (table("{i},{q},{a}", ",puzzle,solution"), NONE),
    "in another order": (table("{r},{a},{i},{q}", "level,Solutions,id,QUIZZES"), RATINGS),
    "quizzes": (table("{q},{a}", "quizzes,solutions"), NONE),
    "inputs": (table("{q},{a}", "Input,Output"), NONE),
    "the better of two names": (table("{i},{q},{i},{a}", "input,question,output,answer"), NONE),
    "fractions": (table("{q},{a},{r}.5", "puzzle,solution,difficulty"), [0.5, 93.5, 5.5]),
    "no value": (table("{q},{a},", "puzzle,solution,difficulty"), NONE),
    "no header": (table("{q},{a}", "")[1:], NONE),
    "no header, with an index": (table("{i},{q},{a},x", "")[1:], NONE),
    "blanks as 0": (table("{q},{a}", "quiz,solution").replace(".", "0"), NONE),
    "blanks as _": (table("{q},{a}", "quiz,solution").replace(".", "_"), NONE),
    "blanks as -": (table("{q},{a}", "quiz,solution").replace(".", "-"), NONE),
    "grids with commas": (table('"{q}",{a}', "quiz,solution").replace(".", ".,"), NONE),
    "grids of several lines": (
        table('"{q}",{a}', "quiz,solution").replace(QUESTION, rules.format_grid(PUZZLES[0])),
        NONE,
    ),
}


@pytest.mark.parametrize("case", TEXTS)
def test_files_are_read_as_people_have_them(tmp_path, case):
    text, ratings = TEXTS[case]
    path = tmp_path / "grids.csv"
    path.write_bytes(text.encode())
    assert reads_all(path, ratings)


@pytest.mark.parametrize("name", ("grids.csv", "grids.csv.gz", "GRIDS.CSV.GZ", "grids"))
@pytest.mark.parametrize("packed", (False, True))
@pytest.mark.parametrize("encoding", ("utf-8", "utf-8-sig", "utf-16"))
def test_bytes_tell_how_a_file_is_stored_and_not_its_name(tmp_path, name, packed, encoding):
    data = table("{q},{a},{r},é", "question,answer,rating,source").encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(data) if packed else data)
    assert reads_all(tmp_path / name)


def test_utf_16_of_either_order_is_read(tmp_path):
    path = tmp_path / "grids.csv"
    path.write_bytes(codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be"))
    assert reads_all(path)


@pytest.mark.parametrize(
    "line, fault",
    [
        ("x", "expected 4 columns as in the first row, found 1"),
        (f"a,{QUESTION},{ANSWER}", "expected 4 columns as in the first row, found 3"),
        (f"a,{QUESTION[1:]},{ANSWER},1", "question: expected 16, 36 or 81 cells, found 80"),
        (f"a,{'.' * 16},{ANSWER},1", "question: expected 81 cells as in the rows before, found 16"),
        (f"a,{QUESTION},{ANSWER}1,1", "answer: expected 16, 36 or 81 cells, found 82"),
        (
            f"a,y{QUESTION[1:]},{ANSWER},1",
            "question: character 1: 'y' is neither a digit nor a blank (. 0 _ * ? x -)",
        ),
        (
            f"a,{QUESTION},{ANSWER[:-1]}é,1",
            "answer: character 81: 'é' is neither a digit nor a blank (. 0 _ * ? x -)",
        ),
        (
            f"a,55{QUESTION[2:]},{ANSWER},1",
            "question: row 1, column 2: digit 5 is repeated in its row",
        ),
        (f"a,{QUESTION},{SWAPPED},1", "answer: row 2, column 1: digit 6 is repeated in its box"),
        (f"a,{QUESTION},{QUESTION},1", "answer: row 1, column 3 is blank"),
        (f"a,1{QUESTION[1:]},{ANSWER},1", "answer: row 1, column 1 is 5, but 1 in the question"),
        (f"a,{QUESTION},{ANSWER},hard", "rating: 'hard' is not a number"),
        (f"a,{QUESTION},{ANSWER},nan", "rating: 'nan' is not a number"),
    ],
)
def test_read_names_the_broken_line(tmp_path, line, fault):
    path = tmp_path / "broken.csv"
    good = f"a,{QUESTION},{ANSWER},1"
    path.write_text("\n".join([HEADER, good, "# and now", "", good, line, good, ""]), "utf-8")
    with pytest.raises(ValueError) as error:
        read_csv(path)
    assert str(error.value) == f"{path}, line 6: {fault}"


@pytest.mark.parametrize(
    "text, fault",
    [
        ("", ": no puzzle in it"),
        ("# nothing\n\n", ": no puzzle in it"),
        (HEADER + "\n", ": no puzzle in it"),
        (
            "\nid,puzzle,rating\n",
            ", line 2: found the columns id, puzzle, rating, but none for the answer "
            "(answer, answers, solution, solutions, output, outputs)",
        ),
        (
            f"{QUESTION}\n",
            f", line 1: found the columns {QUESTION}, but none for the question (question, "
            "questions, quiz, quizzes, puzzle, puzzles, sudoku, input, inputs); the answer "
            "(answer, answers, solution, solutions, output, outputs)",
        ),
        (f"{HEADER}\nx\n", ", line 2: expected 4 columns as in the first row, found 1"),
        (f"{HEADER}\na,12,12,1\n", ", line 2: question: expected 16, 36 or 81 cells, found 2"),
        ("PK\3\4\0\0\n", ": not a CSV file; expected text in UTF-8, or in UTF-16 with its mark"),
        (f'{HEADER}\n"a,{"." * 200_000}', ", line 2: field larger than field limit (131072)"),
    ],
)
def test_read_names_a_broken_beginning(tmp_path, text, fault):
    path = tmp_path / "broken.csv"
    path.write_text(text)
    with pytest.raises(ValueError) as error:
        read_csv(path)
    assert str(error.value) == f"{path}{fault}"


def test_read_says_that_a_file_is_cut_short(tmp_path):
    path = tmp_path / "grids.csv.gz"
    write_csv(path, PUZZLES, ANSWERS, RATINGS)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=f"{path}: cut short or not a gzip file"):
        read_csv(path)


def test_blocks_are_put_together_and_their_lines_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "BLOCK", 3)
    path = tmp_path / "grids.csv"
    write_csv(path, PUZZLES[[0] * 9], ANSWERS[[0] * 9], range(9))
    assert read_csv(path)[2].tolist() == list(range(9))
    text = path.read_text()
    for line, fault in (
        ("oops", "expected 4 columns as in the first row, found 1"),
        (
            f"a,{'.' * 16},1234341221434321,1",
            "question: expected 81 cells as in the rows before, found 16",
        ),
    ):
        path.write_text(f"{text}{line}\n")
        with pytest.raises(ValueError, match=f"line 11: {fault}"):
            read_csv(path)


def test_a_failing_write_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "grids.csv"
    write_csv(path, PUZZLES, ANSWERS, RATINGS)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="puzzle 1: its answer does not solve it"):
        write_csv(path, PUZZLES, ANSWERS[[0, 0, 2]], RATINGS)
    with pytest.raises(ValueError):
        write_csv(path, PUZZLES, ANSWERS, [1, 2])
    with pytest.raises(ValueError, match="the source must not begin with #, .* '#1'"):
        write_csv(path, PUZZLES, ANSWERS, RATINGS, source="#1")

    def fail(*paths):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        write_csv(path, PUZZLES[:1], ANSWERS[:1], [1])
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["grids.csv"]
