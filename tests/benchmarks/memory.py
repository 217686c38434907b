"""Peak memory of training steps, in this process: python memory.py '{"model": {...}, "batch": 4}'
prints MB.

"unrolled": true differentiates through every latent recursion and through `segments` segments in a
row: what TRM avoids by its gradient through the last recursion and its detached carry.
"""

import json
import re
import resource
import sys
from pathlib import Path

import torch

from tinyrec.losses import cell_losses
from tinyrec.models.trm import TRM, TRMConfig
from tinyrec.puzzles import PuzzleSet
from tinyrec.train import TrainConfig, Training, train


def used() -> float:
    """The most memory that this process has held so far, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux getrusage would count the process that started this one, too
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text()).group(1)) / 1024
    scale = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 2**20


def main(model: dict, batch: int, steps: int = 3, unrolled: bool = False) -> float:
    torch.manual_seed(0)
    config = TRMConfig(**model)
    trm = TRM(config)
    x = torch.randint(1, config.vocab, (batch, config.length))
    before = used()
    if unrolled:
        state, loss = trm.initial_state(batch), 0.0
        embedded = trm.embed(x, None, torch.float32)
        for _ in range(config.segments):
            for _ in range(config.recursions):
                state = trm.latent_recursion(embedded, state)
            loss = loss + cell_losses(trm.heads(state[0])[0], x).mean()
        loss.backward()
    else:
        settings = dict(optimizer="adamw", warmup=0, evaluate_every=0)
        config = TrainConfig(steps=steps, batch=batch, **settings)
        train(Training(trm, PuzzleSet(x, x), config), quiet=True)
    return used() - before


if __name__ == "__main__":
    print(main(**json.loads(sys.argv[1])))
