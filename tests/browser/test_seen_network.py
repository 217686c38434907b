"""The network in the page, driven in a real Chromium as a reader drives it."""

import re

import pytest
from in_the_page import SIZES, THOUGHTS, assert_equal, held_out
from playwright.sync_api import expect

from tinyrec.puzzles.sudoku import rules

SLOW = 60_000  # ms for a few segments on a busy machine


@pytest.fixture
def panel(page, pages):
    """The panel on its own page, with its first puzzle."""
    page.goto(pages["book/network.html"].as_uri())
    page.set_default_timeout(SLOW)
    expect.set_options(timeout=SLOW)
    panel = page.get_by_role("group", name="The network in the page")
    expect(panel).to_be_visible()
    return panel


@pytest.fixture
def easy(panel):
    """An easy puzzle of a size that is fast."""
    panel.get_by_label("Size").select_option("4x4")
    panel.get_by_label("Level").select_option("easy")
    return panel


def status(panel):
    return panel.get_by_role("status")


def press(panel, name):
    panel.get_by_role("button", name=name, exact=True).click()


def shown(panel, number=0) -> str:
    """The digits of a grid, as a line."""
    cells = panel.locator("table").nth(number).locator("td")
    read = "cells => cells.map(c => (c.querySelector('input')?.value ?? c.textContent) || '.')"
    return "".join(cells.evaluate_all(read))


def typed_cell(panel, row, column):
    return panel.get_by_role("textbox", name=re.compile(f"^row {row}, column {column}"))


# ---- the numbers ----


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("size", SIZES)
def test_the_page_says_what_pytorch_says(panel, page, pages, size):
    """50 puzzles, 16 segments, in the page of the book, with the weights that it ships."""
    static = pages["book/network.html"].parents[1] / "_static" / "network"
    page.add_script_tag(path=static / f"{size}.js")
    page.add_script_tag(path=THOUGHTS)
    assert_equal(page.evaluate, size, held_out(size).x[:50])


# ---- thinking ----


def test_it_thinks_until_q_stops_it_and_compares_the_guess(easy):
    puzzle = shown(easy)
    easy.get_by_label("Your guess").fill("5")
    press(easy, "Think")
    expect(status(easy)).to_contain_text("You guessed 5 segments.")
    expect(status(easy)).to_contain_text(re.compile(r"It stops here, after \d+ segments?\."))
    assert rules.is_solution(rules.parse(puzzle), rules.parse(shown(easy)))
    expect(status(easy)).to_contain_text("The answer is valid.")


def test_keys_step_play_and_bring_a_new_puzzle(easy):
    puzzle = shown(easy)
    easy.focus()
    easy.press("ArrowRight")
    expect(status(easy)).to_contain_text("Segment 1:")
    first = shown(easy)
    easy.press("ArrowRight")
    expect(status(easy)).to_contain_text("Segment 2:")
    easy.press("ArrowLeft")
    expect(status(easy)).to_contain_text("Segment 1:")
    assert shown(easy) == first
    easy.press("ArrowLeft")
    assert shown(easy) == puzzle
    easy.press(" ")
    expect(status(easy)).to_contain_text("The answer is")
    easy.press("n")
    expect(status(easy)).to_contain_text("The puzzle.")
    assert shown(easy) != puzzle


def test_call_by_call_shows_y_and_z_and_which_is_new(easy):
    easy.get_by_label("call by call").check()
    expect(easy.get_by_text("z, the scratch pad")).to_be_visible()
    for call_number, new in (1, "z"), (2, "z"), (3, None):
        press(easy, "Next")
        says = f"call {call_number} of 3: new {new}." if new else "Segment 1:"
        expect(status(easy)).to_contain_text(says)
    assert re.fullmatch("[1-4]{16}", shown(easy, 1))


def test_a_damaged_cell_is_marked_and_heals(easy):
    press(easy, "Think")
    expect(status(easy)).to_contain_text("The answer is valid.")
    before = shown(easy)
    cell = typed_cell(easy, 2, 3)
    cell.click()
    expect(status(easy)).to_contain_text("1 of the cells damaged.")
    expect(typed_cell(easy, 2, 3)).to_have_accessible_name(re.compile("damaged"))
    press(easy, "Think")
    expect(status(easy)).to_contain_text("The answer is")
    expect(status(easy)).to_contain_text("Healed,")
    assert shown(easy) == before


def test_damage_by_keyboard_changes_what_a_cell_says(easy):
    press(easy, "Next")
    expect(status(easy)).to_contain_text("Segment 1:")
    typed_cell(easy, 1, 1).focus()
    typed_cell(easy, 1, 1).press("ArrowDown")
    typed_cell(easy, 2, 1).press("Enter")
    expect(status(easy)).to_contain_text("1 of the cells damaged.")
    expect(typed_cell(easy, 2, 1)).to_have_accessible_name(re.compile("damaged"))


def test_the_page_stays_awake_while_the_worker_thinks(panel, page):
    """Its own tasks go on; were the network in their thread, they would wait for it."""
    panel.get_by_label("Size").select_option("9x9")
    ticks = page.evaluate(
        """() => new Promise(resolve => {
          const status = document.querySelector(".panel .status");
          let ticks = 0;
          const tick = () => {
            ticks += 1;
            if (status.textContent.startsWith("Segment 1:")) resolve(ticks);
            else setTimeout(tick);
          };
          const buttons = [...document.querySelectorAll(".panel button")];
          buttons.find(button => button.textContent === "Next").click();
          tick();
        })"""
    )
    assert ticks > 10


# ---- puzzles ----


def test_a_puzzle_is_typed_with_digits_and_arrows(easy):
    easy.get_by_text("Paste a puzzle").click()
    easy.get_by_label("A puzzle as text").fill("." * 16)
    press(easy, "Use this text")
    press(easy, "Think")
    expect(easy.get_by_role("alert")).to_have_text("the grid is empty: give at least one digit")
    typed_cell(easy, 1, 1).press("3")
    typed_cell(easy, 1, 1).press("ArrowRight")
    typed_cell(easy, 1, 2).press("4")
    assert shown(easy) == "34" + "." * 14
    typed_cell(easy, 1, 2).press("3")
    said = "row 1, column 2: digit 3 is repeated in its row"
    expect(easy.get_by_role("alert")).to_have_text(said)
    typed_cell(easy, 1, 2).press("Backspace")
    assert shown(easy) == "3" + "." * 15
    expect(easy.get_by_role("alert")).to_be_empty()


def test_a_pasted_puzzle_sets_the_size_and_bad_text_is_told(panel):
    panel.get_by_text("Paste a puzzle").click()
    text = panel.get_by_label("A puzzle as text")
    puzzle = rules.decode(held_out("sudoku-9x9").x[0])
    text.fill(rules.format_grid(puzzle))
    press(panel, "Use this text")
    assert shown(panel) == rules.to_string(puzzle)
    expect(panel.get_by_label("Size")).to_have_value("9x9")
    text.fill("12a4")
    press(panel, "Use this text")
    expect(panel.get_by_role("alert")).to_contain_text("character 3: 'a' is neither a digit")
    assert shown(panel) == rules.to_string(puzzle)


def test_a_link_carries_the_puzzle(easy, page, browser):
    puzzle = shown(easy)
    easy.get_by_text("Paste a puzzle").click()
    link = easy.get_by_text("A link to this puzzle").evaluate("link => link.href")
    other = browser.new_page()
    other.goto(link)
    there = other.get_by_role("group", name="The network in the page")
    assert shown(there) == puzzle
    other.close()


def test_two_other_networks_stand_beside_it(easy):
    press(easy, "Think")
    expect(status(easy)).to_contain_text("The answer is valid.")
    easy.get_by_text("two other networks").click()
    beside = easy.locator(".beside")
    expect(beside).to_contain_text("After 1 segment:")
    expect(beside.locator(".of-untrained")).to_contain_text("not valid")


def test_pages_without_the_network_do_not_load_it(page, pages):
    page.goto(pages["book/glossary.html"].as_uri())
    assert page.locator("script[src*='network/']").count() == 0
