"""Measure a trained ARC model for chapter 13; book/results/arc.json keeps it.

    python -m tinyrec train book/results/arc-1-long.json --out book/results/arc-1-long
    python book/tools/arc.py book/results/arc-1-long

Which held-out grids it solves, what votes and a second try are worth, and what is left of it under
other puzzle ids.
"""

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor, nn

from tinyrec.checkpoints import load, to_json, write_atomically
from tinyrec.device import machine
from tinyrec.evaluate import Evaluation, evaluate
from tinyrec.puzzles import PuzzleSet
from tinyrec.puzzles.arc import family, rules, votes
from tinyrec.puzzles.arc.grids import sizes
from tinyrec.runs import config

FILE = Path(__file__).resolve().parents[1] / "results" / "arc.json"
IMAGES = (1, 3, 10, 30)  # that vote, and then all


def measure(folder: Path) -> dict:
    """What the model in a folder of `python -m tinyrec train` does."""
    model, result = load(folder), json.loads((folder / "result.json").read_text())
    data = config(family.Data, result["run"]["data"], "data")
    chosen, sets = family.choose(data), family.make(data)
    return {
        "command": f"python book/tools/arc.py {folder}",
        "training": {name: result[name] for name in ("command", "steps", "seconds", "machine")},
        "machine": machine(torch.device("cpu")),
        "numbers": sum(p.numel() for p in model.parameters()),
        "history": result["history"],
        **voted(model, sets["votes"], len(sets["test"]), chosen),
        "ids": under_other_ids(model, sets, chosen),
        "crossed": crossed(model, chosen, data.side),
    }


def voted(model: nn.Module, asked: PuzzleSet, questions: int, chosen: family.Chosen) -> dict:
    """The official score by tries and by images that vote, and every question with its answers."""
    found, score, every = evaluate(model, asked), {}, len(asked) // questions
    for images in (*(n for n in IMAGES if n < every), every):
        rows = images * questions
        about = asked.first(rows), found.answers[:rows], found.q[:rows, -1]
        ranked = votes.candidates(chosen.views, *about)
        score[images] = [votes.share_solved(ranked, tries) for tries in (1, 2)]
    truths = {
        (task, key): line(labels.clamp(min=0))
        for task, key, labels in zip(
            chosen.views.task[asked.ids[:questions]].tolist(),
            (x.numpy().tobytes() for x in asked.x[:questions]),
            asked.y[:questions],
            strict=True,
        )
    }
    grids = [
        {
            "task": chosen.tasks[task].name,
            "question": line(torch.frombuffer(bytearray(key), dtype=torch.long)),
            "truth": truths[task, key],
            "solved": any(c.right for c in best[:2]),
            "answers": [{"grid": line(c.answer), "votes": c.votes, "q": c.q} for c in best[:2]],
        }
        for (task, key), best in ranked.items()
    ]
    return {"score": score, "grids": grids}


def line(tokens: Tensor) -> str:
    """A grid as text that `family.parse` reads; "" where there is none."""
    return family.line(tokens) if sizes(tokens[None]).all() else ""


def under_other_ids(model: nn.Module, sets: dict, chosen: family.Chosen) -> dict:
    """Exact and cell accuracy of held-out questions and of demonstrations, as they are, by id."""
    found = {}
    for name in ("test", "train"):
        x, y, ids = sets[name].x, sets[name].y, sets[name].ids
        after = chosen.views.first[(chosen.views.task[ids] + 1) % len(chosen.tasks)]
        kinds = {"own": ids, "another task's": after, "blank": torch.zeros_like(ids)}
        found[name] = {
            kind: shares(evaluate(model, PuzzleSet(x, y, other))) for kind, other in kinds.items()
        }
    return found


def shares(found: Evaluation) -> dict[str, float]:
    return {"exact": found.exact[-1], "cell": found.cell[-1]}


def crossed(model: nn.Module, chosen: family.Chosen, side: int) -> dict[str, list[int]]:
    """How many answers are what a rule says, and of how many: see `rules.crossed`."""
    puzzles, own, asked, under = rules.crossed(chosen, side)
    found = evaluate(model, puzzles)
    follows, keeps = found.solved[:, -1], ((found.answers == own) | (own < 0)).all(1)
    other = (own != puzzles.y).any(1)
    kinds = {
        "own id": (follows, asked == under),
        "other id, its rule": (follows, other),
        "other id, own rule": (keeps, other),
    }
    return {kind: [int(hit[rows].sum()), int(rows.sum())] for kind, (hit, rows) in kinds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a trained ARC model for chapter 13.")
    parser.add_argument("folder", type=Path)
    write_atomically(FILE, to_json(measure(parser.parse_args().folder)))


if __name__ == "__main__":
    main()
