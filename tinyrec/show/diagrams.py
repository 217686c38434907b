"""The loops of the models, unrolled."""

from matplotlib.patches import FancyBboxPatch

from tinyrec.show.style import COLOURS, INK, PAPER, new_drawing, tint

WIDTH = 6.4  # inches


def box(ax, x, y, text, role, width=0.44, pale=False, **font):
    """A rounded box with its centre at (x, y), coloured by role; pale = no gradient."""
    patch = FancyBboxPatch(
        (x - width / 2, y - 0.19), width, 0.38, boxstyle="round,pad=0,rounding_size=0.08",
        facecolor="white" if pale else tint(role, 0.25), edgecolor=COLOURS[role],
        linewidth=1.2 if pale else 2.2, linestyle="--" if pale else "-",
    )  # fmt: skip
    ax.add_patch(patch)
    ax.text(x, y, text, ha="center", va="center", color=INK, **font)


def arrow(ax, start, end, colour=COLOURS["muted"], **style):
    """An arrow from start to end, both (x, y) in inches."""
    look = dict(arrowstyle="-|>", color=colour, shrinkA=0, shrinkB=0, lw=1.4) | style
    ax.annotate("", end, start, arrowprops=look)


def gradient(ax, right, left, y, text):
    """The way back of the gradient: an arrow from right to left, with its name."""
    arrow(ax, (right, y), (left, y), COLOURS["wrong"], lw=2.6)
    ax.text((left + right) / 2, y - 0.09, text, ha="center", va="top", color=COLOURS["wrong"])


def rail(ax, y, start, ends):
    """The question x as a rail above the calls, let down into each that reads it."""
    box(ax, start, y, "x", "question", width=0.36)
    if ends:
        ax.plot([start + 0.18, ends[-1]], [y, y], "-", color=COLOURS["question"], lw=1.4)
    for end in ends:
        arrow(ax, (end, y), (end, y - 0.36), COLOURS["question"])


def naive_loop(loops):
    """y <- f(x, y), `loops` times, with the gradient going back through all of it.

    More than six loops are drawn as the first three, dots, and the last two.
    Returns a Figure.
    """
    if loops < 1:
        raise ValueError(f"loops is {loops}: expected at least 1")
    figure, ax = new_drawing(WIDTH, 1.75)
    y = 0.75
    names = list(range(1, loops + 1)) if loops <= 6 else [1, 2, 3, None, loops - 1, loops]
    step = 3.9 / len(names)
    centres = [0.75 + step * (index + 0.5) for index in range(len(names))]
    calls = [x for x, name in zip(centres, names, strict=True) if name]
    box(ax, 0.35, y, "y", "answer", width=0.36)
    left = 0.53
    for x, name in zip(centres, names, strict=True):
        arrow(ax, (left, y), (x - 0.22, y))
        if name:
            box(ax, x, y, "f", "muted")
        else:
            ax.text(x, y, "\N{HORIZONTAL ELLIPSIS}", ha="center", va="center", fontsize=16)
        left = x + 0.22
    rail(ax, y + 0.62, 0.35, calls)
    arrow(ax, (left, y), (4.92, y))
    box(ax, 5.1, y, "y", "answer", width=0.36)
    arrow(ax, (5.28, y), (5.58, y))
    box(ax, 5.9, y, "loss", "wrong", width=0.62)
    plural = "1 loop" if loops == 1 else f"all {loops} loops"
    gradient(ax, 5.9, centres[0] - 0.22, y - 0.34, f"gradient through {plural}")
    return figure


def recursion_row(ax, y, calls, width, pale):
    """One latent recursion: z, z, ..., then y; calls holds their x positions."""
    ax.text(0.3, y, "y, z", ha="center", va="center")
    arrow(ax, (0.52, y), (calls[0] - width / 2, y))
    for left, right in zip(calls[:-1], calls[1:], strict=True):
        arrow(ax, (left + width / 2, y), (right - width / 2, y))
    for x in calls[:-1]:
        box(ax, x, y, "z", "latent", width, pale)
    box(ax, calls[-1], y, "y", "answer", width, pale)
    rail(ax, y + 0.55, 0.3, calls[:-1])


def unrolled(latent_steps, recursions, segments=1):
    """TRM's three loops: n calls on z then one on y, T times, segment by segment.

    latent_steps n; recursions T, of which only the last has a gradient (the
    others are dashed); segments, with a loss after each and y and z detached
    before the next. TRM, section 4. Returns a Figure with T rows a segment.
    """
    for name, number in dict(n=latent_steps, T=recursions, segments=segments).items():
        if number < 1:
            raise ValueError(f"{name} is {number}: expected at least 1")
    figure, ax = new_drawing(WIDTH, 0.25 + segments * (1.35 * recursions + 0.8))
    y = ax.get_ylim()[1] - 0.3
    for x, name, role, rule in (
        (0.3, "z", "latent", "z \N{LEFTWARDS ARROW} net(x + y + z)"),
        (3.5, "y", "answer", "y \N{LEFTWARDS ARROW} net(y + z)"),
    ):
        box(ax, x, y, name, role, width=0.36)
        ax.text(x + 0.3, y, rule, va="center")
    step = 4.1 / (latent_steps + 1)
    calls = [1.1 + step * index for index in range(latent_steps + 1)]
    width = min(0.44, 0.75 * step)
    for segment in range(1, segments + 1):
        for recursion in range(1, recursions + 1):
            y -= 1.35
            last = recursion == recursions
            where = f"segment {segment}, " if segments > 1 else ""
            where += f"recursion {recursion} of {recursions}"
            where += "" if last else ": no gradient"
            ax.text(0.12, y + 0.87, where, va="center", fontweight="bold" if last else "normal")
            recursion_row(ax, y, calls, width, pale=not last)
            arrow(ax, (calls[-1] + width / 2, y), (5.6, y))
            if not last:
                ax.text(5.85, y, "y, z", ha="center", va="center")
        box(ax, 5.92, y, "loss", "wrong", width=0.62)
        gradient(ax, 5.92, calls[0], y - 0.34, f"gradient through {latent_steps + 1} calls")
        y -= 0.78
        if segment < segments:
            ax.plot([0.12, WIDTH - 0.12], [y, y], "--", color=COLOURS["muted"], lw=1.5)
            ax.text(
                WIDTH / 2, y, "\N{BLACK SCISSORS} detach, y and z go on", ha="center", va="center",
                bbox=dict(facecolor=PAPER, edgecolor="none"),
            )  # fmt: skip
    return figure
