"""What the pages say is up to date, stands in a file, and leads somewhere."""

import json
import re
import shutil
import sys
from pathlib import Path

import matplotlib
import pages
import pytest
from chapter import ROOT
from nbformat.v4 import new_markdown_cell, new_notebook

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

import page  # noqa: E402

PROSE = sorted([*ROOT.glob("*.md"), *ROOT.glob("book/*.md")])
CODE = r"(?ms)^```\w+$.*?^```$"
# A file of the project by its address on GitHub, or in Colab.
FILE = re.compile(
    r"https://\S+/tinyrec/tinyrec(?:/(?:blob|tree)/(?:main|v[\d.]+)/|/v[\d.]+\?labpath=)(.+)"
)


# ---- lists of chapters and models ----


def test_the_lists_on_the_pages_are_up_to_date():
    for file, text in pages.renewed().items():
        assert file.read_text() == text, f"{file.name} is old: run `python book/tools/pages.py`"


@pytest.fixture
def copy(tmp_path):
    """What the lists are made from and stand in, to be changed."""
    for name in ("notebooks", "book/results", "tinyrec/pretrained"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("_toc.yml", "_config.yml", "CITATION.cff", "pyproject.toml", *pages.BLOCKS):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def add_chapter(root, title="# 99. A new one: does it show?", box=pages.BOX, name="99_new"):
    cells = [new_markdown_cell(f"{pages.COLAB}/v0.1/x"), new_markdown_cell(f"{title}\n\n{box}")]
    (root / "notebooks" / f"{name}.ipynb").write_text(json.dumps(new_notebook(cells=cells)))
    toc = (root / "_toc.yml").read_text()
    last = re.findall(r"(?m)^ *- file: notebooks/.*\n", toc)[-1]
    line = f"      - file: notebooks/{name}\n"
    (root / "_toc.yml").write_text(toc.replace(last, last + line))


def test_a_new_chapter_needs_a_notebook_and_a_line_in_the_toc(copy):
    add_chapter(copy)
    made = pages.renewed(copy)
    for name in ("README.md", "book/welcome.md", "book/how_to_read.md"):
        text = made[copy / name]
        [row] = [line for line in text.splitlines() if "[99. A new one]" in line]
        assert "notebooks/99_new.ipynb" in row
        assert (
            "| 15 | about 4 | not measured yet |" if "how" in name else "| Does it show? |"
        ) in row


@pytest.mark.parametrize(
    "form, message",
    [
        ({"title": "# 98. Another: number?"}, "no title such as `# 99"),
        ({"title": "# 99. No question"}, "no title such as"),
        ({"box": "> **Minutes**: many"}, "no box such as"),
    ],
    ids=["number", "question", "box"],
)
def test_a_chapter_of_another_form_is_refused(copy, form, message):
    add_chapter(copy, **form)
    with pytest.raises(ValueError, match=f"notebooks/99_new.ipynb: {message}"):
        pages.renewed(copy)


def test_a_page_without_its_block_is_refused(copy):
    (copy / "README.md").write_text("# Nothing made here")
    with pytest.raises(ValueError, match=r"README.md: its blocks are \[\]; they must be"):
        pages.renewed(copy)


def test_only_gaps_in_the_numbers_are_explained(copy):
    toc = (copy / "_toc.yml").read_text()
    (copy / "_toc.yml").write_text(re.sub(r" *- file: notebooks/(?!01_).*\n", "", toc))
    assert pages.gaps(copy) == ""
    add_chapter(copy)
    assert "still to be written" in pages.gaps(copy)


def test_a_new_version_goes_wherever_its_tag_is_named(copy):
    project, old = copy / "pyproject.toml", pages.version()
    project.write_text(project.read_text().replace(f'version = "{old}"', 'version = "12.34.5"'))
    made = pages.renewed(copy)
    for file, text in made.items():
        assert f"v{old}" not in text and f"version: {old}" not in text, file
    notebooks = [text for file, text in made.items() if file.suffix == ".ipynb"]
    assert len(notebooks) == len(pages.chapters())
    for text in notebooks:
        assert text.count("/blob/v12.34.5/") == text.count("tinyrec@v12.34.5\\n") == 1
    assert "branch: v12.34.5" in made[copy / "_config.yml"]
    assert "version: 12.34.5" in made[copy / "CITATION.cff"]
    assert "/blob/v12.34.5/notebooks/01" in made[copy / "README.md"]


def test_a_tag_of_another_version_is_refused(capsys):
    pages.main(["--tag", f"v{pages.version()}"])
    for tag in ("", pages.version(), f"v{pages.version()}0", "v99.0.0"):
        with pytest.raises(SystemExit):
            pages.main(["--tag", tag])
        assert f"the version in pyproject.toml is {pages.version()}" in capsys.readouterr().err


def test_a_file_that_lost_its_version_is_refused(copy):
    (copy / "CITATION.cff").write_text("title: no version\n")
    with pytest.raises(ValueError, match="CITATION.cff names no version"):
        pages.renewed(copy)


def test_measured_minutes_go_into_the_box_and_nowhere_else(copy):
    add_chapter(copy)
    notebook = copy / "notebooks" / "99_new.ipynb"
    before = notebook.read_text()
    executed = copy / "build" / "executed" / "cpu"
    executed.mkdir(parents=True)
    (executed / notebook.name).write_text('{"metadata": {"tinyrec": {"seconds": 412.0}}}')
    pages.put_times(copy)
    assert notebook.read_text() == before.replace("about 4 on two", "about 7 on two") != before
    assert [c.cpu for c in pages.chapters(copy) if c.number == 1] == [
        c.cpu for c in pages.chapters() if c.number == 1
    ]


def test_what_the_readme_says_of_a_model_is_its_result():
    text = (ROOT / "README.md").read_text()
    results = sorted((ROOT / "tinyrec" / "pretrained").glob("*/result.json"))
    assert results
    for file in results:
        found = json.loads(file.read_text())
        [row] = re.findall(rf"(?m)^\| {file.parent.name} \|.*$", text)
        share, count = re.search(r"([\d.]+) % of ([\d,]+)", row).groups()
        assert float(share) == pytest.approx(100 * found["test"]["exact"], abs=0.05)
        assert int(count.replace(",", "")) == found["test"]["n"]
        amount, unit = re.search(r"(\d+) (s|min) \|$", row).groups()
        seconds = int(amount) * {"s": 1, "min": 60}[unit]
        assert seconds == pytest.approx(found["seconds"], abs={"s": 0.5, "min": 30}[unit])


def test_a_changed_result_changes_the_pages(copy):
    result = copy / "tinyrec" / "pretrained" / "sudoku-6x6" / "result.json"
    found = json.loads(result.read_text())
    result.write_text(json.dumps(found | {"test": found["test"] | {"exact": 0.4321}}))
    made = pages.renewed(copy)
    assert "43.2 % of" in made[copy / "README.md"]
    assert "solves 43.2 % of" in made[copy / "book/welcome.md"]


# ---- numbers in the prose ----

# What is written by hand and is no measurement.
NO_MEASUREMENT = re.compile(
    r"\b[469]x[469]\b|\bPython 3\.11\b|\bCC BY 4\.0\b|\b95 % intervals|\b100 columns\b"
    r"|\b80\.\s|chapter 1\b"
)


def by_hand(text: str) -> str:
    """A page without its blocks, code, and the targets of its links."""
    text = re.sub(r"(?s)<!-- \w+: made by.*?<!-- end -->", "", text)
    text = re.sub(CODE, "", text)
    text = re.sub(r"(?m)^:.*$|^`+\{.*\} [\d ]+$|`[^`\n]+`|\]\([^)]*\)|^\d\. ", "", text)
    return NO_MEASUREMENT.sub("", text)


@pytest.mark.parametrize(
    "name",
    [
        *sorted(pages.BLOCKS.keys() - {"book/full_size.md"}),  # it quotes others
        "CONTRIBUTING.md",
        "book/official_weights.md",
        "tests/benchmarks/speed.template.md",
    ],
)
def test_no_number_is_written_by_hand(name):
    found = re.findall(r".*\d.*", by_hand((ROOT / name).read_text()))
    assert found == [], f"{name}: make these numbers from results, or leave them out"


# ---- the pages on speed ----


def test_speed_and_laboratory_are_made_of_the_stored_results(tmp_path):
    page.main(out=tmp_path)
    for name in ("speed", "laboratory"):
        stored, made = page.BOOK / f"{name}.md", (tmp_path / f"{name}.md").read_text()
        assert made == stored.read_text(), f"{name}.md: run `python tests/benchmarks/page.py`"
        assert "$" not in made
    stored = {file.name: file.read_text() for file in (page.BOOK / "_static/speed").iterdir()}
    drawn = {file.name: file.read_text() for file in (tmp_path / "_static/speed").iterdir()}
    assert drawn.keys() == stored.keys()
    for name, drawing in stored.items():  # another matplotlib may draw the same otherwise
        if f"Matplotlib v{matplotlib.__version__}" in drawing:
            assert drawn[name] == drawing, f"{name}: run `python tests/benchmarks/page.py`"


def test_the_speed_page_is_three_numbers_two_figures_and_a_paragraph():
    text = (page.BOOK / "speed.md").read_text()
    assert text.count("{grid-item-card}") == 3 and text.count("{figure}") == 2
    assert text.count("\n## ") == 0 and text.count("\n| ") == 0
    assert len(text.split()) < 400


def test_a_missing_measurement_is_named(tmp_path):
    with pytest.raises(SystemExit, match="has no bench-solve-6x6.json"):
        page.main(tmp_path, tmp_path)


def test_the_best_setting_of_the_textbook_is_the_fastest_one():
    rates = {"tinyrec": 9, "textbook": 3, "textbook, x, compiled": 5, "textbook, x": 4}
    ways = {name: {"rate": {"median": rate}} for name, rate in rates.items()}
    assert page.best_textbook({"ways": ways}) == "textbook, x, compiled"


# ---- links ----


def headings(file: Path) -> set[str]:
    """Where GitHub lets a link into this page lead."""
    found = re.findall(r"(?m)^#+ (.+)$", file.read_text())
    return {re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-") for head in found}


def labels() -> set[str]:
    """Where the book lets a link lead: one of these by its name alone, from any page."""
    text = "\n".join(file.read_text() for file in ROOT.glob("book/*.md"))
    return set(re.findall(r"(?m)^\(([^()\s]+)\)=$", text))


def prose(file: Path) -> str:
    if file.suffix == ".md":
        return file.read_text()
    cells = json.loads(file.read_text())["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def dead_links(file: Path):
    text = re.sub(CODE, "", prose(file))
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^`+\{figure\} (\S+)", text, re.M)
    for target in targets:
        path, _, anchor = target.partition("#")
        if ours := FILE.match(path):
            there = (ROOT / ours[1]).exists()
        elif re.match(r"\w+:", path):
            there = True  # elsewhere
        elif not anchor:
            there = (file.parent / path).exists()
        elif file.parent.name == "book":
            there = not path and anchor in labels()
        else:
            there = anchor in headings(file.parent / path if path else file)
        if not there:
            yield target


@pytest.mark.parametrize(
    "file", [*PROSE, *sorted(ROOT.glob("notebooks/*.ipynb"))], ids=lambda f: f.name
)
def test_every_link_inside_the_project_leads_somewhere(file):
    assert list(dead_links(file)) == []


def test_dead_links_are_seen(tmp_path):
    (tmp_path / "other.md").write_text("# Other things")
    (tmp_path / "book").mkdir()
    good = ["other.md", "other.md#other-things", "https://arxiv.org/abs/1"]
    bad = ["gone.md", "other.md#gone", "https://github.com/tinyrec/tinyrec/blob/main/gone", "#gone"]
    in_book_good, in_book_bad = ["#attempts", "../other.md"], ["#gone", "../other.md#other-things"]
    for name, right, wrong in (
        ("page.md", good, bad),
        ("book/page.md", in_book_good, in_book_bad),
    ):
        (tmp_path / name).write_text(" ".join(f"[x]({target})" for target in right + wrong))
        assert list(dead_links(tmp_path / name)) == wrong


def test_what_the_tree_and_the_recipes_name_is_there():
    readme = (ROOT / "README.md").read_text()
    tree = re.search(r"(?s)```text\n(.*?)```", readme)[1].splitlines()
    assert 12 <= len(tree) <= 18
    folder, named = "", []
    for line in tree:
        name = line.split()[0]
        folder = "" if line[0] != " " else folder
        named.append(folder + name)
        folder = folder or name
    recipes = (ROOT / "CONTRIBUTING.md").read_text()
    named += re.findall(r"`((?:tinyrec|tests|book|notebooks)/[a-z_./]*)`", recipes)
    assert [name for name in named if not (ROOT / name).exists()] == []
