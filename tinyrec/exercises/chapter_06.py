"""Chapter 6: the target of q_continue, calibration, a price on time."""

import math

import numpy as np
import torch

from tinyrec.exercises import as_array, as_number, check, expect, listed, near, tensors_or_arrays


def _sigmoid(q):
    return 1 / (1 + np.exp(-np.asarray(q)))


@check
@tensors_or_arrays
def continue_target(f, array) -> None:
    """f(next_halt, next_continue, last), logits (B,), logits (B,), bool (B,) -> targets (B,)."""
    halt, going_on = [-2.0, 1.0, -3.0, 0.5], [-1.0, -1.5, 2.0, -0.5]
    last = [False, False, True, True]
    inputs = array(halt), array(going_on), array(last)
    value = as_array(f(*inputs), "code that returns the targets")
    kept = [part.tolist() for part in inputs] == [halt, going_on, last]
    expect(kept, "what was given has been changed; compute into new tensors")
    expect(
        value.shape == (4,),
        f"one target for each slot was expected, the shape (4,), not {value.shape}",
    )
    best = np.maximum(halt, going_on)
    wanted = np.where(last, halt, best)

    def is_close(other):
        return np.allclose(value, other, rtol=0, atol=1e-6)

    expect(not is_close(wanted), "these are logits; a target is a probability, so take the sigmoid")
    expect(
        not is_close(_sigmoid(best)),
        "at the limit there is no choice left: where `last`, q_halt alone counts",
    )
    expect(
        not is_close(_sigmoid(np.where(last, best, halt))),
        "the other way round: where `last`, q_halt alone; elsewhere the larger of the two",
    )
    expect(
        not is_close(_sigmoid(halt)),
        "before the limit the better action counts, the larger of the two",
    )
    expect(
        not is_close(_sigmoid(np.where(last, going_on, best))),
        "at the limit it is q_halt that counts, not q_continue",
    )
    wanted = _sigmoid(wanted)
    expect(is_close(wanted), f"expected {listed(wanted)}, got {listed(value)}")
    value = as_array(f(*(array(part[::-1][:3]) for part in (halt, going_on, last))), "the targets")
    expect(
        value.shape == (3,) and is_close(wanted[::-1][:3]),
        "right for four slots of which the last two are at the limit, but not for three others; "
        "use `last`",
    )


def _target(halt, going_on, last):
    return torch.where(last, halt, torch.maximum(halt, going_on)).sigmoid()


def _by_loop(halt, going_on, last):
    return [
        1 / (1 + math.exp(-(h if end else max(h, c))))
        for h, c, end in zip(halt, going_on, last, strict=True)
    ]


def _overwrite(halt, going_on, last):
    halt[:] = torch.maximum(halt, going_on)
    return halt.sigmoid()


continue_target.right = [
    _target,
    _by_loop,
    lambda h, c, last: torch.where(last, h.sigmoid(), torch.stack((h, c)).amax(0).sigmoid()),
    lambda h, c, last: _sigmoid(np.where(last, h, np.maximum(h, c))),
    lambda h, c, last: torch.maximum(h, c.masked_fill(last, -math.inf)).sigmoid(),
]
continue_target.wrong = [
    ("what was given has been changed", _overwrite),
    ("the shape (4,), not (2, 4)", lambda h, c, last: torch.stack((h, c)).sigmoid()),
    ("the shape (4,), not ()", lambda h, c, last: torch.max(torch.stack((h, c))).sigmoid()),
    ("take the sigmoid", lambda h, c, last: torch.where(last, h, torch.maximum(h, c))),
    ("no choice left", lambda h, c, last: torch.maximum(h, c).sigmoid()),
    ("the other way round", lambda h, c, last: _target(h, c, ~last)),
    ("the larger of the two", lambda h, c, last: h.sigmoid()),
    ("not q_continue", lambda h, c, last: torch.where(last, c, torch.maximum(h, c)).sigmoid()),
    (
        "expected [0.2689, 0.7311, 0.04743, 0.6225], got [0.1192, 0.1824, 0.04743, 0.6225]",
        lambda h, c, last: torch.where(last, h, torch.minimum(h, c)).sigmoid(),
    ),
    ("got [1, 1, 1, 1]", lambda h, c, last: torch.ones(4)),
    ("but not for three others", lambda h, c, last: _target(h, c, torch.arange(len(h)) > 1)),
    ("but not for three others", lambda h, c, last: _target(*_first_ones())),
    ("numbers were expected, not a tuple", lambda h, c, last: (h, c.sigmoid() > 0.5, "no")),
    ("your code raised", lambda h, c, last: max(h, c)),
]


def _first_ones():
    return (
        torch.tensor([-2.0, 1.0, -3.0, 0.5]),
        torch.tensor([-1.0, -1.5, 2.0, -0.5]),
        torch.tensor([False, False, True, True]),
    )


@check
@tensors_or_arrays
def calibration_error(f, array) -> None:
    """f(said, right, bins), probabilities (N,) and bool (N,) -> the mean distance from the
    diagonal, each of `bins` equal bins weighted by how many answers are in it.
    """
    said = [0.05, 0.12, 0.18, 0.14, 0.55, 0.62, 0.93, 0.95, 0.97, 1.0]
    right = [False, False, True, False, True, False, True, True, True, False]
    inputs = array(said), array(right)
    value = as_number(f(*inputs, 10), "code that returns the error")
    expect(
        np.allclose(inputs[0], said) and inputs[1].tolist() == right,
        "what was given has been changed; compute into new tensors",
    )

    def bins_of(count, last=0):
        """(answers, mean said, share right) of each bin that is not empty."""
        where = np.minimum(np.floor(np.multiply(said, count)), count - 1 + last)
        rows = [np.flatnonzero(where == bin) for bin in range(count + 1)]
        return [(len(r), np.mean(np.take(said, r)), np.mean(np.take(right, r)))
                for r in rows if len(r)]  # fmt: skip

    def error(count, last=0):
        return sum(n * abs(p - share) for n, p, share in bins_of(count, last)) / len(said)

    gaps = [p - share for _, p, share in bins_of(10)]
    expect(
        not near(value, np.mean(np.abs(gaps))),
        "each bin counts by how many answers are in it; you gave all bins the same weight",
    )
    signed = sum(n * (p - share) for n, p, share in bins_of(10)) / len(said)
    expect(
        not near(abs(value), abs(signed)),
        "too high in one bin must not pay for too low in another: take the absolute value "
        "in each bin",
    )
    single = np.mean(np.abs(np.subtract(said, right)))
    expect(
        not near(value, single),
        "that compares each answer with 0 or 1; compare means, bin by bin",
    )
    expect(
        not near(value, error(10, last=1)), "an answer that says 1 belongs to the last bin as well"
    )
    expect(
        not near(value, np.max(np.abs(gaps))), "that is the worst bin; the mean of all was asked"
    )
    wanted = error(10)
    expect(near(value, wanted), f"with 10 bins expected {wanted:.4f}, got {value:.4f}")
    value = as_number(f(*inputs, 2), "the error")
    wanted = error(2)
    expect(near(value, wanted), f"right for 10 bins; with 2 expected {wanted:.4f}, got {value:.4f}")


def _error(said, right, bins, weigh=len, distance=abs, top=1):
    said, right = torch.as_tensor(said).double(), torch.as_tensor(right).double()
    where = (said * bins).long().clamp(max=bins - top)
    total = weight = 0
    for bin in range(bins + 1):
        inside = where == bin
        if inside.any():
            n = weigh(said[inside])
            total += n * distance(said[inside].mean() - right[inside].mean())
            weight += n
    return total / weight


def _by_sums(said, right, bins):
    where = np.minimum((np.asarray(said) * bins).astype(int), bins - 1)
    gap = np.bincount(where, np.asarray(said) - np.asarray(right, float))
    return np.abs(gap).sum() / len(where)


def _centres(said, right, bins):
    where = np.minimum((np.asarray(said) * bins).astype(int), bins - 1)
    return np.abs(np.bincount(where, (where + 0.5) / bins - np.asarray(right))).sum() / len(where)


def _sort_in_place(said, right, bins):
    out = _error(said, right, bins)
    said[:] = 0
    return out


calibration_error.right = [
    _error,
    _by_sums,
    lambda said, right, bins: _by_sums(said, right, bins).astype(np.float32),
    lambda said, right, bins: _error(said, right, bins)[None],
]
calibration_error.wrong = [
    ("what was given has been changed", _sort_in_place),
    ("the same weight", lambda *args: _error(*args, weigh=lambda rows: 1)),
    ("the absolute value", lambda *args: _error(*args, distance=lambda gap: gap)),
    ("the absolute value", lambda *args: _error(*args, distance=lambda gap: -gap)),
    ("each answer with 0 or 1", lambda said, right, bins: abs(said - right * 1.0).mean()),
    ("belongs to the last bin", lambda *args: _error(*args, top=0)),
    ("the worst bin", lambda said, right, bins: 0.62),
    ("got 0.2500", _centres),
    ("got 0.0000", lambda *args: 0),
    ("with 10 bins expected", lambda *args: _error(*args, distance=lambda gap: gap**2)),
    ("with 10 bins expected", lambda said, right, bins: ((said - right * 1.0) ** 2).mean()),
    ("with 10 bins expected", lambda said, right, bins: _error(said, right, bins + 1)),
    ("right for 10 bins", lambda said, right, bins: _error(said, right, 10)),
    ("one number was expected", lambda said, right, bins: said - right * 1.0),
    ("your code raised", lambda said, right, bins: _error(said, right)),
]


def _logit(p):
    return math.log(p / (1 - p))


@check
@tensors_or_arrays
def stops_at(f, array) -> None:
    """f(q, price), logits (N, S, 2) -> (N,): the first segment, from 1, where
    sigmoid(q_halt) > sigmoid(q_continue) - price, or S.
    """
    said = [
        [(0.5, 0.55), (0.9, 0.9), (0.1, 0.5)],
        [(0.1, 0.5), (0.1, 0.5), (0.1, 0.5)],
        [(0.6, 0.5), (0.6, 0.9), (0.7, 0.5)],
        [(0.98, 0.995), (0.2, 0.9), (0.2, 0.9)],
        [(0.2, 0.9), (0.6, 0.55), (0.2, 0.9)],
    ]
    logits = [[[_logit(p) for p in pair] for pair in row] for row in said]
    q = array(logits)
    before = q.tolist()
    value = as_array(f(q, 0.1), "code that returns the segments")
    expect(q.tolist() == before, "the q given was changed; compute into a new tensor")
    expect(
        value.shape == (5,),
        f"for q of shape (5, 3, 2), one segment for each puzzle was expected, (5,), not "
        f"{value.shape}",
    )
    found = value.tolist()
    for from_zero in ([0, 2, 0, 0, 1], [0, 3, 0, 0, 1], [0, 0, 0, 0, 1]):
        expect(found != from_zero, "segments are counted from 1; argmax counts from 0")
    expect(found != [1, 1, 1, 1, 2], "a puzzle that never stops uses all segments, not 1")
    expect(
        found != [2, 3, 1, 3, 2],
        "the price is taken from a probability, not from a logit: sigmoid first",
    )
    expect(
        found != [3, 3, 3, 3, 3],
        "the price makes going on worth less; you made halting worth less",
    )
    expect(
        found != [2, 3, 3, 1, 2], "a puzzle stops at the first such segment, not at the last one"
    )
    expect(found == [1, 3, 1, 1, 2], f"expected [1, 3, 1, 1, 2], got {listed(value)}")
    value = as_array(f(q, 0.0), "the segments")
    expect(
        value.tolist() != [2, 3, 1, 3, 2],
        "at a price of 0 it must be HRM's rule, in which a tie goes on: > and not >=",
    )
    expect(
        value.tolist() == [3, 3, 1, 3, 2],
        f"at a price of 0 expected [3, 3, 1, 3, 2], HRM's rule, got {listed(value)}",
    )
    value = as_array(f(array([[*row, row[-1]] for row in logits[1:3]]), 0.1), "the segments")
    expect(
        value.tolist() == [4, 1],
        f"right for 3 segments; for 2 puzzles and 4 segments expected [4, 1], got {listed(value)}",
    )


def _first(says, never=None):
    return torch.where(says.any(1), says.int().argmax(1) + 1, never or says.shape[1])


def _stop(q, price):
    return _first(q[..., 0].sigmoid() > q[..., 1].sigmoid() - price)


def _stop_by_loop(q, price):
    found = []
    for row in q.tolist():
        halts = [1 / (1 + math.exp(-h)) > 1 / (1 + math.exp(-c)) - price for h, c in row]
        found.append(halts.index(True) + 1 if any(halts) else len(row))
    return found


def _last_one(q, price):
    says = q[..., 0].sigmoid() > q[..., 1].sigmoid() - price
    last = says.shape[1] - says.flip(1).int().argmax(1)
    return torch.where(says.any(1), last, says.shape[1])


def _clear(q, price):
    out = _stop(q, price)
    q.zero_()
    return out


stops_at.right = [
    _stop,
    _stop_by_loop,
    lambda q, price: _first(-q.sigmoid().diff(dim=-1)[..., 0] > -price),
    lambda q, price: _stop(torch.as_tensor(q), price).numpy(),
]
stops_at.wrong = [
    ("the q given was changed", _clear),
    ("(5,), not (5, 3)", lambda q, price: q[..., 0].sigmoid() > q[..., 1].sigmoid() - price),
    ("(5,), not (5, 2)", lambda q, price: _first(q.sigmoid() > 0.5 - price)),
    ("counted from 1", lambda q, price: _stop(q, price) - 1),
    ("counted from 1", lambda q, price: (q.sigmoid()[..., 0] > q.sigmoid()[..., 1] - price).int()
     .argmax(1)),
    ("uses all segments, not 1", lambda q, price: (
        q.sigmoid()[..., 0] > q.sigmoid()[..., 1] - price).int().argmax(1) + 1),
    ("sigmoid first", lambda q, price: _first(q[..., 0] > q[..., 1] - price)),
    ("you made halting worth less", lambda q, price: _stop(q, -price)),
    ("not at the last one", _last_one),
    ("got [1, 2, 1, 1, 1]", lambda q, price: torch.tensor([1, 2, 1, 1, 1])),
    ("> and not >=", lambda q, price: _first(q[..., 0].sigmoid() >= q[..., 1].sigmoid() - price)),
    ("HRM's rule, got", lambda q, price: _stop(q, 0.1)),
    ("got [3, 1]", lambda q, price: _first(
        q[..., 0].sigmoid() > q[..., 1].sigmoid() - price, never=3)),
    ("your code raised", lambda q, price: _first(q[:, :, 2] > price)),
]  # fmt: skip
