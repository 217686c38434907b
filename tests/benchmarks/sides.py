"""The same training, done by tinyrec, by the textbook and by a package from PyPI: what is timed against what."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import peer
import torch
from textbook import Textbook, TextbookTRM

from tinyrec.puzzles import PuzzleSet, sudoku, sudoku_generate
from tinyrec.train import TrainConfig, compile_model, train
from tinyrec.trm import TRM, TRMConfig

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
    return sudoku.puzzle_set(*sudoku_generate.generate(size, count, seed), augmented=True)


def ours(
    work: Work, dtype: torch.dtype, compiled: bool = True, processes: int | None = None
) -> Callable[[], float | None]:
    """tinyrec.train.train, set up as `python -m tinyrec train` does it."""
    torch.manual_seed(0)
    model = TRM(work.model).to(work.device)
    if compiled:
        compile_model(model, work.device)
    config = TrainConfig(
        steps=work.steps,
        batch=work.batch,
        optimizer="adamw",
        learning_rate=LEARNING_RATE,
        weight_decay=WEIGHT_DECAY,
        warmup=0,
        ema=EMA,
        evaluate_every=int(apart(work)),
    )

    def call():
        _, history = train(
            model, work.puzzles, config, dtype=dtype, quiet=True, processes=processes
        )
        if not apart(work):
            return None
        return scaled(history[-1]["seconds"] - history[0]["seconds"], work)

    return call


def textbook(
    work: Work, dtype: torch.dtype, compiled: bool = False
) -> Callable[[], float | None]:
    """The structure of the official code, see textbook.py."""
    torch.manual_seed(0)
    model = TextbookTRM(work.model).to(work.device)
    return stepping(work, Textbook(model, adamw(model), dtype, EMA, compiled=compiled))


def from_pypi(
    work: Work, dtype: torch.dtype, compiled: bool = False
) -> Callable[[], float | None]:
    """The package tiny-recursive-model, see peer.py."""
    torch.manual_seed(0)
    model = peer.model(work.model).to(work.device)
    positions = work.model.prefix + work.model.length
    return stepping(work, peer.Peer(model, adamw(model), dtype, EMA, positions, compiled))


def adamw(
    model: torch.nn.Module, learning_rate: float = LEARNING_RATE
) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        model.parameters(), learning_rate, betas=(0.9, 0.95), weight_decay=WEIGHT_DECAY, fused=True
    )


def stepping(work: Work, loop) -> Callable[[], float | None]:
    """Steps of `loop` on the batches that tinyrec would draw."""
    puzzles = work.puzzles
    moved = PuzzleSet(puzzles.x.to(work.device), puzzles.y.to(work.device), puzzles.augment)
    batches = moved.batches(work.batch, torch.Generator(work.device).manual_seed(0))

    def run():
        for step in range(work.steps):
            loss = loop.step(*next(batches))
            if step == 0:
                began = time.perf_counter()
        loss.item()  # a GPU has really finished
        return scaled(time.perf_counter() - began, work) if apart(work) else None

    return run


def apart(work: Work) -> bool:
    """On a CPU the first step of a call is not timed, whoever takes it, nor what comes before it.

    For tinyrec that is starting the processes and one slice of the slots on trial, once in a training, whatever its
    length. On a GPU nothing is read in between, and all counts.
    """
    return work.device.type == "cpu" and work.steps > 1


def scaled(seconds: float, work: Work) -> float:
    """Seconds of all steps but the first -> of all steps."""
    return seconds * work.steps / (work.steps - 1)
