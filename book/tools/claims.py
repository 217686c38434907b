"""Measure how widely the claims of the chapters spread; book/results/claims.json keeps it.

    python book/tools/claims.py [NAME ...] [--seeds N ...] [--minutes M] [--again]

Runs each chapter for every seed, in both precisions (where it picks one), on one thread and on two,
and some runs with an older processor's instruction set. What has run is kept at once and is not run
again, so this can be stopped at any time and goes on where it was; --again begins the named
chapters anew. tests/test_claims.py holds every promised range against the file.
"""

import argparse
import datetime
import os
import shutil
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import claim_record
import execute
import nbformat
from claim_record import OWN, PRECISIONS, PROFILE, SEEDS, SETTING, THREADS
from jobs import run_all

FILE = execute.ROOT / "book" / "results" / "claims.json"
# What is asked of torch so that it computes as an older processor does.
INSTRUCTIONS = {
    OWN: {},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
}
LOWERED = (0, 1)  # seeds, on one thread, in float32: there bfloat16 is emulated and never picked


def settings(seeds=SEEDS, precisions=PRECISIONS) -> list[dict]:
    """Every combination that a chapter is run in."""
    grid = [(*each, OWN) for each in product(seeds, precisions, THREADS)]
    grid += [(seed, PRECISIONS[0], 1, "avx2") for seed in LOWERED]
    return [dict(zip(SETTING, each, strict=True)) for each in grid]


def measure(notebook: Path, wanted: dict, profile: str, scratch: Path) -> dict:
    """Run one chapter in one setting; returns its run. Raises RuntimeError where it fails."""
    out = scratch / "-".join([notebook.stem, *map(str, wanted.values())])
    shutil.rmtree(out, ignore_errors=True)
    environment = {
        "TINYREC_PRECISION": wanted["precision"],
        "OMP_NUM_THREADS": str(wanted["threads"]),
        **INSTRUCTIONS[wanted["instructions"]],
    }
    command = [
        *["book/tools/execute.py", "--only", notebook.stem, "--profile", profile],
        *["--seed", str(wanted["seed"]), "--out", str(out)],
    ]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *command],
        cwd=execute.ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    found = claim_record.made(nbformat.read(out / notebook.name, as_version=4))
    shutil.rmtree(out)
    return {
        "chapter": notebook.stem,
        **wanted,
        "profile": profile,
        "claims": {text: claim["value"] for text, claim in found.items()},
        "seconds": round(time.perf_counter() - start, 1),
        "date": datetime.date.today().isoformat(),
        "command": " ".join(
            [*(f"{k}={v}" for k, v in environment.items()), "python", *command[:-2]]
        ),
        **machine(),
    }


def machine() -> dict[str, str]:
    import torch  # late: it takes seconds to load

    from tinyrec.device import processor

    return {"processor": processor(), "torch": torch.__version__}


def collect(jobs: list, measure, record: dict, file: Path, minutes: float | None) -> int:
    """Run the jobs, those on one thread two at a time; returns how many failed.

    job: (notebook, setting). Each run is on file as soon as it is done, and none begins when the
    minutes are over.
    """
    end = time.monotonic() + 60 * minutes if minutes else float("inf")

    def name(notebook, wanted):
        return f"{notebook.stem}, {', '.join(f'{k} {v}' for k, v in wanted.items())}"

    def keep(run):
        record["runs"].append(run)
        claim_record.save(record, file)

    failed = 0
    for threads, at_a_time in ((1, 2), (2, 1)):
        these = {name(*job): job for job in jobs if job[1]["threads"] == threads}
        failed += run_all(these, lambda job: measure(*job), keep, at_a_time, end)
    return failed


def still_to_do(notebooks: list[Path], record: dict, seeds) -> list:
    """The jobs whose run is not on record; what was measured of other claims is taken off it."""
    jobs = []
    for notebook in notebooks:
        source = nbformat.read(notebook, as_version=4)
        promised = claim_record.promises(source)
        if not promised:
            continue
        record["runs"] = [
            run
            for run in record["runs"]
            if run["chapter"] != notebook.stem or run["claims"].keys() == promised.keys()
        ]
        done = {claim_record.of(run) for run in record["runs"] if run["chapter"] == notebook.stem}
        wanted = settings(seeds, claim_record.precisions(source))
        jobs += [(notebook, w) for w in wanted if tuple(w.values()) not in done]
    return jobs


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description="Measure how widely the claims spread.")
    parser.add_argument("names", metavar="NAME", nargs="*", help="chapters; all by default")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--minutes", type=float, help="begin no run after this time")
    parser.add_argument("--again", action="store_true", help="forget the chapters' earlier runs")
    parser.add_argument("--profile", choices=execute.PROFILES, default=PROFILE, help="for a trial")
    parser.add_argument("--file", type=Path, default=FILE, help="for a trial")
    options = parser.parse_args(arguments)
    try:
        notebooks = execute.notebooks(options.names)
    except ValueError as error:
        parser.error(str(error))
    if options.profile != PROFILE and options.file == FILE:
        parser.error(f"{FILE.name} is for profile {PROFILE}; for a trial name another --file")
    record = claim_record.load(options.file)
    if options.again:
        again = {notebook.stem for notebook in notebooks}
        record["runs"] = [run for run in record["runs"] if run["chapter"] not in again]
    jobs = still_to_do(notebooks, record, options.seeds)
    print(f"{len(jobs)} runs to do, {len(record['runs'])} on record", flush=True)
    scratch = execute.ROOT / "build" / "claims"

    def run(notebook, wanted):
        return measure(notebook, wanted, options.profile, scratch)

    try:
        failed = collect(jobs, run, record, options.file, options.minutes)
    except KeyboardInterrupt:
        print("stopped; the same command goes on with what is left", file=sys.stderr)
        return 130
    print(claim_record.table(record))
    for notebook in notebooks:
        source = nbformat.read(notebook, as_version=4)
        about = claim_record.promises(source), record, claim_record.precisions(source)
        for fault in claim_record.faults(notebook.stem, *about):
            print(fault, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
