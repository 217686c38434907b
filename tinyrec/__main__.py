"""python -m tinyrec data | train | evaluate | solve | convert.

Bad input ends with one line on stderr and exit status 2; nothing is lost.
"""

import argparse
import json
import math
import re
import shlex
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

import torch

from tinyrec import checkpoints
from tinyrec.device import machine, pick_device, pick_precision
from tinyrec.evaluate import answer, evaluate
from tinyrec.hub import is_name
from tinyrec.official_files import convert, from_hub
from tinyrec.puzzles.download import OFFICIAL, bring
from tinyrec.puzzles.families import FAMILIES, find
from tinyrec.runs import accuracy, execute, load_run, presets, take
from tinyrec.train import Diverged

MODEL = "a shipped model, a folder, or an official checkpoint on the Hugging Face hub"
STOPPED = {"interrupted": 130, "terminated": 143, "out of time": 0, "finished": 0}


def make_puzzles(options) -> int:
    """Write new puzzles with one answer each."""
    path = writable_file(options.out)
    print(f"{find(options.family).write(options, path)} puzzles -> {path}")
    return 0


def official_puzzles(options) -> int:
    """Bring the official puzzles: some to train on, drawn with a seed, and those to test on.

    Afterwards `train PRESET --data DIR` reads them, and `evaluate --data DIR/test.csv`, but for
    ARC, whose tasks need the puzzle ids of the training that met them.
    """
    source = Path(options.source) if options.source else None
    counts = (options.count, options.test)
    for drawn in bring(options.family, Path(options.out), *counts, options.seed, source):
        print(f"{drawn.count} of {drawn.of} puzzles -> {drawn.path} (SHA-256 {drawn.sha256})")
    return 0


def train_run(options) -> int:
    """Train from a preset or a CONFIG.json; write the model, its config and its measured result.

    Ctrl-C, SIGTERM or --minutes end it after the step at hand; --resume goes on from there.
    """
    overrides = {} if options.seed is None else {"seed": options.seed}
    run = load_run(options.run, options.data, **overrides)
    command = f"python -m tinyrec train {shlex.quote(options.run)} --seed {run.training.seed}"
    if options.data:
        command += f" --data {shlex.quote(options.data)}"
    minutes = math.inf if options.minutes is None else options.minutes
    result = execute(run, Path(options.out), command, options.resume, minutes)
    if isinstance(result, dict):
        print(json.dumps(result, indent=1))
        return 0
    if result != "finished":
        print(f"{result}; go on with: {command} --out {shlex.quote(options.out)} --resume")
    return STOPPED[result]


def evaluate_file(options) -> int:
    """Measure a model on the puzzles of a file; prints one JSON object.

    segments is the most that an attempt may take, segments_run the mean that a puzzle took, in all
    its attempts.
    """
    family = family_of(options)
    puzzles = family.read(options.data).first(options.limit)
    model = load(options, puzzles.x.shape[1])
    device = pick_device()
    dtype = pick_precision(device)
    how = dict(segments=options.segments or model.config.segments, dtype=dtype)
    how["progress"] = sys.stderr.isatty()  # a log stays clean
    began = time.perf_counter()
    if options.stop_early or options.attempts > 1:
        how |= dict(attempts=options.attempts, view=family.view, puzzle_ids=puzzles.ids)
        found = answer(model.to(device), puzzles.x, seed=options.seed, **how)
        answers, run = found.tokens, found.segments.double().mean().item()
    else:
        answers, run = evaluate(model.to(device), puzzles, **how).answers, float(how["segments"])
    result = accuracy(answers, puzzles, family) | {
        "segments": how["segments"],
        "segments_run": run,
        "attempts": options.attempts,
        "seconds": time.perf_counter() - began,
        "precision": str(dtype).removeprefix("torch."),
        "machine": machine(device),
    }
    print(json.dumps(result))
    return 0


def solve(options) -> int:
    """Let a model answer one puzzle.

    Where q is not sure at the end, the model looks again at a symmetric image of the puzzle; of its
    answers the one with the highest q counts.
    """
    family = find(options.family)
    x = family.parse(options.puzzle)
    remark = family.check(x)
    options.model = options.model or checkpoints.shipped_for(options.family, len(x))
    family = family_of(options)
    model = load(options, len(x))
    if len(x) != model.config.length:
        raise ValueError(
            f"the puzzle has {len(x)} cells; {options.model} solves those of {model.config.length}"
        )
    print(family.picture(x), end="\n\n")
    show = Progress(family, options)
    chooses = family.view and hasattr(model.config, "q_learning")  # can look again, and choose by q
    attempts = options.attempts if chooses else 1
    found = answer(
        model, x[None], options.segments, attempts=attempts, view=family.view,
        seed=options.seed, watch=show,
    )  # fmt: skip
    answers = found.tokens
    show.end(family.picture(answers[0]), found.q.item())
    print(f"answer: {family.line(answers[0])}")
    for name, good in family.judge(x[None], answers).items():
        print(f"{name}: {'yes' if good.item() else 'no'}")
    if remark:
        print(f"note: {remark}")
    return 0


class Progress:
    """What `solve` shows meanwhile.

    On a terminal the grid of now, drawn over that of before, with segment and q; with --verbose the
    grid after every segment; otherwise a line for each attempt, at its end. At last the answer.
    """

    def __init__(self, family, options):
        self.family, self.verbose = family, options.verbose
        self.redraw = sys.stdout.isatty() and not self.verbose
        self.line, self.attempt, self.drawn = "", 1, 0

    def __call__(self, attempt: int, segment: int, tokens: torch.Tensor, q: float | None) -> None:
        if attempt > self.attempt and not self.redraw:
            print(f"{self.line}: not sure, looking again at a symmetric image")
        says = "" if q is None else f", says solved: {chance(q):.0%}"
        self.line, self.attempt = f"attempt {attempt}, segment {segment}{says}", attempt
        grid = self.family.picture(tokens)
        if self.verbose:
            print(f"{self.line}\n{grid}\n")
        elif self.redraw:
            self.draw(f"{grid}\n\n{self.line}")

    def draw(self, text: str) -> None:
        up = f"\033[{self.drawn}A\033[J" if self.drawn else ""
        print(f"{up}{text}", flush=True)
        self.drawn = text.count("\n") + 1

    def end(self, grid: str, q: float) -> None:
        if self.attempt > 1:
            self.line += f"; the surest of {self.attempt} attempts: {chance(q):.0%}"
        if self.redraw:
            self.draw(f"{grid}\n\n{self.line}")
        else:
            print(f"{self.line}\n\n{grid}\n")


def chance(q: float) -> float:
    """The probability of "solved" that a halting logit stands for."""
    return (1 + math.tanh(q / 2)) / 2  # unlike exp it cannot overflow


def convert_official(options) -> int:
    """Turn an official HRM or TRM checkpoint into a model's folder; nothing in it is executed."""
    out = Path(options.out)
    take(out)
    convert(Path(options.official), Path(options.config), out)
    print(f"{options.official} -> {options.out}")
    return 0


def load(options, length: int) -> torch.nn.Module:
    """The model; one from the hub for puzzles of so many cells."""
    if is_name(options.model):
        return from_hub(options.model, length)
    return checkpoints.load_model(options.model)


def family_of(options) -> ModuleType:
    """The family of a model's puzzles: as its config says, or as was asked."""
    if is_name(options.model):
        return find(options.family)
    folder = checkpoints.find_folder(options.model)
    return find(checkpoints.about(folder).get("family", options.family))


def writable_file(name: str) -> Path:
    """The path, if a file can be written there: asked before minutes of work, not after."""
    path = Path(name)
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; expected a file")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            return path
    except OSError as error:
        raise ValueError(f"{path}: cannot be written ({error.strerror})") from error


def positive(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 10_000_000:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 10,000,000, got {number}")
    return number


def natural(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected a number of at least 0, got {number}")
    return number


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(
        prog="python -m tinyrec", description="Recursive reasoning with tiny networks."
    )
    commands = whole.add_subparsers(
        required=True, metavar="data | train | evaluate | solve | convert"
    )

    def command(name: str, call, summary: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=summary, description=call.__doc__)
        made.set_defaults(call=call)
        return made

    add = command("data", make_puzzles, "make puzzles, or bring the official ones")
    names = " | ".join([*FAMILIES, *OFFICIAL])
    families = add.add_subparsers(required=True, dest="family", metavar=names)
    for name, family in FAMILIES.items():
        of = families.add_parser(name)
        family.options(of)
        of.add_argument("--count", type=positive, required=True)
        of.add_argument("--seed", type=natural, default=0)
        of.add_argument("--out", required=True, metavar="FILE.csv[.gz]")
    for name in OFFICIAL:
        of = families.add_parser(name, description=official_puzzles.__doc__)
        of.set_defaults(call=official_puzzles)
        of.add_argument("--count", type=positive, help="to train on; default: 1000, of tasks all")
        of.add_argument("--test", type=positive, metavar="N", help="to test on; default: all")
        of.add_argument("--seed", type=natural, default=0, help="which ones")
        of.add_argument(
            "--from", dest="source", metavar="DIR",
            help="a folder with train.csv and test.csv, or with tasks, that came another way",
        )  # fmt: skip
        of.add_argument("--out", required=True, metavar="DIR")

    add = command("train", train_run, "train a model").add_argument
    add("run", metavar="PRESET|CONFIG.json", help=f"one of {', '.join(presets())}, or a file")
    add("--out", required=True, metavar="DIR")
    add("--seed", type=natural, help="of the weights and of every draw")
    add("--data", metavar="FILE|DIR", help="train and test on these puzzles")
    add("--resume", action="store_true", help="go on from the checkpoint in DIR")
    add("--minutes", type=float, metavar="M", help="save and stop after so long")

    add = command("evaluate", evaluate_file, "measure a model").add_argument
    add("--model", required=True, metavar="NAME|DIR|OWNER/NAME[:FILE]", help=MODEL)
    add("--data", required=True, metavar="FILE.csv[.gz]")
    add("--family", choices=FAMILIES, default=next(iter(FAMILIES)))
    add("--limit", type=positive, metavar="N", help="only the first N puzzles")
    add("--segments", type=positive, help="at most; default: the model's own number")
    add("--stop-early", action="store_true", help="leave a puzzle once q is sure of it")
    add(
        "--attempts", type=positive, default=1, metavar="N",
        help="stop early; where q is not sure, try up to N symmetric images of the puzzle",
    )  # fmt: skip
    add("--seed", type=natural, default=0, help="of the symmetric images")

    add = command("solve", solve, "answer one puzzle").add_argument
    add("puzzle", metavar="PUZZLE", help="as text; . or 0 for blanks, borders are allowed")
    add(
        "--model", metavar="NAME|DIR|OWNER/NAME[:FILE]",
        help=f"{MODEL}; default: the shipped one of that size",
    )  # fmt: skip
    add("--family", choices=FAMILIES, default=next(iter(FAMILIES)))
    add("--segments", type=positive, help="at most; default: the model's own number")
    add("--attempts", type=positive, default=8, help="at most; default: 8")
    add("--seed", type=natural, default=0, help="of the symmetric images")
    add("--verbose", action="store_true", help="show the answer after every segment")

    add = command("convert", convert_official, "convert an official checkpoint").add_argument
    add("official", metavar="OFFICIAL")
    add("--config", required=True, metavar="FILE", help="all_config.yaml, or its arch part")
    add("--out", required=True, metavar="DIR")
    return whole


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    # A puzzle may begin with a border or with - for a blank; a space keeps it from being an option.
    words = [f" {word}" if re.match(r"-(?!-?[a-z]|-?$)", word) else word for word in words]
    options = parser().parse_args(words)
    try:
        return options.call(options)
    except (ValueError, OSError, Diverged) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
