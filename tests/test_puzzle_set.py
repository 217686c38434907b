"""The batches of a PuzzleSet."""

import pytest
import torch

from tinyrec.puzzles import PuzzleSet


def test_batches_walk_through_every_epoch():
    x = torch.arange(10)[:, None].expand(10, 16)
    puzzles = PuzzleSet(x, x + 100)
    assert len(puzzles) == 10
    drawn = list(itertools.islice(puzzles.batches(4, torch.Generator().manual_seed(0)), 10))
    assert all(x.shape == (4, 16) and (y == x + 100).all() for x, y in drawn)
    order = torch.cat([x[:, 0] for x, _ in drawn]).view(4, 10)  # four epochs
    assert (order.sort(1).values == torch.arange(10)).all()
    assert len({tuple(epoch) for epoch in order.tolist()}) == 4
    again = itertools.islice(puzzles.batches(4, torch.Generator().manual_seed(0)), 10)
    assert all((a == b).all() for (a, _), (b, _) in zip(drawn, again))
    x, _ = next(puzzles.batches(25, torch.Generator()))  # more than there are
    assert set(x[:, 0].bincount().tolist()) == {2, 3}


def test_puzzle_set_says_what_is_wrong():
    x = torch.zeros(3, 16, dtype=torch.long)
    with pytest.raises(ValueError, match=r"got \(3, 16\) and \(2, 16\)"):
        PuzzleSet(x, x[:2])
    with pytest.raises(ValueError, match="no batches of 0 from 3 puzzles"):
        next(PuzzleSet(x, x).batches(0, torch.Generator()))
    with pytest.raises(ValueError, match="no batches of 1 from 0 puzzles"):
        next(PuzzleSet(x[:0], x[:0]).batches(1, torch.Generator()))
