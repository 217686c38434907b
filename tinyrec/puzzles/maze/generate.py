"""Making mazes as Maze-Hard's: random walls, random ends that are far apart, honest splits."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from tinyrec.puzzles.maze.paths import first, spread, to_bits, to_mask
from tinyrec.puzzles.maze.rules import FREE, GOAL, SMALLEST, START, WALL, layouts

WALLS = 0.3, 0.5  # the least and the largest share of the cells that are walls: 270 to 450 of 900
DRAWN = 256  # layouts drawn at a time
PATIENCE = 50_000  # layouts in a row without a maze before giving up


def generate(size: int, count: int, seed: int, longer_than: int) -> Tensor:
    """Questions (count, cells), no two with the same walls or images of them.

    The number of walls is uniform between 30 % and 50 % of the cells, and so is where they stand.
    Start and goal are a random pair of free cells whose shortest path has more than `longer_than`
    steps. Layouts without such a pair are thrown away; two breadth-first sweeps tell, which on rare
    layouts miss the longest path. Each layout counts once, however many such pairs it has.

    Equal seeds give equal mazes. ValueError where thousands of layouts in a row give none.
    """
    if size < SMALLEST:
        raise ValueError(f"the size must be at least {SMALLEST}, not {size}")
    found = list(islice(_mazes(size, np.random.default_rng(seed), longer_than), count))
    return torch.from_numpy(np.stack(found)) if found else torch.zeros(0, size * size).long()


def split(size: int, train: int, test: int, seed: int, longer_than: int) -> dict[str, Tensor]:
    """Questions to train on, and others to test on; no walls of one are an image of another's."""
    both = generate(size, test + train, seed, longer_than)
    return {"train": both[test:], "test": both[:test]}


def hold_out(questions: Tensor, train: int, test: int, seed: int) -> dict[str, Tensor]:
    """Which of questions (N, cells) that exist already to test on, and at most `train` others to
    train on, as row numbers; no walls of a training maze are an image of a test maze's.

    ValueError when too few are there.
    """
    order = np.random.default_rng(seed).permutation(len(questions))
    keys = layouts(questions[order])
    held_out = list(dict.fromkeys(keys))[:test]
    tested = set(held_out)
    rest = [row for row, key in zip(order, keys, strict=True) if key not in tested]
    if len(held_out) < test or not rest:
        raise ValueError(
            f"{len(set(keys))} mazes whose walls are no images of one another; "
            f"expected more than the {test} to test on"
        )
    rows = {"train": rest[:train], "test": [order[keys.index(key)] for key in held_out]}
    return {name: torch.tensor(np.array(found)) for name, found in rows.items()}


def keep_apart(questions: Tensor, tested: Tensor, train: int, seed: int) -> Tensor:
    """Which of questions (N, cells) to train on, at most `train`, drawn with the seed, as row
    numbers: no walls are an image of those of a maze in `tested`.
    """
    order, keys = np.random.default_rng(seed).permutation(len(questions)), set(layouts(tested))
    apart = [key not in keys for key in layouts(questions[order])]
    return torch.from_numpy(order[apart][:train])


def _mazes(size: int, rng: np.random.Generator, longer_than: int) -> Iterator[np.ndarray]:
    """Questions (cells,) without end, each layout a new one."""
    cells, seen, vain = size * size, set(), 0
    fewest, most = (round(share * cells) for share in WALLS)
    while vain < PATIENCE:
        walls = rng.integers(fewest, most + 1, DRAWN)
        order = rng.permuted(np.tile(np.arange(cells), (DRAWN, 1)), axis=1)
        free = order >= walls[:, None]
        for mask, board in zip(free, to_bits(free), strict=True):
            vain += 1
            far = _component(board, size + 1, longer_than)
            if not far:
                continue
            start, goal = _ends(far, board, size + 1, longer_than, rng)
            maze = np.where(mask, FREE, WALL)
            [key] = layouts(torch.from_numpy(maze[None]))
            if key not in seen:
                seen.add(key)
                vain = 0
                maze[to_mask(start, cells)], maze[to_mask(goal, cells)] = START, GOAL
                yield maze
    raise ValueError(
        f"found only {len(seen)} such mazes: the last {vain} layouts of {size}x{size} gave no new "
        f"one with a shortest path of more than {longer_than} steps"
    )


def _component(free: int, row: int, longer_than: int) -> int:
    """Connected free cells that hold two more than so many steps apart; 0: none found."""
    while free.bit_count() > longer_than:
        sweep = spread(first(free), free, row)
        component = sum(sweep)
        if component.bit_count() > longer_than:
            again = spread(first(sweep[-1]), free, row)  # from as far as one can get
            if len(again) - 1 > longer_than:
                return component
        free ^= component
    return 0


def _ends(
    component: int, free: int, row: int, longer_than: int, rng: np.random.Generator
) -> tuple[int, int]:
    """Start and goal, all pairs that are far enough apart equally likely."""
    pairs = []
    while component:
        start = first(component)
        component ^= start
        pairs.append((start, sum(spread(start, free, row)[longer_than + 1 :])))
    number = int(rng.integers(sum(far.bit_count() for _, far in pairs)))
    while number >= pairs[-1][1].bit_count():
        number -= pairs.pop()[1].bit_count()
    start, far = pairs[-1]
    for _ in range(number):
        far ^= first(far)
    return start, first(far)
