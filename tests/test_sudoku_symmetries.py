"""Sudoku's symmetries, and the puzzles that training draws."""

import itertools

import numpy as np
import pytest
import torch
from sudoku_yardsticks import MOVES, SIZES

from tinyrec.puzzles.sudoku import rules
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
