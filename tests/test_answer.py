"""Answers that stop early: when q is sure, in slots that stay full; other looks at a puzzle."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from tinyrec.checkpoints import load_model
from tinyrec.evaluate import answer, evaluate
from tinyrec.models.naive import NaiveConfig, NaiveMLP
from tinyrec.models.trm import TRM, TRMConfig
from tinyrec.puzzles import PuzzleSet
from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.generate import generate


class Scripted(torch.nn.Module):
    """Its answer is the number of the segment, up to the question's first token: from then on it
    has settled.

    The question's second token says from which segment on q is quite sure; before, q only finds it
    likely. With ids, a puzzle's id is its answer.
    """

    def __init__(self, q_learning=False):
        super().__init__()
        self.config = SimpleNamespace(segments=8, q_learning=q_learning, length=2, vocab=64)
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.calls, self.seen, self.modes = [], [], []

    def initial_state(self, batch, dtype=torch.float32):
        self.dtype = dtype
        return (torch.zeros(batch, 1),)

    def forward(self, tokens, state, puzzle_ids=None):
        self.calls.append(len(tokens))
        self.seen.append(tokens.tolist())
        self.modes.append(self.training)
        count = state[0] + 1
        settled = torch.minimum(count[:, 0].long(), tokens[:, 0])
        settled = settled if puzzle_ids is None else puzzle_ids
        logits = F.one_hot(settled[:, None].expand_as(tokens), 64).float()
        q = torch.where(count[:, 0].long() >= tokens[:, 1], 4.0, 1.0)
        return (count,), logits, torch.stack((q, -q), 1)


#                  settles, sure from
MIXED = torch.tensor([[1, 1], [3, 2], [2, 5], [9, 3], [1, 9], [2, 8]])


@pytest.mark.parametrize("batch", [1, 2, 4, 64])
def test_answers_stop_when_q_is_sure(batch):
    found = answer(Scripted(), MIXED, batch=batch)
    assert found.segments.tolist() == [1, 2, 5, 3, 8, 8]
    assert found.tokens.tolist() == [[n, n] for n in (1, 2, 2, 3, 1, 2)]
    assert found.q.tolist() == [4, 4, 4, 4, 1, 4]
    assert found.attempts.tolist() == [1] * 6


def test_how_sure_q_must_be_and_how_many_segments_it_gets_can_be_chosen():
    segments = lambda **how: answer(Scripted(), MIXED, **how).segments.tolist()  # noqa: E731
    assert segments(sure=0.5) == [1] * 6
    assert segments(sure=0.99) == segments(sure=1.0) == [8] * 6
    assert segments(segments=4) == [1, 2, 4, 3, 4, 4]


def test_under_q_learning_halting_must_beat_going_on():
    found = answer(Scripted(q_learning=True), MIXED, sure=0.9)  # 1 - (-1) = 2, 88 %
    assert found.segments.tolist() == [1, 2, 5, 3, 8, 8] and found.q.tolist() == [8] * 4 + [2, 8]


def test_the_slots_stay_full_and_take_the_next_puzzle():
    model = Scripted()
    answer(model, torch.tensor([[1, 2]] * 5), batch=2)
    # three rounds of two segments; at the end, no empty slot
    assert model.calls == [2] * 4 + [1] * 2


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 8, 64])
def test_each_slot_has_the_id_of_its_puzzle(batch):
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(1, 9, (23, 2), generator=generator)  # slots are free at many times
    ids = torch.randperm(64, generator=generator)[:23]
    model = Scripted()
    assert answer(model, tokens, puzzle_ids=ids, batch=batch).tokens[:, 0].tolist() == ids.tolist()
    assert batch < 5 or len(set(model.calls)) > 2  # the batch was halved on the way


def test_another_look_takes_the_ids_along():
    tokens = torch.tensor([[1, 1], [1, 9], [1, 2], [1, 9]])
    sure = lambda tokens, generator: (tokens.clamp(max=1), lambda answers: answers + 1)  # noqa: E731
    found = answer(Scripted(), tokens, puzzle_ids=torch.tensor([9, 5, 7, 3]), attempts=2, view=sure)
    assert found.attempts.tolist() == [1, 2, 1, 2] and found.tokens[:, 0].tolist() == [9, 6, 7, 4]


class Mirror:
    """A view for Scripted: the second token 9, where q is never sure, becomes 3 in every other
    look. Answers come back with 100 added.
    """

    def __init__(self):
        self.looks, self.draws = 0, []

    def __call__(self, tokens, generator):
        self.looks += 1
        self.draws.append(torch.rand(4, generator=generator).tolist())
        image = tokens.clone()
        if self.looks % 2 == 0:
            image[tokens[:, 1] == 9, 1] = 3
        return image, lambda answers: answers + 100


def test_a_puzzle_that_q_is_not_sure_of_is_looked_at_again():
    tokens = torch.tensor([[2, 1], [5, 9], [1, 20]])
    model = Scripted()
    found = answer(model, tokens, attempts=4, view=Mirror())
    assert found.attempts.tolist() == [1, 3, 4]  # sure at once, at the third look, never
    assert found.segments.tolist() == [1, 8 + 8 + 3, 4 * 8]
    # the answer of the sure look is taken back to the puzzle's own; an equal q changes nothing
    assert found.tokens[:, 0].tolist() == [1, 103, 1]
    assert found.q.tolist() == [4, 4, 1]
    assert tokens.tolist() == [[2, 1], [5, 9], [1, 20]]
    once = answer(Scripted(), tokens)
    stricter = answer(Scripted(), tokens, attempts=4, view=Mirror(), sure=0.99)
    assert stricter.attempts.tolist() == [4, 4, 4]
    assert once.attempts.tolist() == [1, 1, 1] and once.tokens[:, 0].tolist() == [1, 5, 1]


def test_every_look_is_at_another_image_and_the_seed_decides_which():
    draws = {}
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        mirror = Mirror()
        answer(Scripted(), torch.tensor([[1, 20]]), attempts=5, view=mirror, seed=seed)
        draws[name] = mirror.draws
    assert len(set(map(tuple, draws["one"]))) == 4
    assert draws["one"] == draws["same"] and not any(d in draws["one"] for d in draws["other"])


def test_the_shipped_model_gains_by_another_look_and_q_is_not_fooled():
    puzzles, solutions = generate(6, 150, seed=77)
    x, y = rules.encode(puzzles), rules.encode(solutions)
    model = load_model("sudoku-6x6")
    short = dict(segments=3, view=rules.view)  # too few to be sure of every puzzle
    one, many = (answer(model, x, attempts=attempts, **short) for attempts in (1, 6))
    before, after = ((found.tokens == y).all(1) for found in (one, many))
    assert after.sum() >= before.sum() + 6
    sure = many.q.sigmoid() > 0.98
    assert sure.sum() > 75 and after[sure].double().mean() > 0.97


def test_a_single_puzzle_can_be_watched_with_its_answers_turned_back():
    seen = []

    def watch(attempt, segment, tokens, q):
        seen.append((attempt, segment, tokens.tolist(), q))

    answer(Scripted(), torch.tensor([[2, 9]]), segments=3, attempts=2, view=Mirror(), watch=watch)
    first = [(1, 1, [1, 1], 1), (1, 2, [2, 2], 1), (1, 3, [2, 2], 1)]
    assert seen[:3] == first
    assert seen[3:] == [
        (2, segment, [t + 100 for t in tokens], q) for _, segment, tokens, q in first
    ]


def test_a_model_without_q_runs_all_segments_and_is_watched_too():
    model = NaiveMLP(NaiveConfig(vocab=6, length=16, width=8, segments=3))
    x, seen = torch.ones(1, 16, dtype=torch.long), []
    found = answer(model, x, watch=lambda *words: seen.append(words))
    assert found.segments.tolist() == [3] and found.q.isnan().all()
    assert [(attempt, segment, q) for attempt, segment, _, q in seen] == [
        (1, n, None) for n in (1, 2, 3)
    ]
    assert torch.equal(found.tokens[0], seen[-1][2])


@pytest.mark.parametrize("training", [True, False])
def test_mode_and_precision_are_those_of_the_caller(training, capsys):
    model = Scripted().train(training)
    answer(model, MIXED, dtype=torch.bfloat16)
    assert model.training == training and not any(model.modes) and model.dtype == torch.bfloat16
    assert not capsys.readouterr().err
    answer(model, MIXED, progress=True)
    assert "6/6" in capsys.readouterr().err and model.dtype == torch.float32


def test_a_model_that_is_never_sure_gives_the_answers_of_all_segments():
    torch.manual_seed(0)
    sizes = dict(vocab=6, length=16, width=32, multiple=32, prefix=1, puzzles=5)
    model = TRM(TRMConfig(**sizes, latent_steps=2, recursions=1, segments=4))  # q starts at -5
    torch.nn.init.normal_(model.embed.puzzles)
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(1, 6, (10, 16), generator=generator)
    ids = torch.arange(10) % 5
    found = answer(model, x, batch=4, puzzle_ids=ids)
    assert found.segments.tolist() == [4] * 10 and found.q.tolist() == [-5] * 10
    whole = evaluate(model, PuzzleSet(x, x, ids)).answers
    # another batch adds up in another order, which may turn a close call in a cell or two
    assert (found.tokens == whole).double().mean() > 0.98
    assert (whole == evaluate(model, PuzzleSet(x, x)).answers).double().mean() < 0.9


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how, message",
    [
        (dict(batch=0), "batch is 0, attempts 1 and sure 0.98; expected at least 1, 1, and 0 to 1"),
        (dict(attempts=0), "attempts 0 and"),
        (dict(sure=1.5), "sure 1.5;"),
        (dict(sure=-0.1), "sure -0.1;"),
        (dict(attempts=2), "attempts is 2; more than one need a family's view"),
        (dict(watch=print), "6 puzzles; only a single one can be watched"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_named(how, message):
    with pytest.raises(ValueError, match=message):
        answer(Scripted(), MIXED, **how)


def test_attempts_need_a_q_to_choose_between_them():
    naive = NaiveMLP(NaiveConfig(vocab=6, length=16, width=8))
    with pytest.raises(ValueError, match="attempts is 2; this model has no q"):
        answer(naive, torch.ones(2, 16, dtype=torch.long), attempts=2, view=rules.view)


@pytest.mark.parametrize("tokens", ["1..4", MIXED.numpy(), MIXED.byte(), MIXED[0], 10 * MIXED])
def test_what_is_no_question_is_refused_before_the_model_runs(tokens):
    model = Scripted()
    with pytest.raises(ValueError, match="this model|as a family encodes them"):
        answer(model, tokens)
    assert not model.calls


@pytest.mark.parametrize("broken", ["heads.cells.weight", "heads.halt.bias", "start", "last.bias"])
def test_broken_weights_are_one_clear_line(broken):
    sizes = dict(vocab=6, length=16, width=32)
    recursive = sizes | dict(multiple=32, prefix=1, latent_steps=1, recursions=1, segments=2)
    naive = broken == "last.bias"
    model = NaiveMLP(NaiveConfig(**sizes)) if naive else TRM(TRMConfig(**recursive))
    model.state_dict()[broken].view(-1)[0] = float("nan")
    with pytest.raises(ValueError, match="answer is not a number; its weights are broken"):
        answer(model, torch.ones(3, 16, dtype=torch.long))
