"""The Chromium of this machine, without a window, for the PDF and for the tests of the pages."""

import shutil

NAMES = "chromium", "chromium-browser", "google-chrome"
FLAGS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync
    --disable-background-networking --disable-component-update""".split()


def launch(playwright):
    """A Browser with a profile of its own. Raises FileNotFoundError where there is no Chromium."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        raise FileNotFoundError("no Chromium on this machine: install the package `chromium`")
    return playwright.chromium.launch(executable_path=found, args=FLAGS)
