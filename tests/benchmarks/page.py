"""book/speed.md, book/laboratory.md and their figures, made from book/results/bench-*.json.

python tests/benchmarks/page.py

Every number on these pages stands in such a file. The exception is said to be one: the last
section of the laboratory, notes of single runs.
"""

import json
from pathlib import Path
from string import Template

import figures
import matplotlib.pyplot as plt

from tinyrec.show.style import STYLE

HERE = Path(__file__).parent
BOOK = HERE.parents[1] / "book"
FILES = "https://github.com/tinyrec/tinyrec/blob/main/book/results"


def main(results: Path = BOOK / "results", out: Path = BOOK) -> None:
    found = Results(
        (path.stem.removeprefix("bench-"), json.loads(path.read_text()))
        for path in sorted(results.glob("bench-*.json"))
    )
    drawn = {
        "solve": figures.solve_figure(found["solve-6x6"], found["solve-9x9"]),
        "throughput": figures.throughput_figure(found["throughput"]),
        "profile": figures.profile_figure(found["profile"]),
        "memory": figures.memory_figure(found["memory"]),
    }
    folder = out / "_static" / "speed"
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn.items():
        with plt.rc_context(STYLE):
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    for name, values in {"speed": speed(found), "laboratory": laboratory(found)}.items():
        template = Template((HERE / f"{name}.template.md").read_text())
        (out / f"{name}.md").write_text(template.substitute(values))


class Results(dict):
    """What was measured, by the name of its part."""

    def __missing__(self, part):
        raise SystemExit(f"no page yet: book/results/ has no bench-{part}.json")


def speed(found: Results) -> dict[str, str]:
    """What speed.template.md leaves open, by name."""
    six, nine, throughput = found["solve-6x6"], found["solve-9x9"], found["throughput"]
    best = best_textbook(throughput)
    return {
        "six_seconds": f"{six['median_seconds']:.0f}",
        "six_longest": f"{six['longest_seconds']:.0f}",
        "six_seeds": str(len(six["runs"])),
        "six_exact": percent(six["lowest_exact"]),
        "six_where": where(six, six["runs"][0]["result"]["precision"]),
        "nine_minutes": f"{nine['longest_seconds'] / 60:.0f}",
        "nine_exact": percent(nine["lowest_exact"]),
        "nine_attempts": str(nine["run"]["attempts"]),
        "nine_where": where(nine, nine["runs"][0]["result"]["precision"]),
        "ratio": f"{ours(throughput)[best]['median']:.2f}",
        "ratio_plain": f"{ours(throughput)['textbook']['median']:.2f}",
        "best": best,
        "throughput_where": where(throughput, throughput["precision"]),
        "rounds": str(throughput["rounds"]),
    }


def laboratory(found: Results) -> dict[str, str]:
    """What laboratory.template.md leaves open, by name."""
    stopping, throughput, precision = found["stopping"], found["throughput"], found["precision"]
    model, best = throughput["model"], best_textbook(throughput)
    again = found["kinds"]["kinds"][0]["again"]
    return {
        "files": FILES,
        "machines": machines(found),
        "solve_table": solve_table(found["solve-6x6"], found["solve-9x9"]),
        "work": (
            f"the TRM mixer of width {model['width']}, T = {model['recursions']}, "
            f"n = {model['latent_steps']}, batch {throughput['batch']}, {model['length']} cells"
        ),
        "throughput_table": throughput_table(throughput["ways"]),
        "ratio_best": spread(ours(throughput)[best]),
        "best": best,
        "bfloat16": ", ".join(map(percent, precision["bfloat16"])),
        "float32": ", ".join(map(percent, precision["float32"])),
        "seeds": str(len(precision["seeds"])),
        "sizes_table": sizes_table(found["sizes"]["sizes"]),
        "sizes_precision": found["sizes"]["precision"],
        "memory_batch": str(found["memory"]["batch"]),
        "stopping_table": stopping_table(stopping["models"]),
        "many": f"{stopping['many']['puzzles']:,}",
        "many_exact": percent(stopping["many"]["exact"], 2),
        "many_full": percent(stopping["many"]["exact_all_segments"], 2),
        "many_seconds": f"{stopping['many']['seconds']:.0f}",
        "attempts_table": attempts_table(found["attempts"]["models"]),
        "kinds_table": kinds_table(found["kinds"]["kinds"]),
        "again": f"{again['attempts']} attempts at the first {again['puzzles']} puzzles",
        "again_where": again["machine"]["device"],
        "recipe_tables": "\n".join(map(recipe_table, found["recipe"]["recipes"])),
        "gpu": gpu_section(found.get("gpu")),
    }


def ours(throughput: dict) -> dict[str, dict]:
    """How many times as fast tinyrec is as each other way."""
    return throughput["ways"]["tinyrec"]["times_as_fast_as"]


def best_textbook(throughput: dict) -> str:
    """The label of the textbook's fastest setting."""
    rates = {name: way["rate"]["median"] for name, way in throughput["ways"].items()}
    return max((name for name in rates if name.startswith("textbook")), key=rates.get)


def where(found: dict, precision: str) -> str:
    machine = found["machine"]
    return f"{machine['device']}, {machine['threads']} threads, {precision}"


def machines(found: Results) -> str:
    """A line for each machine: what was measured there. Of the recipe no time is told."""
    parts = {}
    for name, measured in found.items():
        if name != "recipe":
            line = "{device}, {threads} threads, torch {torch}".format(**measured["machine"])
            parts.setdefault(line, []).append(name)
    return "\n".join(f"- {line}: {', '.join(names)}" for line, names in parts.items())


def percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def spread(ratio: dict) -> str:
    return f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"


def interval(found: dict, digits: int = 1) -> str:
    low, high = found["interval_95"]
    return f"{100 * low:.{digits}f} to {percent(high, digits)}"


def table(head: list[str], rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, ["---"] * len(head), *rows])


def solve_table(*presets: dict) -> str:
    rows = []
    for preset in presets:
        for run in preset["runs"]:
            result, test = run["result"], run["result"]["test"]
            rows.append(
                [
                    preset["preset"],
                    str(run["seed"]),
                    f"{run['seconds']:.0f} s",
                    f"{result['seconds']:.0f} s",
                    percent(test.get("exact_first_attempt", test["exact"])),
                    f"{percent(test['exact'])} ({interval(test)})",
                ]
            )
    return table(["preset", "seed", "to the end", "training", "first attempt", "exact"], rows)


def throughput_table(ways: dict) -> str:
    rows = []
    for name, way in ways.items():
        against = way["times_as_fast_as"].get("textbook")
        first = f"{way['first_call_seconds']:.0f} s"
        rate = f"{way['rate']['median']:.0f}"
        rows.append([name, first, rate, spread(against) if against else "1"])
    return table(["way", "first call", "puzzles a second", "against the textbook"], rows)


def sizes_table(sizes: list[dict]) -> str:
    names = {"mlp": "mixer", "attention": "attention"}
    rows = [
        [
            str(row["cells"]),
            names[row["mixing"]],
            f"{row['training']['median']:.0f}",
            f"{row['inference']['median']:.0f}",
            f"{row['peak_memory_MB']:.0f} MB",
        ]
        for row in sizes
    ]
    return table(["cells", "mixing", "training", "all segments", "peak memory"], rows)


def stopping_table(models: list[dict]) -> str:
    rows = [
        [
            row["model"],
            percent(row["exact_all_segments"]),
            f"{percent(row['exact_from_half'])} ({row['mean_segments_from_half']:.1f})",
            f"{percent(row['exact_stopping'])} ({row['mean_segments']:.1f})",
        ]
        for row in models
    ]
    return table(["model", "all segments", "from 50 % on", "from 98 % on"], rows)


def attempts_table(models: list[dict]) -> str:
    """A row for each model, a column for each number of attempts."""
    counts = [str(row["attempts"]) for row in models[0]["rows"]]
    rows = [
        [
            model["model"],
            *(percent(row["exact"]) for row in model["rows"]),
            f"{model['rows'][0]['mean_segments']:.1f}, {model['rows'][-1]['mean_segments']:.1f}",
            "{sure_but_wrong} of {sure:,}".format(**model["rows"][-1]),
        ]
        for model in models
    ]
    last = counts[-1]
    columns = [f"{count} attempt{'s' * (count != '1')}" for count in counts]
    head = [*columns, f"segments with 1, {last}", f"sure, but wrong, with {last}"]
    return table(["model", *head], rows)


def kinds_table(kinds: list[dict]) -> str:
    rows = [
        [
            row["source"].replace("_", " "),
            f"{row['puzzles']:,}",
            f"{row['givens']:.1f}",
            percent(row["exact_4_segments"]),
            f"{percent(row['exact'])} ({interval(row)})",
            f"{percent(row['again']['exact'], 0)} ({interval(row['again'], 0)})",
        ]
        for row in kinds
    ]
    head = ["source", "puzzles", "mean givens", "4 segments", "all segments", "looking again"]
    return table(head, rows)


def recipe_table(recipe: dict) -> str:
    rows = [
        [
            ", ".join(f"{name} {value}" for name, value in run["change"].items()) or "none",
            f"{run['steps']:,}",
            f"{percent(run['exact'])} of {run['n']:,}",
        ]
        for run in recipe["runs"]
    ]
    return table([f"{recipe['preset']}: change", "steps", "exact"], rows)


def gpu_section(found: dict | None) -> str:
    if found is None:
        return (
            "`make bench-gpu` times full-size training on a GPU. **It has not been run**: "
            "no GPU was at hand. Only its harness is tested, at a small size on a CPU."
        )
    rows = [
        [name, f"{way['rate']['median']:.2f}", f"{way['share_of_peak']:.0%}"]
        for ways in found["pairs"]
        for name, way in ways.items()
    ]
    made_on = "{device}, torch {torch}".format(**found["machine"])
    return f"Measured with `make bench-gpu` on one {made_on}, pair by pair.\n\n" + table(
        ["way", "steps a second", "share of the measured matrix peak"], rows
    )


if __name__ == "__main__":
    main()
