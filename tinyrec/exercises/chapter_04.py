"""Chapter 4: HRM's schedule, its weights, and the order in which its states are fresh."""

import torch

from tinyrec.exercises import as_array, as_number, check, expect, given, listed


@check
def schedule(f) -> None:
    """f(high_cycles, low_cycles) -> the calls of a segment as a string of L and H."""
    for (cycles, ticks), right in {(2, 2): "LLHLLH", (1, 3): "LLLH", (3, 1): "LHLHLH"}.items():
        value = given(f(cycles, ticks), "code that returns a string")
        expect(isinstance(value, str), f"return a string, not a {type(value).__name__}")
        expect(
            set(value) <= set("LH"),
            f"use the letters L and H alone; yours has {sorted(set(value))}",
        )
        expect(
            value.count("H") == cycles,
            f"{cycles} high cycles call H {cycles} times, yours {value.count('H')} times",
        )
        expect(
            value.count("L") == cycles * ticks,
            f"{cycles} high cycles of {ticks} low steps call L {cycles * ticks} times, yours "
            f"{value.count('L')} times",
        )
        expect(
            value == right,
            f"with N = {cycles} and T = {ticks} the calls are {right}, not {value}: H comes after "
            "its L calls",
        )


def _joined(cycles, ticks):
    return "".join("H" if n % (ticks + 1) == ticks else "L" for n in range(cycles * (ticks + 1)))


def _loop(cycles, ticks):
    calls = []
    for _ in range(cycles):
        calls += ["L"] * ticks + ["H"]
    return "".join(calls)


schedule.right = [lambda cycles, ticks: ("L" * ticks + "H") * cycles, _joined, _loop]
schedule.wrong = [
    ("not a list", lambda cycles, ticks: (["L"] * ticks + ["H"]) * cycles),
    ("letters L and H alone", lambda cycles, ticks: " ".join(_joined(cycles, ticks))),
    ("H 2 times, yours 1 times", lambda cycles, ticks: "L" * ticks * cycles + "H"),
    ("H 2 times, yours 4 times", lambda cycles, ticks: "LH" * ticks * cycles),
    ("L 4 times, yours 2 times", lambda cycles, ticks: "LH" * cycles),
    ("not HLLHLL", lambda cycles, ticks: ("H" + "L" * ticks) * cycles),
    ("L 3 times, yours 2 times", lambda cycles, ticks: "LLH" * cycles),
]


@check
def block_weights(f) -> None:
    """f(width, inner) -> the weights of a block with attention."""
    value = as_number(f(10, 100), "a formula")
    expect(value != 4 * 100, "that is attention alone; the block has a SwiGLU as well")
    expect(value != 3 * 1000, "that is the SwiGLU alone; the block has an attention as well")
    expect(
        value != 3 * 100 + 3 * 1000,
        "attention has an output matrix beside queries, keys and values",
    )
    expect(value != 4 * 100 + 2 * 1000, "SwiGLU has a gate: three matrices, not two")
    expect(
        value == 4 * 100 + 3 * 1000,
        f"with width 10 and inner size 100 a block has 3400 weights, not {value:g}",
    )
    value = as_number(f(512, 1536), "a formula")
    expect(
        value == 3_407_872,
        f"right for a small block, but at the paper's size it has 3,407,872, not {value:,.0f}",
    )


block_weights.right = [
    lambda width, inner: 4 * width * width + 3 * width * inner,
    lambda width, inner: width * (4 * width + 3 * inner),
    lambda width, inner: torch.tensor(4 * width**2) + 3 * width * inner,
]
block_weights.wrong = [
    ("attention alone", lambda width, inner: 4 * width**2),
    ("SwiGLU alone", lambda width, inner: 3 * width * inner),
    ("an output matrix", lambda width, inner: 3 * width**2 + 3 * width * inner),
    ("three matrices, not two", lambda width, inner: 4 * width**2 + 2 * width * inner),
    ("not 3410", lambda width, inner: 4 * width**2 + 3 * width * inner + width),
    ("at the paper's size", lambda width, inner: 34 * width * 10),
]


@check
def stale_cycle(f) -> None:
    """f(low, high, x, z_high, z_low, ticks) -> (z_high, z_low), H on the z_low before the last."""
    read = []

    def low(h):
        return 2 * h

    def high(h):
        read.append(float(h))
        return h + 1

    def states(ticks):
        read.clear()
        value = given(f(low, high, torch.tensor(1.0), torch.tensor(3.0), torch.tensor(5.0), ticks),
                      "code that returns z_high and z_low")  # fmt: skip
        expect(
            isinstance(value, (tuple, list)) and len(value) == 2,
            "return two states, z_high and z_low",
        )
        expect(len(read) == 1, f"high is called once a cycle, not {len(read)} times")
        return as_array([float(part) for part in value], "two states").tolist()

    # L: 2 (5 + 3 + 1) = 18, then 2 (18 + 4) = 44. H reads 3 + 18.
    found = states(ticks=2)
    expect(found != [48, 44], "that is the fresh z_low; H must read the one before the last call")
    expect(found != [44, 22], "return z_high first, then z_low")
    expect(found[1] == 44, f"two low steps end at z_low = 44 here, not {found[1]:g}")
    expect(found[0] == 22, f"H makes z_high = 22 here, not {found[0]:g}; what did it read?")
    found = states(ticks=1)
    expect(
        found == [9, 18],
        f"right for two ticks; with one, H reads the z_low of the start and the states are [9, 18],"
        f" not {listed(as_array(found, 'states'))}",
    )


def _stale(low, high, x, z_high, z_low, ticks=2):
    for _ in range(ticks):
        before, z_low = z_low, low(z_low + z_high + x)
    return high(z_high + before), z_low


def _listed(low, high, x, z_high, z_low, ticks=2):
    states = [z_low]
    for _ in range(ticks):
        states.append(low(states[-1] + z_high + x))
    return [high(z_high + states[-2]), states[-1]]


def _in_two_parts(low, high, x, z_high, z_low, ticks=2):
    for _ in range(ticks - 1):
        z_low = low(z_low + z_high + x)
    z_high, z_low = high(z_high + z_low), low(z_low + z_high + x)
    return z_high, z_low


def _fresh(low, high, x, z_high, z_low, ticks=2):
    for _ in range(ticks):
        z_low = low(z_low + z_high + x)
    return high(z_high + z_low), z_low


def _high_first(low, high, x, z_high, z_low, ticks=2):
    for _ in range(ticks - 1):
        z_low = low(z_low + z_high + x)
    z_high = high(z_high + z_low)
    return z_high, low(z_low + z_high + x)


def _from_the_start(low, high, x, z_high, z_low, ticks=2):
    return high(z_high + z_low), _stale(low, torch.clone, x, z_high, z_low, ticks)[1]


stale_cycle.right = [_stale, _listed, _in_two_parts]
stale_cycle.wrong = [
    ("the fresh z_low", _fresh),
    ("z_high first", lambda *args: _stale(*args)[::-1]),
    ("return two states", lambda *args: _stale(*args)[0]),
    ("not 82", _high_first),
    ("high is called once", lambda low, high, *rest: _stale(low, lambda h: high(high(h)), *rest)),
    ("not 9; what did it read", _from_the_start),
    ("right for two ticks", lambda low, high, x, zh, zl, n: _stale(low, high, x, zh, zl, 2)),
]
