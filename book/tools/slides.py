"""Make the slides of each session of the teaching guide from its chapters.

    python book/tools/slides.py [--profile smoke|cpu|gpu]

book/teaching.md names the chapters of a session. Their executed copies give the slides: the
question and the goals, every "Predict first" and every figure with its caption, the exercises, and
what we measured. So there is nothing to keep up to date. Each session is one file in build/slides
that needs no network.
"""

import argparse
import html
import re
import sys
from pathlib import Path
from string import Template

import execute
import images
import nbformat
from markdown_it import MarkdownIt

GUIDE = execute.ROOT / "book" / "teaching.md"
TEMPLATE = Path(__file__).with_suffix(".html")
SESSION = re.compile(r"(?m)^## Session (\d+): (.+)\n\n\*\*Chapters\*\*: (.+)$")
PREDICT = re.compile(r"(?m)^\*\*Predict first[:.]\*\* (.+)$")
MARKDOWN = MarkdownIt("commonmark")
MANY = 6  # more lines than these stand smaller


def sessions(guide: str) -> list[tuple[str, str, list[str]]]:
    """(number, title, names of its notebooks) of each session in the text of the guide."""
    return [
        (number, title, re.findall(r"notebooks/(\w+)\.ipynb", chapters))
        for number, title, chapters in SESSION.findall(guide)
    ]


def slides_of(notebook):
    """The slides of an executed chapter, as HTML. ValueError: a figure has no image."""
    heading = ""
    for cell in notebook.cells:
        if "figure" in cell.metadata.get("mystnb", {}):
            yield f"<h2>{line(heading)}</h2>\n{figure(cell)}"
        if cell.cell_type != "markdown":
            continue
        if title := re.match(r"# (\d+\. [^:\n]+): (.+)", cell.source):
            goals = re.search(r"(?m)^After this.*\n+((?:- .+\n)+)", cell.source)[0]
            yield f"<p>{line(title[1])}</p>\n<h1>{line(capital(title[2]))}</h1>\n{prose(goals)}"
        for part in re.split(r"(?m)^(?=## )", cell.source):
            if named := re.match(r"## (.+)", part):
                heading = named[1]
            if question := PREDICT.search(part):
                words = line(capital(question[1]))
                yield (
                    f"<p>{line(heading)}</p>\n<h2>Predict first</h2>\n"
                    f'<p class="predict">{words}</p>'
                )
            if heading == "What we measured" and named:
                yield prose(part)
    yield prose("## Exercises\n\n" + exercises(notebook))


def exercises(notebook) -> str:
    """A list: the name of each, how hard it is and how long it takes."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    found = re.findall(r"(?m)^### \d+\. (.+)\n\n\*(\w+ · \d+ minutes)\.\*", text)
    return "".join(f"- {name} ({effort})\n" for name, effort in found)


def figure(cell) -> str:
    for output in cell.outputs:
        if png := output.get("data", {}).get("image/png"):
            data, alt = png.replace("\n", ""), html.escape(images.alt(cell))
            caption = line(cell.metadata["mystnb"]["figure"]["caption"])
            return (
                f'<figure><img alt="{alt}" src="data:image/png;base64,{data}">'
                f"<figcaption>{caption}</figcaption></figure>"
            )
    raise ValueError(f"the cell `{cell.source.splitlines()[0]}` drew no image")


def prose(text: str) -> str:
    return MARKDOWN.render(plain(text)).strip()


def line(text: str) -> str:
    return MARKDOWN.renderInline(plain(text))


def plain(text: str) -> str:
    """A formula here is never more than a letter, and a slide has no place to lead to."""
    return re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", re.sub(r"\$(\w)\$", r"*\1*", text))


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def page(number: str, title: str, notebooks: list) -> str:
    """A session as one HTML document."""
    found = [f"<p>Session {number}</p>\n<h1>{line(title)}</h1>"]
    found += [slide for notebook in notebooks for slide in slides_of(notebook)]
    sections = (
        f'<section data-number="{n}"{many(slide)}>\n{slide}\n</section>'
        for n, slide in enumerate(found, 1)
    )
    return Template(TEMPLATE.read_text()).substitute(
        title=f"Session {number}: {html.escape(title)}", slides="\n".join(sections)
    )


def many(slide: str) -> str:
    return ' class="many"' if slide.count("<li>") > MANY else ""


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description="Make the slides of the teaching guide.")
    parser.add_argument("--profile", choices=execute.PROFILES, default="cpu", help="whose figures")
    copies = execute.executed_folder(parser.parse_args(arguments).profile)
    out = execute.ROOT / "build" / "slides"
    out.mkdir(parents=True, exist_ok=True)
    for number, title, names in sessions(GUIDE.read_text()):
        files = [copies / f"{name}.ipynb" for name in names]
        for file in files:
            if not file.exists():
                print(f"no {file}: run make book first", file=sys.stderr)
                return 1
        made = page(number, title, [nbformat.read(file, as_version=4) for file in files])
        (out / f"session_{number}.html").write_text(made)
        print(out / f"session_{number}.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
