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

    chapters: tuple[int, ...]  # that show it
    question: str
    budget: float  # TFLOP of a run, forward and backward
    arms: dict[str, Arm]
    training: dict = field(default_factory=dict)
    data: dict = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2)


BUDGET = 10.0  # TFLOP, about what chapter 8 trains with

# As chapter 2 trains it: on puzzles with 24 given digits, at a constant rate.
EASY = {"clues": 24, "revealed": 0.0, "new_classes": 0, "test": 500}
NAIVE = {
    "batch": 256, "learning_rate": 1e-3, "weight_decay": 0.01, "loss": "softmax", "cooldown": 0,
}  # fmt: skip

# Two blocks of width 96 in each network, as wide as chapter 8's model.
PARTS = {
    "width": 96, "mixing": "mlp", "positions": "none", "prefix": 1, "multiple": 32, "segments": 16,
}  # fmt: skip
HRM = PARTS | {"high_layers": 2, "low_layers": 2, "q_learning": False}
TRM = PARTS | {"layers": 2}
Q = {"q_learning": True}
FULL = {"gradient": "full"}
SMALL_HRM = HRM | {"width": 64, "high_layers": 1, "low_layers": 1}
HALTING = HRM | {"high_layers": 1, "low_layers": 1, "high_cycles": 1, "q_learning": True} | FULL
SMALL_TRM = PARTS | {"width": 64, "layers": 1, "latent_steps": 6, "recursions": 1}
RAW = {"ema": 0}  # the weights of the last step
SIX_CALLS = {"latent_steps": 2, "recursions": 2, "gradient": "one_step"}  # as HRM calls
LAST_RECURSION = SIX_CALLS | FULL


def naive(loops: int, segments: int) -> Arm:
    return Arm("naive", {"loops": loops, "segments": segments})


PLAN = {
    "naive": Experiment(
        (2, 3),
        "What helps the naive network: more loops, or a loss at every segment?",
        BUDGET,
        {
            "1 loop": naive(1, 1),
            "4 loops": naive(4, 1),
            "8 loops": naive(8, 1),
            "8 segments of 1 loop": naive(1, 8),
            "4 segments of 4 loops": naive(4, 4),
        },
        training=NAIVE,
        data=EASY,
    ),
    "hrm": Experiment(
        (4,),
        "What do two networks at two speeds add?",
        BUDGET,
        {
            "HRM": Arm("hrm", HRM),
            "HRM, attention": Arm(
                "hrm", HRM | {"mixing": "attention", "positions": "rope", "heads": 4}
            ),
            "HRM, one segment": Arm("hrm", HRM | {"segments": 1}),
            "one network, called as often": Arm("trm", TRM | SIX_CALLS),
            "flat, as many calls": Arm("trm", TRM | SIX_CALLS | {"latents": 0}),
            "flat, as many calls and weights": Arm(
                "trm", TRM | SIX_CALLS | {"latents": 0, "layers": 4}
            ),
            "naive loop, 16 segments": Arm(
                "naive", {"loops": 1, "segments": 16}, NAIVE | {"cooldown": 0.4}
            ),
        },
    ),
    "gradient": Experiment(
        (5,),
        "What is the long gradient worth at equal compute?",
        6.0,
        {
            "HRM, two cycles, one step": Arm("hrm", SMALL_HRM),
            "HRM, two cycles, the last cycle": Arm("hrm", SMALL_HRM | FULL),
            "HRM, one cycle, one step": Arm("hrm", SMALL_HRM | {"high_cycles": 1}),
            "HRM, one cycle, all of it": Arm("hrm", SMALL_HRM | {"high_cycles": 1} | FULL),
            "TRM, n = 6, one step": Arm("trm", SMALL_TRM | {"gradient": "one_step"}),
            "TRM, n = 6, all of it": Arm("trm", SMALL_TRM),
        },
    ),
    "halting": Experiment(
        (6,),
        "Does Q-learning help to stop, and do its bias and exploration matter?",
        BUDGET,
        {
            "Q-learning": Arm("hrm", HALTING),
            "no exploration": Arm("hrm", HALTING, {"exploration": 0.0}),
            "bias 0": Arm("hrm", HALTING | {"halt_bias": 0.0}),
            "bias 0, no exploration": Arm(
                "hrm", HALTING | {"halt_bias": 0.0}, {"exploration": 0.0}
            ),
            "q_halt > 0, no Q-learning": Arm("hrm", HALTING | {"q_learning": False}),
        },
    ),
    "ladder": Experiment(
        (7,),
        "What does each change from HRM to TRM bring?",
        BUDGET,
        {
            "HRM": Arm("hrm", HRM | {"high_layers": 4, "low_layers": 4} | Q, RAW),
            "one network": Arm("trm", PARTS | {"layers": 4} | SIX_CALLS | Q, RAW),
            "full gradient": Arm("trm", PARTS | {"layers": 4} | LAST_RECURSION | Q, RAW),
            "two layers": Arm("trm", TRM | LAST_RECURSION | Q, RAW),
            "no second forward": Arm("trm", TRM | LAST_RECURSION, RAW),
            "moving average = TRM": Arm("trm", TRM | LAST_RECURSION),
            "TRM without y": Arm("trm", TRM | LAST_RECURSION | {"latents": 0}),
        },
    ),
}
