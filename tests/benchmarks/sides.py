"""The same training, done by tinyrec, by the textbook and by a package from PyPI: what is timed
against what.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import peer
import torch
from textbook import Textbook, TextbookTRM

from tinyrec.device import LONG, compile_model
from tinyrec.models.trm import TRM, TRMConfig
from tinyrec.puzzles import PuzzleSet
from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.generate import generate
from tinyrec.train import TrainConfig, Training

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


def ours(work: Work, dtype: torch.dtype, compiled: bool | None = True) -> Callable[[], None]:
    """The steps of tinyrec.train.train, set up as `python -m tinyrec train` does it for a long run.

    compiled None: as for a short run, block by block.
    """
    torch.manual_seed(0)
    model = TRM(work.model).to(work.device)
    if compiled is not False:
        compile_model(model, work.device, steps=LONG if compiled else 0)
    config = TrainConfig(
        steps=10**9,  # as many as are asked for
        batch=work.batch,
        optimizer="adamw",
        learning_rate=LEARNING_RATE,
        weight_decay=WEIGHT_DECAY,
        warmup=0,
        ema=EMA,
    )
    training = Training(model, work.puzzles, config, dtype)

    def run():
        for _ in range(work.steps):
            training.advance()
        training.means()  # a GPU has really finished

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
    steps = itertools.count()

    def run():
        for step in itertools.islice(steps, work.steps):
            batch = work.puzzles.batch(work.batch, seed=0, step=step).to(work.device)
            loss = loop.step(batch.x, batch.y)
        loss.item()  # a GPU has really finished

    return run
