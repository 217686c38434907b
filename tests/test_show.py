"""What a reader looks at: the figures say what they should, in the right place and colour."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import Circle, FancyBboxPatch
from shown import ANSWERS, PUZZLE, SOLUTION, TOY, Q, add_toy

from tinyrec import show
from tinyrec.show import families
from tinyrec.show.style import COLOURS, INK, tint


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


def colour(artist_colour):
    return to_hex(artist_colour).upper()


# --- grids -----------------------------------------------------------------


def drawn(grid, **marks):
    """The axes of one grid."""
    figure, ax = plt.subplots()
    show.draw_grid(ax, grid, **marks)
    plt.close(figure)
    return ax


def cell_at(x, y, columns=6):
    return columns * int(y) + int(x)


def marked(ax, what):
    """The cells of a 6x6 grid that carry a mark, from where the mark was drawn."""
    boxes = [patch.get_extents() for patch in ax.patches if patch.get_gid() == what]
    centres = [((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) for box in boxes]
    places = ax.transData.inverted().transform(np.array(centres).reshape(-1, 2))
    return sorted(cell_at(x, y) for x, y in places)


def thick_lines(ax):
    """Where the thick lines lie: heights of the level ones, places of the upright ones."""
    thick = [line.get_xydata() for line in ax.lines if line.get_linewidth() > 1]
    level = sorted(start[1] for start, end in thick if start[1] == end[1])
    upright = sorted(start[0] for start, end in thick if start[0] == end[0])
    assert len(level) + len(upright) == len(thick)
    return level, upright


@pytest.mark.parametrize("side", [4, 6, 9])
def test_each_digit_stands_in_its_cell(side):
    digits = np.arange(side * side) % (side + 1)
    ax = drawn(digits.reshape(side, side))
    said = {cell_at(*text.get_position(), side): text.get_text() for text in ax.texts}
    assert said == {cell: str(digit) for cell, digit in enumerate(digits) if digit}
    assert ax.get_xlim()[0] < 0 < side < ax.get_xlim()[1]
    assert ax.get_ylim()[1] < 0 < side < ax.get_ylim()[0], "row 1 is on top"


def test_given_digits_are_ink_and_bold_and_answers_in_the_colour_of_answers():
    ax = drawn(SOLUTION, givens=PUZZLE)
    for text in ax.texts:
        given = PUZZLE[cell_at(*text.get_position())] != 0
        assert colour(text.get_color()) == COLOURS["question" if given else "answer"]
        assert text.get_weight() == ("bold" if given else "normal")
    assert COLOURS["question"] == INK != COLOURS["answer"]


@pytest.mark.parametrize(
    "side, rows, columns",
    [
        (4, [0, 2, 4], [0, 2, 4]),
        (6, [0, 2, 4, 6], [0, 3, 6]),  # boxes of two rows and three columns
        (9, [0, 3, 6, 9], [0, 3, 6, 9]),
    ],
)
def test_thick_lines_go_round_the_boxes(side, rows, columns):
    ax = drawn(np.zeros(side * side))
    assert thick_lines(ax) == (rows, columns)
    assert len(ax.lines) == 2 * (side + 1)


def test_marks_stand_exactly_where_they_belong():
    wrong, changed = np.zeros((2, 36), bool)
    wrong[[0, 7, 35]] = changed[[7, 20]] = True
    ax = drawn(SOLUTION, givens=PUZZLE, wrong=wrong, changed=changed)
    assert marked(ax, "wrong") == [0, 7, 35]
    assert marked(ax, "changed") == [7, 20]
    for patch in ax.patches:
        if patch.get_gid() == "wrong":
            assert colour(patch.get_facecolor()) == COLOURS["wrong"]
            x, y = np.mean(patch.get_xy()[:3], axis=0) % 1
            assert x > 0.5 > y, "the triangle is in the upper right corner"
        elif isinstance(patch, Circle):
            assert colour(patch.get_edgecolor()) == COLOURS["changed"] and not patch.get_fill()
        else:
            fill = tint("wrong") if wrong[cell_at(*patch.get_xy())] else to_rgb("white")
            assert patch.get_facecolor()[:3] == pytest.approx(fill)


def test_a_grid_of_another_size_is_refused():
    with pytest.raises(ValueError, match="16, 36 or 81"):
        show.draw_grid(None, np.zeros(25))


def key_of(figure):
    """What the key says, with the colour of each sign."""
    key = figure.axes[0].get_legend()
    if key is None:
        return {}
    signs = [colour(sign.get_color()) for sign in key.legend_handles]
    return dict(zip((text.get_text() for text in key.get_texts()), signs, strict=True))


def test_the_key_explains_the_marks_that_are_there():
    wrong = np.zeros((2, 36), bool)
    assert key_of(show.grid_row([PUZZLE, SOLUTION], wrong=wrong)) == {}
    ring = {"new": COLOURS["changed"]}
    assert key_of(show.grid_row([PUZZLE, SOLUTION], wrong=wrong, legend="new")) == ring
    wrong[1, 1] = True
    corner = {"wrong": COLOURS["wrong"]}
    assert key_of(show.grid_row([PUZZLE, SOLUTION], wrong=wrong)) == corner
    assert key_of(show.grid_row([PUZZLE, SOLUTION], wrong=wrong, legend="new")) == ring | corner


def test_grids_stand_in_reading_order_and_keep_their_givens():
    grids = [np.full(36, number) for number in range(1, 6)]
    givens = np.zeros((5, 36))
    givens[3] = 1
    figure = show.grid_row(grids, givens=givens, titles=list("abcde"))
    panels = figure.axes[1:]
    places = [(-round(ax.get_position().y0, 3), round(ax.get_position().x0, 3)) for ax in panels]
    assert places == sorted(places) and len({y for y, _ in places}) == 2
    assert len({x for _, x in places}) == 3, "three and two, not four and one"
    assert [ax.get_title() for ax in panels] == list("abcde")
    assert [ax.texts[0].get_text() for ax in panels] == list("12345")
    assert [ax.texts[0].get_weight() == "bold" for ax in panels] == [False] * 3 + [True, False]


def test_steps_figure_tells_the_story():
    figure = show.steps_figure(PUZZLE, ANSWERS, SOLUTION, Q)
    panels = {ax.get_title(): ax for ax in figure.axes if ax.get_title()}
    said = [title.split("\n") for title in panels]
    assert said == [
        ["the puzzle"],
        ["segment 1 of 5", "34 of 36 right", "says solved: 0 %"],
        ["segment 2 of 5", "35 of 36 right", "says solved: 12 %"],
        ["segment 3 of 5", "36 of 36 right", "says solved: 50 %"],
        ["segment 5 of 5", "36 of 36 right", "says solved: 100 %"],  # segment 4 changes nothing
    ]
    assert [marked(ax, "wrong") for ax in panels.values()] == [[], [1, 2], [1], [], []]
    assert [marked(ax, "changed") for ax in panels.values()] == [[], [], [2], [1], []]
    shown = [PUZZLE, *ANSWERS[[0, 1, 2, 4]]]
    for ax, grid in zip(panels.values(), shown, strict=True):
        assert [int(text.get_text()) for text in ax.texts] == grid[grid > 0].tolist()
        bold = sum(text.get_weight() == "bold" for text in ax.texts)
        assert bold == (PUZZLE > 0).sum()
    assert list(key_of(figure)) == ["changed since the grid before", "wrong"]


def test_steps_figure_thins_a_long_story():
    answers = np.tile(SOLUTION, (16, 1))
    answers[::2, 1] = 1
    answers[1::2, 1] = 2
    panels = show.steps_figure(PUZZLE, answers).axes[1:]
    titles = [ax.get_title() for ax in panels]
    assert len(titles) == 8 and titles[1] == "segment 1 of 16" and titles[-1] == "segment 16 of 16"
    second = [ax.texts[1].get_text() for ax in panels[1:]]
    new = [before != after for before, after in zip(second[:-1], second[1:], strict=True)]
    assert [marked(ax, "changed") for ax in panels[2:]] == [[1] if one else [] for one in new]
    assert not all(new), "a ring compares with the grid that is shown before"
    assert len(show.steps_figure(PUZZLE, answers[:1]).axes[1:]) == 2
    nine = np.arange(81) % 9 + 1
    assert len(show.steps_figure(nine, (nine + np.arange(16)[:, None]) % 9 + 1).axes[1:]) == 6


# --- families --------------------------------------------------------------

CONTRACT = ("NAME", "values", "shape", "block", "signs", "draw")


def test_every_drawing_keeps_the_contract_that_is_written_down():
    for drawing in (*families.DRAWINGS.values(), TOY):
        assert all(hasattr(drawing, part) for part in CONTRACT)
    assert all(f"    {part}" in families.__doc__ for part in CONTRACT)


def test_another_family_is_one_drawing_and_one_line(monkeypatch):
    add_toy(monkeypatch)
    puzzle, answers = (
        np.array([1, 0, 0, 0, 0, 2]),
        np.array([[1, 2, 0, 0, 0, 2], [1, 2, 2, 0, 0, 2]]),
    )
    figure = show.steps_figure(puzzle, answers, answers[1], family="toy")
    first, one, two = figure.axes[1:]
    for ax, cells in ((first, [0, 5]), (one, [0, 1, 5]), (two, [0, 1, 2, 5])):
        given, answer = (
            [cell_at(*p.get_xy(), 3) for p in ax.patches if p.get_gid() == gid]
            for gid in ("given", "answer")
        )
        assert given == [0, 5] and sorted(given + answer) == cells
        assert thick_lines(ax) == ([0, 1, 2], [0, 3])
        assert not ax.texts
        box = ax.get_position(original=True)
        width, height = figure.get_size_inches()
        assert box.width * width == pytest.approx(1.5 * box.height * height)
    assert [len([p for p in ax.patches if p.get_gid() == "wrong"]) for ax in (one, two)] == [1, 0]
    with pytest.raises(ValueError, match="expected 6 cells, found 36"):
        show.grid_row([SOLUTION], family="toy")
    with pytest.raises(
        ValueError, match="no drawing for the family 'chess'; there is sudoku, .*toy"
    ):
        show.grid_row([SOLUTION], family="chess")


# --- curves and bars -------------------------------------------------------


def lines_by_label(ax):
    return {line.get_label(): line.get_xydata() for line in ax.lines}


def test_learning_curve_draws_what_was_measured():
    history = [dict(step=s, seconds=s / 2, loss=2 / (s + 1), segments=4) for s in range(20)]
    history[10] |= dict(exact=0.25, cell=0.8)
    history[19] |= dict(exact=0.5, cell=0.9)
    top, bottom = show.learning_curve(history, x="step", title="a run").axes
    assert top.get_title(loc="left") == "a run" and bottom.get_xlabel() == "step"
    lines = lines_by_label(top)
    assert lines["exact"].tolist() == [[10, 0.25], [19, 0.5]]
    assert lines["cell"].tolist() == [[10, 0.8], [19, 0.9]]
    assert bottom.lines[0].get_xydata().tolist() == [[s, 2 / (s + 1)] for s in range(20)]
    seconds = show.learning_curve(history).axes[1]
    assert seconds.lines[0].get_xdata().tolist() == [s / 2 for s in range(20)]
    with pytest.raises(ValueError, match=r"history\[0\] has no 'seconds'"):
        show.learning_curve([dict(loss=1.0)])
    with pytest.raises(ValueError, match="neither"):
        show.learning_curve([dict(seconds=1.0)])


def test_accuracy_by_segment_starts_at_segment_one_with_its_band():
    exact, cell = np.linspace(0.1, 0.9, 16), np.linspace(0.5, 0.95, 16)
    ax = show.accuracy_by_segment(exact, exact - 0.05, exact + 0.02, cell=cell).axes[0]
    segments = np.arange(1, 17)
    assert np.allclose(lines_by_label(ax)["exact"], np.c_[segments, 100 * exact])
    assert np.allclose(lines_by_label(ax)["cell"], np.c_[segments, 100 * cell])
    band = ax.collections[0].get_paths()[0].vertices
    for segment, middle in zip(segments, 100 * exact, strict=True):
        heights = band[band[:, 0] == segment, 1]
        assert heights.min() == pytest.approx(middle - 5)
        assert heights.max() == pytest.approx(middle + 2)


def test_bars_stand_in_order_each_with_its_own_value_and_whisker():
    values, low, high = [87.4, -3, 40], [85, np.nan, 10], [88, np.nan, 45]
    figure = show.bars_with_intervals(list("abc"), values, low, high, "unit")
    ax = figure.axes[0]
    figure.draw_without_rendering()
    assert ax.get_xlabel() == "unit"
    labels = {label.get_text(): label.get_position()[1] for label in ax.get_yticklabels()}
    bars = {bar.get_y() + bar.get_height() / 2: bar.get_width() for bar in ax.patches}
    said = {note.xy[1]: note.get_text() for note in ax.texts}
    found = [ends for ends in ax.collections[0].get_segments() if len(ends)]
    whiskers = {start[1]: (start[0], end[0]) for start, end in found}
    for label, value, text in zip("abc", values, ("87.4", "-3.0", "40.0"), strict=True):
        assert bars[labels[label]] == pytest.approx(value) and said[labels[label]] == text
    assert whiskers == {labels["a"]: (85, 88), labels["c"]: (10, 45)}
    height = {name: ax.transData.transform((0, y))[1] for name, y in labels.items()}
    assert height["a"] > height["b"] > height["c"], "the first is on top"
    left, right = ax.get_xlim()
    assert left < -3 and right > 88


def test_cell_to_exact_names_its_curves_and_points():
    ax = show.cell_to_exact([("MLP", 0.6, 0.3)]).axes[0]
    lines = lines_by_label(ax)
    for label, cells in (("$p^{36}$: 6x6", 36), ("$p^{81}$: 9x9", 81)):
        p, exact = lines[label].T / 100
        assert np.allclose(exact, p**cells) and p[0] < 0.6 and p[-1] == 1
    (note,) = ax.texts
    assert note.get_text() == "MLP" and np.allclose(note.xy, (60, 30))
    assert any(np.allclose(line.get_xydata(), [[60, 30]]) for line in ax.lines)


# --- the road and the diagrams ---------------------------------------------

STATIONS = [
    "one-pass MLP", "naive recursion", "deep supervision", "HRM", "one-step gradient",
    "learning to stop", "TRM", "full TRM",
]  # fmt: skip
SIGNS = ["ablations", "inside", "9x9", "maze", "ARC", "next"]


@pytest.mark.parametrize("chapter", range(1, 15))
def test_road_lights_one_place(chapter):
    ax = show.road(chapter).axes[0]
    tick = "\N{CHECK MARK}"
    ticks = [text.get_position() for text in ax.texts if text.get_text() == tick]
    assert len(ticks) == min(chapter - 1, 8)
    numbers = [int(text.get_text()) for text in ax.texts if text.get_text().isdigit()]
    assert numbers == list(range(min(chapter, 9), 9))
    words = [t for t in ax.texts if any(c.isalpha() for c in t.get_text())]
    bold = [text for text in words if text.get_weight() == "bold"]
    assert " ".join(text.get_text() for text in bold) == (STATIONS + SIGNS)[chapter - 1]
    assert " ".join(text.get_text() for text in words) == " ".join(STATIONS + SIGNS)
    # The ring is where the bold words are, the ticks where the road has been.
    x, y = bold[0].get_position()
    rings = [line.get_xydata()[0] for line in ax.lines if line.get_markersize() == 36]
    if chapter <= 8:
        ((ring_x, ring_y),) = rings
        assert ring_x == x and 0 < ring_y - y < 0.6
        assert (ring_x, pytest.approx(ring_y - 0.01)) == next(
            text.get_position() for text in ax.texts if text.get_text() == str(chapter)
        )
    else:
        assert not rings
        lit = [
            patch.get_extents() for patch in ax.patches
            if colour(patch.get_edgecolor()) == COLOURS["changed"]
        ]  # fmt: skip
        assert len(lit) == 1 and lit[0].contains(*ax.transData.transform((x, y)))
    done = [line for line in ax.lines if len(line.get_xydata()) > 1 and line.get_linestyle() == "-"]
    assert len(done) == min(chapter, 8) - 1
    for line, (tick_x, tick_y) in zip(done, ticks, strict=False):
        assert np.allclose(line.get_xydata()[0], (tick_x, tick_y + 0.01))


def test_road_ends():
    with pytest.raises(ValueError, match="chapter 15"):
        show.road(15)


def boxes(ax):
    """The boxes of a diagram: word, role by colour, dashed or not, from top to bottom."""
    roles = {value: role for role, value in COLOURS.items()}
    found = []
    for patch in ax.patches:
        if isinstance(patch, FancyBboxPatch):
            middle = np.mean(patch.get_extents().get_points(), axis=0)
            x, y = ax.transData.inverted().transform(middle)
            (word,) = (t.get_text() for t in ax.texts if np.allclose(t.get_position(), (x, y)))
            found.append(
                (word, roles[colour(patch.get_edgecolor())], patch.get_linestyle() == "--")
            )
    return found


def test_diagrams_count_their_calls():
    ax = show.unrolled(6, 3, segments=2).axes[0]
    words = [text.get_text() for text in ax.texts]
    assert words.count("z") == 6 * 3 * 2 + 1 and words.count("y") == 3 * 2 + 1  # 1: the key
    assert words.count("loss") == 2 and words.count("gradient through 7 calls") == 2
    assert sum("detach" in word for word in words) == 1
    told = [word for word in words if word.startswith("segment")]
    assert told == [
        f"segment {s}, recursion {r} of 3" + (": no gradient" if r < 3 else "")
        for s in (1, 2)
        for r in (1, 2, 3)
    ]
    for loops, calls in ((1, 1), (4, 4), (12, 5)):
        words = [text.get_text() for text in show.naive_loop(loops).axes[0].texts]
        assert words.count("f") == calls
    assert "gradient through all 12 loops" in words
    with pytest.raises(ValueError, match="T is 0"):
        show.unrolled(6, 0)


def test_diagrams_colour_by_role_and_dash_what_has_no_gradient():
    roles = dict(x="question", y="answer", z="latent", loss="wrong", f="muted")
    for figure in (show.unrolled(2, 2), show.naive_loop(3)):
        assert all(roles[word] == role for word, role, _ in boxes(figure.axes[0]))
    calls = boxes(show.unrolled(2, 2).axes[0])[2:]  # without the key
    dashed = [word for word, _, dash in calls if dash]
    assert sorted(dashed) == ["y", "z", "z"], "one recursion of two has no gradient"
    assert not any(dash for *_, dash in calls[len(calls) // 2 :])


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
