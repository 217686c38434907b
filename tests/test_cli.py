"""python -m tinyrec: what each command does, that each option counts, and that bad input ends in
one line, status 2 and nothing lost.
"""

import argparse
import gzip
import json
import os
import pty
import re
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from tiny import RUN, changed, write_run

from tinyrec import checkpoints
from tinyrec.__main__ import main, parser
from tinyrec.checkpoints import load, save
from tinyrec.models import build
from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.files import read_csv, write_csv
from tinyrec.puzzles.sudoku.generate import generate
from tinyrec.puzzles.sudoku.solve import solve
from tinyrec.runs import load_run, make_data, presets

SETTINGS = dict(vocab=6, length=16, width=16, heads=1, prefix=1, multiple=16, segments=3)


@pytest.fixture(autouse=True)
def the_same_everywhere(monkeypatch):
    monkeypatch.setenv("TINYREC_PRECISION", "float32")
    monkeypatch.setattr("tinyrec.runs.compile_model", lambda *_: "eager")


def call(capsys, *words):
    status = main([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def refused(capsys, *words):
    """The one line of an error."""
    status, out, err = call(capsys, *words)
    assert status == 2 and out == "" and err.startswith("error: ") and err.count("\n") == 1, (
        status,
        out,
        err,
    )
    return err


@pytest.fixture
def puzzle():
    puzzles, solutions = generate(4, 1, seed=3)
    return rules.to_string(puzzles[0]), rules.to_string(solutions[0])


@pytest.fixture
def model(tmp_path):
    """Fresh weights, but for a q that differs: from puzzle to puzzle, from segment to segment."""
    torch.manual_seed(0)
    model = build("trm", SETTINGS)
    torch.nn.init.normal_(model.heads.halt.weight, std=3.0)
    torch.nn.init.zeros_(model.heads.halt.bias)
    save(model, tmp_path / "model", family="sudoku")
    return tmp_path / "model"


@pytest.fixture
def file(tmp_path):
    """Sixty puzzles 4x4."""
    puzzles, solutions = generate(4, 60, seed=8)
    write_csv(tmp_path / "four.csv", puzzles, solutions, [0] * 60)
    return tmp_path / "four.csv"


def test_data_writes_puzzles_that_can_be_read_again(capsys, tmp_path):
    out = tmp_path / "four.csv"
    assert (
        call(capsys, "data", "sudoku", "--size", 4, "--count", 12, "--seed", 5, "--out", out)[0]
        == 0
    )
    puzzles, solutions, ratings = read_csv(out)
    assert (
        puzzles.shape == (12, 16)
        and rules.is_solution(puzzles, solutions).all()
        and (ratings >= 0).all()
    )
    first = out.read_bytes()
    call(capsys, "data", "sudoku", "--size", 4, "--count", 12, "--seed", 5, "--out", out)
    assert out.read_bytes() == first


def test_data_with_a_chosen_number_of_clues(capsys, tmp_path):
    out = tmp_path / "six.csv.gz"
    assert (
        call(capsys, "data", "sudoku", "--size", 6, "--count", 5, "--clues", 14, "--out", out)[0]
        == 0
    )
    assert (read_csv(out)[0] > 0).sum(1).tolist() == [14] * 5


def test_train_writes_a_model_its_config_and_its_result(capsys, tmp_path):
    out = tmp_path / "out"
    status, printed, _ = call(capsys, "train", write_run(tmp_path), "--out", out, "--seed", 7)
    assert status == 0 and load(out).config.width == 16
    result = json.loads((out / "result.json").read_text())
    assert json.loads(printed[printed.index("{") :]) == result
    assert result["run"]["training"]["seed"] == 7 and result["steps"] == 4
    assert result["test"]["n"] == 20 and "--seed 7" in result["command"]
    assert {"seconds", "machine", "precision", "history", "data"} <= set(result)


def test_a_run_may_give_each_test_puzzle_several_attempts(capsys, tmp_path):
    out = tmp_path / "out"
    assert call(capsys, "train", write_run(tmp_path, RUN | {"attempts": 3}), "--out", out)[0] == 0
    test = json.loads((out / "result.json").read_text())["test"]
    assert test["attempts"] == 3 and test["exact_first_attempt"] <= test["exact"]
    assert test["segments_run"] == 3 * test["segments"] == 6  # fresh weights are never sure
    assert "in up to 3 attempts of up to 2 segments" in (out / "card.md").read_text()
    wrong = write_run(tmp_path, RUN | {"attempts": 0})
    assert "Run.attempts is 0" in refused(capsys, "train", wrong, "--out", tmp_path / "other")


def test_the_shipped_model_leaves_easy_puzzles_early_and_loses_nothing(capsys, tmp_path):
    data = tmp_path / "four.csv"
    call(capsys, "data", "sudoku", "--size", 4, "--count", 50, "--clues", 6, "--out", data)
    words = ("evaluate", "--model", "sudoku-4x4", "--data", data)
    full, early = (json.loads(call(capsys, *words, *more)[1]) for more in ((), ("--stop-early",)))
    assert set(full) == set(early) and full["segments_run"] == full["segments"] == 16
    assert 1 <= early["segments_run"] <= 3 and abs(full["exact"] - early["exact"]) < 0.05


def test_another_attempt_helps_the_shipped_model(capsys, tmp_path):
    data = tmp_path / "six.csv"
    call(capsys, "data", "sudoku", "--size", 6, "--count", 60, "--out", data)
    words = ("evaluate", "--model", "sudoku-6x6", "--data", data, "--segments", 2, "--stop-early")
    once, often = (json.loads(call(capsys, *words, "--attempts", n)[1]) for n in (1, 5))
    assert often["exact"] > once["exact"] and often["segments_run"] > once["segments_run"]


# --- each option counts ---------------------------------------------------------------------------


def options_of(command: str) -> set[str]:
    """All options of a command, those of its families included."""

    def commands(of):
        actions = (a for a in of._actions if isinstance(a, argparse._SubParsersAction))
        return {name: made for action in actions for name, made in action.choices.items()}

    def names(of):
        own = {name for a in of._actions for name in a.option_strings if name.startswith("--")}
        return own.union(*map(names, commands(of).values())) - {"--help"}

    return names(commands(parser())[command])


def test_no_option_is_without_its_test():
    """--family is tested with a family of its own, --resume and --minutes with what can stop a run,
    convert with official checkpoints.
    """
    assert options_of("data") == {*DATA_OPTIONS, "--out"}
    assert options_of("train") == {"--out", "--seed", "--data", "--resume", "--minutes"}
    assert options_of("evaluate") == {*EVALUATE_OPTIONS, "--model", "--data", "--family"}
    assert options_of("solve") == {*SOLVE_OPTIONS, "--model", "--family"}
    assert options_of("convert") == {"--config", "--out"}


DATA_OPTIONS = {"--size": ["4"], "--clues": ["12"], "--count": ["4"], "--seed": ["1"]}


@pytest.mark.parametrize("option", DATA_OPTIONS)
def test_every_option_of_data_changes_the_file(capsys, tmp_path, option):
    words = ["data", "sudoku", "--count", "3", "--out"]
    assert call(capsys, *words, tmp_path / "one.csv")[0] == 0
    assert call(capsys, *words, tmp_path / "two.csv", option, *DATA_OPTIONS[option])[0] == 0
    (one, _, _), (two, _, _) = read_csv(tmp_path / "one.csv"), read_csv(tmp_path / "two.csv")
    if option == "--size":
        assert one.shape[1] == 36 and two.shape[1] == 16
    elif option == "--clues":
        assert (two > 0).sum(1).tolist() == [12] * 3
    elif option == "--count":
        assert (len(one), len(two)) == (3, 4)
    else:
        assert not np.array_equal(one, two)


EVALUATE_OPTIONS = {
    "--limit": ["7"],
    "--segments": ["2"],
    "--stop-early": [],
    "--attempts": ["3"],
    "--seed": ["1"],
}


@pytest.mark.parametrize("option", EVALUATE_OPTIONS)
def test_every_option_of_evaluate_changes_what_it_prints(capsys, model, file, option):
    words = ["evaluate", "--model", model, "--data", file]
    words += {"--seed": ["--attempts", "3"], "--attempts": ["--stop-early"]}.get(option, [])
    one, two = (
        json.loads(call(capsys, *words, *more)[1])
        for more in ([], [option, *EVALUATE_OPTIONS[option]])
    )
    moved = {name for name in one if one[name] != two[name]} - {"seconds"}
    if option == "--limit":
        assert (one["n"], two["n"]) == (60, 7)
    elif option == "--segments":
        assert (one["segments"], two["segments"]) == (3, 2)
        assert (one["segments_run"], two["segments_run"]) == (3.0, 2.0) and "cell" in moved
    elif option == "--stop-early":
        assert 1 < two["segments_run"] < one["segments_run"] == 3.0
    elif option == "--attempts":
        assert (one["attempts"], two["attempts"]) == (1, 3) and "cell" in moved
        assert two["segments_run"] > one["segments_run"]
    else:
        assert {"segments_run", "cell"} <= moved


def test_attempts_alone_stop_early_too(capsys, model, file):
    words = ["evaluate", "--model", model, "--data", file, "--attempts", 2]
    one, two = (json.loads(call(capsys, *words, *more)[1]) for more in ([], ["--stop-early"]))
    assert {name for name in one if one[name] != two[name]} <= {"seconds"}


SOLVE_OPTIONS = {"--segments": ["2"], "--attempts": ["2"], "--seed": ["1"], "--verbose": []}


@pytest.mark.parametrize("option", SOLVE_OPTIONS)
def test_every_option_of_solve_changes_what_it_prints(capsys, model, puzzle, option):
    shrink_q(model)
    words = ["solve", puzzle[0], "--model", model]
    one, two = (call(capsys, *words, *more)[1] for more in ([], [option, *SOLVE_OPTIONS[option]]))
    assert one != two
    segments, attempts = 3 - (option == "--segments"), 8 - 6 * (option == "--attempts")
    assert f"attempt {attempts}, segment {segments}" in two
    assert f"attempt {attempts + 1}," not in two and f"segment {segments + 1}" not in two
    if option == "--verbose":
        assert two.count("segment 1") == 8 and "segment 1" not in one


def shrink_q(folder):
    """A q that is never sure."""
    model = load(folder)
    with torch.no_grad():
        model.heads.halt.weight *= 0.1
        model.heads.halt.bias.fill_(-2.0)
    save(model, folder, family="sudoku")


@pytest.mark.parametrize("command", ["evaluate", "solve"])
def test_the_model_that_is_named_is_the_one_that_answers(capsys, model, file, puzzle, command):
    words = ["evaluate", "--data", file] if command == "evaluate" else ["solve", puzzle[0]]
    one, two = (call(capsys, *words, "--model", m)[1] for m in ("sudoku-4x4", model))
    if command == "evaluate":
        assert json.loads(one)["exact"] > 0.8 > json.loads(two)["exact"]
    else:
        assert one.endswith("valid: yes\n") and two.endswith("valid: no\n")


def test_train_takes_a_file_of_puzzles(capsys, tmp_path, file):
    run, out = write_run(tmp_path), tmp_path / "out"
    status, printed, _ = call(capsys, "train", run, "--out", out, "--data", file)
    result = json.loads((out / "result.json").read_text())
    assert status == 0 and result["run"]["data"]["file"] == str(file)
    assert f"--data {file}" in result["command"] and f"from {file}" in (out / "card.md").read_text()
    same = make_data(load_run(str(run), str(file)))
    stored = {row.tobytes() for row in read_csv(file)[0]}
    drawn = [row.tobytes() for puzzles in same.values() for row in rules.decode(puzzles.x)]
    assert set(drawn) <= stored and result["test"]["n"] == len(same["test"]) == 20
    six = tmp_path / "six.csv"
    call(capsys, "data", "sudoku", "--count", 30, "--out", six)
    said = refused(capsys, "train", run, "--out", tmp_path / "x", "--data", six)
    assert "six.csv: its puzzles have 36 cells; expected 16" in said
    said = refused(capsys, "train", run, "--out", tmp_path / "x", "--data", tmp_path / "no.csv")
    assert "no.csv" in said


def test_a_model_of_one_segment_is_evaluated_with_one_and_gets_its_cards_number(capsys, tmp_path):
    run = write_run(tmp_path, changed(settings=dict(segments=1), training=dict(steps=40)))
    call(capsys, "train", run, "--out", tmp_path / "out")
    test = make_data(load_run(str(run)))["test"]
    data = tmp_path / "test.csv"
    write_csv(data, rules.decode(test.x), rules.decode(test.y), [0] * len(test))
    found = json.loads(call(capsys, "evaluate", "--model", tmp_path / "out", "--data", data)[1])
    result = json.loads((tmp_path / "out" / "result.json").read_text())["test"]
    for name in ("exact", "cell", "interval_95", "n", "segments", "segments_run"):
        assert found[name] == result[name], name
    assert found["segments"] == found["segments_run"] == 1
    assert (
        f"{found['cell']:.2%} of the cells, after 1 segments"
        in (tmp_path / "out" / "card.md").read_text()
    )


# --- what solve prints ----------------------------------------------------------------------------


class Scripted(torch.nn.Module):
    """Finds the solution by rules, but tells it only in its second attempt; q says so."""

    def __init__(self, q):
        super().__init__()
        self.config = build("trm", SETTINGS | {"segments": 2}).config
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.q, self.calls, self.questions = q, 0, []

    def initial_state(self, batch, dtype=torch.float32):
        return (torch.zeros(batch, 1),)

    def forward(self, tokens, state, puzzle_ids=None):
        attempt, self.calls = self.calls // 2, self.calls + 1
        self.questions.append(tokens[0].clone())
        answer = rules.encode(solve(rules.decode(tokens)).solution)
        answer = answer if attempt == 1 else answer.roll(1, dims=1)
        q = torch.full((len(tokens), 2), self.q[attempt])
        return state, torch.nn.functional.one_hot(answer, 6).float(), q


@pytest.mark.parametrize("q", [[-1.0, 2.0, 0.0], [-1.0, 6.0, 0.0]], ids=["unsure", "sure"])
def test_solve_prints_the_surest_answer_turned_back(capsys, monkeypatch, puzzle, q):
    """Not the first, not the last, and as the answer to the question, not to its image."""
    model = Scripted(q)
    monkeypatch.setattr(checkpoints, "load", lambda folder: model)
    out = call(capsys, "solve", puzzle[0], "--model", "sudoku-4x4", "--attempts", 3)[1]
    assert (
        f"\n{rules.format_grid(rules.parse(puzzle[1]))}\n\nanswer: {puzzle[1]}\nvalid: yes" in out
    )
    assert model.calls == (6 if q[1] < 4 else 3)  # sure: no third attempt
    assert not torch.equal(model.questions[0], model.questions[2])
    if q[1] < 4:
        assert not torch.equal(model.questions[2], model.questions[4])  # another image


def test_what_is_shown_meanwhile_is_turned_back_too(capsys, monkeypatch, puzzle):
    monkeypatch.setattr(checkpoints, "load", lambda folder: Scripted([-1.0, 2.0]))
    words = ["solve", puzzle[0], "--model", "sudoku-4x4", "--attempts", 2, "--verbose"]
    shown = re.split(r"attempt \d, segment \d.*\n", call(capsys, *words)[1])
    solution = rules.format_grid(rules.parse(puzzle[1]))
    assert [part.startswith(solution) for part in shown] == [False] * 4 + [True, True, False]


def test_solve_says_truly_whether_the_answer_is_valid(capsys, monkeypatch, puzzle):
    for q, says in ([-1.0, 2.0], "yes"), ([-1.0, -2.0], "no"):
        monkeypatch.setattr(checkpoints, "load", lambda folder, q=q: Scripted(q))
        out = call(capsys, "solve", puzzle[0], "--model", "sudoku-4x4", "--attempts", 2)[1]
        answer = re.search("answer: (.*)", out)[1]
        good = rules.is_solution(rules.parse(puzzle[0]), rules.parse(answer))
        assert out.endswith(f"valid: {says}\n") and good == (says == "yes")


def test_off_a_terminal_solve_is_short(capsys, model, puzzle):
    """A line for each attempt, the grid before and after, the answer and whether it is valid."""
    shrink_q(model)
    out = call(capsys, "solve", puzzle[0], "--model", model, "--attempts", 3)[1]
    assert len(re.findall(r"^attempt \d, segment 3, says solved: \d+%", out, re.M)) == 3
    assert out.count("not sure, looking again at a symmetric image") == 2
    assert out.count("----+----") == 2 and len(out.splitlines()) == 18 and "\033" not in out
    assert out.startswith(rules.format_grid(rules.parse(puzzle[0])))


def test_verbose_shows_the_answer_after_every_segment(capsys, model, puzzle):
    shrink_q(model)
    out = call(capsys, "solve", puzzle[0], "--model", model, "--attempts", 2, "--verbose")[1]
    expected = [f"attempt {attempt}, segment {s}" for attempt in (1, 2) for s in (1, 2, 3, 3)]
    assert re.findall(r"attempt \d, segment \d", out) == expected  # each last one says what next
    assert out.count("----+----") == 1 + 6 and "\033" not in out


def screen_of(text: str) -> list[str]:
    """What a terminal shows in the end: text with ESC[nA (up) and ESC[J (clear below)."""
    lines, row = [""], 0
    for part in re.findall(r"\033\[\d+A|\033\[J|\n|[^\n\033]+", text.replace("\r", "")):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\033[J":
            lines[row:] = [""]
        elif part.startswith("\033"):
            row -= int(part[2:-1])
        else:
            lines[row] += part
    return lines


def test_on_a_terminal_the_grid_is_drawn_again_in_its_place(model, puzzle):
    shrink_q(model)
    master, slave = pty.openpty()
    words = ["solve", puzzle[0], "--model", str(model), "--attempts", "2"]
    process = subprocess.Popen([sys.executable, "-m", "tinyrec", *words], stdout=slave)
    os.close(slave)
    text = b""
    try:
        while more := os.read(master, 4096):
            text += more
    except OSError:  # the other end was closed: how Linux ends it
        pass
    os.close(master)
    assert process.wait(timeout=250) == 0
    text = text.decode()
    assert text.count("\033[J") == 6 and text.count("segment 1") == 2  # 2 x 3 times and the end
    screen = screen_of(text)
    question = rules.format_grid(rules.parse(puzzle[0])).splitlines()
    assert screen[:5] == question
    answer = next(line for line in screen if line.startswith("answer: ")).split()[1]
    assert screen[6:11] == rules.format_grid(rules.parse(answer)).splitlines()
    assert re.match("attempt 2, segment 3, says solved", screen[12])
    assert [line.split(":")[0] for line in screen[13:] if line] == ["answer", "valid"]


def test_solve_needs_one_attempt_where_the_model_is_sure(capsys, puzzle):
    clear = np.where(np.arange(16) % 4 == 0, 0, rules.parse(puzzle[1]))
    out = call(capsys, "solve", rules.to_string(clear))[1]
    assert "attempt 1, segment 1" in out and "attempt 2" not in out and "looking again" not in out


def test_a_puzzle_with_several_solutions_gets_a_note(capsys, puzzle):
    note = "note: the puzzle has more than one solution"
    assert call(capsys, "solve", "1" + "." * 15)[1].splitlines()[-1] == note
    assert "note" not in call(capsys, "solve", puzzle[0])[1]


def test_what_solve_prints_can_be_given_to_solve(capsys, puzzle):
    picture = rules.format_grid(rules.parse(puzzle[0]))
    assert call(capsys, "solve", picture)[1] == call(capsys, "solve", puzzle[0])[1]


@pytest.mark.parametrize("blank", ["-", "_", "x", "*", "|."])
def test_a_puzzle_may_begin_with_a_dash(capsys, blank):
    """As a blank, or as a border; it is no option of the command."""
    puzzle = ".3.4....2....4.."
    said = call(capsys, "solve", puzzle)[1]
    assert call(capsys, "solve", "-" + puzzle[1:].replace(".", blank))[1] == said
    bordered = "-----------\n" + rules.format_grid(rules.parse(puzzle)).replace(".", blank[-1])
    assert call(capsys, "solve", bordered)[1] == said


def test_solve_takes_zeros_dots_and_line_breaks_alike(capsys, model, puzzle):
    text = puzzle[0]
    rows = "\n".join(text[i : i + 4] for i in range(0, 16, 4))
    outputs = {
        call(capsys, "solve", form, "--model", model)[1]
        for form in (text, text.replace(".", "0"), rows)
    }
    assert len(outputs) == 1


@pytest.mark.parametrize("size", [4, 6])
def test_the_shipped_models_solve_a_puzzle_at_once(capsys, size):
    """Five puzzles made here; at 4x4 and 6x6 the cards promise more than 90 %."""
    puzzles, solutions = generate(size, 5, seed=1234)
    right = 0
    for puzzle, solution in zip(puzzles, solutions, strict=True):
        status, out, _ = call(capsys, "solve", rules.to_string(puzzle))
        assert status == 0
        right += f"answer: {rules.to_string(solution)}\nvalid: yes" in out
    assert right >= 4


@pytest.mark.parametrize(
    "text, message",
    [
        ("12.4", "16, 36 or 81"),
        ("1" + "." * 14 + "q", "character 16: 'q' is neither a digit nor a blank"),
        ("5" + "." * 15, "row 1, column 1: digit 5 is larger than 4"),
        ("11" + "." * 14, "row 1, column 2: digit 1 is repeated in its row"),
        ("123........4....", "no solution"),
    ],
)
def test_solve_refuses_bad_puzzles(capsys, text, message):
    assert message in refused(capsys, "solve", text)


@pytest.mark.parametrize("command", ["evaluate", "solve"])
def test_a_model_of_another_size_is_refused(capsys, tmp_path, model, command):
    call(capsys, "data", "sudoku", "--count", 3, "--out", tmp_path / "six.csv")
    words = ["--data", tmp_path / "six.csv"] if command == "evaluate" else ["." * 36]
    assert main([str(word) for word in [command, "--model", model, *words]]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "36); this model reads (N, 16)" in error


def test_weights_that_are_no_numbers_are_one_line(capsys, model, puzzle):
    broken = load(model)
    with torch.no_grad():
        for p in broken.parameters():
            p.fill_(float("nan"))
    save(broken, model, family="sudoku")
    assert main(["solve", puzzle[0], "--model", str(model)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "not a number; its weights are broken" in error


def test_evaluate_names_file_and_line_of_a_broken_csv(capsys, tmp_path, model):
    path = tmp_path / "broken.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write("source,question,answer,rating\na,1234,1234,0\n")
    error = refused(capsys, "evaluate", "--model", model, "--data", path)
    assert "broken.csv.gz" in error and "line 2" in error


def test_a_gzip_file_cut_short_is_named(capsys, tmp_path, model):
    path = tmp_path / "short.csv.gz"
    call(capsys, "data", "sudoku", "--size", 4, "--count", 50, "--out", path)
    path.write_bytes(path.read_bytes()[:-40])
    error = refused(capsys, "evaluate", "--model", model, "--data", path)
    assert "short.csv.gz: cut short or not a gzip file" in error
    path.write_text("plain text")
    assert "found the columns plain text" in refused(
        capsys, "evaluate", "--model", model, "--data", path
    )


@pytest.mark.parametrize("name", ["config.json", "card.md"])
def test_train_does_not_overwrite_other_files(capsys, tmp_path, name):
    config, out = write_run(tmp_path), tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine")
    assert f"holds a {name} already" in refused(capsys, "train", config, "--out", out)
    assert (out / name).read_text() == "mine"


def test_missing_files_and_unknown_names_are_named(capsys, tmp_path, model):
    assert "nowhere.csv" in refused(
        capsys, "evaluate", "--model", model, "--data", tmp_path / "nowhere.csv"
    )
    assert "unknown model 'nobody'" in refused(capsys, "solve", "." * 16, "--model", "nobody")
    assert "unknown preset 'sudoku-7x7'" in refused(
        capsys, "train", "sudoku-7x7", "--out", tmp_path / "x"
    )
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"model": "gpt"}, "Run.model is 'gpt'"),
        ({"settings": {"depth": 2}}, "unknown setting 'depth'"),
        ({"family": "chess"}, "unknown puzzle family 'chess'; expected one of sudoku"),
        ({"colour": 1}, "unknown 'colour'; a run has name, family, data"),
        ({"training": {"epochs": 2}}, "unknown setting 'epochs' in training; it has steps, batch"),
        ({"training": {"lr": 1e-3}}, "unknown setting 'lr' in training; it has "),
        ({"training": {"betas": [0.9]}}, "TrainConfig.betas is (0.9,)"),
        ({"data": {"size": 4, "train": 5}}, "data: "),
        ({"data": {"size": 5, "train": 1, "test": 1}}, "Data.size is 5"),
        ({"data": {"size": 4, "train": "5", "test": 1}}, "Data.train is '5'"),
        ({"data": {"size": 4, "train": 5, "test": 0}}, "Data.test is 0"),
        ({"data": {"size": 4, "train": 5, "test": 5, "revealed": 1.5}}, "Data.revealed is 1.5"),
        ({"model": ["trm"]}, "Run.model is ['trm']"),
        ({"settings": []}, "Run.settings is []"),
        ({"settings": {"width": "96"}}, "TRMConfig.width is '96'"),
        ({"settings": {"multiple": 0}}, "TRMConfig.multiple is 0"),
        ({"settings": {"segments": 0}}, "TRMConfig.segments is 0"),
        ({"settings": {"heads": 7, "mixing": "attention"}}, "expected a multiple of heads=7"),
        ({"settings": {"prefix": 0, "puzzles": 1}}, "TRMConfig.prefix is 0"),
        ({"training": {"steps": 0}}, "TrainConfig.steps is 0"),
        ({"training": {"seed": None}}, "TrainConfig.seed is None"),
        ({"training": {"halt_weight": "x"}}, "TrainConfig.halt_weight is 'x'"),
        ({"training": {"loss": "l2"}}, "TrainConfig.loss is 'l2'"),
    ],
)
def test_train_names_what_is_wrong_in_a_config(capsys, tmp_path, change, message):
    config = write_run(tmp_path, RUN | change)
    assert message in refused(capsys, "train", config, "--out", tmp_path / "out")
    assert not (tmp_path / "out" / "model.safetensors").exists()


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "line 1: not JSON"),
        ("{}", "'name' is missing"),
        ("[]", "expected a JSON object"),
    ],
)
def test_train_names_a_config_that_is_none(capsys, tmp_path, text, message):
    config = tmp_path / "run.json"
    config.write_text(text)
    error = refused(capsys, "train", config, "--out", tmp_path / "out")
    assert message in error and "run.json" in error


def test_train_does_not_overwrite_a_model(capsys, tmp_path, model):
    before = (model / "model.safetensors").read_bytes()
    config = write_run(tmp_path)
    assert "holds a model.safetensors already" in refused(capsys, "train", config, "--out", model)
    assert (model / "model.safetensors").read_bytes() == before


def test_an_output_folder_that_cannot_be_written_is_found_before_training(capsys, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert "cannot be written" in refused(
        capsys, "train", "sudoku-4x4", "--out", tmp_path / "file" / "out"
    )
    assert (tmp_path / "file").read_text() == "mine"
    for out, message in (
        (tmp_path / "no" / "x.csv", "cannot be written"),
        (tmp_path, "is a folder"),
    ):
        assert message in refused(capsys, "data", "sudoku", "--count", 1, "--out", out)


def test_a_checkpoint_cut_short_is_named(capsys, model):
    file = model / "model.safetensors"
    file.write_bytes(file.read_bytes()[:200])
    assert "model.safetensors: cut short" in refused(capsys, "solve", "." * 16, "--model", model)


def test_the_command_line_itself():
    done = subprocess.run(
        [sys.executable, "-m", "tinyrec", "solve", "12"], capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize("name", presets())
def test_every_preset_is_a_run(tmp_path, name):
    run = load_run(name)
    assert run.name == name and run == replace(run)
    again = tmp_path / "again.json"
    again.write_text(json.dumps(asdict(run)))
    assert load_run(str(again)) == run
