"""Notebooks run when they must and only then; failures are named; goldens are clean."""

import shutil
import subprocess
from pathlib import Path

import claim_record
import execute
import freshness
import goldens
import images
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

MODULES = {
    "__init__.py": "",
    "models/__init__.py": "",
    "models/layers.py": "",
    "models/trm.py": "from .layers import Block",
    "maze.py": "",
    "train.py": "from tinyrec.models import trm",
    "runs.py": 'from tinyrec import train\nPRESETS = "presets"',
    "checkpoints.py": 'PRETRAINED = "pretrained"',
    "__main__.py": "from tinyrec import runs",
    "show/__init__.py": "from . import player",
    "show/player.py": "def play():\n    from ..maze import walls",
    "show/player.js": "",
    "presets/sudoku.json": "{}",
    "pretrained/sudoku/model.safetensors": "",
}
TRM = {"__init__.py", "models/__init__.py", "models/layers.py", "models/trm.py"}
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
        new_code_cell('profile = "cpu"\nseed = 0', id="parameters"),
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
        ("from tinyrec.models import trm", TRM),
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
        ("models/trm.py", "tinyrec/models/trm.py changed"),
        ("models/layers.py", "tinyrec/models/layers.py changed"),
        ("maze.py", None),
        ("presets/sudoku.json", None),
    ],
)
def test_only_what_is_imported_makes_a_copy_stale(book, changed, reason):
    notebook = chapter(book, "pass")
    copy = execute.executed_folder("smoke") / notebook.name
    assert freshness.why_stale(notebook, copy, "smoke") == "new"
    chapter(book, "from tinyrec.models import trm")
    assert freshness.why_stale(notebook, fresh_copy(notebook), "smoke") is None
    with (book / "tinyrec" / changed).open("a") as file:
        file.write("\n# changed")
    assert freshness.why_stale(notebook, copy, "smoke") == reason


def fresh_copy(notebook, profile="smoke"):
    """A copy that was made from this notebook at this profile, without running it."""
    executed = read(notebook)
    executed.metadata["tinyrec"] = {"parts": freshness.parts(notebook, profile)}
    copy = execute.executed_folder("smoke") / notebook.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    execute.write(executed, copy)
    return copy


def test_a_new_result_of_a_stored_comparison_makes_a_copy_stale(book):
    result = book / "book" / "results" / "road-toy.json"
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text("old")
    notebook = chapter(book, 'found = show.stored("road-toy")')
    copy = fresh_copy(notebook)
    assert freshness.why_stale(notebook, copy, "smoke") is None
    result.write_text("new")
    assert freshness.why_stale(notebook, copy, "smoke") == "book/results/road-toy.json changed"


def test_a_copy_of_another_profile_is_stale(book):
    notebook = chapter(book, "pass")
    copy = fresh_copy(notebook, "smoke")
    assert freshness.why_stale(notebook, copy, "smoke") is None
    assert freshness.why_stale(notebook, copy, "cpu") == "profile changed"


def test_new_tags_make_the_page_stale_and_another_parameters_cell_the_run(book):
    notebook = chapter(book, "pass")
    copy = fresh_copy(notebook)
    chapter(book, "pass", tags=["hide-input"])
    assert freshness.why_stale(notebook, copy, "smoke") == freshness.PROSE
    chapter(book, "pass", tags=["parameters"])
    assert freshness.why_stale(notebook, copy, "smoke") == "notebook changed"


def test_a_cell_that_is_no_python_fails_where_it_runs(book, capsys):
    chapter(book, "if profile")
    assert execute.main(["--profile", "smoke"]) == 1
    assert "01_one, cell 3 (`if profile`): SyntaxError: " in capsys.readouterr().err


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
    notebook = chapter(book, "x = 1\nx", "x / 0  # too small", "x")
    other = chapter(book, "y = 2", stem="02_two")
    assert execute.main(["--profile", "smoke"]) == 1
    said = capsys.readouterr()
    assert "01_one: notebook changed" in said.out
    why = "cell 4 (`x / 0  # too small`): ZeroDivisionError: division by zero"
    failed = execute.failed_copy(copy)
    assert f"FAILED: 01_one, {why}\n  how far it came: {failed}" in said.err
    assert "1 of 2 notebooks failed" in said.err
    assert copy.read_bytes() == before
    assert freshness.why_stale(other, copy.with_name(other.name), "smoke") is None

    came = read(failed)
    assert came.metadata["tinyrec"]["failed"] == why
    assert freshness.why_stale(notebook, failed, "smoke") is None
    assert [cell.source for cell in came.cells] == [c.source for c in read(notebook).cells]
    assert [c.execution_count for c in execute.code_cells(came)] == [1, 2, 3, None]
    assert came.cells[2].outputs[0].data["text/plain"] == "1"
    assert came.cells[3].outputs[0].ename == "ZeroDivisionError"

    chapter(book, "x = 1", "x / 1")
    assert execute.main(["--profile", "smoke"]) == 0
    assert not failed.exists()


def test_a_kernel_that_dies_is_a_failure(book):
    notebook = chapter(book, "import os; os._exit(1)")
    with pytest.raises(execute.NotebookFailed, match="cell 3 .*DeadKernelError"):
        refresh(notebook)
    copy = execute.executed_folder("smoke") / notebook.name
    assert "DeadKernelError" in read(execute.failed_copy(copy)).metadata["tinyrec"]["failed"]


DRAW = "from IPython.display import SVG\nSVG('<svg><path/></svg>')"


def test_a_drawing_without_alt_text_is_a_failure(book, monkeypatch):
    notebook = chapter(book, DRAW)
    with pytest.raises(execute.NotebookFailed, match="cell 3 draws an image, its alt text is ''"):
        refresh(notebook)

    def described(alt):
        source = read(notebook)
        source.cells[2].metadata["mystnb"] = {"image": {"alt": alt}}
        nbformat.write(source, notebook)
        return notebook

    copy = refresh(described("A path that leads nowhere at all"))
    assert not execute.failed_copy(copy).exists()
    monkeypatch.setattr(execute, "run", None)  # it need not run again to lose its alt text
    with pytest.raises(execute.NotebookFailed, match="its alt text is 'A path'"):
        refresh(described("A path"))


@pytest.mark.parametrize(
    "data, words",
    [
        ({"image/png": "AAAA", "text/plain": "<Figure>"}, "draws an image"),
        ({"image/svg+xml": "<svg></svg>"}, "draws an image"),
        ({"text/html": '<img src="grid.png">'}, "no alt text"),
        ({"text/html": "<svg><path/></svg>"}, "no aria-label"),
    ],
)
def test_missing_alt_text_is_seen(data, words):
    output = nbformat.v4.new_output("display_data", data=data)
    cell = new_code_cell("plot()", outputs=[output])
    assert words in next(images.without_alt(new_notebook(cells=[cell])))


def test_another_seed_goes_into_another_folder_and_reaches_the_notebook(book, capsys):
    notebook = chapter(book, "print(seed)")
    with pytest.raises(SystemExit) as stop:
        execute.main(["--profile", "smoke", "--seed", "3"])
    assert stop.value.code == 2 and "name a folder with --out" in capsys.readouterr().err
    assert execute.main(["--profile", "smoke", "--seed", "3", "--out", str(book / "of 3")]) == 0
    assert read(book / "of 3" / notebook.name).cells[2].outputs[0].text == "3\n"


CLAIMS = """\
from tinyrec.show.claims import claim, claims
claim("half", 0.5, at_least=0.4)
claim("most", 0.5, at_least=0.9, smoke=(None, 0.6))
claim("all", 0.5, at_least=0.9, smoke=(0.8, None))
claim("some", 0.5, at_least=0.9)"""


def test_claims_are_read_back_from_the_copy(book, monkeypatch):
    """By what show.claim puts out in a kernel, at the notebook's own profile."""
    shutil.rmtree(book / "tinyrec")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.delenv("TINYREC_STRICT", raising=False)
    copy = refresh(chapter(book, CLAIMS, "claims()"))
    found = claim_record.made(read(copy))
    assert {text: claim["holds"] for text, claim in found.items()} == {
        "half": None, "most": True, "all": False, "some": None,
    }  # fmt: skip
    assert found["all"]["low"] == 0.8 and found["all"]["value"] == 0.5
    assert found["all"]["line"].startswith("≠ all — on this machine: 50 %")
    assert "1 of 2 claims hold" in read(copy).cells[3].outputs[0].data["text/plain"]


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


@pytest.fixture
def make(tmp_path):
    """Run the Makefile in a folder with a space, with a Python that notes what it is asked.

    It ends with the status that `statuses` gives for the tool's name.
    """
    place = tmp_path / "a book"
    python = place / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    shutil.copy(Path(__file__).parents[1] / "Makefile", place)
    for name in ("requirements.txt", "pyproject.toml"):
        (place / name).touch()
    (place / ".venv" / "installed").touch()
    lines = ["#!/bin/sh", 'echo "$@" >> asked', 'case "$*" in']

    def run(target, statuses, *variables):
        cases = [f"*{name}*) exit {status};;" for name, status in statuses.items()]
        python.write_text("\n".join([*lines, *cases, "esac"]))
        python.chmod(0o755)
        (place / "asked").unlink(missing_ok=True)
        command = ["make", target, "PYTHON=python3", *variables]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True)
        return done.returncode, (place / "asked").read_text().splitlines()

    return run


EXECUTE = "book/tools/execute.py --profile cpu"
BUILD = "book/tools/build.py --profile cpu"


@pytest.mark.parametrize(
    "statuses, asked, failed",
    [
        ({}, [EXECUTE, BUILD], False),
        ({"execute": 1}, [EXECUTE, BUILD], True),  # pages of what there is, and a failure
        ({"build": 1}, [EXECUTE, BUILD], True),
        ({"execute": 2}, [EXECUTE], True),  # it was called wrongly, nothing ran
    ],
)
def test_make_book_builds_what_there_is_and_swallows_no_failure(make, statuses, asked, failed):
    status, commands = make("book", statuses)
    assert commands == asked
    assert (status != 0) == failed


def test_make_test_lints_first_and_stops_where_that_fails(make):
    """A book that cannot be made does not keep the tests from saying why."""
    status, commands = make("test", {})
    assert status == 0
    lint = ["-m ruff check .", "-m ruff format --check ."]
    pages = [f"book/tools/{tool}.py --profile smoke" for tool in ("execute", "build")]
    assert commands == [*lint, *pages, "-m pytest --nbval-lax"]
    assert make("test", {"build": 1}) == (0, commands)
    status, commands = make("test", {"format": 1})
    assert status != 0 and len(commands) == 2


def test_make_claims_hands_on_chapters_seeds_and_minutes(make):
    variables = ("CHAPTERS=08_full_trm", "SEEDS=0 1", "MINUTES=5")
    asked = "book/tools/claims.py 08_full_trm --seeds 0 1 --minutes 5"
    assert make("claims", {}, *variables) == (0, [asked])
    assert make("claims", {}) == (0, ["book/tools/claims.py"])


def test_make_writes_copies_for_a_course(make):
    variables = ("CHAPTERS=01_puzzles", "PROFILE=smoke")
    versions = "book/tools/versions.py"
    assert make("student", {}, *variables) == (0, [f"{versions} student 01_puzzles"])
    asked = f"{versions} instructor 01_puzzles --profile smoke"
    assert make("instructor", {}, *variables) == (0, [asked])
    assert make("slides", {}) == (0, ["book/tools/slides.py --profile cpu"])
    assert make("slides", {"slides": 1})[0] != 0


def test_make_tag_hands_on_the_tag_and_the_refusal(make):
    assert make("tag", {}, "TAG=v1.2.3") == (0, ["book/tools/pages.py --tag v1.2.3"])
    assert make("tag", {"pages": 1}, "TAG=v1.2.3")[0] != 0


def test_a_new_environment_is_made_in_a_folder_with_a_space(make, tmp_path):
    """With a Python that makes one out of nothing."""
    place = tmp_path / "a book"
    (place / ".venv" / "installed").unlink()
    stub = place / "some python"
    stub.write_text('#!/bin/sh\necho "new: $@" >> asked\n')
    stub.chmod(0o755)
    status, commands = make("goldens", {}, f"PYTHON={stub}")
    assert status == 0
    assert "new: -m venv --clear .venv" in commands
    assert "-m pip install --no-deps --editable ." in commands
    assert commands[-1] == "book/tools/goldens.py"
