"""The book builds without a warning, its pages lead where they should and say what went wrong."""

import html as html_text
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import build
import claim_record
import execute
import executed
import freshness
import nbformat
import pages as lists
import pytest
import yaml
from chapter import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

URL = "https://github.com/tinyrec/tinyrec"


def pages() -> list[str]:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    return [toc["root"]] + [p["file"] for part in toc["parts"] for p in part["chapters"]]


EXECUTED, FAILED, *OTHERS = execute.notebooks()
WHY = "cell 4 (`x / 0`): ZeroDivisionError: division by `zero`"
LINE = "≠ solves <all> — on this machine: 94 %; in the book's own runs: at least 95 %"
CLAIM = {"text": "solves <all>", "value": 0.94, "low": 0.95, "high": None, "holds": False}


def claim_output(line=LINE, **other):
    data = {"text/plain": line, "text/html": f"<p>{line}</p>"}
    return new_output("display_data", data=data, metadata={claim_record.KEY: CLAIM | other})


def plain_copy(notebook, file, outputs=(), **record):
    """As if it had run and put these outputs out, by its first cell of code."""
    copy = nbformat.read(notebook, as_version=4)
    copy.metadata["tinyrec"] = {"parts": freshness.parts(notebook, "smoke"), **record}
    copy.metadata["language_info"] = execute.LANGUAGE
    execute.code_cells(copy)[0].outputs = list(outputs)
    nbformat.write(copy, file)


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """The folder of the pages: one chapter has run, one has failed, the others are as they stand.

    The first of these others has a claim that does not hold.
    """
    copies = tmp_path_factory.mktemp("executed copies")
    execute.refresh(EXECUTED, "smoke", copies)
    error = new_output("error", ename="ZeroDivisionError", evalue="", traceback=["whereitfailed"])
    plain_copy(FAILED, execute.failed_copy(copies / FAILED.name), [error], failed=WHY)
    for notebook in OTHERS:
        plain_copy(notebook, copies / notebook.name, [claim_output()] * (notebook == OTHERS[0]))
    return build.build("smoke", copies, tmp_path_factory.mktemp("a book")).parent


def page_of(html, notebook) -> str:
    return (html / "notebooks" / f"{notebook.stem}.html").read_text()


@pytest.mark.notebooks
def test_a_chapter_that_ran_shows_its_outputs_and_no_notice(html):
    text = page_of(html, EXECUTED)
    assert 'class="tinyrec-claim"' in text and 'class="dataframe tinyrec-claims"' in text
    assert 'div class="admonition' not in text


@pytest.mark.notebooks
def test_a_chapter_that_failed_says_so_on_its_page(html):
    text = page_of(html, FAILED)
    assert "This chapter did not run to its end when this page was made" in text
    assert "ZeroDivisionError: division by `zero`" in text
    assert "whereitfailed" in text


@pytest.mark.notebooks
def test_a_claim_that_does_not_hold_stands_on_top_of_its_page(html):
    text = page_of(html, OTHERS[0])
    assert "1 of 1 claims of this chapter did not hold" in text
    assert text.index("solves &lt;all&gt; — on this machine: 94 %") > text.index("<h1>")


@pytest.mark.notebooks
def test_every_page_is_there(html):
    assert "book/welcome.html" in (html / "index.html").read_text()
    assert [page for page in pages() if not (html / f"{page}.html").is_file()] == []


@pytest.mark.notebooks
@pytest.mark.parametrize("notebook", execute.notebooks(), ids=lambda path: path.stem)
def test_buttons_lead_to_the_source(html, notebook):
    page = (html / "notebooks" / f"{notebook.stem}.html").read_text()
    tag = f"v{lists.version()}"
    assert f'href="{lists.COLAB}/{tag}/notebooks/{notebook.name}"' in page
    assert f'href="{URL}"' in page
    assert f'href="{URL}/issues/new' in page
    download = (html / "_sources" / "notebooks" / notebook.name).read_bytes()
    assert download == notebook.read_bytes()


@pytest.mark.notebooks
def test_a_link_into_the_code_leads_to_the_version_of_the_page(html):
    text = (html / "book" / "paper_to_code.html").read_text()
    assert f"{URL}/blob/v{lists.version()}/tinyrec/models/trm.py#L" in text
    assert f"{URL}/blob/main/" not in "".join((html / f"{p}.html").read_text() for p in pages())


@pytest.mark.notebooks
def test_nothing_is_loaded_from_elsewhere(html):
    """Else a page breaks without a network, and tells others who reads it."""
    text = "".join((html / f"{page}.html").read_text() for page in pages())
    tags = re.findall(r'<(?:script|img|iframe|link rel="stylesheet")[^>]*>', text)
    sources = re.findall(r'(?:src|href)="((?:https?:)?//[^"]*)"', "".join(tags))
    assert sources == []


SITE = "/tinyrec/"  # where the book is published


def broken_links(html: Path):
    """Each link of a page to a file or a place of the book that is not there."""
    text = {file: file.read_text() for file in html.rglob("*.html")}
    places = {file: set(re.findall(r'\bid="([^"]+)"', page)) for file, page in text.items()}
    for file, page in text.items():
        for link in set(re.findall(r'<a\b[^>]*?\bhref="([^"]*)"', page)):
            parts = urlsplit(link.replace("&amp;", "&"))
            if parts.scheme or parts.netloc:
                continue
            path = unquote(parts.path)
            if path.startswith(SITE):  # the page of a wrong address is shown at any depth
                target = html.resolve() / (path.removeprefix(SITE) or "index.html")
            else:
                target = (file.parent / path).resolve() if path else file
            if not target.is_file():
                yield f"{file.relative_to(html)}: no file {link}"
            elif target in places and parts.fragment not in places[target] | {"", "top"}:
                yield f"{file.relative_to(html)}: no place {link}"


@pytest.mark.notebooks
def test_links_inside_the_book_lead_somewhere(html):
    assert list(broken_links(html)) == []


def test_a_broken_link_is_seen(tmp_path):
    (tmp_path / "b.html").write_text('<h1 id="here">B</h1>')
    good = '<a href="b.html#here">b</a> <a href="#own">own</a> <a href="https://example.org/x">'
    good += '<a href="/tinyrec/b.html">b</a>'
    (tmp_path / "a.html").write_text(f'<p id="own"></p>{good}')
    assert list(broken_links(tmp_path)) == []
    wrong = ("c.html", "file"), ("/tinyrec/c.html", "file"), ("b.html#there", "place")
    for link, what in (*wrong, ("#there", "place")):
        (tmp_path / "a.html").write_text(f'<p id="own"></p>{good}<a class="x" href="{link}">')
        assert list(broken_links(tmp_path)) == [f"a.html: no {what} {link}"]


@pytest.fixture
def small_book(tmp_path, monkeypatch):
    """Build a book of one page of this text, in a folder with a space; returns the exit status."""
    root = tmp_path / "small book"
    for folder in ("_ext", "_extra", "_static", "_templates", "tools"):
        shutil.copytree(ROOT / "book" / folder, root / "book" / folder)
    shutil.copy(ROOT / "_config.yml", root)
    (root / "_toc.yml").write_text("format: jb-book\nroot: book/page\n")
    monkeypatch.setattr(build, "ROOT", root)

    def status(text):
        (root / "book" / "page.md").write_text(text)
        return build.main(["--profile", "smoke"])

    return status


@pytest.mark.notebooks
def test_a_reference_that_leads_nowhere_fails_the_build_again_and_again(small_book, capfd):
    """It is a warning under -n alone, and an error under -W alone."""
    assert small_book("# Page\n\n{py:class}`nowhere.Nothing`") != 0
    assert "the book does not build" in capfd.readouterr().err
    assert small_book("# Page\n\n{py:class}`nowhere.Nothing`") != 0
    capfd.readouterr()
    assert small_book("# Page\n\nText") == 0
    last = capfd.readouterr().out.splitlines()[-2:]
    assert last[0] == "0 of 0 claims hold" and last[1].endswith("index.html")
    assert Path(last[1]).is_file()


def test_the_last_lines_count_the_claims_and_list_what_did_not_hold(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "ROOT", tmp_path)
    copies = tmp_path / "copies"
    copies.mkdir()
    for stem in ("01_one", "02_two", "03_three", "04_four"):
        plain = new_notebook(cells=[new_code_cell()])
        (tmp_path / "notebooks").mkdir(exist_ok=True)
        nbformat.write(plain, tmp_path / "notebooks" / f"{stem}.ipynb")
    held = claim_output("✓ one", text="one", holds=True)
    idle = claim_output("· idle", text="idle", holds=None)
    notebooks = tmp_path / "notebooks"
    plain_copy(notebooks / "01_one.ipynb", copies / "01_one.ipynb", [held, idle])
    plain_copy(notebooks / "02_two.ipynb", copies / "02_two.ipynb", [held, claim_output()])
    for name in ("03_three.ipynb", "03_three.failed.ipynb"):  # its good copy is an older one
        plain_copy(notebooks / "03_three.ipynb", copies / name, [held], failed=WHY)
    assert build.summary(copies) == [
        "2 of 3 claims hold",
        f"  02_two: {LINE}",
        f"  03_three failed: {WHY}",
    ]


def test_nothing_lies_about_at_the_top():
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    found = {name.split("/")[0] for name in done.stdout.splitlines()}
    assert {name for name in found if not name.startswith(".")} == {
        "book", "notebooks", "tinyrec", "tests", "_config.yml", "_toc.yml", "requirements.txt",
        "README.md", "CONTRIBUTING.md", "CITATION.cff", "LICENSE", "LICENSE-text", "Makefile",
        "pyproject.toml",
    }  # fmt: skip


def test_repository_is_ours():
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    tag = f"v{lists.version()}"
    assert config["repository"] == {"url": URL, "branch": tag, "path_to_book": ""}
    assert config["execute"]["execute_notebooks"] == "off"


@pytest.fixture
def read(tmp_path):
    """What Sphinx gets for a file of notebooks/, and which files it then watches."""

    def read(path):
        watched, text = set(), [path.read_text()]
        app = SimpleNamespace(
            srcdir=tmp_path,
            config=SimpleNamespace(executed_profile="smoke", executed_folder=""),
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
    failed = execute.failed_copy(copy)
    return SimpleNamespace(module=module, notebook=notebook, copy=copy, failed=failed)


def test_the_page_shows_the_executed_copy(chapter, read, caplog):
    text, watched = read(chapter.notebook)
    assert text == chapter.copy.read_text() != chapter.notebook.read_text()
    assert watched == {str(chapter.copy), str(chapter.failed), str(chapter.module)}
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


def test_a_failure_of_this_very_source_is_shown_and_no_warning(chapter, read, caplog):
    chapter.module.write_text("changed = True")
    plain_copy(chapter.notebook, chapter.failed, failed=WHY)
    text, _ = read(chapter.notebook)
    assert WHY in nbformat.reads(text, as_version=4).cells[0].source
    assert caplog.messages == []


def test_a_failure_of_another_source_is_a_warning(chapter, read, caplog):
    plain_copy(chapter.notebook, chapter.failed, failed=WHY)
    chapter.module.write_text("changed = True")
    read(chapter.notebook)
    assert "is out of date (tinyrec/__init__.py changed)" in caplog.text


def test_a_notice_stands_behind_the_title(chapter):
    cells = [new_markdown_cell("badge"), new_markdown_cell("# Title"), new_code_cell("f()")]
    notebook = new_notebook(cells=cells, metadata={"tinyrec": {"failed": WHY}})
    notebook.cells[2].outputs = [claim_output()]
    text = executed.with_notices(nbformat.writes(notebook))
    sources = [cell.source for cell in nbformat.reads(text, as_version=4).cells]
    assert sources[:2] == ["badge", "# Title"] and sources[3] == "f()"
    assert WHY in sources[2] and html_text.escape(LINE, quote=False) in sources[2]


def test_a_page_of_prose_stays_as_it_is(tmp_path, read, caplog):
    (tmp_path / "notebooks").mkdir()
    page = tmp_path / "notebooks" / "prose.md"
    page.write_text("# Prose")
    assert read(page) == ("# Prose", set())
    assert caplog.messages == []
