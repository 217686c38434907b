"""Puzzles per second: tinyrec against the textbook and a package from PyPI, on the same work; and
for other sizes.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import peer
import sides
import torch
from pairs import paired, quartiles
from torch._inductor.utils import fresh_cache

from tinyrec.device import LONG, compile_model, pick_precision
from tinyrec.evaluate import evaluate
from tinyrec.models.trm import TRM, TRMConfig

CPU = torch.device("cpu")
# Section 3 of the comparison: fixed, so that numbers of different days can be compared.
FIXED = TRMConfig(vocab=8, length=36, width=128, layers=2, latent_steps=6, recursions=3, prefix=1)
ATTENTION = dict(mixing="attention", positions="rope", heads=4)


def fixed_work(rounds: int, batch: int = 128, config: TRMConfig = FIXED) -> dict:
    """Everybody's best against ours, one step of each in turn. Rates are puzzles (slots times
    steps) per second.

    All but the plain textbook have the precision that is fastest on this machine.
    """
    puzzles = sides.sudoku_puzzles(int(config.length**0.5))
    work = sides.Work(config, puzzles, batch, steps=1)
    fast = pick_precision(CPU)
    name = str(fast).removeprefix("torch.")
    ways = {
        "tinyrec": sides.ours(work, fast),
        "tinyrec, block by block": sides.ours(work, fast, compiled=None),
        "tinyrec, eager": sides.ours(work, fast, compiled=False),
        "textbook": sides.textbook(work, torch.float32),
        f"textbook, {name}, compiled": sides.textbook(work, fast, compiled=True),
    }
    if peer.available():
        ways[f"tiny-recursive-model, {name}"] = sides.from_pypi(work, fast)
        ways[f"tiny-recursive-model, {name}, compiled"] = sides.from_pypi(work, fast, compiled=True)
    with fresh_cache():  # nothing compiled on an earlier day is found again
        found = paired(ways, batch, rounds)
    return {
        "model": asdict(config),
        "parameters": {
            "tinyrec and textbook": count(TRM(config)),
            **({"tiny-recursive-model": count(peer.model(config))} if peer.available() else {}),
        },
        "precision": name,
        "batch": batch,
        "rounds": rounds,
        "ways": found,
    }


def sizes(rounds: int, steps: int, batch: int = 64, lengths=(36, 81), **change) -> list[dict]:
    """Training, inference and memory of tinyrec with both mixers on both grids."""
    rows, dtype = [], pick_precision(CPU)
    for length in lengths:
        for mixing in ("mlp", "attention"):
            other = ATTENTION if mixing == "attention" else {}
            vocab = int(length**0.5) + 2
            config = replace(FIXED, length=length, vocab=vocab, **other, **change)
            puzzles = sides.sudoku_puzzles(int(length**0.5), 256)
            work = sides.Work(config, puzzles, batch, steps)
            train = paired({"tinyrec": sides.ours(work, dtype)}, batch * steps, rounds)
            rows.append(
                {
                    "cells": length,
                    "mixing": mixing,
                    "batch": batch,
                    "training": train["tinyrec"]["rate"],
                    "inference": inference(config, puzzles, rounds, dtype),
                    "peak_memory_MB": peak_memory(config, batch),
                }
            )
    return rows


def inference(config: TRMConfig, puzzles, rounds: int, dtype: torch.dtype) -> dict:
    """Puzzles per second through all 16 segments."""
    torch.manual_seed(0)
    model = TRM(config)
    compile_model(model, CPU, steps=LONG)
    rates = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        evaluate(model, puzzles, dtype=dtype)
        rates.append(len(puzzles) / (time.perf_counter() - began))
    return quartiles(rates[1:])  # the first compiles


def peak_memory(config: TRMConfig, batch: int, **more) -> float:
    """MB that training takes beyond what Python and torch take by themselves, in a process of its
    own.
    """
    request = json.dumps({"model": asdict(config), "batch": batch, **more})
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, here / "memory.py", request],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(here)},
    )
    if done.returncode:
        raise RuntimeError(f"memory.py {request}: {done.stderr.strip().splitlines()[-1]}")
    return float(done.stdout.split()[-1])


def count(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())
