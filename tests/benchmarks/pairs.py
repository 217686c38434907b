"""Timing two or more ways of doing the same work against each other: A B A B in one process, ratios
with their spread.
"""

import statistics
import time
from collections.abc import Callable


def paired(
    sides: dict[str, Callable[[], None]], work: float, rounds: int, warmups: int = 2
) -> dict:
    """Time each side once in every round, in turn; `work` is what one call does (puzzles, say).

    Returns for each side the seconds of its first call, compilation included, the median rate (work
    per second) and its quartiles over the rounds, and against every *other* side the ratio of the
    rates, taken round by round, so that a slow spell of the machine hits both.
    """
    first = {}
    for name, call in sides.items():
        began = time.perf_counter()
        call()
        first[name] = time.perf_counter() - began
        for _ in range(warmups - 1):  # allocation, caches
            call()
    seconds = {name: [] for name in sides}
    for _ in range(rounds):
        for name, call in sides.items():
            began = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - began)
    return {
        name: {
            "first_call_seconds": first[name],
            "rate": quartiles([work / s for s in mine]),
            "times_as_fast_as": {
                other: quartiles([b / a for a, b in zip(mine, theirs, strict=True)])
                for other, theirs in seconds.items()
                if other != name
            },
        }
        for name, mine in seconds.items()
    }


def quartiles(values: list[float]) -> dict[str, float]:
    """The median of some measurements and the range of their middle half."""
    if len(values) == 1:
        return {"median": values[0], "low": values[0], "high": values[0]}
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": median, "low": low, "high": high}
