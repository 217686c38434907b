"""One small run from end to end: every number that it and `evaluate` report, computed again."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from by_hand import attempts_at, mean, segments_of, shares, surest
from tiny import changed, different, on_any_machine, timeless, write_run

from tinyrec import runs
from tinyrec.__main__ import main
from tinyrec.card import card
from tinyrec.checkpoints import PRETRAINED, load, load_model
from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.files import write_csv
from tinyrec.puzzles.sudoku.generate import generate
from tinyrec.runs import load_run, make_data, make_model
from tinyrec.train import Training, train

SEGMENTS = 3
SHIPPED = load_model("sudoku-6x6")
LITTLE = changed(
    data=dict(size=6, train=60, test=60),
    settings=json.loads((PRETRAINED / "sudoku-6x6" / "config.json").read_text())["run"]["settings"]
    | {"segments": SEGMENTS},
    training=dict(steps=6, batch=16, learning_rate=3e-3, ema=0.95, evaluate_every=3),
)


@pytest.fixture(scope="module", autouse=True)
def the_same_everywhere():
    with pytest.MonkeyPatch.context() as patch:
        on_any_machine(patch)
        yield


def begun(run):
    """The shipped weights, instead of fresh ones."""
    model = make_model(run)
    model.load_state_dict(SHIPPED.state_dict())
    return model


@pytest.fixture(scope="module")
def done(tmp_path_factory, the_same_everywhere):
    """A run, its folder, its result.

    It goes on from shipped weights at a high rate: the average still solves many of the puzzles in
    few segments, of some of them q is sure; the raw weights solve few.
    """
    folder = tmp_path_factory.mktemp("done")
    run = load_run(str(write_run(folder, LITTLE)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "make_model", begun)
        runs.execute(run, folder / "out", "a command")
    return run, folder / "out", json.loads((folder / "out" / "result.json").read_text())


def assert_is(found: dict, expected: dict, besides=()):
    """These numbers and no others."""
    assert set(found) == {*expected, *besides}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9), name


def test_the_saved_weights_are_the_averaged_ones_of_exactly_this_run(done):
    run, folder, result = done
    sets = make_data(run)
    training = Training(begun(run), sets["train"], run.training)
    train(training, {"test": sets["test"]}, quiet=True)
    saved = load(folder).state_dict()
    assert not different(saved, dict(training.averaged.state_dict()))
    assert different(saved, dict(training.model.state_dict()))
    assert timeless(training.history) == timeless(result["history"])
    assert [entry["step"] for entry in result["history"]] == [3, 6] and result["steps"] == 6


def test_the_result_of_all_segments(done):
    run, folder, result = done
    puzzles = make_data(run)["test"]
    answers, says = segments_of(load(folder), puzzles.x, SEGMENTS)
    expected = shares(answers[:, -1], puzzles.y)
    assert 0.1 < expected["exact"] < expected["cell"] < 1  # or a swap would go unnoticed
    until = [next((s + 1 for s in range(SEGMENTS) if q[s] > 0), SEGMENTS) for q in says]
    assert 1 < mean(until) < SEGMENTS
    expected |= {"segments": SEGMENTS, "segments_run": SEGMENTS, "segments_until_yes": mean(until)}
    expected["valid"] = expected["exact"]  # each has one solution
    assert_is(result["test"], expected | {"attempts": 1})
    assert result["history"][-1]["test"] == result["test"]["exact"]


def test_the_result_of_several_attempts(done):
    run, folder, _ = done
    run = replace(run, attempts=4)
    puzzles, model = make_data(run)["test"], load(folder)
    tried = attempts_at(model, puzzles.x, SEGMENTS, 4)
    assert {len(attempts) for attempts in tried} >= {1, 2, 4}
    expected = shares(surest(tried), puzzles.y) | {"segments": SEGMENTS, "attempts": 4}
    expected["segments_run"] = mean(sum(run for *_, run in attempts) for attempts in tried)
    expected["exact_first_attempt"] = mean(
        len(attempts) == 1 and torch.equal(attempts[0][1], y)
        for attempts, y in zip(tried, puzzles.y, strict=True)
    )
    assert expected["exact_first_attempt"] < expected["exact"]
    expected["valid"] = expected["exact"]
    assert_is(runs.test(model, puzzles, run, torch.float32), expected)


@pytest.mark.parametrize(
    "words, how",
    [
        ([], {}),
        (["--segments", "2"], dict(segments=2)),
        (["--limit", "25"], dict(limit=25)),
        (["--stop-early"], dict(attempts=1)),
        (["--attempts", "3", "--segments", "4"], dict(segments=4, attempts=3)),
        (["--attempts", "3", "--seed", "7"], dict(attempts=3, seed=7)),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_what_evaluate_prints(done, tmp_path, capsys, words, how):
    _, folder, _ = done
    puzzles, solutions = generate(6, 40, seed=21)
    file = tmp_path / "test.csv"
    write_csv(file, puzzles, solutions, [0] * 40)
    assert main(["evaluate", "--model", str(folder), "--data", str(file), *words]) == 0
    found = json.loads(capsys.readouterr().out)

    x, y = (rules.encode(grids)[: how.get("limit", 40)] for grids in (puzzles, solutions))
    model, segments = load(folder), how.get("segments", SEGMENTS)
    if attempts := how.get("attempts"):
        tried = attempts_at(model, x, segments, attempts, how.get("seed", 0))
        answers, run = surest(tried), mean(sum(run for *_, run in tries) for tries in tried)
    else:
        answers, run = segments_of(model, x, segments)[0][:, -1], segments
    valid = rules.is_solution(rules.decode(x), rules.decode(answers))
    expected = shares(answers, y) | {"valid": mean(valid), "attempts": attempts or 1}
    expected |= {"segments": segments, "segments_run": run}
    assert_is(found, expected, besides=("seconds", "precision", "machine"))
    assert found["precision"] == "float32" and found["machine"]["torch"] == torch.__version__


def test_an_answer_may_be_valid_without_being_the_stored_one(done, tmp_path, capsys):
    """Each puzzle twice, with two of its solutions: one of them is exact at best."""
    _, folder, _ = done
    _, solutions = generate(6, 10, seed=5)
    free = (solutions == 1) | (solutions == 2)
    swapped = np.where(free, 3 - solutions, solutions)
    puzzles, file = np.where(free, 0, solutions), tmp_path / "two.csv"
    twice = np.concatenate([puzzles, puzzles])
    write_csv(file, twice, np.concatenate([solutions, swapped]), [0] * 20)
    assert main(["evaluate", "--model", str(folder), "--data", str(file)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["exact"] <= 0.5 < found["valid"]


def test_the_result_says_what_was_run(done):
    run, folder, result = done
    assert result["run"] == json.loads(json.dumps(asdict(run)))
    assert result["command"] == "a command" and result["name"] == "tiny"
    assert result["precision"] == "float32" and result["compiled"] == "eager"
    assert 0 < result["seconds"] <= result["seconds_with_tests"] + 0.1
    about = json.loads((folder / "config.json").read_text())
    assert about["family"] == "sudoku" and about["run"] == result["run"]
    assert list(result["data"]) == ["train", "test"]
    assert (folder / "card.md").read_text() == card(result)
