"""The persistent carry, drawn from real steps: who halts, who is replaced, who is where."""

import math

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from tinyrec.show.style import COLOURS, INK, new_drawing, tint

WIDTH = 6.4  # inches
LEFT = 0.72  # where the first column begins; the slots' names stand before it
ROW = 0.42  # height of a slot: a number, and below it a mark
MOST_STEPS = 24  # more columns could not be read on a phone
TINTS = [tint("answer", 0.25), tint("changed", 0.3), tint("latent", 0.3)]
HALTED = dict(marker="o", ms=6, color=INK)
CUT = dict(marker="X", ms=8, color=COLOURS["wrong"], mec=INK, mew=0.5)


def slots_figure(history, limit=16, first_step=1):
    """What each slot of the carry holds at each training step. Rows are slots, columns steps.

    history: for each step (segments, halted, numbers), each (B,): the segments
    that the slot's puzzle has had after this step, whether it halts, and which
    puzzle it is; 1 to 24 steps that follow each other. limit: the segments at
    which a puzzle is cut off. first_step: the number of the first column.
    A cell tells its segment. With each new puzzle the tint changes, behind a
    bar; a disc marks where a puzzle halts, a cross where it is cut off.
    Raises ValueError where a step does not follow from the one before.
    Returns a Figure.
    """
    segments, halted, _ = follow(history, limit, first_step)
    steps, slots = segments.shape
    top = 0.45 + ROW * slots
    figure, ax = new_drawing(WIDTH, top + 0.55)
    column = min(0.46, (WIDTH - 0.12 - LEFT) / steps)
    ax.text(LEFT, top + 0.38, "training step", va="center")
    every = math.ceil((0.1 + 0.1 * len(str(first_step + steps))) / column)
    for step in range(0, steps, every):
        x = LEFT + column * (step + 0.5)
        ax.text(x, top + 0.12, first_step + step, ha="center", va="center", fontsize=11)
    for slot in range(slots):
        y = top - ROW * (slot + 1)
        ax.text(LEFT - 0.08, y + ROW / 2, f"slot {slot + 1}", ha="right", va="center")
        puzzles = np.cumsum(segments[:, slot] == 1)
        for step in range(steps):
            x, number = LEFT + column * step, segments[step, slot]
            fill = TINTS[puzzles[step] % len(TINTS)]
            ax.add_patch(Rectangle((x, y), column, ROW, fc=fill, ec="white", lw=0.6, gid="cell"))
            if number == 1:
                ax.add_patch(Rectangle((x, y), 0.05, ROW, fc=INK, gid="enters"))
            ax.text(x + column / 2 + 0.01, y + 0.28, number, ha="center", va="center", fontsize=11)
            if halted[step, slot]:
                ax.plot(x + column / 2 + 0.01, y + 0.1, **(CUT if number == limit else HALTED))
    bar = dict(marker="|", ms=13, mew=3.5, color=INK)
    meanings = {"a new puzzle": bar, "halts": HALTED, f"cut off at segment {limit}": CUT}
    signs = [Line2D([], [], ls="", label=words, **look) for words, look in meanings.items()]
    ax.legend(handles=signs, loc="lower center", ncols=3, borderaxespad=0.2, handletextpad=0.2)
    return figure


def follow(history, limit, first_step):
    """The history as arrays (steps, B): segments, halted, numbers; ValueError where it jumps."""
    if not 1 <= len(history) <= MOST_STEPS:
        raise ValueError(f"history has {len(history)} steps: expected 1 to {MOST_STEPS}")
    shapes = {np.shape(part) for step in history for part in step}
    if {len(step) for step in history} != {3} or len(shapes) > 1 or len(min(shapes)) != 1:
        raise ValueError(
            f"history has parts of shape {sorted(shapes)}: "
            "expected segments, halted and numbers, each (B,), at every step"
        )
    segments, halted, numbers = (np.array([step[part] for step in history]) for part in range(3))
    for step, slot in np.ndindex(segments.shape):
        now, where = segments[step, slot], f"slot {slot + 1}, step {first_step + step}"
        if not 1 <= now <= limit:
            raise ValueError(f"{where}: segment {now}, expected 1 to {limit}")
        if step == 0:
            continue
        due = 1 if halted[step - 1, slot] else segments[step - 1, slot] + 1
        if now != due:
            raise ValueError(f"{where}: segment {now}, expected {due} after the step before")
        if now > 1 and numbers[step, slot] != numbers[step - 1, slot]:
            raise ValueError(
                f"{where}: puzzle {numbers[step, slot]} at segment {now}, "
                f"expected puzzle {numbers[step - 1, slot]}, which has not halted"
            )
    return segments, halted.astype(bool), numbers
