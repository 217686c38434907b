"""Chapter 13: a step of the table of puzzle ids, and the two tries."""

import math
from collections import Counter, defaultdict

import numpy as np

from tinyrec.exercises import (
    as_array,
    check,
    expect,
    given,
    listed,
    tensors_or_arrays,
)


@check
@tensors_or_arrays
def table_step(f, array) -> None:
    """f(row, gradients, lr, decay), row (d,) of the table and the gradients (n, d) that a batch has
    for it -> the row after a step of SignSGD.
    """
    w, g = [1.0, -2.0, 0.5, 0.0], [[3.0, -1.0, 0.0, 2.0], [-1.0, -1.0, 0.0, 1.0], [-1, 3, 0, 1.0]]
    row, gradients = array(w), array(g)
    value = as_array(f(row, gradients, 0.1, 0.5), "code that returns the new row")
    expect(
        row.tolist() == w and gradients.tolist() == g,
        "the row or its gradients were changed; compute into a new one",
    )
    expect(value.shape == (4,), f"one row was expected, (4,), not {value.shape}")
    w, total = np.array(w), np.sum(g, 0)

    def is_close(other):
        return np.allclose(value, other, rtol=0, atol=1e-6)

    expect(
        not is_close(0.95 * w - 0.1 * np.sign(g).sum(0)),
        "that adds up the signs; add up the gradients first, and take the sign of the sum",
    )
    expect(
        not is_close(0.95 * w - 0.1 * total),
        "that is plain gradient descent: only the sign of the sum counts",
    )
    expect(not is_close(w - 0.1 * np.sign(total)), "the decay is missing: w * (1 - lr * decay)")
    expect(
        not is_close(0.5 * w - 0.1 * np.sign(total)),
        "the decay is too strong; it is multiplied by the learning rate: w * (1 - lr * decay)",
    )
    expect(not is_close(0.95 * w + 0.1 * np.sign(total)), "that walks uphill; subtract the sign")
    wanted = 0.95 * w - 0.1 * np.sign(total)
    expect(is_close(wanted), f"expected {listed(wanted)}, got {listed(value)}")
    value = as_array(f(array([1.0, 1.0]), array([[2.0, -5.0]]), 0.5, 0.0), "the new row")
    expect(
        value.shape == (2,) and np.allclose(value, [0.5, 1.5]),
        "right for lr = 0.1 and decay = 0.5, but not for 0.5 and 0 with a single gradient; use the "
        "numbers that the function is given",
    )


def _signs(gradients):
    """-1, 0 or 1 for the sum, of tensors and arrays alike."""
    total = gradients.sum(0)
    return (total > 0) * 1.0 - (total < 0) * 1.0


def _in_the_row(row, gradients, lr, decay):
    row *= 1 - lr * decay
    row -= lr * _signs(gradients)
    return row


table_step.right = [
    lambda row, g, lr, decay: row * (1 - lr * decay) - lr * g.sum(0).sign(),
    lambda row, g, lr, decay: row - lr * (decay * row + np.sign(g.sum(0))),
    lambda row, g, lr, decay: [
        w * (1 - lr * decay) - lr * float(np.sign(float(sum(c))))
        for w, c in zip(row, g.T)  # noqa: B905
    ],
]
table_step.wrong = [
    ("were changed", _in_the_row),
    ("(4,), not (3, 4)", lambda row, g, lr, decay: row * (1 - lr * decay) - lr * g.sign()),
    ("adds up the signs", lambda row, g, lr, d: row * (1 - lr * d) - lr * g.sign().sum(0)),
    ("plain gradient descent", lambda row, g, lr, d: row * (1 - lr * d) - lr * g.sum(0)),
    ("the decay is missing", lambda row, g, lr, d: row - lr * g.sum(0).sign()),
    ("the decay is too strong", lambda row, g, lr, d: row * (1 - d) - lr * g.sum(0).sign()),
    ("walks uphill", lambda row, g, lr, d: row * (1 - lr * d) + lr * g.sum(0).sign()),
    ("got [1, -2, 0.5, 0]", lambda row, g, lr, d: row + 0),
    ("use the numbers", lambda row, g, lr, d: row * 0.95 - 0.1 * g.sum(0).sign()),
    ("your code raised TypeError", lambda row: row),
]


@check
def two_tries(f) -> None:
    """f(answers, q), the answers to one question under its images (grids as text) and the halting
    logits of each -> the two to hand in: most votes first, then the higher mean probability.
    """
    for answers, q, wanted, why in CASES:
        found = given(f(list(answers), list(q)), "code that returns the two answers")
        expect(
            isinstance(found, (list, tuple)) and all(isinstance(one, str) for one in found),
            f"a list of answers was expected, not {found!r}"[:200],
        )
        expect(
            list(found) == wanted,
            f"for {answers} with q = {q} expected {wanted}, got {list(found)}; {why}"[:300],
        )


CASES = [
    ("BAABA", [0.0, 1, 0, 0, 0], ["A", "B"], "A has three votes, B two"),
    ("CABAB", [9.0, 0, 0, 0, 1], ["B", "A"], "votes count first: C is sure, but alone"),
    ("AABBC", [0.2, 0.2, 9.0, -7.0, 0], ["A", "B"],
     "the mean is that of the probabilities: 0.550 against 0.500"),
    ("AAAA", [1.0, 1, 1, 1], ["A"], "there is only one answer to hand in"),
]  # fmt: skip


def _ranked(answers, q, score):
    votes = defaultdict(list)
    for answer, logit in zip(answers, q, strict=True):
        votes[answer].append(logit)
    return sorted(votes, key=lambda answer: score(votes[answer]), reverse=True)


def _probability(logits):
    return sum(1 / (1 + math.exp(-logit)) for logit in logits) / len(logits)


def _by_votes_and_q(answers, q):
    return _ranked(answers, q, lambda logits: (len(logits), _probability(logits)))[:2]


two_tries.right = [
    _by_votes_and_q,
    lambda answers, q: tuple(_by_votes_and_q(answers, q)),
    lambda answers, q: _ranked(answers, q, lambda each: 99 * len(each) + _probability(each))[:2],
]
two_tries.wrong = [
    ("expected ['B', 'A'], got ['B', 'A', 'C']",
     lambda answers, q: _ranked(answers, q, lambda each: (len(each), _probability(each)))),
    ("a list of answers was expected", lambda answers, q: Counter(answers).most_common(2)),
    ("a list of answers was expected, not 'A'", lambda answers, q: "A"),
    ("expected ['A', 'B'], got ['B', 'A']", lambda answers, q: list(dict.fromkeys(answers))[:2]),
    ("C is sure, but alone", lambda answers, q: _ranked(answers, q, max)[:2]),
    ("expected ['B', 'A'], got ['A', 'B']",
     lambda answers, q: [one for one, _ in Counter(answers).most_common(2)]),
    ("the mean is that of the probabilities",
     lambda answers, q: _ranked(answers, q, lambda each: (len(each), sum(each) / len(each)))[:2]),
    ("expected ['A'], got ['A', 'A']", lambda answers, q: (2 * _by_votes_and_q(answers, q))[:2]),
    ("your code raised TypeError", lambda answers: answers),
]  # fmt: skip
