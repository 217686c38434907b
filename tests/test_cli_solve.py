"""python -m tinyrec solve: what it prints is true, on a terminal and off it."""

import re
from types import SimpleNamespace

import pytest
import torch
from by_hand import attempts_at, chance
from commands import Terminal, decided, decided_folder, refused, said
from safetensors.torch import load_file, save_file

from tinyrec.checkpoints import save
from tinyrec.models import build
from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.generate import generate

PUZZLE, SOLUTION = "...3..4..31....4", "1423324143122134"
X = rules.encode(rules.parse(PUZZLE))[None]
ROWS = "\n".join(PUZZLE[i : i + 4] for i in range(0, 16, 4))


@pytest.fixture
def doubting(tmp_path):
    """The folder of a model that is never sure."""
    return decided_folder(tmp_path / "doubting", boldness=0.3)


def grid(tokens) -> str:
    return rules.format_grid(rules.decode(tokens))


def line(tokens) -> str:
    return rules.to_string(rules.decode(tokens))


def percent(q: float) -> str:
    return f"{chance(q):.0%}"


def test_off_a_terminal_solve_prints_a_short_form(capsys, doubting):
    """Question, a line for each attempt, the surest answer and whether it is right: nothing else.

    Everything is computed again by plain loops. The answer is that of an image, turned back.
    """
    [tried] = attempts_at(decided(boldness=0.3), X, 3, 4, seed=2)
    assert len(tried) == 4
    q, answer, _ = max(tried, key=lambda one: one[0])
    assert answer is not tried[0][1] and answer is not tried[-1][1]
    ends = [
        f"attempt {n}, segment 3, says solved: {percent(q)}" for n, (q, *_) in enumerate(tried, 1)
    ]
    again = [f"{end}: not sure, looking again at a symmetric image" for end in ends[:-1]]
    last = f"{ends[-1]}; the surest of 4 attempts: {percent(q)}"
    parts = [
        grid(X[0]),
        "",
        *again,
        last,
        "",
        grid(answer),
        "",
        f"answer: {line(answer)}",
        "valid: no",
    ]
    out = said(capsys, "solve", PUZZLE, "--model", doubting, "--attempts", 4, "--seed", 2)
    assert out == "\n".join(parts) + "\n"


def test_verbose_prints_the_answer_after_every_segment(capsys, doubting):
    words = ("solve", PUZZLE, "--model", doubting, "--attempts", 2)
    out, short = said(capsys, *words, "--verbose"), said(capsys, *words)
    heads = re.findall(r"^attempt (\d), segment (\d), says solved: \d+%\n(?=[1-4.])", out, re.M)
    assert heads == [(str(a), str(s)) for a in (1, 2) for s in (1, 2, 3)]
    assert out.count("----+----") == 1 + 6 + 1 and short.count("----+----") == 2
    assert out.endswith(short[short.index("; the surest") :])
    for n, (q, answer, _) in enumerate(attempts_at(decided(boldness=0.3), X, 3, 2)[0], 1):
        end = f"attempt {n}, segment 3, says solved: {percent(q)}\n"
        assert end + grid(answer) in out  # an image's answers are turned back here too


def test_on_a_terminal_the_grid_is_drawn_again_in_its_place(capsys, monkeypatch, doubting):
    words = ("solve", PUZZLE, "--model", doubting, "--attempts", 3, "--seed", 2)
    off = said(capsys, *words)
    written, screen = Terminal(), Terminal()
    for terminal in (written, screen):
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdout", terminal.file)
            said(capsys, *words)
    assert written.written().count("----+----") == 1 + 9 + 1  # question, segments, answer
    answer, end = re.search("answer: (.*)", off)[1], re.search("attempt 3.*", off)[0]
    parts = [grid(X[0]), "", rules.format_grid(rules.parse(answer)), "", end]
    parts += [f"answer: {answer}", "valid: no", ""]
    assert screen.shown() == "\n".join(parts)  # nothing of the way there


def test_verbose_draws_nothing_again_on_a_terminal_either(capsys, monkeypatch, doubting):
    words = ("solve", PUZZLE, "--model", doubting, "--attempts", 2, "--verbose")
    off, screen = said(capsys, *words), Terminal()
    monkeypatch.setattr("sys.stdout", screen.file)
    said(capsys, *words)
    assert screen.written() == off


@pytest.mark.parametrize(
    "answer, verdict",
    [
        (SOLUTION, "yes"),
        (SOLUTION[:-1] + "3", "no"),  # a rule broken
        ("4123321414322341"[:16], "no"),
        (SOLUTION.translate(str.maketrans("1234", "2143")), "no"),  # valid, but of another puzzle
    ],
)
def test_valid_says_whether_the_answer_solves_this_puzzle(
    capsys, monkeypatch, doubting, answer, verdict
):
    def told(model, x, segments, watch, **how):
        watch(1, 1, rules.encode(rules.parse(answer)), 5.0)
        return SimpleNamespace(
            tokens=rules.encode(rules.parse(answer))[None], q=torch.tensor([5.0])
        )

    monkeypatch.setattr("tinyrec.__main__.answer", told)
    out = said(capsys, "solve", PUZZLE, "--model", doubting)
    assert out.endswith(f"answer: {answer}\nvalid: {verdict}\n")


@pytest.mark.parametrize("size", [4, 6])
def test_the_shipped_models_solve_a_puzzle_at_once(capsys, size):
    """Five puzzles made here, and each of them nearly solved: q is sure where it is easy."""
    puzzles, solutions = generate(size, 5, seed=1234)
    right = 0
    for puzzle, solution in zip(puzzles, solutions, strict=True):
        out = said(capsys, "solve", rules.to_string(puzzle))
        right += out.endswith(f"answer: {rules.to_string(solution)}\nvalid: yes\n")
        nearly = "." + rules.to_string(solution)[1:]
        out = said(capsys, "solve", nearly)
        assert out.endswith(f"answer: {rules.to_string(solution)}\nvalid: yes\n")
        assert "attempt 2" not in out
    assert right >= 4


def test_a_puzzle_with_several_solutions_gets_a_note(capsys, doubting):
    words = ("--model", doubting, "--attempts", 1)
    note = "note: the puzzle has more than one solution\n"
    assert said(capsys, "solve", "1" + "." * 15, *words).endswith(note)
    assert "note" not in said(capsys, "solve", PUZZLE, *words)


@pytest.mark.parametrize(
    "text",
    [
        PUZZLE.replace(".", "0"),
        PUZZLE.replace(".", "-"),  # begins with -, and is no option
        PUZZLE.replace(".", "_"),
        ROWS,
        ROWS.replace(".", "-"),
        ",".join(PUZZLE.replace(".", "-")),
        " ".join(PUZZLE.replace(".", "-")),
        "+---+---+\n" + ROWS,
        "---------\n" + grid(X[0]) + "\n---------",
        grid(X[0]),
    ],
)
def test_a_puzzle_may_be_written_in_many_ways(capsys, doubting, text):
    words = ("--model", doubting, "--attempts", 1)
    assert said(capsys, "solve", text, *words) == said(capsys, "solve", PUZZLE, *words)
    assert said(capsys, "solve", *words, text) == said(capsys, "solve", PUZZLE, *words)


def test_the_models_own_number_of_segments_is_run_unless_told_otherwise(capsys, tmp_path):
    for segments in (1, 4):
        folder = decided_folder(tmp_path / str(segments), boldness=0.3, segments=segments)
        words = ("solve", PUZZLE, "--model", folder, "--attempts", 1)
        assert f"attempt 1, segment {segments}, " in said(capsys, *words)
        assert "attempt 1, segment 3, " in said(capsys, *words, "--segments", 3)


def test_a_model_without_q_has_one_attempt_and_says_nothing_of_being_sure(capsys, tmp_path):
    torch.manual_seed(0)
    save(build("naive", dict(vocab=6, length=16, width=16, segments=2)), tmp_path / "naive")
    out = said(capsys, "solve", PUZZLE, "--model", tmp_path / "naive")
    assert "attempt 1, segment 2\n" in out and "says" not in out and "attempt 2" not in out


def test_weights_that_are_no_numbers_are_one_line(capsys, doubting):
    file = doubting / "model.safetensors"
    weights = load_file(file)
    save_file({name: value * torch.nan for name, value in weights.items()}, file)
    error = refused(capsys, "solve", PUZZLE, "--model", doubting)
    assert error == "error: the model's answer is no number; its weights are broken\n"
