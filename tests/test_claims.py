"""A claim says what came out, holds or not, and never stops a reader."""

import json
import sys

import pytest

from tinyrec import show
from tinyrec.show.claims import MIME, ClaimBroken, made


@pytest.fixture(autouse=True)
def full_run(monkeypatch):
    """Profile cpu, not strict, no claim made before."""
    monkeypatch.setenv("TINYREC_PROFILE", "cpu")
    monkeypatch.delenv("TINYREC_STRICT", raising=False)
    monkeypatch.setattr(sys.modules["__main__"], "profile", None, raising=False)
    made.clear()


def said(capsys, *arguments, **options):
    """The line that a claim prints outside of Jupyter."""
    assert show.claim(*arguments, **options) is None
    return capsys.readouterr().out.rstrip("\n")


@pytest.mark.parametrize(
    "value, options, line",
    [
        (0.991, dict(at_least=0.95), "✓ solves — 99.1 %, as promised (at least 95 %)"),
        (0.95, dict(at_least=0.95), "✓ solves — 95 %, as promised (at least 95 %)"),
        (0.1, dict(at_most=0.3), "✓ solves — 10 %, as promised (at most 30 %)"),
        (0.1, dict(at_least=0.05, at_most=0.3), "✓ solves — 10 %, as promised (5 % to 30 %)"),
        (
            0.9499,
            dict(at_least=0.95),
            "≠ solves — on this machine: 94.99 %; in the book's own runs: at least 95 %",
        ),
        (
            0.31,
            dict(at_least=0.05, at_most=0.3),
            "≠ solves — on this machine: 31 %; in the book's own runs: 5 % to 30 %",
        ),
        (
            float("nan"),
            dict(at_least=2, form="{:.1f} times"),
            "≠ solves — on this machine: nan times; in the book's own runs: at least 2.0 times",
        ),
    ],
)
def test_one_line_tells_value_and_range(capsys, value, options, line):
    assert said(capsys, "solves", value, **options) == line


def test_at_smoke_a_claim_is_judged_by_its_own_range_or_not_at_all(capsys, monkeypatch):
    monkeypatch.setenv("TINYREC_PROFILE", "smoke")
    monkeypatch.setenv("TINYREC_STRICT", "1")
    line = said(capsys, "solves", 0.0, at_least=0.95)
    assert line.startswith("· solves — 0 % in this quick run; ")
    assert line.endswith("at least 95 %")
    assert said(capsys, "solves", 0.0, at_least=0.95, smoke=(None, 0.5)).startswith(
        "✓ solves — 0 %"
    )
    with pytest.raises(ClaimBroken, match="≠ solves — on this machine: 60 %.*at most 50 %"):
        show.claim("solves", 0.6, at_least=0.95, smoke=(None, 0.5))


def test_the_notebooks_own_profile_comes_before_the_environments(capsys, monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "profile", "smoke")
    assert said(capsys, "solves", 0.0, at_least=0.95).startswith("·")
    monkeypatch.setattr(sys.modules["__main__"], "profile", "gpu")
    monkeypatch.setenv("TINYREC_PROFILE", "smoke")
    assert said(capsys, "solves", 0.0, at_least=0.95).startswith("≠")


def test_strict_mode_turns_a_broken_claim_into_an_error_after_saying_it(capsys, monkeypatch):
    monkeypatch.setenv("TINYREC_STRICT", "1")
    show.claim("solves", 0.96, at_least=0.95)
    with pytest.raises(ClaimBroken, match="94 %"):
        show.claim("solves", 0.94, at_least=0.95)
    assert "94 %" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(), "'solves' has no range"),
        (dict(at_least=0.5, at_most=0.4), "begins at 0.5 and ends at 0.4"),
        (dict(at_least=0.5, smoke=(None, None)), "'solves' has no range"),
    ],
)
def test_a_claim_without_a_range_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        show.claim("solves", 0.5, **options)


def bundle(value, **options):
    show.claim("a < b", value, **options)
    return made["a < b"]._repr_mimebundle_()


def test_the_claim_travels_as_data_with_its_line(capsys):
    found = bundle(0.5, at_least=0.25, at_most=1)
    assert found["text/plain"] == "✓ a < b — 50 %, as promised (25 % to 100 %)"
    assert json.loads(json.dumps(found[MIME], allow_nan=False)) == {
        "text": "a < b", "value": 0.5, "low": 0.25, "high": 1, "form": None, "holds": True,
    }  # fmt: skip
    assert "✓ a &lt; b — 50 %" in found["text/html"]
    broken = bundle(float("nan"), at_least=0.25)
    assert broken[MIME]["value"] is None and broken[MIME]["holds"] is False
    assert json.dumps(broken[MIME], allow_nan=False)


def test_a_claims_html_reads_on_light_and_dark_pages():
    """It brings no colour of its own, and what differs is in bold type as well as marked."""
    held, broken = bundle(0.5, at_least=0.25), bundle(0.1, at_least=0.25)
    for found in (held, broken):
        assert "color" not in found["text/html"] and "background" not in found["text/html"]
    assert "<strong>" not in held["text/html"]
    assert "<strong>≠ a" in broken["text/html"]


def test_the_table_has_each_claim_once_with_its_last_value(capsys):
    show.claim("one", 0.5, at_least=0.4)
    show.claim("two & three", 2.5, at_most=2, form="{:.1f} times")
    show.claim("one", 0.6, at_least=0.4)
    table = show.claims()
    lines = [line.split("  ") for line in repr(table).split("\n")]
    assert [[cell.strip() for cell in line if cell.strip()] for line in lines] == [
        ["state", "claim", "here", "in the book's own runs"],
        ["✓ holds", "one", "60 %", "at least 40 %"],
        ["≠ outside", "two & three", "2.5 times", "at most 2.0 times"],
        ["1 of 2 claims hold in this run"],
    ]
    assert table._repr_html_().count("<tr>") == 3
    assert "two &amp; three" in table._repr_html_()


def test_the_table_counts_only_what_was_judged(monkeypatch, capsys):
    monkeypatch.setenv("TINYREC_PROFILE", "smoke")
    show.claim("one", 0.5, at_least=0.4, smoke=(0.4, None))
    show.claim("two", 0.1, at_least=0.4)
    assert "1 of 1 claims hold in this run; 1 judged in a full run only" in repr(show.claims())
    assert "· not judged" in repr(show.claims())
