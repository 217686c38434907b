"""The shipped 9x9 model on puzzles of other kinds, for its card: python tests/benchmarks/kinds.py
FILE.csv[.gz]

FILE has Sudoku-Extreme's columns source, question, answer, rating. Each source is told apart, with
its 95 % interval. The file is not part of this project: such collections have no licence of their
own.
"""

import csv
import gzip
import json
import sys
from collections import defaultdict
from pathlib import Path

import torch

from tinyrec.checkpoints import PRETRAINED, load_model, write_atomically
from tinyrec.evaluate import answer, evaluate, wilson_interval
from tinyrec.models.trm import TRM
from tinyrec.puzzles.sudoku import rules
from tinyrec.runs import machine
from tinyrec.train import pick_precision

OUT = Path(__file__).parents[2] / "book" / "results" / "bench-kinds.json"
CARD_LABEL = "- **Other kinds of puzzles**:"


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
            for column in zip(*pairs)
        )
        measured = evaluate(trm, x, y, dtype=dtype)
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
    right, sure = (found.tokens == y).all(1), found.q.sigmoid() > 0.98
    return {
        "puzzles": len(x),
        "attempts": 8,
        "exact_first": ((found.attempts == 1) & right).double().mean().item(),
        "exact": right.double().mean().item(),
        "interval_95": wilson_interval(int(right.sum()), len(x)),
        "sure_but_wrong": int((sure & ~right).sum()),
        "machine": machine(torch.device("cpu")),
    }


def card_line(found: dict) -> str:
    """What the model's card says about these puzzles."""
    shares = (
        f"{row['exact']:.1%} of {row['puzzles']} from {row['source']} "
        f"({row['exact_4_segments']:.1%} after 4; {row['again']['exact']:.0%} of the first "
        f"{row['again']['puzzles']} in up to {row['again']['attempts']} attempts)"
        for row in found["kinds"]
    )
    return f"{CARD_LABEL} exact after 16 segments: {', '.join(shares)}.\n"


def main(file: Path) -> None:
    found = kinds(file)
    write_atomically(OUT, (json.dumps(found, indent=1) + "\n").encode())
    card = PRETRAINED / found["model"] / "card.md"
    lines = card.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(CARD_LABEL)]
    write_atomically(card, "".join([*kept, card_line(found)]).encode())
    print(card.read_text())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
