"""Weights on disk: safetensors beside a JSON config; the shipped models."""

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from tinyrec.models.hrm import HRM, HRMConfig
from tinyrec.models.naive import NaiveConfig, NaiveMLP
from tinyrec.models.trm import TRM, TRMConfig

MODELS = {"naive": (NaiveMLP, NaiveConfig), "hrm": (HRM, HRMConfig), "trm": (TRM, TRMConfig)}
PRETRAINED = Path(__file__).parent / "pretrained"


def build(kind: str, settings: dict) -> nn.Module:
    """A fresh model of `kind` ("naive", "hrm" or "trm"). ValueError names an unknown kind or
    setting.
    """
    if not isinstance(kind, str) or kind not in MODELS:
        raise ValueError(f"unknown model {kind!r}; expected one of {', '.join(MODELS)}")
    if not isinstance(settings, dict):
        raise ValueError(f"settings are {settings!r}; expected a JSON object")
    model, config = MODELS[kind]
    unknown = set(settings) - set(config.__dataclass_fields__)
    if unknown:
        raise ValueError(
            f"unknown setting {sorted(unknown)[0]!r} for {kind}; "
            f"it has {', '.join(config.__dataclass_fields__)}"
        )
    return model(config(**settings))


def kind_of(model: nn.Module) -> str:
    return next(kind for kind, (cls, _) in MODELS.items() if isinstance(model, cls))


def write_atomically(path: Path, data: bytes) -> None:
    """Write a whole file or nothing: a temporary file beside it, then a rename."""
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        try:
            file.write(data)
            file.close()
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def save(model: nn.Module, folder: Path, **about) -> None:
    """Write `model.safetensors` and `config.json` (kind, settings and whatever `about` says) into a
    folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(
        folder / "model.safetensors",
        to_bytes({k: v.contiguous() for k, v in model.state_dict().items()}),
    )
    config = {"model": kind_of(model), "settings": asdict(model.config), **about}
    write_atomically(folder / "config.json", (json.dumps(config, indent=1) + "\n").encode())


def load(folder: Path) -> nn.Module:
    """The model that `save` wrote into a folder. ValueError names the file and what is wrong with
    it.
    """
    folder = Path(folder)
    try:
        config = json.loads((folder / "config.json").read_text())
        model = build(config["model"], config["settings"])
    except (OSError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / 'config.json'}: not a model's config ({error!r})") from error
    except ValueError as error:
        raise ValueError(f"{folder / 'config.json'}: not a model's config ({error})") from error
    file = folder / "model.safetensors"
    try:
        weights = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{file}: cut short or not a safetensors file ({error})") from error
    load_weights(model, weights, str(file))
    return model.eval()


def pretrained() -> list[str]:
    """The names of the models that ship with the package."""
    return sorted(path.parent.name for path in PRETRAINED.glob("*/config.json"))


def load_model(name_or_folder: str) -> nn.Module:
    """A shipped model by its name, or one from a folder that `save` wrote."""
    if name_or_folder in pretrained():
        return load(PRETRAINED / name_or_folder)
    if not Path(name_or_folder).is_dir():
        raise ValueError(
            f"unknown model {name_or_folder!r}; expected one of {', '.join(pretrained())} or a folder"
        )
    return load(Path(name_or_folder))


def load_weights(model: nn.Module, weights: dict[str, Tensor], source: str) -> None:
    """Copy weights into a model; ValueError names the first tensor that is missing, needless or of
    another shape.
    """
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
