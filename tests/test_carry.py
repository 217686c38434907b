"""Deep supervision and ACT: who halts, who takes a new puzzle, what stays."""

from types import SimpleNamespace

import pytest
import torch

from tinyrec.carry import draw_minimum, empty_carry, refill, segment
from tinyrec.models.naive import NaiveConfig, NaiveMLP
from tinyrec.models.trm import TRM, TRMConfig


class Scripted(torch.nn.Module):
    """A stand-in for a model: its state counts its segments, its q follows a script."""

    def __init__(self, q_by_segment, segments=4, q_learning=False):
        super().__init__()
        self.config = SimpleNamespace(segments=segments, q_learning=q_learning)
        self.script = torch.tensor(q_by_segment)  # (segments + 1, 2)
        self.calls = 0

    def initial_state(self, batch, dtype=torch.float32):
        return (torch.zeros(batch, 1, 1),)

    def forward(self, tokens, state, puzzle_ids=None):
        self.calls += 1
        count = state[0] + 1
        q = self.script[(count[:, 0, 0].long() - 1).clamp(max=len(self.script) - 1)]
        return (count,), torch.zeros(len(tokens), tokens.shape[1], 3), q


NEVER, ALWAYS = [[-5.0, -5.0]], [[5.0, -5.0]]


def offer(step, slots=3):
    return torch.full((slots, 2), 10 + step), torch.full((slots, 2), step)


def run(model, steps, exploration=0.0, slots=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    carry, trail = None, []
    for step in range(steps):
        x, y = offer(step, slots)
        carry = carry or empty_carry(model, x, y)
        minimum = draw_minimum(slots, model.config.segments, exploration, generator)
        carry, outputs = segment(model, refill(model, carry, x, y), minimum)
        trail.append((carry, outputs))
    return trail


def test_a_puzzle_stays_until_its_last_segment():
    trail = run(Scripted(NEVER), 6)
    assert [carry.steps.tolist() for carry, _ in trail] == [[n] * 3 for n in (1, 2, 3, 4, 1, 2)]
    assert [carry.halted.all().item() for carry, _ in trail] == [
        False,
        False,
        False,
        True,
        False,
        False,
    ]
    assert [carry.tokens[0, 0].item() for carry, _ in trail] == [10, 10, 10, 10, 14, 14]
    assert [carry.labels[0, 0].item() for carry, _ in trail] == [0, 0, 0, 0, 4, 4]
    assert [carry.state[0][0].item() for carry, _ in trail] == [
        1,
        2,
        3,
        4,
        1,
        2,
    ]  # the state starts anew too


def test_a_puzzle_halts_when_q_says_so():
    trail = run(Scripted([[-1.0, 0.0], [1.0, 0.0]]), 4)
    assert [carry.steps[0].item() for carry, _ in trail] == [1, 2, 1, 2]
    assert [carry.tokens[0, 0].item() for carry, _ in trail] == [10, 10, 12, 12]


def test_slots_are_refilled_one_by_one():
    model = Scripted(NEVER)
    carry = empty_carry(model, *offer(0))
    carry = refill(model, carry, *offer(0))
    carry.halted[1] = True
    carry.steps += 2
    after = refill(model, carry, *offer(7))
    assert after.tokens[:, 0].tolist() == [10, 17, 10] and after.steps.tolist() == [2, 0, 2]
    assert not after.halted.any()


def test_exploration_keeps_a_slot_for_a_uniformly_drawn_number_of_segments():
    first = [
        carry.halted
        for carry, _ in run(Scripted(ALWAYS, segments=4), 1, exploration=1.0, slots=3000)
    ]
    assert not first[0].any()  # the minimum is drawn from 2..4, so nobody halts at once
    second = run(Scripted(ALWAYS, segments=4), 2, exploration=1.0, slots=3000)[1][0].halted
    assert abs(second.float().mean().item() - 1 / 3) < 0.03  # only those that drew 2
    mixed = run(Scripted(ALWAYS, segments=4), 1, exploration=0.1, slots=3000)[0][0].halted
    assert abs(mixed.float().mean().item() - 0.9) < 0.02


def test_exploration_never_goes_beyond_the_last_segment():
    trail = run(Scripted(ALWAYS, segments=4), 4, exploration=1.0, slots=500)
    assert trail[-1][0].steps.max() <= 4
    assert trail[-1][0].halted[trail[-1][0].steps == 4].all()


def test_q_learning_halts_where_halt_beats_continue_and_looks_one_segment_ahead():
    model = Scripted([[1.0, 2.0], [3.0, 0.5], [-2.0, -1.0]], segments=3, q_learning=True)
    trail = run(model, 3)
    assert [carry.steps[0].item() for carry, _ in trail] == [1, 2, 1]
    assert model.calls == 6  # the price of Q-learning: a second forward pass at every step
    # target = sigmoid(max(q_halt', q_continue')) one segment ahead
    assert trail[0][1].target_continue[0].item() == pytest.approx(
        torch.tensor(3.0).sigmoid().item()
    )
    assert trail[1][1].target_continue[0].item() == pytest.approx(
        torch.tensor(-1.0).sigmoid().item()
    )


def test_q_learnings_target_at_the_last_segment_is_q_halt_alone():
    trail = run(Scripted([[-3.0, 0.0], [-2.0, 4.0], [0.5, 4.0]], segments=2, q_learning=True), 2)
    assert trail[1][1].target_continue[0].item() == pytest.approx(
        torch.tensor(0.5).sigmoid().item()
    )


def test_a_model_without_q_uses_every_segment():
    model = NaiveMLP(NaiveConfig(vocab=6, length=4, width=8, segments=3))
    x = torch.ones(2, 4, dtype=torch.long)
    carry, halts = empty_carry(model, x, x), []
    for _ in range(4):
        carry, outputs = segment(model, refill(model, carry, x, x))
        halts.append(carry.halted.tolist())
    assert outputs.q is None and halts == [[False] * 2, [False] * 2, [True] * 2, [False] * 2]


def test_memory_does_not_grow_with_the_segments():
    model = TRM(
        TRMConfig(
            vocab=6, length=4, width=8, heads=1, prefix=1, multiple=8, latent_steps=1, recursions=1
        )
    )
    x = torch.ones(2, 4, dtype=torch.long)
    carry = empty_carry(model, x, x)
    for _ in range(3):
        carry, _ = segment(model, refill(model, carry, x, x))
        assert all(s.grad_fn is None and not s.requires_grad for s in carry.state)


def test_seeded():
    first, second = (
        [carry.halted.tolist() for carry, _ in run(Scripted(ALWAYS), 5, 0.5, 50, seed)]
        for seed in (1, 1)
    )
    assert first == second
