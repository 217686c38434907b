"""Links to files of the repository lead to the version that the pages belong to, as badges do.

In the sources they name the branch `main`, where their lines are kept right; on a page the branch
goes on without it, and the lines would be wrong.
"""


def pin(app, docname, source):
    url, branch = (app.config.html_theme_options[f"repository_{it}"] for it in ("url", "branch"))
    source[0] = source[0].replace(f"{url}/blob/main/", f"{url}/blob/{branch}/")


def setup(app):
    app.connect("source-read", pin, priority=900)  # after a notebook's copy has taken its place
    return {"parallel_read_safe": True}
