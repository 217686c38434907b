"""Chapter 1: counting what is right, renaming digits, how nearly right is wrong."""

import numpy as np
import torch
import torch.nn.functional as F

from tinyrec.exercises import as_array, as_number, check, expect, listed, near, tensors_or_arrays


@check
@tensors_or_arrays
def exact_accuracy(f, array) -> None:
    """f(answers, solutions), both (N, cells) -> share of puzzles with every cell right."""
    right = [[1, 2, 3, 4], [2, 1, 4, 3], [3, 4, 1, 2], [4, 3, 2, 1], [1, 2, 4, 3]]
    # Puzzle 2 has one wrong cell. Puzzle 4 has two, and still the right sum and the right digits.
    written = [[1, 2, 3, 4], [4, 1, 4, 3], [3, 4, 1, 2], [2, 3, 4, 1], [1, 2, 4, 3]]
    answers, solutions = array(written), array(right)
    found = as_array(f(answers, solutions), "code that returns the share of solved puzzles")
    expect(
        answers.tolist() == written and solutions.tolist() == right,
        "the arrays given were changed; compare them into a new one",
    )
    expect(
        found.shape != (5,),
        "that is one value for each puzzle; the mean of right and wrong (1 and 0) is the share",
    )
    value = as_number(found, "a share")
    expect(
        not near(value, 17 / 20),
        "that is cell accuracy: 17 of 20 cells. Ask first whether all cells of a puzzle are right",
    )
    expect(
        not near(value, 2 / 4),
        "that asks along the wrong axis: which cells are right in all puzzles. The cells lie along "
        "axis 1",
    )
    expect(
        value != 0,
        "that asks whether every cell of every puzzle is right; ask along axis 1, the cells",
    )
    expect(value != 3, "that is how many puzzles are right; divide by their number")
    expect(
        not near(value, 3 / 4), "the number of cells was 4; divide by the number of puzzles, len()"
    )
    expect(0 <= value <= 1, f"a share lies between 0 and 1; yours is {value:g}")
    expect(near(value, 3 / 5), f"3 of 5 puzzles are right, so 0.6 was expected, not {value:g}")
    value = as_number(f(array(written[:2]), array(right[:2])), "a share")
    expect(
        near(value, 1 / 2),
        f"right for 5 puzzles, but for the first 2 of them 0.5 was expected, not {value:g}; "
        "compute it from what the function is given",
    )


def _compare_in_place(answers, solutions):
    answers -= solutions
    return (answers == 0).all(1).sum() / len(answers)


def _overwrite_solutions(answers, solutions):
    solutions[:] = answers == solutions
    return solutions.all(1).sum() / len(answers)


exact_accuracy.right = [
    lambda a, s: (a == s).all(1).float().mean(),
    lambda a, s: torch.all(a == s, dim=-1).double().mean().item(),
    lambda a, s: 1 - ((a != s).sum(1) > 0).to(torch.bfloat16).float().mean(),
    lambda a, s: (a == s).all(1).mean(),
    lambda a, s: np.mean([np.array_equal(a[i], s[i]) for i in range(len(a))]),
    lambda a, s: sum(map(list.__eq__, a.tolist(), s.tolist())) / len(a),
]
exact_accuracy.wrong = [
    ("the arrays given were changed", _compare_in_place),
    ("the arrays given were changed", _overwrite_solutions),
    ("one value for each puzzle", lambda a, s: (a == s).all(1)),
    ("an array of shape (4,)", lambda a, s: (a == s).all(0)),
    ("that is cell accuracy", lambda a, s: (a == s).mean()),
    ("that is cell accuracy", lambda a, s: (a == s).float().mean()),
    ("along the wrong axis", lambda a, s: (a == s).all(0).mean()),
    ("along the wrong axis", lambda a, s: (a == s).all(0).float().mean()),
    ("every cell of every puzzle", lambda a, s: (a == s).all()),
    ("how many puzzles are right", lambda a, s: (a == s).all(1).sum()),
    ("divide by the number of puzzles", lambda a, s: (a == s).all(1).sum() / a.shape[1]),
    ("yours is 60", lambda a, s: 100 * (a == s).all(1).float().mean()),
    ("yours is 1.2", lambda a, s: 2 * (a == s).all(1).float().mean()),
    ("yours is -0.6", lambda a, s: -(a == s).all(1).float().mean()),
    ("0.6 was expected, not 1", lambda a, s: (a == s).any(1).float().mean()),
    ("0.6 was expected, not 0.4", lambda a, s: (a != s).any(1).float().mean()),
    ("0.6 was expected, not 0.8", lambda a, s: (a.sum(1) == s.sum(1)).float().mean()),
    ("0.6 was expected, not 0.60001", lambda a, s: 0.60001),
    ("compute it from what the function is given", lambda a, s: 0.6),
    ("numbers were expected, not a str", lambda a, s: "3 of 5"),
    ("your code raised TypeError", lambda answers: 0.6),
]


@check
@tensors_or_arrays
def relabel(f, array) -> None:
    """f(grid, new), grid (cells,) with 0 for a blank, new (size + 1,) -> grid with digit d replaced
    by new[d].
    """
    digits, names = [1, 0, 3, 4, 0, 4, 1, 0, 2, 0, 0, 3, 0, 3, 2, 1], [0, 2, 3, 4, 1]
    grid, new = array(digits), array(names)
    value = as_array(f(grid, new), "code that returns the new grid")
    expect(
        grid.tolist() == digits and new.tolist() == names,
        "the arrays given were changed; return a new grid",
    )
    expect(value.shape == (16,), f"the shape must stay (16,), not {value.shape}")
    expect((value[np.array(digits) == 0] == 0).all(), "a blank must stay a blank")
    for order in ([1, 2, 3, 4], [4, 3, 2, 1]):
        twice = np.array(digits)
        for digit in order:
            twice[twice == digit] = names[digit]
        expect(
            (value != twice).any(),
            f"a digit was renamed twice, as happens in place and in the order {order}: a 4 became "
            "1, and some 1 became 2. Read from the old grid, write to a new one",
        )
    wanted = [names[digit] for digit in digits]
    expect(
        value.tolist() == wanted,
        f"with new = {names}, {digits} should become {wanted}, not {listed(value)}",
    )
    value = as_array(f(array(digits[:4]), array([0, 4, 2, 1, 3])), "the new grid")
    expect(
        value.tolist() == [4, 0, 1, 3],
        "right for one grid, but with new = [0, 4, 2, 1, 3], [1, 0, 3, 4] should become "
        f"[4, 0, 1, 3], not {listed(value)}; compute it from what the function is given",
    )


def _into_a_new_grid(grid, new):
    out = np.zeros_like(grid)
    for digit in range(1, len(new)):
        out[grid == digit] = new[digit]
    return out


def _by_dictionary(grid, new):
    names = dict(enumerate(new))
    return [names.get(digit, 0) for digit in grid]


def _in_the_grid_given(grid, new):
    grid[:] = new[grid]
    return grid


def _new_changed(grid, new):
    names = new[grid]
    new[0] = 9
    return names


def _one_after_another(order):
    def renamed(grid, new):
        grid = grid.copy()
        for digit in order:
            grid[grid == digit] = new[digit]
        return grid

    return renamed


relabel.right = [
    lambda grid, new: new[grid],
    lambda grid, new: torch.gather(new, 0, grid),
    lambda grid, new: np.take(new, grid),
    lambda grid, new: F.one_hot(grid, len(new)) @ new,
    lambda grid, new: sum((grid == digit) * new[digit] for digit in range(len(new))),
    lambda grid, new: [int(new[digit]) for digit in grid],
    _into_a_new_grid,
    _by_dictionary,
]
relabel.wrong = [
    ("the arrays given were changed", _in_the_grid_given),
    ("the arrays given were changed", _new_changed),
    ("the shape must stay (16,), not (5,)", lambda grid, new: grid[new]),
    ("the shape must stay (16,), not (10,)", lambda grid, new: new[grid[grid > 0]]),
    ("a blank must stay a blank", lambda grid, new: new[grid - 1]),
    ("in the order [1, 2, 3, 4]", _one_after_another([1, 2, 3, 4])),
    ("in the order [4, 3, 2, 1]", _one_after_another([4, 3, 2, 1])),
    ("should become [2, 0, 4, 1, 0,", lambda grid, new: grid),
    ("not [4, 0, 2, 3, 0,", lambda grid, new: new.argsort()[grid]),  # the other way round
    (
        "right for one grid",
        lambda grid, new: [2, 0, 4, 1, 0, 1, 2, 0, 3, 0, 0, 4, 0, 4, 3, 2][: len(grid)],
    ),
    ("right for one grid", lambda grid, new: (grid > 0) * (grid % 4 + 1)),
    ("numbers were expected, not a str", lambda grid, new: "".join(map(str, new[grid].tolist()))),
    ("numbers were expected, not a list", lambda grid, new: [new[grid].tolist(), [0]]),
    ("your code raised IndexError", lambda grid, new: new[grid + 1]),
]


@check
def needed_cell_accuracy(p) -> None:
    """The cell accuracy at which half of all 81-cell puzzles are right, if cells erred
    independently.
    """
    value = as_number(p, "a number")
    expect(0 < value < 1, f"an accuracy is a share, between 0 and 1; yours is {value:g}")
    for mistaken in (0.5, 0.5 / 81, 0.5**81):
        expect(
            not near(value, mistaken),
            f"{value:.3g} is too small: p times p times p ... 81 times must give 0.5, so take the "
            "81st root of 0.5",
        )
    expect(not near(value, 0.5 ** (1 / 36)), "that is for 36 cells; a 9x9 grid has 81")
    expect(
        not near(value, 1 - 0.5 ** (1 / 81)),
        "that is the share of cells that may be wrong; what share must be right?",
    )
    expect(
        abs(value - 0.5 ** (1 / 81)) < 1e-4,
        f"{value:.4f} to the power of 81 is {value**81:.3f}, not 0.5",
    )


needed_cell_accuracy.right = [
    0.5 ** (1 / 81),
    0.9915,
    np.exp(np.log(0.5) / 81),
    torch.tensor(0.5) ** (1 / 81),
    torch.tensor([0.5], requires_grad=True).pow(1 / 81),
]
needed_cell_accuracy.wrong = [
    ("yours is 99.15", 99.15),
    ("yours is 1", 1),
    ("yours is 0", 0),
    ("0.5 is too small", 0.5),
    ("0.00617 is too small", 0.5 / 81),
    ("4.14e-25 is too small", 0.5**81),
    ("that is for 36 cells", 0.5 ** (1 / 36)),
    ("the share of cells that may be wrong", 1 - 0.5 ** (1 / 81)),
    ("0.9900 to the power of 81 is 0.443", 0.99),
    ("0.9916 to the power of 81 is 0.505", 0.9916),
    ("0.9938 to the power of 81 is 0.606", 1 - 0.5 / 81),
    ("not an array of shape (81,)", np.full(81, 0.5 ** (1 / 81))),
    ("numbers were expected, not a str", "0.9915"),
    ("numbers were expected, not a complex", 0.9915 + 0j),
    ("numbers were expected, not a function", lambda: 0.5 ** (1 / 81)),
]
