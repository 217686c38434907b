"""A run: every part of its file counts, and every number that it reports can be computed again."""

import json
import math
from dataclasses import asdict, fields, replace

import pytest
import torch
import toy_family
from tiny import RUN, changed, different, timeless, write_run

from tinyrec import runs
from tinyrec.__main__ import main
from tinyrec.card import card
from tinyrec.checkpoints import PRETRAINED, load, pretrained, save
from tinyrec.puzzles import stream
from tinyrec.puzzles.families import FAMILIES
from tinyrec.puzzles.sudoku import family as sudoku
from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.files import write_csv
from tinyrec.puzzles.sudoku.generate import generate
from tinyrec.runs import Run, execute, load_run, make_data, make_model
from tinyrec.train import Training, train

SPEED = {"seconds", "seconds_with_tests"}


@pytest.fixture(autouse=True)
def the_same_everywhere(monkeypatch):
    monkeypatch.setenv("TINYREC_PRECISION", "float32")
    monkeypatch.setattr("tinyrec.runs.compile_model", lambda *_: "eager")


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
        puzzles, solutions = generate(4, 60, seed=9)
        value = str(tmp_path / value)
        write_csv(value, puzzles, solutions, [0] * 60)
    other = replace(BASE, **{name: value})
    moved = different(seen(BASE), seen(other))
    if name == "revealed":
        assert moved == {"train.drawn"}
    else:
        assert moved >= ({"test.x"} if name == "test" else {"train.x"})
    if name != "test":
        assert sudoku.describe(BASE) != sudoku.describe(other)


def test_a_description_promises_no_more_puzzles_than_a_file_has(tmp_path):
    puzzles, solutions = generate(4, 60, seed=9)
    write_csv(tmp_path / "f.csv", puzzles, solutions, [0] * 60)
    data = sudoku.Data(size=4, train=500, test=10, file=str(tmp_path / "f.csv"))
    assert len(sudoku.make(data)["train"]) < 60
    assert sudoku.describe(data)["train"].startswith("at most 500 Sudoku puzzles")


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
    puzzles, solutions = generate(4, 60, seed=9)
    file = tmp_path / "f.csv"
    write_csv(file, puzzles, solutions, [0] * 60)
    run = load_run(str(write_run(tmp_path)), str(file))
    stored = {row.numpy().tobytes() for row in rules.encode(puzzles)}
    sets = make_data(run)
    assert all(row.numpy().tobytes() in stored for puzzles in sets.values() for row in puzzles.x)
    assert len(sets["test"]) == 20 and run.training == load_run(str(tmp_path / "run.json")).training


# --- every number can be computed again -----------------------------------------------------------

LEARNS = changed(
    data=dict(train=300, test=30),
    settings=dict(width=48, layers=2, latent_steps=2, segments=6, multiple=32),
    training=dict(
        steps=150, batch=48, learning_rate=4e-3, weight_decay=0.3, warmup=10, ema=0.97,
        evaluate_every=75,
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A run that solves some of its test puzzles and not others: its folder and its result."""
    folder = tmp_path_factory.mktemp("learned")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYREC_PRECISION", "float32")
        patch.setattr(runs, "compile_model", lambda *_: "eager")
        run = load_run(str(write_run(folder, LEARNS)))
        execute(run, folder / "out", "a command")
    return folder / "out", json.loads((folder / "out" / "result.json").read_text())


@pytest.fixture(scope="module")
def surer(learned):
    """The same model where q is surer of itself: in segment 3, half of the tests pass the bar."""
    model = load(learned[0])
    x = make_data(load_run(str(learned[0].parent / "run.json")))["test"].x
    with torch.no_grad():
        model.heads.halt.bias[0] += 3.9 - segments_of(model, x, 3)[1][:, 2].median()
    save(model, learned[0].parent / "surer", family="sudoku")
    return learned[0].parent / "surer"


def wilson(right: int, n: int) -> list[float]:
    """The two roots p of (right / n - p)^2 = 1.96^2 p (1 - p) / n."""
    a, b, c = 1 + 1.96**2 / n, -2 * right / n - 1.96**2 / n, (right / n) ** 2
    root = math.sqrt(b * b - 4 * a * c)
    return [(-b - root) / (2 * a), (-b + root) / (2 * a)]


def segments_of(model, x, segments):
    """Answers and halting logits after each segment, puzzle by puzzle: (N, S, L) and (N, S)."""
    answers, says = [], []
    with torch.no_grad():
        for question in x:
            state, mine, q_mine = model.initial_state(1), [], []
            for _ in range(segments):
                state, logits, q = model(question[None], state, None)
                mine.append(logits[0].argmax(-1))
                q_mine.append(q[0, 0])
            answers.append(torch.stack(mine))
            says.append(torch.stack(q_mine))
    return torch.stack(answers), torch.stack(says)


def looked_at_again(model, x, segments, attempts, seed=0):
    """Stop where q is sure, then look at images; puzzle by puzzle, with plain loops."""
    best = [None] * len(x)
    run, firsts, tries = [0] * len(x), [None] * len(x), [0] * len(x)
    unsure = list(range(len(x)))
    for attempt in range(1, attempts + 1):
        image, back = x[unsure], lambda answers: answers
        if attempt > 1:
            image, back = rules.view(x[unsure], stream(seed, "view", attempt))
        answers, says = segments_of(model, image, segments)
        ends = []
        for q in says:
            sure = [s for s in range(segments) if q[s].sigmoid() > 0.98]
            ends.append(sure[0] if sure else segments - 1)
        chosen = back(torch.stack([answers[i, end] for i, end in enumerate(ends)]))
        still = []
        for i, puzzle in enumerate(unsure):
            q = float(says[i, ends[i]])
            run[puzzle] += ends[i] + 1
            tries[puzzle] += 1
            if best[puzzle] is None or q > best[puzzle][0]:
                best[puzzle] = (q, chosen[i])
            firsts[puzzle] = chosen[i] if firsts[puzzle] is None else firsts[puzzle]
            if 1 / (1 + math.exp(-q)) <= 0.98:
                still.append(puzzle)
        unsure = still
        if not unsure:
            break
    return torch.stack([answer for _, answer in best]), torch.stack(firsts), run, tries


def shares(answers, y):
    """Exact, cell and the interval, counted one by one."""
    right = sum(bool(torch.equal(one, other)) for one, other in zip(answers, y, strict=True))
    cells = sum(int(a == b) for one, other in zip(answers, y, strict=True)
                for a, b in zip(one, other, strict=True))  # fmt: skip
    n = len(y)
    return {"exact": right / n, "cell": cells / y.numel(), "interval_95": wilson(right, n), "n": n}


def assert_equal(found: dict, expected: dict):
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9), name


def test_the_saved_weights_are_the_averaged_ones_of_exactly_this_run(learned):
    folder, result = learned
    run = load_run(str(folder.parent / "run.json"))
    sets = make_data(run)
    training = Training(make_model(run), sets["train"], run.training)
    train(training, {"test": sets["test"]}, quiet=True)
    saved = load(folder).state_dict()
    assert not different(saved, dict(training.averaged.state_dict()))
    assert different(saved, dict(training.model.state_dict()))
    assert timeless(training.history) == timeless(result["history"])
    assert [entry["step"] for entry in result["history"]] == [75, 150] and result["steps"] == 150


def test_the_result_of_all_segments_computed_again(learned):
    folder, result = learned
    test, model = make_data(load_run(str(folder.parent / "run.json")))["test"], load(folder)
    answers, says = segments_of(model, test.x, 6)
    expected = shares(answers[:, -1], test.y)
    assert 0 < expected["exact"] < expected["cell"] < 1  # a swap would be seen
    until = [next((s + 1 for s in range(6) if q[s] > 0), 6) for q in says]
    expected |= {"segments": 6, "segments_run": 6.0, "attempts": 1}
    expected["segments_until_yes"] = sum(until) / len(until)
    assert_equal(result["test"], expected)
    assert set(result["test"]) == set(expected)
    assert result["history"][-1]["test"] == result["test"]["exact"]


def test_segments_until_q_first_says_yes_computed_again(surer):
    run = load_run(str(surer.parent / "run.json"))
    test, model = make_data(run)["test"], load(surer)
    with torch.no_grad():
        model.heads.halt.bias[0] -= 3.9  # half of them say yes in segment 3
    until = [
        next((s + 1 for s in range(6) if q[s] > 0), 6) for q in segments_of(model, test.x, 6)[1]
    ]
    found = runs.test(model, test, run, torch.float32)["segments_until_yes"]
    assert found == pytest.approx(sum(until) / len(until)) and 1 < found < 6


def test_the_result_of_several_attempts_computed_again(surer):
    run = replace(load_run(str(surer.parent / "run.json")), attempts=4)
    test, model = make_data(run)["test"], load(surer)
    found = runs.test(model, test, run, torch.float32)
    answers, firsts, segments, tries = looked_at_again(model, test.x, 6, 4)
    assert min(tries) == 1 and max(tries) > 1
    expected = shares(answers, test.y) | {"segments": 6, "attempts": 4}
    expected["segments_run"] = sum(segments) / len(segments)
    once = sum(
        t == 1 and bool(torch.equal(a, b)) for t, a, b in zip(tries, firsts, test.y, strict=True)
    )
    expected["exact_first_attempt"] = once / len(test.y)
    assert expected["exact_first_attempt"] != expected["exact"]
    assert_equal(found, expected)
    assert set(found) == set(expected)


@pytest.mark.parametrize(
    "words, how",
    [
        ([], dict(segments=6)),
        (["--segments", "3"], dict(segments=3)),
        (["--limit", "25"], dict(segments=6, limit=25)),
        (["--stop-early"], dict(segments=6, attempts=1)),
        (["--attempts", "3", "--segments", "4"], dict(segments=4, attempts=3)),
        (["--attempts", "3", "--seed", "7"], dict(segments=6, attempts=3, seed=7)),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_what_evaluate_prints_computed_again(surer, tmp_path, capsys, words, how):
    folder = surer
    puzzles, solutions = generate(4, 40, seed=21)
    file = tmp_path / "test.csv"
    write_csv(file, puzzles, solutions, [0] * 40)
    assert main(["evaluate", "--model", str(folder), "--data", str(file), *words]) == 0
    found = json.loads(capsys.readouterr().out)
    x, y = (rules.encode(grids)[: how.get("limit", 40)] for grids in (puzzles, solutions))
    model, segments = load(folder), how["segments"]
    if attempts := how.get("attempts"):
        answers, _, run, _ = looked_at_again(model, x, segments, attempts, how.get("seed", 0))
    else:
        answers, run = segments_of(model, x, segments)[0][:, -1], [segments] * len(x)
    expected = shares(answers, y) | {"segments": segments, "segments_run": sum(run) / len(run)}
    valid = [
        bool(rules.is_solution(a, b)) for a, b in zip(*map(rules.decode, (x, answers)), strict=True)
    ]
    expected |= {"valid": sum(valid) / len(valid), "attempts": how.get("attempts", 1)}
    assert_equal(found, expected)
    assert found["precision"] == "float32" and found["machine"]["torch"] == torch.__version__
    assert set(found) == {*expected, "seconds", "precision", "machine"}


def test_an_answer_may_be_valid_without_being_the_stored_one(learned, tmp_path, capsys):
    """Two solutions, of which the file holds one: exact counts that one, valid counts both."""
    solution = rules.parse("1234341221434321")
    other = solution.copy()
    swap = [i for i in range(16) if solution[i] in (1, 2)]
    other[swap] = 3 - other[swap]
    puzzle = solution.copy()
    puzzle[swap] = 0
    file = tmp_path / "two.csv"
    write_csv(file, [puzzle, puzzle], [solution, other], [0, 0])
    assert main(["evaluate", "--model", str(learned[0]), "--data", str(file)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["exact"] <= 0.5 and found["valid"] in (0, 1)


def test_the_result_says_what_was_run(learned):
    folder, result = learned
    run = load_run(str(folder.parent / "run.json"))
    assert result["run"] == json.loads(json.dumps(asdict(run)))
    assert result["command"] == "a command" and result["name"] == "tiny"
    assert result["precision"] == "float32" and result["compiled"] == "eager"
    assert 0 < result["seconds"] <= result["seconds_with_tests"] + 0.1
    about = json.loads((folder / "config.json").read_text())
    assert about["family"] == "sudoku" and about["run"] == result["run"]
    assert set(result["data"]) == {"train", "test"}


def test_held_out_classes_are_measured_and_told_too(tmp_path):
    result, _, text = ran(tmp_path, changed(data=dict(new_classes=1, test=8)))
    assert result["test_new_classes"]["n"] == 8
    assert "8 puzzles of 1 solution classes that were held out of training" in text


# --- the card -------------------------------------------------------------------------------------


def test_a_card_says_each_number_of_its_result(learned):
    _, result = learned
    text, test = card(result), result["test"]
    for part in (
        f"on 30 held-out puzzles, none an image of a training puzzle: {test['exact']:.1%} exact",
        f"95 % interval {test['interval_95'][0]:.1%} to {test['interval_95'][1]:.1%}",
        f"{test['cell']:.2%} of the cells, after 6 segments",
        "`a command`: 150 steps",
        "300 Sudoku puzzles 4x4, minimal",
        "**Seed**: 0",
    ):
        assert part in text


@pytest.mark.parametrize("name", pretrained())
def test_the_card_of_a_shipped_model_is_made_from_its_result(name):
    folder = PRETRAINED / name
    assert (folder / "card.md").read_text() == card(
        json.loads((folder / "result.json").read_text())
    )


@pytest.mark.parametrize("name", pretrained())
def test_the_result_of_a_shipped_model_is_of_its_preset(name):
    result = json.loads((PRETRAINED / name / "result.json").read_text())
    assert result["run"] == json.loads(json.dumps(asdict(load_run(name))))
    about = json.loads((PRETRAINED / name / "config.json").read_text())
    assert about["run"] == result["run"] and about["family"] == result["run"]["family"]
    tests = {name for name in result if name.startswith("test")}
    assert set(result["data"]) == {"train", *tests}
