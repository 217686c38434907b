"""A whole puzzle family in one file, as another would be added: turn a row of six colours round.

The contract is that of tinyrec.puzzles.families.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from tinyrec.puzzles import PuzzleSet, stream
from tinyrec.settings import Count, Size, check_fields

COLOURS = "rgby"  # tokens 1 to 4; 0 is padding
LENGTH = 6


@dataclass(frozen=True)
class Data:
    train: Size
    test: Size
    seed: Count = 0
    file: str | None = None

    def __post_init__(self):
        check_fields(self)


def from_file(data: Data, path: str) -> Data:
    return replace(data, file=path)


def make(data: Data) -> dict[str, PuzzleSet]:
    if data.file:
        x = read(data.file).x
    else:
        x = different_rows(data.train + data.test, data.seed)
    test, train = x[: data.test], x[data.test :][: data.train]
    return {"train": PuzzleSet(train, train.flip(1)), "test": PuzzleSet(test, test.flip(1))}


def different_rows(n: int, seed: int) -> torch.Tensor:
    numbers = torch.randperm(len(COLOURS) ** LENGTH, generator=stream(seed, "toy"))[:n]
    return 1 + numbers[:, None] // len(COLOURS) ** torch.arange(LENGTH) % len(COLOURS)


def shape(data: Data) -> tuple[int, int]:
    return len(COLOURS) + 1, LENGTH


def describe(data: Data) -> dict[str, str]:
    return {"train": f"{data.train} rows of colours", "test": "other rows"}


def parse(text: str) -> torch.Tensor:
    for place, letter in enumerate(text.strip(), 1):
        if letter not in COLOURS:
            raise ValueError(f"colour {place}: {letter!r} is none of {COLOURS}")
    return torch.tensor([COLOURS.index(letter) + 1 for letter in text.strip()])


def line(x: torch.Tensor) -> str:
    return "".join(("." + COLOURS)[token] for token in x.tolist())


def picture(x: torch.Tensor) -> str:
    return f"< {' '.join(line(x))} >"


def check(x: torch.Tensor) -> str | None:
    if len(x) != LENGTH:
        raise ValueError(f"expected {LENGTH} colours, found {len(x)}")
    return "the row reads the same from both ends" if torch.equal(x, x.flip(0)) else None


def judge(x: torch.Tensor, answers: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"turned": (answers == x.flip(1)).all(1)}


def official_score(data: Data, puzzles: PuzzleSet, answers: torch.Tensor, q) -> dict[str, float]:
    return {"first colour": (answers[:, 0] == puzzles.y[:, 0]).double().mean().item()}


def view(x: torch.Tensor, generator: torch.Generator):
    """Other names for the colours."""
    new = torch.rand(len(x), len(COLOURS), generator=generator).argsort(1) + 1
    new = torch.cat((torch.zeros(len(x), 1, dtype=torch.long), new), 1)
    return new.gather(1, x), lambda answers: new.argsort(1).gather(1, answers)


def read(path: str | Path) -> PuzzleSet:
    x = torch.stack([parse(text) for text in Path(path).read_text().split()])
    return PuzzleSet(x, x.flip(1))


def options(parser) -> None:
    parser.add_argument("--red", action="store_true", help="begin each row with red")


def write(options, path: Path) -> int:
    x = different_rows(options.count, options.seed)
    if options.red:
        x[:, 0] = 1
    path.write_text("\n".join(map(line, x)) + "\n")
    return len(x)
