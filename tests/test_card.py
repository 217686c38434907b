"""A card says what its result says, and the shipped models' files belong together."""

import json
import re

import pytest

from tinyrec.card import card
from tinyrec.checkpoints import PRETRAINED, pretrained
from tinyrec.runs import load_run

RESULT = {
    "name": "four",
    "steps": 170,
    "seconds": 12.6,
    "seconds_with_tests": 14.4,
    "precision": "float32",
    "compiled": "eager",
    "machine": {"device": "a processor", "threads": 3, "python": "3.14.0", "torch": "9.8.7"},
    "command": "python -m tinyrec train four --seed 5",
    "run": {
        "name": "four", "model": "trm", "settings": {"width": 48}, "note": "",
        "training": {"seed": 5, "steps": 500},
    },
    "data": {"train": "300 puzzles", "test": "other puzzles", "test_more": "further puzzles"},
    "test": {
        "exact": 0.525, "interval_95": [0.401, 0.6463], "cell": 0.87654, "n": 60, "segments": 6,
        "segments_run": 6.0, "segments_until_yes": 3.25, "attempts": 1,
    },
    "test_more": {
        "exact": 0.75, "interval_95": [0.6, 0.8765], "cell": 0.9, "n": 40, "segments": 7,
        "segments_run": 11.25, "exact_first_attempt": 0.4, "attempts": 3,
    },
    "history": [],
}  # fmt: skip
CARD = """# four

TRM: {"width": 48}.

- **Data**: 300 puzzles.
- **Seed**: 5 (weights, order of puzzles, exploration).
- **Command**: `python -m tinyrec train four --seed 5`: 170 steps, 13 s of training (14 s with its \
tests) on a processor, 3 threads, float32, eager, torch 9.8.7.
- **Accuracy** on 60 other puzzles: 52.5% exact (95 % interval 40.1% to 64.6%), 87.65% of the \
cells, after 6 segments.
- **Accuracy** on 40 further puzzles: 75.0% exact (95 % interval 60.0% to 87.6%), 90.00% of the \
cells, in up to 3 attempts of up to 7 segments, each at another symmetric image, chosen by q \
(40.0% at the first; 11.2 segments a puzzle).
"""


def test_a_card_is_made_from_its_result_alone():
    assert card(RESULT) == CARD


def test_a_note_of_the_run_stands_on_its_card():
    noted = RESULT | {"run": RESULT["run"] | {"note": "only to try"}}
    assert card(noted) == CARD + "- **Note**: only to try.\n"


@pytest.mark.parametrize("name", pretrained())
def test_the_card_of_a_shipped_model_is_made_from_its_result(name):
    folder = PRETRAINED / name
    result = json.loads((folder / "result.json").read_text())
    assert (folder / "card.md").read_text() == card(result)


@pytest.mark.parametrize("name", pretrained())
def test_the_files_of_a_shipped_model_are_of_its_preset_and_of_one_run(name, tmp_path):
    """Settings that are younger than the model had their defaults."""
    result, config = (
        json.loads((PRETRAINED / name / file).read_text())
        for file in ("result.json", "config.json")
    )
    stored = tmp_path / "run.json"
    stored.write_text(json.dumps(result["run"]))
    assert load_run(str(stored)) == load_run(name)
    assert config["run"] == result["run"] and config["family"] == result["run"]["family"]
    assert config["model"] == result["run"]["model"]
    assert config["settings"].items() >= result["run"]["settings"].items()
    measured = [key for key in result if re.match("test", key)]
    assert ["train", *measured] == list(result["data"])
