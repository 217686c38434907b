"""Deep supervision and adaptive computation time: the persistent carry, once, for every model.

There is no loop over segments in training. One training step is one segment for every slot of the
batch. A slot whose puzzle has halted takes a new puzzle and the initial state at the start of the
next step; the others keep theirs. So one batch holds puzzles at different depths.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class Carry:
    """What survives a segment: B slots, each with its puzzle, its state and its count of segments."""

    state: tuple[Tensor, ...]  # each (B, ...): the model's own
    tokens: Tensor  # (B, L) question of each slot
    labels: Tensor  # (B, L) answer of each slot, -100 where there is none
    puzzle_ids: Tensor | None  # (B,)
    steps: Tensor  # (B,) segments that the slot's puzzle has had
    halted: Tensor  # (B,) bool: takes a new puzzle at the next step


@dataclass
class Outputs:
    """What a segment says about each slot."""

    logits: Tensor  # (B, L, vocab)
    q: Tensor | None  # (B, 2) halt and continue, or None where a model has no say in halting
    target_continue: Tensor | None  # (B,) Q-learning's target for q_continue


def empty_carry(
    model: nn.Module,
    tokens: Tensor,
    labels: Tensor,
    puzzle_ids: Tensor | None = None,
    dtype: torch.dtype = torch.float32,
) -> Carry:
    """A carry whose slots have all halted, so that the first step fills every one. Shapes are taken
    from a batch.
    """
    slots = len(tokens)
    return Carry(
        model.initial_state(slots, dtype),
        tokens,
        labels,
        puzzle_ids,
        steps=torch.zeros(slots, dtype=torch.long, device=tokens.device),
        halted=torch.ones(slots, dtype=torch.bool, device=tokens.device),
    )


def refill(
    model: nn.Module, carry: Carry, tokens: Tensor, labels: Tensor, puzzle_ids: Tensor | None = None
) -> Carry:
    """Give every halted slot the puzzle at its own row of the batch offered, the initial state and
    a count of zero.
    """

    def take(new: Tensor, old: Tensor) -> Tensor:
        return torch.where(carry.halted.view(-1, *[1] * (new.dim() - 1)), new, old)

    fresh = model.initial_state(len(tokens), carry.state[0].dtype)
    return Carry(
        state=tuple(take(new, old) for new, old in zip(fresh, carry.state)),
        tokens=take(tokens, carry.tokens),
        labels=take(labels, carry.labels),
        puzzle_ids=None if puzzle_ids is None else take(puzzle_ids, carry.puzzle_ids),
        steps=carry.steps.masked_fill(carry.halted, 0),
        halted=torch.zeros_like(carry.halted),
    )


def draw_minimum(
    slots: int,
    segments: int,
    exploration: float = 0.1,
    generator: torch.Generator | None = None,
    device: torch.device | None = None,
) -> Tensor:
    """The fewest segments (slots,) that each slot must have had at this step before it may halt.

    With probability `exploration` it is drawn uniformly from 2..segments, otherwise it is 0. Drawn
    anew at each step.
    """
    if segments == 1:
        return torch.zeros(slots, dtype=torch.long, device=device)
    draw = dict(device=device, generator=generator)
    explores = torch.rand(slots, **draw) < exploration
    return explores * torch.randint(2, segments + 1, (slots,), **draw)


def segment(model: nn.Module, carry: Carry, minimum: Tensor | None = None) -> tuple[Carry, Outputs]:
    """One training segment for every slot of a refilled carry; decides who halts.

    A slot halts at `segments`, or where q says so: q_halt > 0, or q_halt > q_continue under
    Q-learning; but q is not heard before the slot has had `minimum` segments (B,), see
    `draw_minimum`. None: q is always heard.
    """
    c = model.config
    state, logits, q = model(carry.tokens, carry.state, carry.puzzle_ids)
    steps = carry.steps + 1
    last = steps >= c.segments
    halted, target = last, None
    if q is not None and c.segments > 1:
        with torch.no_grad():
            halted = last | (q[:, 0] > (q[:, 1] if c.q_learning else 0))
            if minimum is not None:
                halted = halted & (steps >= minimum)
            if c.q_learning:  # one more forward pass on the new carry
                _, _, after = model(carry.tokens, state, carry.puzzle_ids)
                target = torch.where(last, after[:, 0], after.amax(-1)).sigmoid()
    return Carry(state, carry.tokens, carry.labels, carry.puzzle_ids, steps, halted), Outputs(
        logits, q, target
    )
