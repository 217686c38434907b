"""Losses against their formulas."""

import math

import pytest
import torch

from tinyrec.carry import Carry, Outputs
from tinyrec.losses import IGNORE, cell_losses, correct_cells, log_stablemax, segment_loss


def s(x):
    return x + 1 if x >= 0 else 1 / (1 - x)


def test_stablemax_by_hand():
    logits = [2.0, 0.0, -3.0]
    total = sum(map(s, logits))
    expected = [math.log(s(x) / total) for x in logits]
    assert log_stablemax(torch.tensor(logits).double()).tolist() == pytest.approx(
        expected, abs=1e-12
    )


def test_stablemax_is_finite_and_has_gradient_everywhere():
    logits = torch.tensor([[-1e4, -1.0, 0.0, 1.0, 1e4]], dtype=torch.double, requires_grad=True)
    cell_losses(logits[None], torch.tensor([[0]])).sum().backward()
    assert torch.isfinite(logits.grad).all() and (logits.grad[0, [0, 4]] != 0).all()


def test_softmax_is_pytorchs():
    logits, labels = torch.randn(2, 3, 5), torch.randint(5, (2, 3))
    expected = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), reduction="none"
    ).view(2, 3)
    assert torch.allclose(cell_losses(logits, labels, "softmax"), expected)


def test_ignored_cells_cost_nothing_and_do_not_count():
    logits = torch.nn.functional.one_hot(torch.tensor([[1, 2, 0, 0]]), 3).float()
    labels = torch.tensor([[1, 2, 1, IGNORE]])
    assert cell_losses(logits, labels)[0, 3] == 0
    cell, exact = correct_cells(logits, labels)
    assert cell.item() == pytest.approx(2 / 3) and not exact.item()
    assert correct_cells(logits, torch.tensor([[1, 2, IGNORE, IGNORE]]))[1].item()


def test_an_unknown_loss_is_named():
    with pytest.raises(ValueError, match="unknown loss 'l2'"):
        cell_losses(torch.zeros(1, 1, 2), torch.zeros(1, 1, dtype=torch.long), "l2")


def carry_and_outputs(target=None):
    labels = torch.tensor([[1, 2], [1, 1]])
    logits = torch.tensor(
        [[[0.0, 3, 0], [0, 0, 3]], [[0, 3, 0], [0, 0, 3]]]
    )  # first puzzle right, second half right
    q = torch.tensor([[1.0, 0.0], [-2.0, 0.0]])
    carry = Carry((), labels, labels, None, torch.tensor([3, 16]), torch.tensor([True, False]))
    return carry, Outputs(logits, q, target)


def bce(q, target):
    p = 1 / (1 + math.exp(-q))
    return -(target * math.log(p) + (1 - target) * math.log(1 - p))


def test_the_loss_of_a_segment_by_hand():
    carry, outputs = carry_and_outputs()
    cells = cell_losses(outputs.logits, carry.labels)
    loss, metrics = segment_loss(carry, outputs)
    halting = bce(1.0, 1) + bce(-2.0, 0)
    assert loss.item() == pytest.approx((cells.mean(1).sum().item() + 0.5 * halting) / 2, rel=1e-6)
    assert metrics["halt_loss"].item() == pytest.approx(halting, rel=1e-5)
    # only the slot that halted is counted
    assert [
        metrics[key].item() for key in ("count", "exact", "segments", "cell", "halt_right")
    ] == [1, 1, 3, 1, 1]


def test_the_continue_loss_comes_on_top():
    target = torch.tensor([0.25, 0.75])
    without, with_target = (segment_loss(*carry_and_outputs(t))[0].item() for t in (None, target))
    assert with_target - without == pytest.approx(0.5 * (bce(0, 0.25) + bce(0, 0.75)) / 2, rel=1e-5)
