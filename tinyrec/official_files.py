"""An official checkpoint's files -> a folder that `load_model` reads."""

import hashlib
import json
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from tinyrec.checkpoints import save
from tinyrec.hub import checkpoint
from tinyrec.official import from_official


def from_hub(name: str, length: int) -> nn.Module:
    """The model of an official checkpoint on the hub, OWNER/NAME or OWNER/NAME:FILE.

    `length` says how many cells its puzzles have, where the configuration does not. ValueError
    where there is no such checkpoint, or no network.
    """
    found = checkpoint(name)
    weights, _ = read_weights(found.weights)
    return from_official(weights, {"seq_len": length} | read_config(found.config))


def convert(file: Path, config: Path, out: Path) -> nn.Module:
    """Write an official checkpoint as a folder that `load_model` reads; returns the model.

    `file` is a state dict saved by torch.save, or .safetensors; `config` the official configuration
    in JSON (.json) or YAML. ValueError says which of them is wrong, and how.
    """
    weights, sha256 = read_weights(Path(file))
    model = from_official(weights, read_config(Path(config)))
    save(model, out, official={"file": Path(file).name, "sha256": sha256})
    return model


def read_weights(file: Path) -> tuple[dict[str, Tensor], str]:
    """What a checkpoint holds, and the file's SHA-256. Nothing in the file is run."""
    try:
        with open(file, "rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror})") from error
    if file.suffix == ".safetensors":
        try:
            return load_file(file), sha256
        except SafetensorError as error:
            raise ValueError(f"{file}: cut short or not a safetensors file ({error})") from error
    try:
        return torch.load(file, map_location="cpu", weights_only=True), sha256
    except Exception as error:  # torch.load meets files of another kind with any exception
        if foreign := re.search(r"GLOBAL (\S+)", str(error)):
            raise ValueError(
                f"{file}: holds a {foreign[1]}, which only running code from the file could load; "
                f"expected tensors alone"
            ) from error
        raise ValueError(f"{file}: cut short or not a checkpoint of torch.save") from error


def read_config(file: Path) -> dict:
    """A configuration from JSON (.json) or YAML."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: is no text; expected a configuration") from error
    if file.suffix == ".json":
        try:
            return json.loads(text)
        except ValueError as error:
            raise ValueError(f"{file}: is no JSON ({error})") from error
    try:
        import yaml  # needed here alone, so not among tinyrec's dependencies
    except ImportError as error:
        raise ValueError(
            f"{file}: reading YAML takes PyYAML; install it (pip install pyyaml) or give the "
            f"settings as a .json file"
        ) from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{file}: is no YAML ({' '.join(str(error).split())})") from error
