"""The models. What carry, training, evaluation and checkpoints rely on is this, and no more:

    model = Model(config)       an nn.Module; `config` is a frozen dataclass, kept as model.config
    config.vocab, .length       tokens that there are, tokens of a puzzle (L)
    config.segments             the most segments that a puzzle gets
    model.initial_state(B, dtype) -> state
                                a tuple of tensors (B, ...); their dtype asks for the precision of
                                the forward pass, which may be float32 all the same
    model(tokens, state, puzzle_ids) -> state, logits, q
                                one segment: tokens (B, L), puzzle_ids (B,) or None ->
                                detached state, logits (B, L, vocab), q (B, 2) or None.
                                q[:, 0] is the logit of "every cell is right". Where config has
                                q_learning and it is true, q holds the values of halting and of
                                going on. None: the model has no say in when to halt.

A model knows nothing of puzzles, training or devices. A new one is one file and one line here.
"""

from torch import nn

from tinyrec.models.hrm import HRM, HRMConfig
from tinyrec.models.naive import NaiveConfig, NaiveMLP
from tinyrec.models.trm import TRM, TRMConfig

MODELS = {
    "naive": (NaiveMLP, NaiveConfig),
    "hrm": (HRM, HRMConfig),
    "trm": (TRM, TRMConfig),
}


def build(kind: str, settings: dict) -> nn.Module:
    """A fresh model. ValueError names an unknown kind or setting."""
    if not isinstance(kind, str) or kind not in MODELS:
        raise ValueError(f"unknown model {kind!r}; expected one of {', '.join(MODELS)}")
    if not isinstance(settings, dict):
        raise ValueError(f"settings are {settings!r}; expected a JSON object")
    model, config = MODELS[kind]
    known = config.__dataclass_fields__
    if unknown := sorted(set(settings) - set(known)):
        raise ValueError(f"unknown setting {unknown[0]!r} for {kind}; it has {', '.join(known)}")
    return model(config(**settings))


def kind_of(model: nn.Module) -> str:
    """The name under which `build` knows a model's class; ValueError where it does not."""
    for kind, (cls, _) in MODELS.items():
        if isinstance(model, cls):
            return kind
    raise ValueError(f"{type(model).__name__} is none of the models {', '.join(MODELS)}")
