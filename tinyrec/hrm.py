"""HRM, the Hierarchical Reasoning Model (arXiv 2506.21734): two networks at two speeds."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tinyrec.layers import BLOCK_CHOICES, Embedding, Heads, Network, check_block, truncated_normal
from tinyrec.settings import check_fields

State = tuple[Tensor, Tensor]
SIZES = (
    "vocab",
    "length",
    "width",
    "high_layers",
    "low_layers",
    "high_cycles",
    "low_cycles",
    "segments",
    "heads",
)


@dataclass(frozen=True)
class HRMConfig:
    """The settings of HRM. The defaults are the paper's for Sudoku."""

    vocab: int = 11  # tokens: padding, blank and the digits
    length: int = 81  # L, cells of the grid
    width: int = 512  # d
    high_layers: int = 4  # blocks of the slow network H
    low_layers: int = 4  # blocks of the fast network L
    high_cycles: int = 2  # N, updates of z_high in a segment
    low_cycles: int = 2  # T, updates of z_low in each high cycle
    segments: int = 16  # the most segments that a puzzle gets
    mixing: str = "attention"  # "attention" or "mlp"
    positions: str = "rope"  # "rope" (attention only), "learned" or "none"
    heads: int = 8  # attention only
    prefix: int = 1  # positions in front of the grid
    puzzles: int = 0  # rows of the puzzle embedding's table; 0: none
    puzzle_width: int | None = None  # its columns; None: d
    gradient: str = "one_step"  # "one_step", or "full" through the whole last high cycle
    q_learning: bool = True  # ACT by Q-learning; False: halting as in TRM
    expansion: float = 4.0
    multiple: int = 256  # inner sizes of SwiGLU are rounded up to a multiple of this

    def __post_init__(self):
        check_fields(
            self, positive=SIZES, choices={**BLOCK_CHOICES, "gradient": ("full", "one_step")}
        )
        check_block(self)


class HRM(nn.Module):
    """Two recurrent networks: L at every step, H after each T steps of L. (x, state) -> (state, logits, q).

    The state is (z_high, z_low), each (B, prefix + L, d). Its dtype is the dtype of the forward pass.
    """

    def __init__(self, config: HRMConfig):
        super().__init__()
        c = self.config = config
        block = dict(
            mixing=c.mixing,
            width=c.width,
            heads=c.heads,
            positions=c.prefix + c.length,
            rope=c.positions == "rope",
            expansion=c.expansion,
            multiple=c.multiple,
        )
        self.embed = Embedding(
            c.vocab,
            c.length,
            c.width,
            c.prefix,
            c.puzzles,
            c.puzzle_width or c.width,
            learned_positions=c.positions == "learned",
        )
        self.high = Network(c.high_layers, **block)
        self.low = Network(c.low_layers, **block)
        self.heads = Heads(c.vocab, c.width, c.prefix)
        # both states start at fixed random vectors, not trained and not zero
        self.register_buffer("start", truncated_normal(2, c.width, std=1.0))

    def initial_state(self, batch: int, dtype: torch.dtype = torch.float32) -> State:
        """The state before the first segment: (z_high, z_low), each (batch, prefix + L, d)."""
        shape = (batch, self.config.prefix + self.config.length, self.config.width)
        return tuple(start.to(dtype).expand(shape) for start in self.start)

    def forward(
        self, tokens: Tensor, state: State, puzzle_ids: Tensor | None = None
    ) -> tuple[State, Tensor, Tensor]:
        """One segment: N high cycles of T low steps; only the last L and the last H call are differentiated.

        tokens (B, L), puzzle_ids (B,) or None -> detached state, logits (B, L, vocab), q (B, 2).
        """
        x = self.embed(tokens, puzzle_ids, state[0].dtype)
        with torch.no_grad():
            for _ in range(self.config.high_cycles - 1):
                state = self.high_cycle(x, state)
        state = self.high_cycle(x, state)
        logits, q = self.heads(state[0])
        return tuple(s.detach() for s in state), logits, q

    def high_cycle(self, x: Tensor, state: State) -> State:
        """T times z_low <- L(z_low + z_high + x), then z_high <- H(z_high + z_low)."""
        z_high, z_low = state
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.gradient == "full"):
            for _ in range(self.config.low_cycles - 1):
                z_low = self.low(z_low + (z_high + x))
        z_low = self.low(z_low + (z_high + x))
        return self.high(z_high + z_low), z_low
