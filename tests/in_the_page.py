"""The network in the page against PyTorch's: the same weights, the same puzzles."""

import base64
import copy
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from chapter import ROOT

from tinyrec.checkpoints import load_model
from tinyrec.evaluate import think
from tinyrec.models import layers
from tinyrec.puzzles import PuzzleSet
from tinyrec.runs import load_run, make_data

SIZES = ("sudoku-4x4", "sudoku-6x6", "sudoku-9x9")
STATIC = ROOT / "book" / "_static" / "network"
THOUGHTS = ROOT / "tests" / "thoughts.js"
SEGMENTS = 16
CLOSE = 1e-4  # of y and z, whose mean square is 1, and of the largest logit
Said = dict[str, np.ndarray]


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


@cache
def held_out(name: str) -> PuzzleSet:
    """The test puzzles of a shipped model; they are drawn before those to train on."""
    run = load_run(name)
    return make_data(replace(run, data=replace(run.data, train=1)))["test"]


def in_torch(model: torch.nn.Module, x: torch.Tensor, dtype: torch.dtype = torch.float32) -> Said:
    """logits (N, segments, L, vocab) and q (N, segments, 2); y and z (N, S, d) at the end."""
    logits, q, states = zip(*think(model.to(dtype), x, SEGMENTS, dtype=dtype), strict=True)
    y, z = states[-1]
    said = dict(logits=torch.stack(logits, 1), q=torch.stack(q, 1), y=y, z=z)
    return {part: value.numpy() for part, value in said.items()}


def exactly(model: torch.nn.Module, x: torch.Tensor) -> Said:
    """The same in float64, the norms too, which stay in float32 elsewhere."""

    def norm(h, axis=-1, eps=1e-5):
        return h * torch.rsqrt(h.square().mean(axis, keepdim=True) + eps)

    with mock.patch.object(layers, "rms_norm", norm):
        return in_torch(copy.deepcopy(model), x, torch.float64)


def call(name: str, x: torch.Tensor) -> str:
    return f"thoughts({json.dumps(name)}, {x.tolist()}, {SEGMENTS})"


def unpack(answer: dict, like: Said) -> Said:
    """What `thoughts` returned, in the shapes of what PyTorch says."""
    return {
        part: np.frombuffer(base64.b64decode(answer[part]), "<f4").reshape(value.shape)
        for part, value in like.items()
    }


def apart(page: Said, like: Said) -> dict[str, float]:
    """The largest difference of each part, the largest logit, and how many answers differ."""
    found = {part: float(abs(page[part] - like[part]).max()) for part in like}
    differ = (page["logits"].argmax(-1) != like["logits"].argmax(-1)).any((1, 2))
    return found | {"largest": float(abs(like["logits"]).max()), "differ": int(differ.sum())}


def assert_equal(value_in_page: Callable, name: str, x: torch.Tensor) -> None:
    """The same answers after every segment, and the same numbers but for rounding: nearer to the
    exact ones than CLOSE, or than PyTorch's own float32 where 16 segments make more of that.

    value_in_page(expression) is its value where the network's scripts are loaded.
    """
    model = rounded(name)
    like, exact = in_torch(model, x), exactly(model, x)
    page = unpack(value_in_page(call(name, x)), like)
    assert apart(page, like)["differ"] == 0
    ours, theirs = apart(page, exact), apart(like, exact)
    for part in like:
        size = 1.0 if part in "yz" else max(1.0, theirs["largest"])
        assert ours[part] <= max(CLOSE * size, theirs[part]), (part, ours, theirs)
