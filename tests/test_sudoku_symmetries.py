"""Sudoku's symmetries, and the puzzles that training draws."""

import itertools

import numpy as np
import pytest
import torch
from sudoku_yardsticks import MOVES, SIZES

from tinyrec.puzzles.sudoku import family, rules
from tinyrec.puzzles.sudoku.classes import fingerprint
from tinyrec.puzzles.sudoku.generate import generate


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
def test_every_view_is_turned_back_right(size):
    puzzles, solutions = generate(size, 10, seed=3)
    x, y = (rules.encode(grids).repeat(200, 1) for grids in (puzzles, solutions))
    image, back = rules.view(x, torch.Generator().manual_seed(0))
    same, moved = rules.augment(x, y, torch.Generator().manual_seed(0))
    assert torch.equal(image, same) and torch.equal(back(image), x) and torch.equal(back(moved), y)
    assert len(image.unique(dim=0)) > 1500 and (image != x).any(1).float().mean() > 0.95
    # A wrong answer comes back too, each cell to its place: one wrong cell stays one.
    wrong = moved.clone()
    wrong[:, 0] = 0
    assert ((back(wrong) != y).sum(1) == 1).all() and ((back(wrong) == 0).sum(1) == 1).all()


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


def test_training_puzzles_are_augmented_anew_at_every_draw():
    puzzles, solutions = generate(6, 5, seed=0)
    augmented = rules.puzzle_set(puzzles, solutions, augmented=True)
    first, second = (augmented.batch(5, seed=0, step=step) for step in range(2))
    for batch in (first, second):
        assert rules.is_solution(rules.decode(batch.x), rules.decode(batch.y)).all()
        assert sorted(fingerprint(rules.decode(batch.x))) == sorted(fingerprint(puzzles))
    assert len(torch.cat([first.x, second.x, augmented.x]).unique(dim=0)) == 15
    assert torch.equal(augmented.batch(5, seed=0, step=0).x, first.x)


@pytest.mark.parametrize("size", SIZES)
def test_puzzles_that_are_not_trained_on_stay_as_they_are_with_an_answer_for_every_cell(size):
    puzzles, solutions = generate(size, 8, seed=0)
    plain = rules.puzzle_set(puzzles, solutions, revealed=1.0)  # nothing is revealed either
    assert plain.augment is None
    batch = plain.batch(8, seed=0, step=0)
    for x, y in ((plain.x, plain.y), (batch.x, batch.y)):
        assert sorted(rules.decode(x).tolist()) == sorted(puzzles.tolist())
        assert sorted((y - 1).tolist()) == sorted(solutions.tolist())  # given cells as well


def test_only_the_puzzles_to_train_on_are_augmented():
    data = family.Data(size=6, train=20, test=20, new_classes=3, revealed=0.5)
    sets = family.make(data)
    assert {name: puzzles.augment is not None for name, puzzles in sets.items()} == {
        "train": True,
        "test": False,
        "test_new_classes": False,
    }


def chi_square(count):
    """About 1 where all of these are equally likely."""
    count = np.asarray(count)
    return ((count - count.mean()) ** 2 / count.mean()).sum() / (len(count) - 1)


def test_revealed_puzzles_have_any_number_of_givens_equally_often():
    puzzles, solutions = (np.tile(grids, (325, 1)) for grids in generate(4, 40, 0, clues=4))
    x, y = rules.encode(puzzles), rules.encode(solutions)  # 13,000 with 12 blanks
    shown = rules.reveal(x, y, 1.0, torch.Generator().manual_seed(0))
    given = x != 1
    assert (shown[given] == x[given]).all() and ((shown == x) | (shown == y)).all()
    more = (shown != x).sum(1)
    assert 0.2 < chi_square(more.bincount(minlength=13)) < 3  # 1 +- 0.4; 0 to 12 cells
    cell = (shown != x).sum(0) / (~given).sum(0)
    assert (cell - 0.5).abs().max() < 0.05  # each blank in half of them


def test_so_many_puzzles_as_asked_for_are_revealed():
    x, y = (rules.encode(grids).repeat(10, 1) for grids in generate(9, 100, seed=0))
    for share in (0.0, 0.3, 1.0):
        shown = rules.reveal(x, y, share, torch.Generator().manual_seed(0))
        changed = (shown != x).any(1).double().mean()
        assert abs(changed - share * (1 - 1 / 57)) < 0.05  # of some 56 blanks none, once in 57


def test_training_draws_reveal_cells_of_the_image_they_belong_to():
    puzzles = rules.puzzle_set(*generate(6, 50, seed=0), augmented=True, revealed=1.0)
    batch = puzzles.batch(50, seed=0, step=0)
    assert (batch.x != 1).sum() > 1.5 * (puzzles.x != 1).sum()
    assert rules.is_solution(rules.decode(batch.x), rules.decode(batch.y)).all()
