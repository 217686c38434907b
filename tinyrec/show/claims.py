"""Claims: what a training reaches, held against the range that the book promises.

What is certain stays an `assert`. What a training on another machine reaches is a claim: one line
that says what came out here, and that never stops a reader.

The profile is the variable `profile` of the notebook's parameters cell; outside a notebook it is
the environment's TINYREC_PROFILE. At smoke, where nothing is trained for long, a claim is judged
only if it gives a range for that run. With TINYREC_STRICT=1 a broken claim is an error.
"""

import html
import math
import os
import sys
from dataclasses import dataclass

from IPython.display import display

from tinyrec.show.table import Table

KEY = "tinyrec.claim"  # in an output's metadata, where book/tools reads the claim back
MARKS = {True: "\N{CHECK MARK}", False: "\N{NOT EQUAL TO}", None: "\N{MIDDLE DOT}"}
STATES = {
    True: f"{MARKS[True]} holds",
    False: f"{MARKS[False]} outside",
    None: f"{MARKS[None]} not judged",
}
made = {}  # the claims of this notebook, by their text


class ClaimBroken(AssertionError):
    """A claim does not hold, and TINYREC_STRICT=1 asks that this be an error."""


@dataclass(frozen=True)
class Claim:
    """A value and its promised range: low or high is None where that end is open."""

    text: str
    value: float
    low: float | None
    high: float | None
    judged: bool = True
    form: str | None = None  # for str.format; None: a share, written as per cent

    @property
    def holds(self) -> bool | None:
        """Whether the value lies in the range; None where it is not judged."""
        if not self.judged:
            return None
        above = self.low is None or self.value >= self.low
        below = self.high is None or self.value <= self.high
        return above and below

    @property
    def here(self) -> str:
        return written(self.value, self.form)

    @property
    def promised(self) -> str:
        """The range in words."""
        if self.high is None:
            return f"at least {written(self.low, self.form)}"
        if self.low is None:
            return f"at most {written(self.high, self.form)}"
        return f"{written(self.low, self.form)} to {written(self.high, self.form)}"

    def __str__(self):
        if self.holds is None:
            said = f"{self.here} in this quick run; in the book's own, longer runs: {self.promised}"
        elif self.holds:
            said = f"{self.here}, as promised ({self.promised})"
        else:
            said = f"on this machine: {self.here}; in the book's own runs: {self.promised}"
        return f"{MARKS[self.holds]} {self.text} \N{EM DASH} {said}"

    def _repr_mimebundle_(self, include=None, exclude=None):
        data = dict(text=self.text, low=self.low, high=self.high, form=self.form, holds=self.holds)
        data["value"] = self.value if math.isfinite(self.value) else None  # JSON has no nan
        line = html.escape(str(self))
        if self.holds is False:
            line = f"<strong>{line}</strong>"
        # No colour of its own: it reads on a light page and on a dark one.
        shown = f'<p class="tinyrec-claim" style="margin:0.2em 0">{line}</p>'
        return {"text/plain": str(self), "text/html": shown}, {KEY: data}


def written(number: float, form: str | None) -> str:
    """A share as per cent, with the decimals that it has; anything else as `form` says."""
    if form is not None:
        return form.format(number)
    return f"{100 * number:.2f}".rstrip("0").rstrip(".") + " %"


def claim(text, value, at_least=None, at_most=None, smoke=None, form=None):
    """Say in one line whether `value` lies where the book promises it, and go on.

    text: what is claimed, the name of the claim in this chapter; value: a share, or any number with
    a `form` such as "{:.1f} segments"; at_least, at_most: the range, one of them may be missing;
    smoke: (low, high) for the quick run of the tests, None for an open end.
    Raises ValueError where there is no range, and ClaimBroken under TINYREC_STRICT=1.
    """
    quick = current_profile() == "smoke"
    for low, high in ((at_least, at_most), *([smoke] if smoke else [])):
        if low is None and high is None:
            raise ValueError(f"claim {text!r} has no range: at_least or at_most is needed")
        if None not in (low, high) and low > high:
            raise ValueError(f"claim {text!r}: the range begins at {low} and ends at {high}")
    low, high = smoke if quick and smoke else (at_least, at_most)
    made[text] = found = Claim(text, float(value), low, high, not quick or bool(smoke), form)
    display(found)
    if found.holds is False and os.environ.get("TINYREC_STRICT") == "1":
        raise ClaimBroken(str(found))


def current_profile() -> str:
    """That of the notebook's parameters cell, or of the environment."""
    of_notebook = getattr(sys.modules["__main__"], "profile", None)
    return of_notebook or os.environ.get("TINYREC_PROFILE", "cpu")


class ClaimTable(Table):
    """The claims of a chapter, each with its mark, its value here and its range."""

    headings = ("state", "claim", "here", "in the book's own runs")
    name = "tinyrec-claims"

    def __init__(self, listed: list[Claim]):
        judged = [each.holds for each in listed if each.holds is not None]
        self.note = f"{sum(judged)} of {len(judged)} claims hold in this run"
        if len(judged) < len(listed):
            self.note += f"; {len(listed) - len(judged)} judged in a full run only"
        self.rows = [(STATES[c.holds], c.text, c.here, c.promised) for c in listed]


def claims() -> ClaimTable:
    """The table of all claims that this notebook has made, for "What we measured"."""
    return ClaimTable(list(made.values()))
