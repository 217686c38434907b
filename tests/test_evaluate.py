"""Evaluation: shares after every segment, intervals, early halting reported."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from tinyrec.checkpoints import load_model
from tinyrec.evaluate import answer, evaluate, wilson_interval
from tinyrec.models.naive import NaiveConfig, NaiveMLP
from tinyrec.models.trm import TRM, TRMConfig
from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.generate import generate


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


class Scripted(torch.nn.Module):
    """Its answer is the number of the segment, up to the question's first token: from then on it
    has settled.

    The question's second token says from which segment on q is quite sure; before, q only finds it
    likely.
    """

    def __init__(self):
        super().__init__()
        self.config = SimpleNamespace(segments=8, q_learning=False)
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.calls = []

    def initial_state(self, batch, dtype):
        return (torch.zeros(batch, 1),)

    def forward(self, tokens, state):
        self.calls.append(len(tokens))
        seen = state[0] + 1
        settled = torch.minimum(seen[:, 0].long(), tokens[:, 0])
        logits = F.one_hot(settled[:, None].expand_as(tokens), 16).float()
        q = torch.where(seen[:, 0].long() >= tokens[:, 1], 4.0, 1.0)
        return (seen,), logits, torch.stack((q, -q), 1)


def test_answers_stop_when_q_is_sure():
    #                  settles, sure from
    tokens = torch.tensor([[1, 1], [3, 2], [2, 5], [9, 3], [1, 9], [2, 8]])
    found = answer(Scripted(), tokens, batch=2)
    assert found.segments.tolist() == [1, 2, 5, 3, 8, 8]
    assert found.tokens[:, 0].tolist() == [1, 2, 2, 3, 1, 2]
    assert answer(Scripted(), tokens, sure=0.5).segments.tolist() == [1] * 6
    assert answer(Scripted(), tokens, sure=0.99).segments.tolist() == [8] * 6


def mirrored(tokens, generator):
    """A view for Scripted: the second token 9, where q is never sure, becomes 3 in every other
    look.
    """
    mirrored.looks += 1
    image = tokens.clone()
    if mirrored.looks % 2 == 0:
        image[tokens[:, 1] == 9, 1] = 3
    return image, lambda answers: answers + 100


def test_a_puzzle_that_q_is_not_sure_of_is_looked_at_again():
    tokens = torch.tensor([[2, 1], [5, 9], [1, 20]])
    mirrored.looks = 0
    found = answer(Scripted(), tokens, attempts=4, view=mirrored)
    assert found.attempts.tolist() == [1, 3, 4]  # sure at once, at the third look, never
    assert found.segments.tolist() == [1, 8 + 8 + 3, 4 * 8]
    # the answer of the sure look is taken back to the puzzle's own digits; an equal q changes
    # nothing
    assert found.tokens[:, 0].tolist() == [1, 103, 1]
    assert found.q.tolist() == [4, 4, 1]
    once = answer(Scripted(), tokens)
    assert once.attempts.tolist() == [1, 1, 1] and once.tokens[:, 0].tolist() == [1, 5, 1]


def test_the_shipped_model_gains_by_another_look_and_q_is_not_fooled():
    puzzles, solutions = generate(6, 150, seed=77)
    x, y = rules.encode(puzzles), rules.encode(solutions)
    model = load_model("sudoku-6x6")
    short = dict(segments=2, dtype=torch.float32)  # too few to be sure of every puzzle
    one, many = (answer(model, x, attempts=n, view=rules.view, **short) for n in (1, 6))
    right = [(found.tokens == y).all(1) for found in (one, many)]
    assert right[1].sum() >= right[0].sum() + 10
    assert right[1][many.q.sigmoid() > 0.98].double().mean() > 0.97
    assert torch.equal(many.tokens, answer(model, x, attempts=6, view=rules.view, **short).tokens)


def test_attempts_need_a_view_and_a_q():
    with pytest.raises(ValueError, match="attempts is 2; more than one need a view"):
        answer(Scripted(), torch.tensor([[1, 1]]), attempts=2)
    naive = NaiveMLP(NaiveConfig(vocab=6, length=16))
    with pytest.raises(ValueError, match="attempts is 2; this model has no q"):
        answer(naive, torch.ones(2, 16, dtype=torch.long), attempts=2, view=rules.view)


@pytest.mark.parametrize(
    "wrong", [dict(batch=0), dict(attempts=0), dict(sure=1.5), dict(sure=-0.1)], ids=str
)
def test_answer_refuses_what_it_cannot_do(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}.*{next(iter(wrong.values()))}"):
        answer(Scripted(), torch.tensor([[1, 1]]), **wrong)


def test_the_slots_stay_full_and_take_the_next_puzzle():
    model = Scripted()
    tokens = torch.tensor([[1, 2]] * 5)
    answer(model, tokens, batch=2)
    assert (
        model.calls == [2] * 4 + [1] * 2
    )  # three rounds of two segments; at the end, no empty slot


def test_a_model_that_is_never_sure_gives_the_answers_of_all_segments():
    torch.manual_seed(0)
    sizes = dict(vocab=6, length=16, width=32, latent_steps=2, recursions=1, segments=4)
    model = TRM(TRMConfig(**sizes, prefix=1))  # q starts at -5
    x = torch.randint(1, 6, (10, 16), generator=torch.Generator().manual_seed(0))
    found = answer(model, x, batch=4)
    assert set(found.segments.tolist()) == {model.config.segments}
    assert torch.equal(found.tokens, evaluate(model, x, x).answers)
