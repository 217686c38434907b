"""Official HRM and TRM weights -> our models.

The tensors tell the sizes, the config tells the rest; where it repeats a size, both must agree.
The official repositories save a state dict `step_N` beside an `all_config.yaml`, whose part `arch`
describes the model. What comes from the data, seq_len above all, is not in it.
"""

import math
import re

import torch
from torch import Tensor, nn

from tinyrec.models import build

KINDS = {"hrm_act_v1": "hrm", "hrm": "hrm", "trm": "trm"}  # the official model's file -> ours
TENSORS = {  # our name -> the official one, for the tensors that exist once
    "embed.tokens": "embed_tokens.embedding_weight",
    "embed.positions": "embed_pos.embedding_weight",
    "embed.puzzles": "puzzle_emb.weights",
    "heads.cells.weight": "lm_head.weight",
    "heads.halt.weight": "q_head.weight",
    "heads.halt.bias": "q_head.bias",
}
LEVELS = {"network": "L_level", "low": "L_level", "high": "H_level"}
MODULES = {  # the same inside a block
    "attention.qkv": "self_attn.qkv_proj",
    "attention.out": "self_attn.o_proj",
    "token_mixer.gate_up": "mlp_t.gate_up_proj",
    "token_mixer.down": "mlp_t.down_proj",
    "channel_mixer.gate_up": "mlp.gate_up_proj",
    "channel_mixer.down": "mlp.down_proj",
}
TOKENS, POSITIONS, PUZZLES = (
    TENSORS[f"embed.{part}"] for part in ("tokens", "positions", "puzzles")
)
ATTENTION = "L_level.layers.0.self_attn.qkv_proj.weight"
MIXER = "L_level.layers.0.mlp_t.down_proj.weight"  # (prefix + seq_len, inner size)
SETTINGS = {  # official setting -> ours
    "vocab_size": "vocab",
    "seq_len": "length",
    "hidden_size": "width",
    "num_heads": "heads",
    "expansion": "expansion",
    "pos_encodings": "positions",
    "num_puzzle_identifiers": "puzzles",
    "puzzle_emb_ndim": "puzzle_width",
    "halt_max_steps": "segments",
}
RECURSION = {  # the same where HRM and TRM differ; TRM has H_layers as well and ignores it
    "hrm": {
        "H_layers": "high_layers",
        "L_layers": "low_layers",
        "H_cycles": "high_cycles",
        "L_cycles": "low_cycles",
    },
    "trm": {"L_layers": "layers", "H_cycles": "recursions", "L_cycles": "latent_steps"},
}
WHOLE = (SETTINGS | RECURSION["hrm"]).keys() - {"expansion", "pos_encodings"} | {"puzzle_emb_len"}


def from_official(state_dict: dict[str, Tensor], config: dict) -> nn.Module:
    """HRM or TRM in float32, in evaluation mode, from an official state dict and configuration.

    Names may carry the prefixes `_orig_mod.`, `module.`, `model.` and `inner.` in any mix. `config`
    is a whole all_config.yaml or its part `arch`, as a dict. ValueError names the setting, or the
    tensor as the file calls it, that is missing, does not fit or is not supported.
    """
    file, config = File(state_dict), settings_of(config)
    kind = kind_of(file, config)
    model = build(kind, our_settings(kind, file, config))
    fill(model, file)
    return model.eval()


class File:
    """Official tensors by their bare names; `full` has the names by which the file calls them."""

    def __init__(self, state_dict: dict[str, Tensor]):
        if not isinstance(state_dict, dict) or not state_dict:
            what = "empty" if state_dict == {} else f"of type {type(state_dict).__name__}"
            raise ValueError(f"official state dict: it is {what}; expected tensors by name")
        self.tensors, self.full = {}, {}
        for full, tensor in state_dict.items():
            if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
                what = getattr(tensor, "dtype", type(tensor).__name__)
                raise ValueError(
                    f"official state dict: {full!r} is of type {what}; expected a tensor of floats"
                )
            name = bare_name(str(full))
            if name in self.tensors:
                raise ValueError(
                    f"official state dict: {self.full[name]!r} and {full!r} are the same tensor"
                )
            self.tensors[name], self.full[name] = tensor, full

    def shape(self, name: str) -> tuple[int, int]:
        """The shape of a matrix."""
        if name not in self.tensors:
            raise ValueError(f"official state dict: tensor {name!r} is missing")
        shape = tuple(self.tensors[name].shape)
        if len(shape) != 2:
            raise ValueError(
                f"official state dict: tensor {self.full[name]!r} has shape {shape}; "
                f"expected two axes"
            )
        return shape


def bare_name(full: str) -> str:
    """An official tensor's name without the prefixes that wrappers add."""
    return re.sub(r"^((_orig_mod|module|model|inner)\.)*", "", full)


def official_name(ours: str) -> str:
    """The bare official name of a parameter of our HRM or TRM."""
    if ours in TENSORS:
        return TENSORS[ours]
    network, index, rest = ours.split(".", 2)
    module, weight = rest.rsplit(".", 1)
    return f"{LEVELS[network]}.layers.{index}.{MODULES[module]}.{weight}"


def settings_of(config: dict) -> dict:
    """The settings that have a value, of a whole configuration or of its part `arch`."""
    arch = config.get("arch", config) if isinstance(config, dict) else config
    if not isinstance(arch, dict):
        raise ValueError(f"official config: it is {arch!r}; expected settings by name")
    # sizes may refer to each other, as in "${.hidden_size}"; the tensors tell them
    settings = {
        name: value
        for name, value in {**config, **arch}.items()
        if value is not None and not str(value).startswith("${")
    }
    for name in sorted(WHOLE & settings.keys()):
        value = settings[name]
        if type(value) is not int or value < 0:
            raise ValueError(f"official config: {name} is {value!r}; expected a whole number")
    for name, ours in (("rope_theta", 10000.0), ("rms_norm_eps", 1e-5)):
        if settings.get(name, ours) != ours:
            raise ValueError(
                f"official config: {name} is {settings[name]!r}; only {ours} is supported"
            )
    return settings


def kind_of(file: File, config: dict) -> str:
    """The model of the tensors, "hrm" or "trm"; ValueError for the repositories' other models."""
    name = str(config.get("name", "")).split("@")[0].split(".")[-1]
    if name and name not in KINDS:
        raise ValueError(
            f"official config: name is {config['name']!r}; expected one of {', '.join(KINDS)}"
        )
    starts = sorted(name for name in file.tensors if name.endswith("_init"))
    if starts != ["H_init", "L_init"]:
        raise ValueError(
            f"official state dict: its start vectors are {', '.join(starts) or 'missing'}; HRM and "
            f"TRM have H_init, L_init, and their variants (trm_singlez, trm_hier6, "
            f"transformers_baseline) are not supported"
        )
    kind = "hrm" if any(name.startswith("H_level.layers.0.") for name in file.tensors) else "trm"
    if name and KINDS[name] != kind:
        raise ValueError(
            f"official config: name is {config['name']!r}; the tensors are those of {kind.upper()}"
        )
    return kind


def our_settings(kind: str, file: File, config: dict) -> dict:
    """The settings for `build`: sizes as the tensors tell them, the rest from the config."""
    told = sizes(kind, file, config)
    for name, (value, tensor) in told.items():
        if config.get(name, value) != value:
            raise ValueError(
                f"official config: {name} is {config[name]!r}; "
                f"tensor {file.full[tensor]!r} says {value!r}"
            )
    known = config | {name: value for name, (value, _) in told.items()}
    if PUZZLES not in file.tensors:
        for name in ("num_puzzle_identifiers", "puzzle_emb_ndim"):
            known.pop(name, None)
    prefix = prefix_of(kind, known)
    if "prefix + seq_len" in told:
        total, tensor = told["prefix + seq_len"]
        if known.setdefault("seq_len", total - prefix) != total - prefix:
            raise ValueError(
                f"official config: seq_len is {known['seq_len']}; tensor {file.full[tensor]!r} "
                f"has {total} positions, a prefix of {prefix} among them"
            )
    mixer = known["mlp_t"]
    if mixer and known.get("pos_encodings", "rope") == "rope":
        known["pos_encodings"] = "none"  # the official mixer prepares rope and does not use it
    needed = ["seq_len", "H_cycles", "L_cycles", "halt_max_steps", "expansion", "pos_encodings"]
    needed += [] if mixer else ["num_heads"]
    if missing := [name for name in needed if name not in known]:
        raise ValueError(
            f"official config: add {', '.join(missing)}, which the tensors do not tell "
            f"(seq_len: 81 for 9x9 grids, 900 for 30x30 ones)"
        )
    ours = {
        name: known[official]
        for official, name in (SETTINGS | RECURSION[kind]).items()
        if official in known
    }
    ours |= {"mixing": "mlp" if mixer else "attention", "prefix": prefix}
    if kind == "trm":
        ours["q_learning"] = not known.get("no_ACT_continue", True)
    return ours


def sizes(kind: str, file: File, config: dict) -> dict[str, tuple]:
    """What the tensors tell: official setting -> its value and the tensor that tells it.

    Mixers and learned positions tell the sum "prefix + seq_len", which is no setting.
    """
    (vocab, width), block = file.shape(TOKENS), MIXER if MIXER in file.tensors else ATTENTION
    rows, _ = file.shape(block)
    told = {
        "vocab_size": (vocab, TOKENS),
        "hidden_size": (width, TOKENS),
        "mlp_t": (block == MIXER, block),
    }
    for level in ("L", "H") if kind == "hrm" else ("L",):  # TRM has H_layers and ignores it
        blocks = [re.match(rf"{level}_level\.layers\.(\d+)\.", name) for name in file.tensors]
        last = max(filter(None, blocks), key=lambda match: int(match[1]))
        told[f"{level}_layers"] = int(last[1]) + 1, last.string
    if PUZZLES in file.tensors or config.get("puzzle_emb_ndim"):
        ids, columns = file.shape(PUZZLES)
        told |= {"num_puzzle_identifiers": (ids, PUZZLES), "puzzle_emb_ndim": (columns, PUZZLES)}
    if block == MIXER:
        told["prefix + seq_len"] = rows, MIXER
    if POSITIONS in file.tensors:
        told |= {
            "prefix + seq_len": (file.shape(POSITIONS)[0], POSITIONS),
            "pos_encodings": ("learned", POSITIONS),
        }
    return told


def prefix_of(kind: str, known: dict) -> int:
    """Positions in front of the grid: as many as the puzzle embedding fills, in TRM at will.

    Without a puzzle embedding there are none; the official code cannot run otherwise.
    """
    filled = math.ceil(known.get("puzzle_emb_ndim", 0) / known["hidden_size"])
    if kind == "hrm" or not filled:
        return filled
    if "puzzle_emb_len" in known:
        return known["puzzle_emb_len"] or filled
    if {"prefix + seq_len", "seq_len"} <= known.keys():
        return known["prefix + seq_len"] - known["seq_len"]
    return 16  # the official default


@torch.no_grad()
def fill(model: nn.Module, file: File) -> None:
    """Copy each tensor into its place; ValueError names the first that has none or does not fit."""
    places = model.state_dict()  # shares its memory with the model
    start = places.pop("start")
    places = {official_name(ours): (ours, place) for ours, place in places.items()}
    places |= {"H_init": ("start[0]", start[0]), "L_init": ("start[1]", start[1])}
    for name in sorted(places.keys() | file.tensors.keys()):
        if name not in file.tensors:
            raise ValueError(f"official state dict: tensor {name!r} is missing")
        if name not in places:
            raise ValueError(
                f"official state dict: tensor {file.full[name]!r} has no place in "
                f"{type(model).__name__}"
            )
        (ours, place), tensor = places[name], file.tensors[name]
        if tensor.shape != place.shape:
            raise ValueError(
                f"official state dict: tensor {file.full[name]!r} has shape "
                f"{tuple(tensor.shape)}; expected {tuple(place.shape)} (ours: {ours})"
            )
        place.copy_(tensor)
