"""The loops of the models, unrolled: what is called, what is kept, where the gradient goes."""

from matplotlib.patches import FancyBboxPatch

from tinyrec.show.calls import IN_A_ROW, ROLES, check, hrm_calls, naive_calls, trm_calls
from tinyrec.show.style import COLOURS, INK, PAPER, new_drawing, tint

WIDTH = 6.4  # inches
SCISSORS = "\N{BLACK SCISSORS}"


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


def way_back(ax, right, left, y, text):
    """The way back of the gradient: an arrow from right to left, with its name."""
    arrow(ax, (right, y), (left, y), COLOURS["wrong"], lw=2.6)
    ax.text((left + right) / 2, y - 0.09, text, ha="center", va="top", color=COLOURS["wrong"])


def rail(ax, y, start, ends, drop=0.36):
    """The question x as a rail above the calls, let down into each that reads it."""
    box(ax, start, y, "x", "question", width=0.36)
    if ends:
        ax.plot([start + 0.18, ends[-1]], [y, y], "-", color=COLOURS["question"], lw=1.4)
    for end in ends:
        arrow(ax, (end, y), (end, y - drop), COLOURS["question"])


def key(ax, y, calls):
    """What is computed in the boxes of each of the two names."""
    rules = {call.name: call.rule for call in calls}
    for x, (name, rule) in zip((0.3, 3.5), rules.items(), strict=True):
        box(ax, x, y, name, ROLES[name], width=0.36)
        ax.text(x + 0.3, y, typeset(rule), va="center")


def typeset(text):
    """z_H and z_L with real subscripts."""
    return text.replace("z_H", "$z_H$").replace("z_L", "$z_L$")


def naive_loop(loops):
    """y <- f(x, y), `loops` times, with the gradient going back through all of it.

    More than six loops are drawn as the first three, dots, and the last two.
    Returns a Figure.
    """
    check(loops=loops)
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
    way_back(ax, 5.9, centres[0] - 0.22, y - 0.34, f"gradient through {plural}")
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
    check(n=latent_steps, T=recursions, segments=segments)
    figure, ax = new_drawing(WIDTH, 0.25 + segments * (1.35 * recursions + 0.8))
    y = ax.get_ylim()[1] - 0.3
    key(ax, y, trm_calls(latent_steps, recursions))
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
        way_back(ax, 5.92, calls[0], y - 0.34, f"gradient through {latent_steps + 1} calls")
        y -= 0.78
        if segment < segments:
            ax.plot([0.12, WIDTH - 0.12], [y, y], "--", color=COLOURS["muted"], lw=1.5)
            ax.text(
                WIDTH / 2, y, f"{SCISSORS} detach, y and z go on", ha="center", va="center",
                bbox=dict(facecolor=PAPER, edgecolor="none"),
            )  # fmt: skip
    return figure


def hrm_segment(high_cycles=2, low_cycles=2, gradient="one_step"):
    """HRM's two clocks: L is called low_cycles times (T), then H once; high_cycles times (N).

    Time goes from left to right, and z_H stands still while L works. gradient:
    "one_step", through the last L and the last H call, or "full", through the
    whole last high cycle; calls without one are dashed. Raises ValueError for
    more calls than a row can show. Returns a Figure.
    """
    calls = hrm_calls(high_cycles, low_cycles, gradient)
    if len(calls) > IN_A_ROW:
        raise ValueError(
            f"high_cycles * (low_cycles + 1) is {len(calls)} calls: expected at most {IN_A_ROW}"
        )
    figure, ax = new_drawing(WIDTH, 3.7)
    key(ax, 3.4, calls)
    lanes = {"z_H": 1.9, "z_L": 0.95}  # heights
    step = 3.75 / len(calls)
    width = min(0.44, 0.65 * step)
    side = width / 4  # x and z_H enter L side by side
    centres = [0.82 + step * (index + 0.5) for index in range(len(calls))]
    for turn in range(1, high_cycles + 1):
        words, size = (f"high cycle {turn}", 12) if high_cycles <= 3 else (f"cycle {turn}", 10)
        left = 0.82 + step * (low_cycles + 1) * (turn - 1)
        weight = "bold" if turn == high_cycles else "normal"
        ax.text(left, 2.83, words, fontsize=size, fontweight=weight)
    low = [x - side for call, x in zip(calls, centres, strict=True) if call.name == "L"]
    rail(ax, 2.5, 0.35, low, drop=2.5 - lanes["z_L"] - 0.19)
    for state, y in lanes.items():
        box(ax, 0.35, y, typeset(state), ROLES[state], width=0.36)
    ends = dict.fromkeys(lanes, 0.53)  # how far each lane has come
    for call, x in zip(calls, centres, strict=True):
        y, colour = lanes[call.writes], COLOURS[ROLES[call.writes]]
        arrow(ax, (ends[call.writes], y), (x - width / 2, y), colour, lw=2)
        ends[call.writes] = x + width / 2
        other = "z_H" if call.name == "L" else "z_L"
        tap(ax, x + side if call.name == "L" else x, lanes[other], y, COLOURS[ROLES[other]])
        box(ax, x, y, call.name, ROLES[call.name], width, pale=not call.gradient)
    hrm_ends(ax, lanes, ends)
    passed = [x for call, x in zip(calls, centres, strict=True) if call.gradient]
    words = f"gradient through {len(passed)} of {len(calls)} calls"
    way_back(ax, 5.92, passed[0] - width / 2, 0.5, words)
    if len(passed) < len(calls):
        ax.text(0.17, 0.4, "dashed: no gradient", va="center")
    return figure


def hrm_ends(ax, lanes, ends):
    """z_H goes to the head and the loss; both states go on, cut off from what made them."""
    high, low = lanes["z_H"], lanes["z_L"]
    bend = low + 0.13
    arrow(ax, (ends["z_H"], high), (4.83, high), COLOURS["answer"], lw=2)
    ax.plot(4.66, high, "o", color=COLOURS["answer"], ms=5)
    ax.plot([4.66, 4.66], [high, bend], "-", color=COLOURS["answer"], lw=1.4)
    arrow(ax, (4.66, bend), (4.86, bend), COLOURS["answer"])
    arrow(ax, (ends["z_L"], low), (4.86, low), COLOURS["latent"], lw=2)
    box(ax, 5.12, high, "head", ROLES["head"], width=0.58)
    arrow(ax, (5.41, high), (5.61, high))
    box(ax, 5.92, high, "loss", ROLES["loss"], width=0.62)
    ax.text(4.9, low + 0.1, f"{SCISSORS} detach,", va="center")
    ax.text(4.9, low - 0.12, typeset("z_H, z_L go on"), va="center")


def tap(ax, x, lane, y, colour):
    """A state is read: from a dot on its lane to the edge of the box at height y."""
    ax.plot(x, lane, "o", color=colour, ms=5)
    arrow(ax, (x, lane), (x, y + (0.19 if lane > y else -0.19)), colour)


def gradient_paths():
    """Four ways to train six calls: which of them does the gradient go back through?

    From above: all of them; deep supervision, with a loss and a cut after each
    segment of three; HRM's one-step gradient; TRM's last latent recursion.
    Calls without a gradient are dashed. Returns a Figure.
    """
    rows = (
        ("one loss: back through all loops", [naive_calls(6)]),
        ("deep supervision: a loss and a cut each segment", [naive_calls(3)] * 2),
        ("HRM, one step: the last L and the last H", [hrm_calls(2, 2)]),
        ("TRM: the whole last latent recursion", [trm_calls(2, 2)]),
    )
    figure, ax = new_drawing(WIDTH, 0.15 + 1.25 * len(rows))
    ax.text(5.1, ax.get_ylim()[1] - 0.22, "back through", va="center")
    for row, (title, segments) in enumerate(rows):
        y = ax.get_ylim()[1] - 0.55 - 1.25 * row
        ax.text(0.12, y + 0.33, title, va="center", fontweight="bold")
        path_row(ax, y, segments)
    ax.text(0.12, 0.35, "dashed: no gradient", va="center")
    return figure


def path_row(ax, y, segments):
    """Six calls in two groups of three, with a loss after each segment and its way back."""
    columns = [0.35 + 0.6 * column for column in (0, 1, 2, 4, 5, 6)]
    calls = [call for segment in segments for call in segment]
    for left, right in zip(columns[:-1], columns[1:], strict=True):
        arrow(ax, (left + 0.22, y), (right - 0.22, y))
    for call, x in zip(calls, columns, strict=True):
        box(ax, x, y, call.name, ROLES[call.name], pale=not call.gradient)
    for number, segment in enumerate(segments, start=1):
        own = columns[len(segment) * (number - 1) : len(segment) * number]
        passed = [x for call, x in zip(segment, own, strict=True) if call.gradient]
        x = own[-1] + 0.6
        if number == len(segments):
            ax.plot([own[-1] + 0.22, x], [y, y], "-", color=COLOURS["muted"], lw=1.4)
        else:
            ax.text(x + 0.14, y, SCISSORS, ha="center", va="center", fontsize=15)
        arrow(ax, (x, y), (x, y - 0.31))
        box(ax, x, y - 0.5, "loss", "wrong", width=0.5, fontsize=11)
        arrow(ax, (x - 0.25, y - 0.5), (passed[0] - 0.22, y - 0.5), COLOURS["wrong"], lw=2.6)
    told = " + ".join(str(sum(call.gradient for call in segment)) for segment in segments)
    ax.text(5.1, y, f"{told} of {len(calls)}", va="center", fontweight="bold")
