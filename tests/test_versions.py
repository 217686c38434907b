"""A student's copy keeps all but the solutions; in an instructor's every check has passed."""

import execute
import nbformat
import pytest
import versions

NOTEBOOKS = execute.notebooks()
QUICK = next(path for path in NOTEBOOKS if path.stem == "07_trm")


def read(path):
    return nbformat.read(path, as_version=4)


def exercises_of(notebook):
    """(the exercise's cell, the Markdown behind it) of a source."""
    cells = read(notebook).cells
    return [(c, cells[n + 1]) for n, c in enumerate(cells) if versions.is_exercise(c)]


def graded(made, what):
    return [c for c in made.cells if c.metadata.get("nbgrader", {}).get(what)]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return request.param


def test_a_students_copy_has_no_solution_no_output_and_no_way_to_them(notebook):
    made = versions.student(read(notebook))
    nbformat.validate(made)
    text = nbformat.writes(made)
    assert "Solution</summary>" not in text and "colab-badge" not in text
    everything = "\n".join(c.source for c in made.cells)
    for cell, behind in exercises_of(notebook):
        code = versions.PYTHON.search(behind.source)[1].splitlines()
        solution = "\n".join(line for line in code if line not in cell.source.splitlines())
        assert solution and solution not in everything
    assert not any(c.get("outputs") or c.get("execution_count") for c in made.cells)


def test_a_students_copy_keeps_all_else(notebook):
    source, made = read(notebook), versions.student(read(notebook))
    kept = [c.source for c in made.cells]
    for cell in source.cells[1:]:
        rest = versions.SOLUTION.sub("", cell.source).strip()
        assert versions.is_exercise(cell) or not rest or rest in [text.strip() for text in kept]
    hints = "".join(c.source for c in source.cells).count("<summary>Hint")
    assert hints and "".join(kept).count("<summary>Hint") == hints


def test_an_exercise_is_an_answer_and_a_locked_check_worth_a_point(notebook):
    for made in (versions.student(read(notebook)), versions.instructor(read(notebook))):
        answers, checks = graded(made, "solution"), graded(made, "grade")
        assert len(answers) == len(checks) == len(exercises_of(notebook))
        for answer, check in zip(answers, checks, strict=True):
            assert made.cells.index(check) == made.cells.index(answer) + 1
            assert check.source.startswith("assert exercises.")
            told = check.metadata.nbgrader
            assert told.locked and told.points == 1 and not answer.metadata.nbgrader.locked
        names = [c.metadata.nbgrader.grade_id for c in answers + checks]
        assert len(set(names)) == len(names)


def test_an_instructors_copy_is_the_chapter_with_its_solutions_filled_in(notebook):
    source, made = read(notebook), versions.instructor(read(notebook))
    nbformat.validate(made)
    solved = zip(graded(made, "solution"), exercises_of(notebook), strict=True)
    for answer, (cell, behind) in solved:
        assert answer.id == cell.id and f"```python\n{answer.source}\n```" in behind.source
    others = [c.source for c in source.cells if not versions.is_exercise(c)]
    assert [c.source for c in made.cells if "nbgrader" not in c.metadata] == others


def test_an_exercise_without_a_solution_is_refused():
    source = read(QUICK)
    source.cells = [c for c in source.cells if "Solution</summary>" not in c.source]
    with pytest.raises(ValueError, match=r"cell \d+: no solution behind the exercise"):
        versions.instructor(source)


@pytest.mark.notebooks
def test_a_students_copy_runs_up_to_the_first_open_exercise_which_says_what_is_missing(tmp_path):
    copy = versions.write(QUICK, "student", tmp_path, "smoke")
    came = tmp_path / "came.ipynb"
    with pytest.raises(execute.NotebookFailed, match="assert exercises.* AssertionError"):
        execute.run(copy, came, "smoke")
    ran = read(came)
    first, *others = graded(ran, "grade")
    printed, error = first.outputs
    assert printed.text.startswith("Not yet: nothing there yet; replace the dots by ")
    assert error.ename == "AssertionError"
    before = ran.cells[: ran.cells.index(first)]
    assert all(c.execution_count for c in before if c.cell_type == "code")
    assert not any(c.outputs for c in others)


@pytest.mark.notebooks
def test_an_instructors_copy_has_run_and_every_check_in_it_has_passed(tmp_path):
    made = read(versions.write(QUICK, "instructor", tmp_path, "smoke"))
    assert [c.outputs[0].text for c in graded(made, "grade")] == ["Right.\n"] * 3
    assert made.cells[-2].outputs[0].data["text/html"]  # the claims
    assert [path.name for path in tmp_path.iterdir()] == [QUICK.name]
