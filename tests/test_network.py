"""The network in the page, without a page: its engine in node, and what its scripts are made of."""

import base64
import hashlib
import json
import re
import shutil
from functools import partial

import network
import numpy as np
import pytest
import torch
from in_the_page import (
    SIZES,
    STATIC,
    THOUGHTS,
    assert_equal,
    held_out,
    in_node,
    rounded,
)

from tinyrec.checkpoints import about, load_model
from tinyrec.puzzles.sudoku import rules, solve
from tinyrec.puzzles.sudoku.classes import fingerprint
from tinyrec.runs import load_run, make_data
from tinyrec.show.style import COLOURS

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="there is no node here")
ENGINE = [STATIC / "trm.js", STATIC / "weights.js"]
SUDOKU = [STATIC / "sudoku.js"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of what is made with the pages."""
    folder = tmp_path_factory.mktemp("network")
    network.export(folder)
    return folder


@pytest.fixture(scope="module")
def manifest(made):
    return in_node([made / "manifest.js"], "MANIFEST")


# ---- the engine ----


@pytest.mark.parametrize("name", SIZES)
def test_the_engine_says_what_pytorch_says(made, name):
    files = [*ENGINE, made / "manifest.js", made / f"{name}.js", THOUGHTS]
    assert_equal(partial(in_node, files), name, held_out(name).x[:3])


def test_settings_that_the_engine_does_not_know_are_refused(manifest):
    settings = manifest["models"]["sudoku-4x4"]["settings"]
    known = in_node(ENGINE, "TRM.known")
    for name in known:
        other = json.dumps(settings | {name: 7})
        said = in_node(ENGINE, f"new TRM({other}, {{}})")
        assert said == f"{name} is 7; this page knows only {known[name]}"


def test_the_engine_fits_on_a_page():
    lines = (STATIC / "trm.js").read_text().splitlines()
    assert len(lines) <= 160 and max(map(len, lines)) <= 100


# ---- weights ----


def test_the_manifest_says_what_the_scripts_hold(made, manifest):
    assert manifest["models"].keys() == network.folders().keys() >= set(SIZES)
    for name, model in manifest["models"].items():
        text = re.search('= "(.*)"', (made / f"{name}.js").read_text())[1]
        numbers = base64.b64decode(text)
        assert model["bytes"] == len(numbers) and model["dtype"] == "float16"
        assert model["sha256"] == hashlib.sha256(numbers).hexdigest()


def test_the_page_unpacks_the_weights_of_the_model(made, manifest):
    tensors = json.dumps(manifest["models"]["sudoku-4x4"]["tensors"])
    unpacked = f'unpacked(WEIGHTS["sudoku-4x4"], {tensors})'
    lists = f"Object.entries({unpacked}).map(([name, numbers]) => [name, [...numbers]])"
    found = dict(in_node([*ENGINE, made / "sudoku-4x4.js"], lists))
    expected = rounded("sudoku-4x4").state_dict()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == value.flatten().tolist(), name


def test_every_number_of_16_bits_is_unpacked():
    bits = np.arange(2**16, dtype=np.uint16)
    numbers = bits.view(np.float16)
    found = in_node(ENGINE, "Array.from({length: 65536}, (_, bits) => half(bits))")
    finite = np.isfinite(numbers)
    assert (np.array(found, float)[finite] == numbers[finite]).all()


def test_the_untrained_network_has_the_first_weights_of_a_training(manifest):
    model = manifest["models"]["sudoku-6x6"]
    drawn = f"Object.entries(untrained({json.dumps(model)}, 0))"
    found = dict(in_node(ENGINE, f"{drawn}.map(([name, numbers]) => [name, [...numbers]])"))
    torch.manual_seed(0)
    fresh = type(load_model("sudoku-6x6"))(load_model("sudoku-6x6").config)
    for name, value in fresh.state_dict().items():
        numbers = torch.tensor(found[name])
        assert len(numbers) == value.numel()
        if value.numel() > 1000:  # enough to tell one distribution from another
            assert numbers.std().item() == pytest.approx(value.std().item(), rel=0.05), name
            assert numbers.abs().max().item() == pytest.approx(value.abs().max().item(), rel=0.05)
        elif "halt" in name:
            assert numbers.tolist() == value.flatten().tolist()


# ---- puzzles ----


@pytest.mark.parametrize("name", SIZES)
def test_no_puzzle_of_the_bank_was_trained_on(manifest, name):
    sets = make_data(load_run(name))
    levels = manifest["puzzles"][name]
    assert list(levels) == list(network.LEVELS)
    puzzles = np.stack([rules.parse(line) for lines in levels.values() for line in lines])
    assert len(np.unique(puzzles, axis=0)) == len(puzzles) >= 90
    tests = {rules.to_string(puzzle) for puzzle in rules.decode(sets["test"].x)}
    assert {rules.to_string(puzzle) for puzzle in puzzles} <= tests
    assert not set(fingerprint(puzzles)) & set(fingerprint(rules.decode(sets["train"].x)))
    needed = [network.rounds(np.stack([*map(rules.parse, lines)])) for lines in levels.values()]
    for easier, harder in zip(needed, needed[1:], strict=False):
        assert easier.max() <= harder.min()


def test_rounds_are_counted_where_singles_suffice():
    puzzles = rules.decode(held_out("sudoku-6x6").x)
    assert (np.isfinite(network.rounds(puzzles)) == (solve.rate(puzzles) == 0)).all()
    solved, open_cell = network.rounds(
        np.array([[1, 2, 3, 4, 3, 4, 1, 2, 2, 1, 4, 3, 4, 3, 2, 1]] * 2)
        * np.array([[1] * 16, [0] + [1] * 15])
    )
    assert (solved, open_cell) == (1, 2)  # the last round sees that all is done


SQUARE = "1234\n----\n3412\n----\n2143\n----\n4321"
TEXTS = [
    SQUARE,
    f"----\n{SQUARE}\n----",
    "\n".join(["123456789"] * 4 + ["---------"] * 5),
    "-----\n1 2 3 4\n- - - -\n-----\n2 1 4 3\n4 3 2 1\n-----",
    "1 2|. .\r\n---+---\r\n3,x _ *\n??-0\n4321",
    *("", "1234", "." * 82, "-" * 15, "..🙂.", "." * 15 + "²", "." * 20 + "7" + "." * 15),
    "1 2 | 3 4\n----+----\n3 4 | 1 2",
    "....\n.a..\n....\n....",
    "1 2 | 3 4\n----+----\n3 4 | ² 2",
]


def test_the_page_reads_a_text_as_tinyrec_does():
    read = "(text => { try { return parse(text) } catch (error) { return error.message } })"
    texts = TEXTS + [rules.format_grid(rules.decode(held_out(name).x[0])) for name in SIZES]
    found = in_node(SUDOKU, f"{json.dumps(texts)}.map({read})")
    for text, said in zip(texts, found, strict=True):
        try:
            expected = rules.parse(text).tolist()
        except ValueError as error:
            expected = str(error)
        assert said == expected, text


@pytest.mark.parametrize("name", SIZES)
def test_the_page_knows_the_rules(name):
    puzzles = held_out(name)
    x, y = rules.decode(puzzles.x[:40]), rules.decode(puzzles.y[:40])
    rng = np.random.default_rng(0)
    spoilt = y.copy()
    for grid in spoilt[1:]:  # one cell each, a given one perhaps, or blank
        grid[rng.integers(len(grid))] = rng.integers(0, grid.max() + 1)
    spoilt[2] = y[3]  # a solution, of another puzzle
    pairs = json.dumps([x.tolist(), spoilt.tolist()])
    ask = f"(([x, y]) => x.map((puzzle, n) => [isSolution(puzzle, y[n]), fault(y[n])]))({pairs})"
    for puzzle, grid, (valid, fault) in zip(x, spoilt, in_node(SUDOKU, ask), strict=True):
        assert valid == rules.is_solution(puzzle, grid)
        try:
            rules.check(grid)
            assert fault is None
        except ValueError as error:
            assert fault == str(error)


# ---- what is seen ----


def test_the_panel_has_the_colours_of_the_book():
    css = (STATIC / "network.css").read_text()
    light = css[: css.index("html[data-theme")]
    for role in ("question", "answer", "latent", "wrong", "changed", "muted"):
        assert f"--{role}: {COLOURS[role]};" in light


def test_the_one_pass_networks_differ_in_their_segments_alone():
    rivals = [folder for folder in network.folders().values() if folder.parent == network.ONE_PASS]
    assert rivals
    for folder in rivals:
        config = about(folder)
        trained = load_model(folder.name.removesuffix("-one-pass")).config
        assert config["settings"].pop("segments") == 1
        assert config["settings"].items() <= vars(trained).items()
        assert (
            config["run"] == json.loads(json.dumps(config["run"])) and config["family"] == "sudoku"
        )
        assert (folder / "card.md").exists()
