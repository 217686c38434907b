"""What every player has: the frame, the words under the picture, the buttons, keys and slider.

A player is plain HTML with its own style and script (controls.css and .js, and the player's own),
so it works wherever HTML does: a static page, a file on disk, JupyterLab, Colab. What each page
shows is computed in Python; the script only turns the pages.
"""

import hashlib
import html
from pathlib import Path
from string import Template

from matplotlib.colors import to_hex

from tinyrec.show.style import COLOURS, DARK, DARK_PAPER, INK, PAPER, tint

BUTTONS = ("first", "back", "play", "next", "last")


def read(name):
    """The text of a file beside this one."""
    return Path(__file__).with_name(name).read_text("utf-8")


def unbroken(words):
    """On a narrow page a line breaks between the parts, "a · b", not within one."""
    return words.replace(" ", "\xa0").replace("\xa0·\xa0", " · ")


def pale(role, strength=0.2):
    """The role's tint for a fill, on a light page and on a dark one, as CSS."""
    dark = to_hex(tint(role, strength, DARK, GROUND[1]))
    return f"light-dark({to_hex(tint(role, strength))}, {dark})"


STYLE, SCRIPT = read("controls.css"), read("controls.js")
GROUND = "#ffffff", "#0f1216"  # of cells, boxes and buttons
BOTH = {role: (colour, DARK[role]) for role, colour in COLOURS.items()} | dict(
    ink=(INK, DARK["question"]), paper=(PAPER, DARK_PAPER), ground=GROUND,
    line=("#999999", "#6b737d"), hover=("#e8f1f8", "#2b3b4a"),
)  # fmt: skip
PALETTE = {name: f"light-dark({light}, {dark})" for name, (light, dark) in BOTH.items()}


def frame(kind, title, pages, says, start, picture, key, style, script, **values):
    """A player's HTML. kind: "step" or "call"; pages: what its script reads, JSON; says: what is
    said on each page; start: the page that it opens on; picture: HTML, of that page; key: HTML,
    what the marks mean; style and script: the player's own, to go with those of the controls;
    values: what the style names beside the palette.
    """
    name = "tinyrec-" + hashlib.sha256(f"{title}\n{pages}".encode()).hexdigest()[:10]
    style = Template(STYLE + style).substitute(PALETTE | values, id=name)
    title = html.escape(title)
    pages = html.escape(pages, quote=False).replace("'", "&#x27;")
    buttons = "".join(
        f'<button type="button" data-go="{go}">{go.title()}</button>' for go in BUTTONS
    )
    last = len(says) - 1
    # Lumino's attribute keeps JupyterLab from taking the keys for itself. A notebook that it does
    # not trust yet, and GitHub, drop style and script: buttons stay hidden, and a line says why.
    return (
        f'<div id="{name}" role="group" tabindex="0" data-lm-suppress-shortcuts="true" '
        f"aria-label=\"{kind.title()} player {title}\" data-{kind}s='{pages}'>"
        f"<style>{style}</style>"
        + (f'<p class="title">{title}</p>' if title else "")
        + picture
        + f'<p class="status" role="status" aria-live="polite">{html.escape(says[start])}</p>'
        f'<div class="controls" hidden>{buttons}</div>'
        f'<input type="range" min="0" max="{last}" value="{start}" aria-label="Step" hidden>'
        f'<p class="key">{key}<span class="keys" hidden><br>keys: left, right, space</span></p>'
        '<p class="bare">Run this cell to see the marks, and buttons for the steps.</p>'
        f"<script>{{{SCRIPT}{script}}}</script></div>"
    )
