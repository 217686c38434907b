"""tinyrec against numbers of the official HRM and TRM code, file by file.

The folder comes from the environment variable TINYREC_REFERENCE; a copy is committed under
tests/reference. Any file of that form is checked, whatever its sizes and settings.

Agreement is to 1e-4 of the largest value, in float32. Recursion multiplies rounding errors: with
random weights the mixer's third segment moves by 1e-3 when each weight moves by its last bit, so
there another processor's order of summation alone breaks 1e-4, for the official code as for ours.
Two rules keep the test sharp. Each segment is also run from the *official* state before it, where
errors cannot build up, and held to 1e-4. And along the whole chain the tolerance grows to twice
what the same model shows when its weights are moved by their last bit, where that is more, but
never beyond a quarter of the largest value. Who halts, and after how many segments, must be equal.
"""

import copy
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from tinyrec.carry import empty_carry, refill, segment
from tinyrec.losses import segment_loss
from tinyrec.official import bare_name, from_official, official_name
from tinyrec.optim import AdamAtan2, SignSGD
from tinyrec.puzzles import Batch

FOLDER = Path(os.environ.get("TINYREC_REFERENCE", Path(__file__).parent / "reference"))
FILES = sorted(FOLDER.glob("*.npz"))
INPUTS = ("inputs", "labels", "puzzle_identifiers")
METRICS = {
    "count": "count",
    "accuracy": "cell",
    "exact_accuracy": "exact",
    "steps": "segments",
    "lm_loss": "cell_loss",
    "q_halt_loss": "halt_loss",
    "q_halt_accuracy": "halt_right",
    "q_continue_loss": "continue_loss",
}


def with_keys(prefix):
    return [path for path in FILES if any(key.startswith(prefix) for key in np.load(path).files)]


def read(path, prefix=""):
    """The file's arrays whose names start with `prefix`, without it."""
    with np.load(path) as data:
        return {key.removeprefix(prefix): data[key] for key in data.files if key.startswith(prefix)}


def agree(name, ours, official, others=()):
    """`ours` equals `official` to 1e-4 of its largest value, or to the spread of `others`, our
    noisy results.
    """
    ours, official, *others = (
        np.asarray(value, dtype=np.float64) for value in (ours, official, *others)
    )
    assert ours.shape == official.shape, f"{name}: shape {ours.shape}, official {official.shape}"
    worst, scale = np.abs(ours - official).max(initial=0), np.abs(official).max(initial=0)
    noise = max((np.abs(ours - other).max(initial=0) for other in others), default=0)
    assert worst <= max(1e-4 * scale, min(2 * noise, 0.25 * scale)) + 1e-12, (
        f"{name}: off by {worst:.2e}; the largest value is {scale:.2e}, "
        f"rounding alone moves it by {noise:.2e}"
    )


def official_model(path):
    weights = {name: torch.from_numpy(value) for name, value in read(path, "weights/").items()}
    return from_official(weights, json.loads(str(np.load(path)["config"])))


def noisy(model, seed):
    """The same model with every weight moved by about its last bit."""
    model, generator = copy.deepcopy(model), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(1 + 2**-23 * torch.empty(p.shape).uniform_(-1, 1, generator=generator))
    return model


def numpy(tensor):
    return tensor.detach().numpy()


def batch(model, data):
    x, y, ids = (torch.from_numpy(data[name]).long() for name in INPUTS)
    return Batch(x, y, ids if model.config.puzzles else None)


def grouped(data, word):
    """{"seg0/logits": ...} -> [{"logits": ...}, ...] in the order of the numbers."""
    numbers = sorted(
        {int(key.split("/")[0].removeprefix(word)) for key in data if key.startswith(word)}
    )
    assert numbers == list(range(len(numbers))) and numbers, f"{word}: {numbers}"
    return [
        {
            key.removeprefix(f"{word}{n}/"): value
            for key, value in data.items()
            if key.startswith(f"{word}{n}/")
        }
        for n in numbers
    ]


@torch.no_grad()
def evaluation(model, data, forced=False):
    """What the official recorder wrote under eval/: one dict a segment. `forced`: each from the
    official state.
    """
    puzzles, results = batch(model, data), []
    state = model.initial_state(len(puzzles.x))
    for official in grouped(data, "seg"):
        state, logits, q = model(puzzles.x, state, puzzles.ids)
        results.append(
            {
                "logits": numpy(logits),
                "q_halt": numpy(q[:, 0]),
                "q_continue": numpy(q[:, 1]),
                "z_H": numpy(state[0]),
                "z_L": numpy(state[1]),
            }
        )
        if forced:
            state = tuple(torch.from_numpy(official[key]) for key in ("z_H", "z_L"))
    return results


def training(model, data):
    """What the official recorder wrote under train/: one dict a step of the persistent carry."""
    carry, results = None, []
    for step in grouped(data, "step"):
        offered = batch(model, step)
        carry = refill(model, carry or empty_carry(model, offered), offered)
        carry, outputs = segment(model, carry)
        loss, metrics = segment_loss(carry, outputs)
        model.zero_grad()
        loss.backward()
        result = {"loss": numpy(loss), "halted": numpy(carry.halted)}
        result["steps"] = numpy(carry.segments)
        result |= {
            f"metric/{key}": numpy(metrics[METRICS[key]])
            for key in METRICS
            if METRICS[key] in metrics
        }
        result |= {
            f"grad/{name}": numpy(p.grad)
            for name, p in model.named_parameters()
            if p.grad is not None and not p.grad.is_sparse
        }
        if carry.puzzles.ids is not None:
            result |= {
                "rows/puzzle_emb": numpy(carry.puzzles.ids),
                "grad_rows/puzzle_emb": numpy(model.embed.puzzles.grad._values()),
            }
        results.append(result)
    return results


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_holds_something_that_is_checked(path):
    kinds = {key.split("/")[0] for key in np.load(path).files}
    assert kinds & {"eval", "train", "adam_atan2", "signsgd"}, f"{path}: nothing known in it"


def test_there_are_files():
    assert FILES, f"{FOLDER}: no .npz file"


@pytest.mark.parametrize("forced", [False, True], ids=["chained", "from official states"])
@pytest.mark.parametrize("path", with_keys("eval/"), ids=lambda path: path.stem)
def test_segments_in_evaluation(path, forced):
    model, data = official_model(path).eval(), read(path, "eval/")
    ours = evaluation(model, data, forced)
    others = [] if forced else [evaluation(noisy(model, seed), data) for seed in range(3)]
    for s, official in enumerate(grouped(data, "seg")):
        for key in official:
            agree(
                f"segment {s}, {key}",
                ours[s][key],
                official[key],
                [other[s][key] for other in others],
            )


@pytest.mark.parametrize("path", with_keys("train/"), ids=lambda path: path.stem)
def test_training_steps_of_the_persistent_carry(path):
    model, data = official_model(path).train(), read(path, "train/")
    names = {official_name(ours): ours for ours, _ in model.named_parameters()}
    ours, *others = [
        training(one, data) for one in (model, *(noisy(model, seed) for seed in range(3)))
    ]
    for t, official in enumerate(grouped(data, "step")):
        official = {our_key(key, names): value for key, value in official.items()}
        # the recorder may have kept a view of one buffer, which shows the rows of the last step
        rows = official.pop("rows/puzzle_emb", None)
        if rows is not None:
            seen = [result["rows/puzzle_emb"] for result in (ours[t], ours[-1])]
            assert any(np.array_equal(rows, one) for one in seen), f"step {t}, rows"
        gradients = {key for key in official if key.startswith("grad/")}
        if gradients:
            assert gradients == {key for key in ours[t] if key.startswith("grad/")}, f"step {t}"
        for key in official.keys() - set(INPUTS):
            others_say = [] if key in ("halted", "steps") else [other[t][key] for other in others]
            agree(f"step {t}, {key}", ours[t][key], official[key], others_say)


def our_key(key, names):
    """A gradient's key with our name of the parameter; other keys as they are."""
    official = key.removeprefix("grad/")
    return key if official == key else f"grad/{names[bare_name(official)]}"


@pytest.mark.parametrize("path", with_keys("adam_atan2/"), ids=lambda path: path.stem)
def test_adam_atan2(path):
    data = read(path, "adam_atan2/")
    p = torch.nn.Parameter(torch.from_numpy(data["param0"]))
    optimizer = AdamAtan2(
        [p],
        lr=float(data["lr"]),
        betas=tuple(data["betas"].tolist()),
        weight_decay=float(data["weight_decay"]),
    )
    steps = sum(key.startswith("grad") for key in data)
    assert steps
    for t in range(1, steps + 1):
        p.grad = torch.from_numpy(data[f"grad{t}"])
        optimizer.step()
        agree(f"param{t}", numpy(p), data[f"param{t}"])


@pytest.mark.parametrize("path", with_keys("signsgd/"), ids=lambda path: path.stem)
def test_signsgd(path):
    data = read(path, "signsgd/")
    table = torch.nn.Parameter(torch.from_numpy(data["weights0"]))
    optimizer = SignSGD([table], lr=float(data["lr"]), weight_decay=float(data["weight_decay"]))
    steps = sum(key.startswith("ids") for key in data)
    assert steps
    for t in range(1, steps + 1):
        ids, grad = torch.from_numpy(data[f"ids{t}"]).long(), torch.from_numpy(data[f"grad{t}"])
        table.grad = torch.sparse_coo_tensor(ids[None], grad, table.shape, check_invariants=True)
        optimizer.step()
        agree(f"weights{t}", numpy(table), data[f"weights{t}"])
