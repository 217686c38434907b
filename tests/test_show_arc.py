"""ARC grids are drawn in ARC's colours, with their digits for those who cannot tell these apart."""

import numpy as np
import pytest
import torch
from arc_by_hand import grid
from matplotlib.colors import to_hex

from tinyrec import show
from tinyrec.puzzles.arc.grids import encode
from tinyrec.show import arc


def test_what_lies_outside_of_a_grid_is_blank_whatever_is_written_there():
    tokens = encode([grid("09", "30")], 4)
    assert arc.values(tokens).reshape(4, 4)[:2, :2].tolist() == [[1, 10], [4, 1]]
    scribbled = tokens.clone()
    scribbled[0, 15] = 8
    np.testing.assert_array_equal(arc.values(scribbled), arc.values(tokens))
    assert arc.values(torch.stack([tokens, scribbled])).shape == (2, 1, 16)


def test_every_cell_has_its_colour_and_its_digit():
    figure = show.grid_row(arc.values(encode([grid("0123", "4567", "8900")], 4)), family="arc")
    ax = figure.axes[1]
    cells = [patch for patch in ax.patches if patch.get_gid() == "cell"]
    colours = [to_hex(patch.get_facecolor()).upper() for patch in cells]
    assert colours == [*arc.PALETTE, arc.PALETTE[0], arc.PALETTE[0], *[arc.OUTSIDE] * 4]
    assert [text.get_text() for text in ax.texts] == list("012345678900")
    dark = {text.get_text() for text in ax.texts if text.get_color() == "white"}
    assert dark == {"0", "1", "6", "9"}


def test_digits_that_could_not_be_read_are_left_out():
    whole = encode([np.full((30, 30), 3, np.uint8)], 30).repeat(3, 1)
    figure = show.grid_row(arc.values(whole), family="arc")
    assert not figure.axes[1].texts


def test_a_player_names_what_it_shows_by_digits():
    question, answer = (arc.values(encode([part], 2))[0] for part in (grid("12"), grid("21", "00")))
    player = show.StepPlayer(question, answer[None], family="arc")
    assert player.grids == ["12..", "2100"]
    with pytest.raises(ValueError, match="7 cells: expected those of a square canvas"):
        arc.shape(7)
