"""Compare models at equal compute, for chapters 2 to 7; book/results/road-NAME.json keeps it.

    python book/tools/road.py [NAME ...] [--minutes M] [--side-by-side N] [--again] [--list]

road_plan.py says what is compared. The first seed of everything comes first. Every run is
kept as soon as it is done and is not run again while the plan says the same of it, so this can be
stopped at any time and goes on where it was.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

import execute
from jobs import run_all
from road_plan import PLAN, Experiment

RESULTS = execute.ROOT / "book" / "results"
POINTS = 10  # measurements of a run on the way


def wanted(experiment: Experiment, arm: str, seed: int) -> dict:
    """One run as the plan describes it, all that its numbers follow from."""
    chosen = experiment.arms[arm]
    return {
        "arm": arm,
        "seed": seed,
        "model": chosen.model,
        "settings": chosen.settings,
        "training": experiment.training | chosen.training,
        "data": experiment.data | {"seed": seed},
        "budget": experiment.budget,
    }


def measure(job: dict) -> dict:
    """Train and test one arm with one seed, within its budget of floating-point operations."""
    import torch  # late: it takes seconds to load

    from tinyrec.cost import cost
    from tinyrec.device import compile_model, machine, pick_device, pick_precision
    from tinyrec.evaluate import evaluate
    from tinyrec.runs import load_run, make_data, make_model
    from tinyrec.train import Training, train

    torch.set_num_threads(1)
    run = load_run("sudoku-6x6")
    data = replace(run.data, **job["data"])
    run = replace(run, model=job["model"], settings=job["settings"], data=data)
    model = make_model(run)
    spent = cost(model)
    batch = job["training"].get("batch", run.training.batch)
    steps = max(POINTS, round(job["budget"] * 1e12 / (spent.flops * batch)))
    cooldown = round(job["training"].get("cooldown", 0.4) * steps)
    every = max(1, steps // POINTS)
    schedule = dict(steps=steps, cooldown=cooldown, evaluate_every=every, seed=job["seed"])
    run = replace(run, training=replace(run.training, **job["training"] | schedule))
    torch.manual_seed(job["seed"])
    model, sets, device = make_model(run), make_data(run), pick_device()
    dtype = torch.float32 if job["model"] == "naive" else pick_precision(device)
    how = compile_model(model.to(device), device, steps, batch, dtype)
    training = Training(model, sets["train"], run.training, dtype)
    start = time.perf_counter()
    train(training, {"test": sets["test"].first(200)}, quiet=True)
    found = evaluate(training.averaged, sets["test"], dtype=dtype)
    return job | {
        "weights": sum(p.numel() for p in model.parameters()),
        **asdict(spent),
        "steps": steps,
        "batch": batch,
        "puzzles": len(sets["test"]),
        "exact": [round(share, 4) for share in found.exact],
        "cell": round(found.cell[-1], 4),
        "history": [
            {name: round(value, 4) for name, value in entry.items()} for entry in training.history
        ],
        "seconds": round(time.perf_counter() - start),
        "precision": str(dtype).removeprefix("torch."),
        "how": how,
        **machine(device),
        "date": datetime.date.today().isoformat(),
    }


def in_a_process(job: dict) -> dict:
    """`measure` in a process of its own; RuntimeError with its last words where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run.json"
        done = subprocess.run(
            [sys.executable, __file__, "--one", json.dumps(job), str(out)],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip()[-2000:])
        return json.loads(out.read_text())


def file_of(name: str) -> Path:
    return RESULTS / f"road-{name}.json"


def load(name: str) -> list[dict]:
    """The runs on record that the plan still describes so."""
    if not file_of(name).exists():
        return []
    runs, jobs = json.loads(file_of(name).read_text())["runs"], jobs_of(name)
    return [run for run in runs if any(job.items() <= run.items() for job in jobs)]


def save(name: str, runs: list[dict]) -> None:
    """Write whole or not at all; one line for each run, in the plan's order."""
    jobs = jobs_of(name)
    runs = [run for job in jobs for run in runs if job.items() <= run.items()]
    about = {
        "command": f"make road NAMES={name}",
        "chapters": PLAN[name].chapters,
        "question": PLAN[name].question,
    }
    head = json.dumps(about, indent=1)[:-2]
    lines = ",\n".join(json.dumps(run) for run in runs)
    part = file_of(name).with_name(file_of(name).name + ".part")
    part.write_text(f'{head},\n "runs": [\n{lines}\n]\n}}\n')
    os.replace(part, file_of(name))


def jobs_of(name: str) -> list[dict]:
    """All runs of an experiment, one seed after the other."""
    plan = PLAN[name]
    return [wanted(plan, arm, seed) for seed in plan.seeds for arm in plan.arms]


def table(name: str, runs: list[dict]) -> str:
    """The last exact accuracy of each arm: mean, least, greatest."""
    lines = [f"{name}: {PLAN[name].question}"]
    for arm in PLAN[name].arms:
        these = [run for run in runs if run["arm"] == arm]
        if these:
            ends = [run["exact"][-1] for run in these]
            lines.append(
                f"  {sum(ends) / len(ends):7.3f} ({min(ends):.3f} to {max(ends):.3f})  {arm}: "
                f"{len(these)} seeds, {these[0]['steps']} steps, {these[0]['weights']:,} weights"
            )
    return "\n".join(lines)


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description="Compare models at equal compute.")
    parser.add_argument("names", metavar="NAME", nargs="*", help="experiments; all by default")
    parser.add_argument("--minutes", type=float, help="begin no run after this time")
    parser.add_argument("--again", action="store_true", help="forget the experiments' earlier runs")
    parser.add_argument(
        "--side-by-side", type=int, default=2, metavar="N", help="runs, each on one thread"
    )
    parser.add_argument("--list", action="store_true", help="only say what is on record")
    parser.add_argument("--one", nargs=2, metavar=("JOB", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        job, out = options.one
        Path(out).write_text(json.dumps(measure(json.loads(job))))
        return 0
    if unknown := set(options.names) - PLAN.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; expected {', '.join(PLAN)}")
    names = options.names or list(PLAN)
    runs = {name: [] if options.again else load(name) for name in names}
    left = {
        f"{name}, {job['arm']}, seed {job['seed']}": (name, job)
        for name in names
        for job in jobs_of(name)
        if not any(job.items() <= run.items() for run in runs[name])
    }
    print(f"{len(left)} runs to do, {sum(map(len, runs.values()))} on record", flush=True)
    failed = 0
    if not options.list:
        left = dict(sorted(left.items(), key=lambda item: item[1][1]["seed"]))
        end = time.monotonic() + 60 * options.minutes if options.minutes else float("inf")

        def keep(done):
            name, run = done
            runs[name].append(run)
            save(name, runs[name])

        def work(named):
            return named[0], in_a_process(named[1])

        try:
            failed = run_all(left, work, keep, options.side_by_side, end)
        except KeyboardInterrupt:
            print("stopped; the same command goes on with what is left", file=sys.stderr)
            return 130
    print("\n".join(table(name, runs[name]) for name in names))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
