"""Data parallel training on a CPU: one process for each core, each with its own slots.

Two threads that share one small operation wait for each other after each of them. Two processes that share one step
meet once a step, to add up their gradients. And each works on a few slots at a time, so that what it computes stays in
the cache. The sums are those of one process, but for rounding.
"""

import mmap
import multiprocessing
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from tinyrec.layers import Linear

Work = Callable[[slice], Iterator[dict[str, Tensor]]]


def pick_processes(model: nn.Module, batch: int, fewest: int = 16) -> int:
    """How many processes `train` uses: one for each of PyTorch's threads, where that pays and works; otherwise 1.

    It needs Linux (a process that has started threads can be copied safely there), a model on the CPU without sparse
    gradients, and a batch that gives each process the same number of slots, at least `fewest`.
    """
    threads = torch.get_num_threads()
    works = sys.platform == "linux" and next(model.parameters()).device.type == "cpu"
    sparse = getattr(model.config, "puzzles", 0) > 0
    pays = batch % threads == 0 and batch // threads >= fewest
    return threads if works and pays and not sparse else 1


def pick_slots(model: nn.Module, slots: int, dtype: torch.dtype, cache: int = 5_000_000) -> int:
    """How many of its slots a process works on at a time: as many as keep the widest activation below `cache` bytes.

    A linear map with k outputs for m inputs makes k/m numbers of each number of the state. The 5 MB were found by
    trying; they are not the size of a cache, for some of the numbers are used up before the last are made.
    """
    shapes = [part.weight.shape for part in model.modules() if isinstance(part, Linear)]
    wider = max((outputs / inputs for outputs, inputs in shapes), default=1)
    state = model.initial_state(1, dtype)[0]
    fit = max(1, int(cache / (wider * state.numel() * state.element_size())))
    return max(n for n in range(1, slots + 1) if slots % n == 0 and n <= fit)


class Team:
    """This process and its copies, which together make the gradients of a step, `slots` slots at a time.

    `work(slots)` runs for ever. At each turn it adds the gradients of its slice of the slots (a mean over them) to the
    model's and yields numbers that can be added up. The weights lie in memory that all see; only this process changes
    them, between two calls of `step`.
    """

    def __init__(self, model: nn.Module, work: Work, batch: int, processes: int, slots: int):
        if batch % (processes * slots):
            raise ValueError(
                f"{batch} slots cannot be shared alike by {processes} processes, {slots} at a time"
            )
        self.slices = [slice(start, start + slots) for start in range(0, batch, slots)]
        self.processes, self.model, self.work, self.others = processes, model, work, []
        self.threads, self.waiting = torch.get_num_threads(), False  # the copies begin unasked

    def __enter__(self) -> "Team":
        self.own = [self.work(part) for part in self.slices[:: self.processes]]
        if self.processes == 1:
            return self
        try:
            torch.set_num_threads(1)
            next(self.work(self.slices[0]))  # compiles; the copies have it then, too
            self.model.zero_grad()
            share_weights(self.model)
            for number in range(1, self.processes):
                self.others.append(self.fork(number))
        except BaseException:
            self.__exit__()
            raise
        return self

    def fork(self, number: int) -> tuple:
        """Start a copy of this process; returns it, this end of the line to it, and where its gradients will lie."""
        context = multiprocessing.get_context("fork")
        here, there = context.Pipe()
        gradients = [shared(p.numel()).view_as(p) for p in self.model.parameters()]
        ends = [end for _, end, _ in self.others] + [here]  # not for the copy to hold open
        process = context.Process(
            target=self.serve, args=(number, gradients, there, ends), daemon=True
        )
        with warnings.catch_warnings():  # Python warns of threads; the copy uses none of them
            warnings.filterwarnings("ignore", ".*multi-threaded", DeprecationWarning)
            process.start()
        there.close()
        return process, here, gradients

    def __exit__(self, *error) -> None:
        for process, end, _ in self.others:
            end.close()  # tells the copy to leave
            process.join()
        if self.others:
            own_weights(self.model)
        self.others = []
        torch.set_num_threads(self.threads)

    def serve(self, number: int, gradients: list[Tensor], there, ends) -> None:
        """What a copy does: its part of every step, until the first process has gone."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # interrupting is for the first process
        for end in ends:
            end.close()
        own = [self.work(part) for part in self.slices[number :: self.processes]]
        try:
            while True:
                numbers = turn(own)
                for p, row in zip(self.model.parameters(), gradients):
                    if p.grad is not None:
                        row.copy_(p.grad)
                self.model.zero_grad()
                there.send({name: float(number) for name, number in numbers.items()})
                there.recv()
        except (EOFError, BrokenPipeError):
            pass

    @contextmanager
    def at_rest(self):
        """Between two steps: all threads are this process's own, for something else."""
        working = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            yield
        finally:
            torch.set_num_threads(working)

    def step(self) -> dict[str, Tensor]:
        """Make the gradients of one step, a mean over all slots; returns the sums of the numbers.

        RuntimeError where another process has stopped.
        """
        try:
            if self.waiting:
                for _, end, _ in self.others:
                    end.send(None)
            self.waiting = True
            sums = turn(self.own)
            for _, end, gradients in self.others:
                for name, number in end.recv().items():
                    sums[name] = sums[name] + number
                for p, row in zip(self.model.parameters(), gradients):
                    if p.grad is not None:
                        p.grad += row
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            raise RuntimeError("another process of this training has stopped; see above") from error
        for p in self.model.parameters() if len(self.slices) > 1 else ():
            if p.grad is not None:
                p.grad /= len(self.slices)
        return sums


def turn(work: list[Iterator[dict[str, Tensor]]]) -> dict[str, Tensor]:
    """One turn of each; the sums of their numbers."""
    sums = {}
    for numbers in map(next, work):
        for name, number in numbers.items():
            sums[name] = sums.get(name, 0) + number
    return sums


def shared(numbers: int) -> Tensor:
    """float32 zeros in memory that this process and its copies see alike."""
    return torch.frombuffer(mmap.mmap(-1, 4 * numbers), dtype=torch.float32)


def share_weights(model: nn.Module) -> None:
    for p in model.parameters():
        p.data = shared(p.numel()).view_as(p).copy_(p.data)


def own_weights(model: nn.Module) -> None:
    for p in model.parameters():
        p.data = p.data.clone()
