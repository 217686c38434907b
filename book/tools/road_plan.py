"""What `make road` compares: each experiment gives every arm the same compute."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Arm:
    """One model of a comparison. A cooldown is a share of the steps."""

    model: str
    settings: dict
    training: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """Minimal 6x6 Sudoku by chapter 8's preset, unless `data` and `training` say otherwise."""

    chapter: int
    question: str
    budget: float  # TFLOP of a run, forward and backward
    arms: dict[str, Arm]
    settings: dict = field(default_factory=dict)  # by model, for every arm of it
    training: dict = field(default_factory=dict)
    data: dict = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2)


PLAN: dict[str, Experiment] = {}
