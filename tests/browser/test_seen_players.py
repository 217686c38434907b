"""The players of the built book, by mouse and keyboard, and without a script."""

import pytest

STEP, CALL = "[data-steps]", "[data-calls]"


@pytest.fixture
def find(page, pages):
    """The first player of a kind, on the first page that has one."""

    def find(kind):
        has = [file for file in pages.values() if f"{kind[1:-1]}=" in file.read_text()]
        page.goto(has[0].as_uri())
        player = page.locator(kind).first
        player.scroll_into_view_if_needed()
        return player

    return find


def seen(player):
    """What a reader sees change: the words, and the picture's text and marks."""
    marks = "parts => parts.map(part => [part.dataset.is, part.className, part.textContent])"
    return (
        player.locator(".status").inner_text(),
        player.locator("[data-is], td").evaluate_all(marks),
        player.locator("input").input_value(),
    )


@pytest.mark.parametrize("kind", [STEP, CALL])
def test_a_player_is_driven_by_mouse_and_by_keys_alike(find, page, kind):
    player = find(kind)
    by_mouse = []
    for go in ("first", "next", "next", "back", "last"):
        player.locator(f"[data-go={go}]").click()
        by_mouse.append(seen(player))
    player.focus()
    by_keys = []
    for key in ("Home", "ArrowRight", "ArrowRight", "ArrowLeft", "End"):
        page.keyboard.press(key)
        by_keys.append(seen(player))
    assert by_mouse == by_keys
    first, second, third, back, last = by_keys
    assert back == second and len({str(each) for each in (first, second, third)}) == 3
    assert last[2] == player.locator("input").get_attribute("max")


def test_a_player_plays_until_its_end(find, page):
    player = find(STEP)
    player.focus()
    page.keyboard.press("Home")
    page.keyboard.press(" ")
    player.locator("[data-go=play]", has_text="Pause").wait_for()
    player.locator("[data-go=play]", has_text="Play").wait_for()
    assert seen(player)[2] == player.locator("input").get_attribute("max")


def test_a_player_plays_to_the_next_step_and_pauses(find, page):
    player = find(CALL)
    player.focus()
    page.keyboard.press("Home")
    page.keyboard.press(" ")
    assert player.locator("[data-go=play]").inner_text() == "Pause"
    slider = player.locator("input").element_handle()
    page.wait_for_function("slider => +slider.value > 0", arg=slider)
    page.keyboard.press(" ")
    assert player.locator("[data-go=play]").inner_text() == "Play"


def test_the_slider_moves_a_player(find):
    player = find(STEP)
    player.locator("input").fill("1")
    assert player.locator(".status").inner_text().replace("\xa0", " ").startswith("segment 1 of")


def test_a_step_player_opens_on_its_last_step(find):
    player = find(STEP)
    opened = seen(player)
    player.locator("[data-go=last]").click()
    assert seen(player) == opened and opened[2] != "0"


@pytest.mark.parametrize("kind", [STEP, CALL])
def test_without_scripts_a_player_says_the_same_and_has_no_dead_buttons(browser, find, kind):
    player = find(kind)
    words = player.locator(".status").inner_text().replace("\xa0", " ").split()
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(player.page.url)
    still = plain.locator(kind).first
    assert still.locator(".status").inner_text().split() == words
    assert still.locator("button:visible, input:visible, .keys:visible").count() == 0
    assert still.locator("td, svg").first.is_visible()
    context.close()


@pytest.mark.parametrize("kind", [STEP, CALL])
def test_a_player_is_dark_on_a_dark_page(find, page, kind):
    lightness = """part => { const colours = getComputedStyle(part);
        return [colours.backgroundColor, colours.color].map(
            said => said.match(/[0-9]+/g).slice(0, 3).reduce((sum, x) => sum + +x, 0) / 765); }"""
    grounds = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        grounds[scheme] = find(kind).evaluate(lightness)
    (light_paper, light_ink), (dark_paper, dark_ink) = grounds["light"], grounds["dark"]
    assert light_paper > 0.9 and light_ink < 0.2 and dark_paper < 0.2 and dark_ink > 0.9
