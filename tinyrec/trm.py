"""TRM, the Tiny Recursion Model ("Less is More: Recursive Reasoning with Tiny Networks", arXiv 2510.04871)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tinyrec.layers import BLOCK_CHOICES, Embedding, Heads, Network, check_block, truncated_normal
from tinyrec.settings import check_fields

State = tuple[Tensor, ...]
SIZES = (
    "vocab",
    "length",
    "width",
    "layers",
    "latent_steps",
    "recursions",
    "segments",
    "heads",
    "multiple",
)


@dataclass(frozen=True)
class TRMConfig:
    """The settings of TRM. The defaults are the paper's for Sudoku; every switch of its Tables 1 to 3 is here."""

    vocab: int = 11  # tokens: padding, blank and the digits
    length: int = 81  # L, cells of the grid
    width: int = 512  # d
    layers: int = 2
    latent_steps: int = 6  # n, calls on z in a latent recursion (L_cycles in the official code)
    recursions: int = 3  # T, latent recursions in a segment (H_cycles)
    segments: int = 16  # N_sup, the most segments that a puzzle gets
    mixing: str = "mlp"  # "mlp" or "attention"
    positions: str = "none"  # "rope" (attention only), "learned" or "none"
    heads: int = 8  # attention only
    prefix: int = 16  # positions in front of the grid
    puzzles: int = 0  # rows of the puzzle embedding's table; 0: none
    puzzle_width: int | None = None  # its columns; None: d
    networks: int = 1  # 2: one network for z, another for y (Table 1, "separate f_H, f_L")
    latents: int = 1  # z states beside y; 0: a single z and no y; above 1: several (Table 2)
    gradient: str = "full"  # "full", or "one_step" as in HRM (Table 1)
    q_learning: bool = False  # HRM's ACT, which needs a second forward pass (Table 1, "w/ ACT")
    expansion: float = 4.0
    multiple: int = 256  # inner sizes of SwiGLU are rounded up to a multiple of this

    def __post_init__(self):
        check_fields(
            self,
            positive=SIZES,
            choices={**BLOCK_CHOICES, "networks": (1, 2), "gradient": ("full", "one_step")},
        )
        check_block(self)


class TRM(nn.Module):
    """One tiny network, called over and over. It maps (x, state) to (state, logits, q) in one segment.

    The state is (y, z): the answer so far and the latent scratch pad, each (B, prefix + L, d). Its dtype is the dtype
    of the forward pass.
    """

    def __init__(self, config: TRMConfig):
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
        self.network = Network(c.layers, **block)
        if c.networks == 2:
            self.answer_network = Network(c.layers, **block)
        self.heads = Heads(c.vocab, c.width, c.prefix)
        # y and z start at fixed random vectors, not trained and not zero
        self.register_buffer("start", truncated_normal(1 + c.latents, c.width, std=1.0))

    def initial_state(self, batch: int, dtype: torch.dtype = torch.float32) -> State:
        """The state before the first segment: (y, z), or (z,), or (y, z1, z2, ...), each (batch, prefix + L, d)."""
        shape = (batch, self.config.prefix + self.config.length, self.config.width)
        return tuple(start.to(dtype).expand(shape) for start in self.start)

    def forward(
        self, tokens: Tensor, state: State, puzzle_ids: Tensor | None = None
    ) -> tuple[State, Tensor, Tensor]:
        """One segment: T latent recursions, of which only the last is differentiated (TRM, section 4).

        tokens (B, L), puzzle_ids (B,) or None -> detached state, logits (B, L, vocab), q (B, 2).
        """
        x = self.embed(tokens, puzzle_ids, state[0].dtype)
        with torch.no_grad():
            for _ in range(self.config.recursions - 1):
                state = self.latent_recursion(x, state)
        state = self.latent_recursion(x, state)
        logits, q = self.heads(state[0])
        return tuple(s.detach() for s in state), logits, q

    def latent_recursion(self, x: Tensor, state: State) -> State:
        """n times z <- net(z + y + x), then y <- net(y + z)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.gradient == "full"):
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
