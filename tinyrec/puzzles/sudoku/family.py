"""Sudoku as a puzzle family: the contract of `tinyrec.puzzles.families`."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from torch import Tensor, from_numpy

from tinyrec.puzzles import PuzzleSet
from tinyrec.puzzles.files import train_and_test
from tinyrec.puzzles.sudoku import files, rules, solve
from tinyrec.puzzles.sudoku.generate import Puzzles, generate, hold_out, keep_apart, split
from tinyrec.settings import Count, Share, Size, check_fields


@dataclass(frozen=True)
class Data:
    """Which puzzles: `train` and `test` of them, none a symmetric image of one of another set.

    Without a `file` they are made: minimal, or with `clues` given digits. With new_classes > 0,
    that many classes of solution grids are kept out of training; they make a second test set.
    From a file `test` puzzles are held out, and training gets at most `train` of the others; of a
    folder the first `test` puzzles of test.csv are tested on, and training draws from train.csv.
    """

    size: Literal[4, 6, 9]
    train: Size
    test: Size
    clues: Size | None = None
    rating: Count = 0  # the fewest wrong guesses of a plain solver; above 0 a search makes it so
    new_classes: Count = 0
    revealed: Share = 0.0  # share of the training draws that show further cells of the answer
    seed: Count = 0
    file: str | None = None

    def __post_init__(self):
        check_fields(self)
        if self.file and (self.clues or self.rating or self.new_classes):
            raise ValueError(
                "Data.file is given; clues, rating and new_classes are for puzzles made anew"
            )


def from_file(data: Data, path: str) -> Data:
    return replace(data, file=path, clues=None, rating=0, new_classes=0)


def make(data: Data) -> dict[str, PuzzleSet]:
    if data.file:
        sets = from_files(data)
    else:
        wishes = dict(clues=data.clues, rating=data.rating, new_classes=data.new_classes)
        sets = split(data.size, data.train, data.test, data.seed, **wishes)
    return {
        name: rules.puzzle_set(*grids, augmented=name == "train", revealed=data.revealed)
        for name, grids in sets.items()
    }


def from_files(data: Data) -> dict[str, Puzzles]:
    train, test = train_and_test(data.file)
    puzzles, solutions = read_grids(train, data.size)
    if test:
        tested, answers = (grids[: data.test] for grids in read_grids(test, data.size))
        kept = keep_apart(puzzles, solutions, tested, data.train, data.seed)
        return {"train": kept, "test": (tested, answers)}
    try:
        return hold_out(puzzles, solutions, data.train, data.test, data.seed)
    except ValueError as error:
        raise ValueError(f"{train}: {error}") from error


def read_grids(path: Path, size: int) -> Puzzles:
    puzzles, solutions, _ = files.read_csv(path)
    if puzzles.shape[1] != size**2:
        raise ValueError(f"{path}: its puzzles have {puzzles.shape[1]} cells; expected {size**2}")
    return puzzles, solutions


def shape(data: Data) -> tuple[int, int]:
    return rules.vocabulary(data.size), data.size**2


def describe(data: Data) -> dict[str, str]:
    kind = f"{data.clues} given digits" if data.clues else "minimal"
    if data.rating:
        kind += f", at least {data.rating} wrong guesses hard"
    source = f"from {data.file}, drawn" if data.file else f"{kind}, made"
    most = "at most " if data.file else ""
    revealed = f", {data.revealed:.0%} of them with further cells shown" if data.revealed else ""
    sets = {
        "train": f"{most}{data.train} Sudoku puzzles {data.size}x{data.size}, {source} with seed "
        f"{data.seed}; a random symmetric image at every draw{revealed}",
        "test": "held-out puzzles, none an image of a training puzzle",
    }
    if data.new_classes:
        sets["test_new_classes"] = (
            f"puzzles of {data.new_classes} solution classes that were held out of training"
        )
    return sets


def parse(text: str) -> Tensor:
    return rules.encode(rules.parse(text))


def line(x: Tensor) -> str:
    return rules.to_string(rules.decode(x))


def picture(x: Tensor) -> str:
    return rules.format_grid(rules.decode(x))


def check(x: Tensor) -> str | None:
    """ValueError where a digit is repeated or no solution exists."""
    puzzle = rules.decode(x)
    rules.check(puzzle)
    count = solve.solve(puzzle[None]).count[0]
    if count == 0:
        raise ValueError("the puzzle has no solution")
    return "the puzzle has more than one solution" if count > 1 else None


def judge(x: Tensor, answers: Tensor) -> dict[str, Tensor]:
    return {"valid": from_numpy(rules.is_solution(rules.decode(x), rules.decode(answers)))}


view: Callable = rules.view
official_score = None


def read(path: str | Path) -> PuzzleSet:
    puzzles, solutions, _ = files.read_csv(path)
    return rules.puzzle_set(puzzles, solutions)


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", type=int, choices=tuple(rules.BOXES), default=6)
    parser.add_argument("--clues", type=int, help="given digits; default: minimal puzzles")
    parser.add_argument(
        "--rating", type=int, default=0, metavar="GUESSES",
        help="the fewest wrong guesses that a plain solver needs; a search makes such puzzles",
    )  # fmt: skip


def write(options: argparse.Namespace, path: Path) -> int:
    wishes = dict(clues=options.clues, rating=options.rating)
    puzzles, solutions = generate(options.size, options.count, options.seed, **wishes)
    ratings: np.ndarray = solve.rate(puzzles)
    files.write_csv(path, puzzles, solutions, ratings, source=f"tinyrec_seed_{options.seed}")
    return len(puzzles)
