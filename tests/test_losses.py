"""Losses against their formulas."""

import math

import pytest
import torch
import torch.nn.functional as F

from tinyrec.carry import Carry, Outputs
from tinyrec.losses import cell_losses, correct_cells, log_stablemax, segment_loss
from tinyrec.puzzles import IGNORE, Batch


def s(x):
    return x + 1 if x >= 0 else 1 / (1 - x)


def random_cells(dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    logits = 20 * torch.randn(2, 3, 5, generator=generator)
    return logits.to(dtype), torch.randint(5, (2, 3), generator=generator)


def test_stablemax_by_hand():
    logits = [2.0, 0.0, -3.0]
    total = sum(map(s, logits))
    expected = [math.log(s(x) / total) for x in logits]
    found = log_stablemax(torch.tensor(logits).double())
    assert found.tolist() == pytest.approx(expected, abs=1e-12)


def test_stablemax_is_finite_and_has_gradient_everywhere():
    logits = torch.tensor([[-1e4, -1.0, 0.0, 1.0, 1e4]], dtype=torch.double, requires_grad=True)
    cell_losses(logits[None], torch.tensor([[0]])).sum().backward()
    assert torch.isfinite(logits.grad).all() and (logits.grad[0, [0, 4]] != 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_stablemax_is_computed_in_float64(dtype):
    logits, labels = random_cells(dtype)
    expected = -log_stablemax(logits.double()).gather(-1, labels[..., None])[..., 0]
    torch.testing.assert_close(cell_losses(logits, labels), expected, rtol=1e-12, atol=0)


def test_an_apple_gpu_which_has_no_float64_computes_stablemax_in_float32():
    class OnApple(torch.Tensor):
        device = torch.device("mps")

    logits, labels = random_cells()
    found = cell_losses(logits.as_subclass(OnApple), labels)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.as_subclass(torch.Tensor), cell_losses(logits, labels).float())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_softmax_is_pytorchs_in_float32(dtype):
    logits, labels = random_cells(dtype)
    expected = F.cross_entropy(logits.float().mT, labels, reduction="none")
    torch.testing.assert_close(cell_losses(logits, labels, "softmax"), expected)


@pytest.mark.parametrize("kind", ["softmax", "stablemax"])
def test_smoothing_gives_a_share_of_each_label_to_all_tokens(kind):
    logits, labels = torch.randn(2, 3, 5), torch.tensor([[0, 1, 4], [2, IGNORE, 3]])
    found = cell_losses(logits, labels, kind, smoothing=0.2)
    every = [cell_losses(logits, torch.full_like(labels, token), kind) for token in range(5)]
    expected = 0.8 * cell_losses(logits, labels, kind) + 0.2 * sum(every) / 5
    torch.testing.assert_close(found[0], expected[0])
    assert found[1, 1] == 0
    if kind == "softmax":
        theirs = F.cross_entropy(logits[0], labels[0], reduction="none", label_smoothing=0.2)
        torch.testing.assert_close(found[0], theirs)


def test_ignored_cells_cost_nothing_and_do_not_count():
    logits = F.one_hot(torch.tensor([[1, 2, 0, 0]]), 3).float()
    labels = torch.tensor([[1, 2, 1, IGNORE]])
    assert cell_losses(logits, labels)[0, 3] == 0
    cell, exact = correct_cells(logits, labels)
    assert cell.item() == pytest.approx(2 / 3) and not exact.item()
    assert correct_cells(logits, torch.tensor([[1, 2, IGNORE, IGNORE]]))[1].item()


def test_an_unknown_loss_is_named():
    with pytest.raises(ValueError, match="unknown loss 'l2'; expected 'stablemax' or 'softmax'"):
        cell_losses(torch.zeros(1, 1, 2), torch.zeros(1, 1, dtype=torch.long), "l2")


def carry_and_outputs(target=None):
    """Two puzzles, the first all right and halted, the second half right and going on."""
    labels = torch.tensor([[1, 2], [1, 1]])
    logits = torch.tensor([[[0.0, 3, 0], [0, 0, 3]], [[0, 3, 0], [0, 0, 3]]])
    q = torch.tensor([[1.0, 0.0], [-2.0, 0.0]])
    carry = Carry(
        (), Batch(labels, labels, None), torch.tensor([3, 16]), torch.tensor([True, False])
    )
    return carry, Outputs(logits, q, target)


def bce(q, target):
    p = 1 / (1 + math.exp(-q))
    return -(target * math.log(p) + (1 - target) * math.log(1 - p))


@pytest.mark.parametrize("kind", ["stablemax", "softmax"])
@pytest.mark.parametrize("weight", [0.5, 0.25])
def test_the_loss_of_a_segment_by_hand(kind, weight):
    carry, outputs = carry_and_outputs()
    cells = cell_losses(outputs.logits, carry.puzzles.y, kind).mean(1).sum().item()
    loss, metrics = segment_loss(carry, outputs, kind, weight)
    halting = bce(1.0, 1) + bce(-2.0, 0)
    assert loss.item() == pytest.approx((cells + weight * halting) / 2, rel=1e-6)
    assert metrics["halt_loss"].item() == pytest.approx(halting, rel=1e-5)
    assert metrics["cell_loss"].item() == pytest.approx(cells, rel=1e-6)
    # only the slot that halted is counted
    counted = ("count", "exact", "segments", "cell", "halt_right")
    assert [metrics[name].item() for name in counted] == [1, 1, 3, 1, 1]


def test_the_halting_loss_weighs_half_and_the_cells_are_stablemax_by_default():
    by_default, in_words = (
        segment_loss(*carry_and_outputs(), *how)[0] for how in ((), ("stablemax", 0.5))
    )
    assert by_default == in_words


def test_the_continue_loss_comes_on_top():
    target = torch.tensor([0.25, 0.75])
    extra = bce(0, 0.25) + bce(0, 0.75)
    for weight in (0.5, 0.25):
        (without, _), (with_target, metrics) = (
            segment_loss(*carry_and_outputs(t), halt_weight=weight) for t in (None, target)
        )
        assert (with_target - without).item() == pytest.approx(weight * extra / 2, rel=1e-5)
        assert metrics["continue_loss"].item() == pytest.approx(extra, rel=1e-5)


def test_q_is_right_where_it_says_no_to_a_wrong_answer():
    carry, outputs = carry_and_outputs()
    carry.halted[:] = True
    counted = ("count", "exact", "segments", "cell", "halt_right")
    _, metrics = segment_loss(carry, outputs)
    assert [metrics[name].item() for name in counted] == [2, 1, 19, 1.5, 2]
    outputs.q[:, 0] *= -1
    _, metrics = segment_loss(carry, outputs)
    assert metrics["halt_right"] == 0 and metrics["exact"] == 1


def test_puzzles_without_any_label_are_not_counted_and_cost_no_cell_loss():
    carry, outputs = carry_and_outputs()
    carry.halted[:] = True
    carry.puzzles.y[1] = IGNORE  # would be exact, since no cell of it is wrong
    loss, metrics = segment_loss(carry, outputs)
    counted = ("count", "exact", "segments", "cell", "halt_right")
    assert [metrics[name].item() for name in counted] == [1, 1, 3, 1, 1]
    first = cell_losses(outputs.logits, carry.puzzles.y)[0].mean()
    assert metrics["cell_loss"] == first and loss.isfinite()


def test_a_model_without_q_has_the_cell_loss_alone():
    carry, outputs = carry_and_outputs()
    outputs.q = None
    loss, metrics = segment_loss(carry, outputs)
    assert loss == metrics["cell_loss"] / 2 and "halt_loss" not in metrics


def test_each_head_learns_from_its_own_loss():
    carry, outputs = carry_and_outputs(torch.tensor([0.25, 0.75]))
    outputs.logits.requires_grad_()
    outputs.q.requires_grad_()
    segment_loss(carry, outputs)[0].backward()
    labels = torch.tensor([[1.0, 0.25], [0.0, 0.75]])
    expected = 0.5 * (outputs.q.detach().sigmoid() - labels) / 2  # the gradient of a BCE
    torch.testing.assert_close(outputs.q.grad, expected)
    assert (outputs.logits.grad != 0).all()
