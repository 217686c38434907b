"""Sudoku's text, rules and tokens."""

import numpy as np
import pytest
import torch
from sudoku_yardsticks import ANSWERS, PUZZLES, QUESTIONS, SIZES, units

from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.classes import normal_grids


def test_a_line_of_text_and_a_drawing():
    for text, puzzle in zip(QUESTIONS, PUZZLES, strict=True):
        read = rules.parse(text)
        assert read.dtype == np.uint8 and (read == puzzle).all()
        assert rules.to_string(read) == text
    grid = rules.parse("12.. .... ..5. .... 6... .... .... .... ....")
    assert rules.format_grid(grid).split("\n")[:4] == [
        "1 2 . | . . .",
        ". . . | . 5 .",
        "------+------",
        ". . . | . 6 .",
    ]


def random_grids(size, count):
    """Grids with any digits at all, a third of their rows empty."""
    rng = np.random.default_rng(size)
    shown = (rng.random((count, size, size)) < 0.5) & (rng.random((count, size, 1)) < 0.67)
    return (rng.integers(1, size + 1, shown.shape) * shown).astype(np.uint8).reshape(count, -1)


def rows(text):
    return [line for line in text.split("\n") if "-" not in line]


WRITTEN = {  # ways to write what format_grid prints
    "as printed": lambda text: text,
    "blanks as 0": lambda text: text.replace(".", "0"),
    "blanks as _": lambda text: text.replace(".", "_"),
    "blanks as *": lambda text: text.replace(".", "*"),
    "blanks as ?": lambda text: text.replace(".", "?"),
    "blanks as x": lambda text: text.replace(".", "x"),
    "blanks as dashes": lambda text: text.replace(".", "-"),
    "rules of dashes alone": lambda text: text.replace("+", "-"),
    "blanks and rules of dashes": lambda text: text.replace("+", "-").replace(".", "-"),
    "rules with spaces": lambda text: text.replace("-", "- "),
    "double rules": lambda text: text.replace("-", "="),
    "drawn lines": lambda text: text.translate(str.maketrans("|-+", "│─┼")),
    "a frame": lambda text: "\n".join(["-" * 25, *(f"| {row} |" for row in rows(text)), "-" * 25]),
    "commas": lambda text: ",\n".join(
        row.replace(" | ", " ").replace(" ", ",") for row in rows(text)
    ),
    "tabs, and Windows' line ends": lambda text: text.replace(" ", "\t").replace("\n", "\r\n"),
    "empty lines around": lambda text: "\n\n" + text.replace("\n", "\n\n") + "\n \n",
    "no line breaks": lambda text: text.replace("\n", ""),
    "no spaces": lambda text: text.replace(" ", ""),
    "rows of dashes": lambda text: "\n".join(rows(text)).translate({46: "-", 32: "", 124: ""}),
    "one row of dashes": lambda text: "".join(rows(text)).translate({46: "-", 32: "", 124: ""}),
}


@pytest.mark.parametrize("way", WRITTEN)
@pytest.mark.parametrize("size", SIZES)
def test_every_way_to_write_a_grid_is_read(size, way):
    for grid in [np.zeros(size**2, np.uint8), *random_grids(size, 100)]:
        text = WRITTEN[way](rules.format_grid(grid))
        assert rules.parse(text).tolist() == grid.tolist(), text


def test_lines_of_dashes_are_read_so_that_the_grid_is_square():
    four = "1234\n----\n3412\n----\n2143\n----\n4321"  # with 12 dashes: 28 cells
    assert rules.to_string(rules.parse(four)) == "1234341221434321"
    framed = f"----\n{four}\n----"  # 16 digits and 20 dashes, but no 6x6
    assert rules.to_string(rules.parse(framed)) == "1234341221434321"
    nine = "\n".join(["123456789"] * 4 + ["---------"] * 5)  # 36 digits, but no 6x6
    assert rules.to_string(rules.parse(nine)) == "123456789" * 4 + "." * 45
    mixed = "-----\n1 2 3 4\n- - - -\n-----\n2 1 4 3\n4 3 2 1\n-----"
    assert rules.to_string(rules.parse(mixed)) == "1234....21434321"


ODD = "is neither a digit nor a blank (. 0 _ * ? x -)"


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "expected 16, 36 or 81 cells, found 0"),
        ("1234", "expected 16, 36 or 81 cells, found 4"),
        ("." * 82, "expected 16, 36 or 81 cells, found 82"),
        ("-" * 15, "expected 16, 36 or 81 cells, found 0 or 15"),
        ("1 2 | 3 4\n----+----\n3 4 | 1 2", "expected 16, 36 or 81 cells, found 8"),
        ("....\n.a..\n....\n....", f"line 2, column 2: 'a' {ODD}"),
        ("1 2 | 3 4\n----+----\n3 4 | ² 2", f"line 3, column 7: '²' {ODD}"),
        ("." * 15 + "²", f"character 16: '²' {ODD}"),
        ("." * 20 + "7" + "." * 15, "row 4, column 3: digit 7 is larger than 6"),
    ],
)
def test_parse_says_what_is_wrong(text, message):
    with pytest.raises(ValueError) as error:
        rules.parse(text)
    assert str(error.value) == message


@pytest.mark.parametrize(
    "size, digits, message",
    [
        (9, {(1, 1): 7, (3, 5): 7, (3, 9): 7}, "row 3, column 9: digit 7 is repeated in its row"),
        (9, {(1, 5): 7, (9, 5): 7}, "row 9, column 5: digit 7 is repeated in its column"),
        (9, {(1, 4): 7, (3, 5): 7}, "row 3, column 5: digit 7 is repeated in its box"),
        (6, {(3, 4): 5, (4, 6): 5}, "row 4, column 6: digit 5 is repeated in its box"),
        (6, {(2, 1): 5, (3, 2): 5}, None),  # another box, as boxes have two rows
        (6, {(1, 3): 5, (2, 4): 5}, None),  # another box, as boxes have three columns
        (4, {(4, 4): 5}, "row 4, column 4: 5 is not in 0..4"),
        (9, {}, None),
    ],
)
def test_check_names_the_first_fault(size, digits, message):
    grid = np.zeros((size, size), np.uint8)
    for (row, column), digit in digits.items():
        grid[row - 1, column - 1] = digit
    if message is None:
        return rules.check(grid.ravel())
    with pytest.raises(ValueError) as error:
        rules.check(grid.ravel())
    assert str(error.value) == message


def test_is_solution():
    assert rules.is_solution(PUZZLES, ANSWERS).tolist() == [True] * 3
    assert rules.is_solution(PUZZLES[0], ANSWERS[0])
    assert not rules.is_solution(PUZZLES[0], ANSWERS[1])  # valid, but not the givens
    assert not rules.is_solution(PUZZLES, PUZZLES).any()  # not complete
    blank = np.zeros(81, np.uint8)
    for value in (0, 10, 255, *range(1, 10)):  # any change of one cell breaks a full grid
        changed = ANSWERS[0].copy()
        changed[40] = value
        assert rules.is_solution(blank, changed) == (value == ANSWERS[0, 40])
    latin = np.add.outer(np.arange(4), np.arange(4)) % 4 + 1  # rows and columns right, boxes not
    assert not rules.is_solution(np.zeros(16), latin.ravel())
    full = normal_grids(6)[0][:500]
    for line in units(6):
        assert (np.sort(full[:, line]) == range(1, 7)).all()
    assert rules.is_solution(np.zeros_like(full), full).all()


def test_tokens():
    tokens = rules.encode(PUZZLES)
    assert tokens.dtype == torch.long and tokens.min() == 1 and tokens.max() == 10
    assert [rules.vocabulary(size) for size in SIZES] == [6, 8, 11]
    grids = rules.decode(tokens)
    assert grids.dtype == np.uint8 and (grids == PUZZLES).all()
    assert rules.decode(torch.tensor([0, 1, 2], dtype=torch.uint8)).tolist() == [0, 0, 1]
