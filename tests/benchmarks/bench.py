"""All figures of the page on speed: python tests/benchmarks/bench.py [PART ...]

Each part writes book/results/bench-PART.json; then the page is made anew from all of them. Keep the
machine quiet.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import page
import torch
from memory_curves import memory
from profile_step import profiles
from solve import time_to_solve
from throughput import fixed_work, sizes

from tinyrec.checkpoints import load_model, pretrained, to_json, write_atomically
from tinyrec.device import compile_model, machine, pick_precision
from tinyrec.evaluate import SURE, answer, evaluate, wilson_interval
from tinyrec.puzzles import PuzzleSet
from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.classes import fingerprint
from tinyrec.puzzles.sudoku.generate import generate
from tinyrec.runs import load_run, make_data, make_model
from tinyrec.train import Training, train

RESULTS = Path(__file__).parents[2] / "book" / "results"
CPU = torch.device("cpu")


def throughput() -> dict:
    return fixed_work(rounds=15)


def other_sizes() -> dict:
    precision = str(pick_precision(CPU)).removeprefix("torch.")
    return {"precision": precision, "sizes": sizes(rounds=5, steps=4)}


def stopping(many: int = 10_000) -> dict:
    """Exact accuracy with all segments and with stopping early, on each shipped model's own
    held-out puzzles.
    """
    dtype = pick_precision(CPU)
    models = []
    for name in pretrained():
        model, test = load_model(name), make_data(load_run(name))["test"]
        full, early = evaluate(model, test, dtype=dtype), answer(model, test.x, dtype=dtype)
        says = full.q > 0
        says[:, -1] = True  # the last segment ends it all
        first = says.int().argmax(1)
        models.append(
            {
                "model": name,
                "puzzles": len(test),
                "segments": model.config.segments,
                "exact_all_segments": full.exact[-1],
                "exact_from_half": full.solved[torch.arange(len(test)), first]
                .double()
                .mean()
                .item(),
                "mean_segments_from_half": full.segments_until_yes,
                "exact_stopping": (early.tokens == test.y).all(1).double().mean().item(),
                "mean_segments": early.segments.double().mean().item(),
            }
        )
    return {"precision": str(dtype).removeprefix("torch."), "models": models, "many": batch(many)}


def attempts(counts=(1, 2, 4, 8), only: int | None = None) -> dict:
    """What more attempts bring the shipped models on their held-out puzzles, and how often a sure q
    is wrong.
    """
    dtype, models = pick_precision(CPU), []
    for name in pretrained():
        model, test = load_model(name), make_data(load_run(name))["test"]
        x, y = test.x[:only], test.y[:only]
        rows = []
        for count in counts:
            began = time.perf_counter()
            found = answer(model, x, dtype=dtype, attempts=count, view=rules.view)
            seconds = time.perf_counter() - began
            right, sure = (found.tokens == y).all(1), found.q.sigmoid() > SURE
            rows.append(
                {
                    "attempts": count,
                    "exact": right.double().mean().item(),
                    "interval_95": wilson_interval(int(right.sum()), len(x)),
                    "cell": (found.tokens == y).double().mean().item(),
                    "seconds": seconds,
                    "mean_segments": found.segments.double().mean().item(),
                    "first_and_right": int((right & (found.attempts == 1)).sum()),
                    "sure": int(sure.sum()),
                    "sure_but_wrong": int((sure & ~right).sum()),
                }
            )
        models.append({"model": name, "puzzles": len(x), "rows": rows})
    return {"precision": str(dtype).removeprefix("torch."), "models": models}


def batch(many: int) -> dict:
    """Seconds for the shipped 6x6 model to answer `many` new puzzles, and how many are right."""
    name = "sudoku-6x6"
    trained_on = rules.decode(make_data(load_run(name))["train"].x)
    puzzles, solutions = generate(6, many + many // 5, seed=2026)
    new = ~np.isin(fingerprint(puzzles), fingerprint(trained_on))
    x, y = rules.encode(puzzles[new][:many]), rules.encode(solutions[new][:many])
    began = time.perf_counter()
    early = answer(load_model(name), x, dtype=pick_precision(CPU))
    seconds = time.perf_counter() - began
    exact = (early.tokens == y).all(1).double().mean().item()
    full = evaluate(load_model(name), PuzzleSet(x, y), dtype=pick_precision(CPU)).exact[-1]
    return {"puzzles": len(x), "seconds": seconds, "exact": exact, "exact_all_segments": full}


def precision(seeds=(1, 2, 3)) -> dict:
    """Exact accuracy of the 6x6 preset in both precisions, seed by seed: float32 to see what
    bfloat16 costs.
    """
    found = {"seeds": list(seeds)}
    for dtype in (torch.bfloat16, torch.float32):
        exact = []
        for seed in seeds:
            run = load_run("sudoku-6x6", seed=seed, evaluate_every=0)
            run = replace(run, data=replace(run.data, seed=seed))
            model, sets = make_model(run), make_data(run)
            compile_model(model, CPU)
            training = Training(model, sets["train"], run.training, dtype)
            train(training)
            exact.append(evaluate(training.averaged, sets["test"], dtype=dtype).exact[-1])
        found[str(dtype).removeprefix("torch.")] = exact
    return found


PARTS = {
    "throughput": throughput,
    "sizes": other_sizes,
    "profile": lambda: {"ways": profiles()},
    "memory": memory,
    "stopping": stopping,
    "attempts": attempts,
    "precision": precision,
    "solve-6x6": lambda: time_to_solve("sudoku-6x6", [1, 2, 3, 4, 5]),
    "solve-9x9": lambda: time_to_solve("sudoku-9x9-quick", [3]),
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    wanted = parser.parse_args().parts or list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"unknown part {unknown.pop()!r}; expected one of {', '.join(PARTS)}")
    for part in wanted:
        found = {"machine": machine(CPU), **PARTS[part]()}
        print(part, json.dumps(found, indent=1), flush=True)
        write_atomically(RESULTS / f"bench-{part}.json", to_json(found))
    page.main()
