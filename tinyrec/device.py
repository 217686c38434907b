"""Where to compute: which device, which precision, whether to compile, what machine this is."""

import copy
import getpass
import os
import platform
import tempfile
from functools import cache
from pathlib import Path

import torch
from torch import nn

from tinyrec.carry import empty_carry, refill, segment
from tinyrec.losses import segment_loss
from tinyrec.models import TRM, TRMConfig
from tinyrec.models.layers import Network
from tinyrec.puzzles import Batch

if lowered := os.environ.get("ATEN_CPU_CAPABILITY"):
    # PyTorch's cache of compiled kernels does not tell instruction sets apart, and those of another
    # give nan. It settles on a folder at its first use, be it an optimiser's: hence at import.
    own = Path(tempfile.gettempdir()) / f"torchinductor_{getpass.getuser()}_{lowered}"
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(own))

LONG = 1500  # steps from which on compiling the whole segment pays
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def pick_device() -> torch.device:
    """A CUDA GPU where there is one, or an Apple GPU that computes as the CPU does, or the CPU.

    Under torchrun each process takes the GPU of its own number.
    """
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    if torch.backends.mps.is_available():
        if agrees_with_cpu("mps"):
            return torch.device("mps")
        print("this machine's GPU (MPS) trains otherwise than its CPU does: the CPU is used")
    return torch.device("cpu")


@cache
def agrees_with_cpu(device: str, steps: int = 5, tolerance: float = 1e-3) -> bool:
    """Whether a small training gives the same losses on a device as on the CPU."""
    with torch.device("cpu"), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = TRM(TRMConfig(vocab=6, length=16, width=32, multiple=32, prefix=1))
        x = torch.randint(1, 6, (8, 16))
    try:
        there = small_training(copy.deepcopy(model).to(device), x.to(device), steps)
    except (RuntimeError, TypeError):  # an operation that it does not have
        return False
    here = small_training(model, x, steps)
    return all(abs(a - b) < tolerance for a, b in zip(there, here, strict=True))


def small_training(model: nn.Module, x: torch.Tensor, steps: int) -> list[float]:
    """The losses of some steps of AdamW on one batch x (B, L) that is its own answer."""
    batch, losses = Batch(x, x, None), []
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    carry = empty_carry(model, batch)
    for _ in range(steps):
        carry, outputs = segment(model, refill(model, carry, batch))
        loss, _ = segment_loss(carry, outputs)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    return losses


def pick_precision(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it fast, otherwise float32.

    Fast are recent GPUs, and CPUs with AMX or AVX512_BF16. The environment variable
    TINYREC_PRECISION=float32|bfloat16 decides otherwise; ValueError for another value.
    """
    if wish := os.environ.get("TINYREC_PRECISION"):
        if wish not in PRECISIONS:
            raise ValueError(f"TINYREC_PRECISION is {wish!r}; expected {' or '.join(PRECISIONS)}")
        return PRECISIONS[wish]
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":  # PyTorch has no public name for these questions
        asks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        lowered = os.environ.get("ATEN_CPU_CAPABILITY", "avx512") != "avx512"
        fast = not lowered and any(getattr(torch.cpu, ask, bool)() for ask in asks)
    else:
        fast = False
    return torch.bfloat16 if fast else torch.float32


def compile_model(
    model: nn.Module,
    device: torch.device,
    steps: int = 0,
    slots: int = 64,
    dtype: torch.dtype = torch.float32,
) -> str:
    """Let torch.compile fuse the model in place, where it works; says in one line what happened.

    To find out, one segment of so many slots goes forward and backward. A training of as many slots
    in that dtype then begins without compiling again.

    On a GPU the whole segment becomes CUDA graphs, one forward and one backward, so that its
    hundreds of kernels need not be launched one by one. On a CPU each block of the networks is
    compiled for a training of few `steps`, the whole segment for a long one: that takes some 20 s
    more, and then a tenth less of every step. A copy of the model, such as its moving average, is
    not compiled. Models compiled before compile again at their next call: PyTorch counts the
    compilations of a process together, and beyond eight it would go on eagerly without saying so.
    """
    networks = [part for part in model.modules() if isinstance(part, Network)]
    if not networks:
        return "eager: this model has nothing to compile"
    if device.type == "mps":
        return "eager: torch.compile is not used on Apple GPUs"
    torch.compiler.reset()
    if model.config.puzzles or (device.type == "cpu" and steps < LONG):
        parts, how = networks, {}  # the table's sparse gradient stays outside
    else:
        mode = "reduce-overhead" if device.type == "cuda" else None
        parts, how = [model], dict(mode=mode, dynamic=False)
    try:
        for part in parts:
            part.compile(**how)
        one_segment(model, slots, dtype)
    except Exception as error:  # no C++ compiler, no Triton, an unsupported Python, ...
        for part in parts:
            part._compiled_call_impl = None  # as if it had never been asked
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return f"eager: torch.compile does not work here ({reason[:90]})"
    return "torch.compile"


def one_segment(model: nn.Module, slots: int, dtype: torch.dtype) -> None:
    """Forward and backward, as a training's first step goes; the model stays as it is."""
    x = torch.ones(slots, model.config.length, dtype=torch.long, device=model.start.device)
    ids = x[:, 0] - 1 if model.config.puzzles else None
    batch = Batch(x, x, ids)
    carry, outputs = segment(model, refill(model, empty_carry(model, batch, dtype), batch))
    torch.autograd.grad(segment_loss(carry, outputs)[0], list(model.parameters()))


def wait(device: torch.device) -> None:
    """Until a GPU has done what it was given: before a clock is read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def machine(device: torch.device) -> dict[str, str | int]:
    """What a number was measured on: device, threads, versions."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    return {
        "device": name,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def processor() -> str:
    """The processor's name, generation and widest vector instructions, as far as can be told."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    about = {}
    for name, _, value in (line.partition(":") for line in lines):
        about.setdefault(name.strip(), value.strip())
    name = about.get("model name", platform.processor())
    if "cpu family" in about:  # virtual machines hide a name's number, and generations differ
        name += f" family {about['cpu family']} model {about.get('model', '?')}"
    capability = torch.backends.cpu.get_cpu_capability()
    if capability == "AVX512" and "amx_bf16" in about.get("flags", ""):
        capability = "AVX512, AMX"
    return f"{name} ({capability})"
