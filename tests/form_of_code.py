"""The form of a chapter's code: lines, network, goldens, definitions of tinyrec.

Each check takes a Chapter and yields what is wrong, in words; nothing when the rule
holds. test_structure.py applies CHECKS to every notebook.
"""

import ast
import re
from pathlib import Path

import claim_record
import freshness
from chapter import ROOT, install_guards, tags
from goldens import TAG as GOLDEN

COMMANDS = r"\s*[!%]+\s*(pip|conda|apt\S*|curl|wget|git)\b"
MODULES = {
    "aiohttp", "datasets", "ftplib", "gdown", "http", "httpx", "huggingface_hub",
    "requests", "socket", "urllib", "urllib3", "wget",
}  # fmt: skip
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def is_python(chapter):
    for n, cell in chapter.code:
        try:
            freshness.tree(cell.source)
        except SyntaxError as error:
            yield f"cell {n}: not plain Python: {error}"


def line_length(chapter):
    for n, cell in chapter.code:
        for line in cell.source.split("\n"):
            if len(line) > 80:
                yield f"cell {n}: {len(line)} columns, at most 80: {line[:40]}..."


def offline(chapter):
    """Nothing is downloaded at run time, except by the guarded line in Colab and Kaggle."""
    for n, cell in chapter.code:
        guards = install_guards(cell)
        guarded = {line for a, b in guards for line in range(a, b + 1)}
        for number, line in enumerate(cell.source.split("\n"), 1):
            if number not in guarded and (match := re.match(COMMANDS, line)):
                yield f"cell {n}: calls {match[1]}"
        for node in ast.walk(freshness.tree(cell.source)):
            if getattr(node, "lineno", None) not in guarded:
                yield from (f"cell {n}: {what}" for what in reaches_out(node))


def reaches_out(node):
    """What in one node of a syntax tree asks for the network."""
    names = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [node.module or ""]
    yield from (f"imports {name}" for name in names if name.split(".")[0] in MODULES)
    if isinstance(node, ast.Attribute) and ast.unparse(node) == "torch.hub":
        yield "uses torch.hub"
    if isinstance(node, ast.Constant) and re.match(r"(https?|ftp)://", str(node.value)):
        yield f"names {node.value}; links belong to the prose"


def asserts(chapter):
    """What is certain is asserted, at every profile."""
    if not any(True for _ in find(chapter, ast.Assert)):
        yield "no assert: a chapter holds what is certain by at least one"
    for n, branch in find(chapter, ast.If):
        inside = any(isinstance(node, ast.Assert) for node in ast.walk(branch))
        if inside and "profile" in ast.unparse(branch.test):
            yield f"cell {n}: an assert that hangs on the profile; make it a claim"


def claims(chapter):
    """What a training reaches is claimed, each time with a text and a range of its own."""
    try:
        promised = claim_record.promises(chapter.notebook)
    except ValueError as error:
        yield str(error)
        return
    if not promised:
        yield "no show.claim: a chapter claims what it measures"
    for text, ends in promised.items():
        if ends == (None, None):
            yield f"the claim {text!r} has no range"


def find(chapter, kind):
    """Every node of a kind in the chapter's code, with the number of its cell."""
    for n, cell in chapter.code:
        for node in ast.walk(freshness.tree(cell.source)):
            if isinstance(node, kind):
                yield n, node


def goldens(chapter):
    cells = chapter.tagged(GOLDEN)
    if not cells:
        yield f"no cell tagged {GOLDEN}: nbval compares nothing"
    for n, cell in cells:
        # nbval passes such a cell when it has nothing to compare with.
        if not cell.outputs or cell.execution_count is None:
            yield f"cell {n}: tagged {GOLDEN}, no output or no count; make goldens"


def stripped(chapter):
    for n, cell in chapter.code:
        ran = cell.outputs or cell.execution_count is not None
        if ran and GOLDEN not in tags(cell):
            yield f"cell {n}: has outputs or a count; run make goldens"


def same_as_package(chapter, package: Path = ROOT / "tinyrec"):
    """What is shown under the name of a public definition of tinyrec is that one."""
    ours = public_definitions(package)
    for n, cell in chapter.code:
        if {"exercise", "variation"} & set(tags(cell)):
            continue
        for node in definitions(freshness.tree(cell.source)):
            if node.name in ours and bare(node) not in ours[node.name]:
                yield f"cell {n}: {node.name} differs from tinyrec's definition"


def variations(chapter, package: Path = ROOT / "tinyrec"):
    """What is shown in a form of its own is held against tinyrec's by an assert that names both."""
    ours = public_definitions(package)
    compared = set()
    for _, node in find(chapter, ast.Assert):
        names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        attributes = {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
        compared |= names & attributes
    for n, cell in chapter.tagged("variation"):
        for node in definitions(freshness.tree(cell.source)):
            if node.name in ours and node.name not in compared:
                yield f"cell {n}: no assert holds {node.name} against tinyrec's, module.{node.name}"


def definitions(tree: ast.Module) -> list:
    """Functions and classes at the top of a module or a cell."""
    return [node for node in tree.body if isinstance(node, DEFINITIONS)]


def public_definitions(package: Path) -> dict[str, set[str]]:
    """By name, every form that a public definition has in the package."""
    found = {}
    for file in package.rglob("*.py"):
        for node in definitions(ast.parse(file.read_text())):
            if not node.name.startswith("_"):
                found.setdefault(node.name, set()).add(bare(node))
    return found


def bare(node) -> str:
    """A definition's syntax tree, without docstrings, comments and layout."""
    for inner in ast.walk(node):
        if isinstance(inner, DEFINITIONS) and ast.get_docstring(inner) is not None:
            inner.body = inner.body[1:]
    return ast.dump(node)


CHECKS = [
    is_python, line_length, offline, asserts, claims, goldens, stripped, same_as_package,
    variations,
]  # fmt: skip
