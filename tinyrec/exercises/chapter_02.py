"""Chapter 2: the loop itself, and the gradient of its last turn."""

import torch

from tinyrec.exercises import as_array, check, expect, given, listed, near, tensors_or_arrays


@check
@tensors_or_arrays
def recurse(f, array) -> None:
    """f(step, x, y, loops) -> the answers after each of `loops` times y <- step(x, y)."""
    calls = []

    def step(x, y):
        calls.append((float(x), float(y)))
        return 2 * y + x

    y = array(2.0)
    value = as_array(f(step, array(1.0), y, 4), "code that returns the list of answers")
    expect(y == 2, "the first answer was changed in place; let each loop make a new one")
    expect(len(calls) == 4, f"step must be called once a loop, so 4 times, not {len(calls)}")
    expect(
        all(x == 1 for x, _ in calls), "the question x must go in first at every loop, unchanged"
    )
    expect(
        [y for _, y in calls] != [2, 2, 2, 2],
        "each loop must start from the last answer, not from the first",
    )
    expect(
        value.shape == (4,),
        f"one answer for each loop was expected, a list of 4; yours has the shape {value.shape}",
    )
    expect(
        value.tolist() == [5, 11, 23, 47],
        "with step(x, y) = 2 y + x, x = 1 and y = 2, four loops give [5, 11, 23, 47], not "
        f"{listed(value)}",
    )
    value = as_array(f(step, array(1.0), y, 2), "the list of answers")
    expect(
        value.tolist() == [5, 11],
        f"right for 4 loops, but 2 loops give [5, 11], not {listed(value)}; use `loops`",
    )


def _append(step, x, y, loops):
    answers = []
    for _ in range(loops):
        y = step(x, y)
        answers.append(y)
    return answers


def _stack(step, x, y, loops):
    return torch.stack(_append(step, x, y, loops))


def _clone(step, x, y, loops):
    answers = [y.clone()]
    while len(answers) <= loops:
        answers.append(step(x.clone(), answers[-1]))
    return answers[1:]


def _call_twice(step, x, y, loops):
    answers = []
    for _ in range(loops):
        answers.append(step(x, y))
        y = step(x, y)
    return answers


def _lose_the_question(step, x, y, loops):
    answers = []
    for _ in range(loops):
        answers.append(y := step(x, y))
        x = 0 * x
    return answers


def _keep_one_tensor(step, x, y, loops):
    answers = []
    for _ in range(loops):
        y.copy_(step(x, y))
        answers.append(y.clone())
    return answers


def _keep_the_last(step, x, y, loops):
    return _append(step, x, y, loops)[-1]


recurse.right = [
    _append,
    _stack,
    _clone,
    lambda step, x, y, loops: [y := step(x, y) for _ in range(loops)],
    lambda step, x, y, loops: [float(y) for y in _append(step, x.copy(), y, loops)],
]
recurse.wrong = [
    ("the first answer was changed", _keep_one_tensor),
    ("4 times, not 8", _call_twice),
    ("4 times, not 3", lambda step, x, y, loops: _append(step, x, y, loops - 1)),
    ("4 times, not 0", lambda step, x, y, loops: [5, 11, 23, 47]),
    ("the question x must go in", lambda step, x, y, loops: _append(step, 0 * x, y, loops)),
    (
        "the question x must go in",
        lambda step, x, y, loops: _append(lambda a, b: step(b, a), x, y, loops),
    ),
    ("the question x must go in", _lose_the_question),
    ("not from the first", lambda step, x, y, loops: [step(x, y) for _ in range(loops)]),
    ("yours has the shape ()", _keep_the_last),
    ("yours has the shape (5,)", lambda step, x, y, loops: [y, *_append(step, x, y, loops)]),
    ("not [47, 23, 11, 5]", lambda *args: _append(*args)[::-1]),
    ("not [3, 7, 15, 31]", lambda step, x, y, loops: _append(step, x, x, loops)),
    ("use `loops`", lambda step, x, y, loops: _append(step, x, y, 4)),
    ("numbers were expected, not a generator", lambda *args: (y for y in _append(*args))),
    ("your code raised TypeError", lambda step, x, y, loops: _append(step(x, y), x, y, loops)),
]


@check
def one_loop_gradient(f) -> None:
    """f(step, x, y, loops): as `recurse`, but only the last loop is differentiated; returns the
    last answer.
    """
    weight = torch.tensor(0.5, requires_grad=True)
    x, y = torch.tensor(1.0), torch.tensor(4.0)

    def last_answer(loops):
        value = f(lambda x, y: weight * y + x, x, y, loops)
        return given(value, "code that returns the last answer")

    out = last_answer(loops=3)
    expect(y == 4, "the first answer was changed in place; let each loop make a new one")
    expect(torch.is_tensor(out), f"return the answer itself, a tensor, not a {type(out).__name__}")
    expect(out.shape == (), f"return the last answer alone; yours has the shape {tuple(out.shape)}")
    expect(
        near(out.item(), 2.25),
        f"the answer must not change: three loops give 2.25, not {out.item():g}",
    )
    expect(
        out.requires_grad,
        "the last loop must carry a gradient; yours carries none. Is it outside of no_grad?",
    )
    (gradient,) = torch.autograd.grad(out, weight, allow_unused=True)
    expect(
        gradient is not None,
        "no gradient reaches the weights: the last call of step must be made with gradients on",
    )
    # With w = 0.5 the answers are 4, 3, 2.5, 2.25; each loop adds w times the gradient before it.
    expect(
        not near(gradient.item(), 2.5 + 0.5 * (3 + 0.5 * 4)),
        "the gradient still goes through all loops; detach y before the last",
    )
    expect(
        near(gradient.item(), 2.5),
        f"the last loop alone has a gradient of 2.5, yours is {gradient.item():g}; "
        "which loops does it go through?",
    )
    out = last_answer(loops=1)
    (gradient,) = torch.autograd.grad(out, weight)
    expect(
        near(out.item(), 3) and near(gradient.item(), 4),
        "right for 3 loops, but a single loop gives 3 and a gradient of 4, not "
        f"{out.item():g} and {gradient.item():g}; use `loops`",
    )


def _last(step, x, y, loops):
    with torch.no_grad():
        y = _all(step, x, y, loops - 1)
    return step(x, y)


def _detach_each(step, x, y, loops):
    for _ in range(loops):
        y = step(x, y.detach())
    return y


def _switch(step, x, y, loops):
    for loop in range(loops):
        with torch.set_grad_enabled(loop == loops - 1):
            y = step(x, y)
    return y


def _all(step, x, y, loops):
    for _ in range(loops):
        y = step(x, y)
    return y


def _last_two(step, x, y, loops):
    for loop in range(loops):
        y = step(x, y.detach() if loop < loops - 1 else y)
    return y


def _overwrite(step, x, y, loops):
    with torch.no_grad():
        for _ in range(loops - 1):
            y.copy_(step(x, y))
    return step(x, y)


def _write_gradient_only(step, x, y, loops):
    """The answer of one loop more, with the gradient of the last."""
    out = _last(step, x, y, loops)
    return out + (step(x, out) - out).detach()


def _no_gradient(*args):
    with torch.no_grad():
        return _all(*args)


def _half_the_gradient(*args):
    out = _last(*args)
    return (out + out.detach()) / 2


one_loop_gradient.right = [_last, _detach_each, _switch]
one_loop_gradient.wrong = [
    ("the first answer was changed", _overwrite),
    ("not a float", lambda *args: _last(*args).item()),
    ("not a list", lambda *args: [_last(*args)]),
    ("yours has the shape (1,)", lambda *args: _last(*args)[None]),
    ("three loops give 2.25, not 2.125", lambda step, x, y, n: _last(step, x, y, n + 1)),
    ("three loops give 2.25, not 2.5", lambda step, x, y, n: _last(step, x, y, n - 1)),
    ("three loops give 2.25, not 2.125", _write_gradient_only),
    ("yours carries none", _no_gradient),
    ("yours carries none", lambda *args: _last(*args).detach()),
    ("no gradient reaches the weights", lambda *args: _no_gradient(*args).requires_grad_()),
    ("still goes through all loops", _all),
    ("gradient of 2.5, yours is 4", _last_two),
    ("gradient of 2.5, yours is 1.25", _half_the_gradient),
    (
        "a single loop gives 3 and a gradient of 4, not 2.25 and 2.5",
        lambda step, x, y, loops: _last(step, x, y, 3),
    ),
    (
        "a single loop gives 3 and a gradient of 4, not 3 and 2",
        lambda *args: _last(*args) if args[-1] > 1 else _half_the_gradient(*args),
    ),
    ("your code raised TypeError", lambda step, x, y, loops: _last(step, x, y)),
]
