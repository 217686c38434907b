"""What a model answers to one puzzle, segment by segment."""

import numpy as np
import torch

from tinyrec.evaluate import think
from tinyrec.show import families


def tokens_by_segment(model, x, segments=None, dtype=torch.float32, puzzle_ids=None):
    """As `thinking`, with the answers as tokens (S, L) on the CPU."""
    x = x.to(next(model.parameters()).device)[None]  # (1, L)
    steps = think(model, x, segments or model.config.segments, puzzle_ids, dtype=dtype)
    answers, q = zip(*((logits[0].argmax(-1), q) for logits, q, _ in steps), strict=True)
    answers = torch.stack(answers).cpu()  # (S, L)
    if q[0] is None:
        return answers, None
    q = torch.cat(q).float().cpu()  # (S, 2)
    q = q[:, 0] - q[:, 1] if model.config.q_learning else q[:, 0]
    return answers, q.numpy()


def thinking(
    model, x, segments=None, dtype=torch.float32, puzzle_ids=None, family="sudoku"
) -> tuple[np.ndarray, np.ndarray | None]:
    """The answer to one puzzle after each of S segments, and how sure the model is of it.

    x: tokens (L,) of the question; segments: S, by default the model's own; puzzle_ids (1,).
    Returns answers (S, L) as the family draws them, for Sudoku digits, and q (S,), the halting
    logits, under Q-learning halt minus continue; None for a model without them.
    `StepPlayer` and `steps_figure` show both.
    """
    answers, q = tokens_by_segment(model, x, segments, dtype, puzzle_ids)
    return families.find(family).values(answers), q
