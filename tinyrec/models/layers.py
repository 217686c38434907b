"""The parts of HRM and TRM: norm, SwiGLU, attention, token mixer, block, embedding, heads.

Weights are float32 and are cast to the dtype of the activations where they are used, so that the
dtype of a model's state decides the precision of its forward pass. S = prefix + L is the number of
positions, d the width.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyrec.settings import Count, Number, Real, Size, check_fields


@dataclass(frozen=True)
class PartsConfig:
    """What the parts on this page read. The defaults are those of TRM's paper for Sudoku."""

    vocab: Size = 11  # tokens: padding, blank and the digits
    length: Size = 81  # L, cells of the grid
    width: Size = 512  # d
    mixing: Literal["mlp", "attention"] = "mlp"
    positions: Literal["none", "learned", "rope"] = "none"  # rope: attention only
    heads: Size = 8  # attention only
    prefix: Count = 16  # positions in front of the grid
    puzzles: Count = 0  # rows of the puzzle embedding's table; 0: none
    puzzle_width: Size | None = None  # its columns; None: d
    gate: Literal["silu", "rms"] = "silu"  # rms: a normalised product in SwiGLU's place
    expansion: Number = 4.0
    multiple: Size = 256  # inner sizes of SwiGLU are rounded up to a multiple of this
    halt_bias: Real = -5.0  # where q starts; at -5 nothing is solved yet

    def __post_init__(self):
        """ValueError where a setting is not what its annotation allows, or contradicts another."""
        check_fields(self)
        name = type(self).__name__
        if self.mixing == "mlp" and self.positions == "rope":
            raise ValueError(f"{name}.positions is 'rope'; that needs mixing='attention'")
        if self.mixing == "attention" and self.width % self.heads:
            raise ValueError(
                f"{name}.width is {self.width}; expected a multiple of heads={self.heads}"
            )
        if self.positions == "rope" and self.width // self.heads % 2:
            raise ValueError(f"{name}.width is {self.width}; rope needs an even width / heads")
        if self.puzzles and (self.puzzle_width or self.width) > self.prefix * self.width:
            raise ValueError(
                f"{name}.prefix is {self.prefix}; the puzzle embedding does not fit into it"
            )


def rms_norm(h: Tensor, axis: int = -1, eps: float = 1e-5) -> Tensor:
    """Divide by the root mean square along an axis; no learned scale, computed in float32."""
    wide = h.float()
    return (wide * torch.rsqrt(wide.square().mean(axis, keepdim=True) + eps)).to(h.dtype)


def truncated_normal(*shape: int, std: float) -> Tensor:
    """Normal values cut at two sigma and rescaled, so that their standard deviation after the cut
    is `std`.
    """
    density = math.exp(-2) / math.sqrt(2 * math.pi)
    kept = math.erf(2 / math.sqrt(2))
    spread = math.sqrt(1 - 4 * density / kept)  # standard deviation of a unit normal cut at +-2
    return nn.init.trunc_normal_(torch.empty(shape), std=1.0, a=-2.0, b=2.0) * (std / spread)


class Linear(nn.Module):
    """A linear map of an axis from `inputs` to `outputs` without bias; std 1/sqrt(inputs) at first.

    The axis is the last one of h (..., inputs), or -2 of h (B, inputs, d): all channels alike.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(truncated_normal(outputs, inputs, std=inputs**-0.5))

    def forward(self, h: Tensor, axis: int = -1) -> Tensor:
        weight = self.weight.to(h.dtype)
        if axis == -1:
            return F.linear(h, weight)
        return torch.bmm(weight.expand(len(h), -1, -1), h)  # no transposed copy of h


class SwiGLU(nn.Module):
    """down(silu(gate) * up) along an axis; the inner size is 2/3 * expansion * size, rounded up.

    With gate="rms" it is down(sigmoid(gate) * rms_norm(gate * up)): of one size whatever the
    weights', so that large steps of Muon do not blow it up (arXiv 2601.19085).
    """

    def __init__(self, size: int, config: PartsConfig):
        super().__init__()
        c = config
        inner = math.ceil(max(1, round(c.expansion * size * 2 / 3)) / c.multiple) * c.multiple
        self.gate_up = Linear(size, 2 * inner)
        self.down = Linear(inner, size)
        self.gate = c.gate

    def forward(self, h: Tensor, axis: int = -1) -> Tensor:
        gate, up = self.gate_up(h, axis).chunk(2, dim=axis)
        if self.gate == "silu":
            return self.down(F.silu(gate) * up, axis)
        return self.down(gate.sigmoid() * rms_norm(gate * up, axis), axis)


def rope_table(positions: int, head_width: int, theta: float = 10000.0) -> tuple[Tensor, Tensor]:
    """Cosines and sines (positions, head_width) of rotary positions, rotate-half form."""
    frequencies = theta ** -(torch.arange(0, head_width, 2) / head_width)
    angles = torch.outer(torch.arange(positions), frequencies).repeat(1, 2)
    return angles.cos(), angles.sin()


def rotate(h: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn queries or keys (B, heads, S, head_width) by the angle of their position."""
    first, second = h.chunk(2, dim=-1)
    return (h * cos + torch.cat((-second, first), dim=-1) * sin).to(h.dtype)


class Attention(nn.Module):
    """Full (non-causal) multi-head attention; rotary positions where the config has "rope"."""

    def __init__(self, config: PartsConfig):
        super().__init__()
        c = config
        self.heads, self.rope = c.heads, c.positions == "rope"
        self.qkv = Linear(c.width, 3 * c.width)
        self.out = Linear(c.width, c.width)
        if self.rope:
            cos, sin = rope_table(c.prefix + c.length, c.width // c.heads)
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
    """Mix over the positions, then over the channels; each is added and then normalised.

    The token mixer's norm runs over the positions, as in the official code, all others over the
    channels. h (B, S, d) -> (B, S, d).
    """

    def __init__(self, config: PartsConfig):
        super().__init__()
        c = config
        if c.mixing == "mlp":
            self.token_mixer = SwiGLU(c.prefix + c.length, c)
        else:
            self.attention = Attention(c)
        self.channel_mixer = SwiGLU(c.width, c)
        self.mixing = c.mixing

    def forward(self, h: Tensor) -> Tensor:
        if self.mixing == "mlp":
            h = rms_norm(h + self.token_mixer(h, axis=-2), axis=-2)
        else:
            h = rms_norm(h + self.attention(h))
        return rms_norm(h + self.channel_mixer(h))


class Network(nn.Sequential):
    """A stack of `layers` blocks: the function that HRM and TRM call again and again."""

    def __init__(self, config: PartsConfig, layers: int):
        super().__init__(*(Block(config) for _ in range(layers)))


class Embedding(nn.Module):
    """Tokens (B, L) -> x (B, prefix + L, d).

    In front of the grid stand `prefix` positions. They hold the puzzle's own embedding (zero at
    first, trained by SignSGD through a sparse gradient), filled up with zeros: one vector of width
    d and then registers, as a rule. Without ids every puzzle is number 0, as in the official data.
    """

    def __init__(self, config: PartsConfig):
        super().__init__()
        c = config
        self.prefix, self.scale = c.prefix, math.sqrt(c.width)
        self.tokens = nn.Parameter(truncated_normal(c.vocab, c.width, std=1 / self.scale))
        if c.positions == "learned":
            self.positions = nn.Parameter(
                truncated_normal(c.prefix + c.length, c.width, std=1 / self.scale)
            )
        if c.puzzles:
            self.puzzles = nn.Parameter(torch.zeros(c.puzzles, c.puzzle_width or c.width))

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
    """The answer state (B, S, d) -> logits (B, L, vocab) and q (B, 2), halt and continue, float32.

    q reads position 0, which is a prefix position where there is a prefix.
    """

    def __init__(self, config: PartsConfig):
        super().__init__()
        self.prefix = config.prefix
        self.cells = Linear(config.width, config.vocab)
        self.halt = nn.Linear(config.width, 2)
        nn.init.zeros_(self.halt.weight)
        nn.init.constant_(self.halt.bias, config.halt_bias)

    def forward(self, answer: Tensor) -> tuple[Tensor, Tensor]:
        first = answer[:, 0]
        q = F.linear(first, self.halt.weight.to(first.dtype), self.halt.bias.to(first.dtype))
        return self.cells(answer)[:, self.prefix :], q.float()


def spread(start: Tensor, config: PartsConfig, batch: int, dtype: torch.dtype) -> tuple:
    """Start vectors (states, d) -> a state for each, the same everywhere: (batch, S, d)."""
    shape = (batch, config.prefix + config.length, config.width)
    return tuple(vector.to(dtype).expand(shape) for vector in start)
