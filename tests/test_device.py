"""Device, precision and compilation, by hardware, on any machine; what machine this is."""

import copy
import os
import platform
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from tiny import QUICK, copying, different, losses, small, state_of, trained

from tinyrec import device as room
from tinyrec.checkpoints import resume, save_training
from tinyrec.device import (
    LONG,
    agrees_with_cpu,
    compile_model,
    machine,
    pick_device,
    pick_precision,
    processor,
    small_training,
)
from tinyrec.evaluate import answer, evaluate
from tinyrec.puzzles.sudoku import rules
from tinyrec.train import Training

CPU, CUDA, MPS = (torch.device(kind) for kind in ("cpu", "cuda", "mps"))


@pytest.fixture
def hardware(monkeypatch):
    """Pretend to have it."""

    def pretend(cuda=False, mps=False, agrees=True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(room, "agrees_with_cpu", {"mps": agrees}.__getitem__)

    return pretend


# --- which device ---------------------------------------------------------------------------------


def test_without_a_gpu_the_cpu_is_used(hardware, capsys):
    hardware()
    assert pick_device() == CPU and capsys.readouterr().out == ""


def test_each_rank_takes_the_gpu_of_its_own_number(hardware, monkeypatch):
    hardware(cuda=True, mps=True)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert pick_device() == torch.device("cuda", 0)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert pick_device() == torch.device("cuda", 3)


def test_an_apple_gpu_is_used_only_where_it_agrees_with_the_cpu(hardware, capsys):
    hardware(mps=True)
    assert pick_device() == MPS and capsys.readouterr().out == ""
    hardware(mps=True, agrees=False)
    assert pick_device() == CPU
    said = capsys.readouterr().out
    assert said == "this machine's GPU (MPS) trains otherwise than its CPU does: the CPU is used\n"


@pytest.fixture
def asked_anew():
    agrees_with_cpu.cache_clear()
    yield
    agrees_with_cpu.cache_clear()


def test_the_cpu_agrees_with_itself_and_asking_draws_no_random_numbers(asked_anew):
    before = torch.get_rng_state()
    assert agrees_with_cpu("cpu")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_device_that_cannot_compute_is_refused(asked_anew):
    assert not agrees_with_cpu("meta")  # it computes nothing, and says so when asked for a number


@pytest.mark.parametrize("error", [RuntimeError, TypeError, NotImplementedError])
def test_a_device_that_raises_is_refused(asked_anew, monkeypatch, error):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(room, "small_training", fail)
    assert not agrees_with_cpu("cpu")


@pytest.mark.parametrize(
    "step, off, agrees",
    [(0, 0.1, False), (4, -2e-3, False), (4, 1e-4, True), (2, torch.nan, False)],
)
def test_a_device_whose_losses_differ_is_refused(asked_anew, monkeypatch, step, off, agrees):
    trainings = []

    def other(model, x, steps):
        losses = small_training(model, x, steps)
        assert len(losses) == 5
        if not trainings:  # the device's training is the first one
            losses[step] += off
        trainings.append(losses)
        return losses

    monkeypatch.setattr(room, "small_training", other)
    assert agrees_with_cpu("cpu") == agrees and len(trainings) == 2


def test_the_small_training_trains():
    losses = small_training(small(), copying(8).x, steps=20)
    assert len(losses) == 20 and losses[-1] < 0.8 * losses[0]


# --- which precision ------------------------------------------------------------------------------


@pytest.fixture
def no_wish(monkeypatch):
    monkeypatch.delenv("TINYREC_PRECISION", raising=False)


@pytest.mark.parametrize("fast", [False, True])
def test_a_gpus_precision_is_what_it_multiplies_fast(no_wish, monkeypatch, fast):
    # an older GPU emulates bfloat16, which is slow
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation=True: including_emulation or fast,
    )
    assert pick_precision(CUDA) == (torch.bfloat16 if fast else torch.float32)


@pytest.mark.parametrize(
    "amx, avx512, expected",
    [
        (False, False, torch.float32),
        (True, False, torch.bfloat16),
        (False, True, torch.bfloat16),
        (None, None, torch.float32),  # a PyTorch that cannot be asked
    ],
)
def test_a_cpus_precision_is_what_it_multiplies_fast(no_wish, monkeypatch, amx, avx512, expected):
    for name, has in ("_is_amx_tile_supported", amx), ("_is_avx512_bf16_supported", avx512):
        if has is None:
            monkeypatch.delattr(torch.cpu, name, raising=False)
        else:
            monkeypatch.setattr(torch.cpu, name, lambda has=has: has, raising=False)
    assert pick_precision(CPU) == expected


def test_an_apple_gpu_computes_in_float32(no_wish):
    assert pick_precision(MPS) == torch.float32


@pytest.mark.parametrize("wish", ["float32", "bfloat16"])
def test_a_wish_decides_whatever_the_hardware(monkeypatch, wish):
    monkeypatch.setenv("TINYREC_PRECISION", wish)
    for device in CPU, CUDA, MPS:
        assert pick_precision(device) == getattr(torch, wish)


@pytest.mark.parametrize("wish", ["float16", "BFLOAT16", "32"])
def test_another_wish_is_an_error(monkeypatch, wish):
    monkeypatch.setenv("TINYREC_PRECISION", wish)
    message = f"TINYREC_PRECISION is '{wish}'; expected float32 or bfloat16"
    with pytest.raises(ValueError, match=message):
        pick_precision(CPU)


# --- compilation ----------------------------------------------------------------------------------


@pytest.fixture
def compiled(monkeypatch):
    """Which modules were compiled, and how; nothing is really compiled."""
    seen = []
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self, **how: seen.append((type(self).__name__, how))
    )
    return seen


BLOCKS = ("Network", {})
WHOLE = dict(mode=None, dynamic=False)


@pytest.mark.parametrize(
    "kind, settings, device, steps, expected",
    [
        ("trm", {}, CPU, 0, [BLOCKS]),
        ("trm", {}, CPU, LONG - 1, [BLOCKS]),
        ("trm", {}, CPU, LONG, [("TRM", WHOLE)]),
        ("trm", dict(networks=2), CPU, 0, [BLOCKS] * 2),
        ("hrm", {}, CPU, 0, [BLOCKS] * 2),
        ("hrm", {}, CPU, LONG, [("HRM", WHOLE)]),
        ("trm", dict(puzzles=3), CPU, LONG, [BLOCKS]),  # the table's sparse gradient stays outside
        ("trm", dict(puzzles=3), CUDA, LONG, [BLOCKS]),
        ("trm", {}, CUDA, 0, [("TRM", WHOLE | dict(mode="reduce-overhead"))]),
    ],
)
def test_blocks_or_the_whole_segment_are_compiled(
    compiled, kind, settings, device, steps, expected
):
    assert compile_model(small(kind, **settings), device, steps) == "torch.compile"
    assert compiled == expected


def test_there_may_be_nothing_to_compile(compiled):
    assert compile_model(small("naive"), CPU, LONG) == "eager: this model has nothing to compile"
    assert compile_model(small(), MPS, LONG) == "eager: torch.compile is not used on Apple GPUs"
    assert compiled == []


@pytest.mark.parametrize(
    "error, reason",
    [
        (RuntimeError("\nno C++ compiler\nmany more lines"), "no C++ compiler"),
        (RuntimeError(""), "RuntimeError"),
        (NotImplementedError("x" * 500), "x" * 90),
        (ImportError("no Triton"), "no Triton"),  # no RuntimeError
    ],
)
@pytest.mark.parametrize("steps", [0, LONG])
def test_where_it_does_not_work_one_line_says_why_and_it_goes_on(monkeypatch, error, reason, steps):
    """The fault comes up where the segment itself is compiled, at its first call."""

    def fail(*inputs):
        raise error

    def compile_later(self, **how):
        self._compiled_call_impl = fail

    monkeypatch.setattr(torch.nn.Module, "compile", compile_later)
    model = small()
    assert compile_model(model, CPU, steps) == f"eager: torch.compile does not work here ({reason})"
    assert losses(trained(model, replace(QUICK, steps=2, evaluate_every=1)))


def test_to_find_out_leaves_no_gradient_and_no_change(compiled):
    model = small(puzzles=3)
    before = copy.deepcopy(model.state_dict())
    assert compile_model(model, CPU, slots=4, dtype=torch.bfloat16) == "torch.compile"
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@torch.no_grad()  # compiling the backward pass too would take as long again
def test_a_model_computes_the_same_before_and_after_and_its_copy_stays_eager():
    """Whether this machine can compile or not."""
    model, x = small(), copying(4).x
    copied = copy.deepcopy(model)
    before = model(x, model.initial_state(4))[1]
    compile_model(model, CPU)
    torch.testing.assert_close(model(x, model.initial_state(4))[1], before, rtol=0, atol=1e-4)
    for other in copied, copy.deepcopy(model):
        assert all(part._compiled_call_impl is None for part in other.modules())


# --- this machine ---------------------------------------------------------------------------------


def test_the_machine_names_processor_threads_and_versions(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    assert machine(CPU) == {
        "device": processor(),
        "threads": 7,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"a fine {device.type} GPU")
    assert machine(CUDA)["device"] == "a fine cuda GPU"


CPUINFO = """\
processor\t: 0
cpu family\t: 6
model\t\t: 143
model name\t: A Processor: fast
flags\t\t: fpu {}
\nprocessor\t: 1
cpu family\t: 7
"""


@pytest.mark.parametrize(
    "text, capability, expected",
    [
        (CPUINFO.format("avx2"), "AVX2", "A Processor: fast family 6 model 143 (AVX2)"),
        (
            CPUINFO.format("amx_bf16"),
            "AVX512",
            "A Processor: fast family 6 model 143 (AVX512, AMX)",
        ),
        (CPUINFO.format("amx_bf16"), "AVX2", "A Processor: fast family 6 model 143 (AVX2)"),
        ("Hardware\t: something\n", "DEFAULT", "arm (DEFAULT)"),
        (None, "DEFAULT", "arm (DEFAULT)"),  # not Linux
    ],
)
def test_a_processor_has_its_name_generation_and_vectors(
    tmp_path, monkeypatch, text, capability, expected
):
    file = tmp_path / "cpuinfo"
    if text is not None:
        file.write_text(text)
    monkeypatch.setattr(room, "Path", lambda name: file)
    monkeypatch.setattr(platform, "processor", lambda: "arm")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert processor() == expected


# --- another default device -----------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adamw", "adam_atan2", "muon"])
@pytest.mark.parametrize("kind", ["trm", "hrm", "naive"])
def test_the_default_device_changes_nothing(tmp_path, kind, optimizer):
    puzzles = copying(ids=3)
    puzzles.augment = rules.augment
    config = replace(QUICK, steps=6, evaluate_every=3, optimizer=optimizer)
    models = [small(kind, **({} if kind == "naive" else dict(puzzles=3))) for _ in range(3)]
    attempts = dict(attempts=1 if kind == "naive" else 3, view=rules.view)

    def everything(model, again):
        training = trained(model, config, puzzles, {"test": puzzles})
        save_training(training, tmp_path, {})
        resumed = Training(again, puzzles, config)
        resume(resumed, tmp_path, {})
        found = evaluate(training.averaged, puzzles)
        answers = answer(training.averaged, puzzles.x, puzzle_ids=puzzles.ids, **attempts)
        return training, resumed, found, answers

    training, _, found, answers = everything(models[0], copy.deepcopy(models[0]))
    with torch.device("meta"):  # nothing can be computed on it
        there, resumed, found_there, answers_there = everything(*models[1:])
    for other in there, resumed:
        assert not different(state_of(training), state_of(other))
    assert found.exact == found_there.exact and torch.equal(found.answers, found_there.answers)
    assert torch.equal(answers.tokens, answers_there.tokens)


def test_lowered_instructions_have_compiled_kernels_of_their_own():
    """Kernels of another instruction set give nan, and PyTorch's cache does not tell them apart.

    Its folder is settled at the first use, which an optimiser's making is.
    """

    def folder(**variables):
        code = (
            "import torch, tinyrec.device;"
            "torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))]).step();"
            "from torch._inductor.runtime.cache_dir_utils import cache_dir; print(cache_dir())"
        )
        plain = {k: v for k, v in os.environ.items() if k not in names}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=plain | variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    names = "ATEN_CPU_CAPABILITY", "TORCHINDUCTOR_CACHE_DIR"
    capabilities = {}, {"ATEN_CPU_CAPABILITY": "default"}, {"ATEN_CPU_CAPABILITY": "avx2"}
    assert len({folder(**each) for each in capabilities}) == 3
    assert folder(ATEN_CPU_CAPABILITY="avx2", TORCHINDUCTOR_CACHE_DIR="/own") == "/own"
