"""Stablemax and softmax cross-entropy, the loss of a segment, and the metrics over the slots that
halted.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from tinyrec.carry import Carry, Outputs
from tinyrec.puzzles import IGNORE


def log_stablemax(logits: Tensor) -> Tensor:
    """log(s(x) / sum s(x)) over the last axis with s(x) = x + 1 for x >= 0 and 1 / (1 - x) below
    (arXiv 2501.04697).
    """
    s = torch.where(logits < 0, 1 / (1 - logits.clamp(max=0)), logits + 1)
    return torch.log(s / s.sum(-1, keepdim=True))


def cell_losses(
    logits: Tensor, labels: Tensor, kind: str = "stablemax", smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy of each cell: logits (B, L, vocab), labels (B, L) -> (B, L), zero where a label
    is IGNORE. `smoothing` is the share of a label that goes to all tokens alike.

    "stablemax" is computed in float64, as in the official code, where the device has it (Apple's
    GPUs have not); "softmax" in float32.
    """
    if kind == "stablemax":
        wide = torch.float32 if logits.device.type == "mps" else torch.float64
        log_p = log_stablemax(logits.to(wide))
    elif kind == "softmax":
        log_p = F.log_softmax(logits.float(), dim=-1)
    else:
        raise ValueError(f"unknown loss {kind!r}; expected 'stablemax' or 'softmax'")
    scored = labels != IGNORE
    chosen = log_p.gather(-1, labels.masked_fill(~scored, 0).unsqueeze(-1)).squeeze(-1)
    if smoothing:
        chosen = (1 - smoothing) * chosen + smoothing * log_p.mean(-1)
    return -chosen.masked_fill(~scored, 0)


def correct_cells(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Share of right cells (B,) and whether every scored cell is right (B,), given cells counted
    too.
    """
    scored = labels != IGNORE
    right = scored & (logits.argmax(-1) == labels)
    count = scored.sum(-1)
    return right.sum(-1) / count.clamp(min=1), right.sum(-1) == count


def segment_loss(
    carry: Carry,
    outputs: Outputs,
    kind: str = "stablemax",
    halt_weight: float = 0.5,
    smoothing: float = 0.0,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of one segment, per slot of the batch, and sums to log.

    loss = mean over slots of (mean cell loss + halt_weight * BCE(q_halt, "every cell right")
                                              + halt_weight * BCE(q_continue, target), Q-learning
                                              only).
    The metrics are sums, as in the official code: cell_loss, halt_loss, continue_loss over all
    slots; count, cell, exact, halt_right and segments over the slots that halted at this step.
    """
    labels, halted = carry.puzzles.y, carry.halted
    cell, exact = correct_cells(outputs.logits.detach(), labels)
    scored = (labels != IGNORE).sum(-1)
    counted = halted & (scored > 0)
    losses = cell_losses(outputs.logits, labels, kind, smoothing)
    cell_loss = (losses.sum(-1) / scored.clamp(min=1)).sum()
    metrics = {
        "count": counted.sum(),
        "cell": (cell * counted).sum(),
        "exact": (exact & counted).sum(),
        "segments": (carry.segments * counted).sum(),
        "cell_loss": cell_loss.detach(),
    }
    loss = cell_loss
    if outputs.q is not None:
        q_halt = outputs.q[:, 0]
        halt_loss = F.binary_cross_entropy_with_logits(
            q_halt, exact.to(q_halt.dtype), reduction="sum"
        )
        metrics["halt_loss"] = halt_loss.detach()
        metrics["halt_right"] = (((q_halt >= 0) == exact) & counted).sum()
        loss = loss + halt_weight * halt_loss
    if outputs.target_continue is not None:
        continue_loss = F.binary_cross_entropy_with_logits(
            outputs.q[:, 1], outputs.target_continue, reduction="sum"
        )
        metrics["continue_loss"] = continue_loss.detach()
        loss = loss + halt_weight * continue_loss
    return loss / len(labels), metrics
