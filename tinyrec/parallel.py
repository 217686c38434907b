"""Data parallel training on a CPU: one process for each core, each with its own slots.

Two threads that share one small operation wait for each other after each of them. Two processes that share one step
meet once a step, to add up their gradients. And each works on a few slots at a time, so that more of what it computes
is in the cache when it is needed. The sums are those of one process, but for rounding.
"""

import mmap
import multiprocessing
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from tinyrec.layers import Linear

Work = Callable[[list[slice]], Iterator[dict[str, Tensor]]]


def can_share(model: nn.Module) -> bool:
    """Whether several processes can train the model: float32 weights with dense gradients, on Linux without a GPU.

    Elsewhere a process that has computed cannot be copied, or its copy cannot compute gradients. Nor can a process be
    copied that is a worker itself, such as one of a multiprocessing.Pool.
    """
    weights_fit = all(p.is_cpu and p.dtype == torch.float32 for p in model.parameters())
    dense = not getattr(model.config, "puzzles", 0)
    copies = sys.platform == "linux" and not torch.cuda.is_available()
    return weights_fit and dense and copies and not multiprocessing.current_process().daemon


def pick_processes(model: nn.Module, batch: int, fewest: int = 16) -> int:
    """How many processes `train` uses: one for each of PyTorch's threads, or one.

    It is one where `can_share` is false, and where the batch does not give every process the same number of slots, at
    least `fewest`.
    """
    threads = torch.get_num_threads()
    pays = batch % threads == 0 and batch // threads >= fewest
    return threads if pays and can_share(model) else 1


def pick_slots(model: nn.Module, slots: int, dtype: torch.dtype, cache: int = 5_000_000) -> int:
    """How many of its slots a process works on at a time: as many as keep the widest activation below `cache` bytes.

    A linear map with k outputs for m inputs makes k/m numbers of each number of the state. The 5 MB were found by
    trying. All turns are alike, so it is a divisor of `slots`; where none of at least 8 fits, it is all of them.
    """
    shapes = [part.weight.shape for part in model.modules() if isinstance(part, Linear)]
    wider = max((outputs / inputs for outputs, inputs in shapes), default=1)
    state = model.initial_state(1, dtype)[0]
    fit = int(cache / (wider * state.numel() * state.element_size()))
    return max((n for n in range(8, min(fit, slots) + 1) if slots % n == 0), default=slots)


class Team:
    """This process and its copies, which together make the gradients of a step, `slots` slots at a time.

    `work(slices)` runs for ever. At each turn it adds the gradients of its slices of the slots to the model's and yields
    numbers that can be added up. The weights lie in memory that all see; only this process changes them, between two
    calls of `step`. ValueError where processes cannot share the model or the slots.
    """

    def __init__(self, model: nn.Module, work: Work, batch: int, processes: int, slots: int):
        if processes < 1 or batch % (processes * slots):
            raise ValueError(
                f"{batch} slots cannot be shared alike by {processes} processes, {slots} at a time"
            )
        if processes > 1 and not can_share(model):
            raise ValueError(
                f"processes is {processes}; this model cannot be shared here, see can_share"
            )
        slices = [slice(start, start + slots) for start in range(0, batch, slots)]
        self.slices = [slices[number::processes] for number in range(processes)]
        self.model, self.work, self.others = model, work, []
        self.waiting = False  # the copies begin unasked

    def __enter__(self) -> "Team":
        self.own = self.work(self.slices[0])
        if len(self.slices) == 1:
            return self
        try:
            with one_thread():
                next(self.work(self.slices[0][:1]))  # compiles; the copies have it then, too
                self.model.zero_grad()
                share_weights(self.model)
                for slices in self.slices[1:]:
                    self.others.append(self.fork(slices))
        except BaseException:
            self.__exit__()
            raise
        return self

    def fork(self, slices: list[slice]) -> tuple:
        """Start a copy of this process; returns it, this end of the line to it, and where its gradients will lie."""
        context = multiprocessing.get_context("fork")
        here, there = context.Pipe()
        gradients = [shared(p.numel()).view_as(p) for p in self.model.parameters()]
        ends = [end for _, end, _ in self.others] + [here]  # not for the copy to hold open
        process = context.Process(
            target=self.serve, args=(slices, gradients, there, ends), daemon=True
        )
        with warnings.catch_warnings():  # Python warns of threads; the copy uses none of them
            warnings.filterwarnings("ignore", ".*multi-threaded", DeprecationWarning)
            process.start()
        there.close()
        return process, here, gradients

    def __exit__(self, *error) -> None:
        for process, end, _ in self.others:
            process.kill()  # it holds nothing that is needed
            process.join()
            end.close()
        if len(self.slices) > 1:
            own_weights(self.model)
        self.others = []

    def serve(self, slices: list[slice], gradients: list[Tensor], there, ends) -> None:
        """What a copy does: its part of every step, until the first process has gone."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # interrupting is for the first process
        if hasattr(torch.compiler, "set_stance"):  # the compiler's threads were not copied
            torch.compiler.set_stance("fail_on_recompile")
        for end in ends:
            end.close()
        try:
            for numbers in self.work(slices):
                for p, row in zip(self.model.parameters(), gradients):
                    if p.grad is not None:
                        row.copy_(p.grad)
                self.model.zero_grad()
                there.send({name: float(number) for name, number in numbers.items()})
                there.recv()
        except (EOFError, ConnectionError):
            pass

    def step(self) -> dict[str, Tensor]:
        """Make the gradients of one step, the sums of all slices'; returns the sums of the numbers.

        RuntimeError where another process has stopped.
        """
        try:
            if self.waiting:
                for _, end, _ in self.others:
                    end.send(None)
            self.waiting = True
            with one_thread() if self.others else nullcontext():
                sums = next(self.own)
            for _, end, gradients in self.others:
                for name, number in end.recv().items():
                    sums[name] = sums[name] + number
                for p, row in zip(self.model.parameters(), gradients):
                    if p.grad is not None:
                        p.grad += row
        except (EOFError, ConnectionError) as error:
            raise RuntimeError("another process of this training has stopped; see above") from error
        return sums


@contextmanager
def one_thread() -> Iterator[None]:
    """This process leaves the other cores to its copies meanwhile."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def shared(numbers: int) -> Tensor:
    """float32 zeros in memory that this process and its copies see alike."""
    return torch.frombuffer(mmap.mmap(-1, 4 * numbers), dtype=torch.float32)


def share_weights(model: nn.Module) -> None:
    for p in model.parameters():
        p.data = shared(p.numel()).view_as(p).copy_(p.data)


def own_weights(model: nn.Module) -> None:
    for p in model.parameters():
        p.data = p.data.clone()
