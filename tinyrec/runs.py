"""A run from a JSON file: make the puzzles, build the model, train, measure, save."""

import json
import math
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from tinyrec.card import card
from tinyrec.checkpoints import CHECKPOINTS, resume, save, save_training, to_json, write_atomically
from tinyrec.device import compile_model, machine, pick_device, pick_precision
from tinyrec.evaluate import answer, evaluate, wilson_interval
from tinyrec.models import MODELS, build
from tinyrec.puzzles import IGNORE, PuzzleSet
from tinyrec.puzzles.families import FAMILIES, find
from tinyrec.ranks import join
from tinyrec.settings import Size, check_fields
from tinyrec.train import TrainConfig, Training, train

PRESETS = Path(__file__).parent / "presets"
WATCHED = 200  # held-out puzzles that are tested on the way


@dataclass(frozen=True)
class Run:
    """A preset or a CONFIG.json."""

    name: str
    family: str  # of puzzles, see tinyrec.puzzles.families
    data: object  # the family's Data
    model: str  # see tinyrec.models
    settings: dict  # of the model; vocab and length follow from the data
    training: TrainConfig
    attempts: Size = 1  # at a held-out puzzle; above 1 it stops early and looks at images
    note: str = ""

    def __post_init__(self):
        check_fields(self)
        for field, known in ("family", FAMILIES), ("model", MODELS):
            if getattr(self, field) not in known:
                raise ValueError(
                    f"Run.{field} is {getattr(self, field)!r}; expected one of {', '.join(known)}"
                )


def presets() -> list[str]:
    """The names that `load_run` knows."""
    return sorted(path.stem for path in PRESETS.glob("*.json"))


def load_run(name_or_file: str, data: str | None = None, **training) -> Run:
    """A run by the name of a preset or from a JSON file of that form.

    `data` is a file of puzzles to be used instead of the run's own; `training` overrides settings
    of TrainConfig. ValueError names what is unknown, missing or of the wrong type.
    """
    file = PRESETS / f"{name_or_file}.json"
    if not file.exists():
        file = Path(name_or_file)
        if file.suffix != ".json":
            raise ValueError(
                f"unknown preset {name_or_file!r}; expected one of {', '.join(presets())} "
                "or a .json file"
            )
    try:
        fields = json.loads(file.read_text())
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: is no text; expected JSON") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{file}, line {error.lineno}: not JSON ({error.msg})") from error
    try:
        run = Run(**parts(fields, training))
        return replace(run, data=find(run.family).from_file(run.data, data)) if data else run
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def parts(fields: dict, training: dict) -> dict:
    """The fields of a Run from a JSON object; ValueError names what is missing or unknown."""
    if not isinstance(fields, dict):
        raise ValueError("expected a JSON object")
    known = Run.__dataclass_fields__
    for name in ("name", "family", "data", "model", "settings", "training"):
        if name not in fields:
            raise ValueError(f"{name!r} is missing")
    if unknown := sorted(set(fields) - set(known)):
        raise ValueError(f"unknown {unknown[0]!r}; a run has {', '.join(known)}")
    return fields | {
        "data": config(find(fields["family"]).Data, fields["data"], "data"),
        "training": config(TrainConfig, fields["training"] | training, "training"),
    }


def config(kind: type, fields: dict, where: str):
    """A config from a JSON object, which has no tuples."""
    known = kind.__dataclass_fields__
    if not isinstance(fields, dict):
        raise ValueError(f"{where} is {fields!r}; expected a JSON object")
    if unknown := sorted(set(fields) - set(known)):
        raise ValueError(f"unknown setting {unknown[0]!r} in {where}; it has {', '.join(known)}")
    try:
        return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from error


def make_data(run: Run) -> dict[str, PuzzleSet]:
    """The puzzle sets of a run: train, test and what else its family makes."""
    return find(run.family).make(run.data)


def make_model(run: Run) -> nn.Module:
    """The run's model with fresh weights, decided by the training seed alone."""
    vocab, length = find(run.family).shape(run.data)
    torch.manual_seed(run.training.seed)
    return build(run.model, {"vocab": vocab, "length": length, **run.settings})


def execute(
    run: Run,
    out: Path,
    command: str,
    again: bool = False,
    minutes: float = math.inf,
) -> dict | str:
    """Do a run; write what came of it into `out`; return the result, or what stopped it.

    There will be model.safetensors, config.json, result.json and card.md, for people. Until the run
    is finished there are checkpoints, with which `again` goes on; see `tinyrec.train.train` for
    what can stop it.

    The result holds exact accuracy with its 95 % interval on each test set, seconds from the first
    step to the last (compilation included, tests not), the history, the machine, the versions and
    the command. ValueError, before anything is trained, where `out` cannot be used.
    """
    device = pick_device()
    dtype, ranks = pick_precision(device), join(device)
    say = print if ranks.rank == 0 else lambda *words, **how: None
    model = make_model(run).to(device)
    if ranks.rank == 0:
        take(out, again)
    sets, about = make_data(run), json.loads(to_json(asdict(run)))
    training = Training(model, sets["train"], run.training, dtype, ranks)
    if again:
        for remark in resume(training, out, about):
            say(remark)
    clock = time.perf_counter()
    slots = run.training.batch // (ranks.count * run.training.parts)
    how = compile_model(model, device, run.training.steps, slots, dtype)
    training.seconds += time.perf_counter() - clock  # it runs, or compiles, a step's segment
    precision = str(dtype).removeprefix("torch.")
    size = sum(p.numel() for p in model.parameters())
    say(f"{run.name}: {size:,} parameters, {device}, {precision}, {how}", flush=True)

    tests = {name: puzzles for name, puzzles in sets.items() if name != "train"}
    keep = partial(save_training, folder=out, run=about)
    began, before = time.perf_counter(), training.seconds
    stopped = train(training, {"test": tests["test"].first(WATCHED)}, save=keep, minutes=minutes)
    if ranks.rank > 0:
        return "finished"
    if stopped:
        return stopped
    save(training.averaged, out, family=run.family, run=about)
    result = {
        "name": run.name,
        "steps": training.step,
        "seconds": round(training.seconds, 1),
        **{name: test(training.averaged, puzzles, run, dtype) for name, puzzles in tests.items()},
        "seconds_with_tests": round(before + time.perf_counter() - began, 1),
        "precision": precision,
        "compiled": how,
        "machine": machine(device),
        "command": command,
        "run": about,
        "data": find(run.family).describe(run.data),
        "history": training.history,
    }
    write_atomically(out / "result.json", to_json(result))
    write_atomically(out / "card.md", card(result).encode())
    for name in CHECKPOINTS:
        (out / name).unlink(missing_ok=True)
    return result


def test(model: nn.Module, puzzles: PuzzleSet, run: Run, dtype: torch.dtype) -> dict:
    """Accuracy on held-out puzzles: after all segments, as in the official codes, or stopping early
    with several attempts.
    """
    family, more = find(run.family), {}
    if run.attempts == 1:
        found = evaluate(model, puzzles, dtype=dtype)
        answers, segments = found.answers, float(model.config.segments)
        q = None if found.q is None else found.q[:, -1]
        more = {"segments_until_yes": found.segments_until_yes}
    else:
        how = dict(puzzle_ids=puzzles.ids, dtype=dtype, attempts=run.attempts, view=family.view)
        found = answer(model, puzzles.x, **how)
        answers, segments = found.tokens, found.segments.double().mean().item()
        q = found.q
        first = (found.attempts == 1) & (answers == puzzles.y).all(1)
        more = {"exact_first_attempt": first.double().mean().item()}
    if family.official_score:
        more["score"] = family.official_score(run.data, puzzles, answers, q)
    return {**accuracy(answers, puzzles, family), "attempts": run.attempts, **more} | {
        "segments": model.config.segments,
        "segments_run": segments,
    }


def accuracy(answers: torch.Tensor, puzzles: PuzzleSet, family: ModuleType) -> dict:
    """Exact accuracy with its 95 % interval, cell accuracy, what the family judges, and of how many
    puzzles.
    """
    scored = puzzles.y != IGNORE
    right = (answers == puzzles.y) | ~scored
    solved = right.all(1)
    return {
        "exact": solved.double().mean().item(),
        "interval_95": wilson_interval(int(solved.sum()), len(solved)),
        "cell": right[scored].double().mean().item(),
        "n": len(solved),
        **{
            name: good.double().mean().item()
            for name, good in family.judge(puzzles.x, answers).items()
        },
    }


def take(out: Path, again: bool = False) -> None:
    """Make the output folder, or say why it cannot be used."""
    for name in ("model.safetensors", "config.json", "result.json", "card.md", *CHECKPOINTS):
        if (out / name).exists() and not (again and name != "result.json"):
            hint = "go on with --resume, or choose" if name in CHECKPOINTS else "choose"
            raise ValueError(f"{out}: holds a {name} already; {hint} another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise ValueError(f"{out}: cannot be written ({error.strerror})") from error
