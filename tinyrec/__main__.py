"""python -m tinyrec data | train | evaluate | solve. Bad input ends with one line on stderr and
exit status 2.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from tinyrec.checkpoints import load_model
from tinyrec.evaluate import answer, evaluate, think, wilson_interval
from tinyrec.puzzles import sudoku, sudoku_files, sudoku_generate, sudoku_solve
from tinyrec.runs import execute, load_run, presets
from tinyrec.train import pick_device, pick_precision


def data(arguments) -> None:
    """Write new Sudoku puzzles with one solution each."""
    out = writable_file(arguments.out)
    puzzles, solutions = sudoku_generate.generate(
        arguments.size, arguments.count, arguments.seed, arguments.clues
    )
    sudoku_files.write_csv(
        out, puzzles, solutions, sudoku_solve.rate(puzzles), source=f"tinyrec_seed_{arguments.seed}"
    )
    print(f"{len(puzzles)} puzzles -> {out}")


def train(arguments) -> None:
    """Train from a preset or a CONFIG.json; write the model, its config and its measured result."""
    overrides = {} if arguments.seed is None else {"seed": arguments.seed}
    result = execute(load_run(arguments.run, **overrides), Path(arguments.out), arguments.run)
    print(json.dumps(result, indent=1))


def evaluate_file(arguments) -> None:
    """Measure a model on the puzzles of a file; prints one JSON object (mean_segments: run, over
    all attempts).
    """
    model = load_model(arguments.model)
    puzzles, solutions, _ = sudoku_files.read_csv(Path(arguments.data))
    fits(model, puzzles[0])
    device, (x, y) = pick_device(), (sudoku.encode(puzzles), sudoku.encode(solutions))
    how = dict(segments=arguments.segments, dtype=pick_precision(device))
    began = time.perf_counter()
    if arguments.stop_early or arguments.attempts > 1:
        how |= dict(attempts=arguments.attempts, view=sudoku.view)
        found = answer(model.to(device), x, **how)
        right, segments = found.tokens == y, found.segments.double().mean().item()
    else:
        found = evaluate(model.to(device), x, y, **how)
        right, segments = found.answers == y, float(arguments.segments)
    print(
        json.dumps(
            {
                "exact": right.all(1).double().mean().item(),
                "cell": right.double().mean().item(),
                "n": len(puzzles),
                "mean_segments": segments,
                "seconds": time.perf_counter() - began,
                "interval_95": wilson_interval(int(right.all(1).sum()), len(puzzles)),
            }
        )
    )


def solve(arguments) -> None:
    """Let a model solve one puzzle and print its answer after every segment.

    Where q is not 98 % sure at the end, the model tries again on a symmetric image; the answer with
    the highest q counts.
    """
    puzzle = sudoku.parse(arguments.puzzle)
    sudoku.check(puzzle)
    size = int(len(puzzle) ** 0.5)
    count = sudoku_solve.solve(puzzle[None]).count[0]
    if count == 0:
        raise ValueError("the puzzle has no solution")
    name = arguments.model or f"sudoku-{size}x{size}"
    model = load_model(name)
    fits(model, puzzle)
    segments = arguments.segments or model.config.segments
    x, generator, best, answered = (
        sudoku.encode(puzzle)[None],
        torch.Generator().manual_seed(0),
        -1,
        None,
    )
    print(sudoku.format_grid(puzzle), end="\n\n")
    for attempt in range(1, arguments.attempts + 1):
        image, back = x, torch.clone
        if attempt > 1:
            image, back = sudoku.view(x, generator)
            print(f"not sure: attempt {attempt} of {arguments.attempts}, on a symmetric image\n")
        for s, (logits, q, _) in enumerate(think(model, image, segments), start=1):
            grid = sudoku.decode(back(logits.argmax(-1)))[0]
            solved = None if q is None else q[0, 0].sigmoid().item()
            says = "" if q is None else f", says solved: {solved:.0%}"
            print(f"segment {s} of {segments}{says}\n{sudoku.format_grid(grid)}\n")
        if q is None or solved > best:
            best, answered = solved, grid
        if q is None or solved > 0.98:
            break
    valid = bool(sudoku.is_solution(puzzle[None], answered[None])[0])
    print(f"answer: {sudoku.to_string(answered)}\nvalid: {'yes' if valid else 'no'}")
    if count > 1:
        print("note: the puzzle has more than one solution")


def fits(model: torch.nn.Module, puzzle: np.ndarray) -> None:
    """ValueError where a model reads puzzles of another size."""
    cells, vocab = model.config.length, model.config.vocab
    if cells != len(puzzle):
        raise ValueError(f"the model is for {cells} cells; the puzzle has {len(puzzle)}")
    if vocab != sudoku.vocabulary(int(cells**0.5)):
        raise ValueError(f"the model has {vocab} tokens; that is no Sudoku of {cells} cells")


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
    if not 1 <= number <= 1_000_000:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 1,000,000, got {number}")
    return number


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tinyrec", description="Recursive reasoning with tiny networks."
    )
    commands = parser.add_subparsers(required=True, metavar="data | train | evaluate | solve")

    command = commands.add_parser("data", help="make puzzles", description=data.__doc__)
    command.add_argument("family", choices=["sudoku"])
    command.add_argument("--size", type=int, choices=[4, 6, 9], default=6)
    command.add_argument("--count", type=positive, required=True)
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--clues", type=positive, help="givens; default: minimal puzzles")
    command.add_argument("--out", required=True, metavar="FILE.csv")
    command.set_defaults(call=data)

    command = commands.add_parser("train", help="train a model", description=train.__doc__)
    command.add_argument(
        "run", metavar="PRESET|CONFIG.json", help=f"one of {', '.join(presets())}, or a file"
    )
    command.add_argument("--out", required=True, metavar="DIR")
    command.add_argument("--seed", type=int, help="of the weights and the order of puzzles")
    command.set_defaults(call=train)

    command = commands.add_parser(
        "evaluate", help="measure a model", description=evaluate_file.__doc__
    )
    command.add_argument("--model", required=True, metavar="NAME|DIR")
    command.add_argument("--data", required=True, metavar="FILE.csv[.gz]")
    command.add_argument("--segments", type=positive, default=16, help="at most; default: 16")
    command.add_argument(
        "--stop-early",
        action="store_true",
        help="no more segments for a puzzle once q is 98 %% sure that it is solved",
    )
    command.add_argument(
        "--attempts",
        type=positive,
        default=1,
        metavar="N",
        help="where q is not sure, stop early and try up to N symmetric images of the puzzle",
    )
    command.set_defaults(call=evaluate_file)

    command = commands.add_parser("solve", help="solve one puzzle", description=solve.__doc__)
    command.add_argument(
        "puzzle", metavar="PUZZLE", help="digits, with . or 0 for blanks; line breaks are allowed"
    )
    command.add_argument("--model", metavar="NAME|DIR")
    command.add_argument("--segments", type=positive)
    command.add_argument("--attempts", type=positive, default=8, help="at most; default: 8")
    command.set_defaults(call=solve)

    arguments = parser.parse_args(words)
    try:
        arguments.call(arguments)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
