"""book/speed.md and its figures, made from book/results/*.json: every number on the page is a
measured one.

python tests/benchmarks/page.py
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt

from tinyrec.checkpoints import write_atomically
from tinyrec.show.style import COLOURS, INK, STYLE, new_figure, tint

BOOK = Path(__file__).parents[2] / "book"
TEMPLATE = Path(__file__).parent / "speed.template.md"
NEEDED = (
    "solve-6x6", "solve-9x9", "throughput", "sizes", "profile", "memory",
    "stopping", "attempts", "precision", "kinds", "recipe",
)  # fmt: skip
KINDS = {
    "matrix products": "answer",
    "fused kernels": "changed",
    "other operations": "wrong",
    "Python and the rest": "muted",
}


def main(results: Path = BOOK / "results", out: Path = BOOK) -> None:
    found = {
        path.stem.removeprefix("bench-"): json.loads(path.read_text())
        for path in sorted(results.glob("bench-*.json"))
    }
    if missing := set(NEEDED) - set(found):
        raise SystemExit(f"no page yet: {results} has no bench-{min(missing)}.json")
    figures = {
        "solve": solve_figure(found["solve-6x6"], found["solve-9x9"]),
        "throughput": throughput_figure(found["throughput"]),
        "profile": profile_figure(found["profile"]),
        "memory": memory_figure(found["memory"]),
    }
    folder = out / "_static" / "speed"
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        with plt.rc_context(STYLE):
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    write_atomically(out / "speed.md", page(found).encode())


def page(found: dict) -> str:
    """The template with its {names} filled in."""
    text = TEMPLATE.read_text()
    for name, value in values(found).items():
        text = text.replace("{" + name + "}", value)
    return text


def values(found: dict) -> dict[str, str]:
    six, nine = found["solve-6x6"], found["solve-9x9"]
    throughput, stopping = found["throughput"], found["stopping"]
    ways = throughput["ways"]
    ours = ways["tinyrec"]["times_as_fast_as"]
    alone = ways["tinyrec, one process"]["times_as_fast_as"]
    precision = throughput["precision"]
    best = f"textbook, {precision}, compiled"
    return {
        "machine": machines(found),
        "six_median": f"{six['median_seconds']:.0f}",
        "six_longest": f"{six['longest_seconds']:.0f}",
        "six_precision": six["runs"][0]["result"]["precision"],
        "six_lowest": f"{six['lowest_exact']:.1%}",
        "nine_lowest": f"{nine['lowest_exact']:.1%}",
        "nine_attempts": str(nine["run"]["attempts"]),
        "nine_minutes": f"{nine['longest_seconds'] / 60:.1f}",
        "nine_machine": nine["machine"]["device"],
        "seeds": str(len(six["runs"])),
        "nine_seeds": str(len(nine["runs"])),
        "solve_table": solve_table(six) + solve_table(nine, head=False),
        "throughput_table": throughput_table(ways),
        "ratio_textbook": spread(ours["textbook"]),
        "ratio_best": spread(ours[best]),
        "precision": precision,
        "aim": "reached" if ours[best]["median"] >= 1.25 else "did not reach",
        "throughput_machine": throughput["machine"]["device"],
        "ratio_alone": spread(alone[best]),
        "first_ours": f"{ways['tinyrec']['first_call_seconds']:.0f}",
        "first_best": f"{ways[best]['first_call_seconds']:.0f}",
        "sizes_table": sizes_table(found["sizes"]["sizes"]),
        "sizes_precision": found["sizes"]["precision"],
        "stopping_table": stopping_table(stopping["models"]),
        "attempts_table": attempts_table(found["attempts"]["models"]),
        "many_exact": f"{stopping['many']['exact']:.2%}",
        "many_full": f"{stopping['many']['exact_all_segments']:.2%}",
        "many_seconds": f"{stopping['many']['seconds']:.0f}",
        "many_puzzles": f"{stopping['many']['puzzles']:,}",
        "bfloat16": each(found["precision"]["bfloat16"]),
        "float32": each(found["precision"]["float32"]),
        "kinds_again_machine": found["kinds"]["kinds"][0]["again"]["machine"]["device"],
        "kinds_table": kinds_table(found["kinds"]["kinds"]),
        "recipe_tables": "\n".join(map(recipe_table, found["recipe"]["recipes"])),
        "gpu": gpu_section(found.get("gpu")),
    }


def machines(found: dict) -> str:
    """One line where everything was measured on one machine, otherwise a line for each."""
    parts = {}
    for name, measured in found.items():
        for part in measured.get("recipes", [measured]):
            line = "{device}, threads: {threads}, torch {torch}".format(**part["machine"])
            parts.setdefault(line, {})[name] = None  # a dict keeps the order, a name once
    if len(parts) == 1:
        return f"Machine: {next(iter(parts))}."
    return "\n".join(f"- {', '.join(names)}: {line}." for line, names in parts.items())


def each(shares: list[float]) -> str:
    return ", ".join(f"{share:.1%}" for share in shares)


def spread(ratio: dict) -> str:
    return f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"


def table(rows: list[list[str]], head: list[str] | None = None) -> str:
    lines = [head, ["---"] * len(head), *rows] if head else rows
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def solve_table(found: dict, head: bool = True) -> str:
    columns = [
        "preset", "seed", "command to end", "training alone", "first attempt", "exact, held out", "95 % interval"
    ]  # fmt: skip
    rows = [
        [
            found["preset"],
            str(run["seed"]),
            f"{run['seconds']:.0f} s",
            f"{run['result']['seconds']:.0f} s",
            f"{run['result']['test'].get('exact_first_attempt', run['result']['test']['exact']):.1%}",
            f"{run['result']['test']['exact']:.1%}",
            "{:.1%} to {:.1%}".format(*run["result"]["test"]["interval_95"]),
        ]
        for run in found["runs"]
    ]
    return table(rows, columns if head else None)


def throughput_table(ways: dict) -> str:
    rows = []
    for name, way in ways.items():
        against = way["times_as_fast_as"].get("textbook")
        first = f"{way['first_call_seconds']:.0f} s"
        rate = f"{way['rate']['median']:.0f}"
        rows.append([name, first, rate, spread(against) if against else "1"])
    return table(rows, ["way", "first call", "puzzles a second", "against the textbook"])


def sizes_table(rows: list[dict]) -> str:
    return table(
        [
            [
                str(row["cells"]),
                {"mlp": "mixer", "attention": "attention"}[row["mixing"]],
                f"{row['training']['median']:.0f}",
                f"{row['inference']['median']:.0f}",
                f"{row['peak_memory_MB']:.0f} MB",
            ]
            for row in rows
        ],
        [
            "cells",
            "mixing",
            "training, puzzles a second",
            "16 segments, puzzles a second",
            "peak memory",
        ],
    )


def stopping_table(models: list[dict]) -> str:
    return table(
        [
            [
                row["model"],
                f"{row['puzzles']:,}",
                f"{row['exact_all_segments']:.2%}",
                f"{row['exact_from_half']:.2%} ({row['mean_segments_from_half']:.1f})",
                f"{row['exact_stopping']:.2%} ({row['mean_segments']:.1f})",
                f"{row['segments'] / row['mean_segments']:.1f} times",
            ]
            for row in models
        ],
        ["model", "puzzles", "all segments", "from 50 % on", "from 98 % on", "fewer segments"],
    )


def attempts_table(models: list[dict]) -> str:
    """A row for each model and number of attempts."""
    return table(
        [
            [
                model["model"],
                str(row["attempts"]),
                f"{row['exact']:.1%}",
                "{:.1%} to {:.1%}".format(*row["interval_95"]),
                f"{row['mean_segments']:.1f}",
                f"{row['sure_but_wrong']} of {row['sure']:,}",
            ]
            for model in models
            for row in model["rows"]
        ],
        [
            "model",
            "attempts",
            "exact",
            "95 % interval",
            "segments, all attempts",
            "sure, but wrong",
        ],
    )


def kinds_table(kinds: list[dict]) -> str:
    rows = [
        [
            row["source"].replace("_", " "),
            f"{row['puzzles']:,}",
            f"{row['givens']:.1f}",
            f"{row['exact_4_segments']:.1%}",
            f"{row['exact']:.1%}",
            "{:.1%} to {:.1%}".format(*row["interval_95"]),
            "{:.0%} ({:.0%} to {:.0%})".format(row["again"]["exact"], *row["again"]["interval_95"]),
        ]
        for row in kinds
    ]
    head = [
        "source", "puzzles", "mean givens", "4 segments", "16 segments", "95 % interval (16)",
        "8 attempts, first 100",
    ]  # fmt: skip
    return table(rows, head)


def recipe_table(recipe: dict) -> str:
    rows = [
        [
            ", ".join(f"{name} {value}" for name, value in run["change"].items()) or "none",
            f"{run['steps']:,}",
            f"{run['seconds']:,} s" if run["seconds"] else "not timed",
            str(run["threads"]),
            f"{run['exact']:.1%} of {run['n']:,}",
        ]
        for run in recipe["runs"]
    ]
    head = [f"{recipe['preset']}: change", "steps", "training", "threads", "exact, held out"]
    return table(rows, head)


def gpu_section(found: dict | None) -> str:
    if found is None:
        return (
            "`make bench-gpu` times full-size training on a GPU. **It has not been run**: no GPU was at hand. "
            "Only its harness is tested, at a small size on a CPU."
        )
    rows = [
        [name, f"{way['rate']['median']:.2f}", f"{way['share_of_peak']:.0%}"]
        for ways in found["pairs"]
        for name, way in ways.items()
    ]
    where = "{device}, torch {torch}".format(**found["machine"])
    return f"Measured with `make bench-gpu` on one {where}, pair by pair.\n\n" + table(
        rows, ["way", "steps a second", "share of the measured matrix peak"]
    )


def solve_figure(*found):
    """How accurate after how many seconds of training, a line for each seed; large: the finished
    model.
    """
    figure, axes = new_figure(7.2, 3.4, 1, len(found), sharey=True)
    for ax, preset in zip(axes, found):
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
    ways = found["ways"]
    names = sorted(ways, key=lambda name: ways[name]["rate"]["median"])
    figure, ax = new_figure(7.2, 0.9 + 0.45 * len(names))
    for row, name in enumerate(names):
        rate = ways[name]["rate"]
        mine = name.startswith("tinyrec")
        ax.barh(row, rate["median"], color=tint("answer" if mine else "muted", 0.7), height=0.6)
        ax.plot([rate["low"], rate["high"]], [row, row], color=INK, ls="-", lw=2)
        ax.annotate(
            f"{rate['median']:.0f}", (max(rate["median"], rate["high"]), row), (6, 0),
            textcoords="offset points", va="center",
        )  # fmt: skip
    ax.set_yticks(range(len(names)), names)
    ax.set_xlabel("puzzles a second (line: middle half)")
    ax.set_xlim(0, 1.12 * max(way["rate"]["high"] for way in ways.values()))
    ax.grid(False, axis="y")
    return figure


def profile_figure(found):
    ways = found["ways"]
    figure, ax = new_figure(7.2, 0.9 + 0.6 * len(ways))
    for row, (name, kinds) in enumerate(reversed(ways.items())):
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
    for ax, key, label in zip(axes, ("recursions", "segments"), ("recursions T", "segments")):
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


if __name__ == "__main__":
    main()
