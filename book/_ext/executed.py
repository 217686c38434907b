"""Show the executed copy of a notebook where the table of contents names its source.

So the page has outputs, while its download and Colab buttons lead to the clean source. A missing or
stale copy is a warning, and the book is built with -W. A chapter whose last run failed is no
warning: its page shows how far the run came, and says so; whoever ran it has an exit status. What a
run claimed and did not reach stands on its page as well.
"""

import html
import os
import sys
from pathlib import Path

import nbformat
from sphinx.util import logging

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
import claim_record  # noqa: E402
import freshness  # noqa: E402  (the executor asks the same module)

logger = logging.getLogger(__name__)

NOTICE = """\
:::{{{kind}}}
{words}

{lines}
:::"""
FAILED = "This chapter did not run to its end when this page was made. What failed is"
OUTSIDE = "When this page was made, {} of {} claims of this chapter did not hold:"


def swap(app, docname, source):
    notebook = Path(app.env.doc2path(docname))
    if notebook.suffix != ".ipynb":
        return
    profile = app.config.executed_profile
    root = Path(app.srcdir)
    folder = Path(app.config.executed_folder or root / "build" / "executed" / profile)
    copy = folder / notebook.name
    failed = folder / f"{notebook.stem}.failed.ipynb"
    # Each of these, once changed, must bring the page back here.
    for file in (copy, failed):
        app.env.note_dependency(str(file))
    for name in freshness.parts(notebook, profile):
        if (root / name).is_file():
            app.env.note_dependency(str(root / name))
    reason = freshness.why_stale(notebook, copy, profile)
    if reason and freshness.why_stale(notebook, failed, profile) is None:
        copy, reason = failed, None
    if reason:
        logger.warning(
            "%s: its run at profile %s is out of date (%s); execute it again with "
            "python book/tools/execute.py --profile %s",
            notebook.name, profile, reason, profile,
        )  # fmt: skip
    if copy.exists():
        source[0] = with_notices(copy.read_text())


def with_notices(text: str) -> str:
    """The notebook in `text`, with what its run did not reach said behind its title."""
    executed = nbformat.reads(text, as_version=4)
    notices = []
    if failed := executed.metadata.get("tinyrec", {}).get("failed"):
        notices.append(notice("warning", FAILED, [failed]))
    claims = claim_record.made(executed)
    if outside := [claim["line"] for claim in claims.values() if claim["holds"] is False]:
        notices.append(notice("note", OUTSIDE.format(len(outside), len(claims)), outside))
    if not notices:
        return text
    titles = [n for n, cell in enumerate(executed.cells) if cell.source.startswith("# ")]
    behind = titles[0] + 1 if titles else 0
    cell = nbformat.v4.new_markdown_cell("\n\n".join(notices), id="notices")
    executed.cells.insert(behind, cell)
    return nbformat.writes(executed)


def notice(kind: str, words: str, lines: list[str]) -> str:
    """A box for the page; its lines are taken as they are, not as Markdown."""
    lines = (html.escape(" ".join(line.split()), quote=False) for line in lines)
    return NOTICE.format(kind=kind, words=words, lines="\n\n".join(f"<p>{x}</p>" for x in lines))


def setup(app):
    app.add_config_value("executed_profile", os.environ.get("TINYREC_PROFILE_BUILD", "cpu"), "env")
    app.add_config_value("executed_folder", os.environ.get("TINYREC_EXECUTED", ""), "env")
    app.connect("source-read", swap)
    return {"parallel_read_safe": True}
