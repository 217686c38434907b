"""The text of all pages in a script for the search page.

Sphinx's search fetches each page that it found, to quote from it. A browser does not allow that on
pages opened from a folder; here the search page brings the text along.
"""

import json
from pathlib import Path

from bs4 import BeautifulSoup

NAME = "excerpts.js"
SCRIPT = """\
const excerpts = %s;
const fetched = window.fetch;
window.fetch = (address, ...rest) => {
  const page = Object.keys(excerpts).find(name => `${address}`.endsWith(`/${name}.html`));
  return page ? Promise.resolve(new Response(excerpts[page])) : fetched(address, ...rest);
};
"""


def text_of(page: str) -> str:
    """What Sphinx's search reads of a page: its text, in sections that keep their names."""
    main = BeautifulSoup(page, "html.parser").select_one("article")
    for part in main.select("script, style, math, button, svg, .headerlink"):
        part.decompose()
    for part in main(True):
        if part.name == "section":
            part.attrs = {"id": part.get("id", "")}
        else:
            part.unwrap()
    return f'<div role="main">{main.decode_contents()}</div>'


def load(app, pagename, templatename, context, doctree):
    if pagename == "search":
        app.add_js_file(NAME)


def write(app, exception):
    if exception or app.builder.name != "html":
        return
    out = Path(app.outdir)
    texts = {
        name: text_of((out / f"{name}.html").read_text()) for name in sorted(app.env.found_docs)
    }
    script = SCRIPT % json.dumps(texts, ensure_ascii=False)
    (out / "_static" / NAME).write_text(script)


def setup(app):
    app.connect("html-page-context", load)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True}
