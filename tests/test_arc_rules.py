"""The rules written down for small ARC tasks are theirs; questions meet the ids of other tasks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from arc_by_hand import grid

from tinyrec.puzzles.arc import family, grids, rules, tasks

DATA = family.Data(part="training", train=0, side=3, images=2, votes=0)


@pytest.fixture(scope="module")
def known():
    return {task.name: task for task in tasks.load("arc-1")["training"]}


@pytest.mark.parametrize("name", rules.RULES)
def test_a_rule_explains_every_pair_of_its_task(name, known):
    for pair in known[name].train + known[name].test:
        np.testing.assert_array_equal(rules.RULES[name](pair.question), pair.answer)


def test_the_rules_are_those_of_all_tasks_of_three_rows_and_columns(known):
    assert set(rules.RULES) == {task.name for task in known.values() if task.largest <= 3}
    assert {task.name for task in family.choose(DATA).tasks} == set(rules.RULES)
    assert len(set(rules.RULES.values())) == 14, "two tasks share the half turn"


@pytest.mark.parametrize(
    "name, question, answer",
    [
        ("0d3d703e", grid("123", "456", "898"), grid("564", "312", "989")),
        ("0d3d703e", grid("123", "456", "890"), None),
        ("25d8a9c8", grid("111", "121", "000"), grid("555", "000", "555")),
        ("25ff71a9", grid("120", "003", "000"), grid("000", "120", "003")),
        ("25ff71a9", grid("000", "000", "001"), None),
        ("27a28665", grid("030", "333", "030"), grid("6")),
        ("27a28665", grid("333", "333", "333"), None),
        ("5582e5ca", grid("112", "132", "331"), grid("111", "111", "111")),
        ("5582e5ca", grid("111", "222", "333"), None),
        ("6e02f1e3", grid("111", "112", "113"), grid("005", "050", "500")),
        ("6e02f1e3", grid("123", "411", "111"), None),
        ("794b24be", grid("300", "003", "033"), grid("222", "020", "000")),
        ("794b24be", grid("000", "000", "000"), None),
        ("9565186b", grid("112", "132", "331"), grid("115", "155", "551")),
        ("9565186b", grid("111", "222", "333"), None),
        ("a85d4709", grid("500", "005", "050"), grid("222", "333", "444")),
        ("a85d4709", grid("500", "055", "050"), None),
        ("a85d4709", grid("500", "005", "032"), None),
        ("d037b0a7", grid("100", "020", "003"), grid("100", "120", "123")),
    ],
)
def test_a_rule_on_a_grid_of_our_own_and_where_it_says_nothing(name, question, answer):
    np.testing.assert_equal(rules.RULES[name](question), answer)


def test_a_question_under_another_tasks_id_is_labelled_by_that_tasks_rule():
    chosen, test = family.choose(DATA), family.make(DATA)["test"]
    puzzles, own, asked, under = rules.crossed(chosen, DATA.side)
    for row, (question, answer) in enumerate(
        zip(grids.decode(puzzles.x), grids.decode(puzzles.y.clamp(min=0)), strict=True)
    ):
        task, other = chosen.tasks[asked[row]], chosen.tasks[under[row]]
        (pair,) = [p for p in task.test if np.array_equal(p.question, question)]
        np.testing.assert_array_equal(answer, rules.RULES[other.name](question))
        np.testing.assert_array_equal(pair.answer, grids.decode(own[row : row + 1].clamp(min=0))[0])
        assert puzzles.ids[row] == chosen.views.first[under[row]]
    same = asked == under
    assert same.sum() == len(test) == 20
    assert torch.equal(puzzles.y[same], own[same])
    assert torch.equal(puzzles.x[same].unique(dim=0), test.x.unique(dim=0))


def test_only_held_out_tasks_are_asked_and_a_task_without_a_rule_is_named():
    fewer = family.choose(replace(DATA, test=4))
    _, _, asked, under = rules.crossed(fewer, DATA.side)
    assert int(asked.max()) == int(under.max()) == 3
    with pytest.raises(KeyError):
        rules.crossed(family.choose(replace(DATA, side=6)), 6)
