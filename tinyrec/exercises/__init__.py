"""The checks behind the exercises: one module a chapter, each with the answers that it must know.

    from tinyrec.exercises import chapter_01 as exercises

    exercises.exact_accuracy(exact_accuracy);

A check takes the reader's answer, prints one line (right, or what is wrong) and returns True or
False. It raises nothing, so that a notebook with open exercises still runs from top to bottom.

Under each check stand `right`, answers that it must accept in whichever way they are written, and
`wrong`, pairs of (what the reader is told, the answer that earns it). tests/test_exercises.py tries
them all, and holds that no `expect` can be taken away without one of them noticing.
"""

import functools
import math
import traceback
import warnings
from collections.abc import Callable

import numpy as np
import torch


class Wrong(Exception):
    """What the reader is told."""


def check(judge: Callable) -> Callable:
    """Turn a judge, which raises Wrong, into a check, which prints a verdict and returns it."""

    @functools.wraps(judge)
    def verdict(answer) -> bool:
        try:
            with warnings.catch_warnings(action="ignore"):  # the verdict is one line
                judge(answer)
        except Wrong as wrong:
            print(f"Not yet: {wrong}")
        except Exception as error:
            print(f"Not yet: your code raised {told(error)}{place(error, answer)}")
        else:
            print("Right.")
            return True
        return False

    verdict.right, verdict.wrong = [], []
    return verdict


def told(error: Exception) -> str:
    """The error's name and the first line of what it says: torch says a page."""
    first, *_ = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def place(error: Exception, answer) -> str:
    """The last line of the reader's own code that ran, where there is one."""
    file = getattr(getattr(answer, "__code__", None), "co_filename", None)
    lines = [f.line for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    return f", at `{lines[-1]}`" if lines and lines[-1] else ""


def tensors_or_arrays(judge: Callable) -> Callable:
    """Turn judge(answer, array) into a judge of answers written with torch or with NumPy.

    `array` makes the data that the answer is tried on: tensors, as the chapters use them, and if
    these do not pass, NumPy arrays. One of the two must pass. If neither does, the reader is told
    what was wrong with the values; that something was raised only if both raised.
    """

    @functools.wraps(judge)
    def both(answer) -> None:
        try:
            judge(answer, torch.tensor)
        except Exception as first:
            try:
                judge(answer, np.array)
            except Exception as second:
                by_value = [e for e in (first, second) if isinstance(e, Wrong)]
                raise (by_value or [first])[0] from None

    return both


def expect(condition, message: str) -> None:
    """Wrong(message) unless the condition holds."""
    if not condition:
        raise Wrong(message)


def given(value, what: str):
    """The value, if there is one yet: `what` says what belongs in the place of the dots."""
    expect(value is not None and value is not ..., f"nothing there yet; replace the dots by {what}")
    return value


def as_array(value, what: str) -> np.ndarray:
    """Numbers as a float64 array, whether they come from NumPy, torch or plain Python."""
    value = given(value, what)
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().double()  # NumPy knows neither gradients nor bfloat16
    try:
        found = np.asarray(value)
    except ValueError:  # rows of unequal length
        found = None
    expect(
        found is not None and found.dtype.kind in "biuf",
        f"numbers were expected, not a {type(value).__name__}",
    )
    return found.astype(float)


def as_number(value, what: str) -> float:
    """One number as a float, wherever it comes from."""
    found = as_array(value, what)
    expect(found.size == 1, f"one number was expected, not an array of shape {found.shape}")
    return found.item()


def listed(values: np.ndarray) -> str:
    """A row of numbers as the reader would write it."""
    return f"[{', '.join(f'{value:.4g}' for value in values)}]"


def near(a: float, b: float) -> bool:
    """Equal up to the rounding of float32."""
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-7)
