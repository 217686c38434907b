"""The images of ARC tasks that a run trains on. Each is a task of its own with a puzzle id.

As in the official code: id 0 is nobody's; then come, task by task, the task as it is and its images
under a symmetry and a permutation of the colours but black, no two alike.
"""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from tinyrec.puzzles import IGNORE, Batch, PuzzleSet, stream
from tinyrec.puzzles.arc.grids import BLACK, VOCABULARY, encode, image, sizes
from tinyrec.puzzles.arc.grids import INVERSE as BACK
from tinyrec.puzzles.arc.tasks import Task

TRIES = 5  # draws for each image wanted; of a task with few colours there may be fewer images


@dataclass(frozen=True)
class Views:
    """What each puzzle id stands for; id 0 stands for no task and changes nothing."""

    task: Tensor  # (ids,) the task's number, -1 for id 0
    symmetry: Tensor  # (ids,) 0 to 7, as `grids.image` takes them; 0 for a task as it is
    colours: Tensor  # (ids, 10) colour c becomes colours[c]
    first: Tensor  # (tasks,) id of each task as it is; those of its images follow
    count: Tensor  # (tasks,) how many ids it has

    def show(self, ids: Tensor, tokens: Tensor, corner: Tensor | None = None) -> Tensor:
        """Grids of tasks as they are (N, L) -> their images under these ids (N,)."""
        return image(tokens, self.symmetry[ids], self.colours[ids], corner)

    def undo(self, ids: Tensor, tokens: Tensor) -> Tensor:
        """The way back; only the grid of each canvas comes along, as `grids.sizes` finds it."""
        return image(tokens, BACK[self.symmetry[ids]], self.colours[ids].argsort(1))


def make_views(tasks: list[Task], count: int, seed: int, side: int) -> Views:
    """Every task as it is and up to `count` images of it, drawn with a seed."""
    symmetry, colours, counts = [torch.zeros(1, dtype=torch.long)], [torch.arange(10)[None]], []
    for task in tasks:
        draw = stream(seed, "views", task.name)
        turns = torch.randint(8, (TRIES * count,), generator=draw)
        names = torch.rand(TRIES * count, 9, generator=draw).argsort(1) + 1
        turns = torch.cat((symmetry[0], turns))  # first the task as it is
        names = torch.cat((torch.arange(1, 10)[None], names))
        names = torch.cat((torch.zeros(len(names), 1, dtype=torch.long), names), 1)
        chosen = different(task, turns, names, side, count + 1)
        symmetry.append(turns[chosen])
        colours.append(names[chosen])
        counts.append(len(chosen))
    count = torch.tensor(counts, dtype=torch.long)
    return Views(
        torch.cat((torch.tensor([-1]), torch.arange(len(tasks)).repeat_interleave(count))),
        torch.cat(symmetry),
        torch.cat(colours),
        1 + count.cumsum(0) - count,
        count,
    )


def different(task: Task, turns: Tensor, names: Tensor, side: int, most: int) -> list[int]:
    """The first images of a task, `most` of them, that have not the same pairs as one before."""
    pairs = task.train + task.test
    x, y = encode([p.question for p in pairs], side), encode([p.answer for p in pairs], side)
    every = torch.arange(8).repeat_interleave(len(x))
    turned = torch.cat([image(part.repeat(8, 1), every) for part in (x, y)], 1)
    turned = turned.unflatten(0, (8, len(x))).numpy()  # (8, pairs, 2L)
    frame = torch.arange(BLACK).expand(len(names), -1)
    tables = torch.cat((frame, names + BLACK), 1).numpy().astype("uint8")  # (N, 12) token -> token
    assert tables.shape[1] == VOCABULARY
    seen, kept = set(), []
    for number, (turn, table) in enumerate(zip(turns.tolist(), tables, strict=True)):
        rows = sorted(row.tobytes() for row in table[turned[turn]])
        digest = hashlib.sha256(b"".join(rows)).digest()
        if digest not in seen:
            seen.add(digest)
            kept.append(number)
        if len(kept) == most:
            break
    return kept


@dataclass
class Demonstrations(PuzzleSet):
    """Pairs to train on. Each draw shows a pair as in one of the images of its task, under that
    image's id, and moves the grids over the canvas; of a task with n pairs one in n stays put.

    x, y and ids are those of the tasks as they are.
    """

    views: Views | None = None

    @property
    def highest_id(self) -> int:
        return len(self.views.task) - 1

    def batch(self, size: int, seed: int, step: int) -> Batch:
        drawn, generator = super().batch(size, seed, step), stream(seed, "images", step)
        chance = torch.rand(4, size, generator=generator)
        task = self.views.task[drawn.ids]
        ids = drawn.ids + (chance[0] * self.views.count[task]).long()
        tokens = (drawn.x, drawn.y.clamp(min=0))
        images = [self.views.show(ids, part) for part in tokens]
        side = round(self.x.shape[1] ** 0.5)
        room = side - torch.maximum(*map(sizes, images))  # (size, 2)
        moves = chance[3] >= 1 / torch.bincount(self.ids)[drawn.ids]
        corner = (chance[1:3].T * (room + 1)).long() * moves[:, None]
        x, y = (self.views.show(ids, part, corner) for part in tokens)
        return Batch(x, labels(y), ids)


def labels(y: Tensor) -> Tensor:
    """Answers (N, L) as they are scored: what lies outside of the grid and its border is not."""
    return y.masked_fill(y == 0, IGNORE)


def puzzle_set(x: Tensor, y: Tensor, ids: Tensor, views: Views) -> PuzzleSet:
    """Pairs of tasks as they are, shown as these ids have them, to be asked."""
    return PuzzleSet(views.show(ids, x), labels(views.show(ids, y)), ids)
