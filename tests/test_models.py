"""The three models: sizes, every switch, which calls are differentiated, and small equivalences."""

import pytest
import torch

from tinyrec.models.hrm import HRM, HRMConfig
from tinyrec.models.layers import Block, SwiGLU, rms_norm, truncated_normal
from tinyrec.models.naive import NaiveConfig, NaiveMLP
from tinyrec.models.trm import TRM, TRMConfig

SMALL = dict(vocab=6, length=16, width=32, heads=4, prefix=2, multiple=32)
TOKENS = torch.randint(1, 6, (3, 16), generator=torch.Generator().manual_seed(0))


def count(model):
    return sum(p.numel() for p in model.parameters())


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
        assert count(model(config)) == parameters


@pytest.mark.parametrize(
    "switches",
    [
        dict(),
        dict(mixing="attention"),
        dict(mixing="attention", positions="rope"),
        dict(positions="learned"),
        dict(networks=2),
        dict(latents=0),
        dict(latents=6, latent_steps=6),
        dict(gradient="one_step"),
        dict(recursions=1),
        dict(latent_steps=1),
        dict(layers=4),
        dict(prefix=0),
        dict(prefix=1, puzzles=3),
    ],
    ids=str,
)
def test_every_switch_of_trm_runs_and_trains(switches):
    torch.manual_seed(0)
    model = TRM(TRMConfig(**{**SMALL, **switches}))
    ids = torch.tensor([0, 2, 1]) if model.config.puzzles else None
    state, logits, q = model(TOKENS, model.initial_state(3), ids)
    assert logits.shape == (3, 16, 6) and q.shape == (3, 2) and q.dtype == torch.float32
    assert len(state) == 1 + model.config.latents
    assert all(s.shape == (3, model.config.prefix + 16, 32) and not s.requires_grad for s in state)
    (logits.square().mean() + q.square().mean()).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert not without


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
        (dict(recursions=1, latent_steps=2), (3, 3)),
        (dict(latents=0), (21, 7)),
        (dict(recursions=2, latent_steps=2), (6, 3)),
    ],
    ids=str,
)
def test_calls_of_trm(switches, expected):
    model = TRM(TRMConfig(**{**SMALL, **switches}))
    assert calls_with_gradient(model, [model.network]) == expected


def test_calls_of_hrm():
    model = HRM(HRMConfig(**SMALL))
    assert calls_with_gradient(model, [model.low, model.high]) == (6, 2)
    model = HRM(HRMConfig(**SMALL, gradient="full"))
    assert calls_with_gradient(model, [model.low, model.high]) == (6, 3)


def test_a_segment_of_trm_is_the_papers_pseudocode():
    torch.manual_seed(0)
    model = TRM(TRMConfig(**SMALL, latent_steps=2, recursions=2))
    y, z = model.initial_state(3)
    x = model.embed(TOKENS, None, torch.float32)
    for _ in range(2):
        for _ in range(2):
            z = model.network(x + y + z)
        y = model.network(y + z)
    state, logits, _ = model(TOKENS, model.initial_state(3))
    assert torch.allclose(state[0], y, atol=1e-5) and torch.allclose(state[1], z, atol=1e-5)
    assert torch.allclose(logits, model.heads(y)[0], atol=1e-5)


def test_the_answers_update_takes_no_question():
    model = TRM(TRMConfig(**SMALL))
    y, z = model.initial_state(3)
    assert torch.equal(model.update_answer((y, z))[0], model.network(y + z))


@pytest.mark.parametrize("config", [TRMConfig(**SMALL), HRMConfig(**SMALL)], ids=["TRM", "HRM"])
def test_states_start_at_fixed_random_vectors(config):
    model = (TRM if isinstance(config, TRMConfig) else HRM)(config)
    first, second = model.initial_state(2)
    assert torch.equal(first[0, 0], first[1, 7]) and not torch.equal(first, second)
    assert first.abs().sum() > 0 and "start" not in dict(model.named_parameters())
    assert model.initial_state(2, torch.bfloat16)[0].dtype == torch.bfloat16


def test_the_dtype_of_the_state_is_the_dtype_of_the_pass():
    model = TRM(TRMConfig(**SMALL))
    state, logits, q = model(TOKENS, model.initial_state(3, torch.bfloat16))
    assert (
        {s.dtype for s in state} == {torch.bfloat16}
        and logits.dtype == torch.bfloat16
        and q.dtype == torch.float32
    )


def test_without_ids_every_puzzle_is_number_0():
    torch.manual_seed(0)
    model = TRM(TRMConfig(**{**SMALL, "puzzles": 2}))
    torch.nn.init.normal_(model.embed.puzzles)
    state, zeros, ones = model.initial_state(3), torch.zeros(3).long(), torch.ones(3).long()
    without = model(TOKENS, state)[1]
    assert torch.equal(without, model(TOKENS, state, zeros)[1])
    assert not torch.equal(without, model(TOKENS, state, ones)[1])


def test_the_halting_head_starts_at_minus_five():
    _, _, q = (model := TRM(TRMConfig(**SMALL)))(TOKENS, model.initial_state(3))
    assert torch.equal(q, torch.full((3, 2), -5.0))


def test_inner_sizes_are_rounded_up():
    assert SwiGLU(512, 4.0, 256).down.weight.shape == (512, 1536)
    assert SwiGLU(97, 4.0, 256).down.weight.shape == (97, 512)
    assert SwiGLU(81, 4.0, 256).down.weight.shape == (81, 256)


def test_truncated_normal_has_the_standard_deviation_asked_for():
    values = truncated_normal(200_000, std=0.3)
    assert abs(values.std().item() - 0.3) < 2e-3
    assert 2 * 0.3 < values.abs().max() < 2.3 * 0.3


def test_the_mixers_norm_runs_over_the_positions():
    torch.manual_seed(0)
    block = Block("mlp", width=8, heads=1, positions=5, rope=False, expansion=4.0, multiple=8)
    torch.nn.init.zeros_(block.token_mixer.down.weight)
    torch.nn.init.zeros_(block.channel_mixer.down.weight)
    h = torch.randn(2, 5, 8)
    assert torch.allclose(block(h), rms_norm(rms_norm(h.mT).mT), atol=1e-6)


def test_rms_norm_in_bfloat16_is_computed_in_float32():
    h = torch.randn(4, 64).to(torch.bfloat16)
    expected = h.float() / (h.float().square().mean(-1, keepdim=True) + 1e-5).sqrt()
    assert torch.equal(rms_norm(h), expected.to(torch.bfloat16))


@pytest.mark.parametrize(
    "field, value",
    [("mixing", "conv"), ("positions", "rope"), ("networks", 3), ("gradient", "none")],
)
def test_settings_that_make_no_sense_are_refused(field, value):
    with pytest.raises(ValueError, match=f"TRMConfig.{field} is {value!r}"):
        TRMConfig(**{field: value})


def test_naive_mlp_loops_and_keeps_its_answer():
    torch.manual_seed(0)
    once, thrice = (
        NaiveMLP(NaiveConfig(vocab=6, length=16, width=32, loops=loops)) for loops in (1, 3)
    )
    thrice.load_state_dict(once.state_dict())
    state = once.initial_state(3)
    for _ in range(3):
        state, logits, q = once(TOKENS, state)
    assert q is None and torch.allclose(
        logits, thrice(TOKENS, thrice.initial_state(3))[1], atol=1e-6
    )
    assert torch.allclose(state[0].sum(-1), torch.ones(3, 16), atol=1e-5)


def test_naive_mlp_is_trained_through_all_its_loops():
    torch.manual_seed(0)
    model = NaiveMLP(NaiveConfig(vocab=6, length=16, width=32, loops=3))
    seen = []
    model.first.register_forward_hook(
        lambda module, args, out: seen.append(out.requires_grad and args[0].requires_grad)
    )
    model(TOKENS, model.initial_state(3))
    assert seen == [
        False,
        True,
        True,
    ]  # the first loop's answer is a constant, the later ones carry gradient
