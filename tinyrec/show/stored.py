"""Runs that were made before and are kept in book/results: too long for a page, shown on it."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np

from tinyrec.show.style import COLOURS, new_figure
from tinyrec.show.table import Table

HERE = Path(__file__).parents[2] / "book" / "results"
ONLINE = "https://raw.githubusercontent.com/tinyrec/tinyrec/v{}/book/results"
ROLES = ("answer", "wrong", "right", "latent", "changed", "question", "muted")
DASHES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 3)))
MARKERS = "osD^vPX"


@dataclass(frozen=True)
class Arm:
    """The runs of one model of a comparison, one a seed."""

    name: str
    runs: list[dict]

    def __getattr__(self, name):
        """What all runs share: weights, calls, differentiated, flops, steps, batch, precision."""
        if name.startswith("_") or name not in self.runs[0]:
            raise AttributeError(name)
        return self.runs[0][name]

    @property
    def last(self) -> list[float]:
        """Exact accuracy at the end, one a seed."""
        return [run["exact"][-1] for run in self.runs]

    @property
    def mean(self) -> float:
        return float(np.mean(self.last))

    def curve(self) -> tuple[np.ndarray, np.ndarray]:
        """TFLOP spent (points,) and exact accuracy on the way (seeds, points)."""
        history = [run["history"] for run in self.runs]
        spent = [entry["step"] * self.flops * self.batch / 1e12 for entry in history[0]]
        return np.array(spent), np.array([[entry["test"] for entry in rows] for rows in history])


class Stored(Table):
    """A comparison at equal compute: `arms` by name, in order; shown as a table."""

    headings = (
        "model", "weights", "calls (with gradient)", "MFLOP a segment", "steps", "exact",
        "least to most", "precision",
    )  # fmt: skip

    def __init__(self, found: dict):
        self.command, self.question = found["command"], found["question"]
        self.arms: dict[str, Arm] = {}
        for run in found["runs"]:
            self.arms.setdefault(run["arm"], Arm(run["arm"], [])).runs.append(run)
        devices = sorted({f"{run['device']}, {run['date']}" for run in found["runs"]})
        self.where = f"one thread of {'; '.join(devices)}"
        self.seeds = min(len(arm.runs) for arm in self.arms.values())

    def __getitem__(self, name) -> Arm:
        return self.arms[name]

    def only(self, *names) -> "Stored":
        """The same with these arms alone."""
        part = object.__new__(Stored)
        part.__dict__ |= self.__dict__ | {"arms": {name: self.arms[name] for name in names}}
        return part

    @property
    def rows(self) -> list[tuple[str, ...]]:
        return [
            (
                arm.name, f"{arm.weights:,}", f"{arm.calls} ({arm.differentiated})",
                f"{arm.flops / 1e6:,.0f}", f"{arm.steps:,}", f"{100 * arm.mean:.1f} %",
                f"{100 * min(arm.last):.1f} to {100 * max(arm.last):.1f}", arm.precision,
            )
            for arm in self.arms.values()
        ]  # fmt: skip

    @property
    def note(self) -> str:
        return f"{self.seeds} seeds each; {self.command}; {self.where}"


def stored(name: str) -> Stored:
    """The comparison book/results/NAME.json; see `results`."""
    return Stored(results(name))


def results(name: str) -> dict:
    """What book/results/NAME.json holds, from this repository or, without one, from GitHub.

    Raises FileNotFoundError where it is in neither.
    """
    file = HERE / f"{name}.json"
    if file.exists():
        return json.loads(file.read_text("utf-8"))
    online = ONLINE.format(version("tinyrec"))  # what was measured with this very version
    try:
        with urlopen(f"{online}/{name}.json", timeout=20) as answer:
            return json.load(answer)
    except (URLError, TimeoutError) as error:
        raise FileNotFoundError(
            f"{file} is not here, and {online} cannot be read ({error}); clone the repository, or "
            "check the network"
        ) from error


def against_compute(comparison: Stored):
    """Exact accuracy against the compute spent, a line for each model, its seeds as a band.

    Returns a Figure.
    """
    figure, ax = new_figure(6.4, 4.2)
    for index, arm in enumerate(comparison.arms.values()):
        spent, exact = arm.curve()
        look = dict(color=COLOURS[ROLES[index % len(ROLES)]])
        ax.fill_between(spent, 100 * exact.min(0), 100 * exact.max(0), alpha=0.15, lw=0, **look)
        ax.plot(
            spent, 100 * exact.mean(0), ls=DASHES[index % len(DASHES)], ms=5,
            marker=MARKERS[index % len(MARKERS)], label=arm.name, **look,
        )  # fmt: skip
    ax.set(
        xlabel="TFLOP of training, forward and backward", ylabel="exact accuracy", ylim=(-2, 102)
    )
    ax.set_xlim(left=0)
    ax.yaxis.set_major_formatter("{x:.0f} %")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    return figure


def at_the_end(comparison: Stored):
    """Exact accuracy at the end, a row for each model, a dot for each seed. Returns a Figure."""
    names = list(comparison.arms)
    figure, ax = new_figure(6.4, 0.9 + 0.44 * len(names))
    for row, arm in enumerate(comparison.arms.values()):
        ax.plot([0, 100 * arm.mean], [row, row], color=COLOURS["muted"], lw=1.2, ls="-")
        ax.plot([100 * share for share in arm.last], [row] * len(arm.last), "o", ms=7,
                color=COLOURS["answer"], alpha=0.7)  # fmt: skip
        ax.annotate(f"{100 * arm.mean:.1f}", (103, row), va="center", annotation_clip=False)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlim=(-2, 102), xlabel="exact accuracy, %: a dot a seed; right: the mean")
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    return figure
