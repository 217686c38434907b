"""Every page of the built book, in light and dark, on a laptop and on a phone."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import formulas
import pytest
from axe_playwright_python.sync_playwright import Axe
from chapter import ROOT
from test_book import broken_links

PHONE = {"width": 375, "height": 740}
# The theme's own: its buttons' labels, and what it leaves outside of the landmarks.
STOCK = {"label-content-name-mismatch", "region"}
TOO_WIDE = """() => [...document.querySelectorAll("article *")].filter(part => {
    if (part.getBoundingClientRect().right <= innerWidth + 1) return false;
    for (let box = part; box; box = box.parentElement)
        if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(box).overflowX))
            return false;
    return true;
}).map(part => part.outerHTML.slice(0, 100))"""

WITHOUT_CODE = """article => {
    const copy = article.cloneNode(true);
    copy.querySelectorAll("pre, code, script, style, [data-steps], [data-calls]")
        .forEach(part => part.remove());
    return copy.textContent;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_opens_without_complaints_and_can_be_read_by_all(page, pages, name, scheme):
    """The fixture looks at the console and at what is fetched."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.goto(pages[name].as_uri())
    assert page.locator("html").get_attribute("data-theme") == scheme
    assert page.locator("h1:visible").count() == 1
    # preload would fetch the style sheets, which a page from a folder may not
    found = Axe().run(page, options={"preload": False}).response["violations"]
    assert [told(each) for each in found if each["id"] not in STOCK] == []


def told(violation):
    """What axe found, in a line."""
    return violation["id"], violation["help"], [node["html"] for node in violation["nodes"]][:3]


def test_a_page_fits_a_phone(page, pages, name):
    page.set_viewport_size(PHONE)
    page.goto(pages[name].as_uri())
    assert page.evaluate("document.scrollingElement.scrollWidth") == PHONE["width"]
    assert page.evaluate(TOO_WIDE) == []


def test_what_is_wider_than_a_phone_says_so_and_scrolls_by_key(page, pages):
    page.set_viewport_size(PHONE)
    page.goto(pages["notebooks/08_full_trm.html"].as_uri())
    code = page.locator("article pre[data-more=right]:visible").first
    code.focus()
    assert "linear-gradient" in code.evaluate("box => getComputedStyle(box).maskImage")
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.dataset.more.startsWith('left')")


def test_code_in_a_table_keeps_room_for_words_on_a_phone(page, pages):
    page.set_viewport_size(PHONE)
    page.goto(pages["book/paper_to_code.html"].as_uri())
    cells = page.locator("article td:has(code)")
    assert min(cells.evaluate_all("cells => cells.map(cell => cell.clientWidth)")) >= 140


def test_images_are_there_and_say_what_they_show(page, pages, name):
    page.goto(pages[name].as_uri())
    images = page.locator("article img").evaluate_all(
        "images => images.map(each => [each.alt, each.naturalWidth, each.getAttribute('src')])"
    )
    assert [src for alt, width, src in images if not width] == []
    assert [src for alt, width, src in images if len(alt) < 10 or alt.startswith(("_", "."))] == []


def test_a_page_without_its_figures_is_light(page, pages, name):
    sizes = {}
    page.on(
        "requestfinished",
        lambda request: (
            request.url.startswith("file:")  # a worker's text stands in the page
            and sizes.update({request.url: size(request)})
        ),
    )
    page.goto(pages[name].as_uri())
    page.wait_for_load_state("networkidle")
    figures = page.locator("article img").evaluate_all("images => images.map(each => each.src)")
    text = sum(each for url, each in sizes.items() if url not in figures)
    assert text < 1.5e6, sorted((each, url) for url, each in sizes.items())[-5:]


def size(request):
    """In bytes, of the file behind a request."""
    return Path(unquote(urlsplit(request.url).path)).stat().st_size


def test_every_formula_of_the_source_is_on_its_page_and_none_is_raw(page, pages, name):
    page.goto(pages[name].as_uri())
    [source] = [
        path for path in map((ROOT / name).with_suffix, (".ipynb", ".md")) if path.is_file()
    ]
    written = formulas.of_source(source)
    assert page.locator("article math[display=inline]").count() == len(written["inline"])
    assert page.locator("article .formula").count() == len(written["block"])
    text = page.locator("article").evaluate(WITHOUT_CODE)
    assert [sign for sign in ("$$", "\\(", "\\[", "\\frac", "\\text") if sign in text] == []
    assert page.locator("article merror").count() == 0


def test_the_font_of_the_formulas_is_ours(page, pages):
    page.goto(pages["notebooks/05_one_step_gradient.html"].as_uri())
    page.wait_for_function("[...document.fonts].some(font =>"
                           " font.family === 'Formulas' && font.status === 'loaded')")  # fmt: skip


def test_links_and_anchors_lead_somewhere(html):
    # the page for wrong addresses is read below any of them, so its links are whole
    assert [line for line in broken_links(html) if not line.startswith("404.html")] == []


def test_search_quotes_the_pages_that_it_finds(page, html):
    page.goto((html / "search.html").as_uri() + "?q=puzzles")
    quote = page.locator("#search-results li p.context").first
    quote.wait_for()
    assert "puzzle" in quote.inner_text().lower()


def test_there_is_no_empty_index_and_a_page_for_a_wrong_address(page, html):
    assert "genindex" not in (html / "book" / "welcome.html").read_text()
    page.goto((html / "404.html").as_uri())
    assert "no such page" in page.locator("h1").inner_text()


def test_a_page_says_to_others_what_it_is(page, html, name):
    page.goto((html / name).as_uri())
    said = {
        part: page.locator(f"meta[{part}]").first.get_attribute("content")
        for part in ("name=description", 'property="og:title"', 'property="og:image"')
    }
    assert all(said.values()) and ",," not in said["name=description"]
    picture = said['property="og:image"'].removeprefix("https://tinyrec.github.io/tinyrec/")
    assert (html / picture).is_file()
    icon = page.locator("link[rel=icon]").get_attribute("href")
    assert ((html / name).parent / icon).resolve().is_file()
