"""Weights on disk: safetensors beside a JSON config; official HRM and TRM state dicts; the shipped
models.
"""

import json
import math
import os
import re
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch
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


# ---- official checkpoints
# -------------------------------------------------------------------------------------------

OFFICIAL_PARTS = {  # official name -> ours, for the tensors that exist once
    "embed_tokens.embedding_weight": "embed.tokens",
    "embed_pos.embedding_weight": "embed.positions",
    "puzzle_emb.weights": "embed.puzzles",
    "lm_head.weight": "heads.cells.weight",
    "q_head.weight": "heads.halt.weight",
    "q_head.bias": "heads.halt.bias",
}
OFFICIAL_LAYERS = {  # the same inside a block
    "self_attn.qkv_proj": "attention.qkv",
    "self_attn.o_proj": "attention.out",
    "mlp_t.gate_up_proj": "token_mixer.gate_up",
    "mlp_t.down_proj": "token_mixer.down",
    "mlp.gate_up_proj": "channel_mixer.gate_up",
    "mlp.down_proj": "channel_mixer.down",
}


def our_name(official: str, hrm: bool) -> str:
    """Our name of an official parameter, given without any of its prefixes; ValueError if there is
    none.
    """
    if official in OFFICIAL_PARTS:
        return OFFICIAL_PARTS[official]
    level, layers, index, part = (official.split(".", 3) + [""] * 4)[:4]
    networks = {"L_level": "low", "H_level": "high"} if hrm else {"L_level": "network"}
    module, _, weight = part.rpartition(".")
    if level not in networks or layers != "layers" or module not in OFFICIAL_LAYERS:
        raise ValueError(f"official tensor {official!r} is not known")
    return f"{networks[level]}.{index}.{OFFICIAL_LAYERS[module]}.{weight}"


def bare_name(official: str) -> str:
    """An official tensor's name without the prefixes `_orig_mod.`, `model.` and `inner.`."""
    return re.sub(r"^(_orig_mod\.|model\.|inner\.)*", "", official)


def from_official(state_dict: dict[str, Tensor], config: dict) -> nn.Module:
    """HRM or TRM from an official state dict and the official configuration (names such as
    `H_cycles`).

    It is an HRM where the tensors have an `H_level`. ValueError names what does not fit or is not
    supported.
    """
    for name, ours in (("rope_theta", 10000.0), ("rms_norm_eps", 1e-5)):
        if config.get(name, ours) != ours:
            raise ValueError(f"official config: {name} is {config[name]}; only {ours} is supported")
    tensors = {bare_name(name): value for name, value in state_dict.items()}
    hrm = any(name.startswith("H_level.") for name in tensors)
    mixing = "mlp" if config.get("mlp_t") else "attention"
    positions = config["pos_encodings"]
    if mixing == "mlp" and positions == "rope":  # computed but not used by the official code
        positions = "none"
    prefix = config.get("puzzle_emb_len", 0 if hrm else 16)
    prefix = prefix or math.ceil(config["puzzle_emb_ndim"] / config["hidden_size"])
    has_puzzles = config["puzzle_emb_ndim"] > 0
    settings = dict(
        vocab=config["vocab_size"],
        length=config["seq_len"],
        width=config["hidden_size"],
        heads=config["num_heads"],
        expansion=config["expansion"],
        segments=config["halt_max_steps"],
        positions=positions,
        mixing=mixing,
        prefix=prefix if has_puzzles else 0,
        puzzles=config["num_puzzle_identifiers"] if has_puzzles else 0,
        puzzle_width=config["puzzle_emb_ndim"] or None,
    )
    if hrm:
        model = HRM(
            HRMConfig(
                high_layers=config["H_layers"],
                low_layers=config["L_layers"],
                high_cycles=config["H_cycles"],
                low_cycles=config["L_cycles"],
                **settings,
            )
        )
    else:
        model = TRM(
            TRMConfig(
                layers=config["L_layers"],
                recursions=config["H_cycles"],
                latent_steps=config["L_cycles"],
                q_learning=not config.get("no_ACT_continue", True),
                **settings,
            )
        )
    weights = {
        our_name(name, hrm): value for name, value in tensors.items() if not name.endswith("_init")
    }
    weights["start"] = torch.stack([tensors["H_init"], tensors["L_init"]])
    load_weights(
        model, {name: value.float() for name, value in weights.items()}, "official state dict"
    )
    return model
