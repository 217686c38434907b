"""Processes that share the slots of a step: the same training, no process left behind."""

import multiprocessing
import os
import signal
import sys
import time
from dataclasses import replace

import pytest
import torch

from tinyrec import train as training
from tinyrec.parallel import Team, pick_processes, pick_slots
from tinyrec.puzzles import PuzzleSet
from tinyrec.train import TrainConfig, compile_model, train
from tinyrec.trm import TRM, TRMConfig

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or torch.cuda.is_available(), reason="needs Linux without a GPU"
)
SMALL = TRMConfig(
    vocab=6, length=16, width=32, latent_steps=2, recursions=1, segments=4, prefix=1, multiple=32
)
QUICK = TrainConfig(
    steps=50,
    batch=16,
    optimizer="adamw",
    learning_rate=3e-4,
    warmup=5,
    ema=0.9,
    exploration=0.5,
    evaluate_every=10,
)


def puzzles(n=64):
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(2, 6, (n, 16), generator=generator)
    return PuzzleSet(x, x.roll(1, dims=1))


def model(**switches):
    torch.manual_seed(0)
    made = TRM(replace(SMALL, **switches))
    torch.nn.init.constant_(made.heads.halt.bias, 0.5)  # halts where exploration lets it
    return made


@pytest.mark.parametrize("processes, slots", [(2, 8), (2, 2), (4, 4)])
def test_processes_change_the_training_by_rounding_only(processes, slots, monkeypatch):
    monkeypatch.setattr(training, "pick_slots", lambda *arguments: slots)
    (alone, one), (together, several) = (
        train(model(), puzzles(), QUICK, quiet=True, processes=n) for n in (1, processes)
    )
    for a, b in zip(one, several, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-4)
        assert a["segments"] == b["segments"] and a["exact"] == b["exact"]
    assert one[-1]["segments"] > 1.2 and one[-1]["loss"] < one[0]["loss"]
    for a, b in zip(alone.parameters(), together.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-3)


def test_compiled_processes_train_the_same():
    compiled = model()
    compile_model(compiled, torch.device("cpu"))
    _, one = train(model(), puzzles(), QUICK, quiet=True, processes=1)
    _, two = train(compiled, puzzles(), QUICK, quiet=True, processes=2)
    assert [entry["loss"] for entry in two] == pytest.approx([e["loss"] for e in one], rel=1e-4)


def test_the_model_and_the_threads_are_as_before():
    threads, trained = torch.get_num_threads(), model()
    train(trained, puzzles(), replace(QUICK, steps=2), quiet=True, processes=2)
    assert torch.get_num_threads() == threads and not multiprocessing.active_children()
    assert not any(p.grad is not None and p.grad.any() for p in trained.parameters())
    before = trained.heads.cells.weight.clone()
    stranger = os.fork()  # the weights are this process's own again
    if not stranger:
        trained.heads.cells.weight.data.add_(1)
        os._exit(0)
    os.waitpid(stranger, 0)
    assert torch.equal(before, trained.heads.cells.weight)


def test_stopping_early_leaves_no_process():
    _, history = train(
        model(),
        puzzles(),
        replace(QUICK, target=0.0),
        {"test": puzzles(8)},
        quiet=True,
        processes=2,
    )
    assert [entry["step"] for entry in history] == [10] and not multiprocessing.active_children()


def test_a_test_on_the_way_has_all_threads(monkeypatch):
    seen, evaluate = [], training.evaluate

    def watched(*arguments, **more):
        seen.append(torch.get_num_threads())
        return evaluate(*arguments, **more)

    monkeypatch.setattr(training, "evaluate", watched)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        train(model(), puzzles(), QUICK, {"test": puzzles(8)}, quiet=True, processes=2)
    finally:
        torch.set_num_threads(threads)
    assert seen == [2] * 5


def numbers(slices):
    while True:
        yield {"slots": torch.tensor(sum(part.stop - part.start for part in slices))}


def test_a_process_that_stops_is_an_error_not_a_wait():
    with pytest.raises(RuntimeError, match="another process of this training has stopped"):
        with Team(model(), numbers, batch=4, processes=2, slots=1) as team:
            assert team.step() == {"slots": 4}
            os.kill(team.others[0][0].pid, signal.SIGKILL)
            for _ in range(10):
                team.step()
    assert not multiprocessing.active_children()


def test_an_interrupted_training_leaves_no_process():
    def interrupted(slices):
        yield from (next(numbers(slices)) for _ in range(2))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        with Team(model(), interrupted, batch=4, processes=2, slots=2) as team:
            for _ in range(5):
                team.step()
    assert not multiprocessing.active_children()


def test_copies_end_with_their_first_process():
    reading, writing = os.pipe()
    first = os.fork()
    if not first:
        try:
            with Team(model(), numbers, batch=4, processes=2, slots=1) as team:
                os.write(writing, str(team.others[0][0].pid).encode())
                os.kill(os.getpid(), signal.SIGKILL)  # no time for a good-bye
        finally:
            os._exit(1)
    os.close(writing)
    os.waitpid(first, 0)
    copy = int(os.read(reading, 20))
    for _ in range(100):
        if not alive(copy):
            break
        time.sleep(0.05)
    assert not alive(copy)


def alive(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rsplit(")")[-1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_how_many(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert pick_processes(model(), batch=64) == 2
    assert pick_processes(model(), batch=30) == 1  # 15 slots each are too few
    assert pick_processes(model(), batch=65) == 1
    assert pick_processes(model(puzzles=1), batch=64) == 1
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # copies could not compute
    assert pick_processes(model(), batch=64) == 1
    monkeypatch.undo()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert pick_processes(model(), batch=64) == 1


def test_a_process_works_on_as_many_slots_as_fit():
    # the token mixer's first map makes 128 of 17 positions, for each of 32 channels: 16 KB in float32
    assert pick_slots(model(), 32, torch.float32, cache=16384 * 16) == 16
    assert pick_slots(model(), 32, torch.bfloat16, cache=16384 * 16) == 32
    assert pick_slots(model(), 32, torch.float32, cache=16384 * 15) == 8
    assert pick_slots(model(), 32, torch.float32, cache=1) == 32  # too few: all of them
    assert pick_slots(model(), 37, torch.float32, cache=16384 * 16) == 37  # no divisor


@pytest.mark.parametrize("processes", [0, 2])
def test_what_cannot_be_shared_is_named_and_the_model_stays(processes):
    with_table = model(puzzles=1, recursions=3)
    with pytest.raises(ValueError, match="processes"):
        train(
            with_table, puzzles(), replace(QUICK, recursions=1), quiet=True, processes=processes
        )
    assert with_table.config.recursions == 3


def test_a_failed_training_leaves_the_models_t(monkeypatch):
    def broken(*arguments):
        raise KeyboardInterrupt

    deep = model(recursions=3)
    monkeypatch.setattr(training, "segment_loss", broken)
    for processes in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            train(deep, puzzles(), replace(QUICK, recursions=1), quiet=True, processes=processes)
        assert deep.config.recursions == 3 and not multiprocessing.active_children()


def test_slots_that_cannot_be_shared_are_named():
    with pytest.raises(ValueError, match="15 slots cannot be shared alike by 2 processes"):
        train(model(), puzzles(), replace(QUICK, batch=15), quiet=True, processes=2)
