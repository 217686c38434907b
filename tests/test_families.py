"""A puzzle family is one module with a written contract; nothing above it names one."""

import ast
import inspect
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import toy_family
from tiny import on_any_machine, write_run

import tinyrec
from tinyrec.__main__ import main
from tinyrec.puzzles import families
from tinyrec.puzzles.families import FAMILIES, find

CONTRACT = {  # each name, with its arguments
    name: [argument.strip() for argument in (arguments or "").split(",") if argument]
    for name, arguments in re.findall(r"(?<![\w-])(\w+)\(([\w, ]+)\)", families.__doc__)
}
RUN = {
    "name": "toy",
    "family": "toy",
    "data": {"train": 600, "test": 50},
    "model": "trm",
    "settings": {
        "width": 32, "layers": 1, "latent_steps": 2, "recursions": 1, "segments": 2, "prefix": 1,
        "multiple": 32,
    },
    "training": {
        "steps": 120, "batch": 64, "optimizer": "adamw", "learning_rate": 5e-3, "weight_decay": 0.1,
        "warmup": 5, "cooldown": 60, "ema": 0.9, "loss": "softmax", "evaluate_every": 60,
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def the_same_everywhere(monkeypatch):
    on_any_machine(monkeypatch)


@pytest.fixture
def toy(monkeypatch):
    """The toy family, registered by its one line; notes which of its functions were called."""
    called = set()

    def noting(name, function):
        def call(*arguments):
            called.add(name)
            return function(*arguments)

        return call

    names = [*CONTRACT, "view"]
    parts = {name: noting(name, getattr(toy_family, name)) for name in names}
    monkeypatch.setitem(FAMILIES, "toy", SimpleNamespace(Data=toy_family.Data, **parts))
    return called


def call(capsys, *words) -> str:
    status = main([str(word) for word in words])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    return captured.out


def test_the_contract_is_read_from_the_page_that_states_it():
    assert len(CONTRACT) == 14 and CONTRACT["judge"] == ["x", "answers"]
    assert {"from_file", "make", "parse", "view", "read", "options", "write"} <= set(CONTRACT)


@pytest.mark.parametrize("family", [*FAMILIES.values(), toy_family], ids=lambda f: f.__name__)
def test_every_family_offers_every_name_of_the_contract(family):
    assert inspect.isclass(family.Data) and family.Data.__dataclass_params__.frozen
    for name, arguments in CONTRACT.items():
        function = getattr(family, name)
        if name in ("view", "official_score") and function is None:
            continue
        positional = [p for p in inspect.signature(function).parameters.values()]
        assert len(positional) == len(arguments) and callable(function), name
        if name != "view":
            assert [p.name for p in positional] == arguments, name


def test_a_toy_family_is_trained_evaluated_and_solved_by_the_command(capsys, tmp_path, toy):
    run, out, rows = write_run(tmp_path, RUN), tmp_path / "out", tmp_path / "rows.txt"
    assert "100 puzzles" in call(capsys, "data", "toy", "--count", 100, "--seed", 5, "--out", rows)
    call(capsys, "train", run, "--out", out)
    result = json.loads((out / "result.json").read_text())
    assert result["test"]["exact"] > 0.8 and result["run"]["family"] == "toy"
    card = (out / "card.md").read_text()
    assert result["test"]["score"]["first colour"] >= result["test"]["exact"]
    assert "first colour" in card
    assert "600 rows of colours" in card and "50 other rows" in card

    found = json.loads(call(capsys, "evaluate", "--model", out, "--data", rows))
    assert found["n"] == 100 and found["exact"] == found["turned"] > 0.8
    more = ("--attempts", 3, "--segments", 3)
    again = json.loads(call(capsys, "evaluate", "--model", out, "--data", rows, *more))
    assert again["attempts"] == 3 and again["turned"] == again["exact"]

    said = call(capsys, "solve", "rrgbyy", "--family", "toy", "--model", out)
    assert "< r r g b y y >" in said and re.search(r"^answer: [rgby.]{6}$", said, re.M)
    right = "answer: yybgrr" in said
    assert f"turned: {'yes' if right else 'no'}" in said and "note" not in said
    said = call(capsys, "solve", "rggggr", "--family", "toy", "--model", out)
    assert said.endswith("note: the row reads the same from both ends\n")

    other = tmp_path / "from_file"
    call(capsys, "train", run, "--out", other, "--data", rows, "--minutes", 0)
    assert toy == set(CONTRACT), "each function of the contract is there to be called"


def test_an_option_of_the_toy_family_is_offered_by_the_command(capsys, tmp_path, toy):
    rows = tmp_path / "rows.txt"
    call(capsys, "data", "toy", "--count", 20, "--out", rows, "--red")
    assert {text[0] for text in rows.read_text().split()} == {"r"}


def test_a_toy_puzzle_that_cannot_be_read_is_one_line(capsys, toy):
    for text, message in (
        ("rgx", "colour 3: 'x' is none of rgby"),
        ("rg", "expected 6 colours, found 2"),
        ("rgbyrg", "no shipped model reads toy puzzles of 6 cells; name a folder"),
    ):
        assert main(["solve", text, "--family", "toy"]) == 2
        assert capsys.readouterr().err == f"error: {message}\n"


def test_a_family_without_symmetries_gets_one_attempt(capsys, tmp_path, toy, monkeypatch):
    monkeypatch.setattr(FAMILIES["toy"], "view", None)
    run = write_run(tmp_path, RUN | {"training": {"steps": 2, "batch": 8}})
    call(capsys, "train", run, "--out", tmp_path / "out")
    words = ("solve", "rrgbyy", "--family", "toy", "--model", tmp_path / "out")
    said = call(capsys, *words, "--attempts", 5)
    assert "attempt 1, segment 2" in said and "attempt 2" not in said


def test_the_toys_views_can_be_turned_back():
    x = toy_family.different_rows(40, seed=1)
    image, back = toy_family.view(x, torch.Generator().manual_seed(0))
    assert torch.equal(back(image), x) and not torch.equal(image, x)
    assert toy_family.judge(image, image.flip(1))["turned"].all()


def test_an_unknown_family_is_named():
    for name in ("chess", None, ["sudoku"]):
        with pytest.raises(ValueError, match="unknown puzzle family .*; expected one of sudoku"):
            find(name)


def words_of(file: Path) -> set[str]:
    """Names and texts in a module's code; comments and docstrings may speak of anything."""
    tree, found = ast.parse(file.read_text()), set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            body[0].value = ast.Constant(None)
    for node in ast.walk(tree):
        for _, value in ast.iter_fields(node):
            found |= {part for part in (value if isinstance(value, list) else [value])
                      if isinstance(part, str)}  # fmt: skip
    return found


def test_nothing_above_the_puzzles_names_one():
    package = Path(tinyrec.__file__).parent
    files = [*package.glob("*.py"), *(package / "models").glob("*.py")]
    assert len(files) > 15
    for file in files:
        for word in words_of(file):
            named = re.search(f"(?<![a-z])({'|'.join(FAMILIES)})(?![a-z])", word, re.I)
            assert not named, f"{file.name} names a family: {word!r}"
    assert any("sudoku" in word for word in words_of(package / "puzzles" / "families.py"))
