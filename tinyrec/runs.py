"""A run from a JSON file: make the puzzles, build the model, train, measure, save."""

import json
import platform
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from tinyrec.checkpoints import MODELS, build, save, write_atomically
from tinyrec.evaluate import answer, evaluate, wilson_interval
from tinyrec.puzzles import PuzzleSet
from tinyrec.puzzles.sudoku import rules
from tinyrec.puzzles.sudoku.generate import split
from tinyrec.settings import check_fields
from tinyrec.train import TrainConfig, compile_model, pick_device, pick_precision, train

PRESETS = Path(__file__).parent / "presets"


@dataclass(frozen=True)
class Data:
    """Which Sudoku puzzles: `train` and `test` of them, none a symmetric image of one of another
    set.

    They are minimal, or have `clues` given digits. With new_classes > 0, that many classes of
    solution grids are kept out of training; they make a second test set.
    """

    size: int
    train: int
    test: int
    clues: int | None = None
    new_classes: int = 0
    revealed: float = 0.0  # share of the training draws that show further cells of the answer
    seed: int = 0

    def __post_init__(self):
        check_fields(self, positive=("train", "test"), choices={"size": (4, 6, 9)})
        if not 0 <= self.revealed <= 1:
            raise ValueError(f"Data.revealed is {self.revealed}; expected a share from 0 to 1")


@dataclass(frozen=True)
class Run:
    """A preset or a CONFIG.json."""

    name: str
    data: Data
    model: str  # "naive", "hrm" or "trm"
    settings: dict  # of the model, see its config; vocab and length follow from the data
    training: TrainConfig
    attempts: int = 1  # at a held-out puzzle; above 1 it stops early and looks at symmetric images
    note: str = ""

    def __post_init__(self):
        check_fields(self, positive=("attempts",), choices={"model": tuple(MODELS)})


def presets() -> list[str]:
    """The names that `load_run` knows."""
    return sorted(path.stem for path in PRESETS.glob("*.json"))


def load_run(name_or_file: str, **training) -> Run:
    """A run by the name of a preset or from a JSON file of that form; `training` overrides settings
    of TrainConfig.

    ValueError names what is unknown, missing or of the wrong type.
    """
    file = PRESETS / f"{name_or_file}.json"
    if not file.exists():
        file = Path(name_or_file)
        if file.suffix != ".json":
            raise ValueError(
                f"unknown preset {name_or_file!r}; expected one of {', '.join(presets())} or a .json file"
            )
    try:
        fields = json.loads(file.read_text())
        if not isinstance(fields, dict):
            raise ValueError("expected a JSON object")
        settings = {**fields["training"], **training}
        return Run(
            name=fields["name"],
            data=Data(**fields["data"]),
            model=fields["model"],
            settings=fields["settings"],
            training=TrainConfig(  # JSON has no tuples
                **{k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
            ),
            attempts=fields.get("attempts", 1),
            note=fields.get("note", ""),
        )
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror})") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{file}, line {error.lineno}: not JSON ({error.msg})") from error
    except KeyError as error:
        raise ValueError(f"{file}: {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file}: {error}") from error


def make_data(data: Data) -> dict[str, PuzzleSet]:
    """The puzzle sets of a run: train (augmented anew each time), test and, if asked for,
    test_new_classes.
    """
    sets = split(data.size, data.train, data.test, data.seed, data.clues, data.new_classes)
    return {
        name: rules.puzzle_set(*grids, augmented=name == "train", revealed=data.revealed)
        for name, grids in sets.items()
    }


def make_model(run: Run) -> torch.nn.Module:
    """The run's model with fresh weights, decided by the training seed alone."""
    torch.manual_seed(run.training.seed)
    return build(
        run.model,
        {"vocab": rules.vocabulary(run.data.size), "length": run.data.size**2, **run.settings},
    )


def machine(device: torch.device) -> dict[str, str | int]:
    """What a number was measured on: device, cores used, versions."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    return {
        "device": name,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def processor() -> str:
    """The processor's name, generation and widest vector instructions, as far as the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    about = {}
    for name, _, value in (line.partition(":") for line in lines):
        about.setdefault(name.strip(), value.strip())
    name = about.get("model name", platform.processor())
    if (
        "cpu family" in about
    ):  # virtual machines hide the name's number, and generations differ in speed
        name += f" family {about['cpu family']} model {about.get('model', '?')}"
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"


def execute(run: Run, out: Path, source: str) -> dict:
    """Do the run of `source` (a preset or a file); write what came of it into `out` and return the
    result.

    There will be model.safetensors, config.json, result.json and card.md, for people.

    The result holds exact accuracy with its 95 % interval on each test set, seconds from the first
    step to the last (compilation included, tests not), the history, the machine, the versions and
    the command. ValueError, before anything is trained, where `out` cannot be written or holds a
    model already.
    """
    device = pick_device()
    dtype = pick_precision(device)
    model = make_model(run).to(device)
    claim(out)
    sets = make_data(run.data)
    how = compile_model(model, device)
    print(
        f"{run.name}: {sum(p.numel() for p in model.parameters()):,} parameters, {device}, "
        f"{str(dtype).removeprefix('torch.')}, {how}",
        flush=True,
    )
    tests = {name: puzzles for name, puzzles in sets.items() if name != "train"}
    began = time.perf_counter()
    average, history = train(
        model, sets["train"], run.training, {"test": first(tests["test"], 200)}, dtype
    )
    save(average, out, run=asdict(run))  # before the tests, which may take long
    result = {
        "name": run.name,
        "steps": history[-1]["step"],
        "seconds": round(history[-1]["seconds"], 1),
    }
    for name, puzzles in tests.items():
        result[name] = test(average, puzzles, run.attempts, dtype)
    result |= {
        "seconds_with_tests": round(time.perf_counter() - began, 1),
        "seed": run.training.seed,
        "precision": str(dtype).removeprefix("torch."),
        "compiled": how,
        "machine": machine(device),
        "command": f"python -m tinyrec train {source} --seed {run.training.seed}",
        "history": history,
    }
    write_atomically(out / "result.json", (json.dumps(result, indent=1) + "\n").encode())
    write_atomically(out / "card.md", card(run, result).encode())
    return result


def test(model: torch.nn.Module, puzzles: PuzzleSet, attempts: int, dtype: torch.dtype) -> dict:
    """Accuracy on held-out puzzles: after all segments, as in the official codes, or with several
    attempts.
    """
    if attempts == 1:
        found = evaluate(model, puzzles.x, puzzles.y, dtype=dtype)
        answers, segments, more = found.answers, found.mean_segments, {}
    else:
        how = dict(attempts=attempts, view=rules.view)
        found = answer(model, puzzles.x, dtype=dtype, **how)
        answers, segments = found.tokens, found.segments.double().mean().item()
        first = (found.attempts == 1) & (answers == puzzles.y).all(1)
        more = {"attempts": attempts, "exact_first_attempt": first.double().mean().item()}
    right = answers == puzzles.y
    return {
        "exact": right.all(1).double().mean().item(),
        "interval_95": wilson_interval(int(right.all(1).sum()), len(right)),
        "cell": right.double().mean().item(),
        "n": len(right),
        "mean_segments": segments,
        **more,
    }


def card(run: Run, result: dict) -> str:
    """What one must know of a trained model before using its numbers: data, seed, command,
    accuracy.
    """
    data, size = run.data, f"{run.data.size}x{run.data.size}"
    kind = f"{data.clues} given digits" if data.clues else "minimal"
    lines = [
        f"# {run.name}",
        "",
        f"{run.model.upper()}: {json.dumps(run.settings)}.",
        "",
        f"- **Data**: {data.train} Sudoku puzzles {size}, {kind}, made with seed {data.seed}; a random symmetric "
        f"image at every draw"
        + (f", {data.revealed:.0%} of them with further cells shown." if data.revealed else "."),
        f"- **Seed**: {result['seed']} (weights, order of puzzles, exploration).",
        f"- **Command**: `{result['command']}`: {result['steps']} steps, {result['seconds']:.0f} s of training "
        f"({result['seconds_with_tests']:.0f} s with its tests) on {result['machine']['device']}, "
        f"{result['machine']['threads']} threads, {result['precision']}, {result['compiled']}, "
        f"torch {result['machine']['torch']}.",
    ]
    what = {
        "test": "held-out puzzles, none an image of a training puzzle",
        "test_new_classes": f"puzzles of {data.new_classes} solution classes that were held out of training",
    }
    for name in (name for name in what if name in result):
        r = result[name]
        lines.append(
            f"- **Accuracy** on {r['n']} {what[name]}: {r['exact']:.1%} exact (95 % interval "
            f"{r['interval_95'][0]:.1%} to {r['interval_95'][1]:.1%}), {r['cell']:.2%} of the cells, "
            + (
                f"in up to {r['attempts']} attempts of up to {run.settings['segments']} segments, each at another "
                f"symmetric image, chosen by q ({r['exact_first_attempt']:.1%} at the first; "
                f"{r['mean_segments']:.1f} segments a puzzle)."
                if "attempts" in r
                else f"after {run.settings.get('segments', 'all')} segments."
            )
        )
    if run.note:
        lines.append(f"- **Note**: {run.note}.")
    return "\n".join(lines) + "\n"


def claim(out: Path) -> None:
    """Make the output folder, or say why it cannot be used."""
    for name in ("model.safetensors", "config.json", "result.json", "card.md"):
        if (out / name).exists():
            raise ValueError(f"{out}: holds a {name} already; choose another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise ValueError(f"{out}: cannot be written ({error.strerror})") from error


def first(puzzles: PuzzleSet, n: int) -> PuzzleSet:
    return PuzzleSet(puzzles.x[:n], puzzles.y[:n])
