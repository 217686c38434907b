"""The network in the page against PyTorch's: the same weights, the same puzzles."""

import base64
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import network
import numpy as np
import torch
from chapter import ROOT

from tinyrec.checkpoints import load_model
from tinyrec.evaluate import think
from tinyrec.runs import load_run, make_data

SIZES = ("sudoku-4x4", "sudoku-6x6", "sudoku-9x9")
STATIC = ROOT / "book" / "_static" / "network"
SEGMENTS = 16


def scripts(generated: Path, *names: str) -> list[Path]:
    """The scripts that a page loads to run these models, and what tests ask of it."""
    own = [STATIC / "trm.js", STATIC / "weights.js"]
    made = [generated / "manifest.js", *(generated / f"{name}.js" for name in names)]
    return [*own, *made, ROOT / "tests" / "thoughts.js"]


def in_node(files: list[Path], expression: str):
    """The value of an expression, in node, after these scripts; an Error's message as itself."""
    text = "\n".join(file.read_text() for file in files)
    ends = f"let value; try {{ value = {expression} }} catch (error) {{ value = error.message }}"
    text += f"\n{ends}\nconsole.log(JSON.stringify(value));"
    ran = subprocess.run(["node", "-"], input=text, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


def rounded(name: str) -> torch.nn.Module:
    """A shipped model with the weights that the page has."""
    model = load_model(name)
    model.load_state_dict({key: value.half().float() for key, value in model.state_dict().items()})
    return model


def held_out(name: str, count: int) -> torch.Tensor:
    """The first test puzzles of a shipped model, tokens (count, L)."""
    run = load_run(name)
    return make_data(replace(run, data=replace(run.data, train=1)))["test"].x[:count]


def in_torch(model: torch.nn.Module, x: torch.Tensor, segments: int = SEGMENTS):
    """logits (N, segments, L, vocab) and q (N, segments, 2), float32."""
    logits, q, _ = zip(*think(model, x, segments), strict=True)
    return torch.stack(logits, 1).numpy(), torch.stack(q, 1).numpy()


def of_the_page(said: dict, like: tuple[np.ndarray, np.ndarray]):
    """What `thoughts` returned, in the shape of what PyTorch says."""
    numbers = (np.frombuffer(base64.b64decode(said[key]), "<f4") for key in ("logits", "q"))
    return tuple(found.reshape(one.shape) for found, one in zip(numbers, like, strict=True))


def apart(one, other) -> tuple[float, int]:
    """The largest difference of any number, and how many puzzles are answered otherwise."""
    largest = max(float(abs(a - b).max()) for a, b in zip(one, other, strict=True))
    differ = (one[0].argmax(-1) != other[0].argmax(-1)).any((1, 2))
    return largest, int(differ.sum())


def call(name: str, x: torch.Tensor, segments: int = SEGMENTS) -> str:
    return f"thoughts({json.dumps(name)}, {x.tolist()}, {segments})"
