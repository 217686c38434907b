"""A stand-in for a model, whose answers and q are known beforehand."""

from types import SimpleNamespace

import torch
import torch.nn.functional as F


class Scripted(torch.nn.Module):
    """Its answer is the number of the segment, or the puzzle's id where there is one; up to the
    question's first token: from then on it has settled.

    The question's second token says from which segment on q is quite sure; before, q only finds it
    likely.
    """

    def __init__(self, q_learning=False):
        super().__init__()
        self.config = SimpleNamespace(segments=8, q_learning=q_learning, vocab=200, length=2)
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.calls = []  # for each: what it was asked, in which dtype and mode

    def initial_state(self, batch, dtype):
        return (torch.zeros(batch, 1, dtype=dtype),)

    def forward(self, tokens, state, puzzle_ids=None):
        self.calls.append((tokens, state[0].dtype, self.training))
        seen = state[0] + 1
        count = seen[:, 0].long()
        said = torch.minimum(count, tokens[:, 0]) if puzzle_ids is None else puzzle_ids
        logits = F.one_hot(said[:, None].expand_as(tokens), 200).float()
        q = torch.where(count >= tokens[:, 1], 4.0, 1.0)
        # under Q-learning it is the difference that counts
        q = torch.stack((q - 10, 0 * q - 10) if self.config.q_learning else (q, -q), 1)
        return (seen,), logits, q


#                    settles, sure from
MIXED = torch.tensor([[1, 1], [3, 2], [2, 5], [9, 3], [1, 9], [2, 8], [7, 7], [4, 1], [5, 4]])
