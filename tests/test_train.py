"""Training: it learns, every setting counts, it stops when asked, it says when it has diverged."""

import math
import signal
import threading
from dataclasses import fields, replace

import pytest
import torch
from tiny import (
    QUICK,
    Overwriting,
    copying,
    different,
    eager_to_halt,
    losses,
    outcome,
    small,
    state_of,
    timeless,
    trained,
)

from tinyrec.cost import peak_bytes
from tinyrec.evaluate import evaluate
from tinyrec.models.hrm import HRMConfig
from tinyrec.models.naive import NaiveConfig
from tinyrec.models.trm import TRMConfig
from tinyrec.puzzles import IGNORE, PuzzleSet
from tinyrec.ranks import Ranks
from tinyrec.train import Diverged, TrainConfig, Training, make_optimizers, rate, train

# --- it learns ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind, settings",
    [
        ("trm", {}),
        ("trm", dict(puzzles=1)),
        ("trm", dict(q_learning=True)),
        ("hrm", {}),
        ("naive", dict(loops=2)),
        ("naive", dict(segments=3)),
    ],
)
def test_every_model_learns_in_the_one_loop(kind, settings):
    found = losses(trained(small(kind, **settings)))
    assert found[-1] < 0.8 * found[0]


@pytest.mark.parametrize("optimizer", ["adam_atan2", "muon"])
def test_every_optimizer_learns(optimizer):
    found = losses(trained(small(), replace(QUICK, optimizer=optimizer)))
    assert found[-1] < 0.8 * found[0]


@pytest.mark.parametrize("kind", ["trm", "hrm", "naive"])
def test_bfloat16_trains_on_any_processor(kind):
    found = losses(trained(small(kind), dtype=torch.bfloat16))
    assert found[-1] < 0.9 * found[0]


def test_the_same_seed_gives_the_same_training_whatever_was_drawn_before():
    first = trained(small(), replace(QUICK, steps=12))
    torch.rand(7)  # the global generator is none of training's business
    second = trained(small(), replace(QUICK, steps=12))
    assert not different(state_of(first), state_of(second))


# --- what it reports ------------------------------------------------------------------------------


def test_the_history_says_what_was_measured():
    history = trained(small(), tests={"test": copying(8)}).history
    assert [entry["step"] for entry in history] == [10, 20, 30]
    keys = ["step", "seconds", "loss", "exact", "cell", "segments", "halt_loss", "halt_accuracy"]
    assert list(history[0]) == [*keys, "test"]
    assert all(1 <= entry["segments"] <= 2 for entry in history)
    shares = ("exact", "cell", "halt_accuracy", "test")
    assert all(0 <= entry[name] <= 1 for entry in history for name in shares)
    assert list(trained(small("naive")).history[0]) == keys[:6]  # no say in halting


def test_a_report_is_the_mean_since_the_report_before():
    every = trained(small(), replace(QUICK, steps=6, evaluate_every=1)).history
    twice = trained(small(), replace(QUICK, steps=6, evaluate_every=3)).history
    for name in ("loss", "halt_loss"):
        means = [sum(entry[name] for entry in every[i : i + 3]) / 3 for i in (0, 3)]
        assert [entry[name] for entry in twice] == pytest.approx(means, rel=1e-9)


def test_the_first_report_says_what_an_untrained_model_does():
    """Recomputed here, from the batch of the first step."""
    training = Training(small(), copying(), replace(QUICK, steps=1))
    x, y, _ = copying().batch(16, QUICK.seed, 0)
    state = training.model.initial_state(16)
    with torch.no_grad():
        _, logits, q = training.model(x, state, None)
    s = torch.where(logits < 0, 1 / (1 - logits), logits + 1).double()
    loss = -(s / s.sum(-1, keepdim=True)).gather(-1, y[..., None]).log().mean()
    train(training, quiet=True)
    entry = training.history[0]
    assert entry["loss"] == pytest.approx(float(loss), rel=1e-6)
    assert entry["halt_loss"] == pytest.approx(math.log(1 + math.exp(-5)), rel=1e-4)
    assert float(q[0, 0]) == -5  # so it halts nowhere in segment 1 of 2, and these are zero
    assert entry["exact"] == entry["cell"] == entry["segments"] == entry["halt_accuracy"] == 0


def test_tests_on_the_way_use_the_averaged_model_and_all_segments():
    test, raw, averaged = copying(48), [], []

    def note(training):
        if training.step % 10 == 0:
            raw.append(evaluate(training.model, test).exact[-1])
            averaged.append(evaluate(training.averaged, test).exact[-1])

    config = replace(QUICK, steps=60, ema=0.95)
    training = trained(small(), config, tests={"test": test}, save=note, save_every=0.0)
    assert [entry["test"] for entry in training.history] == averaged != raw
    assert training.averaged is not training.model and not training.averaged.training


def test_without_an_average_the_model_itself_is_the_one_to_use():
    training = trained(small(), replace(QUICK, ema=0.0, steps=1))
    assert training.averaged is training.model


def test_training_stops_at_the_target():
    training = trained(small(), replace(QUICK, target=0.0), tests={"test": copying(8)})
    assert [entry["step"] for entry in training.history] == [10] and training.finished


def test_the_target_is_that_of_the_first_test_set():
    never, at_once = PuzzleSet(copying(8).x, copying(8).y.flip(1)), copying(8)
    config = replace(QUICK, steps=60, target=0.5, evaluate_every=20)
    training = trained(small(), config, tests={"hard": never, "easy": at_once})
    assert training.step == 60 and not training.reached


# --- every setting counts -------------------------------------------------------------------------

BASE = TrainConfig(
    steps=6, batch=8, optimizer="adamw", learning_rate=3e-3, weight_decay=0.1, warmup=2, cooldown=2,
    puzzle_learning_rate=1e-2, puzzle_weight_decay=0.1, ema=0.9, evaluate_every=2,
)  # fmt: skip
OTHER = [
    ("steps", 7),
    ("batch", 4),
    ("optimizer", "muon"),
    ("optimizer", "adam_atan2"),
    ("learning_rate", 2e-3),
    ("betas", (0.8, 0.95)),
    ("betas", (0.9, 0.9)),
    ("weight_decay", 0.2),
    ("warmup", 3),
    ("cooldown", 3),
    ("schedule", "cosine"),
    ("other_learning_rate", 1e-4),
    ("other_weight_decay", 0.3),
    ("clip", 0.1),
    ("ema_from", 3),
    ("label_smoothing", 0.2),
    ("puzzle_learning_rate", 2e-2),
    ("puzzle_weight_decay", 0.2),
    ("ema", 0.8),
    ("loss", "softmax"),
    ("halt_weight", 1.0),
    ("exploration", 1.0),
    ("evaluate_every", 3),
    ("target", 0.0),
    ("seed", 1),
]


BASIS = {  # what else a setting needs
    "schedule": dict(cooldown=0),
    "other_learning_rate": dict(optimizer="muon"),
    "other_weight_decay": dict(optimizer="muon"),
}


def short(config: TrainConfig, kind: str = "trm", **settings) -> Training:
    """Ten ids, a model that halts by its q, and tests: whatever a setting can act upon."""
    model = small(kind, **dict(puzzles=10, segments=3) | settings)
    eager_to_halt(model)
    return trained(model, config, copying(ids=10), {"test": copying(8, ids=10)})


def test_no_setting_of_training_is_without_its_test():
    others = {name for name, _ in OTHER} | {"parts"}  # parts has a test of its own below
    assert others == {field.name for field in fields(TrainConfig)}


@pytest.mark.parametrize("name, value", OTHER, ids=lambda part: str(part))
def test_every_setting_of_training_changes_weights_or_history(name, value):
    base = replace(BASE, **BASIS.get(name, {}))
    assert getattr(base, name) != value
    (weights, history), (others, later) = (
        outcome(short(base)),
        outcome(short(replace(base, **{name: value}))),
    )
    if name in ("evaluate_every", "target"):
        assert history != later
    else:
        assert different(weights, others) - {"start"}, "the weights are the same"


@pytest.mark.parametrize("optimizer", ["adam_atan2", "adamw", "muon"])
@pytest.mark.parametrize("name", ["learning_rate", "weight_decay", "warmup", "cooldown"])
def test_rates_and_decay_reach_every_weight_of_every_optimizer(optimizer, name):
    one = replace(BASE, optimizer=optimizer, steps=3)
    other = replace(one, **{name: dict(OTHER)[name]})
    moved = different(outcome(short(one))[0], outcome(short(other))[0])
    weights = {name for name, _ in small(puzzles=10).named_parameters()}
    if name in ("learning_rate", "weight_decay"):  # SignSGD has its own; only its signs may change
        weights -= {"embed.puzzles"}
    assert weights <= moved


MODEL_SETTINGS = [
    ("trm", "vocab", 7, {}),
    ("trm", "length", 9, {}),
    ("trm", "width", 16, {}),
    ("trm", "mixing", "attention", {}),
    ("trm", "positions", "learned", {}),
    ("trm", "positions", "rope", dict(mixing="attention")),
    ("trm", "heads", 4, dict(mixing="attention")),
    ("trm", "prefix", 2, {}),
    ("trm", "puzzles", 12, {}),
    ("trm", "puzzle_width", 8, {}),
    ("trm", "expansion", 8.0, {}),
    ("trm", "gate", "rms", {}),
    ("trm", "multiple", 48, {}),
    ("trm", "halt_bias", 0.0, {}),
    ("trm", "layers", 2, {}),
    ("trm", "latent_steps", 3, {}),
    ("trm", "recursions", 3, {}),
    ("trm", "segments", 2, {}),
    ("trm", "networks", 2, {}),
    ("trm", "latents", 0, {}),
    ("trm", "latents", 2, {}),
    ("trm", "gradient", "one_step", {}),
    ("trm", "q_learning", True, {}),
    ("hrm", "high_layers", 2, {}),
    ("hrm", "low_layers", 2, {}),
    ("hrm", "high_cycles", 3, {}),
    ("hrm", "low_cycles", 3, {}),
    ("hrm", "segments", 2, {}),
    ("hrm", "gradient", "full", {}),
    ("hrm", "q_learning", False, {}),
    ("naive", "vocab", 7, {}),
    ("naive", "length", 9, {}),
    ("naive", "width", 32, {}),
    ("naive", "loops", 2, {}),
    ("naive", "segments", 2, {}),
]


def test_no_setting_of_a_model_is_without_its_test():
    tested = {kind: {n for k, n, *_ in MODEL_SETTINGS if k == kind} for kind in ("trm", "naive")}
    assert tested["trm"] == {field.name for field in fields(TRMConfig)}
    assert tested["naive"] == {field.name for field in fields(NaiveConfig)}
    own = {n for kind, n, *_ in MODEL_SETTINGS if kind == "hrm"}  # its parts are those of TRM
    assert own | tested["trm"] >= {field.name for field in fields(HRMConfig)}


@pytest.mark.parametrize("kind, name, value, basis", MODEL_SETTINGS, ids=lambda part: str(part))
def test_every_setting_of_a_model_changes_what_training_does(kind, name, value, basis):
    def losses_with(**settings):
        settings = dict(segments=1 if kind == "naive" else 3, **basis) | settings
        if kind == "naive":
            model, ids = small(kind, **settings), 0
        else:
            model, ids = small(kind, **dict(puzzles=10, halt_bias=5.0) | settings), 10
        puzzles = copying(ids=ids, length=model.config.length)
        config = replace(BASE, steps=4, evaluate_every=1, exploration=1.0)
        training = trained(model, config, puzzles)
        assert getattr(model.config, name) == settings.get(name, getattr(model.config, name))
        return losses(training), training.history[-1]["segments"], training.averaged

    (before, segments, one), (after, others, other) = losses_with(), losses_with(**{name: value})
    changed = before != after or segments != others
    if name == "puzzles":  # at first its rows are zeros, however many there are
        changed = one.embed.puzzles.shape != other.embed.puzzles.shape
    assert changed


def test_the_halting_loss_counts_with_its_weight():
    """With weight 0 nothing pulls at the halting head."""
    config = replace(QUICK, halt_weight=0.0, steps=3)
    heads = trained(small(), config).model.heads.halt
    assert not heads.weight.any() and (heads.bias == -5).all()
    pulled = trained(small(), replace(config, halt_weight=0.5)).model.heads.halt
    assert pulled.weight.any() and not (pulled.bias == -5).all()


def test_who_must_go_on_is_drawn_anew_at_each_step():
    training = Training(small(segments=8), copying(), replace(QUICK, exploration=1.0))
    drawn = []
    for training.step in range(3):
        minimum = training.draw()[1]
        assert torch.equal(minimum, training.draw()[1])  # by seed and step alone
        drawn.append(minimum.tolist())
    assert drawn[0] != drawn[1] != drawn[2]


def test_the_gradient_of_a_step_is_that_of_the_mean_over_its_slots():
    """Of twice as many slots with the same puzzles it is the same; Adam would not tell."""
    found = {}
    for copies in (1, 2):
        one = copying(8)
        puzzles = PuzzleSet(one.x.repeat(copies, 1), one.y.repeat(copies, 1))
        training = Training(small(), puzzles, replace(QUICK, batch=8 * copies))
        kept = training.optimizers[0]
        kept.step = lambda kept=kept, copies=copies: found.update(
            {copies: [p.grad.clone() for g in kept.param_groups for p in g["params"]]}
        )
        training.advance()
    for one, two in zip(found[1], found[2], strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("kind, settings", [("trm", {}), ("trm", dict(puzzles=5)), ("hrm", {})])
def test_a_batch_in_parts_takes_the_same_steps(kind, settings):
    """But for rounding; by plain gradient descent, which notices a gradient of the wrong size."""

    def found(parts):
        model = eager_to_halt(small(kind, segments=3, **settings))
        config = replace(QUICK, steps=20, evaluate_every=1, parts=parts)
        training = Training(model, copying(ids=settings.get("puzzles", 0)), config)
        weights = [p for name, p in model.named_parameters() if name != "embed.puzzles"]
        descent = torch.optim.SGD(weights, lr=0.1)
        descent.param_groups[0]["peak"] = 0.1
        training.optimizers[0] = descent
        train(training, quiet=True)
        return training.history, training.carry

    (whole, carry), (parts, other) = found(1), found(4)
    for one, two in zip(timeless(whole), timeless(parts), strict=True):
        assert one == pytest.approx(two, abs=1e-5)
    assert torch.equal(carry.puzzles.x, other.puzzles.x)
    assert torch.equal(carry.segments, other.segments)


def test_a_batch_in_parts_keeps_less_for_the_gradient():
    def kept(parts):
        training = Training(small(), copying(), replace(QUICK, parts=parts))
        return peak_bytes(training.model, training.advance)

    assert kept(4) < 0.3 * kept(1)


@pytest.mark.parametrize("batch, parts, ranks", [(16, 3, 1), (16, 16, 2)])
def test_a_batch_that_has_no_such_parts_is_named(batch, parts, ranks):
    message = f"{batch // ranks} slots cannot be worked on in {parts} parts alike"
    with pytest.raises(ValueError, match=message):
        Training(small(), copying(), replace(QUICK, parts=parts), ranks=Ranks(0, ranks))


@pytest.mark.parametrize("settings", [{}, dict(q_learning=True)])
@pytest.mark.parametrize("ema, parts", [(0.0, 1), (0.0, 2), (0.9, 1)])
def test_a_model_that_overwrites_its_results_trains_alike(settings, ema, parts):
    """As CUDA graphs do, with tests on the way by the very model that trains."""
    config = replace(QUICK, steps=6, evaluate_every=2, ema=ema, parts=parts)
    plain, other = (
        outcome(trained(model, config, tests={"test": copying(24)}))
        for model in (small(**settings), Overwriting(small(**settings)))
    )
    assert plain[1] == other[1]


def test_the_average_takes_each_step_after_the_weights_have_moved():
    training = Training(small(), copying(), replace(QUICK, ema=0.75))
    expected = [p.detach().clone() for p in training.model.parameters()]
    for _ in range(3):
        training.advance()
        for mean, p in zip(expected, training.model.parameters(), strict=True):
            mean.lerp_(p.detach(), 0.25)
        for mean, p in zip(expected, training.averaged.parameters(), strict=True):
            torch.testing.assert_close(p.detach(), mean, rtol=0, atol=1e-6)


def test_the_learning_rate_warms_up_stays_and_cools_down():
    config = TrainConfig(steps=10, warmup=4, cooldown=2)
    assert [rate(step, config) for step in range(10)] == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 0.25]


def test_a_cosine_falls_from_one_to_zero():
    config = TrainConfig(steps=4, warmup=0, schedule="cosine")
    expected = [0.5 * (1 + math.cos(math.pi * step / 4)) for step in range(4)]
    assert [rate(step, config) for step in range(4)] == pytest.approx(expected)
    assert rate(0, config) == 1 and rate(0, replace(config, warmup=2)) == 0.5


def test_what_muon_leaves_has_a_rate_and_a_decay_of_its_own():
    config = replace(BASE, optimizer="muon", other_learning_rate=1e-4, other_weight_decay=0.7)
    muon, adamw, signs = make_optimizers(small(puzzles=10), config)
    found = [(g["peak"], g["weight_decay"]) for o in (muon, adamw, signs) for g in o.param_groups]
    assert found == [(3e-3, 0.1), (1e-4, 0.7), (1e-2, 0.1)]


def test_a_gradient_that_is_too_long_is_cut_and_a_short_one_is_not():
    def norm(clip):
        training = Training(small(), copying(), replace(QUICK, clip=clip))
        seen = []
        training.optimizers[0].step = lambda: seen.extend(
            p.grad.clone() for p in training.model.parameters()
        )
        training.advance()
        return torch.cat([grad.flatten() for grad in seen]).norm().item()

    free = norm(0.0)
    assert norm(0.5 * free) == pytest.approx(0.5 * free, rel=1e-4)
    assert norm(2 * free) == pytest.approx(free, rel=1e-4)


def test_the_average_begins_at_its_step():
    training = Training(small(), copying(), replace(QUICK, ema=0.75, ema_from=2))
    for step in range(4):
        before = [p.detach().clone() for p in training.averaged.parameters()]
        training.advance()
        weights = [p.detach() for p in training.model.parameters()]
        share = 1.0 if step < 2 else 0.25
        for old, new, mean in zip(before, weights, training.averaged.parameters(), strict=True):
            torch.testing.assert_close(mean.detach(), old.lerp(new, share), rtol=0, atol=1e-6)


def test_the_schedule_reaches_every_optimizer_at_every_step():
    config = replace(BASE, optimizer="muon", warmup=3, cooldown=2, weight_decay=0.0)
    config = replace(config, puzzle_weight_decay=0.0)
    training = Training(small(puzzles=10), copying(ids=10), config)
    assert len(training.optimizers) == 3
    for factor in (1 / 3, 2 / 3, 1, 1, 1, 1 / 4):
        before = training.model.embed.puzzles.detach().clone()
        training.advance()
        for optimizer, peak in zip(training.optimizers, (3e-3, 3e-3, 1e-2), strict=True):
            assert [g["lr"] for g in optimizer.param_groups] == [pytest.approx(peak * factor)]
        moved = (training.model.embed.puzzles.detach() - before).abs().max()
        assert float(moved) == pytest.approx(1e-2 * factor, rel=1e-4)  # a sign times the rate


def test_puzzle_embeddings_go_to_sign_sgd_and_muon_takes_inner_matrices_only():
    kinds = [type(o).__name__ for o in make_optimizers(small(puzzles=2), TrainConfig())]
    assert kinds == ["AdamAtan2", "SignSGD"]
    model = small()
    muon, adamw = make_optimizers(model, TrainConfig(optimizer="muon"))
    assert {p.dim() for p in muon.param_groups[0]["params"]} == {2}
    taken = {id(p) for o in (muon, adamw) for p in o.param_groups[0]["params"]}
    assert taken == {id(p) for p in model.parameters()}
    assert id(model.embed.tokens) in {id(p) for p in adamw.param_groups[0]["params"]}


@pytest.mark.parametrize(
    "setting, message",
    [
        (dict(optimizer="sgd"), "TrainConfig.optimizer is 'sgd'"),
        (dict(steps=0), "TrainConfig.steps is 0"),
        (dict(batch="64"), "TrainConfig.batch is '64'"),
        (dict(learning_rate=float("nan")), "TrainConfig.learning_rate is nan"),
        (dict(ema=-0.1), "TrainConfig.ema is -0.1"),
        (dict(schedule="cosine", cooldown=5), "cooldown is 5; a cosine needs none"),
        (dict(other_learning_rate=0.1), "other_learning_rate is 0.1; expected None"),
    ],
)
def test_settings_that_make_no_sense_are_named(setting, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**setting)


# --- puzzles and their ids ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["trm", "hrm"])
def test_the_rows_of_a_batch_move_and_no_others(kind):
    """Five ids in a table of eight; at first all rows are zero."""
    puzzles = copying(10, ids=5)
    config = replace(QUICK, batch=10, puzzle_learning_rate=0.5, warmup=0)
    training = Training(small(kind, puzzles=8), puzzles, config)
    training.advance()
    moved = training.model.embed.puzzles.detach().abs()
    assert (moved[:5] == 0.5).all() and not moved[5:].any()


def test_a_step_moves_only_the_rows_that_it_has_drawn():
    config = replace(QUICK, batch=3, puzzle_learning_rate=0.5, warmup=0)
    training = Training(small(puzzles=8, segments=1), copying(10, ids=5), config)
    for step in range(6):
        before = training.model.embed.puzzles.detach().clone()
        training.advance()
        rows = (training.model.embed.puzzles != before).any(1).nonzero().flatten()
        assert set(rows.tolist()) == set(copying(10, ids=5).batch(3, 0, step).ids.tolist())


def test_a_puzzles_id_stays_with_it_for_all_its_segments():
    training = Training(small(puzzles=5, segments=3), copying(10, ids=5), replace(QUICK, batch=4))
    seen = []
    for _ in range(3):
        training.advance()
        seen.append(training.carry.puzzles.ids.tolist())
    assert seen[0] == seen[1] == seen[2]
    training.advance()
    assert training.carry.puzzles.ids.tolist() != seen[0]


def test_ids_change_what_is_learned():
    first, second = (trained(small(puzzles=8), BASE, copying(ids=ids)) for ids in (1, 5))
    assert losses(first) != losses(second)


def test_the_questions_of_a_step_are_augmented_and_those_of_a_test_are_not():
    def flipped(x, y, generator):
        return x.flip(1), y.flip(1)

    plain, other = copying(), copying()
    other.augment = flipped
    first, second = Training(small(), plain, QUICK), Training(small(), other, QUICK)
    assert torch.equal(first.draw()[0].x.flip(1), second.draw()[0].x)
    model = trained(small()).averaged
    assert evaluate(model, plain).answers.equal(evaluate(model, other).answers)


def test_cells_without_a_label_teach_nothing():
    """Their wrong answers count neither in the loss nor as mistakes."""
    x = copying().x
    y = torch.where(torch.arange(16) < 8, x, IGNORE)
    training = trained(small(), replace(QUICK, steps=60), PuzzleSet(x, y))
    assert training.history[-1]["cell"] > 0.9 and training.history[-1]["loss"] < 0.5


# --- stopping -------------------------------------------------------------------------------------


def asking(step: int, *signals: int, batch: int = QUICK.batch) -> PuzzleSet:
    """Puzzles that send these signals while the batch of a step is drawn (the first is 1)."""
    puzzles, drawn = copying(), []

    def augment(x, y, generator):
        drawn.append(1)
        if len(drawn) == step:
            for number in signals:
                signal.raise_signal(number)
        return x, y

    puzzles.augment = augment
    return puzzles


def test_an_interrupted_training_can_be_used_and_goes_on():
    before = signal.getsignal(signal.SIGINT)
    training = Training(small(), asking(13, signal.SIGINT), QUICK)
    assert train(training, {"test": copying(8)}, quiet=True) == "interrupted"
    assert training.step == 13 and [entry["step"] for entry in training.history] == [10]
    assert signal.getsignal(signal.SIGINT) is before
    evaluate(training.averaged, copying(8))
    assert train(training, {"test": copying(8)}, quiet=True) is None
    whole = trained(small(), tests={"test": copying(8)})
    assert not different(state_of(training), state_of(whole))
    assert timeless(training.history) == timeless(whole.history)


def test_ctrl_c_from_elsewhere_stops_after_the_step_at_hand():
    """A signal comes at any time, as from a notebook's stop button."""
    config = replace(QUICK, steps=1_000_000, evaluate_every=0)
    training = Training(small(), copying(), config)
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    timer.start()
    assert train(training, quiet=True) == "interrupted"
    assert 0 < training.step < config.steps
    entry = training.report({})  # what was not yet reported is still there
    assert entry["step"] == training.step and math.isfinite(entry["loss"])


def test_asking_twice_interrupts_at_once():
    training = Training(small(), asking(3, signal.SIGINT, signal.SIGINT), QUICK)
    with pytest.raises(KeyboardInterrupt):
        train(training, quiet=True)
    assert training.step == 2


def test_sigterm_is_heard_where_something_can_be_saved():
    saved = []
    training = Training(small(), asking(4, signal.SIGTERM), QUICK)
    stopped = train(training, quiet=True, save=lambda training: saved.append(training.step))
    assert stopped == "terminated" and saved == [4]
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:  # without `save` it is the program's own affair
        assert train(Training(small(), asking(4, signal.SIGTERM), QUICK), quiet=True) is None
    finally:
        signal.signal(signal.SIGTERM, before)


def test_training_stops_when_its_minutes_are_over():
    training, saved = Training(small(), copying(), QUICK), []
    how = dict(quiet=True, minutes=0.0, save=lambda training: saved.append(training.step))
    assert train(training, **how) == "out of time" and training.step == 1 and saved == [1]
    assert train(training, quiet=True, minutes=60.0) is None and training.step == 30


def test_it_saves_every_so_often_and_at_the_end():
    saved = []
    trained(small(), save=lambda training: saved.append(training.step), save_every=0.0)
    assert saved == list(range(1, 31))
    saved.clear()
    trained(small(), save=lambda training: saved.append(training.step))
    assert saved == [30]


def test_a_finished_training_does_nothing_more():
    training = trained(small())
    before = state_of(training)
    assert train(training, quiet=True) is None
    assert training.step == 30 and not different(before, state_of(training))


def test_it_trains_in_another_thread_too():
    done = []
    thread = threading.Thread(target=lambda: done.append(trained(small(), BASE).step))
    thread.start()
    thread.join()
    assert done == [6]


# --- divergence -----------------------------------------------------------------------------------


def test_a_loss_that_is_no_number_stops_at_once_and_says_where():
    config = replace(QUICK, learning_rate=1e30, warmup=0)
    training = Training(small(), copying(), config)
    with pytest.raises(Diverged, match=r"step 2: the loss is (nan|inf) \(learning rate 1e\+30\)"):
        train(training, quiet=True)
    assert training.step == 1 and not training.history


def test_weights_and_average_stay_as_they_were_before_the_bad_step():
    training = Training(small(), copying(), replace(QUICK, warmup=10))
    training.advance()
    before = state_of(training)
    hook = training.model.heads.cells.register_forward_hook(lambda *args: args[2] * math.nan)
    with pytest.raises(Diverged, match=r"step 2: the loss is nan \(learning rate 0.0006\)"):
        training.advance()
    hook.remove()
    kept = {name: v for name, v in before.items() if not name.startswith("carry.")}
    now = {name: v for name, v in state_of(training).items() if not name.startswith("carry.")}
    assert not different(kept, now)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_halting_loss_must_be_a_number_too(value):
    training = Training(small(), copying(), QUICK)
    with torch.no_grad():
        training.model.heads.halt.bias.fill_(value)
    with pytest.raises(Diverged, match="step 1: the loss is"):
        train(training, quiet=True)
