"""The network in the page against PyTorch: numbers, seconds, and what float16 weights cost.

    python tests/benchmarks/page_network.py [--sizes 4x4 6x6 9x9]

In Chromium, on held-out puzzles: after each puzzle of the page comes the same one in PyTorch, both
on one thread. Each size, once measured, replaces its own in book/results/network.json.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("tests", "book/tools")]

import chromium  # noqa: E402
import network  # noqa: E402
from in_the_page import (  # noqa: E402
    SEGMENTS,
    SIZES,
    STATIC,
    THOUGHTS,
    apart,
    call,
    exactly,
    held_out,
    in_torch,
    rounded,
    unpack,
)
from playwright.sync_api import sync_playwright  # noqa: E402

from tinyrec.checkpoints import load_model, to_json, write_atomically  # noqa: E402
from tinyrec.device import machine  # noqa: E402
from tinyrec.evaluate import evaluate  # noqa: E402

OUT = ROOT / "book" / "results" / "network.json"
PUZZLES = 50


def compare(page, name: str) -> dict:
    """One size: the largest differences over all puzzles, and seconds of a segment on each side.

    "page" and "torch" are compared with each other, and each with PyTorch in float64.
    """
    model, seconds, apart_by = rounded(name), {"page": [], "torch": []}, {}
    for x in held_out(name).x[:PUZZLES].split(1):
        answer = page.evaluate(call(name, x))
        began = time.perf_counter()
        like = in_torch(model, x)
        seconds["torch"].append((time.perf_counter() - began) / SEGMENTS)
        seconds["page"] += answer["seconds"]
        said, exact = unpack(answer, like), exactly(model, x)
        for pair, sides in {
            "page, torch": (said, like),
            "page, exact": (said, exact),
            "torch, exact": (like, exact),
        }.items():
            apart_by.setdefault(pair, []).append(apart(*sides))
    found = {
        pair: {part: max(one[part] for one in each) for part in each[0]}
        | {"differ": sum(one["differ"] for one in each)}
        for pair, each in apart_by.items()
    }
    medians = {side: statistics.median(times) for side, times in seconds.items()}
    return {"puzzles": PUZZLES, "segments": SEGMENTS, "apart": found, "seconds": medians}


def rounding(name: str) -> dict:
    """Puzzles solved by the weights as trained, and rounded to float16; all segments, once."""
    puzzles = held_out(name)
    sides = {"float32": load_model(name), "float16": rounded(name)}
    solved = {side: evaluate(model, puzzles).solved[:, -1] for side, model in sides.items()}
    either = solved["float32"] != solved["float16"]
    counts = {side: int(which.sum()) for side, which in solved.items()}
    return counts | {"puzzles": len(puzzles), "differ": int(either.sum())}


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the page's network with PyTorch's.")
    parser.add_argument("--sizes", nargs="+", default=[size.split("-")[1] for size in SIZES])
    names = [f"sudoku-{size}" for size in parser.parse_args().sizes]
    torch.set_num_threads(1)
    found = json.loads(OUT.read_text()) if OUT.exists() else {}
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        network.export(Path(made))
        browser = chromium.launch(playwright)
        for name in names:
            page = browser.new_page()
            own = (STATIC / "trm.js", STATIC / "weights.js")
            for file in (*own, Path(made, "manifest.js"), Path(made, f"{name}.js"), THOUGHTS):
                page.add_script_tag(path=file)
            measured = compare(page, name) | {"browser": f"Chromium {browser.version}"}
            found[name] = measured | {"machine": machine(torch.device("cpu"))}
            found[name]["rounding"] = rounding(name)
            page.close()
            write_atomically(OUT, to_json(found))
            print(name, json.dumps(found[name]), flush=True)


if __name__ == "__main__":
    main()
