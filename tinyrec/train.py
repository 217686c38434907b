"""Training: one step is one segment for every slot of the persistent carry."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from tqdm import tqdm

from tinyrec.carry import Carry, draw_minimum, empty_carry, join, refill, segment
from tinyrec.device import wait
from tinyrec.evaluate import evaluate
from tinyrec.interrupts import asked_to_stop
from tinyrec.losses import segment_loss
from tinyrec.optim import AdamAtan2, Muon, SignSGD, moving_average
from tinyrec.puzzles import Batch, PuzzleSet, stream
from tinyrec.ranks import ALONE, Ranks
from tinyrec.settings import Count, Decay, Number, Share, Size, check_fields


@dataclass(frozen=True)
class TrainConfig:
    """How to train. The defaults are TRM's for Sudoku, at full size."""

    steps: Size = 65_104  # optimiser steps; each is one segment for every slot
    batch: Size = 768  # slots
    parts: Size = 1  # that the slots are worked on in, one after another: less memory, same step
    optimizer: Literal["adam_atan2", "adamw", "muon"] = "adam_atan2"
    learning_rate: Number = 1e-4
    betas: tuple[Decay, Decay] = (0.9, 0.95)
    weight_decay: Number = 1.0
    other_learning_rate: Number | None = None  # AdamW's, of what Muon leaves; None: the same
    other_weight_decay: Number | None = None
    clip: Number = 0.0  # the largest norm that the gradient may have; 0: any
    warmup: Count = 2000  # steps of linear warm-up
    cooldown: Count = 0  # steps of decay to zero at the end, with the square of the steps left
    schedule: Literal["constant", "cosine"] = "constant"  # cosine: falls to zero from the start
    puzzle_learning_rate: Number = 1e-4  # SignSGD, for puzzle embeddings only
    puzzle_weight_decay: Number = 1.0
    ema: Decay = 0.999  # decay of the moving average of the weights; 0: none
    ema_from: Count = 0  # step before which the average is the newest weights
    loss: Literal["stablemax", "softmax"] = "stablemax"
    label_smoothing: Share = 0.0
    halt_weight: Number = 0.5  # weight of the halting losses
    exploration: Share = 0.1  # probability that a slot must go on, drawn at every step
    evaluate_every: Count = 1000  # steps; 0: only at the end
    target: Number = 2.0  # stop when the first test set's exact accuracy is this; above 1: never
    seed: Count = 0

    def __post_init__(self):
        check_fields(self)
        if self.schedule == "cosine" and self.cooldown:
            raise ValueError(
                f"TrainConfig.cooldown is {self.cooldown}; a cosine needs none, expected 0"
            )
        for name in ("other_learning_rate", "other_weight_decay"):
            if getattr(self, name) is not None and self.optimizer != "muon":
                raise ValueError(
                    f"TrainConfig.{name} is {getattr(self, name)}; expected None: only Muon leaves "
                    f"weights to another optimiser"
                )


class Diverged(ArithmeticError):
    """The loss is no longer a number."""


class Training:
    """All that changes while a model trains, and how it changes in a step.

    model        trained in place, on its own device
    optimizers   of the weights, and of the table of puzzle embeddings
    average      the moving average of the weights, or None
    carry        the slots; None before the first step
    step         optimiser steps done; together with config.seed it decides every random draw
    sums         of the metrics, since the last entry of the history
    history      what was reported: see `report`
    seconds      of training, tests not counted
    reached      whether the first test set's exact accuracy has reached config.target

    ValueError where the batch cannot be shared by ranks and parts, and where the table is too
    short.
    """

    def __init__(
        self,
        model: nn.Module,
        puzzles: PuzzleSet,
        config: TrainConfig,
        dtype: torch.dtype = torch.float32,
        ranks: Ranks = ALONE,
    ):
        self.model, self.puzzles, self.config, self.dtype = model, puzzles, config, dtype
        self.ranks, self.slots = ranks, ranks.slots(config.batch)
        own = config.batch // ranks.count
        if own % config.parts:
            raise ValueError(f"{own} slots cannot be worked on in {config.parts} parts alike")
        size = own // config.parts
        self.parts = [slice(start, start + size) for start in range(0, own, size)]
        rows = getattr(model.config, "puzzles", 0)
        if 0 < rows <= puzzles.highest_id:
            raise ValueError(
                f"puzzles is {rows}; the table needs {puzzles.highest_id + 1} rows, one for each id"
            )
        self.device = next(model.parameters()).device
        self.optimizers = make_optimizers(model, config)
        self.average = copy.deepcopy(model) if config.ema else None
        self.carry: Carry | None = None
        self.step, self.seconds, self.reached = 0, 0.0, False
        self.sums: dict[str, Tensor] = {}
        self.history: list[dict] = []

    @property
    def averaged(self) -> nn.Module:
        """The model to use: the moving average where there is one, in evaluation mode."""
        return (self.average or self.model).eval()

    @property
    def finished(self) -> bool:
        return self.reached or self.step >= self.config.steps

    def draw(self) -> tuple[Batch, Tensor]:
        """This step's puzzles for my slots, and the fewest segments that each must have had."""
        c = self.config
        batch = self.puzzles.batch(c.batch, c.seed, self.step)
        generator = stream(c.seed, "exploration", self.step)
        minimum = draw_minimum(c.batch, self.model.config.segments, c.exploration, generator)
        return batch.part(self.slots).to(self.device), minimum[self.slots].to(self.device)

    def advance(self) -> None:
        """One optimiser step. Diverged, before the weights change, where the loss is no number."""
        c, model = self.config, self.model.train()
        batch, minimum = self.draw()
        carry = refill(model, self.carry or empty_carry(model, batch, self.dtype), batch)
        carries, metrics = [], {}
        for rows in self.parts:
            part, outputs = segment(model, carry.part(rows), minimum[rows])
            loss, found = segment_loss(part, outputs, c.loss, c.halt_weight, c.label_smoothing)
            (loss / (self.ranks.count * len(self.parts))).backward()
            if len(self.parts) > 1:
                own_gradients(model)
            carries.append(part)
            metrics = {name: metrics.get(name, 0) + value for name, value in found.items()}
        self.carry = join(carries)
        metrics = self.ranks.add_up(model, metrics)
        self.check(sum(value for name, value in metrics.items() if name.endswith("_loss")))
        if c.clip:
            weights = [p for p in model.parameters() if p.grad is not None and not p.grad.is_sparse]
            nn.utils.clip_grad_norm_(weights, c.clip)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rate(self.step, c)
            optimizer.step()
            optimizer.zero_grad()
        if self.average:
            moving_average(self.average, model, c.ema if self.step >= c.ema_from else 0.0)
        for name, value in metrics.items():
            self.sums[name] = self.sums.get(name, 0) + value
        self.sums["slots"] = self.sums.get("slots", torch.tensor(0, device="cpu")) + c.batch
        self.step += 1

    @property
    def reads(self) -> bool:
        """Whether numbers may be read at this step: a GPU waits meanwhile, hence not at each."""
        return self.device.type == "cpu" or self.step % 20 == 0

    def check(self, loss: Tensor) -> None:
        """On a GPU only now and then."""
        if self.reads and not math.isfinite(loss):
            learning_rate = self.config.learning_rate * rate(self.step, self.config)
            raise Diverged(
                f"step {self.step + 1}: the loss is {float(loss)} (learning rate "
                f"{learning_rate:.3g}); a lower learning rate or a longer warm-up may help"
            )

    def means(self) -> dict[str, float]:
        """The metrics since the last report.

        loss: of a cell, over all slots; halt_loss too. The others over the slots that halted: cell
        and exact accuracy, segments, and halt_accuracy, how often q > 0 was right.
        """
        count, slots = max(1, int(self.sums["count"])), int(self.sums["slots"])
        means = {"loss": float(self.sums["cell_loss"]) / slots}
        means |= {name: float(self.sums[name]) / count for name in ("exact", "cell", "segments")}
        if "halt_loss" in self.sums:
            means["halt_loss"] = float(self.sums["halt_loss"]) / slots
            means["halt_accuracy"] = float(self.sums["halt_right"]) / count
        return means

    def report(self, tests: dict[str, PuzzleSet]) -> dict:
        """Add an entry to the history: step, seconds, `means`, the exact accuracy on each test."""
        entry = {"step": self.step, "seconds": self.seconds, **self.means()}
        for name, test in tests.items() if self.ranks.rank == 0 else ():
            entry[name] = evaluate(self.averaged, test, dtype=self.dtype).exact[-1]
        if tests and self.ranks.rank == 0:
            self.reached = entry[next(iter(tests))] >= self.config.target
        self.sums = {}
        self.history.append(entry)
        return entry


def train(
    training: Training,
    tests: dict[str, PuzzleSet] | None = None,
    quiet: bool = False,
    save: Callable[[Training], None] | None = None,
    save_every: float = 120,
    minutes: float = math.inf,
) -> str | None:
    """Train until the config's steps or target are reached; returns what stopped it before.

    That is "interrupted" (Ctrl-C, or the stop button; a second time raises), "terminated" (SIGTERM)
    or "out of time" (after `minutes`). The step at hand is finished first, so
    `training.averaged` and `training.history` can be used, and another call goes on.

    `tests` are measured every config.evaluate_every steps and at the end. `save(training)` is
    called about every `save_every` seconds and at the end.
    """
    config, tests, ranks = training.config, tests or {}, training.ranks
    began = saved = time.perf_counter()
    progress = tqdm(
        total=config.steps,
        initial=training.step,
        disable=quiet or ranks.rank > 0,
        unit="step",
        mininterval=1.0,
    )
    exact = {}
    with asked_to_stop(terminate=save is not None) as asked, progress:
        for step in range(training.step + 1, config.steps + 1):
            if training.finished:
                break
            tested = step == config.steps or (
                config.evaluate_every and step % config.evaluate_every == 0
            )
            clock = time.perf_counter()
            training.advance()
            if tested:
                wait(training.device)
            training.seconds += time.perf_counter() - clock
            progress.update()

            if tested:
                entry = training.report(tests)
                exact = {name: f"{entry[name]:.1%}" for name in tests if name in entry}
            elif step % 20 == 0 and not progress.disable:
                progress.set_postfix(in_short(training.means()) | exact)

            now = time.perf_counter()
            late, due = now - began > 60 * minutes, now - saved > save_every
            if ranks.count == 1 or training.reads or tested:  # all ranks ask together
                wishes = bool(asked), late, training.reached, bool(save) and due
                stop, late, training.reached, due = ranks.agree(*wishes, device=training.device)
            else:
                stop = late = due = False
            if due or (save and (stop or late or training.finished)):
                save(training)
                saved = time.perf_counter()
            if stop or late:
                break
    if training.finished:
        return None
    if stop:
        return asked[0] if asked else "interrupted"  # or another rank was asked
    return "out of time"


def own_gradients(model: nn.Module) -> None:
    """Copy them: the CUDA graph that made them writes the next part's over them."""
    for p in model.parameters():
        if p.grad is not None:
            p.grad = p.grad.clone()


def make_optimizers(model: nn.Module, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """The optimisers, each group with its highest learning rate as "peak".

    One for the weights (two with Muon, which takes only the matrices inside the networks), and
    SignSGD for the table of puzzle embeddings.
    """
    parameters = dict(model.named_parameters())
    table = parameters.pop("embed.puzzles", None)
    common = dict(lr=config.learning_rate, weight_decay=config.weight_decay)
    others = dict(lr=config.other_learning_rate, weight_decay=config.other_weight_decay)
    optimizers = []
    if config.optimizer == "muon":
        inside = [
            name
            for name, p in parameters.items()
            if p.dim() == 2 and name.split(".")[0] not in ("embed", "heads")
        ]
        optimizers.append(Muon([parameters.pop(name) for name in inside], **common))
        common |= {name: value for name, value in others.items() if value is not None}
    if config.optimizer == "adam_atan2":
        optimizers.append(AdamAtan2(parameters.values(), betas=config.betas, **common))
    else:
        weights = list(parameters.values())
        fused = weights[0].device.type != "mps"
        optimizers.append(torch.optim.AdamW(weights, betas=config.betas, fused=fused, **common))
    if table is not None:
        rates = dict(lr=config.puzzle_learning_rate, weight_decay=config.puzzle_weight_decay)
        optimizers.append(SignSGD([table], **rates))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def rate(step: int, config: TrainConfig) -> float:
    """The learning rate's factor at a step: linear warm-up, constant, quadratic cool-down; or a
    cosine's half wave instead of these two.
    """
    up = min(1.0, (step + 1) / max(1, config.warmup))
    if config.schedule == "cosine":
        return up * 0.5 * (1 + math.cos(math.pi * step / config.steps))
    down = min(1.0, (config.steps - step) / max(1, config.cooldown))
    return min(up, down**2)


def in_short(means: dict[str, float]) -> dict[str, str]:
    """For the progress bar."""
    short = {"loss": f"{means['loss']:.2f}", "exact": f"{means['exact']:.1%}"}
    if "halt_loss" in means:
        short |= {"q_loss": f"{means['halt_loss']:.2f}", "q_right": f"{means['halt_accuracy']:.1%}"}
    return short | {"segments": f"{means['segments']:.1f}"}
