"""The shipped 9x9 model on puzzles of other kinds: python tests/benchmarks/kinds.py FILE.csv[.gz]

FILE has Sudoku-Extreme's columns source, question, answer, rating. Each source is told apart, with
its 95 % interval. The file is not part of this project: such collections have no licence of their
own.
"""

import csv
import gzip
import sys
from collections import defaultdict
from pathlib import Path

import torch

from tinyrec.checkpoints import load_model, to_json, write_atomically
from tinyrec.device import machine, pick_precision
from tinyrec.evaluate import SURE, answer, evaluate, wilson_interval
from tinyrec.models.trm import TRM
from tinyrec.puzzles import PuzzleSet
from tinyrec.puzzles.sudoku import rules

OUT = Path(__file__).parents[2] / "book" / "results" / "bench-kinds.json"


def kinds(file: Path, model: str = "sudoku-9x9", most: int = 1000) -> dict:
    """Exact accuracy after 4 and after all segments on the first puzzles of each source, `most` of
    them.
    """
    opened = gzip.open(file, "rt") if file.suffix == ".gz" else open(file)
    rows = defaultdict(list)
    with opened as lines:
        for row in csv.DictReader(lines):
            if len(rows[row["source"]]) < most:
                rows[row["source"]].append((row["question"], row["answer"]))
    trm, dtype, found = load_model(model), pick_precision(torch.device("cpu")), []
    for source, pairs in sorted(rows.items()):
        x, y = (
            torch.stack([rules.encode(rules.parse(text)) for text in column])
            for column in zip(*pairs, strict=True)
        )
        measured = evaluate(trm, PuzzleSet(x, y), dtype=dtype)
        found.append(
            {
                "source": source,
                "puzzles": len(x),
                "givens": (x != 1).sum(1).double().mean().item(),
                "exact_4_segments": measured.exact[3],
                "exact": measured.exact[-1],
                "interval_95": measured.interval,
                "again": again(trm, x, y, dtype),
            }
        )
    return {"model": model, "machine": machine(torch.device("cpu")), "kinds": found}


def again(trm: TRM, x: torch.Tensor, y: torch.Tensor, dtype: torch.dtype, most: int = 100) -> dict:
    """Exact accuracy with 8 attempts on the first puzzles of a source, `most` of them: the unsolved
    take long.
    """
    x, y = x[:most], y[:most]
    found = answer(trm, x, dtype=dtype, attempts=8, view=rules.view)
    right, sure = (found.tokens == y).all(1), found.q.sigmoid() > SURE
    return {
        "puzzles": len(x),
        "attempts": 8,
        "exact_first": ((found.attempts == 1) & right).double().mean().item(),
        "exact": right.double().mean().item(),
        "interval_95": wilson_interval(int(right.sum()), len(x)),
        "sure_but_wrong": int((sure & ~right).sum()),
        "machine": machine(torch.device("cpu")),
    }


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write_atomically(OUT, to_json(kinds(Path(sys.argv[1]))))
