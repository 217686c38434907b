"""A notebook taken apart, for the checks of its form."""

import ast
import re
from functools import cached_property
from pathlib import Path

import freshness

ROOT = Path(__file__).resolve().parents[1]


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


# Where tinyrec has to be installed before a chapter can run.
ELSEWHERE = "'google.colab' in sys.modules or 'KAGGLE_KERNEL_RUN_TYPE' in os.environ"


def install_guards(cell) -> list[tuple[int, int]]:
    """First and last line of each `if` of a cell that asks whether this is Colab or Kaggle."""
    return [
        (node.lineno, node.body[-1].end_lineno)
        for node in ast.walk(freshness.tree(cell.source))
        if isinstance(node, ast.If) and ast.unparse(node.test) == ELSEWHERE
    ]
