"""Puzzle sets: a batch depends on seed and step alone; puzzle, answer and id stay together."""

import pytest
import torch

from tinyrec.puzzles import Batch, PuzzleSet, stream


def numbered(n=7, ids=True, augment=None):
    """Puzzle i is (i, i), its answer (100 + i, 100 + i), its id 200 + i."""
    row = torch.arange(n)
    x = row[:, None].expand(n, 2).clone()
    return PuzzleSet(x, x + 100, row + 200 if ids else None, augment)


def shifted(x, y, generator):
    """An augmentation: adds the same random number to question and answer, drawn for each."""
    by = torch.randint(1, 1000, (len(x), 1), generator=generator) * 1000
    return x + by, y + by


def drawn(puzzles, size, steps, seed=0):
    return [puzzles.batch(size, seed, step) for step in range(steps)]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_batch_depends_on_seed_and_step_alone():
    puzzles = numbered(augment=shifted)
    first = drawn(puzzles, 3, 6)
    torch.manual_seed(5)  # whatever was drawn before, in whatever order
    torch.rand(3)
    for step in reversed(range(6)):
        assert same(puzzles.batch(3, 0, step), first[step])


def test_a_draw_leaves_torchs_own_random_numbers_alone():
    before = torch.get_rng_state()
    numbered(augment=shifted).batch(3, 0, 0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("size", [1, 3, 7, 10, 20])  # also a batch of more than one epoch
def test_every_epoch_holds_each_puzzle_once_and_has_an_order_of_its_own(size):
    steps = -(-7 * 12 // size)
    rows = torch.cat([batch.x[:, 0] for batch in drawn(numbered(), size, steps)])
    epochs = rows[: 7 * 12].view(12, 7)
    assert torch.equal(epochs.sort(1).values, torch.arange(7).expand(12, 7))
    assert len(set(map(tuple, epochs.tolist()))) > 9  # of 5040 orders


def test_the_order_does_not_depend_on_the_batchs_size():
    one = torch.cat([batch.x for batch in drawn(numbered(), 2, 10)])
    other = torch.cat([batch.x for batch in drawn(numbered(), 5, 4)])
    assert torch.equal(one, other)


def test_another_seed_gives_another_order_and_another_augmentation():
    one, other = (numbered(50, augment=shifted).batch(50, seed, 0) for seed in (0, 1))
    assert not torch.equal(one.ids, other.ids)
    assert not torch.equal(one.x // 1000, other.x // 1000)


def test_answers_and_ids_follow_their_puzzles():
    for augment in (None, shifted):
        for batch in drawn(numbered(augment=augment), 5, 8):
            assert torch.equal(batch.y - batch.x, torch.full((5, 2), 100))
            assert torch.equal(batch.ids - 200, batch.x[:, 0] % 1000)
    assert numbered(ids=False).batch(3, 0, 0).ids is None


def test_each_puzzle_drawn_is_augmented_anew():
    batches = drawn(numbered(augment=shifted), 10, 20)  # most puzzles twice in a batch or more
    images = torch.cat([batch.x[:, 0] for batch in batches])
    assert len(images.unique()) > 150  # of 200; only 7 where an image stayed the same
    plain = torch.cat([batch.x[:, 0] for batch in drawn(numbered(), 10, 20)])
    assert torch.equal(images % 1000, plain)  # the augmentation does not change who is drawn


def test_a_part_of_a_set_keeps_ids_and_augmentation():
    part = numbered(augment=shifted).first(3)
    assert len(part) == 3 and part.ids.tolist() == [200, 201, 202] and part.augment is shifted
    assert part.x[:, 0].tolist() == [0, 1, 2] and part.y[:, 0].tolist() == [100, 101, 102]
    assert numbered(ids=False).first(3).ids is None


def test_a_part_of_a_batch_and_a_moved_batch_keep_what_they_have():
    batch = numbered().batch(4, 0, 0)
    part = batch.part(slice(1, 3))
    assert same(part, (batch.x[1:3], batch.y[1:3], batch.ids[1:3]))
    assert all(value.device.type == "meta" for value in batch.to(torch.device("meta")))
    without = Batch(batch.x, batch.y, None)
    assert without.part(slice(0, 1)).ids is None and without.to(torch.device("meta")).ids is None


@pytest.mark.parametrize(
    "x, y, ids, message",
    [
        ((3, 4), (3, 5), None, r"must both be \(puzzles, tokens\), got \(3, 4\) and \(3, 5\)"),
        ((3,), (3,), None, r"got \(3,\) and \(3,\)"),
        ((3, 4), (3, 4), (2,), r"ids must be \(3,\), got \(2,\)"),
        ((3, 4), (3, 4), (3, 1), r"ids must be \(3,\), got \(3, 1\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(x, y, ids, message):
    with pytest.raises(ValueError, match=message):
        PuzzleSet(torch.zeros(x), torch.zeros(y), ids and torch.zeros(ids))


@pytest.mark.parametrize("n, size", [(0, 3), (7, 0)])
def test_a_batch_that_cannot_be_is_refused(n, size):
    with pytest.raises(ValueError, match=f"no batches of {size} from {n} puzzles"):
        numbered(n).batch(size, 0, 0)


def test_a_stream_depends_on_every_part_of_its_key():
    keys = [
        (0, "a", 1),
        (1, "a", 1),
        (0, "b", 1),
        (0, "a", 2),
        (0, "a"),
        (0, "a", 11),
        (0, "a1", 1),
    ]
    draws = [torch.rand(4, generator=stream(*key)).tolist() for key in keys]
    assert draws == [torch.rand(4, generator=stream(*key)).tolist() for key in keys]
    assert len(set(map(tuple, draws))) == len(keys)
