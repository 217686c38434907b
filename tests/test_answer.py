"""Answers that stop early, look again at images, stay with their puzzles, and can be watched."""

import pytest
import torch
import torch.nn.functional as F
from scripted import MIXED, Scripted
from tiny import small
from torch import nan

from tinyrec.checkpoints import load_model
from tinyrec.evaluate import answer, evaluate
from tinyrec.puzzles import PuzzleSet
from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.generate import generate


class Copy(Scripted):
    """Its answer is the question. q is surer at every call, and never sure."""

    def __init__(self, length):
        super().__init__()
        self.config.length, self.config.segments = length, 1

    def forward(self, tokens, state, puzzle_ids=None):
        super().forward(tokens, state)
        q = torch.full((len(tokens), 2), len(self.calls) / 100)
        return state, F.one_hot(tokens, 200).float(), q


# --- stopping early -------------------------------------------------------------------------------


@pytest.mark.parametrize("q_learning", [False, True])
def test_answers_stop_when_q_is_sure(q_learning):
    model = Scripted(q_learning)
    found = answer(model, MIXED[:6], batch=2)
    assert found.segments.tolist() == [1, 2, 5, 3, 8, 8]
    assert found.tokens[:, 0].tolist() == [1, 2, 2, 3, 1, 2]
    assert found.q.tolist() == [4, 4, 4, 4, 1, 4] and found.attempts.tolist() == [1] * 6
    assert answer(model, MIXED, sure=0.5).segments.tolist() == [1] * 9
    assert answer(model, MIXED, sure=0.99).segments.tolist() == [8] * 9
    assert answer(model, MIXED, segments=3).segments.tolist() == [1, 2, 3, 3, 3, 3, 3, 1, 3]


def test_the_slots_stay_full_and_take_the_next_puzzle():
    model = Scripted()
    answer(model, torch.tensor([[1, 2]] * 5), batch=2)
    # three rounds of two segments; at the end, no empty slot
    assert [len(tokens) for tokens, *_ in model.calls] == [2] * 4 + [1] * 2


@pytest.mark.parametrize("kind", ["trm", "hrm", "naive"])
def test_a_model_that_is_never_sure_gives_the_answers_of_all_segments(kind):
    model = small(kind, segments=4)  # q starts at -5; the naive model has none
    x = torch.randint(1, 6, (10, 16), generator=torch.Generator().manual_seed(0))
    found = answer(model, x, batch=4)
    assert found.segments.tolist() == [4] * 10 and found.attempts.tolist() == [1] * 10
    assert torch.equal(found.tokens, evaluate(model, PuzzleSet(x, x)).answers)
    assert found.q.isnan().all() if kind == "naive" else not found.q.isnan().any()


# --- puzzle ids -----------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 8, 100])
def test_ids_stay_with_their_puzzles_when_slots_are_refilled_and_the_batch_is_halved(batch):
    ids = torch.arange(len(MIXED)) + 10  # the answer of Scripted
    found = answer(Scripted(), MIXED, puzzle_ids=ids, batch=batch)
    assert torch.equal(found.tokens, ids[:, None].expand(-1, 2))
    assert found.segments.tolist() == [1, 2, 5, 3, 8, 8, 7, 1, 4]


def test_ids_stay_with_their_puzzles_at_another_look():
    ids = torch.arange(len(MIXED)) + 10

    def surer(tokens, generator):  # sure at once, so that this look's answer is the one that stays
        return torch.ones_like(tokens), torch.clone

    found = answer(Scripted(), MIXED, puzzle_ids=ids, segments=4, attempts=2, view=surer, batch=3)
    assert found.attempts.tolist() == [1, 1, 2, 1, 2, 2, 2, 1, 1]
    assert torch.equal(found.tokens, ids[:, None].expand(-1, 2))


# --- looking again --------------------------------------------------------------------------------


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
    stricter = answer(Scripted(), tokens, attempts=4, view=mirrored, sure=0.99)
    assert stricter.attempts.tolist() == [4, 4, 4]
    once = answer(Scripted(), tokens)
    assert once.attempts.tolist() == [1, 1, 1] and once.tokens[:, 0].tolist() == [1, 5, 1]


SUDOKU = rules.encode(generate(4, 3, seed=0)[0])


def images(**how):
    """What a model is asked in each attempt."""
    model = Copy(length=16)
    found = answer(model, SUDOKU, view=rules.view, **how)
    return found, [tokens for tokens, *_ in model.calls]


def test_every_attempt_looks_at_another_image_and_its_answer_is_turned_back():
    found, asked = images(attempts=8)
    assert torch.equal(asked[0], SUDOKU)  # the first one at the puzzle itself
    for puzzle in torch.stack(asked, dim=1):
        assert len(set(map(tuple, puzzle.tolist()))) == 8
    assert found.attempts.tolist() == [8] * 3
    assert found.q.tolist() == pytest.approx([0.08] * 3)  # so the last answer is the one that stays
    assert torch.equal(found.tokens, SUDOKU)


def test_the_images_are_decided_by_the_seed_alone():
    asked = images(attempts=3)[1]
    torch.manual_seed(5)
    assert torch.equal(torch.cat(asked), torch.cat(images(attempts=3)[1]))
    other = images(attempts=3, seed=1)[1]
    assert torch.equal(asked[0], other[0])
    assert not torch.equal(asked[1], other[1]) and not torch.equal(asked[2], other[2])


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


# --- watching -------------------------------------------------------------------------------------


def test_watching_shows_each_segment_of_each_attempt_turned_back():
    mirrored.looks, seen = 0, []

    def watch(attempt, segment, tokens, q):
        seen.append((attempt, segment, tokens.tolist(), q))

    found = answer(Scripted(), torch.tensor([[2, 9]]), attempts=5, view=mirrored, watch=watch)
    expected = [(1, s, [min(s, 2)] * 2, 1.0) for s in range(1, 9)]
    expected += [(2, s, [100 + min(s, 2)] * 2, 1.0) for s in range(1, 9)]
    expected += [(3, s, [100 + min(s, 2)] * 2, 4.0 if s == 3 else 1.0) for s in range(1, 4)]
    assert seen == expected and found.segments.item() == len(seen)


def test_watching_a_model_without_q():
    seen = []
    x = torch.ones(1, 16, dtype=torch.long)
    answer(small("naive", segments=3), x, watch=lambda *what: seen.append(what))
    assert [(attempt, segment, q) for attempt, segment, _, q in seen] == [
        (1, segment, None) for segment in (1, 2, 3)
    ]
    assert all(tokens.shape == (16,) for *_, tokens, _ in seen)


def test_a_single_puzzle_can_be_watched():
    with pytest.raises(ValueError, match="9 puzzles; only a single one can be watched"):
        answer(Scripted(), MIXED, watch=print)


# --- what is refused ------------------------------------------------------------------------------


def test_attempts_need_a_view_and_a_q():
    with pytest.raises(ValueError, match="attempts is 2; more than one need a family's view"):
        answer(Scripted(), torch.tensor([[1, 1]]), attempts=2)
    with pytest.raises(ValueError, match="attempts is 2; this model has no q"):
        answer(small("naive"), SUDOKU, attempts=2, view=rules.view)


@pytest.mark.parametrize(
    "wrong", [dict(batch=0), dict(attempts=0), dict(sure=1.5), dict(sure=-0.1)], ids=str
)
def test_answer_refuses_what_it_cannot_do(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}.*{next(iter(wrong.values()))}"):
        answer(Scripted(), torch.tensor([[1, 1]]), **wrong)


@pytest.mark.parametrize(
    "kind, part",
    [
        ("trm", "embed.tokens"),
        ("trm", "heads.halt.weight"),
        ("hrm", "start"),
        ("naive", "last.bias"),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_answer_that_is_no_number_is_one_clear_error(kind, part, dtype):
    model = small(kind)
    with torch.no_grad():
        model.state_dict()[part].fill_(nan)
    with pytest.raises(ValueError, match="no number; its weights are broken"):
        answer(model, SUDOKU, dtype=dtype)
