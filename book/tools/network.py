"""What the network in the page reads, as scripts that a page can load from a disk too.

    python book/tools/network.py DIR

manifest.js has, for each model, its settings, tensors, bytes and hash, and held-out puzzles by
difficulty; MODEL.js has its weights in float16. book/_ext/network.py calls this for the pages that
show the network.
"""

import base64
import hashlib
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from torch import nn

from tinyrec.checkpoints import PRETRAINED, about, load
from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.solve import candidates, singles
from tinyrec.runs import Run, make_data, parts

ONE_PASS = Path(__file__).resolve().parents[1] / "models"
LEVELS = ("easy", "medium", "hard")
BANK = 40  # puzzles of a level


def folders() -> dict[str, Path]:
    """Each model of the page by its name: those that ship, and their one-pass rivals."""
    found = [*PRETRAINED.glob("sudoku-*/config.json"), *ONE_PASS.glob("*/config.json")]
    return {file.parent.name: file.parent for file in sorted(found)}


def packed(model: nn.Module) -> tuple[list, bytes]:
    """A model's tensors, [name, shape] each, and their numbers in this order in float16."""
    tensors = model.state_dict()
    numbers = [value.numpy().astype("<f2").tobytes() for value in tensors.values()]
    return [[name, list(value.shape)] for name, value in tensors.items()], b"".join(numbers)


def rounds(puzzles: np.ndarray) -> np.ndarray:
    """Rounds of singles (N,) that solve puzzles (N, cells); infinity where they do not suffice."""
    states, found = candidates(puzzles), np.full(len(puzzles), np.inf)
    for number in range(1, puzzles.shape[1]):
        states, _, solved = singles(states)
        found[solved & np.isinf(found)] = number
    return found


def bank(folder: Path) -> dict[str, list[str]]:
    """Puzzles of a model's own test set, by difficulty: thirds of it, by rounds of singles."""
    run = Run(**parts(about(folder)["run"], {}))
    # The test puzzles are drawn before those to train on, so they are the same.
    few = replace(run, data=replace(run.data, train=1))
    puzzles = rules.decode(make_data(few)["test"].x)
    thirds = np.array_split(np.argsort(rounds(puzzles), kind="stable"), len(LEVELS))
    return {
        level: [rules.to_string(puzzles[n]) for n in sorted(third)[:BANK]]
        for level, third in zip(LEVELS, thirds, strict=True)
    }


def export(out: Path) -> None:
    """Write manifest.js, and one script of weights for each model, into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    models, puzzles = {}, {}
    for name, folder in folders().items():
        model = load(folder)
        tensors, numbers = packed(model)
        models[name] = {
            "settings": asdict(model.config),
            "tensors": tensors,
            "dtype": "float16",
            "bytes": len(numbers),
            "sha256": hashlib.sha256(numbers).hexdigest(),
        }
        text = base64.b64encode(numbers).decode()
        (out / f"{name}.js").write_text(f'WEIGHTS["{name}"] = "{text}";\n')
        if folder.parent == PRETRAINED:
            puzzles[name] = bank(folder)
    text = json.dumps({"models": models, "puzzles": puzzles}, indent=1)
    (out / "manifest.js").write_text(f"const MANIFEST = {text};\n")


if __name__ == "__main__":
    export(Path(sys.argv[1]))
