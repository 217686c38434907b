"""Mazes as a puzzle family: the contract of `tinyrec.puzzles.families`."""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from tinyrec.puzzles import PuzzleSet
from tinyrec.puzzles.files import train_and_test
from tinyrec.puzzles.maze import files, generate, rules
from tinyrec.settings import Count, Size, check_fields


@dataclass(frozen=True)
class Data:
    """Which mazes: `train` and `test` of them, no walls of one set an image of another's.

    Without a `file` they are made, with shortest paths of more than `longer_than` steps. From a
    file `test` mazes are held out, and training gets at most `train` of the others; of a folder the
    first `test` mazes of test.csv are tested on, and training draws from train.csv.

    With `images` training sees each maze in all 8 positions, each solved anew: a maze turned with
    its path would break ties by another rule. Switch it off for files with a rule of their own.
    """

    size: Size
    train: Size
    test: Size
    longer_than: Count
    images: bool = True
    seed: Count = 0
    file: str | None = None

    def __post_init__(self):
        check_fields(self)


def from_file(data: Data, path: str) -> Data:
    return replace(data, file=path)


def make(data: Data) -> dict[str, PuzzleSet]:
    if data.file:
        sets = from_files(data)
    else:
        made = generate.split(data.size, data.train, data.test, data.seed, data.longer_than)
        sets = {name: PuzzleSet(x, rules.solve(x)) for name, x in made.items()}
    if data.images:
        x = rules.images(sets["train"].x)
        sets["train"] = PuzzleSet(x, rules.solve(x))
    return sets


def from_files(data: Data) -> dict[str, PuzzleSet]:
    train, test = train_and_test(data.file)
    stored = read_sized(train, data.size)
    if test:
        tested = read_sized(test, data.size).first(data.test)
        kept = generate.keep_apart(stored.x, tested.x, data.train, data.seed)
        return {"train": PuzzleSet(stored.x[kept], stored.y[kept]), "test": tested}
    try:
        rows = generate.hold_out(stored.x, data.train, data.test, data.seed)
    except ValueError as error:
        raise ValueError(f"{train}: {error}") from error
    return {name: PuzzleSet(stored.x[row], stored.y[row]) for name, row in rows.items()}


def read_sized(path: Path, size: int) -> PuzzleSet:
    puzzles = read(path)
    if puzzles.x.shape[1] != size**2:
        raise ValueError(f"{path}: its mazes have {puzzles.x.shape[1]} cells; expected {size**2}")
    return puzzles


def shape(data: Data) -> tuple[int, int]:
    return rules.VOCABULARY, data.size**2


def describe(data: Data) -> dict[str, str]:
    source = f"from {data.file}, drawn" if data.file else f"more than {data.longer_than} steps long"
    most = "at most " if data.file else ""
    made = "" if data.file else ", made"
    images = ", each in its 8 positions" if data.images else ""
    return {
        "train": f"{most}{data.train} mazes {data.size}x{data.size}, {source}{made} with seed "
        f"{data.seed}{images}",
        "test": "held-out mazes, no walls an image of a training maze's",
    }


parse, line, picture = rules.parse, rules.line, rules.picture
check, judge, view = rules.check, rules.judge, rules.view
official_score = None


def read(path: str | Path) -> PuzzleSet:
    return PuzzleSet(*files.read_csv(path))


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", type=int, default=30, help="rows; default: 30")
    parser.add_argument(
        "--longer-than", type=int, default=110, metavar="STEPS",
        help="of the shortest path; default: 110, as in Maze-Hard",
    )  # fmt: skip


def write(options: argparse.Namespace, path: Path) -> int:
    x = generate.generate(options.size, options.count, options.seed, options.longer_than)
    files.write_csv(path, x, rules.solve(x), source=f"tinyrec_seed_{options.seed}")
    return len(x)
