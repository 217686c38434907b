"""Sudoku's solver against plain search."""

import numpy as np
import pytest
from sudoku_yardsticks import ANSWERS, MOVES, PUZZLES, plain_rating

from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.classes import normal_grids
from tinyrec.puzzles.sudoku.generate import generate
from tinyrec.puzzles.sudoku.solve import BLOCK, all_solutions, rate, solve


def test_the_yardsticks():
    assert {size: len(m) for size, m in MOVES.items()} == {4: 128, 6: 3456}
    assert plain_rating(np.zeros(16, np.uint8))[0] == 288


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
