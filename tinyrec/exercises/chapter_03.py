"""Chapter 3: the cut between segments, what it saves, and which cells are judged."""

import torch
import torch.nn.functional as F

from tinyrec.cost import peak_bytes
from tinyrec.exercises import as_array, as_number, check, expect, given, listed, near
from tinyrec.models.naive import NaiveConfig, NaiveMLP
from tinyrec.puzzles import IGNORE


@check
def segment_losses(f) -> None:
    """f(step, loss, x, y, segments) -> the losses, each with the gradient of its own step alone."""
    weight = torch.tensor(0.5, requires_grad=True)
    x, y = torch.tensor(1.0), torch.tensor(4.0)

    def losses(segments):
        value = f(lambda x, y: weight * y + x, lambda y: 10 * y, x, y, segments)
        return given(value, "code that returns the list of losses")

    found = losses(segments=3)
    expect(isinstance(found, (list, tuple)), f"return a list, not a {type(found).__name__}")
    expect(len(found) == 3, f"three segments have three losses, yours are {len(found)}")
    values = as_array([float(each) for each in found], "the losses")
    expect(
        values.tolist() == [30, 25, 22.5],
        "with y <- 0.5 y + 1 from y = 4 and a loss of 10 y, the losses are [30, 25, 22.5], not "
        f"{listed(values)}",
    )
    expect(
        all(torch.is_tensor(each) and each.requires_grad for each in found),
        "a loss must carry the gradient of its own step; yours carry none",
    )
    slopes = [torch.autograd.grad(each, weight, retain_graph=True)[0].item() for each in found]
    # The answers before the steps are 4, 3, 2.5; uncut, each adds half of the slope before it.
    expect(
        not all(map(near, slopes, [40, 50, 50])),
        "the gradient of a loss still goes through the segments before it; cut y off",
    )
    expect(
        all(map(near, slopes, [40, 30, 25])),
        "the gradients of the three losses are [40, 30, 25], yours "
        f"{listed(as_array(slopes, 'slopes'))}; which steps do they go through?",
    )
    expect(len(losses(segments=2)) == 2, "right for 3 segments, but not for 2; use `segments`")


def _cut_before(step, loss, x, y, segments):
    losses = []
    for _ in range(segments):
        y = step(x, y.detach())
        losses.append(loss(y))
    return losses


def _cut_behind(step, loss, x, y, segments):
    losses = []
    for _ in range(segments):
        y = step(x, y)
        losses.append(loss(y))
        y = y.detach()
    return tuple(losses)


def _uncut(step, loss, x, y, segments):
    losses = []
    for _ in range(segments):
        y = step(x, y)
        losses.append(loss(y))
    return losses


def _cut_the_answer(step, loss, x, y, segments):
    losses = []
    for _ in range(segments):
        y = step(x, y).detach()
        losses.append(loss(y))
    return losses


def _cut_twice_only(step, loss, x, y, segments):
    losses = []
    for segment in range(segments):
        y = step(x, y.detach() if segment % 2 else y)
        losses.append(loss(y))
        y = y if segment else y.detach()
    return losses


segment_losses.right = [_cut_before, _cut_behind, lambda *args: list(_cut_before(*args))]
segment_losses.wrong = [
    ("return a list, not a Tensor", lambda *args: sum(_cut_before(*args))),
    ("yours are 1", lambda *args: _cut_before(*args)[-1:]),
    ("not [40, 30, 25]", lambda step, loss, x, y, n: [loss(y), *_cut_before(step, loss, x, y, 2)]),
    ("yours carry none", _cut_the_answer),
    ("cut y off", _uncut),
    ("yours [40, 30, 40]", _cut_twice_only),
    ("use `segments`", lambda step, loss, x, y, n: _cut_before(step, loss, x, y, 3)),
]


@check
def peak_memory(f) -> None:
    """f(loops, segments, call) -> the memory that a training step keeps at the most."""
    found = as_number(f(1, 1, 7.0), "a prediction")
    expect(near(found, 7.0), f"one segment of one loop keeps one call, 7 MB, not {found:g}")
    for loops, segments in ((4, 1), (1, 4), (2, 8)):
        measured = _in_calls(loops, segments)
        found = as_number(f(loops, segments, 1.0), "a prediction")
        expect(
            abs(found - measured) < 0.2 * measured,
            f"{segments} segments of {loops} loops keep {measured:.1f} calls' memory as measured, "
            f"you predict {found:g}",
        )


def _in_calls(loops: int, segments: int) -> float:
    """The peak of a small network's training step, in units of a single call's."""

    def peak(loops, segments):
        model = NaiveMLP(NaiveConfig(vocab=4, length=4, width=64, loops=loops))
        x = torch.ones(8, 4, dtype=torch.long)

        def step():
            state = model.initial_state(8)
            for _ in range(segments):
                state, logits, _ = model(x, state)
                F.cross_entropy(logits.flatten(0, 1), x.flatten()).backward()

        return peak_bytes(model, step)

    return peak(loops, segments) / peak(1, 1)


peak_memory.right = [
    lambda loops, segments, call: loops * call,
    lambda loops, segments, call: torch.tensor(loops) * call,
    lambda loops, segments, call: max(loops * call for _ in range(segments)),
]
peak_memory.wrong = [
    ("7 MB, not 1", lambda loops, segments, call: loops),
    (
        "4 segments of 1 loops keep 1.0 calls'",
        lambda loops, segments, call: loops * segments * call,
    ),
    ("1 segments of 4 loops keep 3.", lambda loops, segments, call: segments * call),
    ("you predict 1", lambda loops, segments, call: call),
]


@check
def blanks_only(f) -> None:
    """f(x, labels) -> the labels, IGNORE where x has a given digit."""
    x = torch.tensor([[1, 3, 1, 2], [4, 1, 2, 1]])
    labels = torch.tensor([[5, 3, 4, 2], [4, 3, 2, 5]])
    kept = x.clone(), labels.clone()
    found = given(f(x, labels), "code that returns the labels")
    expect(
        torch.equal(x, kept[0]) and torch.equal(labels, kept[1]),
        "x or labels was changed in place; make new labels",
    )
    expect(
        torch.is_tensor(found) and found.shape == labels.shape,
        "return a tensor of the shape of labels",
    )
    expect(
        found.dtype == labels.dtype,
        f"labels are whole numbers, {labels.dtype}; yours are {found.dtype}",
    )
    expect(
        not torch.equal(found, torch.where(x == 1, IGNORE, labels)),
        "you hid the blanks and judge the given cells; turn it round",
    )
    expect(
        torch.equal(found, torch.where(x == 1, labels, IGNORE)),
        f"for x = {x.tolist()[0]} and labels {labels.tolist()[0]} expected "
        f"{[5, IGNORE, 4, IGNORE]}, not {found.tolist()[0]}",
    )


def _fill(x, labels):
    labels = labels.clone()
    labels[x > 1] = IGNORE
    return labels


def _in_place(x, labels):
    labels[x > 1] = IGNORE
    return labels


blanks_only.right = [
    lambda x, labels: torch.where(x == 1, labels, -100),
    lambda x, labels: labels.masked_fill(x != 1, IGNORE),
    _fill,
]
blanks_only.wrong = [
    ("changed in place", _in_place),
    ("shape of labels", lambda x, labels: labels[x == 1]),
    ("yours are torch.float32", lambda x, labels: _fill(x, labels).float()),
    ("turn it round", lambda x, labels: labels.masked_fill(x == 1, IGNORE)),
    ("not [5, 0, 4, 0]", lambda x, labels: labels * (x == 1)),
    ("not [5, 3, 4, 2]", lambda x, labels: labels),
    ("not [5, -100, 4, 2]", lambda x, labels: labels.masked_fill(x > 2, IGNORE)),
]
