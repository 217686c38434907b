"""python -m tinyrec: each of its options counts; what data, train, evaluate and convert do."""

import json
import re
import shlex
import shutil
from dataclasses import asdict

import pytest
import torch
import toy_family
from commands import Terminal, decided, decided_folder, puzzle_file, refused, said
from test_official import official_arch, official_weights, same_outputs
from tiny import changed, different, on_any_machine, write_run

from tinyrec.__main__ import main, parser
from tinyrec.checkpoints import load, save, to_json
from tinyrec.puzzles.families import FAMILIES
from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.files import read_csv, write_csv
from tinyrec.runs import load_run, make_data, presets


@pytest.fixture(autouse=True, scope="module")
def the_same_everywhere():
    with pytest.MonkeyPatch.context() as patch:
        on_any_machine(patch)
        yield


# --- every option counts --------------------------------------------------------------------------

PUZZLE = "...3..4..31....4"  # solved: 1423324143122134
BASES = {
    "data sudoku": {"--size": 4, "--count": 5, "--out": "a.csv"},
    "train": {"run": "run.json", "--out": "out"},
    "evaluate": {"--model": "model", "--data": "four.csv"},
    "solve": {"puzzle": PUZZLE, "--model": "doubting"},
    "convert": {"official": "step_7", "--config": "arch.json", "--out": "out"},
}
OTHERS = [  # command, option, another value, and what must be given too for it to count
    ("data sudoku", "--size", 6, {}),
    ("data sudoku", "--clues", 7, {}),
    ("data sudoku", "--count", 6, {}),
    ("data sudoku", "--seed", 1, {}),
    ("data sudoku", "--out", "b.csv", {}),
    ("train", "run", "other.json", {}),
    ("train", "--out", "elsewhere", {}),
    ("train", "--seed", 1, {}),
    ("train", "--data", "four.csv", {}),
    ("train", "--resume", True, {"--out": "half"}),
    ("train", "--minutes", 0, {}),
    ("evaluate", "--model", "another", {}),
    ("evaluate", "--data", "more.csv", {}),
    ("evaluate", "--family", "toy", {}),
    ("evaluate", "--limit", 7, {}),
    ("evaluate", "--segments", 2, {}),
    ("evaluate", "--stop-early", True, {}),
    ("evaluate", "--attempts", 2, {"--stop-early": True}),
    ("evaluate", "--seed", 1, {"--attempts": 2}),
    ("solve", "puzzle", PUZZLE.replace("1", "."), {}),
    ("solve", "--model", "another", {}),
    ("solve", "--family", "toy", {}),
    ("solve", "--segments", 2, {}),
    ("solve", "--attempts", 1, {}),
    ("solve", "--seed", 1, {}),
    ("solve", "--verbose", True, {}),
    ("convert", "official", "step_8", {}),
    ("convert", "--config", "longer.json", {}),
    ("convert", "--out", "elsewhere", {}),
]


def options_of(of) -> dict[str, set[str]]:
    """Every command of a parser, with the names of what it can be told."""
    found = {}
    for name, command in of._subparsers._group_actions[0].choices.items():
        if command._subparsers:
            found |= {f"{name} {inner}": names for inner, names in options_of(command).items()}
        else:
            names = {(action.option_strings or [action.dest])[-1] for action in command._actions}
            found[name] = names - {"--help"}
    return found


def test_no_option_is_without_its_test():
    listed = {command: {name for c, name, *_ in OTHERS if c == command} for command in BASES}
    assert options_of(parser()) == listed


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with all that the commands above read."""
    folder = tmp_path_factory.mktemp("prepared")
    run = changed(data=dict(train=30, test=10))
    write_run(folder, run)
    write_run(folder, changed(run, settings=dict(width=32)), "other.json")
    main(["train", str(folder / "run.json"), "--out", str(folder / "half"), "--minutes", "0"])
    puzzle_file(folder / "four.csv", 40)
    puzzle_file(folder / "more.csv", 40, seed=8)
    for number, name in enumerate(("model", "another")):
        decided_folder(folder / name, number)
        torch.save(official_weights(decided(number, puzzles=2)), folder / f"step_{7 + number}")
    decided_folder(folder / "doubting", boldness=0.3)
    for name, segments in ("arch.json", 3), ("longer.json", 4):
        arch = official_arch(decided(puzzles=2, segments=segments))
        (folder / name).write_text(json.dumps(arch))
    return folder


def outcome(prepared, folder, capsys, monkeypatch, command, options) -> dict:
    """What a command returns, says and leaves, but for times."""
    capsys.readouterr()
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    words = command.split()
    for name, value in options.items():
        words += [name] if name.startswith("--") else []
        words += [] if value is True else [str(value)]
    status, said = main(words), capsys.readouterr()
    found = {"status": status, "out": said.out, "err": said.err if status else ""}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        binary = path.suffix == ".safetensors" or path.name.startswith("step")
        found[str(path.relative_to(folder))] = path.read_bytes() if binary else path.read_text()
    return {name: timeless(said) for name, said in found.items()}


def timeless(said):
    if not isinstance(said, str):
        return said
    said = re.sub(r'"seconds(_with_tests)?": [\d.]+', "seconds", said)
    return re.sub(r"\d+ s (of training|with its)", "seconds", said)


@pytest.mark.parametrize("command, option, value, more", OTHERS, ids=str)
def test_every_option_changes_what_a_command_says_or_leaves(
    prepared, tmp_path, capsys, monkeypatch, command, option, value, more
):
    monkeypatch.setitem(FAMILIES, "toy", toy_family)
    base = BASES[command] | more
    one, again, other = (
        outcome(prepared, tmp_path / name, capsys, monkeypatch, command, options)
        for name, options in (("one", base), ("again", base), ("other", base | {option: value}))
    )
    assert one == again and one != other
    assert one["status"] == 2 if option == "--resume" else one["status"] == 0
    assert other["status"] == 2 if option == "--family" else other["status"] == 0


# --- data -----------------------------------------------------------------------------------------


def test_data_writes_puzzles_that_can_be_read_again(capsys, tmp_path):
    out = tmp_path / "four.csv"
    words = ("data", "sudoku", "--size", 4, "--count", 12, "--seed", 5, "--out", out)
    assert said(capsys, *words) == f"12 puzzles -> {out}\n"
    puzzles, solutions, ratings = read_csv(out)
    assert puzzles.shape == (12, 16) and (ratings >= 0).all()
    assert rules.is_solution(puzzles, solutions).all()
    said(capsys, *words, "--seed", 6)
    assert (read_csv(out)[0] != puzzles).any()


def test_data_with_a_chosen_number_of_clues(capsys, tmp_path):
    out = tmp_path / "six.csv.gz"
    said(capsys, "data", "sudoku", "--size", 6, "--count", 5, "--clues", 14, "--out", out)
    assert (read_csv(out)[0] > 0).sum(1).tolist() == [14] * 5


# --- train ----------------------------------------------------------------------------------------


def train(capsys, *words) -> str:
    """Its output; a progress bar stands in its errors."""
    status = main(["train", *(str(word) for word in words)])
    assert status == 0
    return capsys.readouterr().out


def test_train_writes_a_model_its_config_and_its_result_and_prints_it(capsys, tmp_path):
    out = tmp_path / "out"
    printed = train(capsys, write_run(tmp_path), "--out", out, "--seed", 7)
    assert load(out).config.width == 16
    result = json.loads((out / "result.json").read_text())
    assert json.loads(printed[printed.index("{") :]) == result
    assert result["run"]["training"]["seed"] == 7
    assert result["steps"] == 4 and result["test"]["n"] == 20
    assert {path.name for path in out.iterdir()} == {
        "model.safetensors", "config.json", "result.json", "card.md",
    }  # fmt: skip


def test_the_command_in_a_result_gives_the_same_weights_again(capsys, tmp_path):
    """With a data file and a seed, and a space in every path."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    data, run = puzzle_file(folder / "my puzzles.csv"), write_run(folder, name="my run.json")
    train(capsys, run, "--out", folder / "one", "--seed", 3, "--data", data)
    result = json.loads((folder / "one" / "result.json").read_text())
    python, flag, package, command, *words = shlex.split(result["command"])
    assert (python, flag, package, command) == ("python", "-m", "tinyrec", "train")
    train(capsys, *words, "--out", folder / "two")
    one, two = (load(folder / name).state_dict() for name in ("one", "two"))
    assert not different(one, two)
    assert result["run"]["data"]["file"] == str(data)
    assert f"from {data}" in (folder / "one" / "card.md").read_text()


def test_a_run_may_give_each_test_puzzle_several_attempts(capsys, tmp_path):
    out = tmp_path / "out"
    train(capsys, write_run(tmp_path, changed(attempts=3)), "--out", out)
    test = json.loads((out / "result.json").read_text())["test"]
    assert test["attempts"] == 3 and test["segments_run"] == 3 * 2  # never sure, so early
    assert "in up to 3 attempts of up to 2 segments" in (out / "card.md").read_text()


@pytest.mark.parametrize("name", presets())
def test_every_preset_is_a_run(tmp_path, name):
    run = load_run(name)
    assert run.name == name
    assert load_run(str(write_run(tmp_path, json.loads(to_json(asdict(run)))))) == run


# --- evaluate -------------------------------------------------------------------------------------


def evaluate(capsys, *words) -> dict:
    out = said(capsys, "evaluate", *words)
    assert out.count("\n") == 1
    return json.loads(out)


@pytest.mark.parametrize("segments", [1, 3])
def test_a_model_is_evaluated_with_its_own_number_of_segments_as_on_its_card(
    capsys, tmp_path, monkeypatch, segments
):
    """With fresh weights that decide, so that another number of segments gives other answers."""
    monkeypatch.setattr("tinyrec.runs.make_model", lambda run: decided(segments=segments))
    slow = dict(steps=1, learning_rate=1e-6)
    run = changed(data=dict(test=40, clues=7), settings=dict(segments=segments), training=slow)
    train(capsys, write_run(tmp_path, run), "--out", tmp_path / "out")
    test = make_data(load_run(str(tmp_path / "run.json")))["test"]
    file = tmp_path / "test.csv"
    write_csv(file, rules.decode(test.x), rules.decode(test.y), [0] * 40)
    words = ("--model", tmp_path / "out", "--data", file)
    found = evaluate(capsys, *words)
    result = json.loads((tmp_path / "out" / "result.json").read_text())["test"]
    assert found["segments"] == found["segments_run"] == result["segments"] == segments
    shared = found.keys() & result.keys()
    assert {"exact", "cell", "interval_95", "n", "attempts"} < shared
    assert {name: found[name] for name in shared} == {name: result[name] for name in shared}
    assert f"{found['cell']:.2%} of the cells" in (tmp_path / "out" / "card.md").read_text()
    assert evaluate(capsys, *words, "--segments", 2)["cell"] != found["cell"]


@pytest.mark.parametrize("more", [[], ["--attempts", 2]], ids=str)
def test_evaluate_shows_its_progress_on_a_terminal_and_nowhere_else(
    capsys, tmp_path, monkeypatch, more
):
    words = ["--model", decided_folder(tmp_path / "model"), "--data", puzzle_file(tmp_path / "f")]
    assert evaluate(capsys, *words, *more)["n"] == 60
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen.file)
    assert evaluate(capsys, *words, *more)["n"] == 60
    assert "100%" in screen.shown()


@pytest.mark.parametrize("name, size", [("sudoku-4x4", 4), ("sudoku-6x6", 6)])
def test_the_shipped_models_stop_early_and_lose_nothing(capsys, tmp_path, name, size):
    words = ("--model", name, "--data", puzzle_file(tmp_path / "f.csv", 50, size))
    full, early = evaluate(capsys, *words), evaluate(capsys, *words, "--stop-early")
    assert full["segments_run"] == 16 and 1 <= early["segments_run"] < 8
    assert abs(full["exact"] - early["exact"]) <= 0.1 and full["valid"] > 0.8


# --- convert --------------------------------------------------------------------------------------


def test_a_converted_checkpoint_is_evaluated_and_solves_as_the_model_it_came_from(capsys, tmp_path):
    model, out = decided(puzzles=3), tmp_path / "out"
    torch.save(official_weights(model), tmp_path / "step_7")
    (tmp_path / "arch.json").write_text(json.dumps(official_arch(model)))
    words = ("convert", tmp_path / "step_7", "--config", tmp_path / "arch.json", "--out", out)
    assert said(capsys, *words) == f"{tmp_path / 'step_7'} -> {out}\n"
    same_outputs(load(out), model)
    save(model, tmp_path / "ours")
    data = puzzle_file(tmp_path / "f.csv")
    ours, theirs = (
        evaluate(capsys, "--model", folder, "--data", data) | {"seconds": None}
        for folder in (tmp_path / "ours", out)
    )
    assert ours == theirs
    ours, theirs = (
        said(capsys, "solve", PUZZLE, "--model", folder) for folder in (tmp_path / "ours", out)
    )
    assert ours == theirs


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "result.json"])
def test_convert_does_not_overwrite_what_is_there(capsys, tmp_path, name):
    model, out = decided(puzzles=3), tmp_path / "out"
    torch.save(official_weights(model), tmp_path / "step_7")
    (tmp_path / "arch.json").write_text(json.dumps(official_arch(model)))
    out.mkdir()
    (out / name).write_text("mine")
    words = ("convert", tmp_path / "step_7", "--config", tmp_path / "arch.json", "--out", out)
    assert f"{out}: holds a {name} already" in refused(capsys, *words)
    assert (out / name).read_text() == "mine" and len(list(out.iterdir())) == 1
