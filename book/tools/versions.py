"""Make the chapters' versions for a course, both from the one source.

    python book/tools/versions.py student [NAME ...]
    python book/tools/versions.py instructor [NAME ...] [--profile smoke|cpu|gpu]

A student's copy, in build/student, has no solutions, no outputs and no badge, which would open the
chapter with its solutions. It runs up to the first open exercise, whose check says what is missing.
An instructor's copy, in build/instructor, has each solution filled in and was run: it has all
outputs, and every check in it has passed. That takes as long as `make book`.

In both, an exercise is two cells, the answer and an assert of its check, with the metadata of
nbgrader.
"""

import argparse
import re
import sys
from pathlib import Path

import execute
import nbformat

CALL = re.compile(r"\n*^exercises\.(\w+)\((\w+)\);$", re.M)
SOLUTION = re.compile(r"<details><summary>Solution</summary>\n(.*?)</details>\n*", re.S)
PYTHON = re.compile(r"```python\n(.*?)```", re.S)


def student(source) -> nbformat.NotebookNode:
    """A notebook without solutions, outputs and badge, its exercises open."""
    cells = []
    for cell in source.cells[1:]:
        if cell.cell_type == "markdown":
            cell.source = SOLUTION.sub("", cell.source).strip()
            cells += [cell] if cell.source else []
        else:
            cells += exercise(cell) if is_exercise(cell) else [cell]
    return cleared(source, cells)


def instructor(source) -> nbformat.NotebookNode:
    """A notebook with each exercise solved, not yet run. ValueError: one has no solution."""
    cells = []
    for number, cell in enumerate(source.cells):
        if not is_exercise(cell):
            cells.append(cell)
            continue
        found = SOLUTION.search("".join(c.source for c in source.cells[number + 1 : number + 2]))
        code = PYTHON.search(found[1]) if found else None
        if code is None:
            raise ValueError(f"cell {number + 1}: no solution behind the exercise")
        answer, check = exercise(cell)
        answer.source = code[1].rstrip()
        cells += [answer, check]
    return cleared(source, cells)


def is_exercise(cell) -> bool:
    return "exercise" in cell.metadata.get("tags", [])


def exercise(cell) -> list[nbformat.NotebookNode]:
    """Two cells for nbgrader: the answer, and what must hold of it, for one point."""
    check, answer = CALL.search(cell.source).groups()
    first = nbformat.v4.new_code_cell(CALL.sub("", cell.source), id=cell.id)
    first.metadata = nbformat.from_dict(cell.metadata)
    first.metadata["nbgrader"] = graded(check, solution=True, locked=False, grade=False)
    second = nbformat.v4.new_code_cell(f"assert exercises.{check}({answer})", id=f"{cell.id}-check")
    second.metadata["nbgrader"] = graded(
        f"check_{check}", solution=False, locked=True, grade=True, points=1
    )
    return [first, second]


def graded(grade_id: str, **more) -> dict:
    return {"schema_version": 3, "grade_id": grade_id, "task": False, **more}


def cleared(source, cells) -> nbformat.NotebookNode:
    """The notebook of these cells, without what the goldens of the source left."""
    for cell in cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    source.cells = cells
    return source


def write(notebook: Path, version: str, out: Path, profile: str) -> Path:
    """One copy, in `out`; an instructor's is run. Raises execute.NotebookFailed, ValueError."""
    make = {"student": student, "instructor": instructor}[version]
    made = make(nbformat.read(notebook, as_version=4))
    copy = out / notebook.name
    out.mkdir(parents=True, exist_ok=True)
    execute.write(made, copy)
    if version == "instructor":
        ran = execute.run(copy, execute.failed_copy(copy), profile)
        execute.write(execute.with_outputs(made, ran), copy)
        execute.failed_copy(copy).unlink()
    return copy


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description="Make the copies for a course.")
    parser.add_argument("version", choices=("student", "instructor"))
    parser.add_argument("only", metavar="NAME", nargs="*", help="such as 01_puzzles")
    parser.add_argument("--profile", choices=execute.PROFILES, default="cpu", help="of the run")
    options = parser.parse_args(arguments)
    try:
        chosen = execute.notebooks(options.only)
    except ValueError as error:
        parser.error(str(error))
    out = execute.ROOT / "build" / options.version
    status = 0
    for notebook in chosen:
        try:
            print(write(notebook, options.version, out, options.profile), flush=True)
        except (execute.NotebookFailed, ValueError) as error:
            print(f"FAILED: {notebook.stem}, {error}", file=sys.stderr, flush=True)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
