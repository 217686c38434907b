"""What a reader looks at: the figures say what they should, the player plays."""

import html
import json
import re
import shutil
import subprocess
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tinyrec import show
from tinyrec.show import grids

SOLUTION = np.array([[(3 * (i % 2) + i // 2 + j) % 6 + 1 for j in range(6)] for i in range(6)])
SOLUTION = SOLUTION.ravel()
PUZZLE = np.where(np.arange(36) % 3 == 0, SOLUTION, 0)
ANSWERS = np.repeat(SOLUTION[None], 5, axis=0)
ANSWERS[0, 1:3] = SOLUTION[1:3] % 6 + 1  # two wrong cells
ANSWERS[1, 1] = SOLUTION[1] % 6 + 1  # one of them mended, the other still wrong
Q = np.array([-6.0, -2.0, 0.0, 2.0, 6.0])


@pytest.fixture(autouse=True)
def style():
    with plt.rc_context():
        show.use_style()
        yield


def texts(figure):
    """Every word on a figure that can be seen."""
    figure.draw_without_rendering()
    found = [text.get_text() for text in figure.findobj(matplotlib.text.Text)]
    return [text for text in found if text.strip()]


def marked(ax, what):
    """The cells of a 6x6 grid that carry a mark, from where the mark was drawn."""
    boxes = [patch.get_extents() for patch in ax.patches if patch.get_gid() == what]
    centres = [((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) for box in boxes]
    places = ax.transData.inverted().transform(np.array(centres).reshape(-1, 2))
    return sorted(6 * int(y) + int(x) for x, y in places)


@pytest.mark.parametrize("side", [4, 6, 9])
def test_a_grid_has_its_digits_and_lines(side):
    figure, ax = plt.subplots()
    digits = np.arange(side * side) % (side + 1)
    show.draw_grid(ax, digits.reshape(side, side), givens=digits == 1)
    plt.close(figure)
    drawn = [text.get_text() for text in ax.texts]
    assert drawn == [str(digit) for digit in digits if digit]
    assert [t.get_text() for t in ax.texts if t.get_weight() == "bold"] == ["1"] * drawn.count("1")
    assert len(ax.lines) == 2 * (side + 1)
    rows, columns = grids.BOXES[side]
    thick = [line for line in ax.lines if line.get_linewidth() > 1]
    assert len(thick) == side // rows + side // columns + 2


def test_marks_stand_exactly_where_they_belong():
    figure, ax = plt.subplots()
    wrong, changed = np.zeros((2, 36), bool)
    wrong[[0, 7, 35]] = changed[[7, 20]] = True
    show.draw_grid(ax, SOLUTION, PUZZLE, wrong, changed)
    plt.close(figure)
    assert marked(ax, "wrong") == [0, 7, 35]
    assert marked(ax, "changed") == [7, 20]


def test_a_grid_of_another_size_is_refused():
    with pytest.raises(ValueError, match="25 cells: expected 16, 36 or 81"):
        show.draw_grid(None, np.zeros(25))


def test_steps_figure_tells_the_story():
    figure = show.steps_figure(PUZZLE, ANSWERS, SOLUTION, Q)
    page, *panels = figure.axes  # segments 3 and 4 change nothing and are left out
    panels = {ax.get_title(): ax for ax in panels if ax.get_title()}
    said = [title.split("\n") for title in panels]
    assert said == [
        ["the puzzle"],
        ["segment 1 of 5", "34 of 36 right", "says solved: 0 %"],
        ["segment 2 of 5", "35 of 36 right", "says solved: 12 %"],
        ["segment 3 of 5", "36 of 36 right", "says solved: 50 %"],
        ["segment 5 of 5", "36 of 36 right", "says solved: 100 %"],
    ]
    assert [marked(ax, "wrong") for ax in panels.values()] == [[], [1, 2], [1], [], []]
    assert [marked(ax, "changed") for ax in panels.values()] == [[], [], [2], [1], []]
    signs = [text.get_text() for text in page.get_legend().get_texts()]
    assert signs == ["changed since the grid before", "wrong"]


def test_steps_figure_thins_a_long_story():
    answers = np.tile(SOLUTION, (16, 1))
    answers[::2, 1] = 1
    answers[1::2, 1] = 2
    titles = [ax.get_title() for ax in show.steps_figure(PUZZLE, answers).axes[1:]]
    assert len(titles) == 8 and titles[1] == "segment 1 of 16" and titles[-1] == "segment 16 of 16"
    assert len(show.steps_figure(PUZZLE, answers[:1]).axes[1:]) == 2


def test_learning_curve_draws_what_was_measured():
    history = [dict(step=s, seconds=s / 2, loss=2 / (s + 1), segments=4) for s in range(20)]
    history[10] |= dict(exact=0.25, cell=0.8)
    history[19] |= dict(exact=0.5, cell=0.9)
    top, bottom = show.learning_curve(history, x="step", title="a run").axes
    assert top.get_title(loc="left") == "a run" and bottom.get_xlabel() == "step"
    assert top.lines[0].get_xydata().tolist() == [[10, 0.25], [19, 0.5]]
    assert len(bottom.lines[0].get_xdata()) == 20
    with pytest.raises(ValueError, match=r"history\[0\] has no 'seconds'"):
        show.learning_curve([dict(loss=1.0)])
    with pytest.raises(ValueError, match="neither"):
        show.learning_curve([dict(seconds=1.0)])


def test_the_other_curves():
    exact = np.linspace(0.1, 0.9, 16)
    ax = show.accuracy_by_segment(exact, exact - 0.05, exact + 0.05, cell=exact).axes[0]
    assert np.allclose(ax.lines[0].get_xydata(), np.c_[np.arange(1, 17), 100 * exact])
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert np.isclose(band.min(), 5) and np.isclose(band.max(), 95)

    figure = show.bars_with_intervals(["a", "b"], [87.4, -3], [85, np.nan], [89, np.nan], "%")
    assert {"a", "b", "87.4", "-3.0", "%"} <= set(texts(figure))
    left, right = figure.axes[0].get_xlim()
    assert left < -3 and right > 89

    ax = show.cell_to_exact([("MLP", 0.6, 0.0)]).axes[0]
    for line, cells in zip(ax.lines, (36, 81), strict=False):
        p, exact = (line.get_xydata() / 100).T
        assert np.allclose(exact, p**cells) and p[0] < 0.6 and p[-1] == 1
    assert "MLP" in [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("chapter", range(1, 15))
def test_road_lights_one_place(chapter):
    ax = show.road(chapter).axes[0]
    words = [text.get_text() for text in ax.texts]
    assert words.count("\N{CHECK MARK}") == min(chapter - 1, 8)
    bold = [t.get_text() for t in ax.texts if t.get_weight() == "bold" and t.get_text().isalpha()]
    names = ["HRM", "TRM", "ablations", "inside", "maze", "ARC", "next"]
    lit = {4: "HRM", 7: "TRM", 9: "ablations", 10: "inside", 12: "maze", 13: "ARC", 14: "next"}
    assert [name for name in bold if name in names] == ([lit[chapter]] if chapter in lit else [])
    assert str(chapter) in words or chapter > 8


def test_road_ends():
    with pytest.raises(ValueError, match="chapter 15"):
        show.road(15)


def test_diagrams_count_their_calls():
    words = [text.get_text() for text in show.unrolled(6, 3, segments=2).axes[0].texts]
    assert words.count("z") == 6 * 3 * 2 + 1 and words.count("y") == 3 * 2 + 1  # 1: the key
    assert words.count("loss") == 2 and words.count("gradient through 7 calls") == 2
    assert sum("no gradient" in word for word in words) == 4
    assert sum("detach" in word for word in words) == 1
    for loops, calls in ((1, 1), (4, 4), (12, 5)):
        words = [text.get_text() for text in show.naive_loop(loops).axes[0].texts]
        assert words.count("f") == calls
    with pytest.raises(ValueError, match="T is 0"):
        show.unrolled(6, 0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: show.steps_figure(PUZZLE, ANSWERS, SOLUTION, Q),
        lambda: show.road(5),
        lambda: show.unrolled(6, 3),
        lambda: show.naive_loop(4),
        lambda: show.cell_to_exact(),
        lambda: show.bars_with_intervals(["a long name of a thing"], [1], [0.5], [2], "%"),
        lambda: show.accuracy_by_segment([0.5, 1], [0.4, 0.9], [0.6, 1]),
        lambda: show.learning_curve([dict(seconds=s, loss=s, exact=s / 9) for s in range(9)]),
    ],
    ids=["steps", "road", "unrolled", "naive", "cell", "bars", "segments", "learning"],
)
def test_figures_are_opaque_and_shown_once(make):
    figure = make()
    assert not plt.get_fignums()  # pyplot would show it a second time
    assert figure.get_facecolor()[3] == 1
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert len(np.unique(edge, axis=0)) == 1, "something is cut off at the edge"


def player(**changes):
    return show.StepPlayer(
        **(dict(puzzle=PUZZLE, answers=ANSWERS, solution=SOLUTION, q=Q, title="a <6x6>") | changes)
    )


def embedded(page):
    return json.loads(html.unescape(re.search(r"data-steps='([^']*)'", page)[1]))


def test_player_embeds_the_steps_it_was_given():
    page = player()._repr_html_()
    steps = embedded(page)
    frames = [[int(digit) for digit in grid] for grid in steps["grids"]]
    assert frames == [PUZZLE.tolist(), *ANSWERS.tolist()]
    signs = [{i: int(m) for i, m in enumerate(row) if m != "0"} for row in steps["marks"]]
    assert signs == [{}, {1: 1, 2: 1}, {1: 1, 2: 2}, {1: 2}, {}, {}]
    assert steps["says"][0].replace("\xa0", " ") == "the puzzle · 12 of 36 cells given"
    said = "segment 2 of 5 · 35 of 36 cells right · says solved: 12 %"
    assert steps["says"][2].replace("\xa0", " ") == said
    assert page.count("<td") == 36 and page.count("class=given") == 12
    assert "a &lt;6x6&gt;" in page and "<6x6>" not in page
    assert "https:" not in page and "http:" not in page


def test_player_is_deterministic_and_does_not_clash():
    page, again, other = (player(title=title)._repr_html_() for title in ("a", "a", "b"))
    assert page == again
    names = [re.findall(r'\bid="(\w[\w-]*)"', text)[0] for text in (page, other)]
    assert names[0] != names[1]
    rules = re.search(r"<style>(.*)</style>", page, re.DOTALL)[1]
    selectors = [s.strip() for rule in re.findall(r"([^{}]+){", rules) for s in rule.split(",")]
    assert len(selectors) > 10 and all(s.startswith(f"#{names[0]}") for s in selectors)
    assert repr(player(title="a")) == repr(player(title="a"))


def test_player_controls_are_labelled():
    page = player()._repr_html_()
    buttons = re.findall(r'<button type="button" data-go="(\w+)">(\w+)</button>', page)
    assert [go.title() for go, _ in buttons] == [label for _, label in buttons]
    assert [go for go, _ in buttons] == ["first", "back", "play", "next", "last"]
    for element in (r'<input type="range"[^>]*', r"<table", r'<div id="[^"]*" role="group"[^>]*'):
        assert re.search(element + r' aria-label="[^"]+"', page), element
    assert 'role="status" aria-live="polite"' in page and "prefers-reduced-motion" in page


def test_player_is_small():
    few, many = np.ones((1, 81), int), np.tile(np.arange(81) % 9 + 1, (16, 1))
    page = show.StepPlayer(many[0], many, many[0], np.zeros(16))._repr_html_()
    assert len(page.encode()) < 13_000
    one = show.StepPlayer(few[0] * 0, few, few[0], np.zeros(1))._repr_html_()
    assert len(page.encode()) - len(one.encode()) < 8_000


def test_player_tells_its_story_in_plain_text_too():
    lines = repr(player(title="mine")).split("\n")
    assert lines[0] == "StepPlayer mine"
    assert lines[2] == "segment 5 of 5 · 36 of 36 cells right · says solved: 100 %"
    assert lines[3] == "1 . . 4 . .    1 2 3 4 5 6" and len(lines) == 9


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(answers=ANSWERS[:, :35]), r"answers is \(5, 35\): expected \(segments, 36\)"),
        (dict(answers=SOLUTION), r"answers is \(36,\)"),
        (dict(q=Q[:4]), r"q is \(4,\): expected \(5,\)"),
        (dict(solution=SOLUTION[:9]), r"solution is \(9,\): expected \(36,\)"),
        (dict(answers=ANSWERS + 1), r"digits 0\.\.7: expected 0\.\.6"),
    ],
)
def test_player_says_what_does_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        player(**changes)


# A page with nothing but the player's elements, enough to run its script.
STAGE = """
const element = own => ({dataset: {}, attributes: {}, names: new Set(), on: {}, ...own,
  classList: {toggle() {}}, setAttribute(k, v) { this.attributes[k] = v; },
  removeAttribute(k) { delete this.attributes[k]; },
  addEventListener(k, f) { this.on[k] = f; }, matches(name) { return this.tag === name; }});
const cells = Array.from({length: 36}, () => element());
const status = element(), slider = element(), play = element();
const root = element({querySelectorAll: () => cells,
  querySelector: name => ({".status": status, input: slider}[name] ?? play)});
root.dataset.steps = STEPS;
globalThis.document = {querySelectorAll: () => [root]};
globalThis.matchMedia = () => ({matches: false});
let tick; globalThis.setInterval = f => { tick = f; return 1; };
globalThis.clearInterval = () => { tick = null; };
const seen = [];
const note = () => seen.push([+slider.value, cells.map(c => c.textContent || "0").join(""),
  status.textContent === slider.attributes["aria-valuetext"], cells[1].attributes["aria-label"]]);
const press = (key, target = root) => { root.on.keydown({key, target, preventDefault() {},
  stopPropagation() {}}); note(); };
const click = go => { root.on.click({target: {dataset: {go}}}); note(); };
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_player_script_turns_the_pages():
    page = player()._repr_html_()
    script = re.search(r"<script>(.*)</script>", page, re.DOTALL)[1]
    acts = """
    note(); press("ArrowRight"); press("ArrowLeft"); press("ArrowLeft"); press("End");
    press("ArrowRight"); press("Home"); press("ArrowRight", slider);
    slider.value = 2; slider.on.input(); note();
    click("next"); click("last"); click("back"); click("first");
    press(" ", element({tag: "button"}));
    press(" "); tick(); note(); press(" "); seen.push([tick === null]);
    press(" "); tick(); tick(); tick(); tick(); note(); seen.push([tick === null]);
    console.log(JSON.stringify(seen));
    """
    code = STAGE.replace("STEPS", json.dumps(json.dumps(embedded(page)))) + script + acts
    done = subprocess.run(["node", "-"], input=code, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen.pop() == [True]  # it stopped at the end
    assert seen.pop(17) == [True]  # space paused it
    steps = [0, 1, 0, 0, 5, 5, 0, 0, 2, 3, 5, 4, 0, 0, 0, 1, 1, 1, 5]
    assert [step for step, *_ in seen] == steps
    said = {1: ", wrong", 2: ", wrong", 3: ", changed"}
    for step, grid, told, label in seen:
        assert grid == embedded(page)["grids"][step] and told
        assert label == (grid[1] + said[step] if step in said else None)


def solve(text):
    if len(text) != 36:
        raise ValueError(f"{len(text)} characters: expected <36>")
    return player(puzzle=[int(c) for c in text])


EXAMPLE = "".join(map(str, PUZZLE))


def shown(widget):
    return [output["data"]["text/html"] for output in widget.output.outputs]


def test_solver_solves_what_is_typed():
    widget = show.SolverWidget(solve, EXAMPLE)
    assert widget.text.value == EXAMPLE
    assert shown(widget) == [solve(EXAMPLE)._repr_html_()]
    widget.text.value = "too short"
    widget.button.click()
    assert widget.message.value == '<b role="alert">9 characters: expected &lt;36&gt;</b>'
    assert shown(widget) == []
    widget.text.value = "0" * 36
    widget.button.click()
    assert widget.message.value == ""
    assert shown(widget) == [solve("0" * 36)._repr_html_()]


def test_solver_shows_its_example_where_no_kernel_runs(monkeypatch):
    widget = show.SolverWidget(solve, EXAMPLE)
    widget.text.value = "0" * 36
    widget.button.click()
    bundle = widget._repr_mimebundle_()
    view = bundle["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == widget.panel.model_id
    assert bundle["text/html"].startswith(solve(EXAMPLE)._repr_html_())
    assert "run this page as a notebook" in bundle["text/html"]
    assert "model_id" not in bundle["text/plain"] and "segment 5 of 5" in bundle["text/plain"]
    monkeypatch.setitem(sys.modules, "google.colab", object())
    assert "text/html" not in widget._repr_mimebundle_()
