"""How hard made 9x9 puzzles are, beside those of a file: python tests/benchmarks/ratings.py FILE

FILE has Sudoku-Extreme's columns. The rating is `solve.rate` for all: wrong guesses of a plain
solver. The file is not part of this project; the result holds counts of its ratings alone.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch

from tinyrec.checkpoints import to_json, write_atomically
from tinyrec.device import machine
from tinyrec.puzzles.sudoku.files import read_csv
from tinyrec.puzzles.sudoku.generate import generate
from tinyrec.puzzles.sudoku.solve import rate

OUT = Path(__file__).parents[2] / "book" / "results" / "bench-ratings.json"
SHARES = 5, 25, 50, 75, 95  # percent


def distribution(puzzles: np.ndarray) -> dict:
    """Of puzzles (N, 81): quantiles of the ratings, the share without any guess, and the clues."""
    ratings = rate(puzzles)
    return {
        "puzzles": len(puzzles),
        "mean": ratings.mean().item(),
        "without_a_guess": (ratings == 0).mean().item(),
        "percentiles": dict(zip(SHARES, np.percentile(ratings, SHARES).tolist(), strict=True)),
        "clues": (puzzles > 0).sum(1).mean().item(),
    }


def ratings(file: Path, count: int = 100, wishes: tuple[int, ...] = (0, 10, 20)) -> dict:
    """The first puzzles of a file beside made ones, plain and with a search for a rating."""
    found = [{"source": file.name, **distribution(read_csv(file)[0][: 20 * count])}]
    for wish in wishes:
        began = time.process_time()
        puzzles, _ = generate(9, count, seed=0, rating=wish)
        seconds = (time.process_time() - began) / count
        made = {"source": "made", "rating": wish, "seconds_each": seconds}
        found.append(made | distribution(puzzles))
    return {"machine": machine(torch.device("cpu")), "ratings": found}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write_atomically(OUT, to_json(ratings(Path(sys.argv[1]))))
    print(OUT)
