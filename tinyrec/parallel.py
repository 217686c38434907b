"""Data parallel training on a CPU: one process for each core, each with its own share of the slots.

Two threads that share one small operation wait for each other after each of them. Two processes that share one step
meet once a step, to add up their gradients. The sums are those of one process, but for rounding.
"""

import mmap
import multiprocessing
import signal
import sys
import warnings
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

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


class Team:
    """This process and its copies, which together make the gradients of a step.

    `work(share)` runs for ever. At each turn it leaves the gradients of its share of the slots (a mean over them) in the
    model and yields numbers that can be added up. The weights lie in memory that all see; only this process changes
    them, between two calls of `step`.
    """

    def __init__(self, model: nn.Module, work: Work, batch: int, processes: int):
        if batch % processes:
            raise ValueError(f"{batch} slots cannot be shared alike by {processes} processes")
        size = batch // processes
        self.shares = [slice(n * size, (n + 1) * size) for n in range(processes)]
        self.model, self.work, self.others = model, work, []
        self.threads = torch.get_num_threads()

    def __enter__(self) -> "Team":
        self.own = self.work(self.shares[0])
        if len(self.shares) == 1:
            return self
        torch.set_num_threads(1)
        next(self.work(self.shares[0]))  # compiles; the copies have it then, too
        self.model.zero_grad()
        share_weights(self.model)
        for share in self.shares[1:]:
            self.others.append(self.fork(share))
        self.waiting = False  # the copies have begun with the first step
        return self

    def fork(self, share: slice) -> tuple:
        """Start a copy of this process; returns it, this end of the line to it, and where its gradients will lie."""
        context = multiprocessing.get_context("fork")
        here, there = context.Pipe()
        gradients = [shared(p.numel()).view_as(p) for p in self.model.parameters()]
        ends = [end for _, end, _ in self.others] + [here]  # not for the copy to hold open
        process = context.Process(
            target=self.serve, args=(share, gradients, there, ends), daemon=True
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

    def serve(self, share: slice, gradients: list[Tensor], there, ends) -> None:
        """What a copy does: its share of every step, until the first process has gone."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # interrupting is for the first process
        for end in ends:
            end.close()
        try:
            for numbers in self.work(share):
                for p, row in zip(self.model.parameters(), gradients):
                    if p.grad is not None:
                        row.copy_(p.grad)
                self.model.zero_grad()
                there.send({name: float(number) for name, number in numbers.items()})
                there.recv()
        except (EOFError, BrokenPipeError):
            pass

    def step(self) -> dict[str, Tensor]:
        """Make the gradients of one step, a mean over all slots; returns the sums of the numbers.

        RuntimeError where another process has stopped.
        """
        if not self.others:
            return next(self.own)
        try:
            if self.waiting:
                for _, end, _ in self.others:
                    end.send(None)
            self.waiting = True
            sums = dict(next(self.own))
            for _, end, gradients in self.others:
                for name, number in end.recv().items():
                    sums[name] = sums[name] + number
                for p, row in zip(self.model.parameters(), gradients):
                    if p.grad is not None:
                        p.grad += row
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            raise RuntimeError("another process of this training has stopped; see above") from error
        for p in self.model.parameters():
            if p.grad is not None:
                p.grad /= len(self.shares)
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
