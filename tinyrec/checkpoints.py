"""Weights on disk, as safetensors: models, the shipped ones, trainings to go on with."""

import hashlib
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from tinyrec.carry import Carry
from tinyrec.models import build, kind_of
from tinyrec.puzzles import Batch
from tinyrec.train import Training

PRETRAINED = Path(__file__).parent / "pretrained"
CHECKPOINTS = ("checkpoint.safetensors", "checkpoint-before.safetensors")  # newest first


def write_atomically(path: Path, data: bytes, before: Path | None = None) -> None:
    """Write a whole file or nothing: a temporary file beside it, then a rename.

    `before` gets the file that was there, once the new one is on the disk. ValueError names the
    path where it cannot be written.
    """
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                os.chmod(file.name, 0o644)
                if before and path.exists():
                    os.replace(path, before)
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        raise ValueError(f"{path}: cannot be written ({error.strerror})") from error


def to_json(content: dict) -> bytes:
    """ValueError for NaN and infinity, which are no JSON."""
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


# --- models ---------------------------------------------------------------------------------------


def bare(model: nn.Module) -> nn.Module:
    """The model itself, out of torch.compile, a moving average or a parallel wrapper."""
    while wrapped := {"_orig_mod", "module"} & model._modules.keys():
        model = model._modules[wrapped.pop()]
    return model


def save(model: nn.Module, folder: str | Path, **about) -> None:
    """Write `model.safetensors` and `config.json` (model, settings, `about`) into a folder."""
    model, folder = bare(model), Path(folder)
    config = to_json({"model": kind_of(model), "settings": asdict(model.config), **about})
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "model.safetensors", to_bytes(weights))
    write_atomically(folder / "config.json", config)


def load(folder: str | Path) -> nn.Module:
    """The model that `save` wrote into a folder. ValueError names the file and its fault."""
    folder = Path(folder)
    config = about(folder)
    try:
        model = build(config["model"], config["settings"])
    except (KeyError, ValueError) as error:
        raise ValueError(f"{folder / 'config.json'}: not a model's config ({error})") from error
    file = folder / "model.safetensors"
    try:
        weights = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{file}: cut short or not a safetensors file ({error})") from error
    load_weights(model, weights, str(file))
    return model.eval()


def about(folder: Path) -> dict:
    """What a folder's config.json says."""
    file = folder / "config.json"
    try:
        config = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{file}: not a model's config ({error})") from error
    if not isinstance(config, dict):
        raise ValueError(f"{file}: not a model's config (expected a JSON object)")
    return config


def load_weights(model: nn.Module, weights: dict[str, Tensor], source: str) -> None:
    """Copy weights into a model; ValueError names the first tensor that does not fit."""
    own = model.state_dict()
    for name in sorted(own.keys() | weights.keys()):
        if name not in weights:
            raise ValueError(f"{source}: tensor {name!r} is missing")
        if name not in own:
            raise ValueError(f"{source}: tensor {name!r} does not belong to this model")
        if own[name].shape != weights[name].shape:
            raise ValueError(
                f"{source}: tensor {name!r} has shape {tuple(weights[name].shape)}; "
                f"expected {tuple(own[name].shape)}"
            )
    model.load_state_dict(weights)


# --- the models that ship with the package --------------------------------------------------------


def pretrained() -> list[str]:
    """Their names."""
    return sorted(path.parent.name for path in PRETRAINED.glob("*/config.json"))


def find_folder(name_or_folder: str) -> Path:
    """The folder of a shipped model, by its name, or the folder given."""
    if name_or_folder in pretrained():
        return PRETRAINED / name_or_folder
    if not Path(name_or_folder).is_dir():
        raise ValueError(
            f"unknown model {name_or_folder!r}; expected one of {', '.join(pretrained())} "
            "or a folder"
        )
    return Path(name_or_folder)


def load_model(name_or_folder: str) -> nn.Module:
    """A shipped model by its name, or one from a folder that `save` wrote."""
    return load(find_folder(name_or_folder))


def shipped_for(family: str, length: int) -> str:
    """The name of the shipped model that reads a family's puzzles of so many tokens."""
    for name in pretrained():
        config = about(PRETRAINED / name)
        if config["family"] == family and config["settings"]["length"] == length:
            return name
    raise ValueError(f"no shipped model reads {family} puzzles of {length} cells; name a folder")


# --- trainings ------------------------------------------------------------------------------------


def save_training(training: Training, folder: Path, run: dict) -> None:
    """Write all of a training's state, of all ranks, into one file; keep the one before.

    `run` says what is trained. Every rank calls this, rank 0 writes.
    """
    tensors = tensors_of(training)
    if training.ranks.rank > 0:
        return
    words = {name: getattr(training, name) for name in ("step", "seconds", "reached", "history")}
    text = json.dumps({"run": run, **words})
    metadata = {"tinyrec": text, "sha256": checksum(tensors, text)}
    newest, before = (folder / name for name in CHECKPOINTS)
    write_atomically(newest, to_bytes(tensors, metadata), before)


def checksum(tensors: dict[str, Tensor], text: str) -> str:
    return hashlib.sha256(to_bytes(tensors, {"tinyrec": text})).hexdigest()


def tensors_of(training: Training) -> dict[str, Tensor]:
    """Everything in a training's state that is a tensor, by name; the carry of all ranks."""
    t, found = training, {}
    found |= {f"model.{name}": value for name, value in t.model.state_dict().items()}
    if t.average:
        found |= {f"average.{name}": value for name, value in t.average.state_dict().items()}
    for number, optimizer in enumerate(t.optimizers):
        for p, state in optimizer.state_dict()["state"].items():
            for name, value in state.items():
                found[f"optimizer.{number}.{p}.{name}"] = torch.as_tensor(value, device="cpu")
    carry = {"x": t.carry.puzzles.x, "y": t.carry.puzzles.y, "ids": t.carry.puzzles.ids}
    carry |= {"segments": t.carry.segments, "halted": t.carry.halted}
    carry |= {f"state.{number}": part for number, part in enumerate(t.carry.state)}
    for name, value in carry.items():
        if value is not None:
            found[f"carry.{name}"] = t.ranks.gather(value)
    found |= {f"sums.{name}": value for name, value in t.sums.items()}
    return {name: value.detach().cpu().contiguous() for name, value in found.items()}


def read_training(path: Path) -> tuple[dict, dict[str, Tensor]]:
    """What `save_training` wrote: words and tensors. ValueError where the file is damaged."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            text, digest = metadata["tinyrec"], metadata["sha256"]
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: damaged or no checkpoint ({error})") from error
    if checksum(tensors, text) != digest:
        raise ValueError(f"{path}: damaged (its checksum is wrong)")
    return json.loads(text), tensors


def resume(training: Training, folder: Path, run: dict) -> list[str]:
    """Bring a fresh training to where the newest good checkpoint of a folder was.

    Returns remarks: which checkpoint was damaged, so that the one before was taken. ValueError
    where none can be read, or where it is of another run.
    """
    remarks = []
    for path in (folder / name for name in CHECKPOINTS):
        if not path.exists():
            continue
        try:
            words, tensors = read_training(path)
            break
        except ValueError as error:
            remarks.append(str(error))
    else:
        raise ValueError("; ".join(remarks) or f"{folder}: holds no checkpoint to go on with")
    if difference := first_difference(words["run"], json.loads(json.dumps(run))):
        raise ValueError(f"{path}: is of another run: {difference}")
    restore(training, words, tensors)
    return [f"{remark}: going on from step {training.step}" for remark in remarks]


def first_difference(there: dict, here: dict, name: str = "") -> str | None:
    for key in there | here:
        one, other = there.get(key), here.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            if found := first_difference(one, other, f"{name}{key}."):
                return found
        elif one != other:
            return f"{name}{key} is {one!r} there, {other!r} here"
    return None


def restore(training: Training, words: dict, tensors: dict[str, Tensor]) -> None:
    t, groups = training, {}
    for name, value in tensors.items():
        group, _, rest = name.partition(".")
        groups.setdefault(group, {})[rest] = value
    t.model.load_state_dict(groups["model"])
    if t.average:
        t.average.load_state_dict(groups["average"])
    for number, optimizer in enumerate(t.optimizers):
        state: dict[int, dict] = {}
        for name, value in groups.get("optimizer", {}).items():
            which, p, key = name.split(".")
            if int(which) == number:
                whole = value.ndim == 0 and not value.is_floating_point()
                state.setdefault(int(p), {})[key] = int(value) if whole else value
        groups_now = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups_now})
    carry = {name: value[t.slots].to(t.device) for name, value in groups["carry"].items()}
    states = sorted(name for name in carry if name.startswith("state."))
    t.carry = Carry(
        tuple(carry[name] for name in states),
        Batch(carry["x"], carry["y"], carry.get("ids")),
        carry["segments"],
        carry["halted"],
    )
    t.sums = groups.get("sums", {})
    for name, value in words.items():
        if name in ("step", "seconds", "reached", "history"):
            setattr(t, name, value)
