"""The parts that HRM and TRM are built of: norm, SwiGLU, attention, token mixer, block, embedding, heads.

Weights are float32 and are cast to the dtype of the activations where they are used, so that the dtype of a
model's state decides the precision of its forward pass. S = prefix + L is the number of positions, d the width.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyrec import fused


BLOCK_CHOICES = {"mixing": ("mlp", "attention"), "positions": ("rope", "learned", "none")}


def check_block(config) -> None:
    """ValueError where the settings of an HRM or TRM contradict one another."""
    c, name = config, type(config).__name__
    if c.mixing == "mlp" and c.positions == "rope":
        raise ValueError(f"{name}.positions is 'rope'; rotary positions need mixing='attention'")
    if c.mixing == "attention" and c.width % c.heads:
        raise ValueError(f"{name}.width is {c.width}; expected a multiple of heads={c.heads}")
    if c.positions == "rope" and c.width // c.heads % 2:
        raise ValueError(f"{name}.width is {c.width}; rotary positions need an even width / heads")
    if c.puzzles and (c.puzzle_width or c.width) > c.prefix * c.width:
        raise ValueError(f"{name}.prefix is {c.prefix}; the puzzle embedding does not fit into it")


def rms_norm(h: Tensor, axis: int = -1, eps: float = 1e-5) -> Tensor:
    """Divide by the root mean square along an axis; no learned scale, computed in float32."""
    wide = h.float()
    return (wide * torch.rsqrt(wide.square().mean(axis, keepdim=True) + eps)).to(h.dtype)


def truncated_normal(*shape: int, std: float) -> Tensor:
    """Normal values cut at two sigma and rescaled, so that their standard deviation after the cut is `std`."""
    density = math.exp(-2) / math.sqrt(2 * math.pi)
    kept = math.erf(2 / math.sqrt(2))
    spread = math.sqrt(1 - 4 * density / kept)  # standard deviation of a unit normal cut at +-2
    return nn.init.trunc_normal_(torch.empty(shape), std=1.0, a=-2.0, b=2.0) * (std / spread)


class Linear(nn.Module):
    """A linear map of an axis from size `inputs` to `outputs`, without bias, initialised with std 1/sqrt(inputs).

    The axis is the last one of h (..., inputs), or -2 of h (B, inputs, d): all d channels are mapped alike.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(truncated_normal(outputs, inputs, std=inputs**-0.5))

    def forward(self, h: Tensor, axis: int = -1) -> Tensor:
        return fused.linear(h, self.weight.to(h.dtype), axis)


class SwiGLU(nn.Module):
    """down(silu(gate) * up) along an axis; its inner size is 2/3 * expansion * size, rounded up to `multiple`."""

    def __init__(self, size: int, expansion: float, multiple: int):
        super().__init__()
        inner = math.ceil(round(expansion * size * 2 / 3) / multiple) * multiple
        self.gate_up = Linear(size, 2 * inner)
        self.down = Linear(inner, size)

    def forward(self, h: Tensor, axis: int = -1) -> Tensor:
        if torch.compiler.is_compiling() and h.device.type == "cpu":
            weights = self.gate_up.weight.to(h.dtype), self.down.weight.to(h.dtype)
            return fused.swiglu(h, *weights, axis)  # the same, faster
        gate, up = self.gate_up(h, axis).chunk(2, dim=axis)
        return self.down(F.silu(gate) * up, axis)


def rope_table(positions: int, head_width: int, theta: float = 10000.0) -> tuple[Tensor, Tensor]:
    """Cosines and sines (positions, head_width) of the rotary position embedding, rotate-half form."""
    frequencies = theta ** -(torch.arange(0, head_width, 2) / head_width)
    angles = torch.outer(torch.arange(positions), frequencies).repeat(1, 2)
    return angles.cos(), angles.sin()


def rotate(h: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn queries or keys (B, heads, S, head_width) by the angle of their position."""
    first, second = h.chunk(2, dim=-1)
    return (h * cos + torch.cat((-second, first), dim=-1) * sin).to(h.dtype)


class Attention(nn.Module):
    """Full (non-causal) multi-head attention over the positions; rotary positions where `rope` is true."""

    def __init__(self, width: int, heads: int, positions: int, rope: bool):
        super().__init__()
        self.heads = heads
        self.qkv = Linear(width, 3 * width)
        self.out = Linear(width, width)
        self.rope = rope
        if rope:
            cos, sin = rope_table(positions, width // heads)
            self.register_buffer("cos", cos, persistent=False)
            self.register_buffer("sin", sin, persistent=False)

    def forward(self, h: Tensor) -> Tensor:  # (B, S, d)
        parts = self.qkv(h).unflatten(-1, (3, self.heads, -1))  # (B, S, 3, heads, d / heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (B, heads, S, d / heads)
        if self.rope:
            query, key = rotate(query, self.cos, self.sin), rotate(key, self.cos, self.sin)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """One post-norm layer: mix the positions, then the channels. h: (B, S, d) -> (B, S, d).

    `mixing` is "attention", or "mlp": a SwiGLU over the positions, shared by all channels, whose norm runs over
    the positions too (TRM, section 4.5).
    """

    def __init__(
        self,
        mixing: str,
        width: int,
        heads: int,
        positions: int,
        rope: bool,
        expansion: float,
        multiple: int,
    ):
        super().__init__()
        self.mixing = mixing
        if mixing == "mlp":
            self.token_mixer = SwiGLU(positions, expansion, multiple)
        else:
            self.attention = Attention(width, heads, positions, rope)
        self.channel_mixer = SwiGLU(width, expansion, multiple)

    def forward(self, h: Tensor) -> Tensor:
        if self.mixing == "mlp":
            h = rms_norm(h + self.token_mixer(h, axis=-2), axis=-2)
        else:
            h = rms_norm(h + self.attention(h))
        return rms_norm(h + self.channel_mixer(h))


class Network(nn.Sequential):
    """A stack of `layers` blocks: the function that HRM and TRM call again and again."""

    def __init__(self, layers: int, **block):
        super().__init__(*(Block(**block) for _ in range(layers)))


class Embedding(nn.Module):
    """Tokens (B, L) -> x (B, prefix + L, d).

    In front of the grid stand `prefix` positions. They hold the puzzle's own embedding (zero at first, trained by
    SignSGD through a sparse gradient), filled up with zeros: one vector of width d and then registers, as a rule.
    Without ids every puzzle is number 0, as in the official Sudoku data.
    """

    def __init__(
        self,
        vocab: int,
        length: int,
        width: int,
        prefix: int,
        puzzles: int,
        puzzle_width: int,
        learned_positions: bool,
    ):
        super().__init__()
        self.scale = math.sqrt(width)
        self.prefix = prefix
        self.tokens = nn.Parameter(truncated_normal(vocab, width, std=1 / self.scale))
        if learned_positions:
            self.positions = nn.Parameter(
                truncated_normal(prefix + length, width, std=1 / self.scale)
            )
        if puzzles:
            self.puzzles = nn.Parameter(torch.zeros(puzzles, puzzle_width))

    def forward(self, tokens: Tensor, puzzle_ids: Tensor | None, dtype: torch.dtype) -> Tensor:
        h = F.embedding(tokens, self.tokens.to(dtype))  # (B, L, d)
        if self.prefix:
            front = h.new_zeros(len(h), self.prefix, h.shape[-1])
            if hasattr(self, "puzzles"):
                if puzzle_ids is None:
                    puzzle_ids = tokens.new_zeros(len(tokens))
                own = F.embedding(puzzle_ids, self.puzzles, sparse=True).to(dtype)
                front = F.pad(own, (0, front[0].numel() - own.shape[-1])).view_as(front)
            h = torch.cat((front, h), dim=1)  # (B, prefix + L, d)
        if hasattr(self, "positions"):
            h = math.sqrt(0.5) * (h + self.positions.to(dtype))
        return self.scale * h


class Heads(nn.Module):
    """The answer state (B, S, d) -> logits of every cell (B, L, vocab) and q (B, 2): halt and continue, float32.

    q reads position 0, which is a prefix position where there is a prefix. It starts at -5: nothing is solved yet.
    """

    def __init__(self, vocab: int, width: int, prefix: int):
        super().__init__()
        self.prefix = prefix
        self.cells = Linear(width, vocab)
        self.halt = nn.Linear(width, 2)
        nn.init.zeros_(self.halt.weight)
        nn.init.constant_(self.halt.bias, -5.0)

    def forward(self, answer: Tensor) -> tuple[Tensor, Tensor]:
        first = answer[:, 0]
        q = F.linear(first, self.halt.weight.to(first.dtype), self.halt.bias.to(first.dtype))
        return self.cells(answer)[:, self.prefix :], q.float()
