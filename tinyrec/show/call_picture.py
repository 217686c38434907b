"""A segment as an SVG that the call player lights: all that changes carries data-is."""

from tinyrec.show.calls import ROLES

WIDTH = 320
START, LEFT, RIGHT, LAST = 30, 38, 262, 290  # lanes begin; calls from, to; middle of head and loss
HALF = 15  # the height of a box
RAIL = 12  # depth of x's rail in a row
ONE, TWO = (50,), (48, 104)  # depths of a row's lanes
LOSS = 48  # depth of the loss below the last lane


def picture(rows, states, ends, label):
    """The calls of a segment, row by row, then its ends, "head" and "loss" or the loss alone.

    states: the answer's first; HRM's two have a lane each, others share one.
    label: what the picture shows, in words.
    """
    depths = TWO if "z_L" in states else ONE
    step = (RIGHT - LEFT) / max(map(len, rows))
    parts = []
    for number, row in enumerate(rows):
        top = number * (depths[-1] + 34)
        lanes = {state: top + depth for state, depth in zip(states, depths * 2, strict=False)}
        centres = [LEFT + step * (index + 0.5) for index in range(len(row))]
        parts += draw_row(row, centres, min(2 * HALF, 0.65 * step), lanes, top + RAIL)
    first = next(x for call, x in zip(row, centres, strict=True) if call.gradient)
    end = centres[-1] + min(HALF, 0.325 * step)
    parts += draw_ends(ends, end, lanes[states[0]], max(lanes.values()) + LOSS, first)
    height = max(lanes.values()) + LOSS + HALF + 9
    words = f'role="img" aria-label="{label}"'
    return f'<svg viewBox="0 0 {WIDTH} {height}" {words}>{"".join(parts)}</svg>'


def draw_row(row, centres, width, lanes, rail):
    """x on its rail, the states on their lanes, and the calls with the arrows that lead in."""
    names = {y: ", ".join(state for state in lanes if lanes[state] == y) for y in lanes.values()}
    parts = [text(HALF, y, words) for y, words in ({rail: "x"} | names).items()]
    came = dict.fromkeys(lanes.values(), START)  # how far each lane is drawn
    drops = []
    for call, x in zip(row, centres, strict=True):
        y = lanes[call.writes]
        lines = arrow(came[y], y, x - width / 2, y)
        came[y] = x + width / 2
        side = width / 4 if len(came) > 1 else 0  # x and z_H enter L side by side
        for other in came.keys() - {y}:
            tap = x + side * (other < y)
            lines += f"M{came[other]:g} {other}H{tap:g}" + dot(tap, other)
            lines += arrow(tap, other, tap, y + (HALF if other > y else -HALF))
        if "x" in call.reads:
            drops.append(x - side)
            lines += arrow(x - side, rail, x - side, y - HALF)
        look = ROLES[call.name] + ("" if call.gradient else " pale")
        parts.append(box(x, y, width, call.name, look, lines))
    return [f'<path class="rail" d="M{HALF + 8} {rail}H{drops[-1]:g}"/>', *parts]


def draw_ends(ends, x, y, under, first):
    """The head in the answer's lane, the loss below, and the gradient's way back to `first`."""
    parts = []
    if "head" in ends:
        parts.append(box(LAST, y, 46, "head", ROLES["head"], arrow(x, y, LAST - 23, y)))
        lines = arrow(LAST, y + HALF, LAST, under - HALF)
    else:
        lines = f"M{x:g} {y}H{LAST}" + arrow(LAST, y, LAST, under - HALF)
    way = f"M{LAST - 23} {under}H{first:g}" + arrow(first, under, first, under - LOSS + HALF + 2)
    parts.append(
        box(LAST, under, 46, "loss", ROLES["loss"], lines, f'<path class="way" d="{way}"/>')
    )
    return parts


def box(x, y, width, name, look, lines, more=""):
    """What is computed: the lines that lead in, a box with its name, and the marks that it may get,
    a ring round it, a tick or the gradient's arrowhead at its corner.
    """
    left, top = x - width / 2, y - HALF
    size = f'width="{width:g}" height="{2 * HALF}" rx="6"'
    ring = f'width="{width + 8:g}" height="{2 * HALF + 8}" rx="9"'
    return (
        f'<g data-is="." class="{look}">{more}<path class="in" d="{lines}"/>'
        f'<rect class="ring" x="{left - 4:g}" y="{top - 4}" {ring}/>'
        f'<rect class="box" x="{left:g}" y="{top}" {size}/>{text(x, y, name)}'
        f'<g class="mark" transform="translate({x + width / 2:g} {y + HALF})"><circle r="7"/>'
        '<path class="tick" d="M-3.5 0L-1 3L3.5 -3"/><path class="back" d="M3 -4L-4 0L3 4Z"/>'
        "</g></g>"
    )


def text(x, y, words):
    """Words with their middle at (x, y); z_H and z_L with real subscripts."""
    for letter in "HL":
        words = words.replace(f"_{letter}", f'<tspan dy="4" font-size="11">{letter}</tspan>')
    return f'<text x="{x:g}" y="{y}">{words}</text>'


def arrow(x, y, x2, y2):
    """A line from (x, y) along an axis to (x2, y2), with its head, as the data of a path."""
    along, across = ((x2 > x) - (x2 < x), 0) if y == y2 else (0, (y2 > y) - (y2 < y))
    a, b = x2 - 7 * along, y2 - 7 * across
    sides = [f"{a + 4 * sign * across:g} {b + 4 * sign * along:g}" for sign in (1, -1)]
    return f"M{x:g} {y:g}L{a:g} {b:g}M{x2:g} {y2:g}L{sides[0]}L{sides[1]}Z"


def dot(x, y):
    """A dot where a line leaves a lane, as the data of a path."""
    return f"M{x - 3:g} {y}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0"
