"""The training loop: one step is one segment for every slot of the persistent carry."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import nn
from tqdm import tqdm

from tinyrec.carry import draw_minimum, empty_carry, refill, segment
from tinyrec.evaluate import evaluate
from tinyrec.losses import segment_loss
from tinyrec.models.layers import Network
from tinyrec.optim import AdamAtan2, Muon, SignSGD, moving_average
from tinyrec.parallel import Team, pick_processes, pick_slots
from tinyrec.puzzles import PuzzleSet
from tinyrec.settings import check_fields


@dataclass(frozen=True)
class TrainConfig:
    """How to train. The defaults are TRM's for Sudoku, at full size."""

    steps: int = 65_104  # optimiser steps; each is one segment for every slot
    batch: int = 768  # slots
    optimizer: str = "adam_atan2"  # "adam_atan2", "adamw" or "muon"
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 1.0
    warmup: int = 2000  # steps of linear warm-up
    cooldown: int = 0  # steps of decay to zero at the end, with the square of the steps left
    puzzle_learning_rate: float = 1e-4  # SignSGD, for puzzle embeddings only
    puzzle_weight_decay: float = 1.0
    ema: float = 0.999  # decay of the moving average of the weights; 0: none
    loss: str = "stablemax"  # "stablemax" or "softmax"
    halt_weight: float = 0.5  # weight of the halting losses
    exploration: float = 0.1  # probability that a slot must go on, drawn at every step
    recursions: int | None = None  # T while training, for TRM; None: the model's own
    evaluate_every: int = 1000  # steps; 0: only at the end
    target: float = (
        2.0  # stop when the first test set's exact accuracy reaches this; above 1: never
    )
    seed: int = 0

    def __post_init__(self):
        check_fields(
            self,
            positive=("steps", "batch", "recursions"),
            choices={
                "optimizer": ("adam_atan2", "adamw", "muon"),
                "loss": ("stablemax", "softmax"),
            },
        )
        if not 0 <= self.ema < 1:
            raise ValueError(
                f"TrainConfig.ema is {self.ema!r}; expected a number from 0 to below 1"
            )


def pick_device() -> torch.device:
    """A CUDA GPU where there is one, otherwise the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def pick_precision(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it fast (recent GPUs; CPUs with AMX or AVX512_BF16),
    otherwise float32.
    """
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:  # PyTorch has no public name for these questions
        asks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        fast = any(getattr(torch.cpu, ask, bool)() for ask in asks)
    return torch.bfloat16 if fast else torch.float32


def compile_model(model: nn.Module, device: torch.device) -> str:
    """Let torch.compile fuse the model in place, where it works; says in one line what happened.

    On a GPU the whole segment becomes CUDA graphs, one forward and one backward, so that its
    hundreds of kernels need not be launched one by one. On a CPU each block of the networks is
    compiled, once with and once without gradient, and every call uses it: sooner ready than a whole
    segment. A copy of the model, such as its moving average, is not compiled. Models compiled
    before compile again at their next call: PyTorch counts the compilations of a process together,
    and beyond eight it would go on eagerly without saying so.
    """
    networks = [part for part in model.modules() if isinstance(part, Network)]
    if not networks:
        return "eager: this model has nothing to compile"
    try:
        torch.compile(lambda x: x.sin() + 1)(torch.ones(2, device=device))
    except Exception as error:  # no C++ compiler, no Triton, an unsupported Python, ...
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return f"eager: torch.compile does not work here ({reason[:90]})"
    torch.compiler.reset()
    if device.type == "cuda" and not model.config.puzzles:  # its sparse gradient stays outside
        model.compile(mode="reduce-overhead", dynamic=False)
    else:
        for network in networks:
            network.compile()
    return "torch.compile"


def make_optimizers(model: nn.Module, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """One optimiser for the weights (two with Muon, which takes only matrices), SignSGD for puzzle
    embeddings.
    """
    parameters = dict(model.named_parameters())
    table = parameters.pop("embed.puzzles", None)
    common = dict(lr=config.learning_rate, weight_decay=config.weight_decay)
    optimizers = []
    if config.optimizer == "muon":
        inside = [
            name
            for name, p in parameters.items()
            if p.dim() == 2 and name.split(".")[0] not in ("embed", "heads")
        ]
        optimizers.append(Muon([parameters.pop(name) for name in inside], **common))
    if config.optimizer == "adam_atan2":
        optimizers.append(AdamAtan2(parameters.values(), betas=config.betas, **common))
    else:
        optimizers.append(
            torch.optim.AdamW(parameters.values(), betas=config.betas, fused=True, **common)
        )
    if table is not None:
        optimizers.append(
            SignSGD(
                [table], lr=config.puzzle_learning_rate, weight_decay=config.puzzle_weight_decay
            )
        )
    return optimizers


def rate(step: int, config: TrainConfig) -> float:
    """The learning rate's factor at a step: linear warm-up, constant, quadratic cool-down."""
    up = min(1.0, (step + 1) / max(1, config.warmup))
    down = min(1.0, (config.steps - step) / max(1, config.cooldown))
    return min(up, down**2)


def steps(
    model: nn.Module,
    puzzles: PuzzleSet,
    config: TrainConfig,
    dtype: torch.dtype,
    slices: list[slice],
) -> Iterator[dict[str, torch.Tensor]]:
    """Step after step for some slices of the slots: add the gradients to the model's, yield the
    sums of the metrics.

    The loss is the mean over all slots. The seed decides their puzzles and their exploration,
    whoever works on them.
    """
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(config.seed)
    on_device = PuzzleSet(puzzles.x.to(device), puzzles.y.to(device), puzzles.augment)
    carries = [None] * len(slices)
    for x, y in on_device.batches(config.batch, generator):
        minimum = draw_minimum(
            config.batch, model.config.segments, config.exploration, generator, device
        )
        sums = {}
        for n, part in enumerate(slices):
            carry = carries[n] or empty_carry(model, x[part], y[part], dtype=dtype)
            carry = refill(model, carry, x[part], y[part])
            carries[n], outputs = segment(model, carry, minimum[part])
            loss, metrics = segment_loss(carries[n], outputs, config.loss, config.halt_weight)
            (loss * (len(x[part]) / len(x))).backward()
            for name, value in metrics.items():
                sums[name] = sums.get(name, 0) + value
        yield sums


def training(
    model: nn.Module,
    puzzles: PuzzleSet,
    config: TrainConfig,
    dtype: torch.dtype = torch.float32,
    processes: int | None = None,
) -> Iterator[tuple[dict[str, torch.Tensor], nn.Module]]:
    """What `train` does between two tests: after each of `config.steps` steps, the sums of its
    metrics and the model to test.

    That is the moving average of the weights, or `model` itself, which is trained in place. Close
    the iterator to end the other processes.
    """
    processes = pick_processes(model, config.batch) if processes is None else processes
    slots = config.batch
    if processes > 1 and slots % processes == 0:
        slots = pick_slots(model, slots // processes, dtype)
    work = partial(steps, model, puzzles, config, dtype)
    optimizers = make_optimizers(model, config)
    peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    with Team(model, work, config.batch, processes, slots) as team:
        average = moving_average(model, config.ema) if config.ema else None
        for step in range(config.steps):
            for optimizer, peak in zip(optimizers, peaks):
                for group, learning_rate in zip(optimizer.param_groups, peak):
                    group["lr"] = learning_rate * rate(step, config)
            metrics = team.step()
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            if average:
                average.update_parameters(model)
            yield metrics, average.module if average else model


def train(
    model: nn.Module,
    puzzles: PuzzleSet,
    config: TrainConfig,
    tests: dict[str, PuzzleSet] | None = None,
    dtype: torch.dtype = torch.float32,
    quiet: bool = False,
    processes: int | None = None,
) -> tuple[nn.Module, list[dict]]:
    """Train `model` in place on its own device; return the averaged model and the history.

    Each entry of the history has step, seconds, loss, cell, exact and segments (over the slots that
    halted since the entry before) and, for each test set, its exact accuracy under the set's name.
    Training stops early when the first test set's exact accuracy reaches `config.target`. The time
    spent on the tests is not counted in `seconds`.

    With `config.recursions` the model trains, and is tested on the way, with that T; at the end it
    gets its own T back. Since the state goes on, one segment with T = 8 then does the work of four
    with T = 2.

    `processes` share the slots of a step, each with one thread; None: see `pick_processes`. They
    change a step by rounding only, but a long training makes much of rounding, as it does on
    another processor. ValueError where `config.recursions` is set and the model is no TRM, or where
    the processes cannot share the slots.
    """
    own = model.config
    if config.recursions and not hasattr(own, "recursions"):
        raise ValueError(f"TrainConfig.recursions is {config.recursions}; only TRM has a T")
    history, sums, spent, began = [], {}, 0.0, time.perf_counter()
    model.train()
    progress, shown = tqdm(total=config.steps, disable=quiet, unit="step", mininterval=1.0), {}
    every_step = training(model, puzzles, config, dtype, processes)
    with trained_with(model, config.recursions), progress, closing(every_step):
        for step, (metrics, trained) in enumerate(every_step, start=1):
            progress.update()
            for name, value in metrics.items():
                sums[name] = sums.get(name, 0) + value
            sums["slots"] = sums.get("slots", 0) + config.batch
            if step == config.steps or (
                config.evaluate_every and step % config.evaluate_every == 0
            ):
                paused = time.perf_counter()
                entry = {"step": step, "seconds": paused - began - spent, **means(sums)}
                for name, test in (tests or {}).items():
                    entry[name] = evaluate(trained, test.x, test.y, dtype=dtype).exact[-1]
                history.append(entry)
                shown = {name: f"{entry[name]:.1%}" for name in tests or {}}
                sums = {}
                spent += time.perf_counter() - paused
                if tests and entry[next(iter(tests))] >= config.target:
                    break
            elif step % 20 == 0:  # reading the numbers makes a GPU wait, so not at every step
                now = means(sums)
                progress.set_postfix(
                    loss=f"{now['loss']:.2f}",
                    exact=f"{now['exact']:.1%}",
                    segments=f"{now['segments']:.1f}",
                    **shown,
                )
    trained.config = own
    return trained.eval(), history


@contextmanager
def trained_with(model: nn.Module, recursions: int | None) -> Iterator[None]:
    """The model has this T meanwhile; None: its own."""
    own = model.config
    if recursions:
        model.config = replace(own, recursions=recursions)
    try:
        yield
    finally:
        model.config = own


def means(sums: dict) -> dict[str, float]:
    """Sums of metrics -> loss of a cell over all slots; cell and exact accuracy and segments over
    the halted slots.
    """
    count = max(1, int(sums["count"]))
    return {
        "loss": float(sums["cell_loss"]) / sums["slots"],
        **{name: float(sums[name]) / count for name in ("exact", "cell", "segments")},
    }
