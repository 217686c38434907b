"""Evaluation after every segment, thinking aloud, and what is no question for a model."""

import pytest
import torch
import torch.nn.functional as F
from scripted import MIXED, Scripted
from tiny import Overwriting, copying, small
from torch import nan

from tinyrec.evaluate import answer, evaluate, think, wilson_interval
from tinyrec.puzzles import IGNORE, PuzzleSet
from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.generate import generate


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


X = torch.tensor([[0, 5], [2, 5], [3, 5], [7, 1]])
PUZZLES = PuzzleSet(X, X)


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


def test_an_interval_holds_its_share_and_stays_between_0_and_1():
    """Rounding put the upper end below 1 for n of n right: a whisker was negative."""
    for n in range(1, 400):
        for right in {0, 1, n // 2, n - 1, n}:
            low, high = wilson_interval(right, n)
            assert 0 <= low <= right / n <= high <= 1


def test_thinking_shows_every_segment_of_the_model():
    model, x = small(), torch.randint(1, 6, (3, 16))
    state = model.initial_state(3)
    for logits, q, now in think(model, x, 4):
        state, expected, expected_q = model(x, state)
        assert torch.equal(logits, expected) and torch.equal(q, expected_q)
        assert all(map(torch.equal, now, state)) and not logits.requires_grad


def test_each_result_stays_when_thinking_goes_on():
    """A model that runs as a CUDA graph writes its next results over those of the call before."""
    plain = small("trm")
    x = copying(4).x
    expected = list(think(plain, x, 3))
    found = list(think(Overwriting(plain), x, 3))
    for (*one, states), (*other, others) in zip(found, expected, strict=True):
        assert all(map(torch.equal, (*one, *states), (*other, *others)))


def test_progress_is_shown_where_it_is_asked_for(capsys):
    evaluate(Learner(), PUZZLES)
    answer(Scripted(), MIXED)
    assert not capsys.readouterr().err
    evaluate(Learner(), PUZZLES, batch=1, progress=True)
    assert "4/4" in capsys.readouterr().err
    answer(Scripted(), MIXED, progress=True)
    assert "9/9" in capsys.readouterr().err


# --- puzzle ids -----------------------------------------------------------------------------------


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


# --- what is refused ------------------------------------------------------------------------------

SUDOKU = rules.encode(generate(4, 3, seed=0)[0])
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
