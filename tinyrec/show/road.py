"""The road from the MLP to TRM: the picture that opens every chapter."""

from matplotlib.patches import FancyBboxPatch

from tinyrec.show.style import COLOURS, INK, new_drawing, tint

STATIONS = (
    "one-pass\nMLP",
    "naive\nrecursion",
    "deep\nsupervision",
    "HRM",
    "one-step\ngradient",
    "learning\nto stop",
    "TRM",
    "full TRM",
)
SIGNS = ("ablations", "inside", "9x9", "maze", "ARC", "next")
WIDTH, HEIGHT = 6.4, 3.15
LEVELS = (2.72, 1.52, 0.36)  # heights of the two rows of stations and of the signs


def place(station):
    """Where station 1..8 lies, in inches."""
    row, column = divmod(station - 1, 4)
    return 0.8 + 1.6 * column, LEVELS[row]


def draw_station(ax, station, current):
    """A tick where we have been, a ringed number where we are, a pale one ahead."""
    x, y = place(station)
    here, done = station == current, station < current
    if here:
        ax.plot(x, y, "o", ms=36, color=tint("changed", 0.45), mec=COLOURS["changed"], mew=2.5)
    face = COLOURS["right"] if done else INK if here else "white"
    edge = COLOURS["muted"] if station > current else face
    ax.plot(x, y, "o", ms=23, color=face, mec=edge, mew=1.5)
    ax.text(
        x, y - 0.01, "\N{CHECK MARK}" if done else station, ha="center", va="center",
        color=COLOURS["muted"] if station > current else "white", fontweight="bold",
    )  # fmt: skip
    for line, words in enumerate(STATIONS[station - 1].split("\n")):
        ax.text(
            x, y - 0.46 - 0.18 * line, words, ha="center", fontsize=11.5,
            color=COLOURS["muted"] if station > current else INK,
            fontweight="bold" if here else "normal",
        )  # fmt: skip


def draw_sign(ax, chapter, current):
    """One of the signs beyond the road, chapters 9 to 14."""
    x, y = 0.6 + 1.04 * (chapter - 9), LEVELS[2]
    here = chapter == current
    box = FancyBboxPatch(
        (x - 0.46, y - 0.22), 0.92, 0.44, boxstyle="round,pad=0,rounding_size=0.1",
        facecolor=tint("changed", 0.45) if here else "none",
        edgecolor=COLOURS["changed" if here else "muted"],
        linewidth=2.5 if here else 0.8, linestyle="-" if chapter <= current else ":",
    )  # fmt: skip
    ax.add_patch(box)
    ax.text(
        x, y, SIGNS[chapter - 9], ha="center", va="center", fontsize=11 if here else 10.5,
        color=INK if chapter <= current else COLOURS["muted"],
        fontweight="bold" if here else "normal",
    )  # fmt: skip


def road(current):
    """Where chapter `current` (1..14) stands on the road from the MLP to TRM.

    Stations behind us carry a tick, the current one a ring and bold type, those ahead
    are pale. From chapter 9 on the road is done and one of the signs below
    it is lit. Raises ValueError outside 1..14. Returns a Figure.
    """
    if current not in range(1, 15):
        raise ValueError(f"chapter {current}: the road has chapters 1 to 14")
    figure, ax = new_drawing(WIDTH, HEIGHT)
    for station in range(1, 8):
        done = station < current
        (x, y), (x2, y2) = place(station), place(station + 1)
        middle = (y + y2) / 2 - 0.28
        bend = [(x, y), (x2, y2)] if y == y2 else [
            (x, y), (6.3, y), (6.3, middle), (0.1, middle), (0.1, y2), (x2, y2)
        ]  # fmt: skip
        ax.plot(
            *zip(*bend, strict=True), zorder=0, lw=3 if done else 2, ls="-" if done else ":",
            color=COLOURS["right" if done else "muted"],
        )  # fmt: skip
        draw_station(ax, station, current)
    draw_station(ax, 8, current)
    for chapter in range(9, 15):
        draw_sign(ax, chapter, current)
    return figure
