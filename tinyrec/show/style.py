"""One look for every figure of the book: colours by role, sizes, paper."""

import matplotlib.pyplot as plt
from matplotlib.colors import to_rgb

PAPER = "#FCFCFA"  # opaque, so that a figure reads on a dark page too
INK = "#1A1A1A"

# Okabe and Ito's palette, which stays distinct in every form of colour blindness.
COLOURS = {
    "question": INK,  # x and the given digits
    "answer": "#0072B2",  # y and the digits the model wrote
    "latent": "#CC79A7",  # z
    "right": "#009E73",
    "wrong": "#D55E00",
    "changed": "#E69F00",
    "muted": "#6B6B6B",
}

# The same roles where the page is dark, each as easy to tell from its ground.
DARK_PAPER = "#1C2026"
DARK = {
    "question": "#F2F2EE",
    "answer": "#6DBDF2",
    "latent": "#E9A9CC",
    "right": "#3CCB9C",
    "wrong": "#FF8F57",
    "changed": "#F2B632",
    "muted": "#A9ADB3",
}

STYLE = {
    "figure.facecolor": PAPER,
    "figure.dpi": 150,
    "savefig.facecolor": PAPER,
    "savefig.dpi": 150,
    "svg.hashsalt": "tinyrec",  # the same picture gives the same file
    "axes.facecolor": PAPER,
    "axes.edgecolor": COLOURS["muted"],
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.labelsize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": plt.cycler(
        color=[COLOURS[role] for role in ("answer", "wrong", "right", "latent")],
        linestyle=["-", "--", "-.", ":"],
    ),
    "font.family": "DejaVu Sans",  # ships with matplotlib and has every sign we draw
    "font.size": 12,
    "grid.color": "#E2E2DE",
    "legend.fontsize": 11,
    "legend.frameon": False,
    "lines.linewidth": 2.2,
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelsize": 11,
    "ytick.color": INK,
    "ytick.labelsize": 11,
}


def use_style():
    """Make the book's style matplotlib's default; call it once, in the setup cell."""
    plt.rcParams.update(STYLE)


def tint(role, strength=0.2, colours=COLOURS, ground="white"):
    """The role's colour mixed with the ground: an opaque (r, g, b) fill for text to sit on."""
    mixed = zip(to_rgb(ground), to_rgb(colours[role]), strict=True)
    return tuple(under + strength * (part - under) for under, part in mixed)


def new_figure(width, height, rows=1, columns=1, **options):
    """A figure of width x height inches and its axes, in the book's style.

    It is taken out of pyplot's hands, else a notebook shows it twice:
    once for being open and once for being the cell's last value.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            rows, columns, figsize=(width, height), layout="constrained", **options
        )
    plt.close(figure)
    return figure, axes


def new_drawing(width, height):
    """A figure and one bare axes measured in inches, for boxes and arrows."""
    figure, ax = new_figure(width, height)
    figure.set_layout_engine("none")
    ax.set_position((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(0, height))
    ax.axis("off")
    return figure, ax
