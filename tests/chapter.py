"""A notebook taken apart, for the checks of its form."""

import ast
import re
from functools import cached_property
from pathlib import Path

import freshness

ROOT = Path(__file__).resolve().parents[1]
ALT_LENGTH = 20


class Chapter:
    """Cells are counted from 1, as a reader counts them."""

    def __init__(self, stem: str, notebook):
        self.stem = stem
        self.notebook = notebook
        cells = list(enumerate(notebook.cells, 1))
        self.code = [(n, cell) for n, cell in cells if cell.cell_type == "code"]
        self.markdown = [(n, cell) for n, cell in cells if cell.cell_type == "markdown"]

    @cached_property
    def text(self) -> str:
        """All Markdown, without code blocks: a # means something else in them."""
        text = "\n\n".join(cell.source for _, cell in self.markdown) + "\n"
        return re.sub(r"(?ms)^```.*?^```$", "", text)

    def tagged(self, tag: str) -> list:
        return [(n, cell) for n, cell in self.code if tag in tags(cell)]


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def alt(cell) -> str:
    """What myst-nb gives as alt text to the images that a cell puts out."""
    return cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")


def colab_guards(cell) -> list[tuple[int, int]]:
    """First and last line of each `if "google.colab" in sys.modules:` of a cell."""
    return [
        (node.lineno, node.body[-1].end_lineno)
        for node in ast.walk(freshness.tree(cell.source))
        if isinstance(node, ast.If) and ast.unparse(node.test) == "'google.colab' in sys.modules"
    ]


def images_without_alt(text: str):
    """Images in Markdown or HTML that say nothing to those who cannot see them."""
    for words, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)", text):
        if not words.strip():
            yield f"no alt text on {target[:60]}"
    for image in re.findall(r"(?is)<img\b[^>]*>", text):
        if not re.search(r"""(?i)\balt\s*=\s*["'][^"']""", image):
            yield f"no alt text on {image[:60]}"
    for drawing in re.findall(r"(?is)<svg\b.*?</svg>", text):
        head = drawing[: drawing.index(">") + 1]
        if not re.search(r"aria-label|aria-hidden", head) and "<title" not in drawing:
            yield f"no aria-label and no <title> on {head[:60]}"
