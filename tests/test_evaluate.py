"""Evaluation after every segment; answers that stop early, look again, stay with their puzzles."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from tiny import small
from torch import nan

from tinyrec.checkpoints import load_model
from tinyrec.evaluate import answer, evaluate, think, wilson_interval
from tinyrec.losses import IGNORE
from tinyrec.puzzles import PuzzleSet
from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.generate import generate


class Scripted(torch.nn.Module):
    """Its answer is the number of the segment, or the puzzle's id where there is one; up to the
    question's first token: from then on it has settled.

    The question's second token says from which segment on q is quite sure; before, q only finds it
    likely.
    """

    def __init__(self, q_learning=False):
        super().__init__()
        self.config = SimpleNamespace(segments=8, q_learning=q_learning, vocab=200, length=2)
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.calls = []  # for each: what it was asked, in which dtype and mode

    def initial_state(self, batch, dtype):
        return (torch.zeros(batch, 1, dtype=dtype),)

    def forward(self, tokens, state, puzzle_ids=None):
        self.calls.append((tokens, state[0].dtype, self.training))
        seen = state[0] + 1
        count = seen[:, 0].long()
        said = torch.minimum(count, tokens[:, 0]) if puzzle_ids is None else puzzle_ids
        logits = F.one_hot(said[:, None].expand_as(tokens), 200).float()
        q = torch.where(count >= tokens[:, 1], 4.0, 1.0)
        # under Q-learning it is the difference that counts
        q = torch.stack((q - 10, 0 * q - 10) if self.config.q_learning else (q, -q), 1)
        return (seen,), logits, q


class Learner(Scripted):
    """Right about puzzle i from segment i + 1 on; says so one segment later."""

    def __init__(self, q_learning=False):
        super().__init__(q_learning)
        self.config.segments = 4

    def forward(self, tokens, state, puzzle_ids=None):
        (seen,), _, _ = super().forward(tokens, state)
        known = seen > tokens[:, :1]  # (B, 1)
        said = torch.where(known, tokens, 1)
        q = torch.where(seen[:, 0] > tokens[:, 0] + 1, 1.0, -1.0)
        q = torch.stack((q + 7, 0 * q + 7) if self.config.q_learning else (q, q), 1)
        return (seen,), F.one_hot(said, 200).float(), q


class Copy(Scripted):
    """Its answer is the question. q is surer at every call, and never sure."""

    def __init__(self, length):
        super().__init__()
        self.config.length, self.config.segments = length, 1

    def forward(self, tokens, state, puzzle_ids=None):
        super().forward(tokens, state)
        q = torch.full((len(tokens), 2), len(self.calls) / 100)
        return state, F.one_hot(tokens, 200).float(), q


X = torch.tensor([[0, 5], [2, 5], [3, 5], [7, 1]])
PUZZLES = PuzzleSet(X, X)
#                    settles, sure from
MIXED = torch.tensor([[1, 1], [3, 2], [2, 5], [9, 3], [1, 9], [2, 8], [7, 7], [4, 1], [5, 4]])


def same(one, other):
    return all(
        torch.equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True)
    )


# --- after every segment --------------------------------------------------------------------------


def test_shares_after_every_segment():
    found = evaluate(Learner(), PUZZLES, batch=3)
    assert found.exact == [0.25, 0.25, 0.5, 0.75]
    assert found.cell == pytest.approx([3 / 8, 3 / 8, 5 / 8, 7 / 8])
    assert found.solved.tolist() == [[s > n for s in range(1, 5)] for n in (0, 2, 3, 7)]
    assert torch.equal(found.answers, torch.tensor([[0, 5], [2, 5], [3, 5], [1, 1]]))
    assert found.interval == wilson_interval(3, 4)


def test_cells_without_a_label_are_not_asked_for():
    y = torch.tensor([[0, 5], [IGNORE, 5], [3, 4], [7, IGNORE]])
    found = evaluate(Learner(), PuzzleSet(X, y))
    assert found.solved[:, -1].tolist() == [True, True, False, False]
    assert found.cell[-1] == pytest.approx((1 + 1 + 1 / 2 + 0) / 4)


def test_segments_until_yes_counts_until_q_says_solved():
    assert evaluate(Learner(), PUZZLES).segments_until_yes == (2 + 4 + 4 + 4) / 4
    assert evaluate(Learner(), PUZZLES, segments=9).segments_until_yes == (2 + 4 + 5 + 9) / 4
    x = torch.ones(2, 16, dtype=torch.long)
    naive = evaluate(small("naive"), PuzzleSet(x, x), segments=3)
    assert naive.q is None and naive.segments_until_yes == 3


def test_more_segments_than_in_training():
    assert evaluate(Learner(), PUZZLES, segments=8).exact[-1] == 1.0


@pytest.mark.parametrize("q_learning", [False, True])
def test_q_is_the_logit_of_halting(q_learning):
    found = evaluate(Learner(q_learning), PUZZLES)
    assert found.q.tolist() == [[1.0 if s > n + 1 else -1.0 for s in range(1, 5)] for n in X[:, 0]]


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_the_batch_size_does_not_matter(batch):
    ids = torch.arange(len(MIXED)) + 10
    for puzzles in PuzzleSet(MIXED, MIXED), PuzzleSet(MIXED, MIXED, ids):
        one, other = (evaluate(Scripted(), puzzles, batch=b) for b in (4, batch))
        assert one.exact == other.exact and one.cell == other.cell
        assert torch.equal(one.q, other.q) and torch.equal(one.answers, other.answers)
        one, other = (
            answer(Scripted(), MIXED, puzzle_ids=puzzles.ids, batch=b) for b in (4, batch)
        )
        assert same(one, other)


@pytest.mark.parametrize("training", [False, True])
def test_a_model_works_in_evaluation_mode_and_is_left_in_the_mode_it_had(training):
    model = Scripted().train(training)
    for use in lambda: evaluate(model, PUZZLES), lambda: answer(model, X):
        use()
        assert model.training == training
    assert not any(mode for _, _, mode in model.calls)
    broken = small().train(training)
    torch.nn.init.constant_(broken.heads.halt.bias, nan)
    with pytest.raises(ValueError):
        answer(broken, torch.ones(1, 16, dtype=torch.long))
    assert broken.training == training


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_precision_asked_for_is_that_of_every_segment(dtype):
    model = Scripted()
    evaluate(model, PUZZLES, dtype=dtype)
    answer(model, X, dtype=dtype)
    list(think(model, X, 2, dtype=dtype))
    assert {kind for _, kind, _ in model.calls} == {dtype}


def test_nothing_to_evaluate_is_an_error():
    with pytest.raises(ValueError, match="no puzzle"):
        evaluate(Learner(), PUZZLES.first(0))


@pytest.mark.parametrize(
    "right, n, low, high",
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (950, 1000, 0.9347, 0.9619)],
)
def test_wilsons_interval_against_published_values(right, n, low, high):
    assert wilson_interval(right, n) == pytest.approx((low, high), abs=2e-4)


def test_thinking_shows_every_segment_of_the_model():
    model, x = small(), torch.randint(1, 6, (3, 16))
    state = model.initial_state(3)
    for logits, q, now in think(model, x, 4):
        state, expected, expected_q = model(x, state)
        assert torch.equal(logits, expected) and torch.equal(q, expected_q)
        assert all(map(torch.equal, now, state)) and not logits.requires_grad


# --- puzzle ids -----------------------------------------------------------------------------------


def test_each_state_stays_when_thinking_goes_on():
    """A model that runs as a CUDA graph writes its next states over those of the call before."""

    class Overwriting(Scripted):
        buffer = torch.zeros(4, 1)

        def forward(self, tokens, state, puzzle_ids=None):
            (seen,), logits, q = super().forward(tokens, state)
            return (self.buffer.copy_(seen),), logits, q

    states = [state[0] for _, _, state in list(think(Overwriting(), X, 2))]
    assert [state.flatten().tolist() for state in states] == [[1] * 4, [2] * 4]


def test_progress_is_shown_where_it_is_asked_for(capsys):
    evaluate(Learner(), PUZZLES)
    answer(Scripted(), MIXED)
    assert not capsys.readouterr().err
    evaluate(Learner(), PUZZLES, batch=1, progress=True)
    assert "4/4" in capsys.readouterr().err
    answer(Scripted(), MIXED, progress=True)
    assert "9/9" in capsys.readouterr().err


def test_puzzle_ids_reach_the_model():
    x, ids = torch.randint(1, 6, (5, 16)), torch.tensor([2, 0, 1, 2, 0])
    model = small(puzzles=3)
    torch.nn.init.normal_(model.embed.puzzles)
    state = model.initial_state(5)
    for _ in range(2):
        state, logits, _ = model(x, state, ids)
    answers = logits.argmax(-1)
    *_, (thought, _, _) = think(model, x, 2, ids)
    assert torch.equal(thought, logits)
    assert torch.equal(evaluate(model, PuzzleSet(x, x, ids)).answers, answers)
    assert torch.equal(answer(model, x, puzzle_ids=ids).tokens, answers)
    assert not torch.equal(evaluate(model, PuzzleSet(x, x)).answers, answers)
    assert not torch.equal(answer(model, x).tokens, answers)


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
    with pytest.raises(ValueError, match="4 puzzles; only a single one can be watched"):
        answer(Scripted(), X, watch=print)


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


GRIDS = generate(4, 2, seed=0)[0]


@pytest.mark.parametrize(
    "tokens, message",
    [
        (GRIDS, "expected tokens, .* not ndarray: encode"),
        (torch.from_numpy(GRIDS), "expected tokens, .* not torch.uint8: encode"),
        (SUDOKU.float(), "expected tokens, .* not torch.float32: encode"),
        (SUDOKU.tolist(), "expected tokens, .* not list: encode"),
        (SUDOKU[0], r"tokens are \(16,\); this model reads \(N, 16\)"),
        (SUDOKU[:, :9], r"tokens are \(3, 9\); this model reads \(N, 16\)"),
        (SUDOKU.view(3, 4, 4), r"tokens are \(3, 4, 4\); this model reads \(N, 16\)"),
        (SUDOKU + 1, r"tokens from 2 to 6; this model knows 0 to 5"),
        (SUDOKU - 2, r"tokens from -1 to 3; this model knows 0 to 5"),
    ],
)
def test_what_is_no_question_for_the_model_is_named(tokens, message):
    with pytest.raises(ValueError, match=message):
        answer(small(), tokens)
    with pytest.raises(ValueError, match=message):
        list(think(small(), tokens, 1))
    if torch.is_tensor(tokens) and tokens.ndim == 2:  # PuzzleSet says so of others
        with pytest.raises(ValueError, match=message):
            evaluate(small(), PuzzleSet(tokens, tokens))


def test_evaluation_looks_at_all_questions_before_it_answers_one():
    model, x = Scripted(), torch.tensor([[1, 1]] * 5 + [[1, 200]])
    with pytest.raises(ValueError, match="tokens from 1 to 200; this model knows 0 to 199"):
        evaluate(model, PuzzleSet(x, x), batch=2)
    assert not model.calls


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
