"""TRM, the Tiny Recursion Model ("Less is More", arXiv 2510.04871)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tinyrec.models.layers import Embedding, Heads, Network, PartsConfig, spread, truncated_normal
from tinyrec.settings import Count, Size

State = tuple[Tensor, ...]


@dataclass(frozen=True)
class TRMConfig(PartsConfig):
    """The settings of TRM. The defaults are the paper's for Sudoku; every switch of its Tables 1
    to 3 is here or among the parts.
    """

    layers: Size = 2
    latent_steps: Size = 6  # n, calls on z in a latent recursion (L_cycles in the official code)
    recursions: Size = 3  # T, latent recursions in a segment (H_cycles)
    segments: Size = 16  # N_sup, the most segments that a puzzle gets
    networks: Literal[1, 2] = 1  # 2: one for z, another for y (Table 1, "separate f_H, f_L")
    latents: Count = 1  # z states beside y; 0: a single z and no y; above 1: several (Table 2)
    # full: through the last recursion; one_step: as in HRM (Table 1); all: through all recursions
    gradient: Literal["full", "one_step", "all"] = "full"
    q_learning: bool = False  # HRM's ACT, which needs a second forward pass (Table 1, "w/ ACT")


class TRM(nn.Module):
    """One tiny network, called over and over. It maps (x, state) to (state, logits, q).

    The state is (y, z): the answer so far and the latent scratch pad, each (B, prefix + L, d). Its
    dtype is the dtype of the forward pass.
    """

    def __init__(self, config: TRMConfig):
        super().__init__()
        c = self.config = config
        self.embed = Embedding(c)
        self.network = Network(c, c.layers)
        if c.networks == 2:
            self.answer_network = Network(c, c.layers)
        self.heads = Heads(c)
        # y and z start at fixed random vectors, not trained and not zero
        self.register_buffer("start", truncated_normal(1 + c.latents, c.width, std=1.0))

    def initial_state(self, batch: int, dtype: torch.dtype = torch.float32) -> State:
        """The state before the first segment: (y, z), or (z,), or (y, z1, z2, ...)."""
        return spread(self.start, self.config, batch, dtype)

    def forward(
        self, tokens: Tensor, state: State, puzzle_ids: Tensor | None = None
    ) -> tuple[State, Tensor, Tensor]:
        """One segment: T latent recursions, of which only the last is differentiated (TRM, section
        4).

        tokens (B, L), puzzle_ids (B,) or None -> detached state, logits (B, L, vocab), q (B, 2).
        With gradient="all" the others are differentiated, too: they keep only the state that they
        began with and are computed again on the way back.
        """
        x = self.embed(tokens, puzzle_ids, state[0].dtype)
        for _ in range(self.config.recursions - 1):
            if self.config.gradient == "all":
                state = checkpoint(self.latent_recursion, x, state, use_reentrant=False)
            else:
                with torch.no_grad():
                    state = self.latent_recursion(x, state)
        state = self.latent_recursion(x, state)
        logits, q = self.heads(state[0])
        return tuple(s.detach() for s in state), logits, q

    def latent_recursion(self, x: Tensor, state: State) -> State:
        """n times z <- net(z + y + x), then y <- net(y + z)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.gradient != "one_step"):
            for step in range(self.config.latent_steps - 1):
                state = self.update_latent(x, state, step)
        state = self.update_latent(x, state, self.config.latent_steps - 1)
        return self.update_answer(state)

    def update_latent(self, x: Tensor, state: State, step: int) -> State:
        if self.config.latents == 0:  # a single z, which is also the answer
            return (self.network(state[0] + x),)
        y, *z = state
        z[step % len(z)] = self.network(sum(z) + (y + x))
        return y, *z

    def update_answer(self, state: State) -> State:
        # without x: that tells the network which of its two jobs it does
        network = self.answer_network if self.config.networks == 2 else self.network
        return network(sum(state)), *state[1:]
