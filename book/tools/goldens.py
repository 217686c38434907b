"""Write the goldens: the outputs in the sources that nbval compares with.

    python book/tools/goldens.py [NAME ...]

Runs the notebooks at profile smoke. Cells tagged `nbval-check-output` get their
outputs and execution counts, every other cell loses its own. Ids and order stay.
"""

import sys
from pathlib import Path

import execute
import nbformat

TAG = "nbval-check-output"


def only_goldens(notebook) -> nbformat.NotebookNode:
    """Strip all outputs and counts but those of the tagged cells."""
    for cell in execute.code_cells(notebook):
        if TAG not in cell.metadata.get("tags", []):
            cell.outputs = []
            cell.execution_count = None
    return notebook


def write_goldens(notebook: Path) -> None:
    """Renew the goldens of one source."""
    copy = execute.refresh(notebook, "smoke", execute.executed_folder("smoke"))
    renewed = execute.with_outputs(
        nbformat.read(notebook, as_version=4), nbformat.read(copy, as_version=4)
    )
    before = notebook.read_bytes()
    execute.write(only_goldens(renewed), notebook)
    changed = notebook.read_bytes() != before
    print(f"{notebook.stem}: goldens {'changed' if changed else 'unchanged'}")


def main(names: list[str]) -> int:
    try:
        chosen = execute.notebooks(names)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for notebook in chosen:
        try:
            write_goldens(notebook)
        except execute.NotebookFailed as error:
            print(f"{notebook.stem} failed: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
