"""The rules written down for some ARC tasks are theirs; questions meet the ids of other tasks."""

import numpy as np
import pytest
import torch
from arc_by_hand import grid

from tinyrec.puzzles.arc import family, grids, rules, tasks

DATA = family.Data(part="training", train=0, side=6, images=2, votes=0)


@pytest.fixture(scope="module")
def known():
    return {task.name: task for task in tasks.load("arc-1")["training"]}


@pytest.mark.parametrize("name", rules.RULES)
def test_a_rule_explains_every_pair_of_its_task(name, known):
    for pair in known[name].train + known[name].test:
        np.testing.assert_array_equal(rules.RULES[name](pair.question), pair.answer)


def test_no_two_rules_make_the_same_of_every_grid():
    made = {rule(grid("12", "34")).tobytes() for rule in rules.RULES.values()}
    assert len(made) == len(set(rules.RULES.values())) == 8


def test_a_question_under_another_tasks_id_is_labelled_by_that_tasks_rule():
    chosen = family.choose(DATA)
    names, puzzles, asked, under = rules.crossed(chosen, DATA.side)
    assert names == list(rules.RULES) and asked.shape == under.shape == puzzles.ids.shape
    places = {task.name: number for number, task in enumerate(chosen.tasks)}
    for row, (question, answer) in enumerate(
        zip(grids.decode(puzzles.x), grids.decode(puzzles.y.clamp(min=0)), strict=True)
    ):
        name, other = names[asked[row]], names[under[row]]
        assert any(np.array_equal(question, p.question) for p in chosen.tasks[places[name]].test)
        np.testing.assert_array_equal(answer, rules.RULES[other](question))
        assert puzzles.ids[row] == chosen.views.first[places[other]]
    own = asked == under
    assert own.sum() == len(names), "each of these tasks has one test question"
    test = family.make(DATA)["test"]
    for x, y, number in zip(puzzles.x[own], puzzles.y[own], puzzles.ids[own], strict=True):
        ((row,),) = ((test.x == x).all(1) & (test.ids == number)).nonzero().T.tolist()
        assert torch.equal(test.y[row], y)


def test_what_does_not_fit_is_left_out_and_only_held_out_tasks_are_asked():
    chosen = family.choose(DATA)
    names, _, asked, under = rules.crossed(chosen, DATA.side)
    six, four = names.index("9dfd6313"), names.index("4c4377d9")  # 6x6, and 3x4
    same_size = {"ed36ccf7", "3c9b0459", "6150a2bd", "74dd1130", "9dfd6313"}
    assert {names[u] for u in under[asked == six]} == same_size
    wider = {"6d0aefbc", "c9e6f938", "62c24649", "67e8384a", "46442a0e", "7fe24cdd"}
    assert {names[u] for u in under[asked == four]} == set(names) - wider
    assert len(asked) == 12 * 14 + 5 + 8
    fewer = family.choose(family.Data(part="training", train=0, side=6, images=0, votes=0, test=9))
    assert set(rules.crossed(fewer, 6).names) == set(rules.RULES) & {t.name for t in fewer.tasks}
