"""Where to compute: the rules for device, precision and compilation, whatever machine this is."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from tiny import QUICK, copying, losses, small, state_of, trained

from tinyrec import device as devices
from tinyrec.device import agrees_with_cpu, compile_model, machine, pick_device, pick_precision
from tinyrec.evaluate import answer, evaluate
from tinyrec.models import MODELS
from tinyrec.models.layers import Network

CPU, CUDA, MPS = (torch.device(name) for name in ("cpu", "cuda", "mps"))


@pytest.fixture
def has(monkeypatch):
    """Say which GPUs there are and whether Apple's trains as the CPU does."""

    def there_are(cuda=False, mps=False, agrees=True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(devices, "agrees_with_cpu", lambda name: agrees and name == "mps")

    return there_are


# --- device ---------------------------------------------------------------------------------------


def test_without_a_gpu_it_is_the_cpu(has, capsys):
    has()
    assert pick_device() == CPU and not capsys.readouterr().out


def test_a_cuda_gpu_comes_first_and_each_process_takes_its_own(has, monkeypatch):
    has(cuda=True, mps=True)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert pick_device() == torch.device("cuda", 0)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert pick_device() == torch.device("cuda", 3)


def test_an_apple_gpu_is_taken_where_it_agrees_with_the_cpu(has, capsys):
    has(mps=True)
    assert pick_device() == MPS and not capsys.readouterr().out


def test_an_apple_gpu_that_differs_is_left_alone_and_one_line_says_so(has, capsys):
    has(mps=True, agrees=False)
    assert pick_device() == CPU
    (line,) = capsys.readouterr().out.splitlines()
    assert "(MPS) trains otherwise" in line and line.endswith("the CPU is used")


@pytest.fixture
def asked_anew():
    agrees_with_cpu.cache_clear()
    yield
    agrees_with_cpu.cache_clear()


def test_the_cpu_agrees_with_itself_and_torchs_random_numbers_stay(asked_anew):
    before = torch.get_rng_state()
    assert agrees_with_cpu("cpu") is True
    assert torch.equal(torch.get_rng_state(), before)


def test_a_device_that_cannot_do_it_all_does_not_agree(asked_anew):
    assert agrees_with_cpu("meta") is False  # it has no numbers


@pytest.mark.parametrize("error", [RuntimeError, TypeError, NotImplementedError])
def test_a_device_that_raises_does_not_agree(asked_anew, monkeypatch, error):
    def small_training(*args):
        raise error("Cannot convert a MPS Tensor to float64")

    monkeypatch.setattr(devices, "small_training", small_training)
    assert agrees_with_cpu("cpu") is False


@pytest.mark.parametrize(
    "there, agrees",
    [(lambda losses: losses, True)]
    + [(lambda losses, d=d: [*losses[:-1], losses[-1] + d], abs(d) < 1e-3) for d in (1e-4, 0.01)]
    + [(lambda losses: [float("nan")] * len(losses), False)],
    ids=["as here", "rounded otherwise", "another last loss", "nan"],
)
def test_a_device_agrees_by_every_loss(asked_anew, monkeypatch, there, agrees):
    real, calls = devices.small_training, []

    def small_training(*args):
        calls.append(args)
        return there(real(*args)) if len(calls) == 1 else real(*args)

    monkeypatch.setattr(devices, "small_training", small_training)
    assert agrees_with_cpu("cpu") is agrees


def test_the_small_training_learns():
    torch.manual_seed(0)
    x = torch.randint(1, 6, (8, 16))
    found = devices.small_training(small(), x, 5)
    assert len(found) == 5 and found[-1] < found[0] - 0.05


# --- precision ------------------------------------------------------------------------------------


@pytest.fixture
def no_wish(monkeypatch):
    monkeypatch.delenv("TINYREC_PRECISION", raising=False)


ASKS = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")


@pytest.mark.parametrize("has", [(True, False), (False, True), (False, False)])
def test_a_cpus_precision_follows_its_instructions(no_wish, monkeypatch, has):
    for ask, answer_ in zip(ASKS, has, strict=True):
        monkeypatch.setattr(torch.cpu, ask, lambda answer_=answer_: answer_, raising=False)
    assert pick_precision(CPU) is (torch.bfloat16 if any(has) else torch.float32)


def test_an_older_pytorch_that_knows_no_instructions_means_float32(no_wish, monkeypatch):
    for ask in ASKS:
        monkeypatch.delattr(torch.cpu, ask, raising=False)
    assert pick_precision(CPU) is torch.float32


@pytest.mark.parametrize("fast", [True, False])
def test_a_gpus_precision_follows_what_it_does_without_emulation(no_wish, monkeypatch, fast):
    def is_bf16_supported(including_emulation=True):
        return fast or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_bf16_supported)
    assert pick_precision(CUDA) is (torch.bfloat16 if fast else torch.float32)
    assert pick_precision(MPS) is torch.float32


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_the_environment_decides_otherwise(monkeypatch, name):
    monkeypatch.setenv("TINYREC_PRECISION", name)
    assert {pick_precision(device) for device in (CPU, CUDA, MPS)} == {getattr(torch, name)}
    monkeypatch.setenv("TINYREC_PRECISION", "float16")
    with pytest.raises(ValueError, match="PRECISION is 'float16'; expected float32 or bfloat16"):
        pick_precision(CPU)


# --- compilation ----------------------------------------------------------------------------------


@pytest.fixture
def compiled(monkeypatch):
    """What torch.compile is asked for, with which options; nothing is really compiled."""
    calls = []

    def compile_(function, **options):
        calls.append((getattr(function, "__self__", None), options))
        return function

    monkeypatch.setattr(torch, "compile", compile_)
    return calls


@pytest.mark.parametrize(
    "device, steps, puzzles, whole",
    [
        (CPU, 0, 0, False),
        (CPU, devices.LONG - 1, 0, False),
        (CPU, devices.LONG, 0, True),
        (CPU, devices.LONG, 3, False),  # the table's sparse gradient stays outside
    ],
)
def test_short_trainings_compile_blocks_and_long_ones_the_segment(
    compiled, device, steps, puzzles, whole
):
    model = small("hrm", puzzles=puzzles)
    assert compile_model(model, device, steps) == "torch.compile"
    networks = [part for part in model.modules() if isinstance(part, Network)]
    assert [part for part, _ in compiled if part] == ([model] if whole else networks)
    assert len(networks) == 2 and evaluate(model, copying(4)).answers.shape == (4, 16)


def test_what_has_nothing_to_compile_stays_eager(compiled):
    assert compile_model(small("naive"), CPU) == "eager: this model has nothing to compile"
    assert compile_model(small(), MPS) == "eager: torch.compile is not used on Apple GPUs"
    assert not compiled


@pytest.mark.parametrize(
    "error, said",
    [
        (RuntimeError("no C++ compiler found\nset CXX\n..."), "(no C++ compiler found)"),
        (RuntimeError("x" * 500), f"({'x' * 90})"),
        (ImportError(), "(ImportError)"),
    ],
    ids=["many lines", "a long line", "no words"],
)
def test_without_a_compiler_one_line_says_why_and_training_goes_on(monkeypatch, error, said):
    def compile_(function, **options):
        raise error

    monkeypatch.setattr(torch, "compile", compile_)
    model = small()
    assert compile_model(model, CPU) == f"eager: torch.compile does not work here {said}"
    assert trained(model).history


# --- what machine this is -------------------------------------------------------------------------


def test_a_machine_is_told_by_processor_threads_and_versions(monkeypatch):
    found = machine(CPU)
    assert set(found) == {"device", "threads", "python", "torch"}
    assert found["threads"] == torch.get_num_threads() and found["torch"] == torch.__version__
    assert torch.backends.cpu.get_cpu_capability() in found["device"]
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A GPU")
    assert machine(CUDA)["device"] == "A GPU"


@pytest.mark.parametrize(
    "text, capability, name",
    [
        (
            "model name : X\ncpu family : 6\nmodel : 143\nflags : avx2\n",
            "AVX2",
            "X family 6 model 143 (AVX2)",
        ),
        ("model name : X\nflags : a amx_bf16\n", "AVX512", "X (AVX512, AMX)"),
        ("model name : X\nflags : a amx_bf16\n", "AVX2", "X (AVX2)"),  # lowered by a variable
        ("model name : X\nmodel name : Y\n", "DEFAULT", "X (DEFAULT)"),  # one entry a core
        ("", "DEFAULT", "a processor (DEFAULT)"),
    ],
)
def test_a_processor_is_told_by_generation_and_instructions(monkeypatch, text, capability, name):
    file = SimpleNamespace(exists=lambda: bool(text), read_text=lambda: text)
    monkeypatch.setattr(devices, "Path", lambda path: file)
    monkeypatch.setattr(devices.platform, "processor", lambda: "a processor")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert devices.processor() == name


# --- a default device of the caller's -------------------------------------------------------------


@pytest.fixture
def elsewhere():
    """Call it, and a tensor made without a device has no numbers."""
    yield lambda: torch.set_default_device("meta")
    torch.set_default_device(None)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("optimizer", ["adamw", "adam_atan2", "muon"])
def test_a_default_device_does_no_harm(elsewhere, kind, optimizer):
    settings = dict(puzzles=3) if kind != "naive" else {}
    config = replace(QUICK, steps=4, optimizer=optimizer, evaluate_every=2)
    puzzles, models = copying(20, ids=3), [small(kind, **settings) for _ in range(2)]
    here = trained(models[0], config, puzzles, {"test": puzzles})
    found = evaluate(here.averaged, puzzles)
    answers = answer(here.averaged, puzzles.x, puzzle_ids=puzzles.ids, batch=3, sure=0.0)

    elsewhere()
    there = trained(models[1], config, puzzles, {"test": puzzles})
    assert losses(there) == losses(here)
    found_too = evaluate(there.averaged, puzzles)
    answers_too = answer(there.averaged, puzzles.x, puzzle_ids=puzzles.ids, batch=3, sure=0.0)
    torch.set_default_device(None)
    assert all(value.device == CPU for value in state_of(there).values())
    assert torch.equal(found.answers, found_too.answers) and found.exact == found_too.exact
    assert torch.equal(answers.tokens, answers_too.tokens)
    assert torch.equal(answers.segments, answers_too.segments)
