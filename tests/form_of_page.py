"""The form of a chapter, as its reader sees it: file, opening, prose, sections.

Each check takes a Chapter and yields what is wrong, in words; nothing when the rule
holds. test_structure.py applies CHECKS to every notebook.
"""

import re

import pages
import yaml
from chapter import ELSEWHERE, ROOT, install_guards, tags
from images import ALT_LENGTH, alt, images_without_alt

TAG = f"v{pages.version()}"
SECTIONS = ["Exercises", "What we measured", "Paper to code", "Next"]
PARAMETERS = ('profile = os.environ.get("TINYREC_PROFILE", "cpu")', "seed = 0")
# Colab and Jupyter show these as they are written.
MYST = {
    "directive": r"(?m)^\s*(?:`{3,}|~{3,})\{|^\s*:{3,}",
    "role": r"\{[a-z][a-z:-]*\}`",
    "label": r"(?m)^\([^()\s]+\)=\s*$",
    "equation label": r"(?m)\$\$ *\([^()\s]+\)\s*$",
}


def named_and_listed(chapter):
    if not re.fullmatch(r"\d\d_[a-z0-9_]+", chapter.stem):
        yield "the file is not named NN_lower_case.ipynb"
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    files = [page["file"] for part in toc["parts"] for page in part["chapters"]]
    if f"notebooks/{chapter.stem}" not in files:
        yield f"_toc.yml does not list notebooks/{chapter.stem}"


def runs_anywhere(chapter):
    notebook = chapter.notebook
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield "the kernel in the metadata is not python3"
    if (notebook.nbformat, notebook.nbformat_minor) < (4, 5):
        yield "the format is older than 4.5: cells have no ids"


def size(chapter):
    cells = len(chapter.notebook.cells)
    if not 20 <= cells <= 60:
        yield f"{cells} cells; a chapter has 20 to 60"
    code = "\n".join(cell.source for _, cell in chapter.code)
    lines = sum(bool(line.strip()) for line in code.split("\n"))
    # What installs tinyrec elsewhere is no code of the chapter's own.
    lines -= sum(1 + b - a for _, cell in chapter.code for a, b in install_guards(cell))
    if lines > 350:
        yield f"{lines} lines of code; a chapter has at most 350"


def badge(chapter):
    """A cell of its own, which the page leaves out: it has a button for the same."""
    first = chapter.notebook.cells[0]
    link = f"{pages.COLAB}/{TAG}/notebooks/{chapter.stem}.ipynb"
    if not re.fullmatch(rf"\[!\[[^\]]+\]\(\S+\)\]\({re.escape(link)}\)", first.source):
        yield f"the first cell is not just a Colab badge that links to {link}"
    if "remove-cell" not in tags(first):
        yield "the first cell, the badge, is not tagged remove-cell"


def title(chapter):
    titles = re.findall(r"(?m)^# .+$", chapter.text)
    if len(titles) != 1:
        yield f"{len(titles)} titles (lines that begin with one #); there must be one"


def goals(chapter):
    promise = r"(?i)you will be able to[^\n]*\n+((?:[-*] .+\n(?:  .+\n)*)*)"
    match = re.search(promise, chapter.text)
    count = len(re.findall(r"(?m)^[-*] ", match[1])) if match else 0
    if count != 3:
        yield f'"you will be able to" is followed by {count} bullets, not by 3'


def box(chapter):
    """A quote or a table: minutes to read, on a CPU and on a GPU, or "GPU: not measured"."""
    for block in re.findall(r"(?m)(?:^[>|].*\n)+", chapter.text):
        words = all(re.search(rf"(?i)\b{w}", block) for w in ("minute|min", "read"))
        devices = "CPU" in block and "GPU" in block
        numbers = 2 if "GPU: not measured" in block else 3
        if words and devices and len(re.findall(r"\d+", block)) >= numbers:
            return
    yield "no box (> or table) with the minutes to read, on a CPU and on a GPU"


def setup(chapter):
    """One guarded line installs the tinyrec of the badge's version, and nothing else."""
    install = f"pip install -q --no-deps git+https://{pages.SOURCE}@{TAG}"
    guards = [(n, cell, g) for n, cell in chapter.code for g in install_guards(cell)]
    if len(guards) != 1:
        yield f"{len(guards)} guards `if {ELSEWHERE}:`, not one"
    for n, cell, (first, last) in guards:
        lines = cell.source.split("\n")[first - 1 : last]
        for what in (f"    !{install}", "    if _exit_code:", "        sys.exit("):
            if not any(line.startswith(what) for line in lines):
                yield (
                    f"cell {n}: the guard has no `{what.strip()}`; a failed pip ends in one "
                    "sentence"
                )


def parameters(chapter):
    cells = chapter.tagged("parameters")
    if len(cells) != 1:
        yield f"{len(cells)} cells tagged `parameters`, not one"
    for n, cell in cells:
        for line in PARAMETERS:
            if line not in cell.source.split("\n"):
                yield f"cell {n}: the parameters do not read `{line}`"


def plain_markdown(chapter):
    for n, cell in chapter.markdown:
        for what, pattern in MYST.items():
            if match := re.search(pattern, cell.source):
                found = match[0].strip()
                yield f"cell {n}: MyST {what} `{found}`; only plain Markdown here"
        opened = len(re.findall(r"<details\b", cell.source))
        closed = len(re.findall(r"</details>", cell.source))
        if opened != closed:
            yield f"cell {n}: {opened} <details> opened, {closed} closed"


def alt_texts(chapter):
    """Of what is in the source; execute.py looks at what comes out."""
    for n, cell in chapter.markdown:
        yield from (f"cell {n}: {what}" for what in images_without_alt(cell.source))
    for n, cell in chapter.code:
        if "image" in cell.metadata.get("mystnb", {}) and len(alt(cell)) < ALT_LENGTH:
            yield f"cell {n}: the alt text has fewer than {ALT_LENGTH} characters"


def figures(chapter):
    """A figure's cell shows the figure alone: the page puts its caption under every output."""
    for n, cell in chapter.code:
        if "figure" in cell.metadata.get("mystnb", {}) and "show.claim" in cell.source:
            yield f"cell {n}: a claim in a figure's cell would get the figure's caption"


def sections(chapter):
    headings = re.findall(r"(?m)^## (.+?)\s*$", chapter.text)
    found = [heading for heading in headings if heading in SECTIONS]
    if found != SECTIONS:
        yield f"the sections are {found}; they must be {SECTIONS}, in this order"


def measured(chapter):
    """ "What we measured" ends in the table of the chapter's claims."""
    cells = chapter.notebook.cells
    for n, cell in enumerate(cells):
        if re.search(r"(?m)^## What we measured\s*$", cell.source):
            table = cells[n + 1] if n + 1 < len(cells) else cell
            if table.cell_type != "code" or table.source.strip() != "show.claims()":
                yield f"cell {n + 2}: What we measured is not followed by a cell `show.claims()`"


def exercises(chapter):
    part = re.search(r"(?ms)^## Exercises\s*$(.*?)(?=^## |\Z)", chapter.text)
    each = re.split(r"(?m)^### ", part[1])[1:] if part else []
    if not 2 <= len(each) <= 4:
        yield f"{len(each)} exercises (### under Exercises); a chapter has 2 to 4"
    for exercise in each:
        name = exercise.split("\n")[0]
        hidden = re.findall(r"(?is)<details.*?<summary>(.*?)</summary>", exercise)
        if not any("solution" in summary.lower() for summary in hidden):
            yield f"exercise `{name}` has no <details> whose summary says solution"


CHECKS = [
    named_and_listed, runs_anywhere, size, badge, title, goals, box, setup,
    parameters, plain_markdown, alt_texts, figures, sections, measured, exercises,
]  # fmt: skip
