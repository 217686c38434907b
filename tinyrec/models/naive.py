"""A naive recursive MLP: y <- f(x, y), again and again, trained through all its loops."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinyrec.settings import Size, check_fields


@dataclass(frozen=True)
class NaiveConfig:
    """The settings of the naive recursive MLP. With loops = 1 it is an ordinary one-pass MLP."""

    vocab: Size = 8  # tokens: padding, blank and the digits
    length: Size = 36  # L, cells of the grid
    width: Size = 512  # hidden units
    loops: Size = 1  # calls of f in a segment, all of them differentiated
    segments: Size = 1  # above 1: deep supervision, a loss after every segment

    def __post_init__(self):
        check_fields(self)


class NaiveMLP(nn.Module):
    """An MLP that sees the question and its own last answer: (x, state) -> (state, logits, None).

    The state is (y,): for each cell the probabilities of its answer, (B, L, vocab), uniform at
    first. It has no say in when to halt.
    """

    def __init__(self, config: NaiveConfig):
        super().__init__()
        c = self.config = config
        self.first = nn.Linear(2 * c.length * c.vocab, c.width)
        self.second = nn.Linear(c.width, c.width)
        self.last = nn.Linear(c.width, c.length * c.vocab)

    def initial_state(self, batch: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor]:
        """Every answer equally likely: (y,), y (batch, L, vocab)."""
        c = self.config
        return (
            torch.full(
                (batch, c.length, c.vocab), 1 / c.vocab, dtype=dtype, device=self.last.weight.device
            ),
        )

    def forward(
        self, tokens: Tensor, state: tuple[Tensor], puzzle_ids: None = None
    ) -> tuple[tuple[Tensor], Tensor, None]:
        """`loops` times y <- f(x, y). tokens (B, L) -> detached state, logits, None."""
        (y,) = state
        x = F.one_hot(tokens, self.config.vocab).to(y.dtype)
        for _ in range(self.config.loops):
            logits = self.answer(x, y)
            y = logits.softmax(-1)
        return (y.detach(),), logits, None

    def answer(self, x: Tensor, y: Tensor) -> Tensor:
        """f: question and last answer (B, L, vocab) -> logits (B, L, vocab)."""
        h = torch.cat((x, y), dim=-1).flatten(1).to(self.last.weight.dtype)
        h = F.relu(self.first(h))
        h = F.relu(self.second(h))
        return self.last(h).view_as(y)
