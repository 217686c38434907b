"""Several processes that train one model: `torchrun --nproc-per-node N -m tinyrec train ...`.

Each rank runs the same loop. It draws the same batch, works on its own slots, adds its gradients to
those of the others, and takes the same optimiser step. So all weights stay alike, and N ranks do
what one process with the same batch does, but for rounding. Rank 0 tests and saves.
"""

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Ranks:
    """Which of `count` processes this one is. A plain run is rank 0 of 1."""

    rank: int = 0
    count: int = 1

    def slots(self, batch: int) -> slice:
        """My rows of a batch. ValueError where it cannot be shared alike."""
        if batch % self.count:
            raise ValueError(f"a batch of {batch} cannot be shared alike by {self.count} ranks")
        own = batch // self.count
        return slice(self.rank * own, (self.rank + 1) * own)

    def add_up(self, model: nn.Module, metrics: dict[str, Tensor]) -> dict[str, Tensor]:
        """Sum the gradients of all ranks, in place, and their metrics, which are returned."""
        if self.count == 1:
            return metrics
        for p in model.parameters():
            if p.grad is None:
                continue
            if p.grad.is_sparse:  # the same number of rows from each rank, some of them twice
                rows, values = p.grad._indices()[0], p.grad._values()
                rows, values = self.gather(rows), self.gather(values)
                p.grad = torch.sparse_coo_tensor(rows[None], values, p.shape)
            else:
                dist.all_reduce(p.grad)
        sums = torch.stack([value.double() for value in metrics.values()])
        dist.all_reduce(sums)
        return dict(zip(metrics, sums, strict=True))

    def gather(self, own: Tensor) -> Tensor:
        """The rows of all ranks, in their order; each rank has as many."""
        if self.count == 1:
            return own
        parts = [torch.empty_like(own) for _ in range(self.count)]
        dist.all_gather(parts, own.contiguous())
        return torch.cat(parts)

    def agree(self, *wishes: bool, device: torch.device) -> list[bool]:
        """For each wish, whether any rank has it."""
        if self.count == 1:
            return list(wishes)
        counts = torch.tensor(wishes, dtype=torch.int32, device=device)
        dist.all_reduce(counts)
        return [count > 0 for count in counts.tolist()]


ALONE = Ranks()


def join(device: torch.device) -> Ranks:
    """Meet the other processes that torchrun has started; alone without it."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return ALONE
    if not dist.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Ranks(dist.get_rank(), dist.get_world_size())
