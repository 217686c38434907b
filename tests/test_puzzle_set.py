"""The batches of a PuzzleSet."""

import pytest
import torch

from tinyrec.puzzles import PuzzleSet


def test_batches_walk_through_every_epoch():
    x = torch.arange(10)[:, None].expand(10, 16)
    puzzles = PuzzleSet(x, x + 100)
    assert len(puzzles) == 10
    drawn = [puzzles.batch(4, seed=0, step=step) for step in range(10)]
    assert all(batch.x.shape == (4, 16) and (batch.y == batch.x + 100).all() for batch in drawn)
    order = torch.cat([batch.x[:, 0] for batch in drawn]).view(4, 10)  # four epochs
    assert (order.sort(1).values == torch.arange(10)).all()
    assert len({tuple(epoch) for epoch in order.tolist()}) == 4
    for step in (7, 0, 3):  # in any order of asking
        assert torch.equal(puzzles.batch(4, seed=0, step=step).x, drawn[step].x)
    more = puzzles.batch(25, seed=0, step=0).x  # more than there are
    assert set(more[:, 0].bincount().tolist()) == {2, 3}


def test_puzzle_set_says_what_is_wrong():
    x = torch.zeros(3, 16, dtype=torch.long)
    with pytest.raises(ValueError, match=r"got \(3, 16\) and \(2, 16\)"):
        PuzzleSet(x, x[:2])
    with pytest.raises(ValueError, match="no batches of 0 from 3 puzzles"):
        PuzzleSet(x, x).batch(0, seed=0, step=0)
    with pytest.raises(ValueError, match="no batches of 1 from 0 puzzles"):
        PuzzleSet(x[:0], x[:0]).batch(1, seed=0, step=0)
