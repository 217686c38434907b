r"""Formulas as MathML, made when the book is built: no script, no network, and it is read aloud.

latex2mathml knows TeX's commands; what it leaves out of TeX's spacing is added here. A display
formula is cut at its \quad and \qquad: on a phone its parts stand below each other.
"""

import re
from xml.etree import ElementTree

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
FUNCTIONS = {"log", "ln", "exp", "max", "min", "tanh"}
CLOSING = set(")]}|")
THIN = "0.167em"
ElementTree.register_namespace("", NAMESPACE)


def mathml(tex: str, display: str = "inline") -> str:
    """One <math> element, inline or block. Raises ValueError for a command that is not known."""
    # latex2mathml takes a command it does not know for text
    root = ElementTree.fromstring(convert(tex, display=display))
    if "\\" in "".join(root.itertext()):
        raise ValueError(f"a formula with a command that latex2mathml does not know: {tex}")
    for row in list(root.iter()):
        space(row)
    return ElementTree.tostring(root, encoding="unicode")


def space(row) -> None:
    """TeX's spacing in one row: tight slashes, signs that are no operators, room by a function."""
    before = None
    for sign in list(row):
        kind, text = sign.tag.rsplit("}")[-1], (sign.text or "").strip()
        opens = before is None or is_operator(before)
        if kind == "mo" and text in FUNCTIONS:
            sign.tag, kind = f"{{{NAMESPACE}}}mi", "mi"
        if kind == "mo" and text == "/":
            sign.attrib.update(lspace="0", rspace="0")
        elif kind == "mo" and text == "\N{PARTIAL DIFFERENTIAL}":
            sign.tag = f"{{{NAMESPACE}}}mi"
        elif kind == "mo" and text == "\N{MINUS SIGN}" and opens:
            sign.attrib.update(form="prefix", lspace="0", rspace="0")
        if before is not None and not opens and text in FUNCTIONS:
            row.insert(list(row).index(sign), gap())
        if before is not None and (before.text or "") in FUNCTIONS and kind != "mo":
            row.insert(list(row).index(sign), gap())
        before = sign


def gap():
    return ElementTree.Element(f"{{{NAMESPACE}}}mspace", width=THIN)


def is_operator(sign) -> bool:
    return sign.tag.endswith("}mo") and (sign.text or "").strip() not in CLOSING


def parts(tex: str) -> list[str]:
    r"""A display formula cut at \quad and \qquad, unless one stands within something else."""
    cut = [part.strip() for part in re.split(r"\\q?quad\b", tex)]
    within = any(
        part.count("{") != part.count("}")
        or len(re.findall(r"\\left\b", part)) != len(re.findall(r"\\right\b", part))
        for part in cut
    )
    return [tex] if within or r"\begin" in tex else [part for part in cut if part]


def inline(translator, node):
    translator.body.append(mathml(node.astext()))
    raise SkipNode


def block(translator, node):
    each = "".join(mathml(part, "block") for part in parts(node.astext()))
    translator.body.append(f'<div class="formula">{each}</div>')
    raise SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True}
