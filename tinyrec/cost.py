"""What a segment of training costs: calls of the networks and floating-point operations, counted.

Two models are compared fairly where both have spent the same. Steps do not tell: a step of HRM is
several of TRM's. So one small step is run here, and its calls and products are counted.
"""

import copy
import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tinyrec.carry import empty_carry, refill, segment
from tinyrec.losses import segment_loss
from tinyrec.models.layers import Network
from tinyrec.puzzles import Batch


@dataclass(frozen=True)
class Cost:
    """Of one segment of training, for one slot."""

    calls: int  # of the networks, a second forward pass included; for the naive MLP, loops
    differentiated: int  # those of the calls that the gradient goes back through
    flops: int  # of all matrix products, forward and backward; 2 for a multiplication with addition


def cost(model: nn.Module) -> Cost:
    """Count what one training step of a model costs for one slot. The model stays as it is.

    Norms, gates and losses are not counted, nor is the optimiser.
    """
    model = copy.deepcopy(model).to("cpu").train()
    networks = [part for part in model.modules() if isinstance(part, Network)]
    graded = []
    for part in networks or [model.last]:
        part.register_forward_hook(lambda *_: graded.append(torch.is_grad_enabled()))
    x = torch.ones(1, model.config.length, dtype=torch.long)
    batch = Batch(x, x, None)
    # the counter knows this backend's products, not those of the fused ones
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        carry, outputs = segment(model, refill(model, empty_carry(model, batch), batch))
        calls, differentiated = len(graded), sum(graded)  # checkpoints call again on the way back
        segment_loss(carry, outputs)[0].backward()
    return Cost(calls, differentiated, counter.get_total_flops())


class Kept:
    """A tensor for as long as a backward pass may ask for it."""

    def __init__(self, tensor: Tensor):
        self.tensor = tensor


def peak_bytes(model: nn.Module, run: Callable) -> int:
    """The most bytes that PyTorch keeps at once for backward passes while `run()` runs.

    That is what the forward passes leave behind for the gradient; the weights are not counted.
    """
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    users, kept, peak = Counter(), 0, 0

    def count(storage, change):
        nonlocal kept, peak
        before = users[storage.data_ptr()]
        users[storage.data_ptr()] += change
        if not before or not users[storage.data_ptr()]:  # its first user, or its last
            kept += change * storage.nbytes()
            peak = max(peak, kept)

    def save(tensor):
        held, storage = Kept(tensor.detach()), tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            count(storage, 1)
            weakref.finalize(held, count, storage, -1)
        return held

    with torch.autograd.graph.saved_tensors_hooks(save, lambda held: held.tensor):
        run()
    return peak
