"""The same training, done by tinyrec, by the textbook and by a package from PyPI: what is timed
against what.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import peer
import torch
from textbook import Textbook, TextbookTRM

from tinyrec.models.trm import TRM, TRMConfig
from tinyrec.puzzles import PuzzleSet
from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.generate import generate
from tinyrec.train import TrainConfig, compile_model, training

EMA, LEARNING_RATE, WEIGHT_DECAY = 0.999, 1e-3, 0.1


@dataclass(frozen=True)
class Work:
    """What every side does: `steps` training steps of one segment on `batch` slots."""

    model: TRMConfig
    puzzles: PuzzleSet
    batch: int
    steps: int
    device: torch.device = torch.device("cpu")


def sudoku_puzzles(size: int, count: int = 1000, seed: int = 0) -> PuzzleSet:
    """Minimal puzzles, augmented at every draw."""
    return rules.puzzle_set(*generate(size, count, seed), augmented=True)


def ours(
    work: Work, dtype: torch.dtype, compiled: bool = True, processes: int | None = None
) -> Callable[[], None]:
    """The steps of tinyrec.train.train, set up as `python -m tinyrec train` does it."""
    torch.manual_seed(0)
    model = TRM(work.model).to(work.device)
    if compiled:
        compile_model(model, work.device)
    config = TrainConfig(
        steps=sys.maxsize,  # as many as are asked for
        batch=work.batch,
        optimizer="adamw",
        learning_rate=LEARNING_RATE,
        weight_decay=WEIGHT_DECAY,
        warmup=0,
        ema=EMA,
    )
    every_step = training(model, work.puzzles, config, dtype, processes)

    def run():
        for _ in range(work.steps):
            metrics, _ = next(every_step)
        metrics["cell_loss"].item()  # a GPU has really finished

    return run


def textbook(work: Work, dtype: torch.dtype, compiled: bool = False) -> Callable[[], None]:
    """The structure of the official code, see textbook.py."""
    torch.manual_seed(0)
    model = TextbookTRM(work.model).to(work.device)
    return stepping(work, Textbook(model, adamw(model), dtype, EMA, compiled=compiled))


def from_pypi(work: Work, dtype: torch.dtype, compiled: bool = False) -> Callable[[], None]:
    """The package tiny-recursive-model, see peer.py."""
    torch.manual_seed(0)
    model = peer.model(work.model).to(work.device)
    positions = work.model.prefix + work.model.length
    return stepping(work, peer.Peer(model, adamw(model), dtype, EMA, positions, compiled))


def adamw(model: torch.nn.Module, learning_rate: float = LEARNING_RATE) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        model.parameters(), learning_rate, betas=(0.9, 0.95), weight_decay=WEIGHT_DECAY, fused=True
    )


def stepping(work: Work, loop) -> Callable[[], None]:
    """Steps of `loop` on the batches that tinyrec would draw."""
    puzzles = work.puzzles
    moved = PuzzleSet(puzzles.x.to(work.device), puzzles.y.to(work.device), puzzles.augment)
    batches = moved.batches(work.batch, torch.Generator(work.device).manual_seed(0))

    def run():
        for _ in range(work.steps):
            loss = loop.step(*next(batches))
        loss.item()  # a GPU has really finished

    return run
