"""Every exercise of every chapter: right answers pass in whichever way they are written, the stub
fails kindly, each known wrong answer is told why, and no check can be loosened unnoticed.
"""

import ast
import importlib
import pkgutil
import re
import sys
import warnings
from itertools import pairwise
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from tinyrec import exercises

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
CALL = re.compile(r"^exercises\.(\w+)\((\w+)\);$", re.M)
CHAPTERS = {
    name: importlib.import_module(f"tinyrec.exercises.{name}")
    for _, name, _ in pkgutil.iter_modules(exercises.__path__)
}


def checks(chapter):
    """The checks of a chapter by name."""
    return {name: value for name, value in vars(chapter).items() if hasattr(value, "wrong")}


CHECKS = {
    f"{chapter}.{name}": check
    for chapter, module in CHAPTERS.items()
    for name, check in checks(module).items()
}


# ---- the exercises in the notebooks --------------------------------------------------------------


def cells_of(notebook):
    """(name of the check, name of the answer, stub, solution) of every cell tagged `exercise`."""
    cells = nbformat.read(notebook, as_version=4).cells
    for cell, after in pairwise(cells):
        if "exercise" in cell.metadata.get("tags", []):
            check, answer = CALL.search(cell.source).groups()
            solution = re.search(r"Solution</summary>\s+```python\n(.*?)```", after.source, re.S)
            assert solution, f"{notebook.stem}: no solution after exercise {check}"
            yield check, answer, CALL.sub("", cell.source), solution[1]


def chapter_of(notebook):
    return CHAPTERS[f"chapter_{notebook.stem[:2]}"]


def evaluated(code, name):
    """What a cell's code calls `name`."""
    space = {"np": np, "torch": torch}
    exec(code, space)
    return space[name]


@pytest.mark.parametrize(
    "notebook, cell",
    [
        pytest.param(notebook, cell, id=f"{notebook.stem}-{cell[0]}")
        for notebook in NOTEBOOKS
        for cell in cells_of(notebook)
    ],
)
def test_the_hidden_solution_passes_and_the_stub_fails_kindly(notebook, cell, capsys):
    name, answer, stub, solution = cell
    check = checks(chapter_of(notebook))[name]
    assert check(evaluated(solution, answer)), capsys.readouterr().out
    assert capsys.readouterr().out == "Right.\n"
    assert not check(evaluated(stub, answer))
    said = capsys.readouterr().out
    assert said.startswith("Not yet: nothing there yet; replace the dots by ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_takes_its_checks_from_its_own_chapter_and_uses_all(notebook):
    chapter = f"chapter_{notebook.stem[:2]}"
    cells = nbformat.read(notebook, as_version=4).cells
    lines = [line for cell in cells for line in cell.source.splitlines()]
    assert f"from tinyrec.exercises import {chapter} as exercises" in lines
    assert [cell[0] for cell in cells_of(notebook)] == list(checks(CHAPTERS[chapter]))


def test_every_chapter_of_exercises_has_its_notebook():
    assert set(CHAPTERS) == {f"chapter_{notebook.stem[:2]}" for notebook in NOTEBOOKS}


# ---- known answers -------------------------------------------------------------------------------


def known(kind):
    return [
        pytest.param(check, answer, id=f"{name}-{number}")
        for name, check in CHECKS.items()
        for number, answer in enumerate(getattr(check, kind), 1)
    ]


@pytest.mark.parametrize("check, answer", known("right"))
def test_a_right_answer_is_accepted_in_whichever_way_it_is_written(check, answer, capsys):
    assert check(answer) is True, capsys.readouterr().out
    assert capsys.readouterr().out == "Right.\n"


@pytest.mark.parametrize("check, wrong", known("wrong"))
def test_a_wrong_answer_is_told_why_in_one_line(check, wrong, capsys):
    message, answer = wrong
    assert check(answer) is False
    said = capsys.readouterr().out
    assert message in said
    assert said.startswith("Not yet: ") and said.count("\n") == 1


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_knows_several_right_and_many_wrong_answers(name):
    assert len(CHECKS[name].right) >= 3 and len(CHECKS[name].wrong) >= 4


def raises(*_):
    raise ValueError("first line\nsecond line")


ODD = {
    "none": None,
    "dots": ...,
    "text": "0.99",
    "nan": float("nan"),
    "infinity": float("inf"),
    "complex": 0.99 + 0j,
    "object": object(),
    "empty list": [],
    "uneven rows": [[1], [1, 2]],
    "takes nothing": lambda: 1,
    "returns nothing": lambda *_: None,
    "returns dots": lambda *_: ...,
    "returns text": lambda *_: "text",
    "returns nan": lambda *_: float("nan"),
    "returns its input": lambda *given: given,
    "returns no numbers": lambda *_: torch.empty(0),
    "returns an object": lambda *_: object(),
    "returns itself": lambda *_: raises,
    "warns": lambda *_: warnings.warn("mind this", stacklevel=1),
    "raises": raises,
}


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("odd", ODD)
def test_whatever_it_is_given_a_check_says_one_line_and_goes_on(name, odd, capsys, recwarn):
    assert CHECKS[name](ODD[odd]) is False
    out, err = capsys.readouterr()
    assert out.startswith("Not yet: ") and out.count("\n") == 1
    assert not err and not recwarn.list


# ---- no check can be loosened unnoticed ----------------------------------------------------------


def outcome(check, answer, capsys):
    verdict = check(answer)
    return verdict, capsys.readouterr().out


def expects(module):
    """The line of each call of `expect` in a module."""
    tree = ast.parse(Path(module.__file__).read_text())
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "expect"
    ]


MODULES = {"machinery": exercises, **CHAPTERS}


@pytest.mark.parametrize(
    "module, line",
    [
        pytest.param(module, line, id=f"{name}-{line}")
        for name, module in MODULES.items()
        for line in expects(module)
    ],
)
def test_an_expectation_that_is_taken_away_is_missed_by_a_wrong_answer(
    module, line, capsys, monkeypatch
):
    def loosened(condition, message):
        if sys._getframe(1).f_lineno != line:
            expect(condition, message)

    expect = exercises.expect
    chapters = CHAPTERS.values() if module is exercises else [module]
    tries = [
        (check, answer)
        for chapter in chapters
        for check in checks(chapter).values()
        for answer in [..., lambda *_: None, *(answer for _, answer in check.wrong)]
    ]
    before = [outcome(*each, capsys) for each in tries]
    monkeypatch.setattr(module, "expect", loosened)
    assert [outcome(*each, capsys) for each in tries] != before


# ---- what the reader is told ---------------------------------------------------------------------


def test_an_error_in_the_answer_is_told_with_the_line_where_it_happened(capsys):
    def answer(value):
        return inner(value) + 1

    def inner(value):
        return value / 0

    assert not exercises.check(lambda f: f(1))(answer)
    said = "your code raised ZeroDivisionError: division by zero, at `return value / 0`"
    assert capsys.readouterr().out == f"Not yet: {said}\n"


def test_an_error_without_words_or_with_many_is_told_in_one_line(capsys):
    exercises.check(lambda f: f())(torch.nn.Linear(1, 1).double().forward)
    exercises.check(lambda f: f())([].pop)
    exercises.check(lambda f: next(f))(iter(()))
    exercises.check(lambda f: raises())(None)
    assert capsys.readouterr().out.splitlines() == [
        "Not yet: your code raised TypeError: Linear.forward() missing 1 required positional "
        "argument: 'input'",
        "Not yet: your code raised IndexError: pop from empty list",
        "Not yet: your code raised StopIteration",
        "Not yet: your code raised ValueError: first line",
    ]


def test_who_stops_a_check_that_does_not_end_is_obeyed():
    def answer():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exercises.check(lambda f: f())(answer)


@pytest.mark.parametrize(
    "written, told",
    [
        ({"tensor": "right", "array": "right"}, None),
        ({"tensor": "right", "array": "raises"}, None),
        ({"tensor": "raises", "array": "right"}, None),
        ({"tensor": "wrong", "array": "right"}, None),
        ({"tensor": "wrong", "array": "wrong"}, "wrong as a tensor"),
        ({"tensor": "wrong", "array": "raises"}, "wrong as a tensor"),
        ({"tensor": "raises", "array": "wrong"}, "wrong as a array"),
        ({"tensor": "raises", "array": "raises"}, "raised with a tensor"),
    ],
)
def test_tensors_or_arrays_one_of_them_must_pass(written, told, capsys):
    @exercises.check
    @exercises.tensors_or_arrays
    def check(f, array):
        kind = "tensor" if torch.is_tensor(array([1])) else "array"
        if written[kind] == "raises":
            raise TypeError(f"raised with a {kind}")
        exercises.expect(written[kind] == "right", f"wrong as a {kind}")

    assert check(None) is (told is None)
    assert (told or "Right.") in capsys.readouterr().out


@pytest.mark.parametrize(
    "value, expected",
    [
        (3, 3),
        (np.float32(0.5), 0.5),
        (torch.tensor([[2]]), 2),
        (torch.tensor(0.5, requires_grad=True), 0.5),
        (torch.tensor(0.5, dtype=torch.bfloat16), 0.5),
        ([True], 1),
    ],
)
def test_a_number_is_a_number_wherever_it_comes_from(value, expected):
    found = exercises.as_number(value, "a number")
    assert found == expected and isinstance(found, float)
