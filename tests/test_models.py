"""The contract that all models keep; what HRM and TRM call, how often, and with which gradient."""

import copy
from dataclasses import FrozenInstanceError, asdict, fields

import pytest
import torch

from tinyrec.carry import empty_carry, refill, segment
from tinyrec.cost import peak_bytes
from tinyrec.models import MODELS, build, kind_of
from tinyrec.models.hrm import HRM, HRMConfig
from tinyrec.models.trm import TRM, TRMConfig
from tinyrec.puzzles import Batch

SMALL = dict(vocab=6, length=16, width=32, heads=4, prefix=2, multiple=32, segments=3)
SMALL |= dict(high_layers=1, low_layers=1, loops=2)
TOKENS = torch.randint(1, 6, (3, 16), generator=torch.Generator().manual_seed(0))


def small(kind, seed=0, **settings):
    """A small model of that kind, with its head for q and its table of puzzles filled."""
    known = MODELS[kind][1].__dataclass_fields__
    torch.manual_seed(seed)
    model = build(kind, {name: value for name, value in SMALL.items() if name in known} | settings)
    for name, p in model.named_parameters():
        if name in ("embed.puzzles", "heads.halt.weight"):
            torch.nn.init.normal_(p)
    return model


# --- the contract -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_keeps_its_frozen_config(kind):
    model = small(kind)
    c = model.config
    assert isinstance(c, MODELS[kind][1]) and kind_of(model) == kind
    assert (c.vocab, c.length, c.segments) == (6, 16, 3)
    with pytest.raises(FrozenInstanceError):
        c.segments = 4
    assert build(kind, asdict(c)).config == c


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("ids", [None, torch.tensor([0, 0, 0])])
def test_a_segment_keeps_the_contract(kind, dtype, ids):
    model = small(kind)
    state = model.initial_state(3, dtype)
    assert isinstance(state, tuple) and all(len(s) == 3 and s.dtype == dtype for s in state)
    assert all(torch.equal(s[0], s[2]) and not s.requires_grad for s in state)
    before = copy.deepcopy((TOKENS, state))
    after, logits, q = model(TOKENS, state, ids)
    assert torch.equal(TOKENS, before[0]) and all(map(torch.equal, state, before[1]))
    assert [s.shape for s in after] == [s.shape for s in state]
    assert {s.dtype for s in after} <= {dtype, torch.float32}
    assert all(s.grad_fn is None and not s.requires_grad for s in after)  # memory stays as it is
    assert logits.shape == (3, 16, 6)
    assert q is None or (q.shape == (3, 2) and q.dtype == torch.float32)

    loss = logits.float().square().mean() + (0 if q is None else q.square().mean())
    loss.backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without


@pytest.mark.parametrize("kind", MODELS)
def test_the_state_matters_and_is_all_that_a_model_remembers(kind):
    model = small(kind)
    state, first, _ = model(TOKENS, model.initial_state(3))
    second, third = (model(TOKENS, state)[1] for _ in range(2))
    assert torch.equal(second, third) and not torch.equal(first, second)


@pytest.mark.parametrize("kind", MODELS)
def test_the_rows_of_a_batch_do_not_see_each_other(kind):
    model = small(kind)
    state, logits, q = model(TOKENS, model.initial_state(3))
    for row in range(3):
        alone = model(TOKENS[row : row + 1], model.initial_state(1))
        torch.testing.assert_close(alone[1][0], logits[row], rtol=0, atol=1e-4)
        torch.testing.assert_close(alone[0][0][0], state[0][row], rtol=0, atol=1e-4)
        assert q is None or (alone[2][0] - q[row]).abs().max() < 1e-3


@pytest.mark.parametrize("kind", MODELS)
def test_the_weights_are_all_that_a_model_is(kind):
    one, other = small(kind), small(kind, seed=1)
    answers = [model(TOKENS, model.initial_state(3))[1] for model in (one, other)]
    assert not torch.equal(*answers)
    other.load_state_dict(one.state_dict())
    assert torch.equal(other(TOKENS, other.initial_state(3))[1], answers[0])


@pytest.mark.parametrize("kind", [k for k in MODELS if hasattr(MODELS[k][1], "puzzles")])
def test_each_puzzle_gets_its_own_embedding_and_without_ids_number_0(kind):
    model = small(kind, puzzles=3)
    state = model.initial_state(3)
    without, zeros, other = (
        model(TOKENS, state, ids)[1] for ids in (None, torch.zeros(3).long(), torch.arange(3))
    )
    assert torch.equal(without, zeros)
    differs = [(zeros[row] - other[row]).abs().max() > 1e-3 for row in range(3)]
    assert differs == [False, True, True]


def test_unknown_kinds_settings_and_models_are_named():
    with pytest.raises(ValueError, match="unknown model 'gpt'; expected one of naive, hrm, trm"):
        build("gpt", {})
    with pytest.raises(ValueError, match="unknown setting 'depth' for trm; it has vocab, "):
        build("trm", {"depth": 3})
    with pytest.raises(ValueError, match="settings are 3; expected a JSON object"):
        build("trm", 3)
    with pytest.raises(ValueError, match="Linear is none of the models naive, hrm, trm"):
        kind_of(torch.nn.Linear(1, 1))


# --- every setting does something -----------------------------------------------------------------

# Another value than the base's, for each field; and what must hold for a field to count.
OTHERS = dict(vocab=7, length=20, width=64, mixing="mlp", positions="learned", heads=2, prefix=3)
OTHERS |= dict(
    puzzles=0,
    puzzle_width=16,
    gate="rms",
    expansion=8.0,
    multiple=64,
    halt_bias=0.0,
    layers=1,
    latent_steps=3,
)
OTHERS |= dict(recursions=3, segments=1, networks=2, latents=2, gradient=None, q_learning=None)
OTHERS |= dict(high_layers=2, low_layers=2, high_cycles=3, low_cycles=3, loops=3)
BASES = {
    "naive": dict(segments=2),
    "hrm": dict(mixing="attention", positions="rope", puzzles=3, segments=2),
    "trm": dict(mixing="attention", positions="rope", puzzles=3, segments=2)
    | dict(layers=2, latent_steps=2, recursions=2),
}


def observed(model):
    """What can be seen of a model: shapes, and the numbers of a training step of fixed puzzles."""
    x = TOKENS[:, :1].expand(3, model.config.length)
    batch = Batch(x, x, torch.arange(3))
    carry, outputs = segment(model, refill(model, empty_carry(model, batch), batch))
    loss = outputs.logits.square().mean()
    if outputs.q is not None:
        loss = loss + outputs.q.square().mean()
    loss.backward()
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    gradients = [p.grad.to_dense() for p in model.parameters()]
    seen = [*carry.state, carry.halted, outputs.logits, outputs.target_continue, *gradients]
    return shapes, [None if part is None else part.tolist() for part in seen]


@pytest.mark.parametrize(
    "kind, field", [(kind, f.name) for kind in MODELS for f in fields(MODELS[kind][1])]
)
def test_every_setting_changes_something(kind, field):
    base = small(kind, **BASES[kind])
    value, other = getattr(base.config, field), OTHERS[field]
    if field == "q_learning":
        other = not value
    if field == "gradient":
        other = {"full": "one_step", "one_step": "full"}[value]
    more = dict(positions="none") if field == "mixing" else {}
    base, again = (small(kind, **BASES[kind] | more) for _ in range(2))
    changed = small(kind, **BASES[kind] | more | {field: other})
    assert observed(base) == observed(again) != observed(changed)


# --- HRM and TRM ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model, config, parameters",
    [
        (HRM, HRMConfig(), 27_275_266),
        (TRM, TRMConfig(), 5_028_866),
        (TRM, TRMConfig(mixing="attention", positions="rope"), 6_828_034),
        (TRM, TRMConfig(mixing="attention", positions="rope", vocab=12, length=900), 6_829_058),
    ],
    ids=["HRM Sudoku", "TRM mixer Sudoku", "TRM attention Sudoku", "TRM attention ARC"],
)
def test_the_papers_parameter_counts(model, config, parameters):
    with torch.device("meta"):
        assert sum(p.numel() for p in model(config).parameters()) == parameters


@pytest.mark.parametrize(
    "switches",
    [
        dict(mixing="attention"),
        dict(mixing="attention", positions="rope"),
        dict(positions="learned"),
        dict(networks=2),
        dict(latents=0),
        dict(latents=6, latent_steps=6),
        dict(gradient="one_step"),
        dict(gradient="all"),
        dict(recursions=1),
        dict(latent_steps=1),
        dict(prefix=0),
        dict(puzzles=3, puzzle_width=40),
        dict(expansion=0.01),  # no room for a hidden unit: still a multiple of them
    ],
    ids=str,
)
def test_every_switch_of_trm_runs_and_trains(switches):
    model = small("trm", **switches)
    state, logits, q = model(TOKENS, model.initial_state(3), torch.tensor([0, 2, 1]))
    assert len(state) == 1 + model.config.latents
    assert all(s.shape == (3, model.config.prefix + 16, 32) for s in state)
    (logits.square().mean() + q.square().mean()).backward()
    assert not [name for name, p in model.named_parameters() if not p.grad.to_dense().any()]


@pytest.mark.parametrize("kind", ["hrm", "trm"])
def test_the_dtype_of_the_state_is_the_dtype_of_the_pass(kind):
    model = small(kind)
    state, logits, _ = model(TOKENS, model.initial_state(3, torch.bfloat16))
    assert {s.dtype for s in state} == {torch.bfloat16} and logits.dtype == torch.bfloat16


def calls_with_gradient(model, networks):
    """How many calls of each network a segment makes, and how many of them are differentiated."""
    seen = []
    for network in networks:
        network.register_forward_hook(lambda module, args, out: seen.append(out.requires_grad))
    model(TOKENS, model.initial_state(3))
    return len(seen), sum(seen)


@pytest.mark.parametrize(
    "switches, expected",
    [
        (dict(), (21, 7)),
        (dict(gradient="one_step"), (21, 2)),
        (dict(gradient="all"), (21, 21)),
        (dict(recursions=1, latent_steps=2), (3, 3)),
        (dict(latents=0), (21, 7)),
        (dict(recursions=2, latent_steps=2), (6, 3)),
    ],
    ids=str,
)
def test_calls_of_trm(switches, expected):
    model = small("trm", **switches)
    assert calls_with_gradient(model, [model.network]) == expected


def test_the_gradient_through_all_recursions_is_that_of_one_long_chain():
    """Computed again from checkpoints, it is the same, and far less is kept for it."""
    model = small("trm", gradient="all", recursions=4)
    weights = list(model.network.parameters())

    def through_checkpoints():
        return model(TOKENS, model.initial_state(3))[1].square().mean()

    def in_one_chain():
        state = model.initial_state(3)
        x = model.embed(TOKENS, None, torch.float32)
        for _ in range(4):
            state = model.latent_recursion(x, state)
        return model.heads(state[0])[0].square().mean()

    ours, theirs = (torch.autograd.grad(f(), weights) for f in (through_checkpoints, in_one_chain))
    assert all(
        torch.allclose(a, b, rtol=1e-4, atol=1e-7) for a, b in zip(ours, theirs, strict=True)
    )
    kept = [
        peak_bytes(model, lambda f=f: torch.autograd.grad(f(), weights))
        for f in (through_checkpoints, in_one_chain)
    ]
    assert kept[0] < 0.5 * kept[1]


@pytest.mark.parametrize("gradient, expected", [("one_step", (6, 2)), ("full", (6, 3))])
def test_calls_of_hrm(gradient, expected):
    model = small("hrm", gradient=gradient)
    assert calls_with_gradient(model, [model.low, model.high]) == expected


def test_a_segment_of_trm_is_the_papers_pseudocode():
    model = small("trm", latent_steps=2, recursions=2)
    y, z = model.initial_state(3)
    x = model.embed(TOKENS, None, torch.float32)
    for _ in range(2):
        for _ in range(2):
            z = model.network(x + y + z)
        y = model.network(y + z)
    state, logits, _ = model(TOKENS, model.initial_state(3))
    torch.testing.assert_close(state, (y.detach(), z.detach()), rtol=0, atol=1e-4)
    torch.testing.assert_close(logits, model.heads(y)[0], rtol=0, atol=1e-4)


def test_a_segment_of_hrm_is_the_papers_pseudocode():
    model = small("hrm", high_cycles=2, low_cycles=3)
    high, low = model.initial_state(3)
    x = model.embed(TOKENS, None, torch.float32)
    for _ in range(2):
        for _ in range(3):
            low = model.low(low + high + x)
        high = model.high(high + low)
    state, logits, _ = model(TOKENS, model.initial_state(3))
    torch.testing.assert_close(state, (high.detach(), low.detach()), rtol=0, atol=1e-4)
    torch.testing.assert_close(logits, model.heads(high)[0], rtol=0, atol=1e-4)


def test_several_latents_take_turns():
    model = small("trm", latents=3, latent_steps=5)
    x = model.embed(TOKENS, None, torch.float32)
    state = y, *z = tuple(torch.randn(3, 18, 32) for _ in range(4))
    for step in range(5):
        z[step % 3] = model.network(x + y + z[0] + z[1] + z[2])
    y = model.network(y + z[0] + z[1] + z[2])
    torch.testing.assert_close(model.latent_recursion(x, state), (y, *z), rtol=0, atol=1e-4)


def test_the_answers_update_takes_no_question_and_perhaps_a_network_of_its_own():
    for networks in (1, 2):
        model = small("trm", networks=networks)
        y, z = model.initial_state(3)
        network = model.answer_network if networks == 2 else model.network
        assert torch.equal(model.update_answer((y, z))[0], network(y + z))
