"""Calls and operations are counted as they happen, and so is the memory for the gradient."""

import pytest
import torch
import torch.nn.functional as F
from tiny import small

from tinyrec.cost import cost, peak_bytes
from tinyrec.models.naive import NaiveConfig, NaiveMLP


@pytest.mark.parametrize(
    "kind, settings, calls, differentiated",
    [
        ("naive", dict(loops=3), 3, 3),
        ("hrm", dict(high_cycles=2, low_cycles=2, segments=2, q_learning=False), 6, 2),
        ("hrm", dict(high_cycles=2, low_cycles=2, segments=2, q_learning=True), 12, 2),
        ("hrm", dict(high_cycles=1, low_cycles=3, gradient="full", q_learning=False), 4, 4),
        ("trm", dict(recursions=3, latent_steps=6), 21, 7),
        ("trm", dict(recursions=2, latent_steps=2, gradient="one_step"), 6, 2),
        ("trm", dict(recursions=2, latent_steps=2, gradient="all"), 6, 6),
    ],
)
def test_the_calls_of_a_segment_and_those_with_a_gradient(kind, settings, calls, differentiated):
    found = cost(small(kind, **settings))
    assert (found.calls, found.differentiated) == (calls, differentiated)


def test_the_operations_are_those_of_the_products():
    c = NaiveConfig(vocab=5, length=16, width=32, loops=1)
    first, second, last = (a * b for a, b in ((160, 32), (32, 32), (32, 80)))
    forward = 2 * (first + second + last)
    backward = 2 * forward - 2 * first  # nobody asks for the gradient of the question
    assert cost(NaiveMLP(c)).flops == forward + backward


def test_twice_the_layers_cost_twice_and_attention_is_counted():
    one, two = (cost(small("trm", layers=n, segments=1)).flops for n in (1, 2))
    assert 1.8 < two / one < 2
    plain = dict(mixing="attention", heads=2, positions="none")
    assert cost(small("trm", **plain)).flops > 0


def test_a_model_stays_as_it_was():
    model = small("trm").eval()
    cost(model)
    assert not model.training and all(p.grad is None for p in model.parameters())
    assert not any(part._forward_hooks for part in model.modules())


def naive(loops):
    return NaiveMLP(NaiveConfig(vocab=4, length=4, width=64, loops=loops))


def training_step(model, segments, retain=False):
    x = torch.ones(8, 4, dtype=torch.long)

    def run():
        state, kept = model.initial_state(8), []
        for _ in range(segments):
            state, logits, _ = model(x, state)
            loss = F.cross_entropy(logits.flatten(0, 1), x.flatten())
            if retain:
                kept.append(loss)
            else:
                loss.backward()

    return run


def test_memory_grows_with_loops_and_not_with_segments():
    once = peak_bytes(naive(1), training_step(naive(1), 1))
    assert once > 0
    model = naive(1)
    assert peak_bytes(model, training_step(model, 9)) == peak_bytes(model, training_step(model, 1))
    eight, four = naive(8), naive(4)
    grown = peak_bytes(eight, training_step(eight, 1)) / peak_bytes(four, training_step(four, 1))
    assert 1.7 < grown < 2.1


def test_memory_that_no_backward_pass_gives_back_is_counted():
    model = naive(1)
    kept = peak_bytes(model, training_step(model, 6, retain=True))
    assert kept > 4 * peak_bytes(model, training_step(model, 6))


def test_weights_are_not_memory_for_the_gradient():
    layer = torch.nn.Linear(1000, 1, bias=False)
    x = torch.ones(1, 1000, requires_grad=True)
    assert peak_bytes(layer, lambda: layer(x).sum().backward()) == x.nbytes
