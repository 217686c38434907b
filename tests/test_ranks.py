"""Several processes under torchrun do what one does with the same global batch."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from tiny import QUICK, changed, copying, eager_to_halt, losses, small, write_run

from tinyrec.__main__ import main
from tinyrec.checkpoints import resume
from tinyrec.ranks import ALONE, Ranks, join
from tinyrec.train import Training, train

# --- alone ----------------------------------------------------------------------------------------


def test_a_plain_run_is_rank_0_of_1_and_needs_nobody(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert join(torch.device("cpu")) is ALONE and ALONE == Ranks(0, 1)
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert join(torch.device("cpu")) is ALONE
    assert ALONE.slots(5) == slice(0, 5)
    own, metrics = torch.arange(3), {"count": torch.tensor(2)}
    assert ALONE.gather(own) is own and ALONE.add_up(small(), metrics) is metrics
    assert ALONE.agree(True, False, device=torch.device("cpu")) == [True, False]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_slots_of_all_ranks_are_the_batch_once(count):
    rows = torch.arange(8)
    parts = [rows[Ranks(rank, count).slots(8)] for rank in range(count)]
    assert torch.equal(torch.cat(parts), rows) and {len(part) for part in parts} == {8 // count}


def test_a_batch_that_cannot_be_shared_is_named_before_training():
    with pytest.raises(ValueError, match="a batch of 15 cannot be shared alike by 2 ranks"):
        Training(small(), copying(), replace(QUICK, batch=15), ranks=Ranks(1, 2))


def test_every_rank_draws_its_own_part_of_the_same_batch():
    puzzles = copying(ids=5)
    whole, *parts = (
        Training(small(), puzzles, QUICK, ranks=ranks).draw()
        for ranks in (ALONE, Ranks(0, 2), Ranks(1, 2))
    )
    for i in range(3):  # x, y, ids
        assert torch.equal(whole[0][i], torch.cat([batch[i] for batch, _ in parts]))
    assert torch.equal(whole[1], torch.cat([minimum for _, minimum in parts]))


# --- two ------------------------------------------------------------------------------------------

WORKER = """
import json, signal, sys
from functools import partial
from pathlib import Path
import torch
import torch.distributed as dist
from safetensors.torch import save_file
from test_ranks import dense, with_ids, KEPT
from tiny import QUICK, copying, losses, small
from tinyrec.__main__ import main
from tinyrec.checkpoints import save_training
from tinyrec.ranks import join
from tinyrec.train import Training, train

folder, run = map(Path, sys.argv[1:])
ranks = join(torch.device("cpu"))
assert ranks.count == 2

def keep(training):
    if training.step == KEPT:
        save_training(training, folder, {})

found = {}
for name, make in ("dense", dense), ("ids", with_ids):
    training = make(ranks)
    train(training, quiet=True, save=keep, save_every=0.0)
    found[name] = losses(training)
    save_file({n: p.detach() for n, p in training.model.named_parameters()},
              folder / f"{name}-{ranks.rank}.safetensors")

def ask(x, y, generator, drawn=[]):  # only rank 1 is asked to stop, at the third step
    drawn.append(1)
    if ranks.rank == 1 and len(drawn) == 3:
        signal.raise_signal(signal.SIGINT)
    return x, y

puzzles = copying()
puzzles.augment = ask
training = Training(small(), puzzles, QUICK, ranks=ranks)
found["stopped"] = [train(training, quiet=True), training.step]

for name, more in ("whole", []), ("part", ["--minutes", "0"]):
    assert main(["train", str(run), "--out", str(folder / name), *more]) == 0
(folder / f"found-{ranks.rank}.json").write_text(json.dumps(found))
dist.barrier()
dist.destroy_process_group()
"""
KEPT = 10
CONFIG = replace(QUICK, steps=20, evaluate_every=1, exploration=0.5, puzzle_learning_rate=1e-2)


def dense(ranks: Ranks) -> Training:
    """Plain gradient descent, which, unlike Adam, notices a gradient of the wrong size."""
    training = Training(eager_to_halt(small()), copying(), CONFIG, ranks=ranks)
    descent = torch.optim.SGD(training.model.parameters(), lr=0.2)
    descent.param_groups[0]["peak"] = 0.2
    training.optimizers = [descent]
    return training


def with_ids(ranks: Ranks) -> Training:
    """Five ids in a table of eight, AdamW and SignSGD."""
    model = eager_to_halt(small(puzzles=8))
    return Training(model, copying(ids=5), CONFIG, ranks=ranks)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What two ranks did: a folder with their losses, weights and checkpoints."""
    if not (dist.is_available() and dist.is_gloo_available()):
        pytest.skip("this PyTorch has no torch.distributed with gloo")
    folder = tmp_path_factory.mktemp("ranks")
    worker, run = folder / "worker.py", write_run(folder, changed(training=dict(steps=6)))
    worker.write_text(WORKER)
    here = Path(__file__).parent
    settings = dict(OMP_NUM_THREADS="1", TORCHDYNAMO_DISABLE="1", TINYREC_PRECISION="float32")
    settings["PYTHONPATH"] = os.pathsep.join([str(here.parent), str(here)])
    words = ["--standalone", "--local-addr", "localhost", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *words, worker, folder, run],
        capture_output=True, text=True, env=os.environ | settings, timeout=250,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def found(two: Path, rank: int = 0) -> dict:
    return json.loads((two / f"found-{rank}.json").read_text())


@pytest.mark.parametrize("name, make", [("dense", dense), ("ids", with_ids)])
def test_two_ranks_give_the_losses_of_one_process(two, name, make):
    training = make(ALONE)
    train(training, quiet=True)
    assert losses(training)[-1] < 0.9 * losses(training)[0]
    assert found(two)[name] == pytest.approx(losses(training), rel=0, abs=1e-5)
    weights, other = (load_file(two / f"{name}-{rank}.safetensors") for rank in (0, 1))
    for parameter, value in training.model.named_parameters():
        assert torch.equal(weights[parameter], other[parameter])  # the ranks stay alike
        torch.testing.assert_close(weights[parameter], value.detach(), rtol=0, atol=1e-4)


def test_the_rows_of_the_puzzle_table_are_those_of_one_process(two):
    """Each step moves an entry by the rate or not at all, so a wrong sign would show."""
    training = with_ids(ALONE)
    train(training, quiet=True)
    table = training.model.embed.puzzles.detach()
    ranks = load_file(two / "ids-0.safetensors")["embed.puzzles"]
    torch.testing.assert_close(ranks, table, rtol=0, atol=1e-6)
    assert table[:5].any(1).all() and not table[5:].any()


def test_a_checkpoint_of_two_ranks_goes_on_in_one_process(two):
    training = with_ids(ALONE)
    resume(training, two, {})
    assert training.step == KEPT and len(training.carry.puzzles.x) == CONFIG.batch
    train(training, quiet=True)
    assert losses(training) == pytest.approx(losses(trained_alone()), rel=0, abs=1e-5)


def trained_alone() -> Training:
    training = with_ids(ALONE)
    train(training, quiet=True)
    return training


def test_all_ranks_stop_when_one_is_asked(two):
    assert [found(two, rank)["stopped"] for rank in (0, 1)] == [["interrupted", 3]] * 2


def test_the_command_trains_under_torchrun_and_one_process_goes_on(two, monkeypatch):
    monkeypatch.setenv("TINYREC_PRECISION", "float32")
    monkeypatch.setattr("tinyrec.runs.compile_model", lambda *_: "eager")
    run = str(two / "run.json")
    assert main(["train", run, "--out", str(two / "part"), "--resume"]) == 0
    assert main(["train", run, "--out", str(two / "alone")]) == 0
    results = [
        json.loads((two / name / "result.json").read_text()) for name in ("alone", "whole", "part")
    ]
    first, *others = ([entry["loss"] for entry in result["history"]] for result in results)
    assert len(first) == 3
    for other in others:
        assert other == pytest.approx(first, rel=0, abs=1e-5)
    assert results[0]["test"] == results[1]["test"] == results[2]["test"]
