"""Full-size training on a GPU: steps per second, and the share of the GPU's measured matrix peak.

    python tests/benchmarks/gpu.py [--out FILE.json]

The size is the paper's for Sudoku: width 512, T=3, n=6, batch 768, 81 cells behind a prefix of 16.
"""

import argparse
import gc
import sys
import time
from dataclasses import asdict
from pathlib import Path

import sides
import torch
from pairs import paired, quartiles
from torch.utils.flop_counter import FlopCounterMode

from tinyrec.checkpoints import to_json, write_atomically
from tinyrec.device import machine, pick_precision
from tinyrec.models.trm import TRM, TRMConfig


def measure(
    device: torch.device,
    config: TRMConfig = TRMConfig(),
    batch: int = 768,
    steps: int = 10,
    rounds: int = 7,
    matrix: int = 8192,
) -> dict:
    """tinyrec against the textbook (bfloat16; compiled, then eager), as steps per second and as a
    share of the peak.

    Each is a pair of its own: all memory is given back between them.
    """
    dtype = pick_precision(device)
    work = sides.Work(config, sides.sudoku_puzzles(int(config.length**0.5)), batch, steps, device)
    peak = matrix_peak(device, dtype, matrix)
    flops = batch * flops_per_puzzle(config)
    pairs = []
    for rival, compiled in (("textbook, compiled", True), ("textbook", False)):
        ways = {
            "tinyrec": sides.ours(work, dtype),
            rival: sides.textbook(work, dtype, compiled=compiled),
        }
        pairs.append(paired(ways, steps, rounds))
        for way in pairs[-1].values():
            way["share_of_peak"] = way["rate"]["median"] * flops / peak["median"]
        del ways
        torch.compiler.reset()
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return {
        "machine": machine(device),
        "precision": str(dtype).removeprefix("torch."),
        "model": asdict(config),
        "batch": batch,
        "matrix_peak_flops_per_second": peak,
        "flops_per_step": flops,
        "pairs": pairs,
    }


def matrix_peak(device: torch.device, dtype: torch.dtype, size: int, repeats: int = 20) -> dict:
    """FLOP/s of square matrix products, the best that the device reaches in practice."""
    a, b = torch.randn(2, size, size, device=device).to(dtype)
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    rates = []
    for _ in range(repeats + 3):
        wait()
        began = time.perf_counter()
        a @ b
        wait()
        rates.append(2 * size**3 / (time.perf_counter() - began))
    return quartiles(rates[3:])


def flops_per_puzzle(config: TRMConfig) -> int:
    """Multiplications and additions in the matrix products of one training step on one puzzle,
    counted by PyTorch.
    """
    model, batch = TRM(config), 2
    tokens = torch.ones(batch, config.length, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        _, logits, _ = model(tokens, model.initial_state(batch))
        logits.sum().backward()
    return counter.get_total_flops() // batch


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("bench-gpu needs a CUDA GPU; PyTorch sees none here")
    found = to_json(measure(torch.device("cuda")))
    print(found.decode())
    if arguments.out:
        write_atomically(arguments.out, found)
