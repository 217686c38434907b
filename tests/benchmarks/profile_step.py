"""Where the time of a training step goes: matrix products, the rest of the networks, everything
around them.
"""

import time
from collections.abc import Callable

import sides
import torch
from throughput import FIXED
from torch.profiler import ProfilerActivity, profile

from tinyrec.device import pick_precision

PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "mkldnn::_linear_pointwise")


def profiles(steps: int = 5, batch: int = 128, config=FIXED) -> dict:
    """Milliseconds of a step by kind: the textbook in float32, made faster in two steps, and
    tinyrec.
    """
    work = sides.Work(config, sides.sudoku_puzzles(int(config.length**0.5)), batch, steps)
    fast = pick_precision(work.device)
    name = str(fast).removeprefix("torch.")
    ways = {
        "textbook, float32": sides.textbook(work, torch.float32),
        f"textbook, {name}": sides.textbook(work, fast),
        f"textbook, {name}, compiled": sides.textbook(work, fast, compiled=True),
        "tinyrec": sides.ours(work, fast),
    }
    return {name: kinds(call, steps) for name, call in ways.items()}


def kinds(call: Callable[[], None], steps: int) -> dict[str, float]:
    """`call` does `steps` steps. The time of compiled code and of PyTorch's own small operations is
    told apart.
    """
    call()
    call()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        began = time.perf_counter()
        call()
        wall = 1000 * (time.perf_counter() - began) / steps
    milliseconds = {"matrix products": 0.0, "fused kernels": 0.0, "other operations": 0.0}
    for event in profiler.key_averages():
        own = event.self_cpu_time_total / 1000 / steps
        if event.key in PRODUCTS:
            milliseconds["matrix products"] += own
        elif "CompiledFxGraph" in event.key:
            milliseconds["fused kernels"] += own
        elif event.key.startswith("aten::"):
            milliseconds["other operations"] += own
    milliseconds["Python and the rest"] = max(0.0, wall - sum(milliseconds.values()))
    return milliseconds
