"""Draw book/_static/steps.png, the picture of the README: a shipped TRM solves a puzzle.

python book/tools/picture.py
"""

from pathlib import Path

import numpy as np

from tinyrec import show
from tinyrec.checkpoints import load_model
from tinyrec.evaluate import think
from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.classes import fingerprint
from tinyrec.puzzles.sudoku.generate import generate
from tinyrec.runs import load_run, make_data

OUT = Path(__file__).parents[1] / "_static" / "steps.png"


def main():
    model = load_model("sudoku-6x6")
    puzzles, solutions = generate(6, 300, seed=2026)
    steps = list(think(model.requires_grad_(False), rules.encode(puzzles), 7))
    answers = np.stack([rules.decode(logits.argmax(-1)) for logits, _, _ in steps])
    solved = (answers == solutions).all(-1)  # (segments, puzzles)
    trained_on = rules.decode(make_data(load_run("sudoku-6x6"))["train"].x)
    new = ~np.isin(fingerprint(puzzles), fingerprint(trained_on))  # no image of one it has seen
    late = np.where(solved[-1] & new, solved.argmax(0), -1)
    choice = int(late.argmax())  # solved in the end, and later than any other
    assert late[choice] >= 0, "the model solves none of these puzzles"
    q = [float(q[choice, 0]) for _, q, _ in steps]
    show.use_style()
    figure = show.steps_figure(puzzles[choice], answers[:, choice], solutions[choice], q)
    figure.savefig(OUT)
    print(f"{OUT}: {rules.to_string(puzzles[choice])}, solved in segment {late[choice] + 1}")


if __name__ == "__main__":
    main()
