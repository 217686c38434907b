"""What book/tools/arc.py keeps of an ARC model is what chapter 13 shows, counted by hand here."""

import json

import arc
import pytest
import torch
from tiny import changed, on_any_machine, write_run

from tinyrec.checkpoints import to_json
from tinyrec.puzzles.arc import family
from tinyrec.runs import execute, load_run, presets

SETTINGS = {"width": 32, "segments": 2, "puzzles": 46}
DATA = {"part": "training", "train": 0, "side": 3, "images": 2, "votes": 2}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        on_any_machine(patch)
        folder = tmp_path_factory.mktemp("arc")
        run = changed(family="arc", data=None, settings=SETTINGS) | {"data": DATA}
        result = execute(load_run(str(write_run(folder, run))), folder / "out", "a command")
        return result, json.loads(to_json(arc.measure(folder / "out")))


def test_every_question_is_there_with_its_answer_and_its_votes(measured):
    _, found = measured
    sets = family.make(family.Data(**DATA))
    asked = {family.line(x) for x in sets["test"].x}
    assert {entry["question"] for entry in found["grids"]} == asked
    assert len(found["grids"]) == len(sets["test"]) == 20
    for entry in found["grids"]:
        votes = [answer["votes"] for answer in entry["answers"]]
        assert votes == sorted(votes, reverse=True) and 1 <= sum(votes) <= 3
        right = entry["truth"] in [answer["grid"] for answer in entry["answers"]]
        assert right == entry["solved"]


def test_the_scores_are_those_of_the_run(measured):
    result, found = measured
    assert list(found["score"]) == ["1", "3"]
    assert found["score"]["3"] == list(result["votes"]["score"].values())
    assert found["ids"]["test"]["own"]["exact"] == result["test"]["exact"]
    assert found["ids"].keys() == {"test", "train"}
    assert found["crossed"]["own id"][1] == 20


def test_a_grid_that_is_none_is_no_line():
    assert arc.line(torch.zeros(9, dtype=torch.long)) == ""
    assert arc.line(torch.tensor([3, 1, 0, 1, 0, 0, 0, 0, 0])) == "1@3"


def test_the_small_preset_has_a_row_for_each_id():
    assert "arc-1-small" in presets()
    run = load_run("arc-1-small")
    assert run.settings["puzzles"] == len(family.choose(run.data).views.task)
