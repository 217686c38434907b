"""Curves and bars: what was measured, always with its uncertainty."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from tinyrec.show.style import COLOURS, INK, new_figure, tint

PERCENT = "{x:.0f} %"


def learning_curve(history, x="seconds", title=""):
    """Accuracy above, loss below, both against x ("seconds" or "step").

    history: a list of dicts. Each needs the key x; exact, cell (in 0..1) and
    loss may be missing from some (accuracy is measured less often than loss).
    Raises ValueError where x is missing, or where nothing is left to draw.
    Returns a Figure.
    """
    for index, row in enumerate(history):
        if x not in row:
            raise ValueError(f"history[{index}] has no {x!r}; it has {sorted(row)}")
    if not any("exact" in row or "loss" in row for row in history):
        raise ValueError("history has neither 'exact' nor 'loss' in any row")

    def draw(ax, key, label, **line):
        rows = [row for row in history if key in row]
        if rows:
            ax.plot([row[x] for row in rows], [row[key] for row in rows], label=label, **line)

    figure, (top, bottom) = new_figure(6.4, 4.6, 2, 1, sharex=True, height_ratios=(3, 2))
    draw(top, "exact", "exact", color=COLOURS["answer"], marker=".", ls="-")
    draw(top, "cell", "cell", color=COLOURS["muted"], ls="--")
    draw(bottom, "loss", "loss", color=COLOURS["wrong"], ls="-")
    top.set(ylim=(-0.02, 1.02), ylabel="accuracy", title=title)
    top.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    if top.lines:
        top.legend(loc="best")
    bottom.set(ylabel="loss", xlabel=x)
    bottom.set_ylim(bottom=0)
    return figure


def accuracy_by_segment(exact, low, high, cell=None):
    """Exact accuracy after segments 1..S, with its 95 % interval as a band.

    exact, low, high and cell: (S,) in 0..1. Returns a Figure.
    """
    exact, low, high = (100 * np.asarray(part, dtype=float) for part in (exact, low, high))
    segments = np.arange(1, len(exact) + 1)
    figure, ax = new_figure(6.4, 3.6)
    ax.fill_between(
        segments, low, high, color=COLOURS["answer"], alpha=0.2, lw=0, label="95 % interval"
    )
    ax.plot(segments, exact, color=COLOURS["answer"], ls="-", marker="o", ms=5, label="exact")
    if cell is not None:
        cell = 100 * np.asarray(cell, dtype=float)
        ax.plot(segments, cell, color=COLOURS["muted"], ls="--", label="cell")
    ax.set(xlabel="segment", ylabel="accuracy", ylim=(-2, 102))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.yaxis.set_major_formatter(PERCENT)
    ax.legend(loc="best")
    return figure


def bars_with_intervals(labels, values, low, high, xlabel, form="{:.1f}"):
    """Horizontal bars, first label on top, each with its whisker and its value.

    values, low, high: (N,) in the unit that xlabel names; nan in low and high
    where no interval is known, as for most published numbers. Returns a Figure.
    """
    values, low, high = (np.asarray(part, dtype=float) for part in (values, low, high))
    rows = np.arange(len(values))
    figure, ax = new_figure(6.4, 0.9 + 0.42 * len(values))
    ax.barh(rows, values, height=0.62, color=tint("answer", 0.55))
    ax.errorbar(values, rows, xerr=[values - low, high - values], fmt="none", ecolor=INK, capsize=4)
    ends = np.fmax(values, high)
    for row, (end, value) in enumerate(zip(ends, values, strict=True)):
        ax.annotate(form.format(value), (end, row), (6, 0), textcoords="offset points", va="center")
    ax.set_yticks(rows, labels)
    ax.set_xlabel(xlabel)
    ax.set_xlim(min(0, 1.15 * np.fmin(values, low).min()), 1.15 * ends.max())
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    return figure


def cell_to_exact(points=None):
    """Why 90 % of the cells is not 90 % of the puzzles: p ** 36 and p ** 81.

    The curves are the exact accuracy that cell accuracy p gives if mistakes
    fall independently. points: measured (label, cell, exact), the last two in
    0..1; above the curve means that mistakes come together. Returns a Figure.
    """
    points = points or []
    start = min([0.8, *(cell - 0.03 for _, cell, _ in points)])
    p = np.linspace(start, 1, 200)
    figure, ax = new_figure(6.4, 3.8)
    for cells, name, role, dash in ((36, "6x6", "answer", "-"), (81, "9x9", "wrong", "--")):
        label = rf"$p^{{{cells}}}$: {name}"
        ax.plot(100 * p, 100 * p**cells, color=COLOURS[role], ls=dash, label=label)
    for label, cell, exact in points:
        ax.plot(100 * cell, 100 * exact, "D", ms=8, color=COLOURS["right"], mec=INK)
        side = -1 if cell > (start + 1) / 2 else 1  # the label leans to the middle
        ax.annotate(
            label, (100 * cell, 100 * exact), (9 * side, 8), textcoords="offset points",
            ha="right" if side < 0 else "left", va="center",
        )  # fmt: skip
    ax.set(xlabel="cell accuracy p", ylabel="exact accuracy", ylim=(-3, 103))
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(PERCENT)
    ax.yaxis.set_major_formatter(PERCENT)
    ax.legend(loc="upper left")
    return figure
