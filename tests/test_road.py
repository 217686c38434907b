"""The comparisons at equal compute: what the plan says runs, is kept, and is not run again."""

import json
import re
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
import road
from road_plan import PLAN, Arm, Experiment

from tinyrec.cost import cost
from tinyrec.models import build
from tinyrec.runs import load_run

ARMS = [
    pytest.param(plan, arm, id=f"{name}-{arm.replace(' ', '-')}")
    for name, plan in PLAN.items()
    for arm in plan.arms
]
NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
TINY = Experiment(
    (4,),
    "Does it run?",
    1e-6,  # so small that each arm takes the least number of steps
    {
        "naive": Arm("naive", {"width": 16, "segments": 2}, {"batch": 4}),
        "trm": Arm(
            "trm",
            {"width": 16, "layers": 1, "latent_steps": 1, "recursions": 1, "segments": 2,
             "prefix": 1, "multiple": 16},
            {"batch": 4},
        ),
    },
    data={"train": 20, "test": 10, "new_classes": 0},
    seeds=(0, 1),
)  # fmt: skip


@pytest.fixture
def planned(monkeypatch, tmp_path):
    monkeypatch.setitem(PLAN, "tiny", TINY)
    monkeypatch.setattr(road, "RESULTS", tmp_path)
    return tmp_path / "road-tiny.json"


def done(job):
    """A run as measured, by heart."""
    return job | {
        "exact": [0.25 + job["seed"] / 2], "steps": 10, "weights": 7, "calls": 1,
        "differentiated": 1, "flops": 5, "batch": 4, "seconds": 3, "history": [],
    }  # fmt: skip


@pytest.mark.parametrize("plan, arm", ARMS)
def test_every_arm_can_be_built_and_takes_at_least_some_steps(plan, arm):
    wanted = road.wanted(plan, arm, 0)
    model = build(wanted["model"], {"vocab": 8, "length": 36} | wanted["settings"])
    batch = wanted["training"].get("batch", load_run("sudoku-6x6").training.batch)
    assert wanted["budget"] * 1e12 / (cost(model).flops * batch) > 100
    assert len(plan.seeds) >= 3


def test_a_run_spends_its_budget_and_tells_all_that_is_needed_to_repeat_it(planned):
    job = road.wanted(replace(TINY, budget=1.5e-4), "trm", 1)
    run = road.measure(job)
    assert job.items() <= run.items()
    assert run["steps"] * run["batch"] * run["flops"] == pytest.approx(1.5e8, rel=0.05)
    assert len(run["exact"]) == 2 and run["puzzles"] == 10
    assert [entry["step"] for entry in run["history"]][-1] == run["steps"]
    assert {"device", "threads", "torch", "date", "precision", "seconds"} <= run.keys()
    assert json.loads(json.dumps(run)) == run


def test_runs_are_kept_one_by_one_and_not_run_again(planned, monkeypatch, capsys):
    asked = []

    def measure(job):
        asked.append((job["arm"], job["seed"]))
        if len(asked) == 3:
            raise RuntimeError("the machine went away")
        return done(job)

    monkeypatch.setattr(road, "in_a_process", measure)
    assert road.main(["tiny", "--side-by-side", "1"]) == 1
    assert len(json.loads(planned.read_text())["runs"]) == 3
    asked[:] = [None] * 3
    assert road.main(["tiny"]) == 0
    assert asked[3:] == [("naive", 1)]
    assert road.main(["tiny"]) == 0 and len(asked) == 4
    assert "trm: 2 seeds, 10 steps, 7 weights" in capsys.readouterr().out


def test_a_run_that_the_plan_no_longer_describes_is_forgotten(planned, monkeypatch):
    monkeypatch.setattr(road, "in_a_process", done)
    road.main(["tiny"])
    wider = {"trm": Arm("trm", TINY.arms["trm"].settings | {"width": 32}), **{
        "naive": TINY.arms["naive"]}}  # fmt: skip
    monkeypatch.setitem(PLAN, "tiny", replace(TINY, arms=wider))
    assert [run["arm"] for run in road.load("tiny")] == ["naive", "naive"]


def test_an_unknown_experiment_is_named(capsys):
    with pytest.raises(SystemExit):
        road.main(["tinny"])
    assert "unknown: tinny; expected naive, hrm" in capsys.readouterr().err


def test_every_comparison_that_a_chapter_shows_is_planned_and_on_record():
    shown = {
        name
        for path in NOTEBOOKS
        for cell in nbformat.read(path, as_version=4).cells
        for name in re.findall(r'show\.stored\("road-([\w-]+)"\)', cell.source)
    }
    assert shown == set(PLAN)
    missing = {
        name: left for name in PLAN if (left := len(road.jobs_of(name)) - len(road.load(name)))
    }
    assert not missing, f"runs to do, by experiment: {missing}; run make road"
