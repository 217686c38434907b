"""Show the executed copy of a notebook where the table of contents names its source.

So the page has outputs, while its download and Colab buttons lead to the clean
source. A missing or stale copy is a warning, and the book is built with -W.
"""

import os
import sys
from pathlib import Path

from sphinx.util import logging

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
import freshness  # noqa: E402  (the executor asks the same module)

logger = logging.getLogger(__name__)


def swap(app, docname, source):
    notebook = Path(app.env.doc2path(docname))
    if notebook.suffix != ".ipynb":
        return
    profile = app.config.executed_profile
    root = Path(app.srcdir)
    copy = root / "build" / "executed" / profile / notebook.name
    # Each of these, once changed, must bring the page back here.
    app.env.note_dependency(str(copy))
    for name in freshness.parts(notebook, profile):
        if (root / name).is_file():
            app.env.note_dependency(str(root / name))
    reason = freshness.why_stale(notebook, copy, profile)
    if reason:
        logger.warning(
            "%s: its run at profile %s is out of date (%s); execute it again with "
            "python book/tools/execute.py --profile %s",
            notebook.name, profile, reason, profile,
        )  # fmt: skip
    if copy.exists():
        source[0] = copy.read_text()


def setup(app):
    app.add_config_value("executed_profile", os.environ.get("TINYREC_PROFILE_BUILD", "cpu"), "env")
    app.connect("source-read", swap)
    return {"parallel_read_safe": True}
