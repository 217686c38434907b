"""Made puzzles, and puzzles to test on that training never sees."""


import numpy as np
import pytest
from sudoku_yardsticks import canonical, plain_rating

from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.classes import fingerprint, normal_grids, solution_class
from tinyrec.puzzles.sudoku.generate import generate, split
from tinyrec.puzzles.sudoku.solve import solve


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
