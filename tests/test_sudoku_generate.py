"""Made puzzles, and puzzles to test on that training never sees."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sudoku_yardsticks import canonical, plain_rating

from tinyrec.puzzles.sudoku import family, rules
from tinyrec.puzzles.sudoku import generate as generate_module
from tinyrec.puzzles.sudoku.classes import fingerprint, normal_grids, solution_class
from tinyrec.puzzles.sudoku.dig import dig
from tinyrec.puzzles.sudoku.files import write_csv
from tinyrec.puzzles.sudoku.generate import generate, hold_out, split
from tinyrec.puzzles.sudoku.solve import rate, solve


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
    again, answers = generate(size, count, seed=7)
    assert (again == puzzles).all() and (answers == solutions).all()
    assert (generate(size, count, seed=8)[0] != puzzles).any(1).all()


# Few clues: most minimal puzzles have more, and none of these may get through.
@pytest.mark.parametrize(
    "size, clues", [(4, 4), (4, 5), (6, 9), (6, 12), (9, 23), (9, 32), (9, 81)]
)
def test_exact_number_of_clues(size, clues):
    puzzles, solutions = generate(size, 12, seed=0, clues=clues)
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


def minimal(puzzle):
    poorer = np.tile(puzzle, ((puzzle > 0).sum(), 1))
    poorer[np.arange(len(poorer)), np.flatnonzero(puzzle)] = 0
    return (solve(poorer).count == 2).all()


def test_hard_puzzles_are_minimal_unique_repeatable_and_as_hard_as_asked():
    puzzles, solutions = generate(6, 12, seed=0, rating=3)
    assert all(plain_rating(puzzle) >= (1, 3) for puzzle in puzzles)
    assert (solve(puzzles).solution == solutions).all() and all(map(minimal, puzzles))
    assert len(set(fingerprint(puzzles))) == 12
    assert (generate(6, 12, seed=0, rating=3)[0] == puzzles).all()
    easy, _ = generate(6, 200, seed=0)
    assert (rate(easy) >= 3).mean() < 0.1, "found by the search, not by chance"


def test_the_search_gives_up_what_cannot_be_made_as_hard(monkeypatch):
    monkeypatch.setattr(generate_module, "PATIENCE", 32)
    fault = "found only 0 of 1 such puzzles: the last .* grids gave no new one"
    with pytest.raises(ValueError, match=fault):
        generate(4, 1, seed=0, rating=50)
    with pytest.raises(
        ValueError, match="a rating of 2 is for minimal puzzles; 12 clues are asked"
    ):
        generate(6, 1, seed=0, clues=12, rating=2)


def test_hard_test_puzzles_are_no_images_of_hard_training_puzzles():
    parts = split(6, 12, 6, seed=0, rating=2, new_classes=40)
    assert list(parts) == ["test", "train", "test_new_classes"]
    forms = {name: {canonical(puzzle) for puzzle in grids} for name, (grids, _) in parts.items()}
    assert not forms["test"] & forms["train"] and (rate(parts["train"][0]) >= 2).all()


def test_digging_takes_what_is_given_and_nothing_else():
    puzzles, solutions = generate(6, 20, seed=0, clues=20)
    dug = dig(puzzles, 0, np.random.default_rng(0))
    assert ((dug == puzzles) | (dug == 0)).all() and all(map(minimal, dug))
    assert (solve(dug).solution == solutions).all() and (puzzles > 0).sum(1).tolist() == [20] * 20


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
        assert (again[name][0] == parts[name][0]).all()
        assert (again[name][1] == parts[name][1]).all()


def test_split_at_9x9_and_its_errors():
    parts = split(9, 20, 10, seed=0, clues=30)
    assert not set(fingerprint(parts["train"][0])) & set(fingerprint(parts["test"][0]))
    with pytest.raises(ValueError, match="known for 4x4 and 6x6, not 9x9"):
        split(9, 1, 1, seed=0, new_classes=1)
    with pytest.raises(ValueError, match="new_classes must be 0..48, not 49"):
        split(6, 1, 1, seed=0, new_classes=49)


def with_images(puzzles, solutions, copies):
    """Each puzzle followed by so many random images of it."""
    x, y = (rules.encode(grids).repeat_interleave(copies + 1, 0) for grids in (puzzles, solutions))
    moved = rules.augment(x, y, torch.Generator().manual_seed(0))
    own = torch.arange(len(x))[:, None] % (copies + 1) == 0
    return [rules.decode(torch.where(own, a, b)) for a, b in zip((x, y), moved, strict=True)]


@pytest.mark.parametrize("copies", (0, 1, 5))
def test_no_image_of_a_held_out_puzzle_is_trained_on(copies):
    puzzles, solutions = with_images(*generate(6, 30, seed=0), copies)
    parts = hold_out(puzzles, solutions, train=10**6, test=12, seed=0)
    forms = {name: [canonical(puzzle) for puzzle in grids] for name, (grids, _) in parts.items()}
    assert len(set(forms["test"])) == len(forms["test"]) == 12
    assert not set(forms["test"]) & set(forms["train"])
    # All others are trained on, each as often as the file has it.
    others = [form for form in map(canonical, puzzles) if form not in forms["test"]]
    assert sorted(forms["train"]) == sorted(others)
    for grids, answers in parts.values():
        assert (solve(grids).solution == answers).all()


def test_holding_out_takes_no_more_than_was_asked_for_and_repeats_itself():
    puzzles, solutions = with_images(*generate(6, 200, seed=0), 1)
    few = hold_out(puzzles, solutions, train=20, test=10, seed=3)
    assert {name: len(grids) for name, (grids, _) in few.items()} == {"train": 20, "test": 10}
    all_of_them = hold_out(puzzles, solutions, train=10**6, test=10, seed=3)
    for part in range(2):  # the same test puzzles, and the first of the same others
        assert (few["test"][part] == all_of_them["test"][part]).all()
        assert (few["train"][part] == all_of_them["train"][part][:20]).all()
    other = hold_out(puzzles, solutions, train=20, test=10, seed=4)
    for name in few:
        assert set(map(bytes, few[name][0])) != set(map(bytes, other[name][0]))


def test_the_order_of_the_file_tells_nothing_about_what_is_held_out():
    puzzles, solutions = generate(4, 600, seed=0, clues=6)
    place = {puzzle.tobytes(): place for place, puzzle in enumerate(puzzles)}
    drawn = [hold_out(puzzles, solutions, train=100, test=10, seed=seed) for seed in range(40)]
    for name, part in (("test", 10), ("train", 100)):
        places = np.array([[place[p.tobytes()] for p in sets[name][0]] for sets in drawn])
        assert places.shape == (40, part)
        quarters = np.bincount(places.ravel() // 150, minlength=4) / places.size
        assert abs(quarters - 0.25).max() < 0.08
        rising = (np.diff(places, axis=1) > 0).mean()
        assert abs(rising - 0.5) < 0.08  # not sorted either


def test_too_few_puzzles_to_hold_out():
    puzzles, solutions = with_images(*generate(6, 5, seed=0), 3)
    parts = hold_out(puzzles, solutions, train=4, test=4, seed=0)
    assert len(parts["test"][0]) == 4 and len(parts["train"][0]) == 4
    fault = "5 puzzles that are no images of one another; expected more than the 5 to test on"
    with pytest.raises(ValueError, match=fault):
        hold_out(puzzles, solutions, train=4, test=5, seed=0)
    one = with_images(puzzles[:1], solutions[:1], 30)
    with pytest.raises(ValueError, match="1 puzzles that are no images of one another"):
        hold_out(*one, train=1, test=1, seed=0)


def test_of_a_folder_training_leaves_out_the_images_of_what_is_tested(tmp_path):
    tested, answers = generate(6, 10, seed=0)
    images = with_images(tested[:4], answers[:4], 2)
    puzzles, solutions = (
        np.concatenate(pair) for pair in zip(images, generate(6, 20, seed=1), strict=True)
    )
    write_csv(tmp_path / "test.csv", tested, answers, [0] * 10)
    write_csv(tmp_path / "train.csv", puzzles, solutions, [0] * 32)
    data = family.Data(size=6, train=100, test=7, file=str(tmp_path))
    sets = {name: rules.decode(puzzles.x) for name, puzzles in family.make(data).items()}
    assert (sets["test"] == tested[:7]).all()
    assert sorted(map(bytes, sets["train"])) == sorted(map(bytes, puzzles[12:]))
    assert len(family.make(replace(data, train=5))["train"]) == 5
    with pytest.raises(ValueError, match="train.csv: its puzzles have 36 cells; expected 81"):
        family.make(replace(data, size=9))
