"""A run: every part of its file counts, training puzzles are augmented, test puzzles are not."""

import json
from dataclasses import fields, replace

import pytest
import torch
import toy_family
from commands import puzzle_file
from tiny import RUN, changed, different, on_any_machine, timeless, write_run

from tinyrec.checkpoints import load
from tinyrec.puzzles.families import FAMILIES
from tinyrec.puzzles.sudoku import family as sudoku
from tinyrec.runs import Run, execute, load_run, make_data, make_model

SPEED = {"seconds", "seconds_with_tests"}


@pytest.fixture(autouse=True)
def the_same_everywhere(monkeypatch):
    on_any_machine(monkeypatch)


def ran(folder, run=RUN):
    """What a run leaves: its result without seconds, its weights, its card."""
    result = execute(load_run(str(write_run(folder, run))), folder / "out", "a command")
    stored = json.loads((folder / "out" / "result.json").read_text())
    assert stored == json.loads(json.dumps(result))
    stored["history"] = timeless(stored["history"])
    stored = {name: value for name, value in stored.items() if name not in SPEED}
    return stored, load(folder / "out").state_dict(), (folder / "out" / "card.md").read_text()


# --- every part of a run counts -------------------------------------------------------------------

RUN_PARTS = [
    ("name", "other"),
    ("family", "toy"),
    ("data", {"seed": 1}),
    ("model", "naive"),
    ("settings", {"width": 32}),
    ("training", {"seed": 1}),
    ("training", {"learning_rate": 0.01}),
    ("attempts", 3),
    ("note", "a remark"),
]


def test_no_part_of_a_run_is_without_its_test():
    assert {name for name, _ in RUN_PARTS} == {field.name for field in fields(Run)}


@pytest.mark.parametrize("name, value", RUN_PARTS, ids=str)
def test_every_part_of_a_run_changes_what_comes_of_it(tmp_path, monkeypatch, name, value):
    monkeypatch.setitem(FAMILIES, "toy", toy_family)
    other = changed(**{name: value})
    if name == "family":
        other["data"] = {"train": 40, "test": 20}
    if name == "model":
        other["settings"] = {"width": 16, "segments": 2}
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    (result, weights, said), (others, theirs, says) = (
        ran(tmp_path / "one"), ran(tmp_path / "two", other),
    )  # fmt: skip
    assert result.pop("run") != others.pop("run")
    if name in ("name", "note"):
        assert said != says and not different(weights, theirs)
    elif name == "attempts":
        assert result["test"] != others["test"] and not different(weights, theirs)
    else:
        assert different(weights, theirs) - {"start"} and result["history"] != others["history"]


def test_the_weights_seed_is_the_trainings_and_the_datas_its_own():
    run = load_run("sudoku-4x4")
    first, again, other = (make_model(load_run("sudoku-4x4", seed=seed)) for seed in (3, 3, 4))
    assert not different(first.state_dict(), again.state_dict())
    assert "start" in different(first.state_dict(), other.state_dict())
    assert load_run("sudoku-4x4", seed=3).data == run.data


BASE = sudoku.Data(size=4, train=20, test=10)
DATA_SETTINGS = [
    ("size", 6),
    ("train", 21),
    ("test", 11),
    ("clues", 7),
    ("rating", 2),
    ("new_classes", 1),
    ("revealed", 1.0),
    ("seed", 1),
    ("file", "puzzles.csv"),
]


def seen(data) -> dict:
    """All that training and tests see of it."""
    found = {}
    for name, puzzles in sudoku.make(data).items():
        found |= {f"{name}.x": puzzles.x, f"{name}.y": puzzles.y}
        found[f"{name}.drawn"] = puzzles.batch(8, 0, 0).x
    return found


def test_no_setting_of_the_data_is_without_its_test():
    assert {name for name, _ in DATA_SETTINGS} == {field.name for field in fields(sudoku.Data)}


@pytest.mark.parametrize("name, value", DATA_SETTINGS, ids=str)
def test_every_setting_of_the_data_changes_the_puzzles_and_their_description(tmp_path, name, value):
    if name == "file":
        value = str(puzzle_file(tmp_path / value))
    base = replace(BASE, size=6) if name == "rating" else BASE  # 4x4 knows no hard ones
    other = replace(base, **{name: value})
    moved = different(seen(base), seen(other))
    if name == "revealed":
        assert moved == {"train.drawn"}
    else:
        assert moved >= ({"test.x"} if name == "test" else {"train.x"})
    if name != "test":
        assert sudoku.describe(base) != sudoku.describe(other)


def test_a_description_promises_no_more_puzzles_than_a_file_has(tmp_path):
    data = sudoku.Data(size=4, train=500, test=10, file=str(puzzle_file(tmp_path / "f.csv")))
    assert len(sudoku.make(data)["train"]) < 60
    assert sudoku.describe(data)["train"].startswith("at most 500 Sudoku puzzles")


def test_which_puzzles_of_a_file_are_held_out_depends_on_the_seed(tmp_path):
    data = sudoku.Data(size=4, train=30, test=10, file=str(puzzle_file(tmp_path / "f.csv")))
    assert not different(seen(data), seen(data))
    assert "test.x" in different(seen(data), seen(replace(data, seed=1)))


def test_training_puzzles_are_augmented_and_test_puzzles_are_not():
    sets = make_data(load_run("sudoku-4x4"))
    for name, puzzles in sets.items():
        stored = {row.numpy().tobytes() for row in puzzles.x}
        drawn = [row.numpy().tobytes() for row in puzzles.batch(50, 0, 0).x]
        share = sum(row in stored for row in drawn) / 50
        assert share == 1 if name == "test" else share < 0.5
    first = [sets["train"].batch(8, 0, epoch * len(sets["train"]) // 8).x for epoch in range(2)]
    assert not torch.equal(*first)


def test_a_file_can_be_used_in_place_of_the_runs_own_puzzles(tmp_path):
    file = puzzle_file(tmp_path / "f.csv")
    run = load_run(str(write_run(tmp_path)), str(file))
    stored = {row.numpy().tobytes() for row in sudoku.read(file).x}
    sets = make_data(run)
    assert all(row.numpy().tobytes() in stored for puzzles in sets.values() for row in puzzles.x)
    assert len(sets["test"]) == 20 and run.training == load_run(str(tmp_path / "run.json")).training


def test_held_out_classes_are_measured_and_told_too(tmp_path):
    result, _, text = ran(tmp_path, changed(data=dict(test=10, new_classes=1)))
    assert result["test_new_classes"]["n"] == 10
    assert "10 puzzles of 1 solution classes that were held out of training" in text
