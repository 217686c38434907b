"""Exact and cell accuracy after every segment, with intervals."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tinyrec.losses import correct_cells


def wilson_interval(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share: `right` out of `n` (Wilson's score interval, sound near 0 and 1
    too).
    """
    p, shrink = right / n, 1 + z * z / n
    middle = (p + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass
class Evaluation:
    """What a model did on N puzzles in S segments. Shares are between 0 and 1."""

    exact: list[float]  # share of puzzles with every cell right, after each segment
    cell: list[float]  # share of right cells, given cells included, after each segment
    answers: Tensor  # (N, L) tokens after the last segment
    q: (
        Tensor | None
    )  # (N, S) halting logit after each segment; under Q-learning halt minus continue
    solved: Tensor  # (N, S) bool: every cell right

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the exact accuracy after the last segment."""
        return wilson_interval(int(self.solved[:, -1].sum()), len(self.solved))

    @property
    def mean_segments(self) -> float:
        """Segments until q first says "solved", or all of them where it never does; the mean over
        the puzzles.
        """
        segments = self.solved.shape[1]
        if self.q is None:
            return float(segments)
        says = self.q > 0
        return torch.where(says.any(1), says.int().argmax(1) + 1, segments).double().mean().item()


@torch.no_grad()
def think(
    model: nn.Module,
    tokens: Tensor,
    segments: int,
    puzzle_ids: Tensor | None = None,
    dtype: torch.dtype = torch.float32,
):
    """Run `segments` segments on tokens (B, L) and yield (logits, q, state) after each of them."""
    state = model.initial_state(len(tokens), dtype)
    for _ in range(segments):
        state, logits, q = model(tokens, state, puzzle_ids)
        state = own(state)
        yield logits, q, state


def own(state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """A copy: a model that runs as a CUDA graph writes the states of its next call over those of
    this one.
    """
    return tuple(part.clone() for part in state)


@dataclass
class Answers:
    """The answers to N puzzles, each after as many segments and attempts as it took."""

    tokens: Tensor  # (N, L)
    q: Tensor  # (N,) halting logit of the answer, under Q-learning halt minus continue; nan: a model without q
    segments: Tensor  # (N,) of all attempts together
    attempts: Tensor  # (N,)


def answer(
    model: nn.Module,
    tokens: Tensor,
    segments: int | None = None,
    batch: int = 64,
    sure: float = 0.98,
    dtype: torch.dtype = torch.float32,
    attempts: int = 1,
    view: Callable | None = None,
    seed: int = 0,
) -> Answers:
    """Answer every puzzle of tokens (N, L), stop early where the model may, and try again where it
    is not sure.

    A puzzle is done when q gives "solved" a probability above `sure`, at the latest after
    `segments` (default: the model's own). In training 0.5 is enough; here it would stop too many
    puzzles at a wrong answer. The official codes run all segments, as `evaluate` does. A model
    without q runs all segments here too.

    With `attempts` above 1, a puzzle that q is not sure of is looked at again as a random symmetric
    image of itself: `view(tokens, generator) -> (image, back)` is that of its family, such as
    `tinyrec.puzzles.sudoku.view`. Of its answers the one with the highest q stays. Nothing but q
    decides; the rules of the puzzle are not consulted. ValueError for numbers out of range, or more
    attempts than one without a view or without a q.
    """
    if batch < 1 or attempts < 1 or not 0 <= sure <= 1:
        raise ValueError(
            f"batch is {batch}, attempts {attempts} and sure {sure}; expected at least 1, 1, and 0 to 1"
        )
    if attempts > 1 and view is None:
        raise ValueError(f"attempts is {attempts}; more than one need a view, such as sudoku.view")
    how = (segments or model.config.segments, batch, sure, dtype)
    generator = torch.Generator(tokens.device).manual_seed(seed)
    best = one_attempt(model, tokens, *how)
    if attempts > 1 and best.q.isnan().any():
        raise ValueError(f"attempts is {attempts}; this model has no q to choose between them")
    for _ in range(attempts - 1):
        rows = (best.q.sigmoid() <= sure).nonzero().flatten()
        if not len(rows):
            break
        image, back = view(tokens[rows], generator)
        again = one_attempt(model, image, *how)
        best.segments[rows] += again.segments
        best.attempts[rows] += 1
        better = again.q > best.q[rows]
        best.tokens[rows[better]] = back(again.tokens)[better]
        best.q[rows[better]] = again.q[better]
    return best


@torch.no_grad()
def one_attempt(
    model: nn.Module, tokens: Tensor, segments: int, batch: int, sure: float, dtype: torch.dtype
) -> Answers:
    """ACT at test time: `batch` slots are kept full, as in training; the next puzzle takes the slot
    of one that is done.
    """
    was_training = model.training
    model.eval()
    device, n = next(model.parameters()).device, len(tokens)
    found = Answers(
        torch.empty_like(tokens),
        torch.full((n,), math.nan),
        torch.zeros(n, dtype=torch.long),
        torch.ones(n, dtype=torch.long),
    )
    waiting, empty = torch.arange(n), n
    slots = torch.full((min(batch, n),), empty)  # the puzzle in each slot
    fresh = model.initial_state(len(slots), dtype)
    state = own(fresh)
    x = tokens.new_zeros(len(slots), tokens.shape[1]).to(device)
    steps = torch.zeros_like(slots)
    while True:
        free = (slots == empty).nonzero().flatten()[: len(waiting)]
        slots[free], waiting = waiting[: len(free)], waiting[len(free) :]
        used = slots != empty
        if not used.any():
            break
        x[free] = tokens[slots[free]].to(device)
        for part, start in zip(state, fresh):
            part[free] = start[free]
        steps[free] = 0
        if not len(waiting) and 2 * used.sum() <= len(slots):  # at the end, halve the batch
            slots, steps, x = slots[used], steps[used], x[used]
            state = tuple(part[used] for part in state)

        state, logits, q = model(x, state)
        state = own(state)
        steps = steps + 1
        done = steps >= segments
        if q is not None:
            solved = (q[:, 0] - q[:, 1] if model.config.q_learning else q[:, 0]).float().cpu()
            done = done | (solved.sigmoid() > sure)
        leaves = done & (slots != empty)
        left = slots[leaves]
        found.tokens[left] = logits.argmax(-1).to(found.tokens)[leaves]
        found.segments[left] = steps[leaves]
        if q is not None:
            found.q[left] = solved[leaves]
        slots[leaves] = empty
    model.train(was_training)
    return found


def evaluate(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    segments: int | None = None,
    batch: int = 64,
    dtype: torch.dtype = torch.float32,
) -> Evaluation:
    """Answer every puzzle of x (N, L) with all segments, as both official codes do, and compare
    with y (N, L).

    `segments` defaults to the model's own. x and y may live elsewhere than the model.
    """
    if not len(x):
        raise ValueError("there is no puzzle to evaluate on")
    was_training = model.training
    model.eval()
    segments = segments or model.config.segments
    device = next(model.parameters()).device
    solved, cells, q_halt, answers = [], torch.zeros(segments, dtype=torch.double), [], []
    for start in range(0, len(x), batch):
        rows = x[start : start + batch].to(device), y[start : start + batch].to(device)
        right, says = [], []
        for s, (logits, q, _) in enumerate(think(model, rows[0], segments, dtype=dtype)):
            cell, exact = correct_cells(logits, rows[1])
            cells[s] += cell.double().sum().cpu()
            right.append(exact.cpu())
            if q is not None:
                says.append((q[:, 0] - q[:, 1] if model.config.q_learning else q[:, 0]).cpu())
        solved.append(torch.stack(right, dim=1))
        answers.append(logits.argmax(-1).cpu())
        if says:
            q_halt.append(torch.stack(says, dim=1))
    model.train(was_training)
    solved = torch.cat(solved)
    return Evaluation(
        exact=solved.double().mean(0).tolist(),
        cell=(cells / len(x)).tolist(),
        answers=torch.cat(answers),
        q=torch.cat(q_halt) if q_halt else None,
        solved=solved,
    )
