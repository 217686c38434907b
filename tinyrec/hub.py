"""Files of the Hugging Face hub. huggingface_hub is needed here alone, so it is no dependency."""

import re
from pathlib import Path
from typing import NamedTuple


class Checkpoint(NamedTuple):
    """Weights on the hub, and the configuration that lies beside them."""

    weights: Path
    config: Path


def fetch(repository: str, name: str, instead: str, kind: str = "dataset") -> Path:
    """A file of a repository, downloaded unless this machine has it already.

    ValueError says what went wrong and what can be done `instead`.
    """
    return Path(ask("hf_hub_download", name, instead, repository, name, repo_type=kind))


def ask(what: str, named: str, instead: str, *words, **how):
    """Call one of huggingface_hub's functions for what is `named`."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise ValueError(
            f"this takes huggingface_hub: install it (pip install huggingface_hub), {instead}"
        ) from error
    try:
        return getattr(huggingface_hub, what)(*words, **how)
    except (OSError, ValueError) as error:  # no network, or no such repository
        why = str(error).strip().partition("\n")[0]
        raise ValueError(f"{named} cannot be downloaded ({why}): try again, {instead}") from error


def is_name(model: str) -> bool:
    """Whether a model is named as a repository, OWNER/NAME, or as a file in one, OWNER/NAME:FILE,
    and is no path on this machine.
    """
    return bool(re.fullmatch(r"[\w-][\w.-]*/[\w.-]+(:.+)?", model)) and not Path(model).exists()


def checkpoint(model: str) -> Checkpoint:
    """The checkpoint that OWNER/NAME holds, or the one in its file OWNER/NAME:FILE.

    Of several steps (step_1000, step_2000) it is the last. The configuration is the file of the
    same name in YAML, or the all_config.yaml that the official training writes. ValueError lists
    what there is where that does not decide.
    """
    repository, _, file = model.partition(":")
    instead = "or download weights and configuration elsewhere, and convert them"
    names = sorted(ask("list_repo_files", repository, instead, repository))
    weights = file or newest([name for name in names if is_weights(name)])
    if weights not in names:
        raise ValueError(
            f"{repository}: holds {f'no {file}' if file else 'not just one checkpoint'}; name "
            f"{repository}:FILE, where FILE is one of {', '.join(names) or 'none'}"
        )
    folder = Path(weights).parent
    configs = [str(Path(weights).with_suffix(".yaml")), str(folder / "all_config.yaml")]
    config = next((name for name in (*configs, "all_config.yaml") if name in names), None)
    if config is None:
        raise ValueError(f"{repository}: no all_config.yaml beside {weights}")
    return Checkpoint(*(fetch(repository, name, instead, "model") for name in (weights, config)))


def is_weights(name: str) -> bool:
    file = Path(name)
    return file.suffix in (".pt", ".pth", ".safetensors") or bool(
        re.fullmatch(r"checkpoint|step_\d+", file.name)
    )


def newest(names: list[str]) -> str:
    """The only one, or of the steps in one folder the last; "" where that does not decide."""
    steps = [re.fullmatch(r"(.*)step_(\d+)", name) for name in names]
    if len(names) > 1 and all(steps) and len({step[1] for step in steps}) == 1:
        return max(names, key=lambda name: int(name.rpartition("_")[2]))
    return names[0] if len(names) == 1 else ""
