"""What every player has: the frame, the words under the picture, the buttons, keys and slider.

A player is plain HTML with its own style and script (controls.css and .js, and the player's own),
so it works wherever HTML does: a static page, a file on disk, JupyterLab, Colab. What each page
shows is computed in Python; the script only turns the pages.
"""

import hashlib
import html
from pathlib import Path
from string import Template

from tinyrec.show.style import COLOURS, INK, PAPER

BUTTONS = ("first", "back", "play", "next", "last")


def read(name):
    """The text of a file beside this one."""
    return Path(__file__).with_name(name).read_text("utf-8")


def unbroken(words):
    """On a narrow page a line breaks between the parts, "a · b", not within one."""
    return words.replace(" ", "\xa0").replace("\xa0·\xa0", " · ")


STYLE, SCRIPT = read("controls.css"), read("controls.js")


def frame(kind, title, pages, says, picture, key, style, script, **values):
    """A player's HTML. kind: "step" or "call"; pages: what its script reads, JSON; says: what is
    said on each page; picture: HTML; key: HTML, what the marks mean; style and script: the
    player's own, to go with those of the controls; values: what the style names beside the roles.
    """
    name = "tinyrec-" + hashlib.sha256(f"{title}\n{pages}".encode()).hexdigest()[:10]
    colours = COLOURS | dict(ink=INK, paper=PAPER) | values
    style = Template(STYLE + style).substitute(colours, id=name)
    title = html.escape(title)
    pages = html.escape(pages, quote=False).replace("'", "&#x27;")
    buttons = "".join(
        f'<button type="button" data-go="{go}">{go.title()}</button>' for go in BUTTONS
    )
    # Lumino's attribute keeps JupyterLab from taking the keys for itself.
    return (
        f'<div id="{name}" role="group" tabindex="0" data-lm-suppress-shortcuts="true" '
        f"aria-label=\"{kind.title()} player {title}\" data-{kind}s='{pages}'>"
        f"<style>{style}</style>"
        + (f'<p class="title">{title}</p>' if title else "")
        + picture
        + f'<p class="status" role="status" aria-live="polite">{html.escape(says[0])}</p>'
        f'<div class="controls">{buttons}</div>'
        f'<input type="range" min="0" max="{len(says) - 1}" value="0" aria-label="Step">'
        f'<p class="key">{key}<br>keys: left, right, space</p>'
        f"<script>{{{SCRIPT}{script}}}</script></div>"
    )
