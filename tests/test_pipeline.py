"""Notebooks run when they must and only then; failures are named; goldens are clean."""

import execute
import freshness
import goldens
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

MODULES = {
    "__init__.py": "",
    "layers.py": "",
    "trm.py": "from .layers import Block",
    "maze.py": "",
    "train.py": "from tinyrec import trm",
    "runs.py": 'from tinyrec import train\nPRESETS = "presets"',
    "checkpoints.py": 'PRETRAINED = "pretrained"',
    "__main__.py": "from tinyrec import runs",
    "show/__init__.py": "from . import player",
    "show/player.py": "def play():\n    from ..maze import walls",
    "show/player.js": "",
    "presets/sudoku.json": "{}",
    "pretrained/sudoku/model.safetensors": "",
}
TRM = {"__init__.py", "layers.py", "trm.py"}
SHOW = {
    "__init__.py",
    "maze.py",
    "show/__init__.py",
    "show/player.py",
    "show/player.js",
}
RUNS = TRM | {"train.py", "runs.py", "presets/sudoku.json"}
MODELS = {"__init__.py", "checkpoints.py", "pretrained/sudoku/model.safetensors"}


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A small project, taken by the pipeline for its own."""
    for name, text in MODULES.items():
        file = tmp_path / "tinyrec" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr(execute, "ROOT", tmp_path)
    return tmp_path


def chapter(book, *sources, prose="Prose.", stem="01_one", tags=()):
    """Write a notebook: a parameters cell, the prose, then one cell for each source."""
    cells = [
        new_code_cell('profile = "cpu"', id="parameters"),
        new_markdown_cell(prose, id="p"),
    ]
    cells[0].metadata["tags"] = ["parameters"]
    for number, text in enumerate(sources):
        cells.append(new_code_cell(text, id=f"cell-{number}", metadata={"tags": list(tags)}))
    kernel = {"name": "python3", "display_name": "Python 3"}
    path = book / "notebooks" / f"{stem}.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def refresh(notebook):
    return execute.refresh(notebook, "smoke", execute.executed_folder("smoke"))


def read(path):
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize(
    "text, files",
    [
        ("import torch", set()),
        ("import tinyrec.models.trm as model", TRM),
        ("from tinyrec import trm", TRM),
        ("from tinyrec.models.trm import TRM", TRM),
        ("%matplotlib inline\n!ls\nfrom tinyrec.show import play", SHOW),
        ("import tinyrec.train", TRM | {"train.py"}),
        ("import tinyrec.runs", RUNS),
        ("from tinyrec.checkpoints import load", MODELS),
        ("!python -m tinyrec train sudoku", RUNS | {"__main__.py"}),
    ],
)
def test_a_notebook_depends_on_what_it_imports(book, text, files):
    parts = freshness.parts(chapter(book, text), "smoke")
    assert {name for name in parts if "/" in name} == {f"tinyrec/{f}" for f in files}


@pytest.mark.parametrize(
    "changed, reason",
    [
        ("trm.py", "tinyrec/trm.py changed"),
        ("layers.py", "tinyrec/layers.py changed"),
        ("maze.py", None),
        ("presets/sudoku.json", None),
    ],
)
def test_only_what_is_imported_makes_a_copy_stale(book, changed, reason):
    notebook = chapter(book, "pass")
    copy = execute.executed_folder("smoke") / notebook.name
    assert freshness.why_stale(notebook, copy, "smoke") == "new"
    copy.parent.mkdir(parents=True)
    chapter(book, "from tinyrec import trm")
    executed = read(notebook)
    executed.metadata["tinyrec"] = {"parts": freshness.parts(notebook, "smoke")}
    execute.write(executed, copy)
    assert freshness.why_stale(notebook, copy, "smoke") is None
    with (book / "tinyrec" / changed).open("a") as file:
        file.write("\n# changed")
    assert freshness.why_stale(notebook, copy, "smoke") == reason


def test_a_copy_is_the_source_with_outputs(book, capsys, monkeypatch):
    notebook = chapter(book, "print(profile)", "6 * 7")
    copy = refresh(notebook)
    executed = read(copy)
    assert [cell.source for cell in executed.cells] == [c.source for c in read(notebook).cells]
    assert [c.execution_count for c in execute.code_cells(executed)] == [1, 2, 3]
    assert executed.cells[2].outputs[0].text == "smoke\n"
    assert executed.cells[3].outputs[0].data["text/plain"] == "42"
    assert str(book) not in copy.read_text()
    assert "01_one: new" in capsys.readouterr().out

    # From here on nothing needs to run.
    monkeypatch.setattr(execute, "run", None)
    refresh(notebook)
    assert "fresh, skipped" in capsys.readouterr().out
    chapter(book, "print(profile)", "6 * 7", prose="Better prose.")
    executed = read(refresh(notebook))
    assert "only its prose changed" in capsys.readouterr().out
    assert executed.cells[1].source == "Better prose."
    assert executed.cells[2].outputs[0].text == "smoke\n"


def test_a_failure_is_named_and_the_last_good_copy_stays(book, capsys):
    copy = refresh(chapter(book, "x = 1"))
    before = copy.read_bytes()
    chapter(book, "x = 1", "x / 0  # too small")
    other = chapter(book, "y = 2", stem="02_two")
    assert execute.main(["--profile", "smoke"]) == 1
    said = capsys.readouterr()
    assert "01_one: notebook changed" in said.out
    assert "01_one failed in cell 4 (`x / 0  # too small`): ZeroDivisionError" in said.err
    assert "1 of 2 notebooks failed" in said.err
    assert copy.read_bytes() == before
    assert freshness.why_stale(other, copy.with_name(other.name), "smoke") is None


def test_a_kernel_that_dies_is_a_failure(book):
    with pytest.raises(execute.NotebookFailed, match="in cell 3 .*DeadKernelError"):
        refresh(chapter(book, "import os; os._exit(1)"))


def test_an_unknown_name_is_refused(book, capsys):
    chapter(book, "pass")
    with pytest.raises(SystemExit) as stop:
        execute.main(["--only", "03_three"])
    assert stop.value.code == 2
    assert "no notebook '03_three'; there are: 01_one" in capsys.readouterr().err


def test_profile_gpu_needs_a_gpu(book, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit) as stop:
        execute.main(["--profile", "gpu"])
    assert stop.value.code == 2
    assert "profile gpu needs a GPU" in capsys.readouterr().err


def test_goldens_keep_tagged_outputs_only(book, capsys):
    notebook = chapter(book, "print(1)\nprint(profile)", tags=[goldens.TAG])
    source = read(notebook)
    source.cells.append(new_code_cell("print(2)", id="untagged", execution_count=9))
    nbformat.write(source, notebook)

    assert goldens.main([]) == 0
    found = read(notebook)
    assert [cell.id for cell in found.cells] == [
        "parameters",
        "p",
        "cell-0",
        "untagged",
    ]
    assert found.cells[2].outputs[0].text == "1\nsmoke\n"
    assert [c.execution_count for c in execute.code_cells(found)] == [None, 2, None]
    assert found.cells[3].outputs == []
    assert "tinyrec" not in found.metadata

    assert goldens.main([]) == 0
    assert capsys.readouterr().out.endswith("01_one: goldens unchanged\n")


def test_bare_widgets_stay_out():
    widget = {execute.WIDGET: {"model_id": "1"}, "text/plain": "0%|    | 0/10"}
    bar = nbformat.v4.new_output("display_data", data=widget)
    player = nbformat.v4.new_output("display_data", data=widget | {"text/html": "<div>"})
    source = new_notebook(cells=[new_code_cell("show()")])
    executed = new_notebook(cells=[new_code_cell("show()", outputs=[bar, player])])
    assert execute.with_outputs(source, executed).cells[0].outputs == [player]
