"""The training loop: it learns, it is seeded, it reports what it did, it falls back where it must."""

from dataclasses import replace

import pytest
import torch

from tinyrec import train as training
from tinyrec.models.hrm import HRM, HRMConfig
from tinyrec.models.naive import NaiveConfig, NaiveMLP
from tinyrec.models.trm import TRM, TRMConfig
from tinyrec.puzzles import PuzzleSet
from tinyrec.train import TrainConfig, compile_model, make_optimizers, rate, train

TINY = dict(vocab=6, length=16, width=32, heads=2, prefix=1, multiple=32)
QUICK = TrainConfig(
    steps=30,
    batch=16,
    optimizer="adamw",
    learning_rate=3e-3,
    weight_decay=0.0,
    warmup=5,
    ema=0.9,
    evaluate_every=10,
)


def copying(n=64):
    """The easiest puzzle: the answer is the question."""
    x = torch.randint(2, 6, (n, 16), generator=torch.Generator().manual_seed(0))
    return PuzzleSet(x, x.clone())


def small(kind="trm", **switches):
    torch.manual_seed(0)
    if kind == "naive":
        return NaiveMLP(NaiveConfig(vocab=6, length=16, width=64, **switches))
    if kind == "hrm":
        return HRM(
            HRMConfig(**{**TINY, "high_layers": 1, "low_layers": 1, "segments": 2, **switches})
        )
    return TRM(
        TRMConfig(
            **{**TINY, "layers": 1, "latent_steps": 2, "recursions": 2, "segments": 2, **switches}
        )
    )


@pytest.mark.parametrize(
    "kind, switches",
    [
        ("trm", {}),
        ("trm", dict(puzzles=1)),
        ("trm", dict(q_learning=True)),
        ("hrm", {}),
        ("naive", dict(loops=2)),
        ("naive", dict(segments=3)),
    ],
)
def test_every_model_learns_in_the_one_loop(kind, switches):
    _, history = train(small(kind, **switches), copying(), QUICK, quiet=True)
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]


@pytest.mark.parametrize("optimizer", ["adamw", "adam_atan2", "muon"])
def test_every_optimizer_learns(optimizer):
    _, history = train(small(), copying(), replace(QUICK, optimizer=optimizer), quiet=True)
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]


def test_the_same_seed_gives_the_same_losses():
    runs = [train(small(), copying(), QUICK, quiet=True)[1] for _ in range(2)]
    other = train(small(), copying(), replace(QUICK, seed=1), quiet=True)[1]
    assert [entry["loss"] for entry in runs[0]] == [entry["loss"] for entry in runs[1]]
    assert [entry["loss"] for entry in runs[0]] != [entry["loss"] for entry in other]


def test_training_with_fewer_recursions_than_the_model_has():
    deep, shallow = small(recursions=3), small(recursions=1)
    solver, history = train(deep, copying(), replace(QUICK, recursions=1), quiet=True)
    same, _ = train(shallow, copying(), QUICK, quiet=True)
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    assert (deep.config.recursions, solver.config.recursions) == (3, 3)
    assert all(torch.equal(a, b) for a, b in zip(solver.parameters(), same.parameters()))
    for kind in ("hrm", "naive"):
        with pytest.raises(ValueError, match="TrainConfig.recursions is 1; only TRM"):
            train(small(kind), copying(), replace(QUICK, recursions=1), quiet=True)
    with pytest.raises(ValueError, match="TrainConfig.recursions is 0"):
        replace(QUICK, recursions=0)


def test_the_history_says_what_was_measured():
    _, history = train(small(), copying(), QUICK, {"test": copying(8)}, quiet=True)
    assert [entry["step"] for entry in history] == [10, 20, 30]
    assert set(history[0]) == {"step", "seconds", "loss", "exact", "cell", "segments", "test"}
    assert all(1 <= entry["segments"] <= 2 and 0 <= entry["test"] <= 1 for entry in history)


def test_training_stops_at_the_target():
    _, history = train(
        small(), copying(), replace(QUICK, target=0.0), {"test": copying(8)}, quiet=True
    )
    assert [entry["step"] for entry in history] == [10]


def test_the_averaged_model_is_returned():
    model = small()
    average, _ = train(model, copying(), QUICK, quiet=True)
    assert average is not model and not torch.equal(
        average.heads.cells.weight, model.heads.cells.weight
    )
    assert train(model, copying(), replace(QUICK, ema=0.0, steps=1), quiet=True)[0] is model


def test_the_learning_rate_warms_up_stays_and_cools_down():
    config = TrainConfig(steps=10, warmup=4, cooldown=2)
    assert [rate(step, config) for step in range(10)] == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 0.25]


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
    ],
)
def test_settings_that_make_no_sense_are_named(setting, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**setting)


def test_no_compiler_means_eager_and_says_so(monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("no C++ compiler found")

    monkeypatch.setattr(training.torch, "compile", broken)
    model = small()
    said = compile_model(model, torch.device("cpu"))
    assert said.startswith("eager") and "no C++ compiler found" in said
    train(model, copying(), replace(QUICK, steps=1), quiet=True)


def test_precision_follows_the_hardware(monkeypatch):
    asks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    for has in ((True, False), (False, True), (False, False)):
        for ask, answer in zip(asks, has):
            monkeypatch.setattr(torch.cpu, ask, lambda answer=answer: answer, raising=False)
        dtype = torch.bfloat16 if any(has) else torch.float32
        assert training.pick_precision(torch.device("cpu")) is dtype
    for ask in asks:  # an older PyTorch
        monkeypatch.delattr(torch.cpu, ask)
    assert training.pick_precision(torch.device("cpu")) is torch.float32


@pytest.mark.parametrize("kind", ["trm", "hrm", "naive"])
def test_bfloat16_trains_on_any_processor(kind):
    _, history = train(small(kind), copying(), QUICK, dtype=torch.bfloat16, quiet=True)
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]
