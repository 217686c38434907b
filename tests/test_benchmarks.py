"""The benchmarks compare what they say: equal work, equal numbers; and their harness counts right.
No timing is tested.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

import gpu  # noqa: E402
import page  # noqa: E402
import pairs  # noqa: E402
import peer  # noqa: E402
import sides  # noqa: E402
import throughput  # noqa: E402
from textbook import Textbook, TextbookTRM  # noqa: E402
from torch._dynamo.utils import counters  # noqa: E402

from tinyrec.carry import draw_minimum, empty_carry, refill, segment  # noqa: E402
from tinyrec.checkpoints import load_model  # noqa: E402
from tinyrec.device import LONG, compile_model  # noqa: E402
from tinyrec.losses import segment_loss  # noqa: E402
from tinyrec.models.trm import TRM, TRMConfig  # noqa: E402

CPU = torch.device("cpu")
SMALL = TRMConfig(
    vocab=6, length=16, width=32, latent_steps=2, recursions=2, segments=4, heads=2, prefix=1
)
MIXINGS = [SMALL, replace(SMALL, mixing="attention", positions="rope")]
PUZZLES = sides.sudoku_puzzles(4, 64)


def batches(steps, size=16):
    return [PUZZLES.batch(size, seed=0, step=step) for step in range(steps)]


def both(config):
    """tinyrec and the textbook with the same weights."""
    torch.manual_seed(0)
    ours = TRM(config)
    theirs = TextbookTRM(config)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def our_losses(model, steps=50):
    """Losses of the steps that tinyrec.train takes, without its bookkeeping."""
    optimizer, carry, losses = sides.adamw(model, 3e-4), None, []
    draws = torch.Generator().manual_seed(1)
    for batch in batches(steps):
        carry = refill(model, carry or empty_carry(model, batch), batch)
        minimum = draw_minimum(16, model.config.segments, exploration=0.5, generator=draws)
        carry, outputs = segment(model, carry, minimum)
        loss, _ = segment_loss(carry, outputs)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return torch.tensor(losses)


def textbook_losses(model, steps=50):
    draws = torch.Generator().manual_seed(1)
    loop = Textbook(
        model, sides.adamw(model, 3e-4), torch.float32, 0.99, exploration=0.5, generator=draws
    )
    return torch.tensor([loop.step(batch.x, batch.y).item() for batch in batches(steps)])


@pytest.mark.parametrize("config", MIXINGS, ids=lambda c: c.mixing)
def test_textbook_and_tinyrec_give_the_same_outputs(config):
    ours, theirs = both(config)
    tokens, state = PUZZLES.x[:8], ours.initial_state(8)
    (y, z), logits, q = ours(tokens, state)
    y2, z2, logits2, q2 = theirs(tokens, *state)
    for a, b in ((y, y2), (z, z2), (logits, logits2), (q, q2)):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


# With T = 2 and random weights the mixer is chaotic: a last-bit change of its weights moves the
# eager losses themselves
# by 5 % within 50 steps. So losses are compared where rounding stays rounding.
CALM = [replace(SMALL, recursions=1), MIXINGS[1]]


@pytest.mark.parametrize("halts", [False, True], ids=["goes on", "halts"])
@pytest.mark.parametrize("config", CALM, ids=lambda c: c.mixing)
def test_fifty_losses_of_textbook_and_tinyrec_agree(config, halts):
    ours, theirs = both(config)
    if halts:  # where it may: exploration decides
        for model in (ours, theirs):
            torch.nn.init.constant_(model.heads.halt.bias, 0.5)
    a, b = our_losses(ours), textbook_losses(theirs)
    assert a[-1] < 0.9 * a[0]
    torch.testing.assert_close(a, b.float(), rtol=1e-4, atol=0)


MADE = {
    "mlp": lambda: both(CALM[0])[0],
    "attention": lambda: both(CALM[1])[0],
    "trained mlp": lambda: load_model("sudoku-4x4").train(),
}


@pytest.mark.parametrize("steps", [1, LONG], ids=["block by block", "whole segment"])
@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_fifty_losses_with_and_without_compilation_agree(make, steps):
    plain, fast = make(), make()
    if not compile_model(fast, CPU, steps).startswith("torch.compile"):
        pytest.skip("torch.compile does not work here")
    compiled = counters["stats"]["unique_graphs"]
    a, b = our_losses(plain), our_losses(fast)
    assert counters["stats"]["unique_graphs"] > compiled, "nothing was compiled"
    torch.testing.assert_close(a, b, rtol=1e-4, atol=0)


def test_one_flipped_weight_is_noticed():
    """The agreement above is no accident of a loose tolerance."""
    ours, theirs = both(CALM[0])
    with torch.no_grad():
        theirs.network[0].channel_mixer.down.weight[0, 0] += 0.05
    assert not torch.allclose(our_losses(ours, 5), textbook_losses(theirs, 5).float(), rtol=1e-4)


def test_pairs_take_turns_and_compare_round_by_round(monkeypatch):
    clock, order = [0.0], []
    monkeypatch.setattr(pairs.time, "perf_counter", lambda: clock[0])

    def taking(name, *seconds):
        turns = iter(seconds)

        def call():
            order.append(name)
            clock[0] += next(turns)

        return call

    sides_ = {"a": taking("a", 9, 9, 1, 2, 4), "b": taking("b", 9, 9, 2, 4, 8)}
    found = pairs.paired(sides_, work=8, rounds=3)
    assert order == list("aabbababab")
    assert found["a"]["first_call_seconds"] == 9 and found["a"]["rate"]["median"] == 4
    # each round a is twice as fast, though both become slower and slower
    ratio = found["a"]["times_as_fast_as"]["b"]
    assert ratio == {"median": 2, "low": 2, "high": 2}


def test_every_side_does_its_steps(monkeypatch):
    taken, step = [], torch.optim.AdamW.step

    def counted(optimizer, *arguments, **more):
        taken.append(optimizer)
        return step(optimizer, *arguments, **more)

    monkeypatch.setattr(torch.optim.AdamW, "step", counted)
    work = sides.Work(SMALL, PUZZLES, batch=8, steps=2)
    ways = [sides.ours(work, torch.float32, compiled=False), sides.textbook(work, torch.bfloat16)]
    if peer.available():
        ways.append(sides.from_pypi(work, torch.bfloat16))
    for number, way in enumerate(ways, 1):
        way()
        assert len(taken) == work.steps * number and len(set(map(id, taken))) == number


def test_the_package_from_pypi_gets_a_model_of_our_size():
    if not peer.available():
        pytest.skip("tiny-recursive-model is installed by `make bench` only")
    ours, theirs = (throughput.count(make(throughput.FIXED)) for make in (TRM, peer.model))
    assert abs(theirs / ours - 1) < 0.02


def test_flops_are_those_of_the_formula():
    c = throughput.FIXED
    positions, inner = c.prefix + c.length, {37: 256, 128: 512}
    token = 3 * positions * inner[37] * c.width
    channel = 3 * c.width * inner[128] * positions
    call = 2 * c.layers * (token + channel)
    calls = c.recursions * (c.latent_steps + 1)
    head = 2 * positions * c.width * c.vocab + 2 * c.width * 2
    by_hand = (calls + 2 * (c.latent_steps + 1)) * call + 3 * head
    assert abs(gpu.flops_per_puzzle(c) / by_hand - 1) < 0.02


def test_the_gpu_harness_runs_at_a_small_size_on_the_cpu():
    found = gpu.measure(CPU, SMALL, batch=8, steps=1, rounds=2, matrix=128)
    assert [list(ways) for ways in found["pairs"]] == [
        ["tinyrec", "textbook, compiled"],
        ["tinyrec", "textbook"],
    ]
    for ways in found["pairs"]:
        for way in ways.values():
            share = way["rate"]["median"] * found["flops_per_step"]
            share /= found["matrix_peak_flops_per_second"]["median"]
            assert way["share_of_peak"] == pytest.approx(share) and share > 0
    assert found["machine"]["torch"] == torch.__version__


def test_memory_does_not_grow_with_t_and_segments():
    def used(**change):
        more = {"unrolled": True} if change.pop("unrolled", False) else {"steps": 4}
        config = replace(SMALL, length=81, width=128, multiple=256, **change)
        return throughput.peak_memory(config, 32, **more)

    small = used(recursions=1, segments=1)
    assert used(recursions=4, segments=1) < 1.3 * small
    assert used(recursions=1, segments=4) < 1.3 * small
    assert used(recursions=4, segments=1, unrolled=True) > 1.6 * small  # 1.96 to 2.5 were seen


def test_a_failed_measurement_says_so():
    with pytest.raises(RuntimeError, match="memory.py .*batch"):
        throughput.peak_memory(SMALL, -1)


def test_a_gpu_that_was_not_there_is_named_on_the_page():
    assert "has not been run" in page.gpu_section(None)
    ways = {"tinyrec": {"rate": {"median": 2.5}, "share_of_peak": 0.5}}
    found = {"machine": {"device": "H200", "torch": "2"}, "pairs": [ways]}
    assert "| tinyrec | 2.50 | 50% |" in page.gpu_section(json.loads(json.dumps(found)))
