"""The claims of the chapters: as their code makes them, as they came out, and as they spread.

A claim is found in a chapter's code (`promises`), in its executed copy (`made`), and in
book/results/claims.json, where `make claims` keeps what many runs have measured; `faults` holds the
first against the last.
"""

import ast
import json
import os
import statistics
from itertools import product
from pathlib import Path

import freshness

KEY = "tinyrec.claim"  # as in tinyrec/show/claims.py
PROFILE = "cpu"
SEEDS = (0, 1, 2, 3, 4)
PRECISIONS = ("float32", "bfloat16")
THREADS = (1, 2)
OWN = "own"  # the processor's own instruction set; any other name is an older one
SETTING = ("seed", "precision", "threads", "instructions")


def promises(notebook) -> dict[str, tuple[float | None, float | None]]:
    """Every claim in the code of a notebook: its text, and the range from low to high.

    Raises ValueError for a claim whose text or range is not written out as it stands.
    """
    found = {}
    for cell in notebook.cells:
        code = cell.source if cell.cell_type == "code" else ""
        for node in ast.walk(freshness.tree(code)):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) != "show.claim":
                continue
            given = {each.arg: each.value for each in node.keywords}
            try:
                text = ast.literal_eval(node.args[0])
                ends = [
                    ast.literal_eval(given[name]) if name in given else None
                    for name in ("at_least", "at_most")
                ]
            except (IndexError, ValueError):
                said = ast.unparse(node)
                raise ValueError(f"text and range must stand in the claim itself: {said}") from None
            if text in found:
                raise ValueError(f"two claims have the text {text!r}")
            found[text] = tuple(ends)
    return found


def precisions(notebook) -> tuple[str, ...]:
    """Those that a chapter can be run in; one that never picks a precision computes in float32."""
    code = (cell.source for cell in notebook.cells if cell.cell_type == "code")
    return PRECISIONS if any("pick_precision" in text for text in code) else PRECISIONS[:1]


def made(executed) -> dict[str, dict]:
    """What an executed notebook claimed: by its text, the data of each claim and its line."""
    found = {}
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            if claim := output.get("metadata", {}).get(KEY):
                found[claim["text"]] = {**claim, "line": output.data["text/plain"]}
    return found


def of(run: dict) -> tuple:
    """The setting of a run."""
    return tuple(run[name] for name in SETTING)


def faults(stem: str, promised: dict, record: dict, precisions: tuple = PRECISIONS):
    """In words, what of a chapter's promises is not held by the runs on record."""
    runs = [run for run in record["runs"] if run["chapter"] == stem and run["profile"] == PROFILE]
    done = {of(run) for run in runs if run["claims"].keys() == promised.keys()}
    for precision, threads in product(precisions, THREADS) if promised else ():
        seeds = [each for each in done if each[1:] == (precision, threads, OWN)]
        if len(seeds) < len(SEEDS):
            yield (
                f"{stem}: its claims were measured with {len(seeds)} seeds in {precision} on "
                f"{threads} threads, expected {len(SEEDS)}; run make claims"
            )
    if promised and all(each[-1] == OWN for each in done):
        yield f"{stem}: no run with an older instruction set; run make claims"
    for run in runs:
        for text in run["claims"].keys() & promised.keys():
            low, high = promised[text]
            if not within(run["claims"][text], low, high):
                where = ", ".join(f"{name} {run[name]}" for name in SETTING)
                value = run["claims"][text]
                yield f"{stem}, {text!r} promises {low} to {high}, measured {value} ({where})"


def within(value: float | None, low: float | None, high: float | None) -> bool:
    above = low is None or (value is not None and value >= low)
    below = high is None or (value is not None and value <= high)
    return above and below


def load(file: Path) -> dict:
    """The record; an empty one where there is none yet."""
    return json.loads(file.read_text()) if file.exists() else {"runs": []}


def spread(runs: list[dict]) -> dict:
    """By chapter and claim: how many runs, and the least, middle and greatest value."""
    found = {}
    for run in sorted(runs, key=lambda run: run["chapter"]):
        for text, value in run["claims"].items():
            found.setdefault(run["chapter"], {}).setdefault(text, []).append(value)
    return {
        stem: {text: row(values) for text, values in texts.items()} for stem, texts in found.items()
    }


def row(values: list) -> dict:
    numbers = [value for value in values if value is not None]
    ends = (min, statistics.median, max) if numbers else ()
    names = ("min", "median", "max")
    return {"runs": len(values)} | {n: f(numbers) for n, f in zip(names, ends, strict=False)}


def save(record: dict, file: Path) -> None:
    """Write whole or not at all; one line for each claim's spread and for each run."""
    spreads = spread(record["runs"])
    lines = [
        "{",
        '"command": "make claims",',
        '"spread": {',
        ",\n".join(
            f'"{stem}": {{\n'
            + ",\n".join(f"  {json.dumps(text)}: {json.dumps(r)}" for text, r in texts.items())
            + "\n}"
            for stem, texts in spreads.items()
        ),
        "},",
        '"runs": [',
        ",\n".join(json.dumps(run) for run in record["runs"]),
        "]",
        "}",
    ]
    part = file.with_name(file.name + ".part")
    part.write_text("\n".join(lines) + "\n")
    os.replace(part, file)


def table(record: dict) -> str:
    """The spread, one line for each claim."""
    lines = []
    for stem, texts in spread(record["runs"]).items():
        lines.append(stem)
        for text, r in texts.items():
            values = " ".join(f"{r.get(n, float('nan')):10.4g}" for n in ("min", "median", "max"))
            lines.append(f"  {values}  {text} ({r['runs']} runs)")
    return "\n".join(lines)
