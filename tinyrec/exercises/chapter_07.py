"""Chapter 7: the depth and the cost of a segment of TRM, and how to spend its calls."""

import torch

from tinyrec.exercises import as_array, as_number, check, expect, given


@check
def depth(f) -> None:
    """f(recursions, latent_steps, layers) -> layers that a puzzle passes in a segment: T (n + 1)
    times the layers.
    """
    value = as_number(f(3, 6, 2), "a formula")
    expect(value != 36, "that leaves out the calls on y; each latent recursion has one")
    expect(value != 38, "y is called once in each of the T latent recursions, not once a segment")
    expect(value != 14, "that is one latent recursion; a segment has T of them")
    expect(value != 21, "those are calls of the network; each has several layers")
    expect(value == 42, f"T=3, n=6 and 2 layers give a depth of 42, not {value:g}")
    value = as_number(f(2, 2, 4), "a formula")
    expect(value == 24, f"right for TRM, but T=2, n=2 and 4 layers give 24, not {value:g}")


depth.right = [
    lambda recursions, latent_steps, layers: recursions * (latent_steps + 1) * layers,
    lambda recursions, latent_steps, layers: torch.tensor(recursions * (latent_steps + 1)) * layers,
    lambda recursions, latent_steps, layers: sum(
        layers for _ in range(recursions) for _ in range(latent_steps + 1)
    ),
]
depth.wrong = [
    ("leaves out the calls on y", lambda recursions, n, layers: recursions * n * layers),
    ("not once a segment", lambda recursions, n, layers: (recursions * n + 1) * layers),
    ("one latent recursion", lambda recursions, n, layers: (n + 1) * layers),
    ("calls of the network", lambda recursions, n, layers: recursions * (n + 1)),
    ("not 126", lambda recursions, n, layers: recursions * (n + 1) * layers * 3),
    ("right for TRM", lambda recursions, n, layers: recursions * (n + 1) * 2),
]


@check
def step_cost(f) -> None:
    """f(recursions, latent_steps, second_forward) -> a training step's cost in calls forward."""
    value = as_number(f(3, 6), "a formula")
    expect(value != 63, "only the last latent recursion goes backward, not all T of them")
    expect(value != 21, "that is the forward pass alone")
    expect(value != 28, "a backward pass costs two forward passes, not one")
    expect(value == 35, f"T=3 and n=6: 21 calls forward and 7 backward make 35, not {value:g}")
    value = as_number(f(2, 2), "a formula")
    expect(value == 12, f"right for T=3 and n=6, but T=2 and n=2 make 12, not {value:g}")
    value = as_number(f(3, 6, second_forward=True), "a formula")
    expect(value != 35, "the second forward is left out")
    expect(value != 70, "the second forward has no backward pass: it only makes a target")
    expect(value == 56, f"with the second forward T=3 and n=6 make 56, not {value:g}")


def _cost(recursions, latent_steps, second_forward=False):
    calls = recursions * (latent_steps + 1)
    return calls * (1 + second_forward) + 2 * (latent_steps + 1)


step_cost.right = [
    _cost,
    lambda recursions, latent_steps, second_forward=False: (
        (latent_steps + 1) * (recursions * (2 if second_forward else 1) + 2)
    ),
    lambda *args, **kwargs: torch.tensor(_cost(*args, **kwargs)),
]
step_cost.wrong = [
    ("not all T of them", lambda t, n, second_forward=False: 3 * t * (n + 1)),
    ("forward pass alone", lambda t, n, second_forward=False: t * (n + 1)),
    ("two forward passes, not one", lambda t, n, second_forward=False: (t + 1) * (n + 1)),
    ("not 30", lambda t, n, second_forward=False: t * n + 2 * n),
    ("right for T=3 and n=6", lambda t, n, second_forward=False: 5 * (n + 1)),
    ("is left out", lambda t, n, second_forward=False: _cost(t, n)),
    ("only makes a target", lambda t, n, second_forward=False: _cost(t, n) * (1 + second_forward)),
    ("not 42", lambda t, n, second_forward=False: _cost(t, n) + (n + 1) * second_forward),
]


@check
def ways(f) -> None:
    """f(calls) -> every (T, n) with T (n + 1) = calls and n of at least 1."""
    value = given(f(6), "code that returns a list of pairs")
    expect(
        isinstance(value, (list, tuple, set)) and all(len(pair) == 2 for pair in value),
        "return a list of pairs (T, n)",
    )
    found = sorted(tuple(int(part) for part in as_array(pair, "pairs")) for pair in value)
    expect((6, 0) not in found, "T = 6 leaves n = 0: z is never called; n is at least 1")
    expect((5, 1) not in found, "it is the pair (T, n), T recursions first")
    expect((1, 6) not in found, "a latent recursion has n + 1 calls: n on z and one on y")
    expect(
        found == [(1, 5), (2, 2), (3, 1)],
        f"six calls are (1, 5), (2, 2) or (3, 1); yours are {found}",
    )
    found = sorted(map(tuple, f(21)))
    expect(
        found == [(1, 20), (3, 6), (7, 2)],
        f"right for 6 calls, but 21 are (1, 20), (3, 6) or (7, 2); yours are {found}",
    )


def _ways(calls):
    return [(t, calls // t - 1) for t in range(1, calls // 2 + 1) if calls % t == 0]


ways.right = [
    _ways,
    lambda calls: [
        (t, n) for t in range(1, calls) for n in range(1, calls) if t * (n + 1) == calls
    ],
    lambda calls: {(calls // (n + 1), n) for n in range(1, calls) if calls % (n + 1) == 0},
]
ways.wrong = [
    ("list of pairs", lambda calls: [(1, 5, 0)]),
    ("z is never called", lambda calls: [*_ways(calls), (calls, 0)]),
    ("T recursions first", lambda calls: [(n, t) for t, n in _ways(calls)]),
    ("n + 1 calls", lambda calls: [(t, calls // t) for t in range(1, calls + 1) if calls % t == 0]),
    ("yours are [(1, 5), (3, 1)]", lambda calls: [(t, n) for t, n in _ways(calls) if t % 2]),
    ("right for 6 calls", lambda calls: [(1, 5), (2, 2), (3, 1)]),
]
