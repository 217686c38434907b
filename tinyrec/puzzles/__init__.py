"""Puzzles as tokens, whatever family they are of, and the batch of each training step.

`families` says what a family offers. Puzzles know nothing of models.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

IGNORE = -100  # in an answer: a position that is not scored


class Batch(NamedTuple):
    """Puzzles drawn for a step."""

    x: Tensor  # (B, L) questions
    y: Tensor  # (B, L) answers
    ids: Tensor | None  # (B,) which row of a model's table of puzzle embeddings each one has

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(None if part is None else moved(part, device) for part in self))

    def part(self, rows: slice) -> "Batch":
        return Batch(*(None if part is None else part[rows] for part in self))


@dataclass
class PuzzleSet:
    """Puzzles as tokens: question x and answer y, integer tensors (N, L); token 0 is padding, and
    IGNORE in y is not scored.

    `ids` (N,) says which puzzles share an embedding; None: the models number all of them 0.
    `augment(x, y, generator) -> (x, y)` gives each puzzle of a batch a random symmetric image;
    None leaves them as they are. ValueError where the shapes differ.
    """

    x: Tensor
    y: Tensor
    ids: Tensor | None = None
    augment: Callable | None = None

    def __post_init__(self):
        if self.x.ndim != 2 or self.x.shape != self.y.shape:
            raise ValueError(
                "x and y must both be (puzzles, tokens), got "
                f"{tuple(self.x.shape)} and {tuple(self.y.shape)}"
            )
        if self.ids is not None and self.ids.shape != self.x.shape[:1]:
            raise ValueError(f"ids must be ({len(self.x)},), got {tuple(self.ids.shape)}")

    def __len__(self) -> int:
        return len(self.x)

    @property
    def highest_id(self) -> int:
        """Of all that `batch` may draw; 0 without ids."""
        return 0 if self.ids is None else int(self.ids.max())

    def first(self, n: int) -> "PuzzleSet":
        ids = None if self.ids is None else self.ids[:n]
        return replace(self, x=self.x[:n], y=self.y[:n], ids=ids)

    def batch(self, size: int, seed: int, step: int) -> Batch:
        """The batch of a step, which depends on `seed` and `step` alone.

        Every epoch walks through all puzzles in a random order of its own, and a batch may end one
        and begin the next. Each puzzle drawn is augmented anew. ValueError when the set is empty.
        """
        if size < 1 or len(self) == 0:
            raise ValueError(f"no batches of {size} from {len(self)} puzzles")
        first, end = step * size, (step + 1) * size  # places in the endless row of all epochs
        epochs = range(first // len(self), (end - 1) // len(self) + 1)
        order = torch.cat([shuffled(len(self), stream(seed, "epoch", epoch)) for epoch in epochs])
        start = first - epochs[0] * len(self)
        rows = order[start : start + size]
        x, y = self.x[rows], self.y[rows]  # (size, L)
        if self.augment:
            x, y = self.augment(x, y, stream(seed, "augment", step))
        return Batch(x, y, None if self.ids is None else self.ids[rows])


def moved(part: Tensor, device: torch.device) -> Tensor:
    """On the device. A CUDA GPU goes on with its work meanwhile; it would wait for other memory."""
    if device.type == "cuda" and part.device.type == "cpu":
        part = part.pin_memory()
    return part.to(device, non_blocking=device.type == "cuda")


def shuffled(n: int, generator: torch.Generator) -> Tensor:
    return torch.randperm(n, generator=generator, device="cpu")


def stream(seed: int, *key: str | int) -> torch.Generator:
    """Random numbers on the CPU that depend on the seed and the key alone.

    So no state of a generator need be kept, and every device and every process draws alike.
    """
    digest = hashlib.sha256(repr((seed, *key)).encode()).digest()
    return torch.Generator("cpu").manual_seed(int.from_bytes(digest[:4], "big"))
