"""A page with the network in it, `<div data-network="sudoku-6x6">`, gets its scripts and weights.

The weights are written beside the pages by book/tools/network.py; the page loads those of a model
once they are asked for, and other pages load nothing.
"""

import sys
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

MARK = 'data-network="'
SCRIPTS = ("trm", "weights", "worker", "sudoku", "thinking", "grid", "manifest", "network")


@cache
def write(folder: Path) -> None:
    import network  # late: torch takes seconds to load, and most books in tests need none

    network.export(folder)


def depend(app, docname, source):
    """A model that was trained anew brings the page back here."""
    if MARK in source[0]:
        import network

        for folder in network.folders().values():
            app.env.note_dependency(str(folder / "model.safetensors"))


def add(app, pagename, templatename, context, doctree):
    if MARK in context.get("body", ""):
        write(Path(app.outdir) / "_static" / "network")
        app.add_css_file("network/network.css")
        for name in SCRIPTS:
            app.add_js_file(f"network/{name}.js", loading_method="defer")


def setup(app):
    app.connect("source-read", depend)
    app.connect("html-page-context", add)
    return {"parallel_read_safe": True}
