"""SwiGLU for compiled code on a CPU: the same formula, with a cheaper sigmoid and its gradient written by hand.

Where the products run at the processor's limit, SiLU takes most of what is left, and the exponential most of that. So
the sigmoid here is a ratio of polynomials. And a product of a wide, transposed matrix with a narrow one is slow, so the gradient of the
wide weight is computed as its transpose. `tinyrec.layers.SwiGLU` is the plain version; a test holds the two equal.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

# sigmoid(x) = 1/2 + x P(x^2) / Q(x^2) on [-17, 17], fitted for the smallest largest error: 7e-9 before rounding.
LIMIT = 17.0
P = (0.249999986, 8.37887602e-3, 5.50908467e-5, 8.25058301e-8, 1.37686981e-11)
Q = (1.0, 0.116848783, 1.62444474e-3, 5.21200352e-6, 3.15374098e-9)


def swiglu(h: Tensor, gate_up: Tensor, down: Tensor, axis: int) -> Tensor:
    """down(silu(gate) * up) along an axis, with the weights of the two linear maps, of h's dtype.

    The axis is -1 of h (..., size), or -2 of h (B, size, d).
    """
    return _SwiGLU.apply(h, gate_up, down, axis)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)) for float32 x, to about 2e-7."""
    x = x.clamp(-LIMIT, LIMIT)
    return 0.5 + x * polynomial(P, x * x) / polynomial(Q, x * x)


def polynomial(coefficients: tuple[float, ...], s: Tensor) -> Tensor:
    """c0 + c1 s + c2 s^2 + ..., by Horner's rule."""
    *rest, last = coefficients
    total = torch.full_like(s, last)
    for c in reversed(rest):
        total = total * s + c
    return total


def linear(h: Tensor, weight: Tensor, axis: int) -> Tensor:
    """Map an axis of h, -1 or -2, from size `inputs` to `outputs`; weight (outputs, inputs)."""
    if axis == -1:
        return F.linear(h, weight)
    return torch.bmm(weight.expand(len(h), -1, -1), h)  # no transposed copy of h


def weight_gradient(g: Tensor, h: Tensor, axis: int) -> Tensor:
    """(outputs, inputs): the gradient of linear's weight for the gradient g of its output."""
    if axis == -1:
        return g.flatten(0, -2).T @ h.flatten(0, -2)
    return torch.bmm(g, h.transpose(1, 2)).sum(0)


class _SwiGLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h: Tensor, gate_up: Tensor, down: Tensor, axis: int) -> Tensor:
        wide = linear(h, gate_up, axis)
        gate, up = (part.float() for part in wide.chunk(2, axis))
        inner = (gate * sigmoid(gate) * up).to(h.dtype)
        ctx.axis = axis
        ctx.save_for_backward(h, gate_up, down, wide, inner)
        return linear(inner, down, axis)

    @staticmethod
    def backward(ctx, g: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        axis = ctx.axis
        h, gate_up, down, wide, inner = ctx.saved_tensors
        gate, up = (part.float() for part in wide.chunk(2, axis))
        g_inner = linear(g, down.T, axis).float()
        s = sigmoid(gate)
        silu = gate * s  # its derivative is s + silu (1 - s)
        g_wide = torch.cat((g_inner * up * (s + silu * (1 - s)), g_inner * silu), axis).to(g.dtype)
        return (
            linear(g_wide, gate_up.T, axis),
            weight_gradient(h, g_wide, axis).T,  # gate_up is the wide one
            weight_gradient(g, inner, axis),
            None,
        )
