"""The official score: every image of a task votes, the two best answers are handed in.

As in the official evaluator, but for one thing: its votes of all evaluations of a run are pooled,
here those of one evaluation count.
"""

from collections import defaultdict
from typing import NamedTuple

import torch
from torch import Tensor

from tinyrec.puzzles import PuzzleSet
from tinyrec.puzzles.arc.views import Views


class Candidate(NamedTuple):
    """An answer to one question."""

    answer: Tensor  # (L,) as the task is, not as its images are
    votes: int
    q: float  # the mean, over its votes, of the probability that it is right
    right: bool


def candidates(
    views: Views, puzzles: PuzzleSet, answers: Tensor, q: Tensor | None
) -> dict[tuple[int, bytes], list[Candidate]]:
    """The answers to each question, best first: most votes, then the higher q.

    puzzles are questions under the images of their ids; answers (N, L) tokens; q (N,) halting
    logits or None. The keys are the number of the task and the question.
    """
    questions, given, truth = (
        views.undo(puzzles.ids, tokens) for tokens in (puzzles.x, answers, puzzles.y.clamp(min=0))
    )
    chance = torch.zeros(len(answers)) if q is None else q.double().sigmoid()
    votes: dict = defaultdict(lambda: defaultdict(list))
    for row, task in enumerate(views.task[puzzles.ids].tolist()):
        key = task, questions[row].numpy().tobytes()
        votes[key][given[row].numpy().tobytes()].append(row)
    found = {}
    for key, by_answer in votes.items():
        every = [
            Candidate(given[rows[0]], len(rows), chance[rows].mean().item(),
                      torch.equal(given[rows[0]], truth[rows[0]]))
            for rows in by_answer.values()
        ]  # fmt: skip
        found[key] = sorted(every, key=lambda c: (c.votes, c.q), reverse=True)
    return found


def share_solved(found: dict[tuple[int, bytes], list[Candidate]], tries: int) -> float:
    """The share of a task's questions that one of its `tries` best answers solves; the mean over
    the tasks.
    """
    tasks = defaultdict(list)
    for (task, _), best in found.items():
        tasks[task].append(any(candidate.right for candidate in best[:tries]))
    return sum(sum(solved) / len(solved) for solved in tasks.values()) / len(tasks)
