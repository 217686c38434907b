"""ARC grids in ARC's own colours: the contract of `tinyrec.show.families`.

What is drawn are colours, 1 (black) to 10; what lies outside of a grid is 0. Who cannot tell the
colours apart reads their digits, 0 to 9, which stand in every cell that has room for them.
"""

from math import isqrt

from matplotlib.patches import Rectangle

from tinyrec.puzzles.arc.grids import BLACK, image

NAME = "ARC grid"
PALETTE = (
    "#000000", "#0074D9", "#FF4136", "#2ECC40", "#FFDC00",
    "#AAAAAA", "#F012BE", "#FF851B", "#7FDBFF", "#870C25",
)  # fmt: skip
OUTSIDE = "#E6E6E2"  # of the grid; paler than ARC's grey
ON_DARK = {0, 1, 6, 9}  # colours on which a digit is white
ROOM = 8  # points a cell must be wide for a digit to be read


def values(tokens):
    """What a model writes outside of its grid is not drawn: nobody taught it to write there."""
    rows = tokens.cpu().reshape(-1, tokens.shape[-1])
    return (image(rows) - BLACK + 1).clamp(min=0).view(tokens.shape).numpy()


def shape(cells):
    side = isqrt(cells)
    if side * side != cells:
        raise ValueError(f"{cells} cells: expected those of a square canvas")
    return side, side


def block(cells):
    return shape(cells)


def signs(cells):
    return ".0123456789"


def draw(ax, grid, given, points):
    """Question and answer are two grids, so nothing in an answer is given."""
    side, _ = shape(len(grid))
    for cell, value in enumerate(grid):
        row, column = divmod(cell, side)
        colour = PALETTE[value - 1] if value else OUTSIDE
        ax.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, edgecolor="none", gid="cell"))
        if value and points >= ROOM:
            ax.text(
                column + 0.5, row + 0.52, str(value - 1), ha="center", va="center",
                fontsize=0.45 * points, color="white" if value - 1 in ON_DARK else "black",
            )  # fmt: skip
