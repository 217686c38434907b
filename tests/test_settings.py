"""Configs: a field may be what its annotation says, and the defaults are those of the papers."""

from dataclasses import asdict, dataclass, fields
from typing import Literal

import pytest

from tinyrec.models import MODELS
from tinyrec.models.hrm import HRMConfig
from tinyrec.models.layers import PartsConfig
from tinyrec.models.naive import NaiveConfig
from tinyrec.models.trm import TRMConfig
from tinyrec.settings import Count, Decay, Number, Real, Share, Size, check_fields
from tinyrec.train import TrainConfig

CONFIGS = [PartsConfig, TrainConfig, *(config for _, config in MODELS.values())]


@dataclass(frozen=True)
class Example:
    count: Count = 0
    size: Size = 1
    number: Number = 0.0
    real: Real = -1.0
    share: Share = 0.5
    decay: Decay = 0.5
    choice: Literal["a", 1] = "a"
    switch: bool = True
    perhaps: Size | None = None
    pair: tuple[Decay, Decay] = (0.0, 0.5)
    word: str = "a"

    def __post_init__(self):
        check_fields(self)


@pytest.mark.parametrize(
    "field, values",
    [
        ("count", [0, 7]),
        ("size", [1, 7]),
        ("number", [0, 3, 0.0, 1e9]),
        ("share", [0, 1, 0.0, 1.0]),
        ("decay", [0, 0.999]),
        ("choice", ["a", 1]),
        ("switch", [True, False]),
        ("perhaps", [None, 1]),
        ("pair", [(0, 0.9)]),
        ("word", [""]),
    ],
)
def test_what_an_annotation_allows_is_accepted(field, values):
    for value in values:
        assert getattr(Example(**{field: value}), field) == value


@pytest.mark.parametrize(
    "field, values, expected",
    [
        ("count", [-1, 1.0, True, "1", None], "a whole number of at least 0"),
        ("size", [0, -1, 2.5], "a whole number of at least 1"),
        ("number", [-0.1, float("nan"), float("inf"), True, "1"], "a number of at least 0"),
        ("real", [float("nan"), float("-inf"), True, "1"], "a number"),
        ("share", [-0.1, 1.1, float("nan")], "a number from 0 to 1"),
        ("decay", [-0.1, 1, 1.0], "a number from 0 to below 1"),
        ("choice", ["b", True, 1.0], "one of 'a', 1"),  # True == 1, and yet it is no 1
        ("switch", [1, None, "yes"], "bool"),
        ("perhaps", [0, False], "a whole number of at least 1 or None"),
        ("pair", [0.9, (0.9,), (0.9, 1.0), [0.9, 0.9]], "a tuple of a number from 0 to below 1, "),
        ("word", [1, None], "str"),
    ],
)
def test_anything_else_is_refused_in_words(field, values, expected):
    for value in values:
        with pytest.raises(ValueError) as error:
            Example(**{field: value})
        assert str(error.value).startswith(f"Example.{field} is {value!r}; expected {expected}")


@pytest.mark.parametrize(
    "config, field", [(config, f.name) for config in CONFIGS for f in fields(config)]
)
def test_every_field_of_every_config_is_checked(config, field):
    for nonsense in (object(), float("-inf")):
        with pytest.raises(ValueError, match=f"{config.__name__}.{field} is"):
            config(**{field: nonsense})


@pytest.mark.parametrize("config", [PartsConfig, TRMConfig, HRMConfig])
@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(mixing="mlp", positions="rope"), "positions is 'rope'; that needs mixing="),
        (dict(mixing="attention", width=30), "width is 30; expected a multiple of heads=8"),
        (dict(mixing="attention", positions="rope", width=24), "width is 24; rope needs an even"),
        (dict(puzzles=3, prefix=0), "prefix is 0; the puzzle embedding does not fit into it"),
        (dict(puzzles=3, prefix=2, puzzle_width=1025), "prefix is 2; the puzzle embedding"),
    ],
    ids=str,
)
def test_settings_that_contradict_each_other_are_named(config, settings, message):
    with pytest.raises(ValueError, match=f"{config.__name__}.{message}"):
        config(**settings)


# The settings for Sudoku of the two papers and their codes, whole: a changed default shows.
PARTS = dict(
    vocab=11,
    length=81,
    width=512,
    mixing="mlp",
    positions="none",
    heads=8,
    prefix=16,
    puzzles=0,
    puzzle_width=None,
    gate="silu",
    expansion=4.0,
    multiple=256,
    halt_bias=-5.0,
)
DEFAULTS = {
    PartsConfig: PARTS,
    TRMConfig: PARTS
    | dict(
        layers=2,
        latent_steps=6,
        recursions=3,
        segments=16,
        networks=1,
        latents=1,
        gradient="full",
        q_learning=False,
    ),
    HRMConfig: PARTS
    | dict(
        mixing="attention",
        positions="rope",
        prefix=1,
        high_layers=4,
        low_layers=4,
        high_cycles=2,
        low_cycles=2,
        segments=16,
        gradient="one_step",
        q_learning=True,
    ),
    NaiveConfig: dict(vocab=8, length=36, width=512, loops=1, segments=1),  # chapter 2, for 6x6
    TrainConfig: dict(
        steps=65_104,
        batch=768,
        parts=1,
        optimizer="adam_atan2",
        learning_rate=1e-4,
        betas=(0.9, 0.95),
        weight_decay=1.0,
        other_learning_rate=None,
        other_weight_decay=None,
        clip=0.0,
        warmup=2000,
        cooldown=0,
        schedule="constant",
        puzzle_learning_rate=1e-4,
        puzzle_weight_decay=1.0,
        ema=0.999,
        ema_from=0,
        loss="stablemax",
        label_smoothing=0.0,
        halt_weight=0.5,
        exploration=0.1,
        evaluate_every=1000,
        target=2.0,  # never
        seed=0,
    ),
}


@pytest.mark.parametrize("config", CONFIGS)
def test_the_defaults_are_the_papers(config):
    assert asdict(config()) == DEFAULTS[config]
