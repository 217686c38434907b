"""The parts of HRM and TRM: how they start, which axis they work on, what they round."""

import pytest
import torch

from tinyrec.models.hrm import HRM, HRMConfig
from tinyrec.models.layers import (
    Attention,
    Block,
    Embedding,
    Heads,
    Linear,
    PartsConfig,
    SwiGLU,
    rms_norm,
    rope_table,
    rotate,
    truncated_normal,
)
from tinyrec.models.naive import NaiveConfig, NaiveMLP
from tinyrec.models.trm import TRM, TRMConfig

SMALL = dict(vocab=6, length=16, width=32, heads=4, prefix=2, multiple=32)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_truncated_normal_has_the_standard_deviation_asked_for():
    values = truncated_normal(200_000, std=0.3)
    assert abs(values.std().item() - 0.3) < 2e-3
    assert 2 * 0.3 < values.abs().max() < 2.3 * 0.3


@pytest.mark.parametrize("inputs, outputs", [(1024, 64), (64, 1024)])
def test_a_linear_map_starts_by_its_inputs(inputs, outputs):
    weight = Linear(inputs, outputs).weight
    assert weight.shape == (outputs, inputs)
    assert weight.std().item() == pytest.approx(inputs**-0.5, rel=0.02)
    assert weight.abs().max() < 2.3 * inputs**-0.5


def test_tokens_start_small_and_come_out_at_one():
    config = PartsConfig(vocab=100, length=16, width=256, prefix=2)
    embed = Embedding(config)
    assert embed.tokens.std().item() == pytest.approx(256**-0.5, rel=0.02)
    x = embed(torch.randint(100, (8, 16)), None, torch.float32)
    assert x.shape == (8, 18, 256) and not x[:, :2].any()  # the prefix
    assert x[:, 2:].std().item() == pytest.approx(1, rel=0.05)


def test_learned_positions_share_the_size_with_the_tokens():
    config = PartsConfig(vocab=100, length=100, width=256, positions="learned", prefix=0)
    embed, tokens = Embedding(config), torch.randint(100, (8, 100))
    assert embed.positions.std().item() == pytest.approx(256**-0.5, rel=0.02)
    x = embed(tokens, None, torch.float32)
    expected = 0.5**0.5 * (embed.tokens[tokens] + embed.positions) * 16
    torch.testing.assert_close(x, expected)
    assert x.std().item() == pytest.approx(1, rel=0.05)


def test_a_puzzles_embedding_starts_at_zero_and_fills_the_prefix_from_its_front():
    embed = Embedding(PartsConfig(**SMALL, puzzles=3, puzzle_width=40))
    assert embed.puzzles.shape == (3, 40) and not embed.puzzles.any()
    torch.nn.init.normal_(embed.puzzles)
    x = embed(torch.ones(2, 16, dtype=torch.long), torch.tensor([2, 0]), torch.float32)
    prefix = x[:, :2].flatten(1)
    torch.testing.assert_close(prefix[:, :40], 32**0.5 * embed.puzzles[[2, 0]])
    assert not prefix[:, 40:].any()


@pytest.mark.parametrize("states", ["TRM", "TRM with many latents", "HRM"])
def test_states_start_at_fixed_random_vectors_of_size_one(states):
    wide = SMALL | dict(width=512, heads=8)
    model, count = {
        "TRM": lambda: (TRM(TRMConfig(**wide, layers=1)), 2),
        "TRM with many latents": lambda: (TRM(TRMConfig(**SMALL, layers=1, latents=99)), 100),
        "HRM": lambda: (HRM(HRMConfig(**wide, high_layers=1, low_layers=1)), 2),
    }[states]()
    width = model.config.width
    assert model.start.shape == (count, width) and "start" not in dict(model.named_parameters())
    assert model.start.std().item() == pytest.approx(1, rel=0.08)
    state = model.initial_state(3)
    assert len({tuple(s[0, 0].tolist()) for s in state}) == count  # none like another
    for s, start in zip(state, model.start, strict=True):
        assert torch.equal(s, start.expand(3, 18, width))


def test_the_halting_head_starts_at_minus_five_and_reads_position_0():
    heads = Heads(PartsConfig(**SMALL))
    answer = torch.randn(3, 18, 32)
    logits, q = heads(answer)
    assert torch.equal(q, torch.full((3, 2), -5.0))
    torch.nn.init.normal_(heads.halt.weight)
    torch.testing.assert_close(heads(answer)[1], heads.halt(answer[:, 0]))
    torch.testing.assert_close(logits, answer[:, 2:] @ heads.cells.weight.T)


def test_inner_sizes_are_rounded_up():
    paper = PartsConfig()
    assert SwiGLU(512, paper).down.weight.shape == (512, 1536)
    assert SwiGLU(97, paper).down.weight.shape == (97, 512)
    assert SwiGLU(81, paper).down.weight.shape == (81, 256)
    assert SwiGLU(8, PartsConfig(expansion=0.0, multiple=32)).down.weight.shape == (8, 32)


@pytest.mark.parametrize("kind", ["silu", "rms"])
@pytest.mark.parametrize("axis", [-1, -2])
def test_swiglu_is_its_formula_along_either_axis(axis, kind):
    swiglu, h = SwiGLU(8, PartsConfig(multiple=32, gate=kind)), torch.randn(2, 8, 8)
    columns = h if axis == -1 else h.mT
    gate, up = (columns @ part.T for part in swiglu.gate_up.weight.chunk(2))
    product = gate * up
    if kind == "rms":
        product = product / (product.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    expected = (gate.sigmoid() * product) @ swiglu.down.weight.T
    found = swiglu(h, axis)
    torch.testing.assert_close(found if axis == -1 else found.mT, expected)


def test_the_mixers_norm_runs_over_the_positions():
    block = Block(PartsConfig(width=8, length=3, prefix=2, multiple=8))
    torch.nn.init.zeros_(block.token_mixer.down.weight)
    torch.nn.init.zeros_(block.channel_mixer.down.weight)
    h = torch.randn(2, 5, 8)
    torch.testing.assert_close(block(h), rms_norm(rms_norm(h.mT).mT))


def test_attentions_norm_runs_over_the_channels():
    block = Block(PartsConfig(width=8, length=3, prefix=2, multiple=8, heads=2, mixing="attention"))
    torch.nn.init.zeros_(block.attention.out.weight)
    torch.nn.init.zeros_(block.channel_mixer.down.weight)
    h = torch.randn(2, 5, 8)
    torch.testing.assert_close(block(h), rms_norm(rms_norm(h)))


def test_attention_sees_where_a_position_stands_with_rope_only():
    config = dict(width=32, heads=4, length=6, prefix=2, mixing="attention")
    h, order = torch.randn(2, 8, 32), torch.randperm(8)
    for positions, alike in ("none", True), ("rope", False):
        attention = Attention(PartsConfig(**config, positions=positions))
        found, shuffled = attention(h)[:, order], attention(h[:, order])
        assert torch.allclose(found, shuffled, atol=1e-5) == alike


def test_with_rope_a_product_depends_on_the_distance_alone():
    cos, sin = rope_table(9, 8)
    query, key = (torch.randn(8).expand(1, 1, 9, 8) for _ in range(2))
    products = (rotate(query, cos, sin) @ rotate(key, cos, sin).mT)[0, 0]  # (9, 9)
    for distance in range(-8, 9):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))
    assert products[0].std() > 0.1


def test_rms_norm_in_bfloat16_is_computed_in_float32():
    """Only rounding at the end may differ, and seldom: x * rsqrt(m) and x / sqrt(m) differ in
    float32's last bit, which decides a rounding to bfloat16's 8 bits about once in 2^16 values.
    Computed in bfloat16, about every second value would differ.
    """
    h = torch.randn(64, 64, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    wide = h.double()
    expected = (wide / (wide.square().mean(-1, keepdim=True) + 1e-5).sqrt()).to(torch.bfloat16)
    found = rms_norm(h)
    assert found.dtype == torch.bfloat16 and (found != expected).double().mean() < 0.005
    last_place = 2**-7  # of a bfloat16, relative, at most
    torch.testing.assert_close(found, expected, rtol=last_place, atol=0)


def test_naive_mlp_loops_and_keeps_its_answer():
    settings = dict(vocab=6, length=16, width=32)
    tokens = torch.randint(1, 6, (3, 16))
    once, thrice = (NaiveMLP(NaiveConfig(**settings, loops=loops)) for loops in (1, 3))
    thrice.load_state_dict(once.state_dict())
    state = once.initial_state(3)
    for _ in range(3):
        state, logits, q = once(tokens, state)
    assert q is None
    torch.testing.assert_close(logits, thrice(tokens, thrice.initial_state(3))[1])
    torch.testing.assert_close(state[0].sum(-1), torch.ones(3, 16))


def test_naive_mlp_is_trained_through_all_its_loops():
    model = NaiveMLP(NaiveConfig(vocab=6, length=16, width=32, loops=3))
    seen = []
    model.first.register_forward_hook(
        lambda module, args, out: seen.append(out.requires_grad and args[0].requires_grad)
    )
    model(torch.ones(3, 16, dtype=torch.long), model.initial_state(3))
    assert seen == [False, True, True]  # the first loop's answer is a constant
