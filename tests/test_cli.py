"""python -m tinyrec: what data, train, evaluate and convert do."""

import json
import shlex
from dataclasses import asdict

import pytest
import torch
from commands import Terminal, decided, decided_folder, puzzle_file, refused, said
from test_official import official_arch, official_weights, same_outputs
from tiny import changed, different, on_any_machine, write_run

from tinyrec.__main__ import main
from tinyrec.checkpoints import load, save, to_json
from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.files import read_csv, write_csv
from tinyrec.runs import load_run, make_data, presets

PUZZLE = "...3..4..31....4"


@pytest.fixture(autouse=True, scope="module")
def the_same_everywhere():
    with pytest.MonkeyPatch.context() as patch:
        on_any_machine(patch)
        yield


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
