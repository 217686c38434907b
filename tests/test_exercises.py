"""Every exercise of every chapter: its solution passes, its stub fails kindly, common wrong answers
are told why.
"""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from tinyrec import exercises

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
CALL = re.compile(r"^exercises\.(\w+)\((\w+)\);$", re.M)


def found():
    """(name of the check, name of the answer, stub, solution) of every cell tagged `exercise`."""
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        for cell, after in zip(cells, cells[1:]):
            if "exercise" in cell.metadata.get("tags", []):
                check, answer = CALL.search(cell.source).groups()
                solution = re.search(
                    r"Solution</summary>\s+```python\n(.*?)```", after.source, re.S
                )
                assert solution, f"{path.stem}: no solution after exercise {check}"
                yield pytest.param(
                    check, answer, CALL.sub("", cell.source), solution[1], id=f"{path.stem}-{check}"
                )


def run(check, answer, code):
    space = {"np": np, "torch": torch}
    exec(code, space)
    return getattr(exercises, check)(space[answer])


@pytest.mark.parametrize("check, answer, stub, solution", list(found()))
def test_the_solution_passes_and_the_stub_fails_kindly(check, answer, stub, solution, capsys):
    assert run(check, answer, solution), capsys.readouterr().out
    assert capsys.readouterr().out == "Right.\n"
    assert not run(check, answer, stub)
    said = capsys.readouterr().out
    assert (
        said.startswith("Not yet: nothing there yet; replace the dots by ")
        and said.count("\n") == 1
    )


def in_place(grid, new):
    grid = grid.copy()
    for digit in range(1, len(new)):
        grid[grid == digit] = new[digit]
    return grid


def no_question(step, x, y, loops):
    return [y := step(0, y) for _ in range(loops)]


def from_the_start(step, x, y, loops):
    return [step(x, y) for _ in range(loops)]


def all_loops(step, x, y, loops):
    for _ in range(loops):
        y = step(x, y)
    return y


def no_gradient(step, x, y, loops):
    return all_loops(step, x, y, loops).detach()


WRONG = [
    ("exact_accuracy", lambda a, s: (a == s).mean(), "that is cell accuracy"),
    ("exact_accuracy", lambda a, s: (a == s).all(1).sum(), "divide by their number"),
    ("relabel", in_place, "replaced twice"),
    ("relabel", lambda grid, new: new[grid - 1], "a blank must stay a blank"),
    ("needed_cell_accuracy", 0.5 ** (1 / 36), "that is for 36 cells"),
    ("needed_cell_accuracy", 0.5 / 81, "take a root"),
    ("recurse", no_question, "the question x must go in"),
    ("recurse", from_the_start, "start from the last answer"),
    ("one_loop_gradient", all_loops, "through all loops"),
    ("one_loop_gradient", no_gradient, "yours carries none"),
    ("depth", lambda T, n, layers: T * n * layers, "one call on y"),
    ("depth", lambda T, n, layers: T * (n + 1), "each call passes `layers` layers"),
    ("stablemax", lambda x: x.softmax(-1), "that is softmax"),
    ("stablemax", lambda x: (x + 1) / (x + 1).sum(-1, keepdim=True), "never negative"),
    ("segments_used", lambda q: (q > 0).int().argmax(1), "counted from 1"),
    ("segments_used", lambda q: (q > 0).int().argmax(1) + 1, "uses all segments, not 1"),
]


@pytest.mark.parametrize(
    "check, answer, message", WRONG, ids=[f"{w[0]}-{i}" for i, w in enumerate(WRONG)]
)
def test_common_wrong_answers_are_told_why(check, answer, message, capsys):
    assert not getattr(exercises, check)(answer)
    assert message in capsys.readouterr().out


def test_every_exercise_has_two_wrong_answers():
    checks = [param.values[0] for param in found()]
    for check in checks:
        assert sum(check == name for name, _, _ in WRONG) >= 2, check


def test_an_error_in_the_answer_does_not_stop_the_notebook(capsys):
    assert not exercises.relabel(lambda grid, new: 1 / 0)
    assert "your code raised ZeroDivisionError" in capsys.readouterr().out
