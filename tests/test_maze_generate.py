"""Made mazes, and mazes to test on that training never sees."""

from collections import Counter

import numpy as np
import pytest
import torch

from tinyrec.puzzles.maze import family, files, generate, rules
from tinyrec.puzzles.maze.paths import to_bits, to_mask

BASE = family.Data(size=7, train=20, test=8, longer_than=8)


def steps(x):
    return (rules.solve(x) == rules.PATH).sum(1) + 1


def test_made_mazes_keep_what_was_asked_for_and_repeat_themselves():
    x = generate.generate(9, 60, seed=3, longer_than=14)
    assert x.shape == (60, 81) and all(rules.check(maze) in (None, "the maze has more than one "
        "shortest path") for maze in x)  # fmt: skip
    assert (steps(x) > 14).all() and (steps(x) == 15).any()
    walls = (x == rules.WALL).sum(1)
    assert walls.min() >= 24 and walls.max() <= 40 and len(walls.unique()) > 8
    assert len(set(rules.layouts(x))) == 60
    assert torch.equal(generate.generate(9, 60, seed=3, longer_than=14), x)
    assert not torch.equal(generate.generate(9, 60, seed=4, longer_than=14), x)
    assert torch.equal(generate.generate(9, 5, seed=3, longer_than=14), x[:5])


def test_a_30x30_maze_is_as_hard_as_the_official_ones():
    x = generate.generate(30, 1, seed=0, longer_than=110)
    assert steps(x).item() > 110 and 270 <= (x == rules.WALL).sum() <= 450


def test_all_pairs_of_ends_that_are_far_enough_apart_are_equally_likely():
    free = np.ones((1, 9), bool)
    free[0, 4] = False  # a ring of eight cells: 4 steps to the opposite one, 4 such pairs
    [board] = to_bits(free)
    rng = np.random.default_rng(0)
    drawn = [generate._ends(board, board, 4, 3, rng) for _ in range(800)]
    places = Counter(tuple(int(to_mask(end, 9).argmax()) for end in ends) for ends in drawn)
    assert set(places) == {(0, 8), (8, 0), (1, 7), (7, 1), (2, 6), (6, 2), (3, 5), (5, 3)}
    assert min(places.values()) > 70 and max(places.values()) < 130  # 100 +- 9


def test_what_cannot_be_made_is_said(monkeypatch):
    monkeypatch.setattr(generate, "PATIENCE", 1000)
    fault = (
        "found only 0 such mazes: .* of 5x5 gave no new one with a shortest path of more than 24"
    )
    with pytest.raises(ValueError, match=fault):
        generate.generate(5, 1, seed=0, longer_than=24)
    with pytest.raises(ValueError, match="the size must be at least 3, not 2"):
        generate.generate(2, 1, seed=0, longer_than=1)
    assert generate.generate(5, 0, seed=0, longer_than=4).shape == (0, 25)


# --- the family -----------------------------------------------------------------------------------


def apart(sets):
    train, test = (rules.layouts(sets[name].x) for name in ("train", "test"))
    return not set(train) & set(test)


def test_training_sees_all_images_each_solved_anew_and_none_of_a_test_maze():
    sets = family.make(BASE)
    assert {name: len(puzzles) for name, puzzles in sets.items()} == {"train": 160, "test": 8}
    assert apart(sets) and len(set(rules.layouts(sets["train"].x))) == 20
    for puzzles in sets.values():
        assert torch.equal(puzzles.y, rules.solve(puzzles.x))
    one = sets["train"].x[:1]
    moved = rules.solve(one)[:, rules.symmetries(49)][0]
    assert not torch.equal(moved, rules.solve(rules.images(one)))  # ties, broken anew
    assert sets["train"].augment is None


def maze_file(path, count=30, seed=5):
    x = generate.generate(7, count, seed, longer_than=8)
    files.write_csv(path, x, rules.solve(x), source="test")
    return path


CHANGES = [
    ("size", 8), ("train", 21), ("test", 9), ("longer_than", 11), ("images", False), ("seed", 1),
    ("file", "mazes.csv"),
]  # fmt: skip


@pytest.mark.parametrize("name, value", CHANGES, ids=str)
def test_every_setting_of_the_data_changes_the_mazes_and_their_description(tmp_path, name, value):
    assert {name for name, _ in CHANGES} == set(family.Data.__dataclass_fields__)
    if name == "file":
        value = str(maze_file(tmp_path / value))
        other = family.from_file(BASE, value)
    else:
        other = family.Data(**{**vars(BASE), name: value})
    one, two = family.make(BASE), family.make(other)
    assert any(not torch.equal(one[part].x, two[part].x) for part in one)
    assert apart(two) and family.shape(other) == (6, other.size**2)
    if name != "test":
        assert family.describe(BASE) != family.describe(other)


def test_of_a_file_no_image_of_a_held_out_maze_is_trained_on(tmp_path):
    x = generate.generate(7, 12, seed=5, longer_than=8)
    x = torch.cat([x, rules.images(x)[12:48]])  # each with three images of it
    files.write_csv(tmp_path / "mazes.csv", x, rules.solve(x), source="test")
    data = family.Data(
        7, train=100, test=5, longer_than=0, images=False, file=str(tmp_path / "mazes.csv")
    )
    sets = family.make(data)
    assert len(sets["test"]) == 5 and len(sets["train"]) == 28 and apart(sets)
    again = family.make(data)
    assert torch.equal(again["test"].x, sets["test"].x)
    for change, fault in (
        (
            {"test": 12},
            "12 mazes whose walls are no images of one another; expected more than the 12",
        ),
        ({"size": 8}, "its mazes have 49 cells; expected 64"),
    ):
        with pytest.raises(ValueError, match=f"{data.file}: {fault}"):
            family.make(family.Data(**{**vars(data), **change}))


def test_a_folder_has_mazes_to_train_on_and_others_to_test_on(tmp_path):
    tested = maze_file(tmp_path / "test.csv", 10, seed=1)
    x, y = files.read_csv(tested)
    turned, more = rules.images(x[:3])[3:6], files.read_csv(maze_file(tmp_path / "more.csv"))[0]
    x = torch.cat([turned, more])
    files.write_csv(tmp_path / "train.csv.gz", x, rules.solve(x), source="test")
    data = family.Data(7, train=100, test=6, longer_than=0, images=False, file=str(tmp_path))
    sets = family.make(data)
    assert torch.equal(sets["test"].y, y[:6]) and apart(sets)
    assert len(sets["train"]) == 30, "all but the images of the first three"
    few = family.make(family.Data(**{**vars(data), "train": 5}))["train"]
    other = family.make(family.Data(**{**vars(data), "train": 5, "seed": 1}))["train"]
    assert len(few) == len(other) == 5 and not torch.equal(few.x, other.x)
    tested.unlink()
    with pytest.raises(ValueError, match=f"{tmp_path}: has no test.csv and no test.csv.gz"):
        family.make(data)
