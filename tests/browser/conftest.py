"""The built book in a real Chromium, opened from its folder as a reader's file manager does.

TINYREC_PAGES names the folder of the pages; without it, those that `make book` built. Without
pages, or without Chromium, each test here is skipped and says so.
"""

import os
from pathlib import Path

import chromium
import pytest
import yaml
from chapter import ROOT
from playwright.sync_api import sync_playwright

HTML = Path(os.environ.get("TINYREC_PAGES", ROOT / "build/pages/cpu/_build/html")).resolve()
# What a page may load: itself, what lies beside it, and what it made on its own.
OWN = ("file:", "data:", "blob:", "about:")


@pytest.fixture(scope="session")
def html():
    """The folder of the pages."""
    return HTML if HTML.is_dir() else pytest.skip(f"no {HTML}: build the pages with `make book`")


@pytest.fixture(scope="session")
def pages(html):
    """The book's pages: files, by their path below the folder."""
    return {
        str(file.relative_to(html)): file
        for folder in ("book", "notebooks")
        for file in sorted((html / folder).glob("*.html"))
    }


@pytest.fixture(scope="session")
def browser(html):
    """Chromium, for all tests; each page of it is fresh."""
    with sync_playwright() as playwright:
        try:
            browser = chromium.launch(playwright)
        except FileNotFoundError as error:
            pytest.skip(str(error))
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A fresh page of a laptop's size; at the end nothing may stand in its console, and nothing
    may have been asked of any other host.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.problems = []
    watch(page, page.problems)
    yield page
    context.close()
    assert page.problems == []


def watch(page, problems):
    """Write what a page should not do into the list of problems, as it happens."""
    page.on(
        "console",
        lambda said: said.type in ("error", "warning") and problems.append(f"console: {said.text}"),
    )
    page.on("pageerror", lambda error: problems.append(f"script: {error}"))
    page.on("requestfailed", lambda request: problems.append(f"not there: {request.url}"))
    page.on(
        "request",
        lambda request: request.url.startswith(OWN) or problems.append(f"foreign: {request.url}"),
    )


def pytest_generate_tests(metafunc):
    """A test that takes `name` runs on each page of the table of contents."""
    if "name" in metafunc.fixturenames:
        toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
        files = [page["file"] for part in toc["parts"] for page in part["chapters"]]
        names = [f"{file}.html" for file in (toc["root"], *files)]
        metafunc.parametrize("name", names, ids=[Path(name).stem for name in names])
