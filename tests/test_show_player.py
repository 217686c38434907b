"""The step player, the box to type a puzzle into, and what a model answers segment by segment."""

import html
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from shown import ANSWERS, PUZZLE, SOLUTION, ByHeart, Q, add_toy

from tinyrec import show
from tinyrec.puzzles.sudoku import rules
from tinyrec.show.controls import PALETTE


class Page(HTMLParser):
    """A player as a browser reads it."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.rows, self.text = [], [], {}
        self.open = []
        self.feed(text)
        assert not self.open, f"{self.open} are left open"

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.elements.append((tag, attributes))
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append([attributes.get("class"), ""])
        if tag not in ("input", "br"):
            self.open.append((tag, attributes.get("class") or attributes.get("data-go") or tag))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        tag, name = self.open[-1]
        if tag == "td":
            self.rows[-1][-1][1] += data
        else:
            self.text[name] = self.text.get(name, "") + data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def root(self):
        return self.all("div")[0]

    @property
    def steps(self):
        return json.loads(self.root["data-steps"])

    @property
    def rules(self):
        """The style: what follows the player's id in a selector -> declarations."""
        style = re.sub(r"/\*.*?\*/", "", self.text["style"], flags=re.DOTALL)
        found = {}
        for selectors, body in re.findall(r"([^{}]+){([^{}]*)}", style):
            for selector in re.split(r",(?![^(]*\))", selectors):
                mine = selector.strip().removeprefix("#" + self.root["id"])
                assert mine != selector.strip(), f"{selector} reaches beyond the player"
                said = (part.split(":", 1) for part in body.split(";"))
                found[mine.strip()] = {key.strip(): value.strip() for key, value in said}
        return found


def player(**changes):
    return show.StepPlayer(
        **(
            dict(puzzle=PUZZLE, answers=ANSWERS, solution=SOLUTION, q=Q, title="a <b>6x6</b>")
            | changes
        )
    )


def page(**changes):
    return Page(player(**changes)._repr_html_())


def test_player_embeds_the_steps_it_was_given():
    steps = page().steps
    frames = [[int(sign.replace(".", "0")) for sign in grid] for grid in steps["grids"]]
    assert frames == [PUZZLE.tolist(), *ANSWERS.tolist()]
    signs = [{i: int(m) for i, m in enumerate(row) if m != "0"} for row in steps["marks"]]
    assert signs == [{}, {1: 1, 2: 1}, {1: 1, 2: 2}, {1: 2}, {}, {}]
    assert [text.replace("\xa0", " ") for text in steps["says"]] == [
        "the puzzle · 12 of 36 cells given",
        "segment 1 of 5 · 34 of 36 cells right · says solved: 0 %",
        "segment 2 of 5 · 35 of 36 cells right · says solved: 12 %",
        "segment 3 of 5 · 36 of 36 cells right · says solved: 50 %",
        "segment 4 of 5 · 36 of 36 cells right · says solved: 88 %",
        "segment 5 of 5 · 36 of 36 cells right · says solved: 100 %",
    ]
    few = page(solution=None, q=None).steps
    assert few["says"][2] == "segment\xa02\xa0of\xa05"
    assert set("".join(few["marks"])) == {"0", "2"}


def test_player_shows_its_last_step_before_its_script_runs():
    seen = page(answers=ANSWERS[:2], q=Q[:2])
    assert [len(row) for row in seen.rows] == [6] * 6
    cells = [tuple(cell) for row in seen.rows for cell in row]
    marked = {1: "wrong", 2: "changed"}
    names = ["given" if digit else marked.get(cell) for cell, digit in enumerate(PUZZLE)]
    assert cells == list(zip(names, map(str, ANSWERS[1]), strict=True))
    labels = [cell.get("aria-label") for cell in seen.all("td")]
    assert {cell: label for cell, label in enumerate(labels) if label} == {
        1: f"{ANSWERS[1, 1]}, wrong", 2: f"{ANSWERS[1, 2]}, changed"
    }  # fmt: skip
    assert seen.text["status"].startswith("segment 2 of 2 · 35 of 36")
    assert_nothing_dead(seen)
    assert (
        seen.text["title"] == "a <b>6x6</b>"
        and seen.root["aria-label"] == "Step player a <b>6x6</b>"
    )
    assert "https:" not in player()._repr_html_() and "http:" not in player()._repr_html_()


def assert_nothing_dead(seen):
    """What needs the script waits for it, also where a notebook's reader drops the style; there,
    and nowhere else, a line says what is missing.
    """
    waits = [part.get("class", name) for name, part in seen.elements if "hidden" in part]
    assert waits == ["controls", "input", "keys"]
    assert seen.rules["[hidden]"] == seen.rules[".bare"] == {"display": "none"}
    assert "Run this cell" in seen.text["bare"]


@pytest.mark.parametrize("side, rows, columns", [(4, 2, 2), (6, 2, 3), (9, 3, 3)])
def test_player_draws_thick_lines_round_the_boxes(side, rows, columns):
    style = page(puzzle=[0] * side**2, answers=[[1] * side**2], solution=None, q=None).rules
    thick = {selector for selector, said in style.items() if re.search(r"\dn\)", selector)}
    assert thick == {f"td:nth-child({columns}n)", f"tr:nth-child({rows}n) td"}
    assert style[f"td:nth-child({columns}n)"] == {"border-right": f"3px solid {PALETTE['ink']}"}
    assert style[f"tr:nth-child({rows}n) td"] == {"border-bottom": f"3px solid {PALETTE['ink']}"}
    assert style["table"]["border"] == f"3px solid {PALETTE['ink']}"
    assert f"/ {side})" in style["table"]["font-size"]


def test_player_colours_by_role():
    style = page().rules
    assert style["td"]["color"] == PALETTE["answer"]
    assert style[".given"] == {"color": PALETTE["question"], "font-weight": "bold"}
    assert style[".wrong::after"]["border"].endswith(PALETTE["wrong"])
    assert style[".changed::before"]["border"].endswith(PALETTE["changed"])
    assert style[".wrong"]["background"] not in ("", "#fff")
    assert style["td"]["color"].startswith("light-dark(#")  # it follows the page into the dark
    for mark in (".wrong::after", ".changed::before"):
        assert style[mark]["content"] == '""' and style[mark]["position"] == "absolute"


def test_player_explains_its_marks():
    assert page().text["key"] == "ring: changed in this stepcorner triangle: wrong"
    assert page().text["keys"] == "keys: left, right, space"
    assert "wrong" not in page(solution=None).text["key"]


def test_player_is_deterministic_and_does_not_clash():
    first, again, other = (player(title=title)._repr_html_() for title in ("a", "a", "b"))
    assert first == again and repr(player(title="a")) == repr(player(title="a"))
    first, other = Page(first), Page(other)
    assert first.root["id"] != other.root["id"]
    assert len(first.rules) > 10 and first.rules.keys() == other.rules.keys()


def test_player_controls_are_labelled():
    seen = page()
    buttons = [button["data-go"] for button in seen.all("button")]
    assert buttons == ["first", "back", "play", "next", "last"]
    assert [seen.text[go] for go in buttons] == [go.title() for go in buttons]
    assert all(button["type"] == "button" for button in seen.all("button"))
    (slider,) = seen.all("input")
    shown = dict(type="range", min="0", max="5", value="5", hidden=None)
    assert slider == shown | {"aria-label": "Step"}
    assert seen.all("table") == [{"aria-label": "Sudoku grid"}]
    assert seen.root["role"] == "group"
    (status,) = (p for p in seen.all("p") if p["class"] == "status")
    assert status["role"] == "status" and status["aria-live"] == "polite"


def test_player_is_small():
    few, many = np.ones((1, 81), int), np.tile(np.arange(81) % 9 + 1, (16, 1))
    text = show.StepPlayer(many[0], many, many[0], np.zeros(16))._repr_html_()
    assert len(text.encode()) < 13_000
    one = show.StepPlayer(few[0] * 0, few, few[0], np.zeros(1))._repr_html_()
    assert len(text.encode()) - len(one.encode()) < 8_000


def test_player_tells_its_story_in_plain_text_too():
    lines = repr(player(title="mine")).split("\n")
    assert lines[0] == "StepPlayer mine"
    assert lines[1] == "the puzzle · 12 of 36 cells given"
    assert lines[2] == "segment 5 of 5 · 36 of 36 cells right · says solved: 100 %"
    assert lines[3] == "1 . . 4 . .    1 2 3 4 5 6" and len(lines) == 9


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(puzzle=PUZZLE[:35]), "16, 36 or 81"),
        (dict(answers=ANSWERS[:, :35]), r"answers is \(5, 35\): expected \(segments, 36\)"),
        (dict(answers=SOLUTION), r"answers is \(36,\)"),
        (dict(q=Q[:4]), r"q is \(4,\): expected \(5,\)"),
        (dict(solution=SOLUTION[:9]), r"solution is \(9,\): expected \(36,\)"),
        (dict(answers=ANSWERS + 1), r"values 0\.\.7: expected 0\.\.6"),
    ],
)
def test_player_says_what_does_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        player(**changes)


def test_player_shows_another_family(monkeypatch):
    add_toy(monkeypatch)
    toy = player(puzzle=[1, 0, 0, 0, 0, 2], answers=[[1, 1, 2, 2, 2, 2]], solution=None, q=None,
                 title="it's", family="toy")  # fmt: skip
    seen = Page(toy._repr_html_())
    assert [[sign for _, sign in row] for row in seen.rows] == [["<", "<", "'"], ["'", "'", "'"]]
    assert seen.steps["grids"] == ["<....'", "<<''''"]
    assert seen.all("table") == [{"aria-label": "Toy grid"}]
    assert '<td class="given">&lt;</td>' in toy._repr_html_()
    assert repr(toy).split("\n")[3:] == ["< . .    < < '", ". . '    ' ' '"]


# A page with nothing but the player's elements, enough to run its script.
STAGE = """
const element = own => ({dataset: {}, attributes: {}, marks: new Set(), on: {}, ...own,
  classList: {}, setAttribute(k, v) { this.attributes[k] = v; },
  removeAttribute(k) { delete this.attributes[k]; },
  addEventListener(k, f) { if (this.on[k]) throw "it starts twice"; this.on[k] = f; },
  matches(name) { return this.tag === name; }});
const cells = ROWS.flat().map(([name, text]) => {
  const cell = element({textContent: text});
  cell.classList.toggle = (mark, on) => cell.marks[on ? "add" : "delete"](mark);
  return cell;
});
const status = element(), slider = element({value: START}), play = element();
const root = element({querySelectorAll: () => cells,
  querySelector: name => ({".status": status, input: slider}[name] ?? play)});
root.dataset.steps = STEPS;
globalThis.document = {querySelectorAll: () => "ready" in root.dataset ? [] : [root]};
globalThis.matchMedia = () => ({matches: false});
let tick; globalThis.setInterval = f => { tick = f; return 1; };
globalThis.clearInterval = () => { tick = null; };
const seen = [];
const note = () => seen.push({step: +slider.value, grid: cells.map(c => c.textContent),
  wrong: [...cells.keys()].filter(i => cells[i].marks.has("wrong")),
  changed: [...cells.keys()].filter(i => cells[i].marks.has("changed")),
  labels: Object.fromEntries(cells.map((c, i) => [i, c.attributes["aria-label"]])),
  told: [status.textContent, slider.attributes["aria-valuetext"]],
  button: play.textContent, runs: Boolean(tick)});
const press = (key, target = root) => { root.on.keydown({key, target, preventDefault() {},
  stopPropagation() {}}); note(); };
const click = go => { root.on.click({target: {dataset: {go}}}); note(); };
"""


def played(seen, acts):
    """What the page shows after each act."""
    stage = STAGE.replace("STEPS", json.dumps(seen.root["data-steps"]))
    stage = stage.replace("ROWS", json.dumps(seen.rows))
    stage = stage.replace("START", seen.all("input")[0]["value"])
    script = seen.text["script"]
    code = stage + script + script + "note();" + acts + "console.log(JSON.stringify(seen));"
    done = subprocess.run(["node", "-"], input=code, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def test_the_script_starts_every_player_that_does_not_run():
    script = page().text["script"]
    assert '"[id^=tinyrec-][data-steps]:not([data-ready])"' in script
    assert page().root["id"].startswith("tinyrec-") and "data-ready" not in page().root


@needs_node
def test_player_script_shows_digits_marks_and_words_of_its_step():
    frames = played(page(), 'press("Home");' + 'press("ArrowRight");' * 5)[1:]
    assert [frame["step"] for frame in frames] == list(range(6))
    grids = [PUZZLE, *ANSWERS]
    wrong = [[], [1, 2], [1], [], [], []]
    changed = [[], [], [2], [1], [], []]
    for step, frame in enumerate(frames):
        assert frame["grid"] == [str(digit) if digit else "" for digit in grids[step]]
        assert frame["wrong"] == wrong[step] and frame["changed"] == changed[step]
        assert frame["told"] == [page().steps["says"][step]] * 2
    labels = [frame["labels"] for frame in frames]
    one, two = SOLUTION[1:3]
    assert labels == [
        {},
        {"1": f"{one % 6 + 1}, wrong", "2": f"{two % 6 + 1}, wrong"},
        {"1": f"{one % 6 + 1}, wrong", "2": f"{two}, changed"},
        {"1": f"{one}, changed"},
        {},
        {},
    ]


@needs_node
def test_a_cell_can_be_wrong_changed_and_blank_at_once():
    answers = ANSWERS[:2].copy()
    answers[1, 4] = 0
    frame = played(page(answers=answers, q=None), 'press("End");')[-1]
    assert 4 in frame["wrong"] and 4 in frame["changed"]
    assert frame["labels"]["4"] == "blank, wrong, changed" and frame["grid"][4] == ""


@needs_node
@pytest.mark.parametrize(
    "acts, steps",
    [
        ('press("ArrowRight"); press("ArrowLeft"); press("ArrowLeft");', [1, 0, 0]),
        ('press("End"); press("ArrowRight"); press("Home");', [5, 5, 0]),
        ('press("ArrowRight", slider); press("x");', [0, 0]),  # the slider has keys of its own
        ('slider.value = 2; slider.on.input(); note(); click("next");', [2, 3]),
        ('click("last"); click("back"); click("first"); click(undefined);', [5, 4, 0, 0]),
        ('press(" "); tick(); note(); press(" ");', [0, 1, 1]),
        ('press(" ", element({tag: "button"}));', [0]),  # a button has its own space
        ('click("last"); click("play"); tick(); note();', [5, 0, 1]),
        ('press(" "); tick(); tick(); note(); click("back");', [0, 2, 1]),
    ],
)
def test_player_script_turns_the_pages(acts, steps):
    frames = played(page(), 'press("Home");' + acts)
    assert [frame["step"] for frame in frames] == [5, 0, *steps]


@needs_node
def test_player_script_plays_until_the_end_and_can_pause():
    frames = played(page(), 'click("play"); tick(); note(); click("play");')
    assert [frame["runs"] for frame in frames] == [False, True, True, False]
    assert [frame["button"] for frame in frames[1:]] == ["Pause", "Pause", "Play"]
    end = played(page(), 'click("play");' + "tick();" * 5 + "note();")[-1]
    assert end["step"] == 5 and not end["runs"] and end["button"] == "Play"


# --- what a model answers --------------------------------------------------

TOKENS = rules.encode(ANSWERS)
BOTH = torch.stack([torch.tensor(Q), torch.arange(5.0).double()], 1)  # halt, continue


def test_thinking_gives_digits_and_q_after_every_segment():
    model = ByHeart(TOKENS, BOTH)
    answers, q = show.thinking(model, rules.encode(PUZZLE))
    assert answers.tolist() == ANSWERS.tolist() and q.tolist() == Q.tolist()
    assert [asked[0] for asked in model.asked] == [rules.encode(PUZZLE)[None].tolist()] * 5
    assert show.StepPlayer(PUZZLE, answers, SOLUTION, q).says == player().says


def test_thinking_takes_segments_precision_ids_and_both_kinds_of_q():
    model, ids = ByHeart(TOKENS, BOTH, q_learning=True), torch.tensor([7])
    answers, q = show.thinking(model, rules.encode(PUZZLE), 3, torch.bfloat16, ids)
    assert answers.tolist() == ANSWERS[:3].tolist()
    assert q.tolist() == (Q - np.arange(5))[:3].tolist()
    assert all(dtype is torch.bfloat16 and given is ids for _, dtype, given in model.asked)
    assert show.thinking(ByHeart(TOKENS), rules.encode(PUZZLE))[1] is None


# --- the box ---------------------------------------------------------------

TEXT = "\n".join("".join(str(d) if d else "." for d in row) for row in PUZZLE.reshape(6, 6))
SEVERAL = "The puzzle has more than one solution; "


def box(answers=TOKENS, **changes):
    return show.SolverWidget(**(dict(model=ByHeart(answers, BOTH), example=TEXT) | changes))


def say(widget, text):
    """What the box says to a text, and the players that it shows."""
    widget.text.value = text
    widget.button.click()
    shown = [output["data"]["text/html"] for output in widget.output.outputs]
    return html.unescape(re.sub("<[^>]*>", "", widget.message.value)), [Page(p) for p in shown]


def test_solver_answers_its_example_at_once():
    widget = box()
    assert widget.text.value == TEXT
    (output,) = widget.output.outputs
    expected = player(solution=None, title="your puzzle")
    assert output["data"]["text/html"] == expected._repr_html_()
    assert output["data"]["text/plain"] == repr(expected)
    assert widget.verdict == SEVERAL + "the last answer keeps the rules."
    assert widget.verdict in widget.message.value


def test_solver_says_whether_the_last_answer_keeps_the_rules():
    full = "".join(map(str, SOLUTION))
    assert say(box(), full)[0] == "The last answer keeps the rules."
    worse = box(TOKENS.flip(0))  # right at first, wrong in the end
    assert say(worse, full)[0] == "The last answer breaks the rules."
    other = rules.encode(SOLUTION % 6 + 1)[None].expand(5, -1)  # a solution, of another puzzle
    assert say(box(other), full)[0] == "The last answer breaks the rules."


def test_solver_reads_what_is_typed_and_says_what_is_wrong_with_it():
    widget = box()
    for text, message in (
        ("", "there is no puzzle: type one, such as the example"),
        (" \n", "there is no puzzle: type one, such as the example"),
        (TEXT.replace("4", "<", 1), "'<'"),
        (TEXT.replace("4", "1", 1), "row 1, column 4: digit 1 is repeated in its row"),
        ("." * 16, "this network reads 36 cells, the puzzle has 16"),
    ):
        said, shown = say(widget, text)
        assert message in said and not shown
        assert widget.message.value.startswith('<b role="alert">')
    said, (seen,) = say(widget, "." * 36)
    assert said.startswith("The grid is empty: no cell is given; the last answer")
    assert seen.steps["grids"][0] == "." * 36
    said, (seen,) = say(widget, TEXT.replace(".", "0"))
    assert seen.steps == page(solution=None).steps
    assert not said.startswith("The grid is empty")


def test_solver_runs_the_segments_and_the_precision_it_is_told():
    widget = box(segments=2, dtype=torch.bfloat16)
    assert widget.example.answers.tolist() == ANSWERS[:2].tolist()
    assert {dtype for _, dtype, _ in widget.model.asked} == {torch.bfloat16}


def test_solver_reads_and_judges_as_the_family_does(monkeypatch):
    add_toy(monkeypatch)
    answers = torch.tensor([[2, 3, 1, 1, 1, 3], [2, 3, 3, 3, 3, 3]])
    widget = box(model=ByHeart(answers, BOTH[:2]), example="<.. ..'", family="toy")
    assert widget.verdict == "A toy; the last answer keeps the rules."
    assert widget.example.grids == ["<....'", "<'...'", "<'''''"]
    widget = box(model=ByHeart(answers[:1], BOTH[:1]), example="<.. ..'", family="toy")
    assert widget.verdict == "A toy; the last answer breaks the rules."


def test_solver_shows_its_example_where_no_kernel_runs(monkeypatch):
    widget = box()
    say(widget, "0" * 36)
    bundle = widget._repr_mimebundle_()
    view = bundle["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == widget.panel.model_id
    assert bundle["text/html"].startswith(widget.example._repr_html_())
    assert f"<p>{SEVERAL}the last answer keeps the rules.</p>" in bundle["text/html"]
    assert "run this page as a notebook" in bundle["text/html"]
    assert "model_id" not in bundle["text/plain"] and "segment 5 of 5" in bundle["text/plain"]
    assert bundle["text/plain"].endswith("keeps the rules.")
    monkeypatch.setitem(sys.modules, "google.colab", object())
    assert "text/html" not in widget._repr_mimebundle_()
