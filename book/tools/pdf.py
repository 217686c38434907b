"""Print the whole book from the executed copies: one PDF, with its formulas, figures and outline.

python book/tools/pdf.py [--profile smoke|cpu|gpu] [--out FILE]
"""

import argparse
import sys
from pathlib import Path

import build
import chromium
from playwright.sync_api import sync_playwright
from pypdf import PdfWriter
from pypdf.generic import NameObject, TextStringObject

FOOT = '<p style="width:100%;text-align:center;font:9px sans-serif"><span class="pageNumber"></p>'


def printed(page: Path, out: Path) -> Path:
    """Print one HTML file to `out`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        sheet = browser.new_page(color_scheme="light")
        sheet.goto(page.as_uri())
        sheet.evaluate("document.fonts.ready")
        sheet.emulate_media(media="print")
        headings = sheet.locator("article :is(h1, h2, h3, h4, h5, h6):visible").all_inner_texts()
        sheet.pdf(
            path=out, outline=True, tagged=True, print_background=True, prefer_css_page_size=True,
            display_header_footer=True, header_template="<span></span>", footer_template=FOOT,
        )  # fmt: skip
        browser.close()
    # Chromium's outline loses the space where a heading's line is broken.
    pdf = PdfWriter(clone_from=out)
    for entry, heading in zip(entries(pdf.root_object["/Outlines"]), headings, strict=True):
        entry[NameObject("/Title")] = TextStringObject(" ".join(heading.split()))
    pdf.write(out)
    return out


def entries(outline):
    """All entries of a PDF's outline, in their order."""
    entry = outline.get("/First")
    while entry:
        entry = entry.get_object()
        yield entry
        yield from entries(entry)
        entry = entry.get("/Next")


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description="Print the book into one PDF.")
    parser.add_argument("--profile", default="cpu", help="whose executed copies")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the PDF")
    options = parser.parse_args(arguments)
    executed = build.ROOT / "build" / "executed" / options.profile
    pages = (build.ROOT / "build" / "pdf" / options.profile).resolve()
    folder = build.build(options.profile, executed, pages, "singlehtml").parent
    # Sphinx writes the one page where the first chapter is, with the links of the folder above.
    page = folder / "book.html"
    page.write_bytes((folder / "book" / "welcome.html").read_bytes())
    print(printed(page, options.out or pages / "book.pdf"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
