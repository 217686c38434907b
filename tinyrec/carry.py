"""Deep supervision and adaptive computation time: the persistent carry, once, for every model.

There is no loop over segments in training. One training step is one segment for every slot of the
batch. A slot whose puzzle has halted takes a new puzzle and the initial state at the start of the
next step; the others keep theirs. So one batch holds puzzles at different depths.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tinyrec.puzzles import Batch


@dataclass
class Carry:
    """What survives a segment: B slots, each with its state, its puzzle, its count of segments."""

    state: tuple[Tensor, ...]  # each (B, ...): the model's own
    puzzles: Batch  # x, y (B, L), -100 in y where a cell has no label; ids (B,) or None
    segments: Tensor  # (B,) segments that the slot's puzzle has had
    halted: Tensor  # (B,) bool: takes a new puzzle at the next step

    def part(self, rows: slice) -> "Carry":
        """These slots alone."""
        state = tuple(part[rows] for part in self.state)
        return Carry(state, self.puzzles.part(rows), self.segments[rows], self.halted[rows])


@dataclass
class Outputs:
    """What a segment says about each slot."""

    logits: Tensor  # (B, L, vocab)
    q: Tensor | None  # (B, 2) halt and continue, or None where a model has no say in halting
    target_continue: Tensor | None  # (B,) Q-learning's target for q_continue


def join(parts: list[Carry]) -> Carry:
    """The slots of all parts, in their order."""
    if len(parts) == 1:
        return parts[0]
    ids = [part.puzzles.ids for part in parts]
    return Carry(
        tuple(map(torch.cat, zip(*(part.state for part in parts), strict=True))),
        Batch(
            torch.cat([part.puzzles.x for part in parts]),
            torch.cat([part.puzzles.y for part in parts]),
            None if ids[0] is None else torch.cat(ids),
        ),
        torch.cat([part.segments for part in parts]),
        torch.cat([part.halted for part in parts]),
    )


def empty_carry(model: nn.Module, batch: Batch, dtype: torch.dtype = torch.float32) -> Carry:
    """A carry whose slots have all halted, so that the first step fills every one."""
    slots, device = len(batch.x), batch.x.device
    return Carry(
        model.initial_state(slots, dtype),
        batch,
        segments=torch.zeros(slots, dtype=torch.long, device=device),
        halted=torch.ones(slots, dtype=torch.bool, device=device),
    )


def refill(model: nn.Module, carry: Carry, batch: Batch) -> Carry:
    """Every halted slot takes the puzzle at its own row of the batch, and starts anew with it."""

    def take(new: Tensor, old: Tensor) -> Tensor:
        return torch.where(carry.halted.view(-1, *[1] * (new.dim() - 1)), new, old)

    fresh = model.initial_state(len(batch.x), carry.state[0].dtype)
    return Carry(
        state=tuple(take(new, old) for new, old in zip(fresh, carry.state, strict=True)),
        puzzles=Batch(
            take(batch.x, carry.puzzles.x),
            take(batch.y, carry.puzzles.y),
            None if batch.ids is None else take(batch.ids, carry.puzzles.ids),
        ),
        segments=carry.segments.masked_fill(carry.halted, 0),
        halted=torch.zeros_like(carry.halted),
    )


def draw_minimum(
    slots: int, segments: int, exploration: float, generator: torch.Generator
) -> Tensor:
    """The fewest segments (slots,) that each slot must have had at this step before it may halt.

    With probability `exploration` it is drawn uniformly from 2..segments, otherwise it is 0. Drawn
    anew at each step, on the CPU.
    """
    if segments == 1:
        return torch.zeros(slots, dtype=torch.long, device="cpu")
    draw = dict(device="cpu", generator=generator)
    explores = torch.rand(slots, **draw) < exploration
    return explores * torch.randint(2, segments + 1, (slots,), **draw)


def halting_logit(q: Tensor, config) -> Tensor:
    """q (..., 2) -> the logit of "halt" (...): q_halt, or q_halt - q_continue under Q-learning."""
    return q[..., 0] - q[..., 1] if config.q_learning else q[..., 0]


def own(parts: Iterable[Tensor | None]) -> tuple[Tensor | None, ...]:
    """A copy: a model that runs as a CUDA graph writes its next results over those of this call."""
    return tuple(None if part is None else part.clone() for part in parts)


def segment(model: nn.Module, carry: Carry, minimum: Tensor | None = None) -> tuple[Carry, Outputs]:
    """One training segment for every slot of a refilled carry; decides who halts.

    A slot halts at `segments`, or where q says so: q_halt > 0, or q_halt > q_continue under
    Q-learning; but q is not heard before the slot has had `minimum` segments (B,), see
    `draw_minimum`. None: q is always heard.
    """
    c, puzzles = model.config, carry.puzzles
    state, logits, q = model(puzzles.x, carry.state, puzzles.ids)
    state, segments = own(state), carry.segments + 1
    last = segments >= c.segments
    halted, target = last, None
    if q is not None and c.segments > 1:
        with torch.no_grad():
            halted = last | (halting_logit(q, c) > 0)
            if minimum is not None:
                halted = halted & (segments >= minimum)
            if c.q_learning:  # one more forward pass on the new carry
                _, _, after = model(puzzles.x, state, puzzles.ids)
                target = torch.where(last, after[:, 0], after.amax(-1)).sigmoid()
    return Carry(state, puzzles, segments, halted), Outputs(logits, q, target)
