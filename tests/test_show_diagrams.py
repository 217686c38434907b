"""The diagrams show the calls that the models make, and no others; the slots, a real carry."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from test_show import boxes, colour

from tinyrec import show
from tinyrec.carry import empty_carry, refill, segment
from tinyrec.models.hrm import HRM, HRMConfig
from tinyrec.models.naive import NaiveConfig, NaiveMLP
from tinyrec.models.trm import TRM, TRMConfig
from tinyrec.puzzles import Batch
from tinyrec.show.calls import hrm_calls, naive_calls, trm_calls
from tinyrec.show.style import COLOURS

SMALL = dict(vocab=4, length=4, width=16, heads=2, multiple=16)


@pytest.fixture(autouse=True)
def style():
    with plt.rc_context():
        show.use_style()
        yield


# --- the calls -------------------------------------------------------------


def told(calls):
    return [(call.name, call.gradient) for call in calls]


def made(model, **parts):
    """What a model really calls in a segment: (name, differentiated); parts: attribute=name."""
    seen = []

    def noting(call, name):
        def noted(*inputs):
            seen.append((name, torch.is_grad_enabled()))
            return call(*inputs)

        return noted

    for attribute, name in parts.items():
        part = getattr(model, attribute)
        if isinstance(part, torch.nn.Module):
            part.forward = noting(part.forward, name)
        else:
            setattr(model, attribute, noting(part, name))
    model(torch.ones(1, 4, dtype=torch.long), model.initial_state(1))
    return seen


@pytest.mark.parametrize(
    "settings",
    [
        dict(),
        dict(high_cycles=3, low_cycles=1),
        dict(high_cycles=1, low_cycles=4, gradient="full"),
        dict(high_cycles=3, low_cycles=3, gradient="full"),
    ],
)
def test_the_calls_of_hrm_are_those_that_it_makes(settings):
    model = HRM(HRMConfig(**SMALL, low_layers=1, high_layers=1, **settings))
    assert told(hrm_calls(**settings)) == made(model, low="L", high="H")


@pytest.mark.parametrize(
    "settings",
    [dict(), dict(latent_steps=1, recursions=1), dict(latent_steps=2, gradient="one_step")],
)
def test_the_calls_of_trm_are_those_that_it_makes(settings):
    model = TRM(TRMConfig(**SMALL, **settings))
    assert told(trm_calls(**settings)) == made(model, update_latent="z", update_answer="y")


def test_the_calls_of_the_naive_network_are_those_that_it_makes():
    model = NaiveMLP(NaiveConfig(vocab=4, length=4, width=8, loops=5))
    assert told(naive_calls(5)) == made(model, answer="f")


def test_the_papers_segments_are_counted():
    assert "".join(call.name for call in hrm_calls()) == "LLHLLH"
    assert [call.gradient for call in hrm_calls()] == [False] * 4 + [True] * 2
    calls = trm_calls(latent_steps=6, recursions=3)
    assert len(calls) == 21 and [call.gradient for call in calls] == [False] * 14 + [True] * 7
    assert {call.rule for call in calls} == {"z ← net(x + y + z)", "y ← net(y + z)"}


@pytest.mark.parametrize("calls", [*hrm_calls(), *trm_calls(1, 1), *naive_calls(1)])
def test_a_rule_says_what_its_call_reads_and_writes(calls):
    written, read = calls.rule.split(" ← ")
    assert written == calls.writes
    assert set(re.findall(r"z_[HL]|[xyz]\b", read)) == set(calls.reads)


# --- HRM's two clocks ------------------------------------------------------


def centre(patch):
    return np.mean(patch.get_extents().get_points(), axis=0)


def called(ax):
    """The calls that are drawn, from left to right: (name, dashed)."""
    found = []
    for (word, _, dashed), patch in zip(boxes(ax), ax.patches, strict=True):
        if word in ("L", "H"):
            found.append((centre(patch)[0], centre(patch)[1], word, dashed))
    return sorted(found[2:])  # the first two are the key


def arrows(ax, role):
    """Where arrows of a colour end, in pixels."""
    ends = [
        text for text in ax.texts
        if getattr(text, "arrow_patch", None) is not None
        and colour(text.arrow_patch.get_edgecolor()) == COLOURS[role]
    ]  # fmt: skip
    return [ax.transData.transform(text.xy) for text in ends]


@pytest.mark.parametrize(
    "settings",
    [(2, 2, "one_step"), (2, 2, "full"), (3, 3, "one_step"), (1, 1, "one_step"), (6, 1, "full")],
)
def test_hrm_segment_draws_its_calls_in_time_on_two_lanes(settings):
    ax = show.hrm_segment(*settings).axes[0]
    drawn = called(ax)
    assert [(name, not dashed) for *_, name, dashed in drawn] == told(hrm_calls(*settings))
    levels = {name: {y for _, y, other, _ in drawn if other == name} for name in "LH"}
    assert len(levels["L"]) == len(levels["H"]) == 1 and max(levels["L"]) < min(levels["H"])
    # x comes into each L call and into no H call
    into = [x for x, y in arrows(ax, "question")]
    low = [x for x, _, name, _ in drawn if name == "L"]
    assert len(into) == len(low) and np.allclose(into, low, atol=20)
    # the gradient's arrow reaches back to the first call with a gradient, and not to the one before
    ((end, _),) = arrows(ax, "wrong")
    with_gradient = [x for x, _, _, dashed in drawn if not dashed]
    before = [x for x, _, _, dashed in drawn if dashed]
    assert max([0, *before]) < end < min(with_gradient)
    words = [text.get_text() for text in ax.texts]
    assert f"gradient through {len(with_gradient)} of {len(drawn)} calls" in words
    assert ("dashed: no gradient" in words) == bool(before)
    assert {"head", "loss", "$z_H$", "$z_L$", "x"} <= set(words)


def test_hrm_segment_names_its_cycles():
    words = [text for text in show.hrm_segment(3, 2).axes[0].texts if "cycle" in text.get_text()]
    assert [text.get_text() for text in words] == [f"high cycle {n}" for n in (1, 2, 3)]
    assert [text.get_weight() for text in words] == ["normal", "normal", "bold"]


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(high_cycles=0), "high_cycles is 0: expected at least 1"),
        (dict(low_cycles=-1), "low_cycles is -1: expected at least 1"),
        (dict(gradient="half"), "gradient is 'half': expected 'full' or 'one_step'"),
        (dict(high_cycles=4, low_cycles=3), "is 16 calls: expected at most 12"),
    ],
)
def test_hrm_segment_says_what_it_cannot_draw(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        show.hrm_segment(**settings)


# --- where the gradient goes -----------------------------------------------


def test_gradient_paths_count_what_they_draw():
    ax = show.gradient_paths().axes[0]
    rows = {}
    for (word, role, dashed), patch in zip(boxes(ax), ax.patches, strict=True):
        if word != "loss":
            rows.setdefault(round(centre(patch)[1]), []).append((word, not dashed, role))
    drawn = [[(word, solid) for word, solid, _ in rows[y]] for y in sorted(rows, reverse=True)]
    naive = told(naive_calls(6))
    assert drawn == [naive, naive, told(hrm_calls(2, 2)), told(trm_calls(2, 2))]
    counts = [text.get_text() for text in ax.texts if re.search(r"\d of \d", text.get_text())]
    assert counts == ["6 of 6", "3 + 3 of 6", "2 of 6", "3 of 6"]
    for said, row in zip(counts, drawn, strict=True):
        assert sum(map(int, said.removesuffix(" of 6").split(" + "))) == sum(
            solid for _, solid in row
        )
    losses = [word for word, *_ in boxes(ax) if word == "loss"]
    assert len(losses) == 5, "deep supervision has two"
    assert sum(text.get_text() == "\N{BLACK SCISSORS}" for text in ax.texts) == 1


def test_gradient_paths_reach_back_to_the_first_call_that_is_passed():
    ax = show.gradient_paths().axes[0]
    ends = arrows(ax, "wrong")
    columns = sorted({centre(patch)[0].round() for patch in ax.patches})
    first = [int(np.searchsorted(columns, x)) for x, _ in ends]
    # three calls, the first segment's loss, three calls, the loss
    assert len(columns) == 8 and first == [0, 0, 4, 5, 4]


# --- the slots -------------------------------------------------------------

# Two slots, five steps. The first halts at its second segment, its next puzzle is cut off at the
# third; the other is in the middle of a puzzle, which halts at once.
HISTORY = [
    ([1, 2], [False, True], [7, 3]),
    ([2, 1], [True, False], [7, 8]),
    ([1, 2], [False, False], [9, 8]),
    ([2, 3], [False, True], [9, 8]),
    ([3, 1], [True, True], [9, 4]),
]


def slots(history=HISTORY, limit=3, **options):
    """The cells that are drawn, slot by slot: (segment, enters, mark, tint) of each step."""
    ax = show.slots_figure(history, limit, **options).axes[0]
    cells = [patch for patch in ax.patches if patch.get_gid() == "cell"]
    bars = [patch.get_xy() for patch in ax.patches if patch.get_gid() == "enters"]
    found = {}
    for cell in cells:
        (left, bottom), width, height = cell.get_xy(), cell.get_width(), cell.get_height()

        def inside(x, y, left=left, bottom=bottom, width=width, height=height):
            return left <= x < left + width and bottom <= y < bottom + height

        (number,) = (t.get_text() for t in ax.texts if inside(*t.get_position()))
        marks = [line.get_marker() for line in ax.lines if inside(*line.get_xydata()[0])]
        row = found.setdefault(-bottom, [])
        row.append(
            (left, int(number), (left, bottom) in bars, "".join(marks), cell.get_facecolor())
        )
    return [[cell[1:] for cell in sorted(found[y])] for y in sorted(found)]


def test_slots_show_segments_entries_and_halts():
    first, second = slots()
    assert [cell[:3] for cell in first] == [
        (1, True, ""), (2, False, "o"), (1, True, ""), (2, False, ""), (3, False, "X"),
    ]  # fmt: skip
    assert [cell[:3] for cell in second] == [
        (2, False, "o"), (1, True, ""), (2, False, ""), (3, False, "X"), (1, True, "o"),
    ]  # fmt: skip


def test_a_new_puzzle_brings_a_new_tint_and_keeps_it():
    for row in slots():
        for (_, _, _, before), (_, enters, _, after) in zip(row[:-1], row[1:], strict=True):
            assert (before != after) == enters


def test_slots_name_their_steps_and_marks():
    ax = show.slots_figure(HISTORY, 3, first_step=41).axes[0]
    words = [text.get_text() for text in ax.texts]
    assert [f"slot {n}" in words for n in (1, 2, 3)] == [True, True, False]
    assert {"41", "43", "45", "training step"} <= set(words) and "46" not in words
    key = {text.get_text() for text in ax.get_legend().get_texts()}
    assert key == {"a new puzzle", "halts", "cut off at segment 3"}


def test_slots_follow_a_real_carry():
    model = NaiveMLP(NaiveConfig(vocab=4, length=4, width=8, segments=2))
    history, carry = [], None
    for step in range(5):
        x = torch.full((3, 4), 1 + step % 2)
        batch = Batch(x, x, torch.arange(3) + 3 * step)
        carry, _ = segment(model, refill(model, carry or empty_carry(model, batch), batch))
        history.append((carry.segments, carry.halted, carry.puzzles.ids))
    for row in slots(history, limit=2):
        assert [cell[:3] for cell in row] == [(1, True, ""), (2, False, "X")] * 2 + [(1, True, "")]


def changed(step, part, slot, value):
    history = [tuple(list(row) for row in row) for row in HISTORY]
    history[step][part][slot] = value
    return history


@pytest.mark.parametrize(
    "history, message",
    [
        ([], "history has 0 steps: expected 1 to 24"),
        (HISTORY * 5, "history has 25 steps: expected 1 to 24"),
        ([HISTORY[0][:2]], "expected segments, halted and numbers, each (B,)"),
        ([([1, 2], [False], [7, 3])], "[(1,), (2,)]: expected segments, halted and numbers"),
        ([(1, False, 7)], "[()]: expected segments, halted and numbers"),
        (changed(0, 0, 1, 4), "slot 2, step 1: segment 4, expected 1 to 3"),
        (changed(0, 0, 0, 0), "slot 1, step 1: segment 0, expected 1 to 3"),
        (changed(3, 0, 0, 1), "slot 1, step 4: segment 1, expected 2 after the step before"),
        (changed(1, 1, 0, False), "slot 1, step 3: segment 1, expected 3 after the step before"),
        (changed(2, 2, 1, 5), "slot 2, step 3: puzzle 5 at segment 2, expected puzzle 8"),
    ],
)
def test_slots_refuse_steps_that_do_not_follow(history, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        show.slots_figure(history, limit=3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: show.hrm_segment(),
        lambda: show.hrm_segment(3, 3, "full"),
        lambda: show.gradient_paths(),
        lambda: show.slots_figure(HISTORY, 3),
        lambda: show.slots_figure(
            [([n + 1] * 8, [n == 15] * 8, [1] * 8) for n in range(16)], first_step=100_000
        ),
    ],
    ids=["hrm", "hrm full", "paths", "slots", "many slots"],
)
def test_diagrams_are_opaque_whole_and_shown_once(make):
    figure = make()
    assert not plt.get_fignums()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    assert (pixels[..., 3] == 255).all()
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert len(np.unique(edge, axis=0)) == 1, "something is cut off at the edge"
