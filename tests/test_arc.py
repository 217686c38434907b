"""ARC: grids as tokens, their images, what is trained on and what is held out."""

from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from arc_by_hand import LEAK, MIRROR, PAINT, grid, write_tasks
from tiny import changed, different, on_any_machine, small, write_run

from tinyrec.puzzles import IGNORE
from tinyrec.puzzles.arc import family, grids, tasks
from tinyrec.runs import execute, load_run
from tinyrec.train import TrainConfig, Training

NUMPY = (  # the official eight, in their order
    lambda a: a, np.rot90, lambda a: np.rot90(a, 2), lambda a: np.rot90(a, 3),
    np.fliplr, np.flipud, np.transpose, lambda a: np.fliplr(np.rot90(a)),
)  # fmt: skip
FEW = family.Data(side=4, images=6, votes=2)


@pytest.fixture
def data(tmp_path):
    return replace(FEW, file=str(write_tasks(tmp_path / "tasks.json")))


def random_grid(rng, side=7):
    return rng.integers(0, 10, rng.integers(1, side + 1, 2)).astype(np.uint8)


# --- grids ----------------------------------------------------------------------------------------


def test_a_grid_is_followed_by_a_line_of_ends_below_and_at_its_right():
    assert grids.encode([grid("10", "29", "03")], 4).view(4, 4).tolist() == [
        [3, 2, 1, 0],
        [4, 11, 1, 0],
        [2, 5, 1, 0],
        [1, 1, 0, 0],
    ]
    assert grids.encode([grid("123", "000", "456")], 3).tolist() == [[3, 4, 5, 2, 2, 2, 6, 7, 8]]


def test_what_is_decoded_is_the_largest_rectangle_of_colours_in_the_upper_left_corner():
    for canvas, expected in (
        ("2341 2301 1111 0000", (2, 2)),
        ("3333 3331 3111 3111", (2, 3)),  # 4, 6, 3, 4 cells: the second row down
        ("3333 3311 1111 1111", (1, 4)),  # 4 and 4 cells: the first of them
        ("1333 3333 3333 3333", (0, 0)),
        ("3333 0333 3333 3333", (1, 4)),
        ("3333 3333 3333 3333", (4, 4)),
    ):
        tokens = torch.tensor([[int(sign) for sign in canvas.replace(" ", "")]])
        assert tuple(grids.sizes(tokens)[0].tolist()) == expected
        assert grids.decode(tokens)[0].shape == expected


@pytest.mark.parametrize("number", range(8))
def test_the_symmetries_have_the_official_numbers_and_can_be_undone(number):
    rng = np.random.default_rng(number)
    for _ in range(20):
        plain, names = random_grid(rng), np.append(0, rng.permutation(9) + 1)
        tokens, colours = grids.encode([plain], 7), torch.from_numpy(names)[None]
        image = grids.image(tokens, torch.tensor([number]), colours)
        expected = NUMPY[number](names[plain]).astype(np.uint8)
        assert torch.equal(image, grids.encode([expected], 7))
        np.testing.assert_array_equal(grids.decode(image)[0], expected)
        back = grids.image(image, grids.INVERSE[number][None], colours.argsort(1))
        assert torch.equal(back, tokens)


def test_many_grids_are_imaged_in_parts_as_each_alone(monkeypatch):
    rng = np.random.default_rng(0)
    tokens = grids.encode([random_grid(rng, 4) for _ in range(11)], 5)
    how = torch.arange(11) % 8, torch.rand(11, 10).argsort(1), torch.arange(22).view(11, 2) % 2
    whole = grids.image(tokens, *how)
    monkeypatch.setattr(grids, "ROWS", 4)
    assert torch.equal(grids.image(tokens, *how), whole)


def test_a_grid_that_is_moved_takes_its_ends_along():
    moved = grids.image(grids.encode([grid("12")], 4), corner=torch.tensor([[2, 1]]))
    assert moved.view(4, 4).tolist() == [[0] * 4, [0] * 4, [0, 3, 4, 1], [0, 1, 1, 0]]


def test_images_of_a_pair_have_one_canonical_form_and_other_pairs_another():
    rng = np.random.default_rng(0)
    for _ in range(10):
        pair = [grids.encode([random_grid(rng, 4)], 5) for _ in range(2)]
        names = torch.from_numpy(np.append(0, rng.permutation(9) + 1))[None]
        first = grids.canonical(*(part[0] for part in pair))
        for number in range(8):
            images = [grids.image(part, torch.tensor([number]), names)[0] for part in pair]
            assert grids.canonical(*images) == first
        black = [part.where(part != 3, 2) for part in pair]  # black is no colour like the others
        changed_by_it = any(not torch.equal(a, b) for a, b in zip(black, pair, strict=True))
        assert (grids.canonical(*(part[0] for part in black)) != first) == changed_by_it


# --- puzzle ids -----------------------------------------------------------------------------------


def test_ids_are_given_task_by_task_the_task_as_it_is_before_its_images(data):
    chosen = family.choose(data)
    views = chosen.views
    assert [task.name for task in chosen.tasks] == ["mirror", "paint"] and chosen.held_out == 1
    assert views.task.tolist() == [-1] + [0] * 7 + [1] * 7 and views.first.tolist() == [1, 8]
    as_it_is = list(range(10))
    for number in (0, 1, 8):
        assert views.symmetry[number] == 0 and views.colours[number].tolist() == as_it_is
    assert (views.colours[:, 0] == 0).all() and (views.colours.sort(1).values[3] < 10).all()
    assert all(sorted(row) == as_it_is for row in views.colours.tolist())


def test_no_two_ids_of_a_task_show_the_same_pairs():
    one = {"train": [{"input": [[1]], "output": [[1]]}], "test": []}
    task = tasks.make_task("", "dots", one)
    views = family.make_views([task], 200, 0, 3)
    assert views.count.tolist() == [9], "one cell of one colour: there are nine colours"
    assert len(set(views.colours[1:, 1].tolist())) == 9
    views = family.make_views([tasks.make_task("", "mirror", MIRROR)], 200, 0, 3)
    assert views.count.tolist() == [201]
    again, other = (family.make_views([task], 5, seed, 3) for seed in (0, 1))
    assert torch.equal(again.colours, family.make_views([task], 5, 0, 3).colours)
    assert not torch.equal(again.colours, other.colours)


def test_a_table_with_too_few_rows_for_the_ids_is_refused(data):
    train = family.make(data)["train"]
    for rows, fits in ((15, True), (14, False)):
        model = small(vocab=12, length=16, puzzles=rows)
        if fits:
            Training(model, train, TrainConfig(batch=4))
        else:
            with pytest.raises(ValueError, match="puzzles is 14; the table needs 15 rows"):
                Training(model, train, TrainConfig(batch=4))


# --- what is trained on, what is held out ---------------------------------------------------------


def test_training_sees_train_pairs_of_tested_tasks_and_all_pairs_of_the_others(data):
    sets = family.make(data)
    assert sets["train"].ids.tolist() == [1, 1, 8, 8]
    assert torch.equal(sets["test"].x, grids.encode([grid("670"), grid("8", "9")], 4))
    answers = grids.encode([grid("076"), grid("8", "9")], 4)
    assert torch.equal(sets["test"].y, answers.masked_fill(answers == 0, IGNORE))
    assert sets["test"].ids.tolist() == [1, 1]
    assert sets["votes"].ids.tolist() == [1, 1, 2, 2, 3, 3]
    alone = family.make(replace(data, train=0))
    assert alone["train"].ids.tolist() == [1, 1]


def test_a_draw_shows_a_pair_as_the_image_that_its_id_stands_for(data):
    train, views = family.make(data)["train"], family.choose(data).views
    pairs = {(x.numpy().tobytes(), y.numpy().tobytes()): int(first)
             for x, y, first in zip(train.x, train.y, train.ids, strict=True)}  # fmt: skip
    seen, corners = Counter(), Counter()
    for step in range(60):
        for x, y, number in zip(*train.batch(8, 0, step), strict=True):
            assert (x[y == IGNORE] < 2).all() and (y != 0).all()
            both = torch.stack((x, y.clamp(min=0))).view(2, 4, 4)
            inside = (both > 1).any(0).nonzero()
            row, column = inside.min(0).values.tolist()
            upper_left = torch.zeros_like(both)
            upper_left[:, : 4 - row, : 4 - column] = both[:, row:, column:]
            x, y = views.undo(number.expand(2), upper_left.flatten(1))
            first = pairs[x.numpy().tobytes(), family.labels(y).numpy().tobytes()]
            assert views.task[number] == views.task[first]
            seen[int(number)] += 1
            corners[row, column] += 1
    assert sorted(seen) == list(range(1, 15)), "every id is drawn"
    assert len(corners) > 4 and max(corners, key=corners.get) == (0, 0)


def test_an_image_of_a_held_out_pair_is_not_trained_on(tmp_path):
    every = {"training": {"leak": LEAK}, "evaluation": {"mirror": MIRROR}}
    file = str(write_tasks(tmp_path / "tasks.json", **every))
    train = family.make(replace(FEW, file=file))["train"]
    shown = [g.tolist() for g in grids.decode(train.x)]
    assert len(train) == 3 and PAINT["train"][0]["input"] in shown and [[0], [1], [2]] not in shown


def test_every_setting_of_the_data_changes_what_is_seen_or_asked(data, tmp_path):
    more = dict(training={f"p{n}": PAINT for n in range(4)},
                evaluation={f"m{n}": MIRROR for n in range(4)})  # fmt: skip
    base = replace(data, file=str(write_tasks(tmp_path / "more.json", **more)), test=2, train=2)
    others = {
        "part": "training", "test": 3, "train": 1, "side": 5, "images": 7, "votes": 3, "seed": 1,
        "file": data.file,
    }  # fmt: skip
    assert {field.name for field in fields(family.Data)} == {*others, "source"}

    def seen(data):
        return {
            f"{name}.{part}": getattr(puzzles, part)
            for name, puzzles in family.make(data).items()
            for part in ("x", "ids")
        } | dict(zip("xyi", family.make(data)["train"].batch(9, 0, 0), strict=True))

    for name, value in others.items():
        changed_data = replace(base, **{name: value})
        assert different(seen(base), seen(changed_data)), name
        assert family.describe(base) != family.describe(changed_data), name


def test_tasks_with_a_longer_grid_are_left_out(data):
    assert len(family.choose(replace(data, side=3)).tasks) == 2
    with pytest.raises(ValueError, match="has no evaluation task .* at most 2x2"):
        family.make(replace(data, side=2))


# --- the rest of the contract ---------------------------------------------------------------------


def test_text_becomes_a_grid_on_a_canvas_and_back():
    x = family.parse("102/340@4")
    assert torch.equal(x, grids.encode([grid("102", "340")], 4)[0])
    assert family.line(x) == "102/340@4" and family.picture(x) == "1 0 2\n3 4 0"
    full = family.parse(" 1 0 2\n3 4 0\n")
    assert len(full) == 900 and family.line(full) == "102/340"
    for text, message in (
        ("12/3", "the grid, row 2: has 1 cells; expected 2"),
        ("1x", "the grid, row 1, column 2: 'x' is no colour from 0 to 9"),
        ("", "the grid, row 1: has 0 cells; expected 1"),
        ("123@2", "the grid is 1x3; its canvas 2x2"),
        ("1@31", "canvas '31': expected a side from 1 to 30"),
        ("1" * 31, "the grid: is 1x31; expected at most 30x30"),
    ):
        with pytest.raises(ValueError, match=message):
            family.parse(text)
    assert "can only guess" in family.check(x)
    with pytest.raises(ValueError, match="there is no grid"):
        family.check(torch.zeros(16, dtype=torch.long))


def test_an_answer_is_a_grid_if_its_border_closes_whatever_lies_outside():
    whole = grids.encode([grid("12")], 3).repeat(4, 1)
    whole[1, 8] = 7  # outside
    whole[2, 3] = 7  # in the border
    whole[3, 0] = 0  # nothing is left
    assert family.judge(whole, whole)["grid"].tolist() == [True, True, False, False]


def test_a_run_is_trained_and_scored(monkeypatch, tmp_path):
    on_any_machine(monkeypatch)
    run = changed(family="arc", settings={"puzzles": 15})
    file = str(write_tasks(tmp_path / "tasks.json"))
    run["data"] = {"side": 4, "images": 6, "votes": 2, "file": file}
    result = execute(load_run(str(write_run(tmp_path, run))), tmp_path / "out", "a command")
    assert result["test"]["n"] == 2 and result["votes"]["n"] == 6
    assert set(result["votes"]["score"]) == {"one try", "two tries"}
    assert "two tries: " in (tmp_path / "out" / "card.md").read_text()
