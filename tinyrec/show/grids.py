"""Sudoku drawn as Sudoku: what is given, what is wrong, what just changed."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Polygon, Rectangle

from tinyrec.show.style import COLOURS, INK, new_drawing, tint

WIDTH = 6.4  # inches of a row of grids
BOXES = {4: (2, 2), 6: (2, 3), 9: (3, 3)}  # side of the grid: rows, columns of a box


def side_of(cells):
    """Side of a square grid with that many cells: 4, 6 or 9."""
    side = round(cells**0.5)
    if side * side != cells or side not in BOXES:
        raise ValueError(f"a grid of {cells} cells: expected 16, 36 or 81")
    return side


def marks(answers, solution=None):
    """Which cells to mark in a sequence of answers.

    answers (S, cells) and solution (cells,) are digits. Returns two boolean
    arrays (S, cells): wrong (differs from the solution; all False without
    one) and changed (differs from the answer before; all False in the first).
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


def draw_grid(ax, grid, givens=None, wrong=None, changed=None, title=""):
    """Draw one Sudoku grid on ax.

    grid: digits (cells,) or (n, n), n = 4, 6 or 9; 0 is blank. givens: the
    puzzle or a mask of the same shape; its nonzero cells are set bold, the
    others in the colour of answers. wrong, changed: boolean masks; a wrong
    cell gets a corner triangle, a changed one a ring, both also a colour.
    Raises ValueError for any other number of cells.
    """
    digits = np.asarray(grid).ravel()
    side = side_of(digits.size)
    nothing = np.zeros(digits.size, bool)
    given, bad, new = (
        nothing if mask is None else np.asarray(mask).ravel() != 0
        for mask in (givens, wrong, changed)
    )
    ax.set(xlim=(-0.06, side + 0.06), ylim=(side + 0.06, -0.06), aspect="equal")
    ax.axis("off")
    ax.set_title(title, loc="center", fontsize=11)
    # A cell's width in points, so that digits fill their cells in any panel.
    box = ax.get_position()
    width, height = ax.figure.get_size_inches()
    cell = 72 * min(box.width * width, box.height * height) / side
    for index, digit in enumerate(digits):
        row, column = divmod(index, side)
        fill = tint("wrong") if bad[index] else "white"
        ax.add_patch(Rectangle((column, row), 1, 1, facecolor=fill, edgecolor="none"))
        if bad[index]:
            corner = [(column + 0.62, row), (column + 1, row), (column + 1, row + 0.38)]
            ax.add_patch(Polygon(corner, facecolor=COLOURS["wrong"], gid="wrong"))
        if new[index]:
            ring = Circle((column + 0.5, row + 0.5), 0.42, fill=False, gid="changed")
            ring.set(edgecolor=COLOURS["changed"], linewidth=max(1.5, cell / 12))
            ax.add_patch(ring)
        if digit:
            ax.text(
                column + 0.5,
                row + 0.52,
                str(int(digit)),
                ha="center",
                va="center",
                fontsize=0.62 * cell,
                fontweight="bold" if given[index] else "normal",
                color=COLOURS["question" if given[index] else "answer"],
            )
    box_rows, box_columns = BOXES[side]
    for line in range(side + 1):
        thick = {True: 1.8, False: 0.5}
        ax.plot([0, side], [line] * 2, "-", color=INK, lw=thick[line % box_rows == 0])
        ax.plot([line] * 2, [0, side], "-", color=INK, lw=thick[line % box_columns == 0])


def grid_row(grids, givens=None, wrong=None, changed=None, titles=None, columns=None, legend=""):
    """Grids side by side, wrapped after `columns` of them (default: what a phone can show).

    grids (G, cells) digits; givens (cells,) or (G, cells); wrong and changed
    boolean (G, cells); titles: G strings; legend: what the ring means, put
    under the grids with the triangle's meaning. Returns a Figure.
    """
    grids = np.asarray(grids)
    count, cells = grids.shape
    if givens is not None:
        givens = np.broadcast_to(np.asarray(givens), grids.shape)
    columns = columns or min(count, 3 if cells == 81 else 4)
    rows = -(-count // columns)
    head = 0.08 + 0.19 * max(title.count("\n") + 1 for title in titles) if titles else 0.08
    foot = 0.4 if legend else 0.08
    side = (WIDTH - 0.1) / columns - 0.1  # of one grid, in inches
    height = rows * (head + side) + foot
    figure, page = new_drawing(WIDTH, height)
    for index in range(count):
        row, column = divmod(index, columns)
        left = 0.1 + column * (side + 0.1)
        bottom = height - (row + 1) * (head + side)
        place = (left / WIDTH, bottom / height, side / WIDTH, side / height)
        draw_grid(
            figure.add_axes(place),
            grids[index],
            givens=None if givens is None else givens[index],
            wrong=None if wrong is None else wrong[index],
            changed=None if changed is None else changed[index],
            title=titles[index] if titles else "",
        )
    if legend:
        ring = Line2D([], [], ls="", marker="o", ms=10, mfc="none", mew=2)
        ring.set(color=COLOURS["changed"], label=legend)
        corner = Line2D([], [], ls="", marker=[(-1, 1), (1, 1), (1, -1)], ms=9)
        corner.set(color=COLOURS["wrong"], label="wrong")
        signs = [ring, corner] if np.any(wrong) else [ring]
        page.legend(handles=signs, loc="lower center", ncols=2, borderaxespad=0.2)
    return figure


def steps_figure(puzzle, answers, solution=None, q=None, panels=None):
    """A TRM solving one puzzle: the puzzle, then its answer after some segments.

    puzzle (cells,) digits, 0 blank; answers (S, cells) digits after each
    segment; solution (cells,); q (S,) halting logits, told as sigmoid(q).
    Shows at most `panels` grids (default 8, of 9x9 grids 6): the puzzle, the
    first and last segments and, of the others, those where the answer changed,
    evenly thinned. A ring marks what changed since the grid before, a corner
    triangle what is wrong. Returns a Figure.
    """
    answers = np.asarray(answers)
    last = len(answers) - 1
    _, changed = marks(answers)
    between = [s for s in range(1, last) if changed[s].any()]
    room = (panels or (6 if answers.shape[1] == 81 else 8)) - 3
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
    )
