"""The figures of the pages on speed, each made from one or two files of book/results/."""

from tinyrec.show.style import COLOURS, INK, new_figure, tint

KINDS = {
    "matrix products": "answer",
    "fused kernels": "changed",
    "other operations": "wrong",
    "Python and the rest": "muted",
}


def solve_figure(*found):
    """How accurate after how many seconds of training, a line for each seed.

    Large marks: the finished model.
    """
    figure, axes = new_figure(7.2, 2.9, 1, len(found), sharey=True)
    for ax, preset in zip(axes, found, strict=True):
        for number, run in enumerate(preset["runs"]):
            history = run["result"]["history"]
            look = dict(color=COLOURS["answer"], marker="os^Dv"[number % 5])
            ax.plot(
                [0] + [entry["seconds"] for entry in history],
                [0] + [100 * entry["test"] for entry in history],
                ls="-", ms=5, lw=1.5, label=f"seed {run['seed']}", **look,
            )  # fmt: skip
            finished = 100 * run["result"]["test"]["exact"]
            ax.plot([history[-1]["seconds"]], [finished], ls="", ms=11, mfc="none", **look)
        ax.set(title=preset["preset"], xlabel="seconds of training", ylim=(-3, 103))
        ax.yaxis.set_major_formatter("{x:.0f} %")
    axes[0].set_ylabel("exact, first 200 held out")
    axes[0].legend(loc="lower right", fontsize=9)
    return figure


def throughput_figure(found):
    """A bar for each way, its name and number inside, so that it reads on a phone."""
    ways = found["ways"]
    names = sorted(ways, key=lambda name: ways[name]["rate"]["median"])
    figure, ax = new_figure(6.4, 0.8 + 0.36 * len(names))
    for row, name in enumerate(names):
        rate = ways[name]["rate"]
        mine = name.startswith("tinyrec")
        ax.barh(row, rate["median"], color=tint("answer" if mine else "muted", 0.45), height=0.75)
        ax.plot([rate["low"], rate["high"]], [row, row], color=INK, ls="-", lw=2)
        ax.annotate(
            f"{name}: {rate['median']:.0f}", (0, row), (8, 0),
            textcoords="offset points", va="center", weight="bold" if mine else "normal",
        )  # fmt: skip
    ax.set_yticks([])
    ax.set_xlabel("puzzles a second (line: middle half)")
    ax.set_xlim(0, 1.05 * max(way["rate"]["high"] for way in ways.values()))
    ax.grid(False, axis="y")
    return figure


def profile_figure(found):
    ways = found["ways"]
    figure, ax = new_figure(7.2, 0.9 + 0.6 * len(ways))
    for row, kinds in enumerate(reversed(ways.values())):
        left = 0
        for kind, role in KINDS.items():
            ax.barh(
                row, kinds[kind], left=left, height=0.6, color=tint(role, 0.75), edgecolor=INK,
                hatch="" if kind != "fused kernels" else "//", label=kind if row == 0 else None,
            )  # fmt: skip
            left += kinds[kind]
        ax.annotate(f"{left:.0f}", (left, row), (6, 0), textcoords="offset points", va="center")
    ax.set_yticks(range(len(ways)), reversed(ways))
    ax.set_xlabel("milliseconds of a training step")
    ax.set_xlim(0, 1.1 * max(sum(kinds.values()) for kinds in ways.values()))
    ax.grid(False, axis="y")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=9)
    return figure


def memory_figure(found):
    """Peak memory against T and against the number of segments."""
    figure, axes = new_figure(7.2, 3.2, 1, 2, sharey=True)
    panels = {"recursions": "recursions T", "segments": "segments"}
    for ax, (key, label) in zip(axes, panels.items(), strict=True):
        for name, role, mark in (("tinyrec", "answer", "o"), ("unrolled", "wrong", "s")):
            rows = found[key]
            ax.plot(
                [row[key] for row in rows], [row[name] / 1000 for row in rows], mark,
                ls="-" if name == "tinyrec" else "--", color=COLOURS[role], ms=6, label=name,
            )  # fmt: skip
        ax.set(xlabel=label, xticks=[row[key] for row in found[key]])
        ax.set_ylim(bottom=0)
    axes[0].set_ylabel("peak memory, GB")
    axes[0].legend(loc="upper left")
    return figure
