"""The calls that one segment makes, in order: what the diagrams and the call player draw."""

from dataclasses import dataclass

# Their colours. HRM's z_H is what TRM calls y, its z_L what TRM calls z.
ROLES = {"L": "latent", "H": "answer", "z": "latent", "y": "answer", "f": "muted"}
ROLES |= {"z_L": "latent", "z_H": "answer", "head": "muted", "loss": "wrong"}
IN_A_ROW = 12  # the most calls whose names can still be read on a phone


@dataclass(frozen=True)
class Call:
    """One call of a network: state <- network(sum of what it reads)."""

    name: str  # in its box: HRM's network, L or H; TRM's state, z or y; f
    rule: str
    reads: tuple[str, ...]
    writes: str
    turn: int  # which high cycle, latent recursion or loop it belongs to, from 1
    gradient: bool  # whether the loss's gradient goes back through it


def check(gradient="full", **counts):
    """ValueError where a count is below 1 or the kind of gradient is unknown."""
    for name, number in counts.items():
        if number < 1:
            raise ValueError(f"{name} is {number}: expected at least 1")
    if gradient not in ("full", "one_step"):
        raise ValueError(f"gradient is {gradient!r}: expected 'full' or 'one_step'")


def hrm_calls(high_cycles=2, low_cycles=2, gradient="one_step"):
    """N times: T calls of L, then one of H. With gradient: the last L and the last H call, or
    ("full") the whole last high cycle. HRM, figure 1; the order is its code's.
    """
    check(gradient, high_cycles=high_cycles, low_cycles=low_cycles)
    low = ("L", "z_L \N{LEFTWARDS ARROW} L(z_L + z_H + x)", ("z_L", "z_H", "x"), "z_L")
    high = ("H", "z_H \N{LEFTWARDS ARROW} H(z_H + z_L)", ("z_H", "z_L"), "z_H")
    return in_turns([low] * low_cycles + [high], high_cycles, gradient)


def trm_calls(latent_steps=6, recursions=3, gradient="full"):
    """T times a latent recursion: n calls on z, then one on y. With gradient: the whole last
    recursion, or ("one_step") its last two calls. TRM, section 4.
    """
    check(gradient, latent_steps=latent_steps, recursions=recursions)
    latent = ("z", "z \N{LEFTWARDS ARROW} net(x + y + z)", ("z", "y", "x"), "z")
    answer = ("y", "y \N{LEFTWARDS ARROW} net(y + z)", ("y", "z"), "y")
    return in_turns([latent] * latent_steps + [answer], recursions, gradient)


def naive_calls(loops=4):
    """The same call, again and again; the gradient goes back through all."""
    check(loops=loops)
    call = ("f", "y \N{LEFTWARDS ARROW} f(x, y)", ("y", "x"), "y")
    return [Call(*call, turn, True) for turn in range(1, loops + 1)]


def in_turns(turn, turns, gradient):
    """The same calls in every turn; only in the last has any of them a gradient."""
    first = 0 if gradient == "full" else len(turn) - 2
    return [
        Call(*call, number, number == turns and index >= first)
        for number in range(1, turns + 1)
        for index, call in enumerate(turn)
    ]
