"""The gradient of a fixed point: the solver, J, and what the hook of ImplicitHRM sends back."""

import pytest
import torch
from torch.testing import assert_close

from tinyrec.cost import cost
from tinyrec.implicit import ImplicitHRM, adjoint, flat, jacobian, pull_back, residual, shaped
from tinyrec.models.hrm import HRM, HRMConfig

SETTINGS = dict(vocab=6, length=4, width=8, high_layers=1, low_layers=1, mixing="mlp")
SETTINGS |= dict(positions="none", prefix=1, multiple=8, q_learning=False)
TOKENS = torch.randint(1, 6, (3, 4), generator=torch.Generator().manual_seed(0))


def settling(kind=HRM, gradient="full", shrink=0.5):
    """A network whose loop settles, thanks to small weights."""
    torch.manual_seed(0)
    model = kind(HRMConfig(**SETTINGS, gradient=gradient))
    for network in (model.low, model.high):
        for p in network.parameters():
            p.data *= shrink
    return model


def after(model, cycles):
    """The question, embedded, and the state after some cycles."""
    with torch.no_grad():
        x, state = model.embed(TOKENS, None, torch.float32), model.initial_state(len(TOKENS))
        for _ in range(cycles):
            state = model.high_cycle(x, state)
    return x, state


def weight_gradient(model, logits):
    """Of both networks' weights, as one vector."""
    weights = [*model.low.parameters(), *model.high.parameters()]
    parts = torch.autograd.grad(logits.square().mean(), weights)
    return torch.cat([part.flatten() for part in parts])


# --- residual, flat, shaped -----------------------------------------------------------------------


def test_a_residual_is_measured_for_each_puzzle_in_relation_to_its_size():
    before = torch.tensor([[[3.0, 0.0], [0.0, 4.0]], [[30.0, 0.0], [0.0, 40.0]]])
    moved = residual(before, before + torch.tensor([[0.0, 5.0], [0.0, 0.0]]))
    assert_close(moved, torch.tensor([1.0, 0.1]))


def test_shaped_undoes_flat():
    state = tuple(torch.randn(2, n, 3) for n in (4, 5))
    assert flat(state).shape == (2, 27)
    assert all(map(torch.equal, shaped(flat(state), state), state))


# --- the solver -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stretch", [0.2, 0.9, 3.0])  # the last: the sum of powers grows
def test_adjoint_solves_the_system_of_every_row(stretch):
    torch.manual_seed(0)
    J = stretch * torch.randn(4, 12, 12, dtype=torch.double) / 12**0.5
    v = torch.randn(4, 12, dtype=torch.double)
    w, left = adjoint(lambda w: (w[:, None] @ J)[:, 0], v, 1e-12, 12)
    exact = torch.linalg.solve(torch.eye(12) - J.mT, v)
    assert_close(w, exact, rtol=1e-8, atol=1e-8)
    assert left.shape == (13, 4) and left[-1].max() < 1e-9


def test_the_residuals_that_adjoint_tells_are_those_of_its_answers():
    torch.manual_seed(0)
    J, v = torch.randn(20, 20, dtype=torch.double) / 6, torch.randn(3, 20, dtype=torch.double)
    for most in range(1, 6):
        w, left = adjoint(lambda w: w @ J, v, 1e-12, most)
        assert len(left) == most + 1
        assert_close((v + w @ J - w).norm(dim=1) / v.norm(dim=1), left[-1])
    assert (left.diff(dim=0) < 0).all() and (left[0] == 1).all()


def test_adjoint_stops_when_every_row_is_good_enough_and_survives_easy_rows():
    J = torch.diag(torch.tensor([0.5, 0.0, 0.0, 0.9]))
    v = torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 0, 0], [1.0, 1, 1, 1]])
    w, left = adjoint(lambda w: w @ J, v, 1e-4, 30)
    assert_close(w, v / torch.tensor([0.5, 1, 1, 0.1]), rtol=1e-3, atol=1e-3)
    assert len(left) <= 5  # three eigenvalues: three products are enough
    w, left = adjoint(lambda w: w @ J, v, 2.0, 30)
    assert len(left) == 1 and not w.any()


# --- J of HRM -------------------------------------------------------------------------------------


def test_pull_back_is_the_transpose_of_the_matrix_of_one_cycle():
    model = settling(shrink=1.0)
    x, state = after(model, 2)
    one = tuple(part[1:2] for part in state)
    J = jacobian(model, x[1:2], one)
    w = torch.randn(3, len(J))
    assert_close(pull_back(model, x, state)(w)[1], w[1] @ J, rtol=1e-4, atol=1e-5)
    small = 1e-2 * torch.randn(len(J))
    with torch.no_grad():
        there = flat(model.high_cycle(x[1:2], shaped(flat(one) + small, one)))
        back = flat(model.high_cycle(x[1:2], shaped(flat(one) - small, one)))
    assert_close((there - back)[0] / 2, J @ small, rtol=1e-2, atol=1e-4)


# --- ImplicitHRM ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad])
def test_it_computes_what_hrm_computes(mode):
    model, implicit = settling(shrink=1.0), settling(ImplicitHRM, shrink=1.0)
    with mode():
        state, *said = model(TOKENS, model.initial_state(3))
        same, *other = implicit(TOKENS, model.initial_state(3))
    assert all(map(torch.equal, (*state, *said), (*same, *other)))
    assert not any(part.requires_grad for part in same)


def test_at_a_fixed_point_its_gradient_is_that_through_many_cycles_and_one_step_is_not():
    model, implicit = settling(), settling(ImplicitHRM)
    implicit.tolerance, implicit.most = 1e-6, 60
    x, state = after(model, 240)
    assert residual(flat(state), flat(model.high_cycle(x, state))).max() < 1e-6
    settled = state
    for _ in range(120):
        settled = model.high_cycle(x, settled)
    exact = weight_gradient(model, model.heads(settled[0])[0])
    found = weight_gradient(implicit, implicit(TOKENS, state)[1])
    assert (found - exact).norm() < 1e-3 * exact.norm()
    short = settling(gradient="one_step")
    assert (weight_gradient(short, short(TOKENS, state)[1]) - exact).norm() > 0.05 * exact.norm()


def test_its_cost_counts_the_products_of_the_solver():
    def flops(kind, most):
        model = settling(kind, shrink=1.0)
        model.most, model.tolerance = most, 0.0
        return cost(model).flops

    one, two, five = (flops(ImplicitHRM, most) for most in (1, 2, 5))
    assert flops(HRM, 1) < one < two
    assert 2.9 < (five - two) / (two - one) < 3.3  # a little more: the basis grows
