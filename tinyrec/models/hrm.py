"""HRM, the Hierarchical Reasoning Model (arXiv 2506.21734): two networks at two speeds."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from tinyrec.models.layers import Embedding, Heads, Network, PartsConfig, spread, truncated_normal
from tinyrec.settings import Count, Size

State = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class HRMConfig(PartsConfig):
    """The settings of HRM. The defaults are the paper's for Sudoku."""

    mixing: Literal["mlp", "attention"] = "attention"
    positions: Literal["none", "learned", "rope"] = "rope"
    prefix: Count = 1
    high_layers: Size = 4  # blocks of the slow network H
    low_layers: Size = 4  # blocks of the fast network L
    high_cycles: Size = 2  # N, updates of z_high in a segment
    low_cycles: Size = 2  # T, updates of z_low in each high cycle
    segments: Size = 16  # the most segments that a puzzle gets
    gradient: Literal["full", "one_step"] = "one_step"  # full: through the whole last high cycle
    q_learning: bool = True  # ACT by Q-learning; False: halting as in TRM


class HRM(nn.Module):
    """Two recurrent networks: L at every step, H after each T steps of L.

    It maps (x, state) to (state, logits, q). The state is (z_high, z_low), each (B, prefix + L, d).
    Its dtype is the dtype of the forward pass.
    """

    def __init__(self, config: HRMConfig):
        super().__init__()
        c = self.config = config
        self.embed = Embedding(c)
        self.high = Network(c, c.high_layers)
        self.low = Network(c, c.low_layers)
        self.heads = Heads(c)
        # both states start at fixed random vectors, not trained and not zero
        self.register_buffer("start", truncated_normal(2, c.width, std=1.0))

    def initial_state(self, batch: int, dtype: torch.dtype = torch.float32) -> State:
        """The state before the first segment: (z_high, z_low)."""
        return spread(self.start, self.config, batch, dtype)

    def forward(
        self, tokens: Tensor, state: State, puzzle_ids: Tensor | None = None
    ) -> tuple[State, Tensor, Tensor]:
        """One segment: N high cycles of T low steps; only the last L and the last H call are
        differentiated.

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
