"""Deep supervision and ACT: who halts, who takes a new puzzle, what stays."""

from types import SimpleNamespace

import pytest
import torch

from tinyrec.carry import draw_minimum, empty_carry, refill, segment
from tinyrec.models.naive import NaiveConfig, NaiveMLP
from tinyrec.puzzles import Batch


class Scripted(torch.nn.Module):
    """A stand-in for a model: its state counts its segments, its q follows a script."""

    def __init__(self, q_by_segment, segments=4, q_learning=False):
        super().__init__()
        self.config = SimpleNamespace(segments=segments, q_learning=q_learning)
        self.script = torch.tensor(q_by_segment)  # (segments + 1, 2)
        self.ids = []  # of each call

    def initial_state(self, batch, dtype=torch.float32):
        return (torch.zeros(batch, 1, 1, dtype=dtype),)

    def forward(self, tokens, state, puzzle_ids=None):
        self.ids.append(puzzle_ids)
        count = state[0] + 1
        q = self.script[(count[:, 0, 0].long() - 1).clamp(max=len(self.script) - 1)]
        return (count,), torch.zeros(len(tokens), tokens.shape[1], 3), q


NEVER, ALWAYS = [[-5.0, -5.0]], [[5.0, -5.0]]


def offer(step, slots=3):
    """Puzzles that tell their step: x = 10 + step, y = step, id = 20 + step."""
    x = torch.full((slots, 2), 10 + step)
    return Batch(x, x - 10, x[:, 0] + 10)


def run(model, steps, exploration=0.0, slots=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    carry, trail = None, []
    for step in range(steps):
        batch = offer(step, slots)
        carry = carry or empty_carry(model, batch)
        minimum = draw_minimum(slots, model.config.segments, exploration, generator)
        carry, outputs = segment(model, refill(model, carry, batch), minimum)
        trail.append((carry, outputs))
    return trail


def test_a_puzzle_stays_until_its_last_segment():
    carries = [carry for carry, _ in run(Scripted(NEVER), 6)]
    assert [carry.segments.tolist() for carry in carries] == [[n] * 3 for n in (1, 2, 3, 4, 1, 2)]
    assert [carry.halted.tolist() for carry in carries] == [[n == 3] * 3 for n in range(6)]
    assert [carry.puzzles.x[0, 0].item() for carry in carries] == [10, 10, 10, 10, 14, 14]
    assert [carry.puzzles.y[0, 0].item() for carry in carries] == [0, 0, 0, 0, 4, 4]
    assert [carry.puzzles.ids[0].item() for carry in carries] == [20, 20, 20, 20, 24, 24]
    states = [carry.state[0][0].item() for carry in carries]
    assert states == [1, 2, 3, 4, 1, 2]  # the state starts anew too


def test_a_puzzle_halts_when_q_says_so():
    trail = run(Scripted([[-1.0, 0.0], [1.0, 0.0]]), 4)
    assert [carry.segments[0].item() for carry, _ in trail] == [1, 2, 1, 2]
    assert [carry.puzzles.x[0, 0].item() for carry, _ in trail] == [10, 10, 12, 12]


def test_slots_are_refilled_one_by_one():
    model = Scripted(NEVER)
    carry = refill(model, empty_carry(model, offer(0)), offer(0))
    carry.halted[1] = True
    carry.segments += 2
    carry.state[0].add_(2)
    after = refill(model, carry, offer(7))
    assert after.puzzles.x[:, 0].tolist() == [10, 17, 10]
    assert after.puzzles.y[:, 0].tolist() == [0, 7, 0]
    assert after.puzzles.ids.tolist() == [20, 27, 20]
    assert after.state[0].flatten().tolist() == [2, 0, 2]
    assert after.segments.tolist() == [2, 0, 2] and not after.halted.any()


def test_puzzles_may_have_no_ids():
    model = Scripted(NEVER)
    batch = offer(0)._replace(ids=None)
    carry, _ = segment(model, refill(model, empty_carry(model, batch), batch))
    assert carry.puzzles.ids is None and model.ids == [None]


def test_the_state_keeps_the_dtype_that_was_asked_for():
    model = Scripted(NEVER)
    carry = refill(model, empty_carry(model, offer(0), torch.bfloat16), offer(0))
    assert carry.state[0].dtype == torch.bfloat16


def test_the_carry_owns_its_state():
    """A model that runs as a CUDA graph writes its next states over those of the call before."""

    class Overwriting(Scripted):
        buffer = torch.zeros(3, 1, 1)

        def forward(self, tokens, state, puzzle_ids=None):
            (count,), logits, q = super().forward(tokens, state)
            return (self.buffer.copy_(count),), logits, q

    first, second = (carry for carry, _ in run(Overwriting(NEVER), 2))
    assert first.state[0].flatten().tolist() == [1, 1, 1]
    assert second.state[0].flatten().tolist() == [2, 2, 2]


def test_exploration_keeps_a_slot_for_a_uniformly_drawn_number_of_segments():
    trail = run(Scripted(ALWAYS), 2, exploration=1.0, slots=3000)
    first, second = (carry.halted for carry, _ in trail)
    assert not first.any()  # the minimum is drawn from 2..4, so nobody halts at once
    assert abs(second.double().mean().item() - 1 / 3) < 0.03  # only those that drew 2
    mixed = run(Scripted(ALWAYS), 1, exploration=0.1, slots=3000)[0][0].halted
    assert abs(mixed.double().mean().item() - 0.9) < 0.02


def test_exploration_never_goes_beyond_the_last_segment():
    carry = run(Scripted(ALWAYS), 4, exploration=1.0, slots=500)[-1][0]
    assert carry.segments.max() == 4 and carry.halted[carry.segments == 4].all()


def test_one_segment_needs_no_exploration():
    minimum = draw_minimum(3, 1, 1.0, torch.Generator())
    assert minimum.tolist() == [0, 0, 0]
    assert run(Scripted(NEVER, segments=1), 1)[0][0].halted.all()


def test_exploration_is_decided_by_its_generator():
    draws = [run(Scripted(ALWAYS), 5, 0.5, 50, seed)[-1][0].segments for seed in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


def sigmoid(value):
    return pytest.approx(torch.tensor(value).sigmoid().item())


def test_q_learning_halts_where_halt_beats_continue_and_looks_one_segment_ahead():
    model = Scripted([[1.0, 2.0], [3.0, 0.5], [-2.0, -1.0]], segments=3, q_learning=True)
    trail = run(model, 3)
    assert [carry.segments[0].item() for carry, _ in trail] == [1, 2, 1]
    # target = sigmoid(max(q_halt', q_continue')) one segment ahead
    assert trail[0][1].target_continue.tolist() == [sigmoid(3.0)] * 3
    assert trail[1][1].target_continue.tolist() == [sigmoid(-1.0)] * 3
    # the price of Q-learning: a second forward pass at every step, of the same puzzles
    assert [ids[0].item() for ids in model.ids] == [20, 20, 20, 20, 22, 22]


def test_q_learnings_target_at_the_last_segment_is_q_halt_alone():
    trail = run(Scripted([[-3.0, 0.0], [-2.0, 4.0], [0.5, 4.0]], segments=2, q_learning=True), 2)
    assert trail[1][1].target_continue.tolist() == [sigmoid(0.5)] * 3


def test_without_q_learning_there_is_no_target_and_no_second_pass():
    model = Scripted(NEVER)
    assert run(model, 1)[0][1].target_continue is None and len(model.ids) == 1


def test_a_model_without_q_uses_every_segment():
    model = NaiveMLP(NaiveConfig(vocab=6, length=4, width=8, segments=3))
    batch = Batch(*torch.ones(2, 2, 4, dtype=torch.long), None)
    carry, halts = empty_carry(model, batch), []
    for _ in range(4):
        carry, outputs = segment(model, refill(model, carry, batch))
        halts.append(carry.halted.tolist())
    assert outputs.q is None and halts == [[False] * 2, [False] * 2, [True] * 2, [False] * 2]
