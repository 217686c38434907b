"""Is an executed copy still true? One answer for the executor and for the pages.

An executed copy carries, in its metadata, a hash of everything it was made from:
the notebook's code, the notebook's page (prose, tags, alt texts), the profile, the stored
comparisons that it shows, and each file of tinyrec that the code imports, directly or through other
modules.
Imports are read from the syntax trees, nothing is run; a module whose name is put
together at run time is not seen.
"""

import ast
import hashlib
import json
import re
from pathlib import Path

PACKAGE = "tinyrec"
# What is in these counts for a module that names the folder, as in "presets".
DATA_FOLDERS = ("presets", "pretrained")
NEW = "new"
PROSE = "only its prose changed"


def why_stale(notebook: Path, copy: Path, profile: str) -> str | None:
    """What makes `copy` untrue, in words, or None when it is fresh."""
    if not copy.exists():
        return NEW
    now = parts(notebook, profile)
    then = json.loads(copy.read_text())["metadata"].get(PACKAGE, {}).get("parts", {})
    changed = [name for name in now | then if now.get(name) != then.get(name)]
    if not changed:
        return None
    if changed == ["page"]:
        return PROSE
    if {"code", "page"} & set(changed):
        return "notebook changed"
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"{changed[0]}{more} changed"


def parts(notebook: Path, profile: str) -> dict[str, str]:
    """Hash of each thing that an executed copy depends on, by its name."""
    cells = json.loads(notebook.read_text())["cells"]
    code = [
        [source(cell), "parameters" in cell["metadata"].get("tags", [])]
        for cell in cells
        if cell["cell_type"] == "code"
    ]
    # Outputs and counts are left out: writing goldens must not make a copy stale.
    page = [[cell["cell_type"], source(cell), cell["metadata"]] for cell in cells]
    root = notebook.resolve().parents[1]
    texts = [text for text, _ in code]
    stored = {name for text in texts for name in re.findall(r'show\.stored\("([\w-]+)"\)', text)}
    results = {root / "book" / "results" / f"{name}.json" for name in stored}
    files = {
        file.relative_to(root).as_posix(): digest(file.read_bytes())
        for file in sorted(files_behind(texts, root) | {file for file in results if file.exists()})
    }
    return {
        "code": digest(json.dumps(code).encode()),
        "page": digest(json.dumps(page, sort_keys=True).encode()),
        "profile": profile,
        **files,
    }


def files_behind(sources: list[str], root: Path) -> set[Path]:
    """Files of tinyrec that these pieces of code reach, data files included."""
    found: set[Path] = set()
    todo = set().union(*(imported(nodes(text, tree), ()) for text in sources))
    if any(re.search(rf"-m\W+{PACKAGE}\b", text) for text in sources):
        todo.add((PACKAGE, "__main__"))  # called as a command
    while todo:
        name = todo.pop()
        file = module_file(root, name)
        if file is None or file in found:
            continue
        found.add(file)
        package = name if file.name == "__init__.py" else name[:-1]
        todo |= imported(nodes(file.read_text(), ast.parse), package)
        found |= data_behind(file, root)
    return found


def data_behind(file: Path, root: Path) -> set[Path]:
    """Files that are not Python and that the module in `file` may open."""
    found = {path for path in file.parent.iterdir() if path.is_file()}
    for folder in DATA_FOLDERS:
        if f'"{folder}"' in file.read_text():
            found |= {p for p in (root / PACKAGE / folder).rglob("*") if p.is_file()}
    return {path for path in found if path.suffix not in (".py", ".pyc")}


def nodes(text: str, parse) -> list[ast.AST]:
    """Of a syntax tree; none for what is no Python: it imports nothing, and fails where it runs."""
    try:
        return list(ast.walk(parse(text)))
    except SyntaxError:
        return []


def imported(nodes: list[ast.AST], package: tuple[str, ...]) -> set[tuple[str, ...]]:
    """Every name under tinyrec that code of `package` may import."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = above + tuple((node.module or "").split(".") if node.module else ())
            # `from a.b import c`: c may be a module or a name in b; both are tried.
            names |= {base} | {base + (alias.name,) for alias in node.names}
    # Importing a.b.c runs a and a.b too.
    names = {name[:end] for name in names for end in range(1, len(name) + 1)}
    return {name for name in names if name[0] == PACKAGE}


def module_file(root: Path, name: tuple[str, ...]) -> Path | None:
    """The file of a module or package, or None when `name` is neither."""
    path = root.joinpath(*name)
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def tree(text: str) -> ast.Module:
    """Syntax tree of a cell; lines for IPython (`%...`, `!...`) become `pass`."""
    return ast.parse(re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", text))


def source(cell: dict) -> str:
    """A cell's text: the format allows a string or a list of lines."""
    return "".join(cell["source"])


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
