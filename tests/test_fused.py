"""The fast SwiGLU of compiled code against the plain one."""

import pytest
import torch

from tinyrec import fused
from tinyrec.layers import Block, SwiGLU


def test_the_sigmoid_is_as_near_as_it_says():
    x = torch.linspace(-40, 40, 200_001)
    exact = torch.sigmoid(x.double())
    assert (fused.sigmoid(x) - exact).abs().max() < 2.5e-7
    ratio = fused.polynomial(fused.P, x.double() ** 2) / fused.polynomial(fused.Q, x.double() ** 2)
    inside = x.abs() <= fused.LIMIT
    assert (0.5 + x * ratio - exact)[inside].abs().max() < 8e-9


@pytest.mark.parametrize("axis", [-1, -2])
def test_gradients_by_hand_are_those_of_autograd(axis):
    torch.manual_seed(0)
    part = SwiGLU(7, 4.0, 8)
    h = torch.randn(3, 7, 7, requires_grad=True) * 4
    weights = part.gate_up.weight, part.down.weight
    plain, fast = part(h, axis), fused.swiglu(h, *weights, axis)
    torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-5)
    g = torch.randn_like(plain)
    wanted = torch.autograd.grad(plain, (h, *weights), g)
    got = torch.autograd.grad(fast, (h, *weights), g)
    for one, other in zip(got, wanted):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_block_takes_the_fast_way_and_equals_the_plain_one(dtype, monkeypatch):
    used = []
    fast = fused.swiglu
    monkeypatch.setattr(fused, "swiglu", lambda *a: used.append(a[-1]) or fast(*a))
    torch.manual_seed(0)
    block = Block("mlp", 16, 2, 10, False, 4.0, 16)
    h = torch.randn(3, 10, 16, dtype=dtype)
    outputs, gradients = [], []
    for run in (block, torch.compile(block, backend="aot_eager")):
        block.zero_grad()
        outputs.append(run(h))
        outputs[-1].float().square().mul(h.float()).sum().backward()
        gradients.append([p.grad.clone() for p in block.parameters()])
    assert used == [-2, -1]  # once each: only the compiled run
    near = dict(rtol=1e-4, atol=1e-5) if dtype == torch.float32 else dict(rtol=0.02, atol=0.05)
    torch.testing.assert_close(*outputs, **near)
    for one, other in zip(*gradients):
        scale = other.abs().max()
        torch.testing.assert_close(one / scale, other / scale, rtol=0, atol=near["atol"])
