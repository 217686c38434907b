"""The formulas that stand in the sources."""

import nbformat
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

READER = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin)


def of_source(path) -> dict[str, list[str]]:
    """The TeX of a notebook or page, by kind: inline and block."""
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        return of_text("\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown"))
    return of_text(path.read_text())


def of_text(text: str) -> dict[str, list[str]]:
    found = {"inline": [], "block": []}
    for token in READER.parse(text):
        if token.type == "math_block":
            found["block"].append(token.content)
        elif token.type == "fence" and token.info.startswith("{"):  # what a directive holds
            for kind, formulas in of_text(token.content).items():
                found[kind] += formulas
        for child in token.children or ():
            if child.type == "math_inline":
                found["inline"].append(child.content)
    return found
