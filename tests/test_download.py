"""The official puzzles: drawn with a seed from the hub's files, or from a folder's."""

import hashlib
import json
import sys
from types import SimpleNamespace

import pytest
import torch
from commands import puzzle_file, refused, said
from tiny import on_any_machine, write_run

from tinyrec.__main__ import main
from tinyrec.puzzles import download
from tinyrec.puzzles.families import find
from tinyrec.puzzles.maze import files as mazes
from tinyrec.puzzles.maze import generate, rules

REPOSITORY = "sapientinc/sudoku-extreme"


@pytest.fixture
def folder(tmp_path):
    """Files of the official form: 40 and 20 puzzles of 4x4."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    puzzle_file(folder / "train.csv", 40)
    puzzle_file(folder / "test.csv", 20, seed=1)
    return folder


@pytest.fixture
def hub(folder, monkeypatch):
    """A hub that has these files; notes what it was asked for."""
    asked = []

    def hf_hub_download(repo_id, filename, repo_type):
        asked.append((repo_id, filename, repo_type))
        return str(folder / filename)

    fake = SimpleNamespace(hf_hub_download=hf_hub_download, asked=asked)
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    small = download.Official(REPOSITORY, {"train": 40, "test": 20})
    monkeypatch.setitem(download.OFFICIAL, "sudoku-extreme", small)
    return fake


def rows(path):
    return path.read_text().splitlines()


def test_puzzles_of_the_hub_are_drawn_with_the_seed(capsys, tmp_path, folder, hub):
    words = ("data", "sudoku-extreme", "--count", 10)
    out = tmp_path / "new" / "folder"
    told = said(capsys, *words, "--out", out).splitlines()
    assert hub.asked == [(REPOSITORY, "train.csv", "dataset"), (REPOSITORY, "test.csv", "dataset")]
    train = rows(out / "train.csv")
    assert train[0] == "source,question,answer,rating" and len(set(train[1:])) == 10
    assert set(train) <= set(rows(folder / "train.csv"))
    assert rows(out / "test.csv") == rows(folder / "test.csv")
    digest = hashlib.sha256((out / "train.csv").read_bytes()).hexdigest()
    assert told[0] == f"10 of 40 puzzles -> {out / 'train.csv'} (SHA-256 {digest})"
    assert told[1].startswith(f"20 of 20 puzzles -> {out / 'test.csv'}")
    said(capsys, *words, "--out", tmp_path / "again", "--test", 6)
    assert rows(tmp_path / "again" / "train.csv") == train
    assert len(rows(tmp_path / "again" / "test.csv")) == 7
    said(capsys, *words, "--out", tmp_path / "other", "--seed", 1)
    assert rows(tmp_path / "other" / "train.csv") != train


def test_the_rows_that_a_seed_draws_are_spread_over_the_file(folder):
    all_rows = rows(folder / "train.csv")[1:]
    counts = torch.zeros(40)
    for seed in range(200):
        for row in download.draw(folder / "train.csv", 40, 10, seed).splitlines()[1:]:
            counts[all_rows.index(row)] += 1
    assert counts.sum() == 2000 and counts.min() > 25 and counts.max() < 80  # 50 +- 6


def test_a_run_trains_on_the_folder_and_tests_on_its_other_file(capsys, tmp_path, folder):
    on_any = pytest.MonkeyPatch()
    on_any_machine(on_any)
    out = tmp_path / "drawn"
    said(capsys, "data", "sudoku-extreme", "--from", folder, "--count", 30, "--out", out)
    words = [write_run(tmp_path), "--out", tmp_path / "model", "--data", out]
    assert main(["train", *map(str, words)]) == 0
    on_any.undo()
    result = json.loads((tmp_path / "model" / "result.json").read_text())
    assert result["test"]["n"] == 20 and result["run"]["data"]["file"] == str(out)


def test_mazes_of_a_folder_are_drawn_and_read(capsys, tmp_path):
    x = generate.generate(7, 12, seed=0, longer_than=8)
    for part in ("train", "test"):
        mazes.write_csv(tmp_path / f"{part}.csv.gz", x, rules.solve(x), source="theirs")
    out = tmp_path / "drawn"
    words = ("--count", 5, "--test", 4, "--out", out)
    said(capsys, "data", "maze-hard", "--from", tmp_path, *words)
    train, test = (find("maze").read(out / f"{part}.csv") for part in ("train", "test"))
    assert (len(train), len(test)) == (5, 4)
    assert set(map(rules.line, train.x)) <= set(map(rules.line, x))


def test_without_the_library_one_line_says_what_to_do(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    error = refused(capsys, "data", "sudoku-extreme", "--out", tmp_path / "out")
    assert "pip install huggingface_hub" in error and f"{REPOSITORY} from the" in error
    assert "--from DIR" in error and not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [ConnectionError, FileNotFoundError, ValueError])
def test_without_a_network_one_line_says_what_to_do(capsys, tmp_path, hub, kind):
    def fails(*_, **__):
        raise kind("\nno route to host\nand more")

    hub.hf_hub_download = fails
    error = refused(capsys, "data", "sudoku-extreme", "--out", tmp_path / "out")
    assert "train.csv cannot be downloaded (no route to host): try again, or download" in error
    assert REPOSITORY in error and "--from DIR" in error


def test_files_that_are_not_the_official_ones_are_refused(capsys, tmp_path, folder, hub):
    words = ("data", "sudoku-extreme", "--out", tmp_path / "out")
    error = refused(capsys, *words, "--count", 41)
    assert "train.csv: holds 40 puzzles, 41 were asked for" in error
    puzzle_file(folder / "train.csv", 39)
    error = refused(capsys, *words, "--count", 5)
    assert "train.csv: holds 39 puzzles, expected 40; delete it and call the command again" in error
    said(capsys, *words, "--count", 5, "--from", folder)  # whoever names a folder means it
    error = refused(capsys, *words[:-1], folder, "--count", 5, "--from", folder)
    assert f"{folder}: would overwrite what is drawn from; choose another folder" in error
    (folder / "train.csv").write_text("puzzle,solution\n1,2\n")
    error = refused(capsys, *words, "--count", 1)
    assert "train.csv, line 1: found 'puzzle,solution'; expected source,question,answer" in error
    (folder / "test.csv").rename(folder / "other.csv")
    puzzle_file(folder / "train.csv", 40)
    error = refused(capsys, *words, "--count", 1, "--from", folder)
    assert f"{folder}: has no test.csv and no test.csv.gz" in error
