"""A stored comparison says what ran, on what, and how far its seeds differ."""

import json
import sys
from importlib.metadata import version
from urllib.error import URLError

import numpy as np
import pytest

from tinyrec import show


def run(arm, seed, exact, steps=10):
    history = [{"step": steps // 2, "test": exact / 2}, {"step": steps, "test": exact}]
    return {
        "arm": arm, "seed": seed, "exact": [0.0, exact], "history": history, "weights": 12345,
        "calls": 6, "differentiated": 2, "flops": 10**9, "steps": steps, "batch": 100,
        "seconds": 90, "device": "a processor", "precision": "float32", "date": "2026-01-01",
    }  # fmt: skip


STORED = sys.modules["tinyrec.show.stored"]  # the function has its name
FOUND = {
    "command": "make road NAMES=toy",
    "question": "Which?",
    "runs": [run("slow", 0, 0.5), run("fast", 0, 0.9), run("slow", 1, 0.7), run("fast", 1, 0.8)],
}


@pytest.fixture
def toy(monkeypatch, tmp_path):
    (tmp_path / "toy.json").write_text(json.dumps(FOUND))
    monkeypatch.setattr(STORED, "HERE", tmp_path)
    return show.stored("toy")


def test_arms_in_their_order_with_mean_and_ends(toy):
    assert list(toy.arms) == ["slow", "fast"] and toy.seeds == 2
    assert toy["slow"].mean == pytest.approx(0.6) and toy["slow"].last == [0.5, 0.7]
    assert toy["fast"].precision == "float32" and toy["fast"].weights == 12345
    assert list(toy.only("fast").arms) == ["fast"] and list(toy.arms) == ["slow", "fast"]


def test_the_table_says_where_it_comes_from_as_text_and_as_html(toy):
    text, page = repr(toy), toy._repr_html_()
    for said in ("12,345", "6 (2)", "1,000", "60.0 %", "50.0 to 70.0", "make road NAMES=toy"):
        assert said in text and said in page
    assert "2 seeds each" in text and "one thread of a processor, 2026-01-01" in text


def test_the_curve_is_in_tflop_with_a_row_for_each_seed(toy):
    spent, exact = toy["slow"].curve()
    assert spent == pytest.approx([0.5, 1.0])
    assert exact == pytest.approx(np.array([[0.25, 0.5], [0.35, 0.7]]))


def test_figures_have_a_line_or_a_row_for_each_arm(toy):
    (ax,) = show.against_compute(toy).axes
    assert [line.get_label() for line in ax.lines] == ["slow", "fast"]
    assert ax.lines[0].get_ydata() == pytest.approx([30, 60])
    (ax,) = show.at_the_end(toy).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["slow", "fast"]
    dots = [line.get_xdata() for line in ax.lines if line.get_marker() == "o"]
    assert np.allclose(dots, [[50, 70], [90, 80]])


def test_without_the_repository_it_is_read_from_github_or_the_reader_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(STORED, "HERE", tmp_path)
    asked = []

    def no_network(address, timeout):
        asked.append(address)
        raise URLError("no network")

    monkeypatch.setattr(STORED, "urlopen", no_network)
    with pytest.raises(FileNotFoundError, match="clone the repository, or check the network"):
        show.stored("road-toy")
    assert asked == [f"{STORED.ONLINE.format(version('tinyrec'))}/road-toy.json"]


def test_any_file_of_results_is_read_as_it_stands(toy):
    assert show.results("toy") == FOUND
