"""Every page of the built book opens as it should."""


def test_a_page_opens(page, pages, name):
    page.goto(pages[name].as_uri())
    assert page.locator("h1").count() == 1
