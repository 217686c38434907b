"""What a run and the commands report, computed again: puzzle by puzzle, with plain loops."""

import math

import torch

from tinyrec.puzzles import stream
from tinyrec.puzzles.sudoku import rules

SURE = 0.98


def segments_of(model, x, segments):
    """Answers and halting logits after each segment, puzzle by puzzle: (N, S, L) and (N, S)."""
    answers, says = [], []
    with torch.no_grad():
        for question in x:
            state, mine, q_mine = model.initial_state(1), [], []
            for _ in range(segments):
                state, logits, q = model(question[None], state, None)
                mine.append(logits[0].argmax(-1))
                q_mine.append(q[0, 0])
            answers.append(torch.stack(mine))
            says.append(torch.stack(q_mine))
    return torch.stack(answers), torch.stack(says)


def attempts_at(model, x, segments, attempts, seed=0):
    """For each puzzle its attempts: q, answer, segments run. Each stops where q is sure; where it
    never is, the next one looks at an image.
    """
    tried = [[] for _ in x]
    for attempt in range(1, attempts + 1):
        unsure = [n for n, done in enumerate(tried) if not done or chance(done[-1][0]) <= SURE]
        if not unsure:
            break
        image, back = x[unsure], torch.clone
        if attempt > 1:
            image, back = rules.view(x[unsure], stream(seed, "view", attempt))
        answers, says = segments_of(model, image, segments)
        ends = [
            next((s for s in range(segments) if chance(q[s]) > SURE), segments - 1) for q in says
        ]
        answers = back(torch.stack([mine[end] for mine, end in zip(answers, ends, strict=True)]))
        for n, q, answer, end in zip(unsure, says, answers, ends, strict=True):
            tried[n].append((float(q[end]), answer, end + 1))
    return tried


def chance(q) -> float:
    return 1 / (1 + math.exp(-float(q)))


def surest(tried) -> torch.Tensor:
    """Of each puzzle's attempts the answer with the highest q: (N, L)."""
    return torch.stack([max(attempts, key=lambda one: one[0])[1] for attempts in tried])


def mean(numbers) -> float:
    numbers = [float(number) for number in numbers]
    return sum(numbers) / len(numbers)


def shares(answers, y) -> dict:
    """Exact, cell and the interval, counted one by one."""
    pairs = list(zip(answers.tolist(), y.tolist(), strict=True))
    right = [answer == wanted for answer, wanted in pairs]
    cells = [a == b for answer, wanted in pairs for a, b in zip(answer, wanted, strict=True)]
    interval = wilson(sum(right), len(right))
    return {"exact": mean(right), "cell": mean(cells), "interval_95": interval, "n": len(right)}


def wilson(right: int, n: int) -> list[float]:
    """The two roots p of (right / n - p)^2 = 1.96^2 p (1 - p) / n."""
    a, b, c = 1 + 1.96**2 / n, -2 * right / n - 1.96**2 / n, (right / n) ** 2
    root = math.sqrt(b * b - 4 * a * c)
    return [(-b - root) / (2 * a), (-b + root) / (2 * a)]
