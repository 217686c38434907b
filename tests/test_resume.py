"""Resuming: a training that was stopped, or killed, goes on to the bit where it was."""

import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import (
    QUICK,
    changed,
    copying,
    different,
    eager_to_halt,
    on_any_machine,
    small,
    state_of,
    timeless,
    write_run,
)

from tinyrec import checkpoints
from tinyrec.__main__ import main
from tinyrec.checkpoints import CHECKPOINTS, resume, save_training
from tinyrec.train import Training, train

NEWEST, BEFORE = CHECKPOINTS


@pytest.fixture(autouse=True)
def the_same_everywhere(monkeypatch):
    on_any_machine(monkeypatch)
    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
    here = Path(__file__).parent
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(here.parent), str(here)]))


def start(*words, **how) -> subprocess.Popen:
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return subprocess.Popen([sys.executable, *map(str, words)], **pipes | how)


# --- in one process -------------------------------------------------------------------------------


def some_training(config=QUICK, kind="trm", dtype=torch.float32, **settings) -> Training:
    """Slots at different depths, five ids in a table of eight, whatever a checkpoint must hold."""
    model = eager_to_halt(small(kind, **dict(puzzles=8, segments=4) | settings))
    return Training(model, copying(ids=5), replace(config, exploration=0.5), dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    "kind, optimizer", [("trm", "adam_atan2"), ("trm", "adamw"), ("trm", "muon"), ("hrm", "adamw")]
)
def test_what_is_resumed_goes_on_to_the_bit(tmp_path, kind, optimizer, dtype):
    """Saved after 7 steps, between two reports; ten steps more."""
    config = replace(QUICK, optimizer=optimizer, steps=17, evaluate_every=5)
    tests = {"test": copying(8, ids=5)}
    whole = some_training(config, kind, dtype)
    keep = partial(save_training, folder=tmp_path, run={})

    def keep_the_seventh(training):
        if training.step == 7:
            keep(training)

    train(whole, tests, quiet=True, save=keep_the_seventh, save_every=0.0)
    again = some_training(config, kind, dtype)
    assert resume(again, tmp_path, {}) == [] and again.step == 7 and again.sums
    train(again, tests, quiet=True)
    assert not different(state_of(whole), state_of(again))
    assert timeless(whole.history) == timeless(again.history) and len(again.history) == 4
    assert again.history[0] == whole.history[0]  # restored, seconds and all


def test_a_checkpoint_restores_everything_before_the_next_step(tmp_path):
    first = some_training(replace(QUICK, optimizer="adam_atan2"))
    for _ in range(3):
        first.advance()
    first.seconds, first.reached = 12.5, True
    save_training(first, tmp_path, {})
    second = some_training(replace(QUICK, optimizer="adam_atan2"))
    resume(second, tmp_path, {})
    assert not different(state_of(first), state_of(second))
    assert not different(first.sums, second.sums)
    assert (second.step, second.seconds, second.reached) == (3, 12.5, True)
    whole = [s["t"] for s in second.optimizers[0].state.values()]
    assert whole and all(t == 3 and isinstance(t, int) for t in whole)


def test_a_model_without_q_or_average_resumes_too(tmp_path):
    config = replace(QUICK, ema=0.0, steps=8)
    one, other = (Training(small("naive", segments=3), copying(), config) for _ in range(2))
    save = partial(save_training, folder=tmp_path, run={})
    assert train(one, quiet=True, minutes=0.0, save=save) == "out of time"
    resume(other, tmp_path, {})
    for training in (one, other):
        train(training, quiet=True)
    assert not different(state_of(one), state_of(other))


def two_checkpoints(folder: Path) -> tuple[Training, Training]:
    """After step 1 and after step 2; and a fresh training that may go on from one of them."""
    training = some_training()
    for _ in range(2):
        training.advance()
        save_training(training, folder, {})
    return training, some_training()


def cut_short(file: Path):
    file.write_bytes(file.read_bytes()[:-1000])


def flip_a_byte(file: Path, place: int = -5):
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)


def forget_everything(file: Path):
    file.write_bytes(b"")


def put_another_file_there(file: Path):
    save_file({"weight": torch.zeros(3)}, file)


DAMAGES = [cut_short, flip_a_byte, forget_everything, put_another_file_there]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so(tmp_path, damage):
    _, fresh = two_checkpoints(tmp_path)
    damage(tmp_path / NEWEST)
    (remark,) = resume(fresh, tmp_path, {})
    assert remark.startswith(f"{tmp_path / NEWEST}: damaged") and "going on from step 1" in remark
    one = some_training()
    one.advance()
    assert not different(state_of(one), state_of(fresh))


def test_where_both_are_damaged_one_line_names_both_and_nothing_changes(tmp_path):
    _, fresh = two_checkpoints(tmp_path)
    before = dict(fresh.model.state_dict())
    flip_a_byte(tmp_path / NEWEST)
    cut_short(tmp_path / BEFORE)
    with pytest.raises(ValueError) as error:
        resume(fresh, tmp_path, {})
    assert f"{NEWEST}: damaged (its checksum is wrong)" in str(error.value)
    assert f"{BEFORE}: damaged" in str(error.value) and "\n" not in str(error.value)
    assert fresh.step == 0 and not different(before, dict(fresh.model.state_dict()))


def test_a_flipped_byte_is_noticed_wherever_it_is(tmp_path):
    """Also among the words: the step, the history, the digest itself."""
    training = some_training()
    training.history = [{"step": 1, "loss": 0.123456789}]
    training.advance()
    save_training(training, tmp_path, {"seed": 1})
    whole = (tmp_path / NEWEST).read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    words = whole.index(b"__metadata__"), whole.index(b'"},')
    draw = random.Random(0)
    places = draw.sample(range(*words), 100) + draw.sample(range(8, header), 50)
    places += draw.sample(range(header, len(whole)), 50)
    for place in places:
        flip_a_byte(tmp_path / NEWEST, place)
        with pytest.raises(ValueError, match="damaged"):
            checkpoints.read_training(tmp_path / NEWEST)
        (tmp_path / NEWEST).write_bytes(whole)


def test_another_runs_checkpoint_names_the_difference(tmp_path):
    training, fresh = two_checkpoints(tmp_path)
    run = {"training": {"seed": 1, "betas": (0.9, 0.95)}, "note": ""}
    save_training(training, tmp_path, run)
    other = {"training": {"seed": 2, "betas": (0.9, 0.95)}, "note": ""}
    with pytest.raises(ValueError, match="of another run: training.seed is 1 there, 2 here"):
        resume(fresh, tmp_path, other)
    assert fresh.step == 0
    resume(fresh, tmp_path, run)


def test_nothing_to_go_on_with_is_one_line(tmp_path):
    with pytest.raises(ValueError, match="holds no checkpoint to go on with"):
        resume(some_training(), tmp_path, {})


# --- killed ---------------------------------------------------------------------------------------

KILLED = """
import json, os, signal, sys
from functools import partial
from pathlib import Path
from safetensors.torch import save_file
from test_resume import KILLED_CONFIG, some_training, state_of, copying
from tinyrec.checkpoints import CHECKPOINTS, resume, save_training
from tinyrec.train import train

folder, last = Path(sys.argv[1]), int(sys.argv[2])
training = some_training(KILLED_CONFIG)
if any((folder / name).exists() for name in CHECKPOINTS):
    print(*resume(training, folder, {}), f"from step {training.step}", flush=True)
lines = 0

def count(frame, event, argument):
    global lines
    if "tinyrec" not in frame.f_code.co_filename:
        return None
    lines += event == "line"
    if lines == last:  # in the middle of whatever it is
        print(f"killed in {frame.f_code.co_name}", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return count

sys.settrace(count)
keep = partial(save_training, folder=folder, run={})
train(training, {"test": copying(8, ids=5)}, quiet=True, save=keep, save_every=0.0)
sys.settrace(None)
save_file(state_of(training), folder / "end.safetensors")
(folder / "end.json").write_text(json.dumps([training.history, lines]))
"""
KILLED_CONFIG = replace(QUICK, optimizer="adam_atan2", steps=30, evaluate_every=5)


def run_until_killed(folder: Path, lines: int) -> tuple[int, str]:
    process = start("-c", KILLED, folder, lines)
    out, err = process.communicate(timeout=250)
    assert process.returncode in (0, -signal.SIGKILL), err
    return process.returncode, out


def test_a_run_killed_at_three_random_moments_ends_as_if_nothing_had_been(tmp_path):
    """The moments are counted in lines of tinyrec that have run, so they do not depend on speed;
    each process gets through some steps, and the next one goes on from the last checkpoint.
    """
    whole = some_training(KILLED_CONFIG)
    train(whole, {"test": copying(8, ids=5)}, quiet=True)
    draw = random.Random(11)
    starts = []
    for _ in range(3):
        status, out = run_until_killed(tmp_path, draw.randrange(2000, 6000))
        assert status == -signal.SIGKILL
        starts += re.findall(r"from step (\d+)", out)
    status, out = run_until_killed(tmp_path, -1)
    starts += re.findall(r"from step (\d+)", out)
    assert status == 0 and "damaged" not in out
    assert 0 < int(starts[0]) < int(starts[1]) < int(starts[2]) < 30, starts
    assert not different(state_of(whole), load_file(tmp_path / "end.safetensors"))
    history, _ = json.loads((tmp_path / "end.json").read_text())
    assert timeless(history) == timeless(whole.history)


@pytest.mark.parametrize("call, nth", [("fsync", 1), ("replace", 1), ("replace", 2)])
def test_a_write_that_breaks_off_anywhere_leaves_a_good_checkpoint(
    tmp_path, monkeypatch, call, nth
):
    """Before the data is on the disk, before the first rename, between the two."""
    training, fresh = two_checkpoints(tmp_path)
    training.advance()
    calls, real = [], getattr(os, call)

    class Killed(BaseException):
        pass

    def kill(*arguments):
        calls.append(arguments)
        if len(calls) == nth:
            monkeypatch.setattr(os, "unlink", lambda path: None)  # after a kill nobody cleans up
            raise Killed
        return real(*arguments)

    monkeypatch.setattr(os, call, kill)
    with pytest.raises(Killed):
        save_training(training, tmp_path, {})
    monkeypatch.undo()
    resume(fresh, tmp_path, {})
    assert fresh.step == 2


# --- a disk that is full --------------------------------------------------------------------------

FULL = """
import resource, sys
from functools import partial
from pathlib import Path
from test_resume import some_training
from tinyrec.__main__ import main
import tinyrec.train, tinyrec.runs

saved = []

def save_often(training, tests, save, minutes):
    def save_and_fill(training):
        save(training)
        saved.append(training.step)
        if len(saved) == 2:  # from now on no file may have more than 1,000 bytes
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    return tinyrec.train.train(training, tests, True, save_and_fill, 0.0, minutes)

tinyrec.runs.train = save_often
sys.exit(main(sys.argv[1:]))
"""


def test_a_full_disk_is_one_line_and_the_last_good_checkpoint_stays(tmp_path):
    """The third checkpoint does not fit; a run can go on from the second."""
    out, run = tmp_path / "out", write_run(tmp_path)
    process = start("-c", FULL, "train", run, "--out", out)
    _, err = process.communicate(timeout=250)
    assert process.returncode == 2 and err.count("\n") == 1, err
    assert re.match(rf"error: {out / NEWEST}: cannot be written \(File too large\)", err)
    assert sorted(file.name for file in out.iterdir()) == sorted(CHECKPOINTS)
    assert checkpoints.read_training(out / NEWEST)[0]["step"] == 2
    assert main(["train", str(run), "--out", str(out), "--resume"]) == 0


# --- the command ----------------------------------------------------------------------------------


def train_command(capsys, run, out, *more) -> tuple[int, str, str]:
    status = main(["train", str(run), "--out", str(out), *map(str, more)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize(
    "number, status, says",
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_signal_leaves_a_checkpoint_and_the_command_that_goes_on(tmp_path, number, status, says):
    run = write_run(tmp_path, changed(training=dict(steps=10_000_000, evaluate_every=0)))
    out = tmp_path / "its out"
    process = start("-m", "tinyrec", "train", run, "--out", out, "--seed", 3)
    seen = ""
    while not re.search(r" [1-9]\d*/10000000", seen):  # its progress bar says that it trains
        more = process.stderr.read(1)
        assert more, seen
        seen += more
    process.send_signal(number)
    printed, rest = process.communicate(timeout=250)
    assert process.returncode == status and "Traceback" not in rest
    last = printed.splitlines()[-1]
    assert last.startswith(f"{says}; go on with: python -m tinyrec train")
    assert [file.name for file in out.iterdir()] == [NEWEST]
    step = checkpoints.read_training(out / NEWEST)[0]["step"]
    words = shlex.split(last.partition("go on with: ")[2])
    assert words[:3] == ["python", "-m", "tinyrec"] and words[-1] == "--resume"
    assert main([*words[3:], "--minutes", "0"]) == 0
    assert checkpoints.read_training(out / NEWEST)[0]["step"] == step + 1


def test_minutes_stop_and_resume_ends_as_if_in_one_go(capsys, tmp_path):
    run = write_run(tmp_path)
    assert train_command(capsys, run, tmp_path / "whole")[0] == 0
    out = tmp_path / "parts"
    status, printed, _ = train_command(capsys, run, out, "--minutes", 0)
    assert status == 0 and "out of time; go on with: " in printed
    for _ in range(2):
        assert train_command(capsys, run, out, "--minutes", 0, "--resume")[0] == 0
    assert not (out / "result.json").exists() and (out / BEFORE).exists()
    assert train_command(capsys, run, out, "--resume")[0] == 0
    names = {"model.safetensors", "config.json", "result.json", "card.md"}
    assert {file.name for file in out.iterdir()} == names  # and no checkpoint any more
    for name in ("model.safetensors", "config.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    one, other = (json.loads((f / "result.json").read_text()) for f in (out, tmp_path / "whole"))
    assert timeless(one["history"]) == timeless(other["history"])
    assert one["test"] == other["test"] and one["steps"] == other["steps"] == 4


def test_what_cannot_be_resumed_is_one_line(capsys, tmp_path):
    run, out = write_run(tmp_path), tmp_path / "out"

    def refused(*more, run=run):
        status, printed, err = train_command(capsys, run, out, *more)
        assert status == 2 and printed == "" and err.count("\n") == 1, (status, printed, err)
        return err

    assert "holds no checkpoint to go on with" in refused("--resume")
    train_command(capsys, run, out, "--minutes", 0)
    before = (out / NEWEST).read_bytes()
    assert "is of another run: training.seed is 0 there, 5 here" in refused("--resume", "--seed", 5)
    wider = write_run(tmp_path, changed(settings=dict(width=32)), "wider.json")
    assert "settings.width is 16 there, 32 here" in refused("--resume", run=wider)
    assert f"holds a {NEWEST} already; go on with --resume, or choose another folder" in refused()
    assert (out / NEWEST).read_bytes() == before
    assert train_command(capsys, run, out, "--resume")[0] == 0
    result = (out / "result.json").read_bytes()
    for more in ((), ("--resume",)):  # finished
        assert "already; choose another folder" in refused(*more)
    assert (out / "result.json").read_bytes() == result


def test_the_command_says_which_checkpoint_was_damaged(capsys, tmp_path):
    run, out = write_run(tmp_path), tmp_path / "out"
    for more in ((), ("--resume",)):
        train_command(capsys, run, out, "--minutes", 0, *more)
    cut_short(out / NEWEST)
    status, printed, _ = train_command(capsys, run, out, "--resume")
    assert status == 0 and f"{NEWEST}: damaged" in printed and "going on from step 1" in printed


def test_a_run_that_diverges_is_one_line_and_leaves_no_result(capsys, tmp_path):
    run = changed(training=dict(learning_rate=1e30, steps=50))
    out = tmp_path / "out"
    status, _, err = train_command(capsys, write_run(tmp_path, run), out)
    last = err.splitlines()[-1]
    assert status == 2 and re.match(
        r"error: step 2: the loss is (nan|inf) \(learning rate 1e\+30", last
    )
    assert "Traceback" not in err and not list(out.glob("*.json"))
    for file in tmp_path.rglob("*.json"):
        assert "NaN" not in file.read_text() and "Infinity" not in file.read_text()


def test_json_knows_no_nan():
    with pytest.raises(ValueError):
        checkpoints.to_json({"loss": float("nan")})
