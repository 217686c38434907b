"""ARC as a puzzle family: the contract of `tinyrec.puzzles.families`."""

import argparse
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isqrt
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import torch
from torch import Tensor

from tinyrec.puzzles import PuzzleSet, shuffled, stream
from tinyrec.puzzles.arc import tasks, votes
from tinyrec.puzzles.arc.grids import VOCABULARY, canonical, decode, encode, image, sizes
from tinyrec.puzzles.arc.tasks import LARGEST, Pair, Task
from tinyrec.puzzles.arc.views import Demonstrations, Views, labels, make_views, puzzle_set
from tinyrec.settings import Count, Range, Size, check_fields

view = None  # a task's images have ids of their own: they cannot be drawn at random


@dataclass(frozen=True)
class Data:
    """Which tasks. Of `test` tasks, drawn from one part, the test pairs are held out.

    Training sees their train pairs, and all pairs of `train` tasks of the other parts, but none
    that is an image of a held-out pair. None: all there are. Tasks with a grid longer than `side`
    are left out. Every task is trained on in up to `images` images beside itself, and each held-out
    question is asked in up to `votes` of them.
    """

    part: Literal["training", "evaluation"] = "evaluation"
    test: Size | None = None
    train: Count | None = None
    side: Annotated[int, Range(1, LARGEST)] = LARGEST
    images: Count = 1000
    votes: Count = 300
    seed: Count = 0
    source: Literal["arc-1", "arc-2"] = "arc-1"
    file: str | None = None  # or a folder, in place of the source

    def __post_init__(self):
        check_fields(self)


class Chosen(NamedTuple):
    """The tasks of a run: the first `held_out` are tested, all are trained on."""

    tasks: list[Task]
    held_out: int
    views: Views


def from_file(data: Data, path: str) -> Data:
    return replace(data, file=path)


@lru_cache(maxsize=2)
def choose(data: Data) -> Chosen:
    """The tasks of a run and their images; ValueError where there is none to test."""
    source = data.file or data.source
    parts = {
        name: [task for task in every if task.largest <= data.side]
        for name, every in tasks.load(source).items()
    }
    tested = drawn([t for t in parts.pop(data.part, []) if t.test], data.test, data.seed)
    if not tested:
        raise ValueError(
            f"{source}: has no {data.part} task with a test and an answer, and grids of at most "
            f"{data.side}x{data.side}"
        )
    others = drawn([task for every in parts.values() for task in every], data.train, data.seed)
    views = make_views(tested + others, data.images, data.seed, data.side)
    return Chosen(tested + others, len(tested), views)


def drawn(every: list[Task], count: int | None, seed: int) -> list[Task]:
    return [every[n] for n in shuffled(len(every), stream(seed, "tasks")).tolist()[:count]]


def make(data: Data) -> dict[str, PuzzleSet]:
    """ "test" asks the held-out questions as they are, "votes" also under the images' ids."""
    chosen = choose(data)
    held_out, shown = [], []
    for number, task in enumerate(chosen.tasks):
        tested = number < chosen.held_out
        held_out += [(number, pair) for pair in task.test if tested]
        shown += [(number, pair) for pair in task.train + task.test * (not tested)]
    x, y, first = tokens_of(held_out, chosen.views, data.side)
    secret = set(map(canonical, x, y))
    train_x, train_y, train_first = tokens_of(shown, chosen.views, data.side)
    open_ = [canonical(*pair) not in secret for pair in zip(train_x, train_y, strict=True)]
    open_ = torch.tensor(open_)
    train = Demonstrations(
        train_x[open_], labels(train_y[open_]), train_first[open_], views=chosen.views
    )
    asked = [  # first all as they are, then all under the first image's id, and so on
        (row, first[row] + image)
        for image in range(data.votes + 1)
        for row, (number, _) in enumerate(held_out)
        if image < chosen.views.count[number]
    ]
    rows, ids = (torch.tensor(part) for part in zip(*asked, strict=True))
    test = puzzle_set(x[rows], y[rows], ids, chosen.views)
    return {"train": train, "test": test.first(len(held_out)), "votes": test}


def tokens_of(pairs: list[tuple[int, Pair]], views: Views, side: int) -> tuple[Tensor, ...]:
    """Questions and answers (N, L), and the ids of their tasks as they are (N,)."""
    numbers = torch.tensor([number for number, _ in pairs], dtype=torch.long)
    x = encode([pair.question for _, pair in pairs], side)
    return x, encode([pair.answer for _, pair in pairs], side), views.first[numbers]


def shape(data: Data) -> tuple[int, int]:
    return VOCABULARY, data.side**2


def describe(data: Data) -> dict[str, str]:
    chosen = choose(data)
    others = len(chosen.tasks) - chosen.held_out
    source = f"{data.file or data.source}, part {data.part}, drawn with seed {data.seed}"
    return {
        "train": f"the train pairs of {chosen.held_out} ARC tasks ({source}) and all pairs of "
        f"{others} other tasks, with grids of at most {data.side}x{data.side}, each task in up to "
        f"{data.images} images under ids of their own",
        "test": "held-out test pairs, none an image of a training pair, asked as they are",
        "votes": f"questions: the held-out ones as they are and in up to {data.votes} images",
    }


def official_score(
    data: Data, puzzles: PuzzleSet, answers: Tensor, q: Tensor | None
) -> dict[str, float]:
    """The official score with one try at each question, and with two."""
    found = votes.candidates(choose(data).views, puzzles, answers, q)
    return {"one try": votes.share_solved(found, 1), "two tries": votes.share_solved(found, 2)}


def parse(text: str) -> Tensor:
    """Rows of digits, between them / or a line's end; "@10" at the end: on a canvas of 10x10."""
    grid, _, side = text.strip().partition("@")
    if side and not (side.isdecimal() and 1 <= int(side) <= LARGEST):
        raise ValueError(f"canvas {side!r}: expected a side from 1 to {LARGEST}")
    side = int(side or LARGEST)
    rows = [list(row.replace(" ", "")) for row in re.split(r"[/\n]+", grid.strip("/ \n"))]
    rows = [[int(sign) if sign.isdecimal() else sign for sign in row] for row in rows]
    found = tasks.make_grid(rows, "the grid")
    if max(found.shape) > side:
        raise ValueError(f"the grid is {len(rows)}x{len(rows[0])}; its canvas {side}x{side}")
    return encode([found], side)[0]


def line(x: Tensor) -> str:
    side = isqrt(len(x))
    return picture(x).replace(" ", "").replace("\n", "/") + f"@{side}" * (side != LARGEST)


def picture(x: Tensor) -> str:
    return "\n".join(" ".join(map(str, row)) for row in decode(x[None])[0])


def check(x: Tensor) -> str | None:
    """ValueError where there is no grid."""
    if not sizes(x[None]).all():
        raise ValueError("there is no grid in the upper left corner")
    return "the grid does not tell its task; the model was given no puzzle id and can only guess"


def judge(x: Tensor, answers: Tensor) -> dict[str, Tensor]:
    """Whether an answer is a grid at all: a rectangle of colours with its border."""
    again = image(answers)
    return {"grid": ((answers == again) | (again == 0)).all(1) & sizes(answers).all(1)}


def read(path: str | Path) -> PuzzleSet:
    """The test pairs of every task, on the full canvas and as tasks never seen: without ids."""
    pairs = [pair for part in tasks.load(path).values() for task in part for pair in task.test]
    if not pairs:
        raise ValueError(f"{path}: has no test with an answer")
    x, y = (encode(grids, LARGEST) for grids in zip(*pairs, strict=True))
    return PuzzleSet(x, labels(y))


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", default="arc-1", metavar="arc-1|arc-2|FILE|FOLDER")
    parser.add_argument("--side", type=int, default=LARGEST, help="of the largest grid, at most")


def write(options: argparse.Namespace, path: Path) -> int:
    """Up to `count` tasks of each part, drawn with the seed."""
    parts = {
        name: drawn([t for t in every if t.largest <= options.side], options.count, options.seed)
        for name, every in tasks.load(options.source).items()
    }
    return tasks.write(parts, path)
