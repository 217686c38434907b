"""What those who cannot see an image are told: alt texts, in sources and in outputs."""

import re

DRAWN = {"image/png", "image/jpeg", "image/svg+xml"}
ALT_LENGTH = 20


def alt(cell) -> str:
    """What myst-nb gives as alt text to the images that a cell puts out."""
    return cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")


def images_without_alt(text: str):
    """Images in Markdown or HTML that say nothing to those who cannot see them."""
    for words, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)", text):
        if not words.strip():
            yield f"no alt text on {target[:60]}"
    for image in re.findall(r"(?is)<img\b[^>]*>", text):
        if not re.search(r"""(?i)\balt\s*=\s*["'][^"']""", image):
            yield f"no alt text on {image[:60]}"
    for drawing in re.findall(r"(?is)<svg\b.*?</svg>", text):
        head = drawing[: drawing.index(">") + 1]
        if not re.search(r"aria-label|aria-hidden", head) and "<title" not in drawing:
            yield f"no aria-label and no <title> on {head[:60]}"


def without_alt(executed):
    """In words, what the cells of an executed notebook draw without saying what it is."""
    for number, cell in enumerate(executed.cells, 1):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if DRAWN & set(data) and len(alt(cell)) < ALT_LENGTH:
                yield f"cell {number} draws an image, its alt text is {alt(cell)!r}"
            for what in images_without_alt("".join(data.get("text/html", ""))):
                yield f"cell {number} puts out {what}"
