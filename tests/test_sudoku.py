"""Sudoku: every claim of tinyrec/puzzles/sudoku*.py against something independent of it."""

import gzip
import itertools
import os

import numpy as np
import pytest
import torch

from tinyrec.puzzles import PuzzleSet
from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.classes import fingerprint, normal_grids, solution_class
from tinyrec.puzzles.sudoku.files import read_csv, write_csv
from tinyrec.puzzles.sudoku.generate import generate, split
from tinyrec.puzzles.sudoku.solve import BLOCK, all_solutions, rate, solve

SIZES = {4: (2, 2), 6: (2, 3), 9: (3, 3)}  # rows and columns of a box
KNOWN = {  # 9x9 puzzles and their solutions: a textbook one, one of the hardest, one of 17 clues
    "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79": "534678912672195348198342567859761423426853791713924856961537284287419635345286179",
    "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4..": "812753649943682175675491283154237896369845721287169534521974368438526917796318452",
    ".......1.4.........2...........5.4.7..8...3....1.9....3..4..2...5.1........8.6...": "693784512487512936125963874932651487568247391741398625319475268856129743274836159",
}
PUZZLES = np.array([rules.parse(text) for text in KNOWN])
ANSWERS = np.array([rules.parse(text) for text in KNOWN.values()])


# --- independent of the package: slow and plain ---------------------------------------------------


def units(size):
    rows, columns = SIZES[size]
    square = [(r, c) for r in range(size) for c in range(size)]
    for name in (lambda r, c: r, lambda r, c: c, lambda r, c: (r // rows, c // columns)):
        groups = {}
        for r, c in square:
            groups.setdefault(name(r, c), []).append(r * size + c)
        yield from groups.values()


def plain_rating(puzzle):
    """Solutions and wrong guesses, one state at a time, with sets."""
    size = int(len(puzzle) ** 0.5)
    lines = list(units(size))
    peers = [
        {p for line in lines if cell in line for p in line} - {cell} for cell in range(size**2)
    ]

    def search(state, depth):
        before = None
        while state != before:
            before = list(map(set, state))
            for cell, options in enumerate(state):
                if len(options) == 1:
                    for peer in peers[cell]:
                        state[peer] = state[peer] - options
            for line in lines:
                for digit in range(1, size + 1):
                    places = [cell for cell in line if digit in state[cell]]
                    if not places:
                        return 0, depth > 0
                    if len(places) == 1:
                        state[places[0]] = {digit}
        if not all(state):
            return 0, depth > 0
        cell = min(range(size**2), key=lambda c: (len(state[c]) == 1, len(state[c])))
        if len(state[cell]) == 1:
            return 1, 0
        results = []
        for digit in state[cell]:
            results.append(search(state[:cell] + [{digit}] + state[cell + 1 :], depth + 1))
        return tuple(map(sum, zip(*results)))

    return search([{d} if d else set(range(1, size + 1)) for d in puzzle.tolist()], 0)


def moves(size):
    """Every allowed rearrangement of the cells, (moves, cells)."""

    def orders(block):
        blocks = range(size // block)
        for order in itertools.permutations(blocks):
            for inner in itertools.product(
                itertools.permutations(range(block)), repeat=len(blocks)
            ):
                yield [block * b + i for b, line in zip(order, inner) for i in line]

    rows, columns = SIZES[size]
    cells = np.arange(size**2).reshape(size, size)
    images = [cells[np.ix_(r, c)] for r in orders(rows) for c in orders(columns)]
    if rows == columns:
        images += [image.T for image in images]
    return np.array(images).reshape(len(images), -1)


MOVES = {4: moves(4), 6: moves(6)}


def canonical(grid):
    """The smallest of all images when digits are numbered as they appear."""
    images = grid[MOVES[int(len(grid) ** 0.5)]]
    values = np.arange(1, images.max() + 1)[:, None, None]
    appears = np.where((images == values).any(2), (images == values).argmax(2), 99).T
    names = np.zeros((len(images), len(values) + 1), np.uint8)
    np.put_along_axis(names, appears.argsort(1) + 1, np.arange(1, len(values) + 1)[None], 1)
    return min(row.tobytes() for row in np.take_along_axis(names, images.astype(int), 1))


def test_the_yardsticks():
    assert {size: len(m) for size, m in MOVES.items()} == {4: 128, 6: 3456}
    assert plain_rating(np.zeros(16, np.uint8))[0] == 288


# --- text and rules -------------------------------------------------------------------------------


def test_text_round_trip():
    for text, puzzle in zip(KNOWN, PUZZLES):
        assert puzzle.dtype == np.uint8 and puzzle.shape == (81,)
        assert rules.to_string(puzzle) == text
        spaced = "\n".join(text[i : i + 9] for i in range(0, 81, 9)).replace(".", " 0\t")
        assert (rules.parse(spaced) == puzzle).all()
    grid = rules.parse("12.. .... ..5. .... 6... .... .... .... ....")
    assert rules.format_grid(grid).split("\n")[:4] == [
        "1 2 . | . . .",
        ". . . | . 5 .",
        "------+------",
        ". . . | . 6 .",
    ]


@pytest.mark.parametrize(
    "text, message",
    [
        ("1234", "expected 16, 36 or 81 cells, found 4"),
        ("." * 82, "expected 16, 36 or 81 cells, found 82"),
        ("....\n.x..\n....\n....", "row 2, column 2: 'x' is neither a digit nor . or 0"),
        ("." * 15 + "²", "row 4, column 4: '²' is neither a digit nor . or 0"),
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
    for number, grid in enumerate(full):
        for line in units(6):
            assert set(grid[line]) == set(range(1, 7))
    assert rules.is_solution(np.zeros_like(full), full).all()


def test_tokens():
    tokens = rules.encode(PUZZLES)
    assert tokens.dtype == torch.long and tokens.min() == 1 and tokens.max() == 10
    assert [rules.vocabulary(size) for size in SIZES] == [6, 8, 11]
    grids = rules.decode(tokens)
    assert grids.dtype == np.uint8 and (grids == PUZZLES).all()
    assert rules.decode(torch.tensor([0, 1, 2], dtype=torch.uint8)).tolist() == [0, 0, 1]


# --- symmetries -----------------------------------------------------------------------------------


def images(grid, count, seed=0):
    """So many random images of a grid (cells,), (count, cells)."""
    tokens = rules.encode(np.tile(grid, (count, 1)))
    x, y = rules.augment(tokens, tokens, torch.Generator().manual_seed(seed))
    assert (x == y).all()
    return rules.decode(x)


@pytest.mark.parametrize("size", SIZES)
def test_augment_keeps_puzzles_and_their_solutions(size):
    puzzles, solutions = generate(size, 15, seed=3)
    x, y = rules.encode(puzzles).repeat(20, 1), rules.encode(solutions).repeat(20, 1)
    kept = x.clone()
    new_x, new_y = rules.augment(x.to(torch.uint8), y, torch.Generator().manual_seed(0))
    assert new_x.dtype == torch.uint8 and new_y.dtype == torch.long and (x == kept).all()
    grids, answers = rules.decode(new_x), rules.decode(new_y)
    assert rules.is_solution(grids, answers).all()
    assert ((grids > 0).sum(1) == np.tile((puzzles > 0).sum(1), 20)).all()
    assert len(np.unique(grids, axis=0)) > 280  # a new image for every row
    assert (fingerprint(grids) == np.tile(fingerprint(puzzles), 20)).all()
    again, _ = rules.augment(x, y, torch.Generator().manual_seed(0))
    assert (again == new_x).all()
    padded, _ = rules.augment(x * 0, y)
    assert (padded == 0).all()


@pytest.mark.parametrize("size", SIZES)
def test_the_answer_to_a_view_comes_back_to_the_puzzle(size):
    puzzles, solutions = generate(size, 15, seed=3)
    x, y = rules.encode(puzzles), rules.encode(solutions)
    image, back = rules.view(x, torch.Generator().manual_seed(0))
    same, moved = rules.augment(x, y, torch.Generator().manual_seed(0))
    assert torch.equal(image, same) and not torch.equal(image, x)
    assert torch.equal(back(image), x) and torch.equal(back(moved), y)


def test_augment_reaches_every_symmetry_of_4x4_equally_often():
    grid = np.array([1, 2, 3, 4, 4, 0, 0, 1, 0, 0, 2, 0, 0, 0, 0, 0], np.uint8)
    permutations = list(itertools.permutations(range(1, 5)))
    names = np.array([(0, *p) for p in permutations], np.uint8)  # (24, 5)
    orbit = {name[image].tobytes() for image in grid[MOVES[4]] for name in names}
    assert len(orbit) == 128 * 24  # only the identity leaves this grid as it is
    per_image = 20
    found, count = np.unique(images(grid, per_image * len(orbit)), axis=0, return_counts=True)
    assert {row.tobytes() for row in found} == orbit
    chi_square = ((count - per_image) ** 2 / per_image).sum() / len(orbit)  # 1 +- 0.026
    assert 0.9 < chi_square < 1.1


@pytest.mark.parametrize("size", (6, 9))
def test_augment_moves_a_digit_everywhere_equally_often(size):
    grid = np.zeros(size**2, np.uint8)
    grid[0] = 1
    found = images(grid, 20 * size**3)
    cell = found.argmax(1)
    count = np.bincount(cell * size + found.max(1) - 1, minlength=size**3)
    assert 0.8 < ((count - 20) ** 2 / 20).mean() < 1.2
    # Two in one row of a box: rows and columns change places where boxes are square.
    grid[1] = 2
    found = images(grid, 2000).reshape(-1, size, size) > 0
    same_row, same_column = (found.sum(axis).max(1) == 2 for axis in (2, 1))
    assert (same_row ^ same_column).all()
    assert abs(same_row.mean() - (0.5 if size == 9 else 1)) < 0.05


@pytest.mark.parametrize("size", SIZES)
def test_fingerprint_sees_what_is_no_symmetry(size):
    puzzles, _ = generate(size, 16, seed=5)
    moved = puzzles.reshape(-1, size, size)
    transposed = moved.swapaxes(1, 2).reshape(16, -1)
    shifted = np.roll(moved, 1, axis=1).reshape(16, -1)  # no symmetry: tears bands apart
    marks = fingerprint(puzzles)
    assert marks.dtype == np.uint64
    assert (fingerprint(transposed) == marks).all() == (size != 6)
    assert (fingerprint(shifted) != marks).mean() > 0.5


@pytest.mark.parametrize("size, count", [(4, 1500), (6, 200)])
def test_fingerprint_is_as_fine_as_the_canonical_form(size, count):
    puzzles, _ = generate(size, count, seed=11)
    marks = fingerprint(puzzles).tolist()
    forms = list(map(canonical, puzzles))
    # One mark for each form and one form for each mark.
    assert len(set(marks)) == len(set(forms)) == len(set(zip(marks, forms)))
    if size == 4:
        assert len(set(forms)) == 36  # minimal 4x4 puzzles up to symmetry


# --- solving --------------------------------------------------------------------------------------


def test_solver_knows_the_known():
    count, solution, _ = solve(PUZZLES)
    assert count.tolist() == [1, 1, 1] and (solution == ANSWERS).all()
    assert len(np.unique(all_solutions(np.zeros(16, np.uint8)), axis=0)) == 288
    assert solve(np.zeros((1, 16), np.uint8), limit=1000)[0].tolist() == [288]
    grids, _ = normal_grids(6)
    assert len(np.unique(grids, axis=0)) == 28_200_960 // 720


def test_solver_equals_plain_search():
    rng = np.random.default_rng(0)
    puzzles = np.zeros((300, 16), np.uint8)
    for puzzle in puzzles:  # of all kinds: contradictory, unique, with hundreds of solutions
        cells = rng.choice(16, rng.integers(1, 9), replace=False)
        puzzle[cells] = rng.integers(1, 5, len(cells))
    expected, wrong = np.transpose([plain_rating(puzzle) for puzzle in puzzles])
    assert len({0, 1, 2} & set(expected.tolist())) == 3
    count, solution, guesses = solve(puzzles, limit=1000)
    assert (count == expected).all() and (guesses == wrong).all()
    assert (rules.is_solution(puzzles, solution) == (expected > 0)).all()
    assert not solution[expected == 0].any()
    # In many blocks, and not beyond the limit.
    many = np.tile(puzzles, (BLOCK // 100, 1))
    assert (solve(many, limit=2)[0] == np.tile(expected.clip(max=2), BLOCK // 100)).all()
    assert solve(puzzles[:0]).count.shape == (0,)


def test_solver_on_empty_and_contradictory_grids():
    count, solution, _ = solve(np.zeros((3, 81), np.uint8))
    assert count.tolist() == [2, 2, 2] and rules.is_solution(solution, solution).all()
    broken = np.zeros((1, 36), np.uint8)
    broken[0, [0, 7]] = 5
    assert [part.tolist() for part in solve(broken)] == [[0], [[0] * 36], [0]]


def test_rating_equals_plain_search():
    puzzles = np.concatenate([PUZZLES, generate(9, 3, seed=1)[0]])
    ratings = rate(puzzles)
    assert ratings.tolist() == [plain_rating(puzzle)[1] for puzzle in puzzles]
    assert ratings[0] == 0 and ratings[1] > 10
    assert (rate(puzzles[::-1]) == ratings[::-1]).all()


def test_solver_says_what_is_wrong():
    empty, broken = np.zeros((2, 16), np.uint8)
    broken[:2] = 1
    unique = generate(4, 1, seed=0)[0][0]
    with pytest.raises(ValueError, match="puzzle 1 has several solutions, a rating needs exactly"):
        rate(np.array([unique, empty]))
    with pytest.raises(ValueError, match="puzzle 0 has no solution"):
        rate(broken[None])
    with pytest.raises(ValueError, match=r"expected puzzles \(N, cells\), found shape \(16,\)"):
        solve(empty)
    with pytest.raises(ValueError, match="digit 5 is larger than 4"):
        solve(empty[None] + 5)


# --- generating -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size, count", [(4, 100), (6, 60), (9, 12)])
def test_generated_puzzles_are_unique_minimal_and_repeatable(size, count):
    puzzles, solutions = generate(size, count, seed=7)
    assert puzzles.dtype == solutions.dtype == np.uint8
    assert puzzles.shape == solutions.shape == (count, size**2)
    assert len(np.unique(puzzles, axis=0)) == count
    assert rules.is_solution(puzzles, solutions).all()
    assert (solve(puzzles)[0] == 1).all()
    poorer = []
    for puzzle in puzzles:
        for cell in np.flatnonzero(puzzle):
            poorer.append(puzzle.copy())
            poorer[-1][cell] = 0
    assert (solve(np.array(poorer))[0] == 2).all()
    if size < 9:
        assert all(plain_rating(puzzle)[0] == 1 for puzzle in puzzles)
    assert all((a == b).all() for a, b in zip(generate(size, count, seed=7), (puzzles, solutions)))
    assert (generate(size, count, seed=8)[0] != puzzles).any(1).all()


@pytest.mark.parametrize("size, clues", [(4, 5), (6, 12), (9, 32), (9, 81)])
def test_exact_number_of_clues(size, clues):
    puzzles, solutions = generate(size, 20, seed=0, clues=clues)
    assert ((puzzles > 0).sum(1) == clues).all()
    count, solution, _ = solve(puzzles)
    assert (count == 1).all() and (solution == solutions).all()


def test_every_4x4_grid_is_drawn():
    puzzles, solutions = generate(4, 288, seed=0, clues=16)
    assert len(np.unique(puzzles, axis=0)) == 288 and (puzzles == solutions).all()


def test_6x6_solutions_are_drawn_uniformly():
    _, first = normal_grids(6)
    _, expected = np.unique(first, return_counts=True)  # grids of each class
    _, solutions = generate(6, 8000, seed=0, clues=36)
    _, count = np.unique(solution_class(solutions), axis=0, return_counts=True)
    expected = 8000 * expected / expected.sum()  # both in the order of the smallest grids
    assert ((count - expected) ** 2 / expected).sum() < 90  # 48 +- 10


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((5, 1, 0), "the size must be 4, 6 or 9, not 5"),
        ((4, 1, 0, 3), "a 4x4 puzzle with one solution has 4 to 16 clues, not 3"),
        ((6, 1, 0, 37), "a 6x6 puzzle with one solution has 8 to 36 clues, not 37"),
        ((9, 1, 0, 16), "a 9x9 puzzle with one solution has 17 to 81 clues, not 16"),
        ((4, 289, 0, 16), "found only 288 of 289 such puzzles: the last .* gave no new one"),
    ],
)
def test_generate_says_what_is_impossible(arguments, message):
    with pytest.raises(ValueError, match=message):
        generate(*arguments)


# --- classes and splits ---------------------------------------------------------------------------


@pytest.mark.parametrize("size, classes", [(4, 2), (6, 49)])
def test_solution_classes(size, classes):
    grids, first = normal_grids(size)
    assert len(np.unique(first)) == classes and (np.unique(grids, axis=0) == grids).all()
    _, solutions = generate(size, 288 if size == 4 else 3000, seed=2, clues=size**2)
    forms = solution_class(solutions)
    assert forms.dtype == np.uint8 and len(np.unique(forms, axis=0)) == classes
    for form, solution in zip(forms[:100], solutions):  # exactly the smallest image
        assert form.tobytes() == canonical(solution)
    x = rules.encode(solutions)
    moved, _ = rules.augment(x, x, torch.Generator().manual_seed(0))
    assert (solution_class(rules.decode(moved)) == forms).all()


def test_solution_class_says_what_is_wrong():
    with pytest.raises(ValueError, match="known for 4x4 and 6x6, not 9x9"):
        solution_class(ANSWERS)
    with pytest.raises(ValueError, match="grid 1 is not a complete valid grid"):
        solution_class(np.array([[1, 2, 3, 4, 3, 4, 1, 2, 2, 1, 4, 3, 4, 3, 2, 1], [1] * 16]))


@pytest.mark.parametrize(
    "size, train, test, new_classes", [(4, 200, 10, 1), (4, 200, 12, 0), (6, 80, 30, 12)]
)
def test_split_is_disjoint_up_to_symmetry(size, train, test, new_classes):
    parts = split(size, train, test, seed=1, new_classes=new_classes)
    names = ["test", "train"] + ["test_new_classes"] * bool(new_classes)
    assert list(parts) == names
    forms, kinds = {}, {}
    for name, (puzzles, solutions) in parts.items():
        assert len(puzzles) == len(solutions) == (train if name == "train" else test)
        assert (solve(puzzles)[1] == solutions).all()
        assert len(np.unique(puzzles, axis=0)) == len(puzzles)
        forms[name] = [canonical(puzzle) for puzzle in puzzles]
        kinds[name] = {canonical(solution) for solution in solutions}
    assert len(set(forms["test"])) == test
    assert not set(forms["test"]) & set(forms["train"])
    if new_classes:
        assert len(set(forms["test_new_classes"])) == test
        assert not kinds["test_new_classes"] & (kinds["train"] | kinds["test"])
        assert len(kinds["test_new_classes"]) <= new_classes
    again = split(size, train, test, seed=1, new_classes=new_classes)
    for name in names:
        assert all((a == b).all() for a, b in zip(again[name], parts[name]))


def test_split_at_9x9_and_its_errors():
    parts = split(9, 20, 10, seed=0, clues=30)
    assert not set(fingerprint(parts["train"][0])) & set(fingerprint(parts["test"][0]))
    with pytest.raises(ValueError, match="known for 4x4 and 6x6, not 9x9"):
        split(9, 1, 1, seed=0, new_classes=1)
    with pytest.raises(ValueError, match="new_classes must be 0..48, not 49"):
        split(6, 1, 1, seed=0, new_classes=49)


# --- files ----------------------------------------------------------------------------------------


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


# --- batches --------------------------------------------------------------------------------------


def test_batches_walk_through_every_epoch():
    x = torch.arange(10)[:, None].expand(10, 16)
    puzzles = PuzzleSet(x, x + 100)
    assert len(puzzles) == 10
    drawn = list(itertools.islice(puzzles.batches(4, torch.Generator().manual_seed(0)), 10))
    assert all(x.shape == (4, 16) and (y == x + 100).all() for x, y in drawn)
    order = torch.cat([x[:, 0] for x, _ in drawn]).view(4, 10)  # four epochs
    assert (order.sort(1).values == torch.arange(10)).all()
    assert len({tuple(epoch) for epoch in order.tolist()}) == 4
    again = itertools.islice(puzzles.batches(4, torch.Generator().manual_seed(0)), 10)
    assert all((a == b).all() for (a, _), (b, _) in zip(drawn, again))
    x, _ = next(puzzles.batches(25, torch.Generator()))  # more than there are
    assert set(x[:, 0].bincount().tolist()) == {2, 3}


def test_batches_are_augmented_anew():
    puzzles, solutions = generate(6, 5, seed=0)
    plain = rules.puzzle_set(puzzles, solutions)
    x, y = next(plain.batches(5, torch.Generator().manual_seed(0)))
    assert {tuple(row) for row in x.tolist()} == {tuple(row) for row in plain.x.tolist()}
    augmented = rules.puzzle_set(puzzles, solutions, augmented=True)
    first, second = itertools.islice(augmented.batches(5, torch.Generator().manual_seed(0)), 2)
    for x, y in (first, second):
        assert rules.is_solution(rules.decode(x), rules.decode(y)).all()
        assert sorted(fingerprint(rules.decode(x))) == sorted(fingerprint(puzzles))
    rows = {tuple(row) for row in torch.cat([first[0], second[0], plain.x]).tolist()}
    assert len(rows) == 15
    x, _ = next(augmented.batches(5, torch.Generator().manual_seed(0)))
    assert (x == first[0]).all()


def test_revealed_puzzles_keep_their_givens_and_their_solution():
    x, y = (rules.encode(grids) for grids in generate(6, 400, seed=0))
    shown = rules.reveal(x, y, 0.5, torch.Generator().manual_seed(0))
    given = x != 1
    assert (shown[given] == x[given]).all() and ((shown == x) | (shown == y)).all()
    more = ((shown != x).sum(1) / (~given).sum(1)).double()
    assert 0.4 < (more > 0).double().mean() < 0.55  # about half of the puzzles
    assert 0.2 < more[more > 0].mean() < 0.3 and more.max() < 0.8  # a quarter of their blanks
    assert (rules.reveal(x, y, 0.0) == x).all()


def test_only_training_puzzles_are_revealed():
    grids = generate(6, 50, seed=0)
    drawn = rules.puzzle_set(*grids, augmented=True, revealed=1.0)
    x, y = next(drawn.batches(50, torch.Generator().manual_seed(0)))
    assert (x != 1).sum() > 1.2 * (drawn.x != 1).sum()
    assert rules.is_solution(rules.decode(x), rules.decode(y)).all()
    assert rules.puzzle_set(*grids, revealed=1.0).augment is None


def test_puzzle_set_says_what_is_wrong():
    x = torch.zeros(3, 16, dtype=torch.long)
    with pytest.raises(ValueError, match=r"got \(3, 16\) and \(2, 16\)"):
        PuzzleSet(x, x[:2])
    with pytest.raises(ValueError, match="no batches of 0 from 3 puzzles"):
        next(PuzzleSet(x, x).batches(0, torch.Generator()))
    with pytest.raises(ValueError, match="no batches of 1 from 0 puzzles"):
        next(PuzzleSet(x[:0], x[:0]).batches(1, torch.Generator()))
