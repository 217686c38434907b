"""What a model does with puzzles: accuracy after every segment; answers that stop early."""

import math
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm

from tinyrec.carry import halting_logit, own
from tinyrec.losses import correct_cells
from tinyrec.puzzles import PuzzleSet, stream

SURE = 0.98  # q may stop a puzzle above this probability. In training 0.5 is enough; at test time
# that would stop too many puzzles at a wrong answer.


def wilson_interval(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share: `right` out of `n` (Wilson's score, sound near 0 and 1 too)."""
    p, shrink = right / n, 1 + z * z / n
    middle = (p + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # p lies between, whatever the rounding says
    return max(0.0, min(p, middle - half)), min(1.0, max(p, middle + half))


@dataclass
class Evaluation:
    """What a model did on N puzzles in S segments. Shares are between 0 and 1."""

    exact: list[float]  # share of puzzles with every cell right, after each segment
    cell: list[float]  # share of right cells, given cells included, after each segment
    answers: Tensor  # (N, L) tokens after the last segment
    q: Tensor | None  # (N, S) halting logit after each segment
    solved: Tensor  # (N, S) bool: every cell right

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the exact accuracy after the last segment."""
        return wilson_interval(int(self.solved[:, -1].sum()), len(self.solved))

    @property
    def segments_until_yes(self) -> float:
        """Segments until q first says "solved" (q > 0), or all S; the mean over the puzzles."""
        segments = self.solved.shape[1]
        if self.q is None:
            return float(segments)
        says = self.q > 0
        return torch.where(says.any(1), says.int().argmax(1) + 1, segments).double().mean().item()


def check_tokens(model: nn.Module, tokens: Tensor) -> None:
    """ValueError where these are no questions for this model."""
    c = model.config
    kind = tokens.dtype if torch.is_tensor(tokens) else type(tokens).__name__
    if kind != torch.long:
        raise ValueError(f"expected tokens, a tensor of torch.int64, not {kind}: encode")
    if tokens.ndim != 2 or tokens.shape[1] != c.length:
        raise ValueError(f"tokens are {tuple(tokens.shape)}; this model reads (N, {c.length})")
    if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) < c.vocab:
        raise ValueError(
            f"tokens from {int(tokens.min())} to {int(tokens.max())}; this model knows 0 to "
            f"{c.vocab - 1}"
        )


@contextmanager
def evaluating(model: nn.Module):
    """The model is in evaluation mode meanwhile, and then in the mode that it had."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


@torch.no_grad()
def think(
    model: nn.Module,
    tokens: Tensor,
    segments: int,
    puzzle_ids: Tensor | None = None,
    dtype: torch.dtype = torch.float32,
):
    """Run `segments` segments on tokens (B, L) and yield (logits, q, state) after each of them."""
    check_tokens(model, tokens)
    state = model.initial_state(len(tokens), dtype)
    for _ in range(segments):
        state, *said = model(tokens, state, puzzle_ids)
        state, (logits, q) = own(state), own(said)
        yield logits, q, state


def evaluate(
    model: nn.Module,
    puzzles: PuzzleSet,
    segments: int | None = None,
    batch: int = 64,
    dtype: torch.dtype = torch.float32,
    progress: bool = False,
) -> Evaluation:
    """Answer every puzzle with all segments, as both official codes do, and compare.

    `segments` defaults to the model's own. The puzzles may live elsewhere than the model.
    ValueError where there is none, or where they do not fit the model.
    """
    if not len(puzzles):
        raise ValueError("there is no puzzle to evaluate on")
    check_tokens(model, puzzles.x)
    segments = segments or model.config.segments
    device = next(model.parameters()).device
    cells = torch.zeros(segments, dtype=torch.double, device="cpu")
    solved, halting, answers = [], [], []
    with evaluating(model):
        for start in tqdm(range(0, len(puzzles), batch), disable=not progress, unit="batch"):
            rows = slice(start, start + batch)
            x, y = puzzles.x[rows].to(device), puzzles.y[rows].to(device)
            ids = None if puzzles.ids is None else puzzles.ids[rows].to(device)
            right, says = [], []
            for s, (logits, q, _) in enumerate(think(model, x, segments, ids, dtype)):
                cell, exact = correct_cells(logits, y)
                cells[s] += cell.cpu().double().sum()
                right.append(exact.cpu())
                if q is not None:
                    says.append(halting_logit(q, model.config).cpu())
            solved.append(torch.stack(right, dim=1))
            answers.append(logits.argmax(-1).cpu())
            if says:
                halting.append(torch.stack(says, dim=1))
    solved = torch.cat(solved)
    return Evaluation(
        exact=solved.double().mean(0).tolist(),
        cell=(cells / len(puzzles)).tolist(),
        answers=torch.cat(answers),
        q=torch.cat(halting) if halting else None,
        solved=solved,
    )


@dataclass
class Answers:
    """The answers to N puzzles, each after as many segments and attempts as it took."""

    tokens: Tensor  # (N, L)
    q: Tensor  # (N,) halting logit of the answer; nan: a model without q
    segments: Tensor  # (N,) run, of all attempts together
    attempts: Tensor  # (N,)


def answer(
    model: nn.Module,
    tokens: Tensor,
    segments: int | None = None,
    puzzle_ids: Tensor | None = None,
    batch: int = 64,
    sure: float = SURE,
    dtype: torch.dtype = torch.float32,
    attempts: int = 1,
    view: Callable | None = None,
    seed: int = 0,
    watch: Callable | None = None,
    progress: bool = False,
) -> Answers:
    """Answer every puzzle of tokens (N, L), stop early where the model may, and look again.

    A puzzle is done when q gives "solved" a probability above `sure`, at the latest after
    `segments` (default: the model's own). The official codes run all segments, as `evaluate` does.
    A model without q runs all segments here too.

    With `attempts` above 1, a puzzle that q is not sure of is looked at again as a random symmetric
    image of itself: `view(tokens, generator) -> (image, back)` is that of its family. Of its
    answers the one with the highest q stays. Nothing but q decides; the rules of the puzzle are not
    consulted.

    `watch(attempt, segment, tokens, q)` is called after each segment of a single puzzle, with its
    answer now (L,) and its halting logit, or None. ValueError for numbers out of range, for more
    attempts than one without a view or without a q, and where an answer is no number.
    """
    check_tokens(model, tokens)
    tokens = tokens.cpu()
    if batch < 1 or attempts < 1 or not 0 <= sure <= 1:
        raise ValueError(
            f"batch is {batch}, attempts {attempts} and sure {sure}; expected at least 1, 1, "
            "and 0 to 1"
        )
    if attempts > 1 and view is None:
        raise ValueError(f"attempts is {attempts}; more than one need a family's view")
    if watch and len(tokens) != 1:
        raise ValueError(f"{len(tokens)} puzzles; only a single one can be watched")
    how = dict(segments=segments or model.config.segments, batch=batch, sure=sure, dtype=dtype)
    how |= dict(progress=progress)
    with evaluating(model):
        best = one_attempt(model, tokens, puzzle_ids, watch=watching(watch, 1), **how)
        if attempts > 1 and best.q.isnan().any():
            raise ValueError(f"attempts is {attempts}; this model has no q to choose between them")
        for attempt in range(2, attempts + 1):
            rows = (best.q.sigmoid() <= sure).nonzero().flatten()
            if not len(rows):
                break
            image, back = view(tokens[rows], stream(seed, "view", attempt))
            ids = None if puzzle_ids is None else puzzle_ids[rows]
            again = one_attempt(model, image, ids, watch=watching(watch, attempt, back), **how)
            best.segments[rows] += again.segments
            best.attempts[rows] += 1
            better = again.q > best.q[rows]
            best.tokens[rows[better]] = back(again.tokens)[better]
            best.q[rows[better]] = again.q[better]
    return best


def watching(watch: Callable | None, attempt: int, back: Callable = torch.clone):
    if watch is None:
        return None
    return lambda segment, tokens, q: watch(attempt, segment, back(tokens)[0], q)


@torch.no_grad()
def one_attempt(
    model: nn.Module,
    tokens: Tensor,
    puzzle_ids: Tensor | None,
    segments: int,
    batch: int,
    sure: float,
    dtype: torch.dtype,
    watch: Callable | None,
    progress: bool,
) -> Answers:
    """ACT at test time: `batch` slots are kept full; the next puzzle takes the slot of one done."""
    device, n = next(model.parameters()).device, len(tokens)
    on_cpu = dict(device="cpu", dtype=torch.long)
    found = Answers(
        torch.empty_like(tokens, device="cpu"),
        torch.full((n,), math.nan, device="cpu"),
        torch.zeros(n, **on_cpu),
        torch.ones(n, **on_cpu),
    )
    waiting, empty = torch.arange(n, **on_cpu), n
    slots = torch.full((min(batch, n),), empty, **on_cpu)  # the puzzle in each slot
    fresh = model.initial_state(len(slots), dtype)
    state = own(fresh)
    x = torch.zeros(len(slots), tokens.shape[1], dtype=tokens.dtype, device=device)
    ids = None if puzzle_ids is None else torch.zeros(len(slots), dtype=torch.long, device=device)
    run = torch.zeros_like(slots)  # segments of the puzzle in each slot
    bar = tqdm(total=n, disable=not progress, unit="puzzle")
    while True:
        free = (slots == empty).nonzero().flatten()[: len(waiting)]
        slots[free], waiting = waiting[: len(free)], waiting[len(free) :]
        used = slots != empty
        if not used.any():
            break
        x[free] = tokens[slots[free]].to(device)
        if ids is not None:
            ids[free] = puzzle_ids[slots[free]].to(device)
        for part, start in zip(state, fresh, strict=True):
            part[free] = start[free]
        run[free] = 0
        if not len(waiting) and 2 * used.sum() <= len(slots):  # at the end, halve the batch
            slots, run, x = slots[used], run[used], x[used]
            ids = None if ids is None else ids[used]
            state = tuple(part[used] for part in state)

        state, logits, q = model(x, state, ids)
        state = own(state)
        answers = logits.argmax(-1).to(found.tokens)
        run = run + 1
        done = run >= segments
        says = None if q is None else halting_logit(q, model.config).float().cpu()
        if logits.isnan().any() or (q is not None and q.isnan().any()):
            raise ValueError("the model's answer is no number; its weights are broken")
        if says is not None:
            done = done | (says.sigmoid() > sure)
        if watch:
            watch(int(run[0]), answers, None if says is None else float(says[0]))
        leaves = done & (slots != empty)
        left = slots[leaves]
        found.tokens[left] = answers[leaves]
        found.segments[left] = run[leaves]
        if says is not None:
            found.q[left] = says[leaves]
        slots[leaves] = empty
        bar.update(len(left))
    bar.close()
    return found
