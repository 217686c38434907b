"""Puzzles as grids: what is given, what is wrong, what just changed. Each family draws its own."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Polygon, Rectangle

from tinyrec.show import families
from tinyrec.show.style import COLOURS, INK, new_drawing, tint

WIDTH = 6.4  # inches of a row of grids


def marks(answers, solution=None):
    """Which cells to mark in a sequence of answers.

    answers (S, cells), solution (cells,). Returns two boolean arrays (S, cells):
    wrong (differs from the solution; all False without one) and changed
    (differs from the answer before; all False in the first).
    """
    answers = np.asarray(answers)
    wrong = np.zeros(answers.shape, bool)
    if solution is not None:
        wrong = answers != np.asarray(solution)
    changed = np.zeros(answers.shape, bool)
    changed[1:] = answers[1:] != answers[:-1]
    return wrong, changed


def captions(answers, solution=None, q=None):
    """What to say about each answer: S tuples such as
    ("segment 3 of 16", "31 of 36 cells right", "says solved: 87 %").

    answers (S, cells), solution (cells,); q (S,) halting logits, said as
    sigmoid(q). A part whose input is missing is left out.
    """
    answers = np.asarray(answers)
    count, cells = answers.shape
    parts = [[f"segment {s} of {count}" for s in range(1, count + 1)]]
    if solution is not None:
        right = (answers == np.asarray(solution)).sum(axis=1)
        parts.append([f"{n} of {cells} cells right" for n in right])
    if q is not None:
        halt = 1 / (1 + np.exp(-np.asarray(q, dtype=float)))
        parts.append([f"says solved: {100 * p:.0f} %" for p in halt])
    return list(zip(*parts, strict=True))


def draw_grid(ax, grid, givens=None, wrong=None, changed=None, title="", family="sudoku"):
    """Draw one puzzle of a family on ax.

    grid: values, (cells,) or (rows, columns); 0 is blank. givens: the puzzle or
    a mask of the same shape; its nonzero cells are drawn as given, the others as
    answers. wrong, changed: boolean masks; a wrong cell gets a corner triangle,
    a changed one a ring, both also a colour.
    Raises ValueError for a number of cells that no puzzle of the family has.
    """
    drawing = families.find(family)
    grid = np.asarray(grid).ravel().astype(int)
    rows, columns = drawing.shape(grid.size)
    nothing = np.zeros(grid.size, bool)
    given, bad, new = (
        nothing if mask is None else np.asarray(mask).ravel() != 0
        for mask in (givens, wrong, changed)
    )
    ax.set(xlim=(-0.06, columns + 0.06), ylim=(rows + 0.06, -0.06), aspect="equal")
    ax.axis("off")
    ax.set_title(title, loc="center", fontsize=11)
    # A cell's width in points, so that signs fill their cells in any panel.
    panel = ax.get_position()
    width, height = ax.figure.get_size_inches()
    points = 72 * min(panel.width * width / columns, panel.height * height / rows)
    places = [divmod(cell, columns) for cell in range(grid.size)]
    for cell, (row, column) in enumerate(places):
        fill = tint("wrong") if bad[cell] else "white"
        ax.add_patch(Rectangle((column, row), 1, 1, facecolor=fill, edgecolor="none"))
    drawing.draw(ax, grid, given, points)
    for cell, (row, column) in enumerate(places):
        if bad[cell]:
            corner = [(column + 0.62, row), (column + 1, row), (column + 1, row + 0.38)]
            ax.add_patch(Polygon(corner, facecolor=COLOURS["wrong"], gid="wrong"))
        if new[cell]:
            ring = Circle((column + 0.5, row + 0.5), 0.42, fill=False, gid="changed")
            ring.set(edgecolor=COLOURS["changed"], linewidth=max(1.5, points / 12))
            ax.add_patch(ring)
    block_rows, block_columns = drawing.block(grid.size)
    thick = {True: 1.8, False: 0.5}
    for row in range(rows + 1):
        ax.plot([0, columns], [row, row], "-", color=INK, lw=thick[row % block_rows == 0])
    for column in range(columns + 1):
        ax.plot([column, column], [0, rows], "-", color=INK, lw=thick[column % block_columns == 0])


def side_by_side(cells, family):
    """How many grids a phone can show next to each other."""
    return 4 if families.find(family).shape(cells)[1] <= 6 else 3


def key(ring, corner):
    """What the marks mean, for those that have a meaning: handles for a legend."""
    circle = dict(marker="o", ms=10, mfc="none", mew=2, color=COLOURS["changed"])
    triangle = dict(marker=[(-1, 1), (1, 1), (1, -1)], ms=9, color=COLOURS["wrong"])
    return [
        Line2D([], [], ls="", label=meaning, **look)
        for meaning, look in ((ring, circle), (corner, triangle))
        if meaning
    ]


def grid_row(
    grids, givens=None, wrong=None, changed=None, titles=None, columns=None, legend="",
    family="sudoku",
):  # fmt: skip
    """Grids side by side, wrapped after `columns` of them (default: what a phone can show).

    grids (G, cells) values; givens (cells,) or (G, cells); wrong and changed
    boolean (G, cells); titles: G strings; legend: what the ring means, put
    under the grids. The triangle's meaning is told wherever something is wrong.
    Returns a Figure.
    """
    grids = np.asarray(grids)
    count, cells = grids.shape
    if givens is not None:
        givens = np.broadcast_to(np.asarray(givens), grids.shape)
    signs = key(legend, "wrong" if np.any(wrong) else "")
    rows = -(-count // (columns or side_by_side(cells, family)))
    columns = columns or -(-count // rows)  # rows of equal length, if they can be
    head = 0.08 + 0.19 * max(title.count("\n") + 1 for title in titles) if titles else 0.08
    foot = 0.4 if signs else 0.08
    height_of, width_of = families.find(family).shape(cells)
    width = (WIDTH - 0.1) / columns - 0.1  # of one grid, in inches
    side = width * height_of / width_of
    height = rows * (head + side) + foot
    figure, page = new_drawing(WIDTH, height)
    for index in range(count):
        row, column = divmod(index, columns)
        left = 0.1 + column * (width + 0.1)
        bottom = height - (row + 1) * (head + side)
        place = (left / WIDTH, bottom / height, width / WIDTH, side / height)
        draw_grid(
            figure.add_axes(place),
            grids[index],
            givens=None if givens is None else givens[index],
            wrong=None if wrong is None else wrong[index],
            changed=None if changed is None else changed[index],
            title=titles[index] if titles else "",
            family=family,
        )
    if signs:
        page.legend(handles=signs, loc="lower center", ncols=2, borderaxespad=0.2)
    return figure


def steps_figure(puzzle, answers, solution=None, q=None, panels=None, family="sudoku"):
    """A model solving one puzzle: the puzzle, then its answer after some segments.

    puzzle (cells,), 0 blank; answers (S, cells) after each segment; solution
    (cells,); q (S,) halting logits, told as sigmoid(q).
    Shows at most `panels` grids (default: two rows of them): the puzzle, the
    first and last segments and, of the others, those where the answer changed,
    evenly thinned. A ring marks what changed since the grid before, a corner
    triangle what is wrong. Returns a Figure.
    """
    answers = np.asarray(answers)
    last = len(answers) - 1
    _, changed = marks(answers)
    between = [s for s in range(1, last) if changed[s].any()]
    room = (panels or 2 * side_by_side(answers.shape[1], family)) - 3
    if len(between) > room:
        kept = np.linspace(0, len(between) - 1, room).round().astype(int)
        between = [between[index] for index in kept]
    shown = sorted({0, *between, last})
    said = captions(answers, solution, q)
    wrong, changed = marks(answers[shown], solution)
    blank = np.zeros((1, answers.shape[1]), bool)
    return grid_row(
        np.vstack([np.asarray(puzzle).reshape(1, -1), answers[shown]]),
        givens=puzzle,
        wrong=np.vstack([blank, wrong]),
        changed=np.vstack([blank, changed]),
        titles=["the puzzle"] + ["\n".join(said[s]).replace(" cells", "") for s in shown],
        legend="changed since the grid before",
        family=family,
    )
