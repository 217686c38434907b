"""Chapter 8: stablemax, when to stop, and what a part is worth."""

from dataclasses import fields

import numpy as np
import torch

from tinyrec.exercises import as_array, check, expect, given, listed, tensors_or_arrays
from tinyrec.runs import load_run
from tinyrec.train import TrainConfig


@check
@tensors_or_arrays
def stablemax(f, array) -> None:
    """f(x), logits (..., V) -> probabilities on the last axis by s(x) / sum s(x)."""
    logits = [[2.0, 0.0, -3.0], [1.0, 0.5, -1.0]]
    wanted = np.array([[3, 1, 1 / 4], [2, 1.5, 1 / 2]]) / [[4.25], [4]]
    x = array(logits)
    value = as_array(f(x), "code that returns the probabilities")
    expect(x.tolist() == logits, "the logits given were changed; compute into a new tensor")
    expect(value.shape == (2, 3), f"the shape must stay that of x, (2, 3), not {value.shape}")

    def is_close(other):
        return np.allclose(value, other, rtol=0, atol=1e-5)

    e = np.exp(logits)
    expect(
        not is_close(e / e.sum(-1, keepdims=True)),
        "that is softmax; use s(x) in the place of exp(x)",
    )
    expect(not is_close(np.log(wanted)), "that is the logarithm of stablemax; leave out the log")
    expect(
        np.allclose(value.sum(-1), 1),
        "each row must add up to 1: divide by the sum over the last axis, keepdim=True",
    )
    expect(
        (value > 0).all(), "all probabilities must be above zero; for x < 0, s(x) is 1 / (1 - x)"
    )
    expect(
        is_close(wanted),
        f"for {listed(logits[0])} expected {listed(wanted[0])}, got {listed(value[0])}",
    )
    value = as_array(f(array([logits, logits[::-1]])), "the probabilities")
    expect(
        value.shape == (2, 2, 3) and is_close([wanted, wanted[::-1]]),
        "right for a table, but not for logits of shape (2, 2, 3); add up over the last axis, -1, "
        "whatever the shape",
    )
    x = torch.tensor(logits, requires_grad=True)
    value = f(x) if array is torch.tensor else x
    if torch.is_tensor(value) and value.requires_grad:
        (slope,) = torch.autograd.grad(value[..., 0].sum(), x)
        expect(
            slope.isfinite().all(),
            "the values are right, but the gradient at x = 1 is no number: 1 / (1 - x) is computed "
            "there too; clamp x first",
        )


def _normalised(s, axis=-1):
    return s / s.sum(axis, keepdim=True)


def _s(x):
    return torch.where(x >= 0, x + 1, 1 / (1 - x.clamp(max=0)))


def _by_mask(x):
    s = np.empty_like(x)
    s[x >= 0] = x[x >= 0] + 1
    s[x < 0] = 1 / (1 - x[x < 0])
    return s / s.sum(axis=-1, keepdims=True)


def _in_place(x):
    s = _s(x)
    x /= x
    return _normalised(s)


def _table(x):
    return [[3 / 4.25, 1 / 4.25, 0.25 / 4.25], [2 / 4, 1.5 / 4, 0.5 / 4]]


stablemax.right = [
    lambda x: _normalised(_s(x)),
    lambda x: _normalised(x.clamp(min=0) + 1 / (1 - x.clamp(max=0))).requires_grad_(),
    lambda x: _normalised(_s(x.double())).float(),
    lambda x: (_s(x).log() - _s(x).sum(-1, keepdim=True).log()).exp(),
    _by_mask,
]
stablemax.wrong = [
    ("the logits given were changed", _in_place),
    ("(2, 3), not (2,)", lambda x: _s(x).sum(-1)),
    ("that is softmax", lambda x: x.softmax(-1)),
    ("the logarithm of stablemax", lambda x: _normalised(_s(x)).log()),
    ("each row must add up to 1", _s),
    ("each row must add up to 1", lambda x: _normalised(_s(x), axis=0)),
    ("each row must add up to 1", lambda x: _s(x) / _s(x).sum()),
    ("each row must add up to 1", lambda x: _s(x) / _s(x).amax(-1, keepdim=True)),
    ("must be above zero", lambda x: _normalised(x + 1)),
    ("must be above zero", lambda x: _normalised(x.relu())),
    ("must be above zero", lambda x: _normalised(torch.where(x < 0, 1 / (1 + x / 2), x + 1))),
    ("got [0.6, 0.2, 0.2]", lambda x: _normalised(x.relu() + 1)),
    ("got [0.375, 0.125, 0.5]", lambda x: _normalised(x.abs() + 1)),
    ("got [0.3333, 0.3333, 0.3333]", lambda x: torch.full_like(x, 1 / 3)),
    ("got [0.7408, 0.2469, 0.01229]", lambda x: _normalised(torch.where(x < 0, x.exp(), x + 1))),
    ("got [0.7056, 0.2354, 0.05902]", lambda x: _normalised(_s(x) + 1e-3)),
    ("not for logits of shape (2, 2, 3)", lambda x: _normalised(_s(x), axis=1)),
    ("not for logits of shape (2, 2, 3)", _table),
    ("clamp x first", lambda x: _normalised(torch.where(x >= 0, x + 1, 1 / (1 - x)))),
    ("numbers were expected, not a tuple", lambda x: (_s(x), _s(x).sum(-1))),
    ("your code raised RuntimeError", lambda x: _s(x) / _s(x).sum(-1)),
]


@check
@tensors_or_arrays
def segments_used(f, array) -> None:
    """f(q), halting logits (N, S) -> (N,): the first segment, from 1, with q > 0, or S."""
    logits = [
        [-1.0, 2.0, -1.0, 3.0],
        [-1.0, -2.0, -3.0, -4.0],
        [0.5, 1.0, 1.0, 1.0],
        [-1.0, -1.0, -1.0, 9.0],
        [-2.0, 0.0, 1.0, -1.0],
    ]
    q = array(logits)
    value = as_array(f(q), "code that returns the segments used")
    expect(q.tolist() == logits, "the q given was changed; compute into a new tensor")
    expect(
        value.shape == (5,),
        f"for q of shape (5, 4), one count for each puzzle was expected, (5,), not {value.shape}",
    )
    found = value.tolist()
    for from_zero in ([1, 0, 0, 3, 2], [1, 4, 0, 3, 2]):
        expect(found != from_zero, "segments are counted from 1; argmax counts from 0")
    expect(
        found != [2, 1, 1, 4, 3],
        "a puzzle where q is never above 0 uses all segments, not 1; ask with .any(1)",
    )
    expect(
        found != [4, 4, 4, 4, 3], "a puzzle stops at the first segment where q > 0, not at the last"
    )
    expect(
        found != [4, 1, 2, 4, 3], "that is where q is largest; a puzzle stops at the first q > 0"
    )
    expect(
        found == [2, 4, 1, 4, 3], f"for q = {logits} expected [2, 4, 1, 4, 3], got {listed(value)}"
    )
    value = as_array(f(array([[-1.0, -2.0, -3.0], [0.5, 1.0, 1.0]])), "the segments used")
    expect(
        value.tolist() == [3, 1],
        "right for 5 puzzles and 4 segments; for 2 puzzles and 3 segments expected [3, 1], got "
        f"{listed(value)}. Take both numbers from q",
    )


def _first(q, never=None):
    says = q > 0
    return torch.where(says.any(1), says.int().argmax(1) + 1, never or q.shape[1])


def _by_loop(q):
    segments = []
    for row in q:
        positive = [segment for segment, logit in enumerate(row, 1) if logit > 0]
        segments.append(positive[0] if positive else len(row))
    return segments


def _with_numpy(q):
    says = q > 0
    return np.where(says.any(axis=1), says.argmax(axis=1) + 1, says.shape[1])


def _stop_at_the_end(q):
    q[:, -1] = 1
    return (q > 0).int().argmax(1) + 1


def _last(q):
    return torch.where((q > 0).any(1), q.shape[1] - (q > 0).flip(1).int().argmax(1), q.shape[1])


segments_used.right = [
    _first,
    _by_loop,
    _with_numpy,
    lambda q: 1 + ((q > 0).cumsum(1) == 0)[:, :-1].sum(1),
    lambda q: [min([*np.flatnonzero(row > 0) + 1, len(row)]) for row in q],
]
segments_used.wrong = [
    ("the q given was changed", _stop_at_the_end),
    ("(5,), not (4,)", lambda q: (q > 0).int().argmax(0) + 1),
    ("(5,), not (5, 1)", lambda q: _first(q)[:, None]),
    ("(5,), not ()", lambda q: _first(q).float().mean()),
    ("counted from 1", lambda q: (q > 0).int().argmax(1)),
    ("counted from 1", lambda q: torch.where((q > 0).any(1), _first(q) - 1, q.shape[1])),
    ("uses all segments, not 1", lambda q: (q > 0).int().argmax(1) + 1),
    ("not at the last", _last),
    ("where q is largest", lambda q: q.argmax(1) + 1),
    ("got [2, 4, 1, 4, 2]", lambda q: _first(q + 1e-9)),
    ("got [2, 5, 1, 4, 3]", lambda q: _first(q, never=5)),
    ("got [0, 0, 0, 0, 0]", lambda q: [0] * 5),
    ("got [1, 1, 1, 1, 1]", lambda q: [1] * 5),
    ("got [4, 4, 4, 4, 4]", lambda q: [4] * 5),
    ("expected [3, 1], got [2, 4, 1, 4, 3]", lambda q: [2, 4, 1, 4, 3]),
    ("expected [3, 1], got [4, 1]", lambda q: _first(q, never=4)),
    ("numbers were expected, not a tuple", lambda q: (_first(q), q > 0)),
    ("your code raised TypeError", lambda q: (q > 0).int().argmax(1) + "1"),
]


@check
def without(f) -> None:
    """f(part) -> the overrides of TrainConfig that switch a part off."""
    usual = load_run("sudoku-6x6").training
    for part, (setting, off) in PARTS.items():
        found = given(f(part), "code that returns a dict of settings")
        expect(isinstance(found, dict), f"return a dict, not a {type(found).__name__}")
        known = {field.name for field in fields(TrainConfig)}
        expect(
            found.keys() <= known,
            f"TrainConfig has no {', '.join(sorted(map(str, found.keys() - known)))}",
        )
        changed = {name for name, value in found.items() if value != getattr(usual, name)}
        expect(changed, f"without the {part} something must change; {found} changes nothing")
        expect(
            changed == {setting},
            f"the {part} hangs on {setting} alone; yours changes {', '.join(sorted(changed))}",
        )
        expect(
            found[setting] == off,
            f"{setting} = {found[setting]!r} does not switch the {part} off; {off!r} does",
        )


PARTS = {
    "average": ("ema", 0),
    "exploration": ("exploration", 0),
    "cooldown": ("cooldown", 0),
    "stablemax": ("loss", "softmax"),
}


def _off(part):
    return dict([PARTS[part]])


without.right = [
    _off,
    lambda part: {"loss": "softmax"} if part == "stablemax" else {PARTS[part][0]: 0.0},
    lambda part: {"learning_rate": 3e-3, **_off(part)},
]
without.wrong = [
    ("not a tuple", lambda part: PARTS[part]),
    ("TrainConfig has no average", lambda part: {part: 0}),
    ("changes nothing", lambda part: {}),
    ("changes nothing", lambda part: {PARTS[part][0]: 0.98}),
    ("hangs on ema alone; yours changes exploration", lambda part: {"exploration": 0}),
    ("yours changes ema, warmup", lambda part: {**_off(part), "warmup": 0}),
    ("does not switch the average off", lambda part: {PARTS[part][0]: 0.5}),
]
