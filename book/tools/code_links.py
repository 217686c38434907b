"""Keep the pages' links into the code right: which lines, and what is quoted from them.

    python book/tools/code_links.py [--check]

On the pages in book/ a link to a Python file whose text is a name in code font,

    [`TRM.latent_recursion`](https://github.com/tinyrec/tinyrec/blob/main/tinyrec/models/trm.py)

points at the lines where that function, class or setting is defined. They are found in the file's
syntax tree and written into the address. Code that follows the link, as in [`name`](...): `code`,
is a quotation: it must stand in that definition. A line that opens a block is quoted with its
colon; the bar of a table's row is written \\|. --check changes nothing.
"""

import argparse
import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = "https://github.com/tinyrec/tinyrec/blob/main/"
LINK = re.compile(
    rf"\[`(?P<name>[\w.]+)`\]\({re.escape(SOURCE)}(?P<file>[\w/]+\.py)(?P<lines>#[-L\d]*)?\)"
    r"(?P<quoted>: `[^`]+`(?:, `[^`]+`)*)?"
)


def definition(tree: ast.Module, name: str) -> ast.AST | None:
    """The function, class, variable or field of this name, such as "TRM.forward", or the line that
    sets an attribute, such as "HRM.low"; None: no such.
    """
    found = tree
    for part in name.split("."):
        inside = [*getattr(found, "body", [])]
        if isinstance(found, ast.ClassDef):
            inside += (node for node in ast.walk(found) if isinstance(node, ast.Assign))
        found = next((node for node in inside if part in names(node)), None)
    return found


def names(node: ast.AST) -> list[str]:
    """What a statement defines."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    targets = [
        part for each in targets for part in (each.elts if isinstance(each, ast.Tuple) else [each])
    ]
    own = [target.id for target in targets if isinstance(target, ast.Name)]
    return own + [target.attr for target in targets if isinstance(target, ast.Attribute)]


def holds(node: ast.AST, source: str, code: str) -> bool:
    """Whether this code stands in a definition: the same syntax, or the line that opens a block."""
    try:
        wanted = ast.parse(code).body
    except SyntaxError:
        lines = ast.get_source_segment(source, node).splitlines()
        return code.endswith(":") and code in [line.strip() for line in lines]
    if len(wanted) != 1:
        return False
    wanted = wanted[0].value if isinstance(wanted[0], ast.Expr) else wanted[0]
    return any(ast.dump(part) == ast.dump(wanted) for part in ast.walk(node))


def renewed(page: str, root: Path = ROOT) -> tuple[str, list[str]]:
    """A page with the lines as they should be, and what is wrong, by the line of the page."""
    wrong = []

    def renew(link: re.Match) -> str:
        line = page.count("\n", 0, link.start()) + 1
        file = root / link["file"]
        source = file.read_text() if file.exists() else ""
        node = definition(ast.parse(source), link["name"])
        if node is None:
            wrong.append(f"line {line}: there is no {link['name']} in {link['file']}")
            return link[0]
        quotations = re.findall(r"`([^`]+)`", link["quoted"] or "")
        for code in (code.replace(r"\|", "|") for code in quotations):
            if not holds(node, source, code):
                wrong.append(f"line {line}: {link['name']} does not say `{code}`")
        lines = f"#L{node.lineno}"
        if node.end_lineno > node.lineno:
            lines += f"-L{node.end_lineno}"
        return f"[`{link['name']}`]({SOURCE}{link['file']}{lines}){link['quoted'] or ''}"

    return LINK.sub(renew, page), wrong


def main(arguments=None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description="Renew the links of the pages into the code.")
    parser.add_argument("--check", action="store_true", help="only say what is old or wrong")
    check, status = parser.parse_args(arguments).check, 0
    for page in sorted((root / "book").glob("*.md")):
        text = page.read_text()
        new, wrong = renewed(text, root)
        for remark in wrong:
            print(f"{page.relative_to(root)}, {remark}", file=sys.stderr)
        if new != text and check:
            print(f"{page.relative_to(root)}: lines have moved; run {Path(__file__).name}")
        elif new != text:
            page.write_text(new)
            print(f"renewed: {page.relative_to(root)}")
        if wrong or (check and new != text):
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
