"""Paper and code: links lead to what they name, quotations are true, counted numbers are right."""

import ast
import json
import re
from types import SimpleNamespace

import code_links
import pytest
import torch
from chapter import ROOT
from tiny import eager_to_halt, small

from tinyrec.carry import draw_minimum, empty_carry, refill, segment
from tinyrec.cost import cost
from tinyrec.losses import segment_loss
from tinyrec.models import build
from tinyrec.models.hrm import HRM, HRMConfig
from tinyrec.models.trm import TRM, TRMConfig
from tinyrec.puzzles import Batch, stream
from tinyrec.runs import load_run

PAGE = ROOT / "book" / "paper_to_code.md"
TEXT = PAGE.read_text()


# ---- links and quotations ----


def test_links_into_the_code_lead_to_what_they_name_and_quotations_are_true(capsys):
    assert code_links.main(["--check"]) == 0, capsys.readouterr()


def test_no_link_of_the_page_into_a_source_escapes_the_check():
    assert (
        len(code_links.LINK.findall(TEXT)) == len(re.findall(r"main/tinyrec/\S+\.py", TEXT)) > 100
    )
    assert len(re.findall(r"\.py#L\d+(?:-L\d+)?\)", TEXT)) == len(code_links.LINK.findall(TEXT))


SOURCE = '''
SURE = 0.98

def first(x):
    """x + 3"""
    for i in range(
        3
    ):
        x = x + 1  # why
    if x | 1:
        return first(
            x,
            2,
        )

class Second:
    size: int = 3

    def first(self):
        return self.size
'''
ADDRESS = "https://github.com/tinyrec/tinyrec/blob/main/tinyrec/some.py"


@pytest.fixture
def book(tmp_path):
    """A project of one page and one source: write the page, call the tool, read the page."""
    for folder in ("book", "tinyrec"):
        (tmp_path / folder).mkdir()
    source, page = tmp_path / "tinyrec" / "some.py", tmp_path / "book" / "page.md"
    source.write_text(SOURCE)

    def call(text, *options):
        page.write_text(text)
        return code_links.main(options, tmp_path)

    return SimpleNamespace(call=call, source=source, page=page)


@pytest.mark.parametrize(
    "name, lines",
    [
        ("SURE", "#L2"),
        ("first", "#L4-L14"),
        ("Second", "#L16-L20"),
        ("Second.size", "#L17"),
        ("Second.first", "#L19-L20"),
    ],
)
def test_a_link_gets_the_lines_of_the_definition(book, name, lines):
    for old in ("", "#L1", "#L7-L9"):
        assert book.call(f"a [`{name}`]({ADDRESS}{old}) b") == 0
        assert book.page.read_text() == f"a [`{name}`]({ADDRESS}{lines}) b"


def test_lines_that_have_moved_are_told_and_then_renewed(book, capsys):
    book.call(f"[`Second.first`]({ADDRESS})")
    page = book.page.read_text()
    book.source.write_text("# new\n" + SOURCE)
    assert book.call(page, "--check") == 1
    assert "book/page.md: lines have moved" in capsys.readouterr().out
    assert book.page.read_text() == page
    assert book.call(page) == 0
    assert book.page.read_text() == page.replace("#L19-L20", "#L20-L21")


@pytest.mark.parametrize("name, file", [("third", "some"), ("Second.x", "some"), ("first", "gone")])
def test_a_name_that_is_not_there_is_told_with_page_and_line(book, capsys, name, file):
    text = f"one\n\n[`{name}`]({ADDRESS.replace('some', file)})"
    assert book.call(text) == 1
    err = capsys.readouterr().err
    assert err == f"book/page.md, line 3: there is no {name} in tinyrec/{file}.py\n"
    assert book.page.read_text() == text


@pytest.mark.parametrize(
    "code",
    [
        "x = x + 1",
        "return first(x, 2)",
        "first(x, 2)",
        r"if x \| 1:",
        "x = x + 1`, `first(x, 2)",
    ],
)
def test_a_true_quotation_is_left_in_peace(book, code):
    assert book.call(f"| [`first`]({ADDRESS}): `{code}` |") == 0


@pytest.mark.parametrize(
    "code, told",
    [
        ("x = x + 2", "x = x + 2"),
        ("x = x + 1`, `first(x, 3)", "first(x, 3)"),
        ("return self.size", "return self.size"),  # another definition says so
        ("x + 3", "x + 3"),  # only the docstring says so
        (r"if x \| 2:", "if x | 2:"),
        ("for i in", "for i in"),
        ("# why", "# why"),
        ("x = x + 1; x", "x = x + 1; x"),
    ],
)
def test_a_false_quotation_is_told_with_page_and_line(book, capsys, code, told):
    assert book.call(f"one\n[`first`]({ADDRESS}): `{code}`") == 1
    assert capsys.readouterr().err == f"book/page.md, line 2: first does not say `{told}`\n"


# ---- numbers that are counted ----


def says(sentence: str) -> None:
    assert sentence in TEXT, f"the page should say: {sentence}"


def weights(model) -> str:
    return f"{sum(p.numel() for p in model.parameters()):,}"


def test_weights_calls_and_operations_are_as_counted():
    hrm, plain = HRM(HRMConfig()), cost(HRM(HRMConfig(q_learning=False)))
    says(f"this is {weights(hrm)} weights")
    says(
        f"counts {plain.calls} calls in a segment, {plain.differentiated} of them differentiated, "
        f"and {cost(hrm).calls} in training"
    )
    trm = TRM(TRMConfig())
    paper, twice = cost(trm), cost(TRM(TRMConfig(q_learning=True)))
    says(
        f"{weights(trm)} weights, $T = 3$, $n = 6$, so {paper.calls} calls of the network in a "
        f"segment, {paper.differentiated} of them differentiated"
    )
    ratio = twice.flops / paper.flops
    says(f"from {paper.calls} to {twice.calls} calls and to {ratio:.2f} times the operations")
    less = {p: 1 - cost(TRM(TRMConfig(prefix=p))).flops / paper.flops for p in (1, 0)}
    says(
        f"costs {less[1]:.0%} fewer operations than with 16, and without one {less[0]:.0%} fewer"
        .replace("%", " %")
    )  # fmt: skip


def test_the_prefix_widens_the_mixer_as_told():
    inner = {
        prefix: TRM(TRMConfig(prefix=prefix)).network[0].token_mixer.down.weight.shape[1]
        for prefix in (0, 1, 16)
    }
    assert inner == {0: 256, 1: 256, 16: 512}
    settings = load_run("sudoku-6x6").settings | dict(vocab=8, length=36)
    assert settings["prefix"] == 1
    wide, preset = (cost(build("trm", settings | {"prefix": p})).flops for p in (16, 1))
    says(f"16 cost {wide / preset:.2f} times as much as 1")


def test_steps_follow_from_epochs():
    says(f"50,000 epochs are {50_000 * 1000 // 768:,} steps, 60,000 would be {60_000_000 // 768:,}")


def test_depths_of_table_3_are_as_told():
    says(r"$1 \cdot 2 \cdot 4 = 8$ and $1 \cdot 3 \cdot 2 = 6$")
    says("has 3 calls of 2 blocks")
    model = small(recursions=1, latent_steps=2, layers=2)
    assert (cost(model).calls, len(model.network)) == (3, 2)
    others = [(2, 2, 24, 20), (3, 3, 48, 42), (4, 4, 80, 72), (6, 3, 84, 78), (3, 6, 96, 84)]
    for k, t, hrm, trm in [*others, (6, 6, 168, 156)]:
        assert (t * (k + 1) * 4, t * (2 * k + 1) * 2) == (hrm, trm)


def mean_segments(model, puzzles: int) -> float:
    """How many segments a puzzle gets, under exploration drawn at every step."""
    tokens = torch.full((puzzles, 16), 2)
    batch = Batch(tokens, tokens, None)
    carry, total = refill(model, empty_carry(model, batch), batch), 0
    running = torch.ones(puzzles, dtype=torch.bool)
    for step in range(model.config.segments):
        minimum = draw_minimum(puzzles, model.config.segments, 0.1, stream(0, "test", step))
        with torch.no_grad():
            carry, _ = segment(model, carry, minimum)
        total += int(running.sum())
        running &= ~carry.halted
    return total / puzzles


def test_exploration_keeps_a_puzzle_about_as_long_as_told():
    once = 0.9 * 1 + 0.1 * sum(range(2, 17)) / 15
    anew, staying = 0.0, 1.0
    for m in range(1, 17):
        anew += staying
        staying *= 0.1 * (16 - m) / 15  # it explores, and drew more than m
    says(f"gives it {once:.2f} segments on average")
    says(f"and gets {anew:.2f}")
    model = eager_to_halt(small(segments=16, recursions=1, latent_steps=1))
    assert mean_segments(model, 20_000) == pytest.approx(anew, abs=0.01)


def test_without_q_learning_the_second_logit_has_no_gradient():
    says("the second logit's gradient is exactly zero")
    model = small(segments=4)
    tokens = torch.full((8, 16), 2)
    carry = empty_carry(model, Batch(tokens, tokens, None))
    loss, _ = segment_loss(*segment(model, refill(model, carry, carry.puzzles)))
    loss.backward()
    halt, proceed = model.heads.halt.weight.grad.abs().sum(-1)
    assert halt > 0 and proceed == 0 and model.heads.halt.bias.grad[1] == 0


def test_stopping_early_does_to_accuracy_what_is_told():
    says("loses accuracy with the rule of training, and next to nothing with `SURE`")
    stopping = json.loads((ROOT / "book/results/bench-stopping.json").read_text())["models"]
    [found] = [model for model in stopping if model["model"] == "sudoku-6x6"]
    assert found["exact_from_half"] < found["exact_all_segments"] - 0.02
    assert found["exact_stopping"] == pytest.approx(found["exact_all_segments"], abs=0.005)


# ---- the measurement at desk size ----


def test_every_arm_of_the_script_on_the_page_runs_and_has_its_row():
    [script] = re.findall(r"(?ms)^```python\n(.*?)^```$", TEXT)
    names = {"__name__": "desk"}
    exec(script, names)
    rows = {arm: steps for arm, *steps in re.findall(ROW, TEXT)}
    assert list(rows) == list(names["ARMS"])
    ends = {arm: [int(steps) for steps in found] for arm, found in rows.items()}
    low, high = min(ends["the preset"]), max(ends["the preset"])
    others = sum((found for arm, found in ends.items() if arm != "the preset"), [])
    says(f"takes {low} to {high} steps, and with every change it")
    says(f"with every change it takes {min(others)} to {max(others)}")
    trained = []

    def one_step(training, tests, quiet):
        assert len(tests["test"]) == 100
        training.advance()
        trained.append(training)

    names["train"] = one_step
    for arm in names["ARMS"].values():
        assert names["steps_needed"](0, **arm) is None
    preset, *changed = (about(training) for training in trained)
    assert preset not in changed and len({str(one) for one in changed}) == len(changed)


ROW = r"(?m)^\| [^|]+ \| `([^`]+)` \| (\d+) \| (\d+) \| (\d+) \|$"


def about(training) -> tuple:
    """All in which one arm of the script can differ from another."""
    start, bias = training.model.start, training.average.heads.halt.bias
    return training.config, training.model.config, bool(start.any()), round(bias[0].item())


def test_an_attribute_is_found_where_it_is_set():
    code = "class A:\n    def __init__(self):\n        self.b, self.c = 1, 2"
    assert code_links.definition(ast.parse(code), "A.c").lineno == 3
    assert code_links.definition(ast.parse(code), "A.d") is None
