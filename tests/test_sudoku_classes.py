"""Which Sudoku are images of one another."""

import itertools

import numpy as np
import pytest
import torch
from sudoku_yardsticks import ANSWERS, SIZES, canonical

from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.classes import fingerprint, normal_grids, solution_class
from tinyrec.puzzles.sudoku.generate import generate
from tinyrec.puzzles.sudoku.solve import BLOCK


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


def test_rows_are_no_columns_at_6x6():
    """Two digits in one row of two boxes, and in one column of two boxes: no images."""
    cells = list(itertools.combinations(range(36), 2))
    grids = np.zeros((len(cells), 36), np.uint8)
    np.put_along_axis(grids, np.array(cells), np.array([[1, 2]], np.uint8), 1)
    mark = dict(zip(cells, fingerprint(grids).tolist(), strict=True))
    assert len(set(mark.values())) == 8  # the ways for two cells to lie
    same_row, same_column = mark[0, 3], mark[0, 12]
    assert same_row != same_column
    for (a, b), found in mark.items():
        box = (a // 12, a % 6 // 3) == (b // 12, b % 6 // 3)
        assert (found == same_row) == (a // 6 == b // 6 and not box)
        assert (found == same_column) == (a % 6 == b % 6 and not box)


def test_fingerprints_do_not_depend_on_how_many_are_taken():
    puzzles, _ = generate(4, 400, seed=0)
    many = np.tile(puzzles, (BLOCK // 100, 1))
    assert (fingerprint(many) == np.tile(fingerprint(puzzles), BLOCK // 100)).all()
    assert fingerprint(puzzles[:0]).shape == (0,)


@pytest.mark.parametrize("size, count", [(4, 1500), (6, 200)])
def test_fingerprint_is_as_fine_as_the_canonical_form(size, count):
    puzzles, _ = generate(size, count, seed=11)
    marks = fingerprint(puzzles).tolist()
    forms = list(map(canonical, puzzles))
    # One mark for each form and one form for each mark.
    assert len(set(marks)) == len(set(forms)) == len(set(zip(marks, forms, strict=True)))
    if size == 4:
        assert len(set(forms)) == 36  # minimal 4x4 puzzles up to symmetry


@pytest.mark.parametrize("size, classes", [(4, 2), (6, 49)])
def test_solution_classes(size, classes):
    grids, first = normal_grids(size)
    assert len(np.unique(first)) == classes and (np.unique(grids, axis=0) == grids).all()
    _, solutions = generate(size, 288 if size == 4 else 3000, seed=2, clues=size**2)
    forms = solution_class(solutions)
    assert forms.dtype == np.uint8 and len(np.unique(forms, axis=0)) == classes
    for form, solution in zip(
        forms[:100], solutions[:100], strict=True
    ):  # exactly the smallest image
        assert form.tobytes() == canonical(solution)
    x = rules.encode(solutions)
    moved, _ = rules.augment(x, x, torch.Generator().manual_seed(0))
    assert (solution_class(rules.decode(moved)) == forms).all()


def test_solution_class_says_what_is_wrong():
    with pytest.raises(ValueError, match="known for 4x4 and 6x6, not 9x9"):
        solution_class(ANSWERS)
    with pytest.raises(ValueError, match="grid 1 is not a complete valid grid"):
        solution_class(np.array([[1, 2, 3, 4, 3, 4, 1, 2, 2, 1, 4, 3, 4, 3, 2, 1], [1] * 16]))
