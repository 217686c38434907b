"""The call player: each page shows the right call, the states that it changes, and the gradient."""

import json
import re
import subprocess

import pytest
from test_show_player import STAGE, Page, assert_nothing_dead, needs_node, player

from tinyrec import show
from tinyrec.show.controls import PALETTE


def pages(player):
    """For each page: the marks of the calls, of the ends, of x and the states; the first line and
    the rest of what it says.
    """
    calls, states = len(player.calls), 1 + len(player.states)
    return [
        (marks[:calls], marks[calls:-states], marks[-states:], *said.split("\n", 1))
        for marks, said in zip(player.marks, player.says, strict=True)
    ]


def test_hrm_is_played_in_its_order_with_two_gradients():
    start, *calls, head, loss, backward, cut = pages(show.CallPlayer("hrm"))
    low, high = "z_L ← L(z_L + z_H + x)", "z_H ← H(z_H + z_L)"
    assert start[:4] == ("......", "..", "kss", "6 calls, 2 with gradient")
    assert [page[3] for page in calls] == [low, low, high, low, low, high]
    assert [page[0] for page in calls] == [
        "n.....", "dn....", "ddn...", "dddn..", "ddddn.", "dddddn",
    ]  # fmt: skip
    # x, z_H, z_L: L reads x and z_H and writes z_L; H reads z_L and writes z_H
    assert [page[2] for page in calls] == ["rrw", "rrw", "kwr", "rrw", "rrw", "kwr"]
    assert ["no gradient" in page[4] for page in calls] == [True] * 4 + [False] * 2
    assert ["with gradient" in page[4] for page in calls] == [False] * 4 + [True] * 2
    assert "high\xa0cycle\xa02\xa0of\xa02 · call\xa04\xa0of\xa06" in calls[3][4]
    assert "new: z_L · kept: z_H" in calls[0][4] and "new: z_H · kept: z_L" in calls[2][4]
    assert head[:4] == ("dddddd", "n.", "krk", "logits, q ← heads(z_H)")
    assert loss[:4] == ("dddddd", "dn", "kkk", "loss ← logits, q, solution")
    assert backward[:4] == ("ddddgg", "gg", "kkk", "gradient through 2 of 6 calls")
    assert "not stored" in backward[4]
    assert cut[:4] == ("dddddd", "dd", "kcc", "z_H, z_L ← detach(z_H, z_L)")


def test_trm_is_played_with_seven_gradients_of_twenty_one_calls():
    start, *calls, head, loss, backward, cut = pages(show.CallPlayer("trm"))
    latent, answer = "z ← net(x + y + z)", "y ← net(y + z)"
    assert len(calls) == 21 and start[3] == "21 calls, 7 with gradient"
    assert [page[3] for page in calls] == ([latent] * 6 + [answer]) * 3
    assert [page[2] for page in calls] == (["rrw"] * 6 + ["kwr"]) * 3  # x, y, z
    assert ["no gradient" in page[4] for page in calls] == [True] * 14 + [False] * 7
    assert backward[0] == "d" * 14 + "g" * 7 and head[3] == "logits, q ← heads(y)"
    assert cut[3] == "y, z ← detach(y, z)"


def test_the_naive_loop_is_played_with_all_gradients_and_no_heads():
    start, *calls, loss, backward, cut = pages(show.CallPlayer("naive", loops=4))
    assert [page[:4] for page in calls] == [
        ("n...", ".", "rw", "y ← f(x, y)"), ("dn..", ".", "rw", "y ← f(x, y)"),
        ("ddn.", ".", "rw", "y ← f(x, y)"), ("dddn", ".", "rw", "y ← f(x, y)"),
    ]  # fmt: skip
    assert loss[:4] == ("dddd", "n", "kk", "loss ← y, solution")
    assert backward[:4] == ("gggg", "g", "kk", "gradient through 4 of 4 calls")
    assert "this segment only" in backward[4] and cut[3] == "y ← detach(y)"


@pytest.mark.parametrize(
    "model, settings",
    [("hrm", dict(gradient="full")), ("trm", dict(gradient="one_step")), ("naive", dict(loops=9))],
)
def test_every_segment_is_played_anew(model, settings):
    once = pages(show.CallPlayer(model, **settings))
    twice = pages(show.CallPlayer(model, segments=2, **settings))
    assert [page[:4] for page in twice] == [page[:4] for page in once + once[1:]]
    length = len(once) - 1
    for index, page in enumerate(twice[1:]):
        assert page[4].startswith(f"segment\xa0{1 + index // length}\xa0of\xa02 · ")


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(model="gpt"), "model is 'gpt': expected one of naive, hrm, trm"),
        (dict(model="hrm", segments=0), "segments is 0: expected at least 1"),
        (dict(model="hrm", low_cycles=0), "low_cycles is 0: expected at least 1"),
        (dict(model="hrm", low_cycles=12), "a high cycle has 13 calls: expected at most 12"),
        (dict(model="trm", latent_steps=12), "a recursion has 13 calls: expected at most 12"),
        (dict(model="trm", recursions=0), "recursions is 0: expected at least 1"),
        (dict(model="trm", gradient="none"), "gradient is 'none': expected 'full' or 'one_step'"),
        (dict(model="naive", loops=0), "loops is 0: expected at least 1"),
    ],
)
def test_call_player_says_what_it_cannot_play(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        show.CallPlayer(**settings)


MODELS = dict(hrm={}, trm={}, naive=dict(loops=8))


def page_of(model, **changes):
    return Page(show.CallPlayer(model, **(MODELS[model] | changes))._repr_html_())


@pytest.mark.parametrize("model", MODELS)
def test_the_picture_has_every_call_and_its_gradient(model):
    made, seen = show.CallPlayer(model, **MODELS[model]), page_of(model)
    parts = [(tag, part) for tag, part in seen.elements if "data-is" in part]
    calls, rest = parts[: len(made.calls)], parts[len(made.calls) :]
    dashed = ["pale" in part["class"].split() for _, part in calls]
    assert dashed == [not call.gradient for call in made.calls]
    ends = [part["class"] for tag, part in rest if tag == "g"]
    assert ends == (["wrong"] if model == "naive" else ["muted", "wrong"])
    states = [part["data-is"] for tag, part in rest if tag == "span"]
    assert "".join(states) == made.marks[0][-len(states) :] and len(states) == 1 + len(made.states)
    assert all(len(marks) == len(parts) for marks in made.marks)
    paths = {kind: [part["d"] for part in seen.all("path") if part["class"] == kind]
             for kind in ("rail", "in")}  # fmt: skip
    rails = [rail.split()[1].split("H")[0] for rail in paths["rail"]]
    for call, lines in zip(made.calls, paths["in"], strict=False):
        assert any(f" {rail}L" in lines for rail in rails) == ("x" in call.reads)
    (svg,) = seen.all("svg")
    width, height = map(float, svg["viewbox"].split()[2:])
    assert svg["role"] == "img" and width == 320
    names = ", ".join(call.name for call in made.calls)
    assert svg["aria-label"] == f"{made.says[0].splitlines()[0]}: {names}"
    for box in seen.all("rect"):
        x, y, wide, tall = (float(box[name]) for name in ("x", "y", "width", "height"))
        assert 0 <= x and x + wide <= width and 0 <= y and y + tall <= height


@pytest.mark.parametrize(
    "model, changes, rows",
    [
        ("hrm", {}, [6]),
        ("hrm", dict(high_cycles=3, low_cycles=3), [4, 4, 4]),
        ("trm", {}, [7, 7, 7]),
        ("naive", {}, [6, 2]),
    ],
)
def test_a_round_is_a_row_of_the_picture(model, changes, rows):
    made = show.CallPlayer(model, **(MODELS[model] | changes))
    assert [len(row) for row in made.rows] == rows
    assert len([part for part in page_of(model, **changes).all("path")
                if part["class"] == "rail"]) == len(rows)  # fmt: skip


def test_call_player_is_whole_without_its_script():
    seen = page_of("hrm", title="a <b>segment</b>")
    assert seen.text["title"] == "a <b>segment</b>"
    assert seen.text["status"].startswith("6 calls, 2 with gradient\n")
    assert_nothing_dead(seen)
    text = show.CallPlayer("trm")._repr_html_()
    assert "http" not in text and len(text.encode()) < 25_000


def test_call_player_marks_by_more_than_colour():
    seen = page_of("hrm", segments=2)
    style, marks = seen.rules, set("".join(show.CallPlayer("hrm", segments=2).marks))
    assert marks == set(".ndgswrkc")
    shapes = {"n": ".ring", "d": ".tick", "g": ".back"}
    for mark, shape in shapes.items():
        assert style[shape]["display"] == "none"
        assert style[f"[data-is={mark}] {shape}"]["display"] == "inline"
    words = [style[f"[data-is={mark}]::after"]["content"] for mark in "swrkc"]
    assert len(set(words)) == 5 and all(len(word) > 4 for word in words)
    assert style[".pale .box"]["stroke-dasharray"] and "dashed" in seen.text["key"]
    assert "dashed" not in page_of("naive").text["key"]
    for role in ("latent", "answer", "muted", "wrong"):
        assert style[f".{role} .box"]["stroke"] == PALETTE[role]


def test_call_player_tells_its_story_in_plain_text_too():
    lines = repr(show.CallPlayer("hrm", title="two clocks")).split("\n")
    assert lines[:2] == ["CallPlayer two clocks", "6 calls, 2 with gradient"]
    assert lines[2] == "  1 z_L ← L(z_L + z_H + x)  no gradient"
    assert lines[-1] == "  6 z_H ← H(z_H + z_L)" and len(lines) == 8


def played(seen, acts):
    """What the parts of the picture are, and what is said, after each act."""
    parts = sum("data-is" in part for _, part in seen.elements)
    stage = STAGE.replace("STEPS", json.dumps(seen.root["data-calls"]))
    stage = stage.replace("root.dataset.steps", "root.dataset.calls")
    stage = stage.replace("ROWS", json.dumps([[["", ""]] * parts]))
    stage = stage.replace("START", seen.all("input")[0]["value"])
    # the page holds a step player too, whose script must not be in the way
    script = seen.text["script"] + Page(player()._repr_html_()).text["script"]
    acts = "".join(f"{act}; keep();" for act in acts)
    keep = "const kept = []; const keep = () => kept.push([cells.map(c => c.dataset.is).join('')"
    keep += ", status.textContent, +slider.value]);"
    code = stage + script + seen.text["script"] + keep + "keep();" + acts
    code += "console.log(JSON.stringify(kept));"
    done = subprocess.run(["node", "-"], input=code, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return [tuple(page) for page in json.loads(done.stdout)]


@needs_node
@pytest.mark.parametrize("model", MODELS)
def test_call_player_script_turns_all_pages(model):
    made = show.CallPlayer(model, **MODELS[model])
    pages = list(zip(made.marks, made.says, range(99), strict=False))
    assert played(page_of(model), ['press("ArrowRight")'] * len(pages)) == [*pages, pages[-1]]


@needs_node
@pytest.mark.parametrize(
    "act, page",
    [
        ('press("End")', 10),
        ('click("last"); click("back")', 9),
        ('click("next"); press("ArrowLeft")', 0),
        ("slider.value = 4; slider.on.input()", 4),
        ('press(" "); tick(); tick()', 2),
    ],
)
def test_call_player_is_steered_like_the_step_player(act, page):
    made = show.CallPlayer("hrm")
    assert played(page_of("hrm"), [act])[-1] == (made.marks[page], made.says[page], page)
