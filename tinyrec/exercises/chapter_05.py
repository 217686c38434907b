"""Chapter 5: the sum of powers, how much of it is enough, and a damped loop."""

import math

import torch

from tinyrec.exercises import as_array, as_number, check, expect, given, listed, near


@check
def series(f) -> None:
    """f(pull, v, terms) -> v + J^T v + (J^T)^2 v + ..., `terms` of them, where pull(w) = J^T w."""
    J = torch.tensor([[0.0, 1.0], [0.5, 0.25]])
    v, calls = torch.tensor([[1.0, 2.0]]), []

    def pull(w):
        calls.append(w)
        expect(torch.is_tensor(w), "pull takes and gives tensors, such as v")
        return w @ J

    def sum_of(terms):
        calls.clear()
        found = as_array(f(pull, v, terms), "code that returns the sum, shaped as v")
        expect(
            found.size == 2,
            f"a sum shaped as v was expected, (1, 2); yours has the shape {found.shape}",
        )
        return found.flatten()

    one = sum_of(1)
    expect(v.tolist() == [[1, 2]], "v was changed in place: write w = w + ..., not w += ...")
    expect(near(one[0], 1) and near(one[1], 2), f"one term is v itself, [1, 2], not {listed(one)}")
    four = sum_of(4)
    expect(
        not (near(four[0], 0.6875) and near(four[1], 1.09375)),
        "that is the last of the four terms; add all of them up",
    )
    expect(
        near(four[0], 3.4375) and near(four[1], 5.96875),
        f"with J = [[0, 1], [0.5, 0.25]] and v = [1, 2] four terms add up to [3.438, 5.969], not "
        f"{listed(four)}",
    )
    expect(
        len(calls) == 3,
        f"right, but with {len(calls)} products where 3 are enough for four terms: keep the last "
        "term, and pull that",
    )


def _terms(pull, v, terms):
    total = term = v
    for _ in range(terms - 1):
        term = pull(term)
        total = total + term
    return total


def _horner(pull, v, terms):
    w = v
    for _ in range(terms - 1):
        w = v + pull(w)
    return w


def _listed(pull, v, terms):
    found = [v]
    while len(found) < terms:
        found.append(pull(found[-1]))
    return torch.stack(found).sum(0)


def _in_place(pull, v, terms):
    total = v
    term = v.clone()
    for _ in range(terms):
        total += term
        term = pull(term)
    return total


def _powers(pull, v, terms):
    """Begins each power anew."""
    total = torch.zeros_like(v)
    for power in range(terms):
        term = v
        for _ in range(power):
            term = pull(term)
        total = total + term
    return total


def _last_term(pull, v, terms):
    for _ in range(terms - 1):
        v = pull(v)
    return v


def _forgets_to_go_on(pull, v, terms):
    total = v
    for _ in range(terms - 1):
        total = total + pull(v)
    return total


def _doubles(pull, v, terms):
    w = v
    for _ in range(terms - 1):
        w = w + pull(w)
    return w


series.right = [_terms, _horner, _listed, lambda *args: _terms(*args).tolist()]
series.wrong = [
    ("v was changed in place", _in_place),
    ("pull takes and gives tensors", lambda pull, v, terms: pull(v.tolist())),
    ("yours has the shape ()", lambda *args: _terms(*args).sum()),
    ("yours has the shape (4, 1, 2)", lambda pull, v, terms: torch.stack([v] * 4)),
    ("one term is v itself", lambda pull, v, terms: _terms(pull, v, terms + 1)),
    ("one term is v itself, [1, 2], not [0, 0]", lambda p, v, n: _terms(p, v, n) - v),
    ("the last of the four terms", _last_term),
    ("not [4, 6.5]", _forgets_to_go_on),
    ("not [6.938, 11.72]", _doubles),
    ("not [2.75, 4.875]", lambda pull, v, terms: _terms(pull, v, min(terms, 3))),
    ("with 6 products where 3 are enough", _powers),
    ("your code raised TypeError", lambda pull, v, terms: _terms(v, pull, terms + 1)),
]


@check
def cycles_needed(f) -> None:
    """f(radius, share) -> the fewest K with radius ** K at most `share`."""
    for radius, share, wanted in ((0.5, 0.1, 4), (0.9, 0.01, 44)):
        found = as_number(f(radius, share), "a formula with radius and share")
        expect(
            not near(found, wanted - 1),
            f"{wanted - 1} cycles leave {radius ** (wanted - 1):.3g} of it, more than {share}: "
            "round up",
        )
        expect(
            not near(found, math.log(share) / math.log(radius)),
            f"{found:.3g} is where the curve crosses {share}; cycles are whole: round up",
        )
        expect(
            near(found, wanted),
            f"with a radius of {radius} it takes {wanted} cycles until at most {share} is left "
            f"({radius}^{wanted} = {radius**wanted:.3g}), not {found:g}",
        )
    found = as_number(f(0.5, 0.25), "a formula")
    expect(near(found, 2), f"0.5^2 is 0.25 already: 2 cycles are enough, not {found:g}")


def _by_loop(radius, share):
    cycles = 0
    while radius**cycles > share:
        cycles += 1
    return cycles


cycles_needed.right = [
    _by_loop,
    lambda radius, share: math.ceil(math.log(share) / math.log(radius)),
    lambda radius, share: torch.tensor(math.log(share, radius)).ceil(),
]
cycles_needed.wrong = [
    ("round up", lambda radius, share: math.floor(math.log(share) / math.log(radius))),
    ("round up", lambda radius, share: round(math.log(share) / math.log(radius))),
    ("where the curve crosses", lambda radius, share: math.log(share) / math.log(radius)),
    ("not 0.301", lambda radius, share: math.log(radius) / math.log(share)),
    ("not 5", lambda radius, share: _by_loop(radius, share) + 1),
    ("not 10", lambda radius, share: 1 / share),
    ("not 9", lambda radius, share: (1 - share) / share),
    ("not 2", lambda radius, share: 1 / (1 - radius)),
    ("not 4", lambda radius, share: 4),
    ("2 cycles are enough, not 3", lambda radius, share: _while_not_less(radius, share)),
    ("your code raised TypeError", lambda radius: 4),
    ("not an array of shape (2,)", lambda radius, share: [4, 44]),
]


def _while_not_less(radius, share):
    cycles = 0
    while radius**cycles >= share:
        cycles += 1
    return cycles


@check
def damped(f) -> None:
    """f(cycle, share) -> a cycle that makes `share` of the move that `cycle` makes."""
    calls = []

    def cycle(x, state):
        calls.append((x, state))
        z_high, z_low = state
        return 2 * z_low + x, z_high - 1

    slow = f(cycle, 0.25)
    expect(given(slow, "code that returns a cycle") is not cycle, "return a new cycle, a function")
    expect(callable(slow), f"return a cycle, a function, not a {type(slow).__name__}")
    expect(not calls, "return the function; do not run the cycle yet")
    x, state = torch.tensor(1.0), (torch.tensor(4.0), torch.tensor(8.0))
    found = slow(x, state)
    expect(
        isinstance(found, tuple | list) and len(found) == 2,
        "the new cycle must give a state, (z_high, z_low), as the old one does",
    )
    expect(state[0] == 4 and state[1] == 8, "the state was changed in place; make new tensors")
    expect(
        len(calls) == 1,
        f"one damped cycle runs the cycle once; yours runs it {len(calls)} times",
    )
    high, low = (as_number(part, "numbers") for part in found)
    expect(
        not (near(high, 13.75) and near(low, 3.75 + 0.5)),
        "a quarter of the old state and three quarters of the new: it is the other way round",
    )
    expect(
        near(high, 7.25) and near(low, 6.75),
        "z_high 4 would go to 17 and z_low 8 to 3: a quarter of the way is 7.25 and 6.75, not "
        f"{high:g} and {low:g}",
    )
    high, low = (as_number(part, "numbers") for part in f(cycle, 1.0)(x, state))
    expect(
        near(high, 17) and near(low, 3),
        f"with a share of 1 it is the cycle itself, 17 and 3, not {high:g} and {low:g}",
    )


def _mixed(cycle, share):
    def move(x, state):
        new = cycle(x, state)
        return tuple(old + share * (z - old) for old, z in zip(state, new, strict=True))

    return move


def _lerp(cycle, share):
    return lambda x, state: [
        torch.lerp(old, new, share) for old, new in zip(state, cycle(x, state), strict=True)
    ]


def _two_sums(cycle, share):
    def move(x, state):
        high, low = cycle(x, state)
        return (1 - share) * state[0] + share * high, (1 - share) * state[1] + share * low

    return move


def _in_its_place(cycle, share):
    def move(x, state):
        for old, new in zip(state, cycle(x, state), strict=True):
            old += share * (new - old)
        return state

    return move


def _scaled(cycle, share):
    return lambda x, state: tuple(share * part for part in cycle(x, state))


def _twice(cycle, share):
    def move(x, state):
        high = state[0] + share * (cycle(x, state)[0] - state[0])
        return high, state[1] + share * (cycle(x, state)[1] - state[1])

    return move


def _high_alone(cycle, share):
    def move(x, state):
        high, low = cycle(x, state)
        return state[0] + share * (high - state[0]), low

    return move


def _too_early(cycle, share):
    new = cycle(1, (1, 1))
    return lambda x, state: new


damped.right = [_mixed, _lerp, _two_sums]
damped.wrong = [
    ("return a new cycle", lambda cycle, share: cycle),
    ("not a float", lambda cycle, share: 0.25),
    ("do not run the cycle yet", _too_early),
    ("must give a state", lambda cycle, share: lambda x, state: cycle(x, state)[0]),
    ("changed in place", _in_its_place),
    ("runs it 2 times", _twice),
    ("runs it 0 times", lambda cycle, share: lambda x, state: state),
    ("the other way round", lambda cycle, share: _mixed(cycle, 1 - share)),
    ("not 4.25 and 0.75", _scaled),
    ("not 7.25 and 3", _high_alone),
    ("not 17 and 3", lambda cycle, share: lambda x, state: cycle(x, state)),
    ("not 7.25 and 6.75", lambda cycle, share: _mixed(cycle, 0.25)),
    ("your code raised TypeError", lambda cycle, share: lambda state: state),
]
