"""The description of a page that others show: its first words, without a list's doubled commas."""

import re


def tidy(app, pagename, templatename, context, doctree):
    if "metatags" in context:
        context["metatags"] = re.sub(r"([.,:;?!]),+", r"\1", context["metatags"])


def setup(app):
    app.connect("html-page-context", tidy, priority=900)  # sphinxext.opengraph has written it
    return {"parallel_read_safe": True}
