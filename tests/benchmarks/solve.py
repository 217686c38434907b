"""Time to solve: from the command's start to a tested network, everything included, seed by seed.

    python tests/benchmarks/solve.py PRESET --seeds 1 2 3 4 5 [--out FILE.json]

Each seed is a fresh process with an empty compile cache. The clock starts before Python does, and
stops after the puzzles are made, the network is compiled, trained and tested on all held-out
puzzles, and the files are written. A seed decides the puzzles as well as the weights, so none of
these puzzles was there when the recipe was chosen (with seed 0).
"""

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tinyrec.checkpoints import to_json, write_atomically
from tinyrec.runs import load_run


def time_to_solve(preset: str, seeds: list[int], out: Path | None = None) -> dict:
    """Run every seed; write what is known after each of them, so that a break loses one run at
    most.
    """
    runs = []
    for seed in seeds:
        runs.append(one(preset, seed))
        test = runs[-1]["result"]["test"]
        print(
            f"{preset}, seed {seed}: {runs[-1]['seconds']:.0f} s, {test['exact']:.1%}", flush=True
        )
        found = {
            "preset": preset,
            "run": dataclasses.asdict(load_run(preset)),  # but for the seeds
            "command": f"python tests/benchmarks/solve.py {preset} --seeds "
            + " ".join(map(str, seeds)),
            "machine": runs[0]["result"]["machine"],
            "median_seconds": statistics.median(run["seconds"] for run in runs),
            "longest_seconds": max(run["seconds"] for run in runs),
            "lowest_exact": min(run["result"]["test"]["exact"] for run in runs),
            "runs": runs,
        }
        if out:
            write_atomically(out, to_json(found))
    return found


def one(preset: str, seed: int) -> dict:
    run = dataclasses.asdict(load_run(preset, seed=seed))
    run["data"]["seed"] = seed
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "run.json")
        file.write_text(json.dumps(run))
        command = [sys.executable, "-m", "tinyrec", "train", file, "--out", Path(folder, "model")]
        fresh = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(Path(folder, "cache"))}
        began = time.perf_counter()
        done = subprocess.run(command, env=fresh, capture_output=True, text=True)
        seconds = time.perf_counter() - began
        if done.returncode:
            raise RuntimeError(f"{preset}, seed {seed}: {done.stderr.strip().splitlines()[-1]}")
        result = json.loads(Path(folder, "model", "result.json").read_text())
        result["command"] = f"python tests/benchmarks/solve.py {preset} --seeds {seed}"
    return {"seed": seed, "seconds": round(seconds, 1), "result": result}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    time_to_solve(arguments.preset, arguments.seeds, arguments.out)
