"""The book builds without a warning, and its pages lead where they should."""

import re
from types import SimpleNamespace

import build
import execute
import executed
import freshness
import nbformat
import pytest
import yaml
from chapter import ROOT
from nbformat.v4 import new_code_cell, new_notebook

URL = "https://github.com/tinyrec/tinyrec"
# MathJax is Sphinx's own; what we add must be readable without a network.
STOCK = "https://cdn.jsdelivr.net/npm/mathjax@"


def pages() -> list[str]:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    return [toc["root"]] + [p["file"] for part in toc["parts"] for p in part["chapters"]]


@pytest.fixture(scope="module")
def html(smoke_folder, tmp_path_factory):
    """The folder of the pages, built from this session's smoke runs."""
    for notebook in execute.notebooks():
        execute.refresh(notebook, "smoke", smoke_folder)
    return build.build("smoke", tmp_path_factory.mktemp("book")).parent


@pytest.mark.notebooks
def test_every_page_is_there(html):
    assert "book/welcome.html" in (html / "index.html").read_text()
    assert [page for page in pages() if not (html / f"{page}.html").is_file()] == []


@pytest.mark.notebooks
@pytest.mark.parametrize("notebook", execute.notebooks(), ids=lambda path: path.stem)
def test_buttons_lead_to_the_source(html, notebook):
    page = (html / "notebooks" / f"{notebook.stem}.html").read_text()
    colab = "https://colab.research.google.com/github/tinyrec/tinyrec"
    assert f'href="{colab}/blob/main/notebooks/{notebook.name}"' in page
    assert f'href="{URL}"' in page
    assert f'href="{URL}/issues/new' in page
    download = (html / "_sources" / "notebooks" / notebook.name).read_bytes()
    assert download == notebook.read_bytes()


@pytest.mark.notebooks
def test_nothing_is_loaded_from_elsewhere(html):
    """Else a page breaks without a network, and tells others who reads it."""
    text = "".join((html / f"{page}.html").read_text() for page in pages())
    tags = re.findall(r'<(?:script|img|iframe|link rel="stylesheet")[^>]*>', text)
    sources = re.findall(r'(?:src|href)="((?:https?:)?//[^"]*)"', "".join(tags))
    assert [address for address in sources if not address.startswith(STOCK)] == []


def test_repository_is_ours():
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    assert config["repository"] == {"url": URL, "branch": "main", "path_to_book": ""}
    assert config["execute"]["execute_notebooks"] == "off"


@pytest.fixture
def read(tmp_path):
    """What Sphinx gets for a file of notebooks/, and which files it then watches."""

    def read(path):
        watched, text = set(), [path.read_text()]
        app = SimpleNamespace(
            srcdir=tmp_path,
            config=SimpleNamespace(executed_profile="smoke"),
            env=SimpleNamespace(
                doc2path=lambda docname: tmp_path / f"{docname}{path.suffix}",
                note_dependency=watched.add,
            ),
        )
        executed.swap(app, f"notebooks/{path.stem}", text)
        return text[0], watched

    return read


@pytest.fixture
def chapter(tmp_path):
    """A notebook that imports tinyrec, the module behind it, and a fresh copy."""
    module = tmp_path / "tinyrec" / "__init__.py"
    notebook = tmp_path / "notebooks" / "01_one.ipynb"
    copy = tmp_path / "build" / "executed" / "smoke" / "01_one.ipynb"
    for file in (module, notebook, copy):
        file.parent.mkdir(parents=True)
    module.write_text("")
    source = new_notebook(cells=[new_code_cell("import tinyrec")])
    nbformat.write(source, notebook)
    source.metadata["tinyrec"] = {"parts": freshness.parts(notebook, "smoke")}
    nbformat.write(source, copy)
    return SimpleNamespace(module=module, notebook=notebook, copy=copy)


def test_the_page_shows_the_executed_copy(chapter, read, caplog):
    text, watched = read(chapter.notebook)
    assert text == chapter.copy.read_text() != chapter.notebook.read_text()
    assert watched == {str(chapter.copy), str(chapter.module)}
    assert caplog.messages == []


def test_a_stale_copy_is_a_warning(chapter, read, caplog):
    chapter.module.write_text("changed = True")
    read(chapter.notebook)
    [message] = caplog.messages
    assert "01_one.ipynb: its run at profile smoke is out of date" in message
    assert "(tinyrec/__init__.py changed)" in message
    assert caplog.records[0].levelname == "WARNING"


def test_a_missing_copy_is_a_warning(chapter, read, caplog):
    chapter.copy.unlink()
    text, watched = read(chapter.notebook)
    assert text == chapter.notebook.read_text()
    assert str(chapter.copy) in watched
    assert "is out of date (new)" in caplog.text


def test_a_page_of_prose_stays_as_it_is(tmp_path, read, caplog):
    (tmp_path / "notebooks").mkdir()
    page = tmp_path / "notebooks" / "prose.md"
    page.write_text("# Prose")
    assert read(page) == ("# Prose", set())
    assert caplog.messages == []
