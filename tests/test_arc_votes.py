"""The official ARC score, checked against cases computed by hand."""

import math

import pytest
import torch
from arc_by_hand import MIRROR, PAINT, grid

from tinyrec.puzzles.arc.grids import encode
from tinyrec.puzzles.arc.tasks import make_task
from tinyrec.puzzles.arc.views import make_views, puzzle_set
from tinyrec.puzzles.arc.votes import candidates, share_solved

SIDE = 4
TASKS = [make_task("", "mirror", MIRROR), make_task("", "paint", PAINT)]
VIEWS = make_views(TASKS, 4, 0, SIDE)  # ids 1 to 5 mirror, 6 to 10 paint
QUESTION, RIGHT = (encode([part], SIDE) for part in (grid("670"), grid("076")))
WRONG, WORSE = (encode([part], SIDE) for part in (grid("111"), grid("2", "2")))


def asked(answers, q, ids=None, question=QUESTION, right=RIGHT):
    """Answers as the tasks are, one under each id, ranked."""
    ids = torch.arange(1, 1 + len(answers)) if ids is None else torch.tensor(ids)
    puzzles = puzzle_set(question.expand(len(ids), -1), right.expand(len(ids), -1), ids, VIEWS)
    under = VIEWS.show(ids, torch.cat(answers))
    found = candidates(VIEWS, puzzles, under, torch.tensor(q))
    (best,) = found.values()
    return found, best


def test_equal_answers_under_different_images_are_one_candidate():
    found, best = asked([RIGHT, WRONG, RIGHT, WORSE, RIGHT], [0.0] * 5)
    assert next(iter(found))[0] == 0, "the first task"
    assert [(c.votes, c.right) for c in best] == [(3, True), (1, False), (1, False)]
    assert torch.equal(best[0].answer, RIGHT[0])


def test_votes_count_first_and_q_decides_between_equal_counts():
    _, best = asked([WRONG, WRONG, RIGHT], [-9.0, -9.0, 9.0])
    assert [c.right for c in best] == [False, True], "two doubtful votes beat one that is sure"
    _, best = asked([WRONG, WORSE, RIGHT], [-1.0, 1.0, 2.0])
    assert [c.right for c in best] == [True, False, False]
    assert best[1].q == pytest.approx(1 / (1 + math.exp(-1)))


def test_q_is_the_mean_of_probabilities_not_of_logits():
    # 1 / (1 + exp(-0.2)) = 0.549834; (0.999877 + 0.000911) / 2 = 0.500394
    _, best = asked([WRONG, WRONG, RIGHT, RIGHT], [0.2, 0.2, 9.0, -7.0])
    assert [c.q for c in best] == pytest.approx([0.549834, 0.500394], abs=1e-5)
    assert not best[0].right, "the mean of the logits is 0.2 against 1"


def test_the_score_is_a_share_of_each_tasks_questions_and_a_mean_over_tasks():
    other, its_right = (encode([part], SIDE) for part in (grid("8", "9"), grid("8", "9")))
    paint, its = (encode([part], SIDE) for part in (grid("560"), grid("550")))
    first, _ = asked([WRONG, RIGHT], [2.0, 1.0])  # right at the second try
    second, _ = asked([WRONG, WRONG, WORSE, WORSE, its_right], [0.0] * 5, None, other, its_right)
    third, _ = asked([its], [0.0], [6], paint, its)
    found = first | second | third
    assert len(found) == 3
    assert share_solved(found, 1) == (0 / 2 + 1 / 1) / 2
    assert share_solved(found, 2) == (1 / 2 + 1 / 1) / 2
    assert share_solved(found, 3) == 1


def test_an_answer_of_another_size_is_wrong_and_one_without_a_grid_counts_as_a_vote():
    taller = encode([grid("076", "000")], SIDE)
    _, best = asked([taller, RIGHT, torch.ones(1, SIDE * SIDE, dtype=torch.long)], [3.0, 2.0, 1.0])
    assert [c.right for c in best] == [False, True, False] and not best[2].answer.any()


def test_a_model_without_q_is_ranked_by_votes_alone():
    ids = torch.arange(1, 4)
    puzzles = puzzle_set(QUESTION.expand(3, -1), RIGHT.expand(3, -1), ids, VIEWS)
    answers = VIEWS.show(ids, torch.cat([RIGHT, WRONG, RIGHT]))
    (best,) = candidates(VIEWS, puzzles, answers, None).values()
    assert [(c.votes, c.right) for c in best] == [(2, True), (1, False)]
