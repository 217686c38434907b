"""Puzzle families: Sudoku, mazes, ARC. From outside they all look alike.

A family turns puzzles into two integer tensors of tokens, the question x and
the answer y, both (N, L); token 0 is padding. It offers to generate puzzles
from a seed, to solve and check them, to encode and decode them, and
`augment(x, y, generator)`, which replaces each puzzle of a batch by a random
symmetric image of it. It knows nothing of models.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch


@dataclass
class PuzzleSet:
    """Puzzles as tokens: question x and answer y, integer tensors (N, L).

    `augment(x, y, generator) -> (x, y)` works on a batch (B, L); None leaves
    the puzzles as they are. Raises ValueError when x and y differ in shape.
    """

    x: torch.Tensor
    y: torch.Tensor
    augment: Callable | None = None

    def __post_init__(self):
        if self.x.ndim != 2 or self.x.shape != self.y.shape:
            raise ValueError(
                "x and y must both be (puzzles, tokens), got "
                f"{tuple(self.x.shape)} and {tuple(self.y.shape)}"
            )

    def __len__(self) -> int:
        return len(self.x)

    def batches(
        self, size: int, generator: torch.Generator
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield batches (x, y), each (size, L), for ever.

        Every epoch walks through all puzzles in a fresh random order; a batch
        may end one epoch and begin the next. Each puzzle drawn is augmented
        anew. The generator, on the device of x, decides everything. Raises
        ValueError when the set is empty or size is below 1.
        """
        if size < 1 or len(self) == 0:
            raise ValueError(f"no batches of {size} from {len(self)} puzzles")
        device = self.x.device
        order = torch.empty(0, dtype=torch.long, device=device)
        while True:
            while len(order) < size:
                epoch = torch.randperm(len(self), generator=generator, device=device)
                order = torch.cat([order, epoch])
            x, y = self.x[order[:size]], self.y[order[:size]]  # (size, L)
            order = order[size:]
            yield self.augment(x, y, generator) if self.augment else (x, y)
