"""Evaluation: shares after every segment, intervals, early halting reported."""

from types import SimpleNamespace

import pytest
import torch

from tinyrec.evaluate import evaluate, wilson_interval


class Learner(torch.nn.Module):
    """Right about puzzle i from segment i + 1 on; says so one segment later."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.config = SimpleNamespace(segments=4, q_learning=False)

    def initial_state(self, batch, dtype=torch.float32):
        return (torch.zeros(batch),)

    def forward(self, tokens, state, puzzle_ids=None):
        count = state[0] + 1
        known = count > tokens[:, 0]
        logits = torch.zeros(*tokens.shape, 9)
        logits[..., 1] = 1.0
        logits += 2.0 * known[:, None, None] * torch.nn.functional.one_hot(tokens, 9)
        q = torch.where(count > tokens[:, 0] + 1, 1.0, -1.0)
        return (count,), logits, torch.stack([q, q], dim=1)


X = torch.tensor([[n, 5] for n in (0, 2, 3, 7)])


def test_shares_after_every_segment():
    found = evaluate(Learner(), X, X, batch=3)
    assert found.exact == [0.25, 0.25, 0.5, 0.75]
    assert found.cell == pytest.approx([2 / 8, 2 / 8, 4 / 8, 6 / 8])
    assert found.solved.shape == (4, 4) and found.q.shape == (4, 4)
    assert torch.equal(found.answers[:3], X[:3])


def test_mean_segments_counts_until_q_says_solved():
    assert evaluate(Learner(), X, X).mean_segments == (2 + 4 + 4 + 4) / 4


def test_more_segments_than_in_training():
    assert evaluate(Learner(), X, X, segments=8).exact[-1] == 1.0


def test_the_batch_size_does_not_matter():
    one, all_at_once = evaluate(Learner(), X, X, batch=1), evaluate(Learner(), X, X)
    assert one.exact == all_at_once.exact and torch.equal(one.q, all_at_once.q)


def test_training_mode_is_left_as_it_was():
    model = Learner().train()
    evaluate(model, X, X)
    assert model.training


def test_nothing_to_evaluate_is_an_error():
    with pytest.raises(ValueError, match="no puzzle"):
        evaluate(Learner(), X[:0], X[:0])


@pytest.mark.parametrize(
    "right, n, low, high",
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (950, 1000, 0.9347, 0.9619)],
)
def test_wilsons_interval_against_published_values(right, n, low, high):
    assert wilson_interval(right, n) == pytest.approx((low, high), abs=2e-4)
