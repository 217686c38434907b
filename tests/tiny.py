"""What the tests of training, runs and commands share: the smallest models, puzzles and runs."""

import copy
import json

import torch

from tinyrec.models import build
from tinyrec.puzzles import PuzzleSet
from tinyrec.train import TrainConfig, Training, train

PARTS = dict(vocab=6, length=16, width=32, heads=2, prefix=1, multiple=32)
SMALLEST = {
    "trm": PARTS | dict(layers=1, latent_steps=2, recursions=2, segments=2),
    "hrm": PARTS | dict(high_layers=1, low_layers=1, segments=2),
    "naive": dict(vocab=6, length=16, width=64),
}
QUICK = TrainConfig(
    steps=30, batch=16, optimizer="adamw", learning_rate=3e-3, weight_decay=0.0, warmup=5, ema=0.9,
    evaluate_every=10,
)  # fmt: skip
RUN = {
    "name": "tiny",
    "family": "sudoku",
    "data": {"size": 4, "train": 40, "test": 20, "seed": 0},
    "model": "trm",
    "settings": {
        "width": 16, "layers": 1, "latent_steps": 1, "recursions": 1, "segments": 2, "prefix": 1,
        "multiple": 16,
    },
    "training": {"steps": 4, "batch": 8, "optimizer": "adamw", "warmup": 1, "evaluate_every": 2},
}  # fmt: skip


def copying(n: int = 64, ids: int = 0, length: int = 16) -> PuzzleSet:
    """The easiest puzzle: the answer is the question. With `ids` of them, in turn."""
    x = torch.randint(2, 6, (n, length), generator=torch.Generator().manual_seed(0))
    return PuzzleSet(x, x.clone(), torch.arange(n) % ids if ids else None)


def small(kind: str = "trm", **settings) -> torch.nn.Module:
    torch.manual_seed(0)
    return build(kind, SMALLEST[kind] | settings)


class Overwriting(torch.nn.Module):
    """Writes its results over those of the call before, as CUDA graphs do."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model, self.config, self.before = model, model.config, {}
        self.initial_state = model.initial_state

    def forward(self, tokens, state, puzzle_ids=None):
        state, logits, q = self.model(tokens, state, puzzle_ids)
        if torch.is_grad_enabled():
            return tuple(self.over(str(n), part) for n, part in enumerate(state)), logits, q
        made = (*state, logits, q)
        *state, logits, q = (self.over(f"test {n}", part) for n, part in enumerate(made))
        return tuple(state), logits, q

    def over(self, name, part):
        buffer = self.before.setdefault(name, part.clone())
        return buffer.copy_(part) if buffer.shape == part.shape else part


def eager_to_halt(model: torch.nn.Module) -> torch.nn.Module:
    """Halts at once but for exploration; fresh weights never halt before the last segment."""
    torch.nn.init.constant_(model.heads.halt.bias, 5.0)
    return model


def trained(model: torch.nn.Module, config=QUICK, puzzles=None, tests=None, **how) -> Training:
    dtype = how.pop("dtype", torch.float32)
    training = Training(model, puzzles or copying(), config, dtype)
    train(training, tests, quiet=True, **how)
    return training


def losses(training: Training) -> list[float]:
    return [entry["loss"] for entry in training.history]


def timeless(history: list[dict]) -> list[dict]:
    """Without what depends on the machine's speed."""
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in history]


def state_of(training: Training) -> dict[str, torch.Tensor]:
    """Every number that training changes, by name."""
    found = {f"model.{name}": value for name, value in training.model.state_dict().items()}
    found |= {f"averaged.{name}": v for name, v in training.averaged.state_dict().items()}
    for number, optimizer in enumerate(training.optimizers):
        for p, state in optimizer.state_dict()["state"].items():
            for name, value in state.items():
                found[f"optimizer.{number}.{p}.{name}"] = torch.as_tensor(value)
    carry = training.carry
    for name, value in enumerate((*carry.state, *carry.puzzles, carry.segments, carry.halted)):
        if value is not None:
            found[f"carry.{name}"] = value
    return {name: value.detach().clone() for name, value in found.items()}


def different(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> set[str]:
    """The names of the tensors that differ in a bit, in shape or in type."""
    return {name for name in one.keys() | other.keys() if not same(one.get(name), other.get(name))}


def same(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    if one is None or other is None:
        return False
    return one.dtype == other.dtype and torch.equal(one, other)


def outcome(training: Training) -> tuple[dict[str, torch.Tensor], list[dict]]:
    """What one gets of a training."""
    return dict(training.averaged.state_dict()), timeless(training.history)


def changed(run: dict = RUN, **parts) -> dict:
    """A run with parts changed; of a part that is an object, only the keys named."""
    run = copy.deepcopy(run)
    for name, value in parts.items():
        whole = isinstance(run.get(name), dict) and isinstance(value, dict)
        run[name] = run[name] | value if whole else value
    return run


def write_run(folder, run: dict = RUN, name: str = "run.json"):
    path = folder / name
    path.write_text(json.dumps(run))
    return path


def on_any_machine(patch) -> None:
    """Runs and commands, also in processes of their own, are quick and the same everywhere: on the
    CPU, in float32, nothing compiled.
    """
    for module in ("runs", "__main__"):
        patch.setattr(f"tinyrec.{module}.pick_device", lambda: torch.device("cpu"))
    patch.setattr("tinyrec.runs.compile_model", lambda *what: "eager")
    patch.setenv("CUDA_VISIBLE_DEVICES", "")
    patch.setenv("TINYREC_PRECISION", "float32")
    patch.setenv("TORCHDYNAMO_DISABLE", "1")
