"""Evaluation: shares after every segment, q, intervals, and questions that are none."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from tinyrec.evaluate import check_tokens, evaluate, think, wilson_interval
from tinyrec.losses import IGNORE
from tinyrec.models.naive import NaiveConfig, NaiveMLP
from tinyrec.puzzles import PuzzleSet


class Learner(torch.nn.Module):
    """Right about puzzle i from segment i + 1 on; says so one segment later."""

    def __init__(self, **config):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        config = dict(segments=4, q_learning=False, length=2, vocab=9) | config
        self.config = SimpleNamespace(**config)
        self.modes, self.ids, self.dtypes = [], [], []  # of each call

    def initial_state(self, batch, dtype=torch.float32):
        self.dtypes.append(dtype)
        return (torch.zeros(batch),)

    def forward(self, tokens, state, puzzle_ids=None):
        self.modes.append(self.training)
        self.ids.append(puzzle_ids)
        count = state[0] + 1
        known = count > tokens[:, 0]
        logits = F.one_hot(torch.ones_like(tokens), 9).float()
        logits += 2.0 * known[:, None, None] * F.one_hot(tokens, 9)
        q = torch.where(count > tokens[:, 0] + 1, 1.0, -1.0)
        return (count,), logits, torch.stack((q, 2 * q), 1)


X = torch.tensor([[0, 5], [2, 5], [3, 5], [7, 1]])
PUZZLES = PuzzleSet(X, X, ids=torch.tensor([3, 1, 4, 1]))


def test_shares_after_every_segment():
    found = evaluate(Learner(), PUZZLES, batch=3)
    assert found.exact == [0.25, 0.25, 0.5, 0.75]
    assert found.cell == pytest.approx([3 / 8, 3 / 8, 5 / 8, 7 / 8])
    solved = [[1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert found.solved.int().tolist() == solved
    assert torch.equal(found.answers, torch.tensor([[0, 5], [2, 5], [3, 5], [1, 1]]))
    assert found.interval == wilson_interval(3, 4)


def test_cells_without_a_label_do_not_count():
    y = X.clone()
    y[:, 1] = IGNORE
    found = evaluate(Learner(), PuzzleSet(X, y), segments=1)
    assert found.cell == found.exact == [0.25]


def test_q_is_that_of_halting_or_under_q_learning_halting_minus_going_on():
    says = torch.tensor([[-1, 1, 1, 1], [-1, -1, -1, 1], [-1] * 4, [-1] * 4]).float()
    assert torch.equal(evaluate(Learner(), PUZZLES).q, says)
    assert torch.equal(evaluate(Learner(q_learning=True), PUZZLES).q, says - 2 * says)


def test_segments_until_yes_is_a_mean_over_all_puzzles():
    assert evaluate(Learner(), PUZZLES).segments_until_yes == (2 + 4 + 4 + 4) / 4
    assert evaluate(Learner(), PUZZLES, segments=5).segments_until_yes == (2 + 4 + 5 + 5) / 4


def test_a_model_without_q_says_yes_at_the_end():
    model = NaiveMLP(NaiveConfig(vocab=9, length=2, width=8, segments=3))
    found = evaluate(model, PUZZLES)
    assert found.q is None and found.segments_until_yes == 3


def test_more_or_fewer_segments_than_in_training():
    assert evaluate(Learner(), PUZZLES, segments=8).exact[-1] == 1.0
    assert evaluate(Learner(), PUZZLES, segments=2).exact == [0.25, 0.25]


def test_the_batch_size_does_not_matter():
    whole = evaluate(Learner(), PUZZLES)
    for batch in (1, 2, 3):
        found = evaluate(Learner(), PUZZLES, batch=batch)
        assert found.exact == whole.exact and found.cell == pytest.approx(whole.cell)
        assert torch.equal(found.q, whole.q) and torch.equal(found.answers, whole.answers)


def test_each_puzzles_id_reaches_the_model():
    model = Learner()
    evaluate(model, PUZZLES, segments=2, batch=3)
    assert [ids.tolist() for ids in model.ids] == [[3, 1, 4], [3, 1, 4], [1], [1]]
    model = Learner()
    evaluate(model, PuzzleSet(X, X), segments=1)
    list(think(model, X, 1, torch.tensor([2, 0, 2, 1])))
    assert model.ids[0] is None and model.ids[1].tolist() == [2, 0, 2, 1]


def test_the_precision_is_the_one_asked_for():
    model = Learner()
    evaluate(model, PUZZLES, dtype=torch.bfloat16)
    list(think(model, X, 1, dtype=torch.bfloat16))
    evaluate(model, PUZZLES)
    assert model.dtypes == [torch.bfloat16, torch.bfloat16, torch.float32]


@pytest.mark.parametrize("training", [True, False])
def test_the_training_mode_is_left_as_it_was(training):
    model = Learner().train(training)
    evaluate(model, PUZZLES)
    assert model.training == training and not any(model.modes)


def test_thinking_yields_what_the_model_says_and_keeps_no_graph():
    model = Learner()
    steps = list(think(model, X, 3))
    assert [state[0].tolist() for _, _, state in steps] == [[n] * 4 for n in (1, 2, 3)]
    assert torch.equal(steps[2][0].argmax(-1), torch.tensor([[0, 5], [2, 5], [1, 1], [1, 1]]))
    assert steps[1][1].tolist() == [[1, 2], [-1, -2], [-1, -2], [-1, -2]]
    naive = NaiveMLP(NaiveConfig(vocab=9, length=2, width=8))
    assert not any(logits.requires_grad for logits, _, _ in think(naive, X, 2))


def test_each_states_numbers_stay_when_thinking_goes_on():
    """A model that runs as a CUDA graph writes its next states over those of the call before."""

    class Overwriting(Learner):
        buffer = torch.zeros(4)

        def forward(self, tokens, state, puzzle_ids=None):
            (count,), logits, q = super().forward(tokens, state)
            return (self.buffer.copy_(count),), logits, q

    states = [state[0] for _, _, state in list(think(Overwriting(), X, 2))]
    assert [state.tolist() for state in states] == [[1] * 4, [2] * 4]


def test_progress_is_shown_where_it_is_asked_for(capsys):
    evaluate(Learner(), PUZZLES, batch=1)
    assert not capsys.readouterr().err
    evaluate(Learner(), PUZZLES, batch=1, progress=True)
    assert "4/4" in capsys.readouterr().err


def test_nothing_to_evaluate_is_an_error():
    with pytest.raises(ValueError, match="no puzzle to evaluate on"):
        evaluate(Learner(), PUZZLES.first(0))


@pytest.mark.parametrize(
    "tokens, message",
    [
        ("1..4", "expected tokens as a family encodes them, a tensor of torch.int64, not str"),
        ([[1, 2]], "of torch.int64, not list"),
        (X.numpy(), "of torch.int64, not ndarray"),
        (X.float(), "of torch.int64, not torch.float32"),
        (X.byte(), "of torch.int64, not torch.uint8"),
        (X[0], r"tokens are \(2,\); this model reads \(N, 2\)"),
        (X[:, :1], r"tokens are \(4, 1\); this model reads \(N, 2\)"),
        (X + 2, "tokens from 2 to 9; this model knows 0 to 8"),
        (X - 1, "tokens from -1 to 6; this model knows 0 to 8"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_question_for_this_model_is_one_clear_line(tokens, message):
    with pytest.raises(ValueError, match=message):
        check_tokens(Learner(), tokens)
    with pytest.raises(ValueError, match=message):
        next(think(Learner(), tokens, 1))
    if torch.is_tensor(tokens) and tokens.ndim == 2:
        with pytest.raises(ValueError, match=message):
            evaluate(Learner(), PuzzleSet(tokens, tokens))


@pytest.mark.parametrize(
    "right, n, low, high",
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (950, 1000, 0.9347, 0.9619)],
)
def test_wilsons_interval_against_published_values(right, n, low, high):
    assert wilson_interval(right, n) == pytest.approx((low, high), abs=2e-4)
