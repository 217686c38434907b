"""Mazes in CSV files: written and read as Maze-Hard's."""

import csv
from pathlib import Path

import torch
from torch import Tensor

from tinyrec.puzzles.files import open_text, write_rows
from tinyrec.puzzles.maze.rules import PATH, check, judge, parse, to_string


def write_csv(path: str | Path, questions: Tensor, answers: Tensor, source: str) -> None:
    """Write questions and answers (N, cells); the rating is the steps of the answer's path."""
    steps = ((answers == PATH).sum(1) + 1).tolist()
    texts = [map(to_string, mazes) for mazes in (questions, answers)]
    write_rows(path, ((source, *row) for row in zip(*texts, steps, strict=True)))


def read_csv(path: str | Path) -> tuple[Tensor, Tensor]:
    """Questions and answers (N, cells), from the columns of these names.

    ValueError names the file, the line and the fault, also where an answer is no way from start to
    goal.
    """
    mazes: tuple[list[Tensor], list[Tensor]] = [], []
    with open_text(path) as file:
        reader = csv.DictReader(file)
        if missing := {"question", "answer"} - set(reader.fieldnames or ()):
            raise ValueError(f"{path}: has no column {' and none '.join(sorted(missing))}")
        for row in reader:
            try:
                for found, name in zip(mazes, ("question", "answer"), strict=True):
                    found.append(_maze(row[name] or "", name, mazes[0]))
                _check(mazes[0][-1], mazes[1][-1])
            except ValueError as fault:
                raise ValueError(f"{path}, line {reader.line_num}: {fault}") from None
    if not mazes[0]:
        raise ValueError(f"{path}: no maze in it")
    return torch.stack(mazes[0]), torch.stack(mazes[1])


def _maze(text: str, name: str, before: list[Tensor]) -> Tensor:
    try:
        maze = parse(text)
        if before and len(maze) != len(before[0]):
            raise ValueError(f"expected {len(before[0])} cells as before, found {len(maze)}")
    except ValueError as fault:
        raise ValueError(f"{name}: {fault}") from None
    return maze


def _check(question: Tensor, answer: Tensor) -> None:
    try:
        check(question)
    except ValueError as fault:
        raise ValueError(f"question: {fault}") from None
    if not judge(question[None], answer[None])["valid"].item():
        raise ValueError("answer: is no way from S to G through the question's free cells")
