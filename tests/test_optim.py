"""Optimisers: what the parity test does not show."""

import copy
import math

import pytest
import torch
from torch.optim import swa_utils

from tinyrec.optim import AdamAtan2, Muon, SignSGD, moving_average


def test_adam_atan2_does_not_depend_on_the_gradients_scale():
    ends = []
    for scale in (1.0, 1e-12):
        p = torch.nn.Parameter(torch.ones(3, dtype=torch.double))
        optimizer = AdamAtan2([p], lr=0.01)
        for t in range(5):
            p.grad = scale * torch.tensor([1.0, -2.0, 0.5 + t], dtype=torch.double)
            optimizer.step()
        ends.append(p.detach().clone())
    assert torch.allclose(ends[0], ends[1], atol=1e-9)


def test_the_first_step_of_adam_atan2_is_lr_times_pi_over_four():
    p = torch.nn.Parameter(torch.zeros(1, dtype=torch.double))
    p.grad = torch.tensor([3.0], dtype=torch.double)
    AdamAtan2([p], lr=0.1, betas=(0.0, 0.95)).step()
    assert p.item() == pytest.approx(-0.1 * torch.pi / 4)


def test_adam_atan2_is_its_formula_with_the_papers_betas():
    gradients = [3.0, -1.0, 0.5]
    p = torch.nn.Parameter(torch.ones(1, dtype=torch.double))
    optimizer = AdamAtan2([p], weight_decay=0.5)
    expected, m, v, lr, b1, b2 = 1.0, 0.0, 0.0, 1e-4, 0.9, 0.95
    for t, g in enumerate(gradients, 1):
        p.grad = torch.tensor([g], dtype=torch.double)
        optimizer.step()
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        angle = math.atan2(m, math.sqrt(v) / math.sqrt(1 - b2**t))
        expected = expected * (1 - lr * 0.5) - lr / (1 - b1**t) * angle
    assert p.item() == pytest.approx(expected, abs=1e-12)
    assert AdamAtan2([p]).defaults == dict(lr=1e-4, betas=(0.9, 0.95), weight_decay=0.0)


@pytest.mark.parametrize("optimizer", [AdamAtan2, Muon, SignSGD])
def test_a_weight_without_a_gradient_stays(optimizer):
    p = torch.nn.Parameter(torch.ones(2, 2))
    optimizer([p], weight_decay=0.5).step()
    assert torch.equal(p, torch.ones(2, 2))


def test_sign_sgd_leaves_other_rows_alone_and_adds_up_repeated_ones():
    table = torch.nn.Parameter(torch.ones(3, 2))
    rows = torch.nn.functional.embedding(torch.tensor([1, 1]), table, sparse=True)
    both = torch.tensor([[3.0, -1.0], [-1.0, -1.0]])  # the summed gradient of row 1: (2, -2)
    (rows * both).sum().backward()
    SignSGD([table], lr=0.1, weight_decay=0.5).step()
    assert torch.allclose(table, torch.tensor([[1.0, 1.0], [0.95 - 0.1, 0.95 + 0.1], [1.0, 1.0]]))


def test_the_moving_average_starts_at_the_first_weights_without_bias_correction():
    model = torch.nn.Linear(1, 1, bias=False)
    model.register_buffer("start", torch.zeros(1))
    torch.nn.init.constant_(model.weight, 1.0)
    average = copy.deepcopy(model)
    for value in (2.0, 3.0):
        torch.nn.init.constant_(model.weight, value)
        moving_average(average, model, 0.9)
    assert average.weight.item() == pytest.approx(0.9 * (0.9 * 1 + 0.1 * 2) + 0.1 * 3)
    assert model.weight == 3


def test_the_moving_average_is_pytorchs():
    torch.manual_seed(0)
    model = torch.nn.Linear(5, 3)
    ours = copy.deepcopy(model)
    theirs = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9))
    theirs.update_parameters(model)  # its first update copies
    for _ in range(4):
        torch.nn.init.normal_(model.weight)
        moving_average(ours, model, 0.9)
        theirs.update_parameters(model)
    assert torch.equal(ours.weight, theirs.module.weight)


@pytest.mark.parametrize("shape", [(8, 20), (20, 8), (12, 12)])
def test_muons_steps_are_orthogonal(shape):
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.zeros(shape))
    weight.grad = torch.randn(shape)
    Muon([weight], lr=1.0).step()
    left, values, right = torch.linalg.svd(weight.detach(), full_matrices=False)
    values /= 0.2 * max(shape) ** 0.5
    assert 0.6 < values.min() and values.max() < 1.25
    u, _, v = torch.linalg.svd(-weight.grad, full_matrices=False)
    torch.testing.assert_close(left @ right, u @ v, rtol=0, atol=1e-4)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this PyTorch has no Muon")
def test_muon_is_pytorchs_but_for_its_precision():
    torch.manual_seed(0)
    ours, theirs = (torch.nn.Parameter(torch.randn(16, 24)) for _ in range(2))
    theirs.data.copy_(ours.data)
    settings = dict(lr=1.0, weight_decay=0.5, momentum=0.9)
    theirs_too = torch.optim.Muon([theirs], **settings, adjust_lr_fn="match_rms_adamw")
    pair = Muon([ours], **settings), theirs_too
    for _ in range(5):
        gradient = torch.randn(16, 24)
        for p, optimizer in zip((ours, theirs), pair, strict=True):
            p.grad = gradient.clone()
            optimizer.step()
    assert Muon([ours]).defaults["momentum"] == 0.95
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0.02)  # 3 % of a step would be 0.026
