"""python -m tinyrec: every option of every command changes what it says or leaves."""

import json
import re
import shutil

import pytest
import torch
import toy_family
from arc_by_hand import MIRROR, PAINT, write_tasks
from commands import decided, decided_folder, puzzle_file
from test_official import official_arch, official_weights
from tiny import changed, on_any_machine, write_run

from tinyrec.__main__ import main, parser
from tinyrec.puzzles.arc.tasks import VERSIONS
from tinyrec.puzzles.download import OFFICIAL
from tinyrec.puzzles.families import FAMILIES


@pytest.fixture(autouse=True, scope="module")
def the_same_everywhere():
    with pytest.MonkeyPatch.context() as patch:
        on_any_machine(patch)
        yield


PUZZLE = "...3..4..31....4"  # solved: 1423324143122134


def theirs(name: str, folder: str = "official") -> str:
    """A folder of the form of an official set; see `prepared`."""
    return f"{folder} tasks" if name in VERSIONS else folder


BASES = {
    "data sudoku": {"--size": 4, "--count": 5, "--out": "a.csv"},
    "data arc": {"--source": "tasks.json", "--count": 1, "--out": "a.json"},
    "data maze": {"--size": 7, "--longer-than": 6, "--count": 3, "--out": "a.csv"},
    **{
        f"data {name}": {"--count": 5, "--test": 4, "--from": theirs(name), "--out": "drawn"}
        for name in OFFICIAL
    },
    "train": {"run": "run.json", "--out": "out"},
    "evaluate": {"--model": "model", "--data": "four.csv"},
    "solve": {"puzzle": PUZZLE, "--model": "doubting"},
    "convert": {"official": "step_7", "--config": "arch.json", "--out": "out"},
}
OTHERS = [  # command, option, another value, and what must be given too for it to count
    ("data sudoku", "--size", 6, {}),
    ("data sudoku", "--clues", 7, {}),
    ("data sudoku", "--rating", 1, {"--size": 6}),
    ("data sudoku", "--count", 6, {}),
    ("data sudoku", "--seed", 1, {}),
    ("data sudoku", "--out", "b.csv", {}),
    ("data maze", "--size", 6, {}),
    ("data maze", "--longer-than", 9, {}),
    ("data maze", "--count", 4, {}),
    ("data maze", "--seed", 1, {}),
    ("data maze", "--out", "b.csv", {}),
    *(
        (f"data {name}", option, value, {})
        for name in OFFICIAL
        for option, value in (
            ("--count", 6),
            ("--test", 5),
            ("--seed", 1),
            ("--from", theirs(name, "elsewhere")),
            ("--out", "more"),
        )
    ),
    ("data arc", "--source", "more.json", {}),
    ("data arc", "--side", 2, {}),
    ("data arc", "--count", 2, {}),
    ("data arc", "--seed", 1, {}),
    ("data arc", "--out", "b.json", {}),
    ("train", "run", "other.json", {}),
    ("train", "--out", "elsewhere", {}),
    ("train", "--seed", 1, {}),
    ("train", "--data", "four.csv", {}),
    ("train", "--resume", True, {"--out": "half"}),
    ("train", "--minutes", 0, {}),
    ("evaluate", "--model", "another", {}),
    ("evaluate", "--data", "more.csv", {}),
    ("evaluate", "--family", "toy", {}),
    ("evaluate", "--limit", 7, {}),
    ("evaluate", "--segments", 2, {}),
    ("evaluate", "--stop-early", True, {}),
    ("evaluate", "--attempts", 2, {"--stop-early": True}),
    ("evaluate", "--seed", 1, {"--attempts": 2}),
    ("solve", "puzzle", PUZZLE.replace("1", "."), {}),
    ("solve", "--model", "another", {}),
    ("solve", "--family", "toy", {}),
    ("solve", "--segments", 2, {}),
    ("solve", "--attempts", 1, {}),
    ("solve", "--seed", 1, {}),
    ("solve", "--verbose", True, {}),
    ("convert", "official", "step_8", {}),
    ("convert", "--config", "longer.json", {}),
    ("convert", "--out", "elsewhere", {}),
]


def options_of(of) -> dict[str, set[str]]:
    """Every command of a parser, with the names of what it can be told."""
    found = {}
    for name, command in of._subparsers._group_actions[0].choices.items():
        if command._subparsers:
            found |= {f"{name} {inner}": names for inner, names in options_of(command).items()}
        else:
            names = {(action.option_strings or [action.dest])[-1] for action in command._actions}
            found[name] = names - {"--help"}
    return found


def test_no_option_is_without_its_test():
    listed = {command: {name for c, name, *_ in OTHERS if c == command} for command in BASES}
    assert options_of(parser()) == listed


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with all that the commands above read."""
    folder = tmp_path_factory.mktemp("prepared")
    run = changed(data=dict(train=30, test=10))
    write_run(folder, run)
    write_run(folder, changed(run, settings=dict(width=32)), "other.json")
    main(["train", str(folder / "run.json"), "--out", str(folder / "half"), "--minutes", "0"])
    puzzle_file(folder / "four.csv", 40)
    write_tasks(folder / "tasks.json", training={name: PAINT for name in "abcde"})
    write_tasks(folder / "more.json")
    puzzle_file(folder / "more.csv", 40, seed=8)
    for seed, name in enumerate(("official", "elsewhere")):
        (folder / name).mkdir()
        for part in ("train", "test"):
            puzzle_file(folder / name / f"{part}.csv", 9, seed=seed)
        for part in ("training", "evaluation"):
            (folder / f"{name} tasks" / part).mkdir(parents=True)
            for number in range(9):
                task = json.dumps(MIRROR if (number + seed) % 2 else PAINT)
                (folder / f"{name} tasks" / part / f"{number}.json").write_text(task)
    for number, name in enumerate(("model", "another")):
        decided_folder(folder / name, number)
        torch.save(official_weights(decided(number, puzzles=2)), folder / f"step_{7 + number}")
    decided_folder(folder / "doubting", boldness=0.3)
    for name, segments in ("arch.json", 3), ("longer.json", 4):
        arch = official_arch(decided(puzzles=2, segments=segments))
        (folder / name).write_text(json.dumps(arch))
    return folder


def outcome(prepared, folder, capsys, monkeypatch, command, options) -> dict:
    """What a command returns, says and leaves, but for times."""
    capsys.readouterr()
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    words = command.split()
    for name, value in options.items():
        words += [name] if name.startswith("--") else []
        words += [] if value is True else [str(value)]
    status, said = main(words), capsys.readouterr()
    found = {"status": status, "out": said.out, "err": said.err if status else ""}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        binary = path.suffix == ".safetensors" or path.name.startswith("step")
        found[str(path.relative_to(folder))] = path.read_bytes() if binary else path.read_text()
    return {name: timeless(said) for name, said in found.items()}


def timeless(said):
    if not isinstance(said, str):
        return said
    said = re.sub(r'"seconds(_with_tests)?": [\d.]+', "seconds", said)
    return re.sub(r"\d+ s (of training|with its)", "seconds", said)


@pytest.mark.parametrize("command, option, value, more", OTHERS, ids=str)
def test_every_option_changes_what_a_command_says_or_leaves(
    prepared, tmp_path, capsys, monkeypatch, command, option, value, more
):
    monkeypatch.setitem(FAMILIES, "toy", toy_family)
    base = BASES[command] | more
    one, again, other = (
        outcome(prepared, tmp_path / name, capsys, monkeypatch, command, options)
        for name, options in (("one", base), ("again", base), ("other", base | {option: value}))
    )
    assert one == again and one != other
    assert one["status"] == 2 if option == "--resume" else one["status"] == 0
    assert other["status"] == 2 if option == "--family" else other["status"] == 0
