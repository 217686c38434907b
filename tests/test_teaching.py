"""The teaching guide covers every chapter and adds up; its slides are the chapters' own words."""

import re

import execute
import nbformat
import pytest
import slides
from chapter import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

GUIDE = slides.GUIDE.read_text()
PARTS = re.split(r"(?m)^## ", GUIDE)[1:]
SESSIONS = [part for part in PARTS if part.startswith("Session ")]


def prose(notebook) -> str:
    cells = nbformat.read(notebook, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown") + "\n"


def minutes(part: str) -> list[int]:
    return [int(row) for row in re.findall(r"(?m)^\| (\d+) \| ", part)]


def test_six_sessions_teach_every_chapter_once_and_in_order():
    taught = [name for _, _, names in slides.sessions(GUIDE) for name in names]
    assert taught == [notebook.stem for notebook in execute.notebooks()]
    assert len(slides.sessions(GUIDE)) == len(SESSIONS) == 6


@pytest.mark.parametrize("part", SESSIONS, ids=lambda part: part.splitlines()[0])
def test_a_session_has_all_its_parts_and_fills_ninety_minutes(part):
    for what in ("Aims.", "Before.", "Misconceptions", "Discuss."):
        assert f"**{what}**" in part
    assert sum(minutes(part)) == 90


def test_the_day_is_six_hours_and_has_a_lunch():
    [day] = [part for part in PARTS if part.startswith("In one day")]
    assert sum(minutes(day)) == 360 and "lunch" in day


@pytest.mark.parametrize("part", SESSIONS, ids=lambda part: part.splitlines()[0])
def test_a_misconception_names_a_section_that_its_chapter_has(part):
    named = re.findall(r"notebooks/(\w+)\.ipynb\), \*(.+?)\*", part)
    assert len(named) >= 2
    for stem, section in named:
        assert f"\n## {section}\n" in prose(ROOT / "notebooks" / f"{stem}.ipynb")


def test_exercises_named_in_the_guide_are_there():
    text = "".join(map(prose, execute.notebooks()))
    found = re.findall(r"exercise \*(.+?)\*", GUIDE)
    assert len(found) >= 4
    assert [name for name in found if not re.search(rf"(?im)^### \d+\. {name}$", text)] == []


PIXEL = "iVBORw0KGgo="
FIGURE = {
    "figure": {"caption": "It **rises**."},
    "image": {"alt": 'A line that rises from "0" to 1'},
}


@pytest.fixture
def executed():
    drawn = new_code_cell("plot()", metadata={"mystnb": FIGURE})
    drawn.outputs = [new_output("execute_result", data={"image/png": PIXEL}, execution_count=1)]
    return new_notebook(
        cells=[
            new_markdown_cell("# 3. Deep: how deep?\n\nAfter this you can\n\n- go $z$,\n- stop.\n"),
            new_markdown_cell("## A loss\n\n**Predict first:** how far? Really?\n\nMore."),
            drawn,
            new_markdown_cell("## Exercises\n\n### 1. The cut\n\n*easy · 5 minutes.* Cut."),
            new_markdown_cell("## What we measured\n\n- [Far](x.md) `a < b`."),
            new_markdown_cell("## Next\n\nNothing."),
        ]
    )


def test_slides_are_question_prediction_figure_findings_and_exercises(executed):
    first, predict, figure, measured, exercises = slides.slides_of(executed)
    assert "<p>3. Deep</p>\n<h1>How deep?</h1>" in first and "<li>go <em>z</em>,</li>" in first
    assert "A loss" in predict and '"predict">How far? Really?</p>' in predict
    assert "<h2>A loss</h2>" in figure and "It <strong>rises</strong>." in figure
    assert f'src="data:image/png;base64,{PIXEL}"' in figure
    assert 'alt="A line that rises from &quot;0&quot; to 1"' in figure
    assert "<li>Far <code>a &lt; b</code>.</li>" in measured
    assert "<li>The cut (easy · 5 minutes)</li>" in exercises


def test_a_figure_that_was_not_drawn_is_named(executed):
    executed.cells[2].outputs = []
    with pytest.raises(ValueError, match=r"the cell `plot\(\)` drew no image"):
        list(slides.slides_of(executed))


def test_a_session_is_one_file_that_asks_nobody_for_anything(executed):
    made = slides.page("2", "Depth & price", [executed, executed])
    assert made.count("<section ") == 1 + 2 * 5
    assert "<title>Session 2: Depth &amp; price</title>" in made
    assert re.findall(r'(?:src|href)="(?!data:)', made) == [] and "://" not in made


@pytest.mark.parametrize("notebook", execute.notebooks(), ids=lambda path: path.stem)
def test_no_formula_is_left_raw_on_a_slide_of_a_real_chapter(notebook):
    source = nbformat.read(notebook, as_version=4)
    for cell in execute.code_cells(source):
        cell.outputs = [new_output("display_data", data={"image/png": PIXEL})]
    made = list(slides.slides_of(source))
    assert len(made) > 4 and not any("$" in slide for slide in made)
    assert "What we measured" in "".join(made) and made[-1].count("<li>") >= 2
