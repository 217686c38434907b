"""python -m tinyrec and bad input: one line that says what was wrong, status 2, nothing lost."""

import gzip
import os
import subprocess
import sys

import pytest
import torch
from commands import call, decided_folder, puzzle_file, refused
from tiny import changed, on_any_machine, write_run


@pytest.fixture(autouse=True)
def the_same_everywhere(monkeypatch):
    on_any_machine(monkeypatch)


@pytest.fixture
def model(tmp_path):
    return decided_folder(tmp_path / "model")


# --- puzzles --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, message",
    [
        ("12.4", "expected 16, 36 or 81 cells, found 4"),
        ("1" + "." * 14 + "y", "character 16: 'y' is neither a digit nor a blank"),
        ("12.4\n" * 3 + "12y4", "line 4, column 3: 'y' is neither a digit nor a blank"),
        ("5" + "." * 15, "row 1, column 1: digit 5 is larger than 4"),
        ("11" + "." * 14, "row 1, column 2: digit 1 is repeated in its row"),
        ("123........4....", "the puzzle has no solution"),
        ("-" * 15, "expected 16, 36 or 81 cells, found 0 or 15"),
        ("", "expected 16, 36 or 81 cells, found 0"),
    ],
)
def test_solve_refuses_bad_puzzles(capsys, text, message):
    assert message in refused(capsys, "solve", text)


def test_solve_refuses_a_model_of_another_size(capsys, model):
    error = refused(capsys, "solve", "." * 36, "--model", model)
    assert f"the puzzle has 36 cells; {model} solves those of 16" in error


def test_evaluate_refuses_puzzles_of_another_size(capsys, model, tmp_path):
    words = ("evaluate", "--model", model, "--data", puzzle_file(tmp_path / "six.csv", 5, size=6))
    for more in ([], ["--stop-early"]):
        assert "this model reads (N, 16)" in refused(capsys, *words, *more)


# --- files of puzzles -----------------------------------------------------------------------------


def test_evaluate_names_file_and_line_of_a_broken_csv(capsys, tmp_path, model):
    path = tmp_path / "broken.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write("source,question,answer,rating\na,1234,1234,0\n")
    error = refused(capsys, "evaluate", "--model", model, "--data", path)
    assert "broken.csv.gz" in error and "line 2" in error


def test_a_gzip_file_cut_short_is_named(capsys, tmp_path, model):
    path = puzzle_file(tmp_path / "short.csv.gz", 50)
    path.write_bytes(path.read_bytes()[:-40])
    error = refused(capsys, "evaluate", "--model", model, "--data", path)
    assert "short.csv.gz" in error and "cut short" in error


def test_missing_files_and_unknown_names_are_named(capsys, tmp_path, model):
    words = ("evaluate", "--model", model, "--data", tmp_path / "nowhere.csv")
    assert "nowhere.csv" in refused(capsys, *words)
    assert "unknown model 'nobody'" in refused(capsys, "solve", "." * 16, "--model", "nobody")
    error = refused(capsys, "train", "sudoku-7x7", "--out", tmp_path / "x")
    assert "unknown preset 'sudoku-7x7'; expected one of " in error and "sudoku-4x4, " in error
    words = ("convert", tmp_path / "no", "--config", tmp_path / "no.json", "--out", tmp_path / "x")
    assert f"{tmp_path / 'no'}: cannot be read" in refused(capsys, *words)


@pytest.mark.parametrize("size, n, message", [(6, 60, "36 cells; expected 16"), (4, 5, "f.csv: ")])
def test_train_refuses_a_file_that_does_not_fit_the_run(capsys, tmp_path, size, n, message):
    data, run = puzzle_file(tmp_path / "f.csv", n, size), write_run(tmp_path)
    error = refused(capsys, "train", run, "--data", data, "--out", tmp_path / "out")
    assert message in error and "f.csv" in error
    assert not (tmp_path / "out" / "model.safetensors").exists()


# --- runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, message",
    [
        ({"model": "gpt"}, "Run.model is 'gpt'"),
        ({"model": ["trm"]}, "Run.model is ['trm']"),
        ({"family": "chess"}, "unknown puzzle family 'chess'; expected one of sudoku"),
        ({"attempts": 0}, "Run.attempts is 0"),
        ({"notes": "x"}, "unknown 'notes'; a run has name, family, "),
        ({"settings": []}, "Run.settings is []"),
        ({"settings": {"depth": 2}}, "unknown setting 'depth' for trm; it has "),
        ({"settings": {"width": "96"}}, "TRMConfig.width is '96'"),
        ({"settings": {"multiple": 0}}, "TRMConfig.multiple is 0"),
        ({"settings": {"segments": 0}}, "TRMConfig.segments is 0"),
        ({"settings": {"heads": 7, "mixing": "attention"}}, "expected a multiple of heads=7"),
        ({"settings": {"prefix": 0, "puzzles": 1}}, "TRMConfig.prefix is 0"),
        ({"data": {"size": 5}}, "Data.size is 5"),
        ({"data": {"train": "5"}}, "Data.train is '5'"),
        ({"data": {"test": 0}}, "Data.test is 0"),
        ({"data": {"revealed": 1.5}}, "Data.revealed is 1.5"),
        ({"data": {"clues": 17}}, "17"),
        ({"training": {"lr": 1e-3}}, "unknown setting 'lr' in training; it has steps, batch, "),
        ({"training": {"steps": 0}}, "TrainConfig.steps is 0"),
        ({"training": {"seed": None}}, "TrainConfig.seed is None"),
        ({"training": {"halt_weight": "x"}}, "TrainConfig.halt_weight is 'x'"),
        ({"training": {"loss": "l2"}}, "TrainConfig.loss is 'l2'"),
        ({"training": {"learning_rate": float("nan")}}, "TrainConfig.learning_rate is nan"),
        (
            {"training": {"learning_rate": 1e30, "warmup": 0}},
            "the loss is nan (learning rate 1e+30)",
        ),
    ],
    ids=str,
)
def test_train_names_what_is_wrong_in_a_run(capsys, tmp_path, change, message):
    run = write_run(tmp_path, changed(**change))
    assert message in refused_in_training(capsys, run, tmp_path / "out")
    assert not any((tmp_path / "out").glob("*.safetensors"))


def refused_in_training(capsys, run, out) -> str:
    """Its last line; a progress bar may stand before it."""
    status, _, err = call(capsys, "train", run, "--out", out)
    assert status == 2 and "Traceback" not in err
    return err.splitlines()[-1].removeprefix("error: ")


@pytest.mark.parametrize(
    "text, message",
    [
        (b"{", "line 1: not JSON"),
        (b"{}", "'name' is missing"),
        (b"[]", "expected a JSON object"),
        (b"\xff\xfe{\x00", "is no text"),
    ],
)
def test_train_names_a_config_that_is_none(capsys, tmp_path, text, message):
    config = tmp_path / "run.json"
    config.write_bytes(text)
    error = refused(capsys, "train", config, "--out", tmp_path / "out")
    assert message in error and "run.json" in error


# --- what is there already, and what cannot be written --------------------------------------------


@pytest.mark.parametrize("name", ["config.json", "card.md", "model.safetensors", "result.json"])
def test_train_does_not_overwrite_what_is_there(capsys, tmp_path, name):
    run, out = write_run(tmp_path), tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine")
    assert f"holds a {name} already" in refused(capsys, "train", run, "--out", out)
    assert (out / name).read_text() == "mine" and len(list(out.iterdir())) == 1


def test_an_output_that_cannot_be_written_is_found_before_the_work(capsys, tmp_path):
    (tmp_path / "file").write_text("mine")
    error = refused(capsys, "train", "sudoku-4x4", "--out", tmp_path / "file" / "out")
    assert "cannot be written" in error and (tmp_path / "file").read_text() == "mine"
    for out, message in (
        (tmp_path / "no" / "x.csv", "cannot be written"),
        (tmp_path, "is a folder; expected a file"),
    ):
        assert message in refused(capsys, "data", "sudoku", "--count", 1, "--out", out)


def test_more_puzzles_than_there_are_leave_the_old_file_whole(capsys, tmp_path):
    out = tmp_path / "x.csv"
    out.write_text("mine")
    words = ("data", "sudoku", "--size", 4, "--clues", 15, "--count", 100_000, "--out", out)
    assert "found only" in refused(capsys, *words)
    assert out.read_text() == "mine" and list(tmp_path.iterdir()) == [out]


# --- models ---------------------------------------------------------------------------------------


def test_a_model_cut_short_is_named(capsys, model):
    file = model / "model.safetensors"
    file.write_bytes(file.read_bytes()[:200])
    error = refused(capsys, "solve", "." * 16, "--model", model)
    assert f"{file}: cut short or not a safetensors file" in error


def test_an_official_file_that_is_none_leaves_no_model(capsys, tmp_path):
    (tmp_path / "step").write_text("no checkpoint")
    (tmp_path / "arch.json").write_text("{}")
    torch.save({"a": object}, tmp_path / "step_2")
    for name in ("step", "step_2"):
        words = ("convert", tmp_path / name, "--config", tmp_path / "arch.json")
        assert f"{tmp_path / name}: " in refused(capsys, *words, "--out", tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, message",
    [
        ("solve . --segments 0", "expected a number from 1 to 10,000,000, got 0"),
        ("solve . --seed -1", "expected a number of at least 0, got -1"),
        ("evaluate --model m --data d --attempts 0", "expected a number from 1"),
        ("evaluate --model m --data d --limit -3", "expected a number from 1"),
        ("data sudoku --count 0 --out x", "expected a number from 1"),
        ("data sudoku --count 3 --out x --seed -1", "expected a number of at least 0, got -1"),
        ("data chess --count 3", "invalid choice: 'chess'"),
        ("data sudoku --count 3 --out x --size 5", "invalid choice: 5"),
        ("train sudoku-4x4", "the following arguments are required: --out"),
        ("dance", "invalid choice: 'dance'"),
    ],
)
def test_options_out_of_range_are_named_below_the_usage(capsys, words, message):
    with pytest.raises(SystemExit) as stopped:
        call(capsys, *words.split())
    captured = capsys.readouterr()
    assert stopped.value.code == 2 and captured.out == ""
    assert captured.err.startswith("usage: ") and message in captured.err.splitlines()[-1]


def test_the_command_line_itself():
    """In a process of its own: status and one line reach the shell."""
    done = subprocess.run(
        [sys.executable, "-m", "tinyrec", "solve", "12"], capture_output=True, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "error: expected 16, 36 or 81 cells, found 2\n"
