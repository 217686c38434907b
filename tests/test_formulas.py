"""Formulas become MathML when the book is built, spaced as TeX spaces them."""

import re
from xml.etree import ElementTree

import formulas
import mathml
import pytest
from chapter import ROOT
from fontTools.ttLib import TTFont

SOURCES = [*sorted(ROOT.glob("notebooks/*.ipynb")), *sorted(ROOT.glob("book/*.md"))]
FONT = TTFont(ROOT / "book" / "_static" / "fonts" / "formulas.woff2").getBestCmap()


def signs(tex):
    """What a formula's row holds: (element, text, attributes)."""
    (row,) = ElementTree.fromstring(mathml.mathml(tex))
    return [(part.tag.split("}")[1], part.text, part.attrib) for part in row]


def test_the_sources_have_formulas_of_both_kinds():
    found = [formulas.of_source(path) for path in SOURCES]
    assert all(sum(len(each[kind]) for each in found) > 10 for kind in ("inline", "block"))
    text = "a $x$\n\n| h |\n|---|\n| $y$ |\n\n```{note}\n$z$\n```\n\n`$no$`\n\n$$\nw\n$$"
    assert formulas.of_text(text) == {"inline": ["x", "y", "z"], "block": ["\nw\n"]}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_sign_of_every_formula_is_in_the_font_that_we_ship(path):
    for tex in sum(formulas.of_source(path).values(), []):
        made = ElementTree.fromstring(mathml.mathml(tex))
        text = "".join(made.itertext())
        assert set(map(ord, text)) <= FONT.keys(), tex
        # a lone letter is drawn italic: another sign of the font
        letters = [part.text for part in made.iter() if part.tag.endswith("}mi")]
        assert all(italic(sign) in FONT for sign in letters if sign and len(sign) == 1), tex


def italic(sign):
    """The code of a letter's italic form."""
    if re.fullmatch("[a-zA-Z]", sign):
        start = 0x1D44E + ord(sign) - ord("a") if sign >= "a" else 0x1D434 + ord(sign) - ord("A")
        return 0x210E if sign == "h" else start
    return 0x1D6FC + ord(sign) - 0x3B1 if "α" <= sign <= "ω" else ord(sign)


def test_an_unknown_command_stops_the_build():
    with pytest.raises(ValueError, match=r"does not know: \\nosuch"):
        mathml.mathml(r"\nosuch{x}")


def test_a_sign_before_a_number_is_no_subtraction():
    assert ("mo", "−", dict(form="prefix", lspace="0", rspace="0")) in signs(r"\sigma(-5)")
    assert ("mo", "−", dict(form="prefix", lspace="0", rspace="0")) in signs(r"a = -t")
    assert ("mo", "−", {}) in signs(r"(1 - t) - t") and ("mo", "−", {}) in signs("I - J")


def test_a_function_keeps_away_from_its_neighbours_but_not_from_a_bracket():
    gap = ("mspace", None, dict(width=mathml.THIN))
    names = [(tag, text) for tag, text, _ in signs(r"t \log \sigma")]
    assert names == [("mi", "t"), gap[:2], ("mi", "log"), gap[:2], ("mi", "σ")]
    assert gap not in signs(r"\max(a)") and ("mi", "max", {}) in signs(r"\max(a)")


def test_a_slash_is_tight_and_a_partial_is_a_letter():
    row = signs(r"\partial F / \partial z")
    assert row[2] == ("mo", "/", dict(lspace="0", rspace="0"))
    assert [text for tag, text, _ in row if tag == "mi"] == ["∂", "F", "∂", "z"]


@pytest.mark.parametrize(
    "tex, parts",
    [
        (r"a, \qquad b \quad c", ["a,", "b", "c"]),
        (r"a \leftarrow b", [r"a \leftarrow b"]),
        (r"a \quad b \left( c \leftarrow d \right)", ["a", r"b \left( c \leftarrow d \right)"]),
        (r"\left( a \quad b \right)", [r"\left( a \quad b \right)"]),
        (r"\text{a \quad b}", [r"\text{a \quad b}"]),
        (r"\begin{cases} a & \quad b \end{cases}", [r"\begin{cases} a & \quad b \end{cases}"]),
    ],
)
def test_a_wide_formula_is_cut_where_it_has_room(tex, parts):
    assert mathml.parts(tex) == parts
