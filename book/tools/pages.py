"""Renew what the pages say about chapters, shipped models and the version.

    python book/tools/pages.py [--times] [--tag TAG]

README.md and pages in book/ hold blocks between two comments:

    <!-- chapters: made by book/tools/pages.py -->
    <!-- end -->

What stands between them is made here, from _toc.yml, the notebooks and stored results;
the rest of a page is written by hand. A test fails while a block is out of date.
The version stands in pyproject.toml. Wherever a file names the tag that belongs to it (a badge,
what a first cell installs), it is put in here, too.

--times first puts the minutes of the last `make book` into the notebooks' boxes: for a
machine with two cores. --tag renews nothing, and fails unless TAG is that of the version.
"""

import argparse
import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[2]
SOURCE = "github.com/tinyrec/tinyrec"
COLAB = "https://colab.research.google.com/github/tinyrec/tinyrec/blob"
KAGGLE = f"https://kaggle.com/kernels/welcome?src=https://{SOURCE}/blob"
BINDER = "https://mybinder.org/v2/gh/tinyrec/tinyrec"
BLOCK = re.compile(r"(?m)^<!-- (\w+): made by book/tools/pages\.py -->$")
# What stands before the version in a file, and the version.
VERSION = {
    "notebooks/*.ipynb": rf"((?:{COLAB}|git\+https://{SOURCE})[/@]v)[\d.]+(?=/|\\n)",
    "_config.yml": r"(?m)(^  branch: v)[\d.]+$",
    "CITATION.cff": r"(?m)(^version: )[\d.]+$",
}
BOX = "> **Minutes**: 15 to read · about 4 on two CPU cores · GPU: not measured yet"


class Chapter(NamedTuple):
    file: str  # such as notebooks/01_puzzles.ipynb
    number: int
    name: str
    question: str
    read: str  # minutes, in the words of the box
    cpu: str
    gpu: str


def chapters(root: Path = ROOT) -> list[Chapter]:
    """The chapters that _toc.yml lists, in its order. ValueError: one of another form."""
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    listed = [page["file"] for part in toc["parts"] for page in part["chapters"]]
    return [read(root, f"{name}.ipynb") for name in listed if name.startswith("notebooks/")]


def read(root: Path, file: str) -> Chapter:
    cells = json.loads((root / file).read_text())["cells"]
    prose = ("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    text = "\n".join(prose)
    title = re.search(r"(?m)^# (\d+)\. ([^:\n]+): (.+\?)$", text)
    if not title or int(title[1]) != int(Path(file).name[:2]):
        raise ValueError(f"{file}: no title such as `# {Path(file).name[:2]}. Name: question?`")
    box = re.search(
        r"(?m)^> \*\*Minutes\*\*: (.+) to read · (.+) on two CPU cores · GPU: (.+)", text
    )
    if not box:
        raise ValueError(f"{file}: no box such as `{BOX}`")
    question = title[3][0].upper() + title[3][1:]
    return Chapter(file, int(title[1]), title[2], question, *box.groups())


def with_questions(root: Path) -> str:
    """For the welcome page."""
    rows = [[f"[{c.number}. {c.name}](../{c.file})", c.question] for c in chapters(root)]
    return table(["chapter", "question"], rows) + gaps(root)


def with_buttons(root: Path) -> str:
    """For the README: what GitHub shows, and three ways to run it without installing anything."""
    tag = f"v{version(root)}"
    rows = [
        [
            f"[{c.number}. {c.name}]({c.file})",
            c.question,
            f"[Colab]({COLAB}/{tag}/{c.file}) · [Kaggle]({KAGGLE}/{tag}/{c.file}) · "
            f"[Binder]({BINDER}/{tag}?labpath={c.file})",
        ]
        for c in chapters(root)
    ]
    return table(["chapter", "question", "run it in"], rows) + gaps(root)


def with_minutes(root: Path) -> str:
    """For the page on how to read."""
    rows = [[f"[{c.number}. {c.name}](../{c.file})", c.read, c.cpu, c.gpu] for c in chapters(root)]
    return table(["chapter", "minutes to read", "on two CPU cores", "on a GPU"], rows)


def gaps(root: Path) -> str:
    numbers = [c.number for c in chapters(root)]
    if numbers == list(range(1, len(numbers) + 1)):
        return ""
    return "\nThe numbers that are missing belong to chapters still to be written.\n"


def opening(root: Path) -> str:
    """What the book's own model does, from its result and from book/results/."""
    found = shipped(root)["sudoku-6x6"]
    solve = json.loads((root / "book" / "results" / "bench-solve-6x6.json").read_text())
    precision = solve["runs"][0]["result"]["precision"]
    return (
        f"A network with {found['weights']:,} weights solves {share(found)} minimal 6x6 Sudoku "
        "that it has never seen. To train such a network, from command to answers, took "
        f"{solve['median_seconds']:.0f} seconds on {solve['machine']['threads']} cores "
        f"({solve['machine']['device']}, {precision}; median of {len(solve['runs'])} runs).\n"
    )


def models(root: Path) -> str:
    """For the README: each model that ships, as its result.json says."""
    rows = [
        [name, f"{found['weights']:,}", share(found), duration(found["seconds"])]
        for name, found in shipped(root).items()
    ]
    return table(["model", "weights", "held-out puzzles solved", "training"], rows)


def road(root: Path) -> str:
    """For the README: each comparison at equal compute, the mean exact accuracy of its arms."""
    rows = []
    for file in sorted((root / "book" / "results").glob("road-*.json"), key=first_chapter):
        found, arms = json.loads(file.read_text()), {}
        for run in found["runs"]:
            arms.setdefault(run["arm"], []).append(run["exact"][-1])
        said = [f"{arm} {100 * sum(ends) / len(ends):.0f} %" for arm, ends in arms.items()]
        rows.append([found["question"], " · ".join(said), str(found["chapters"][-1])])
    return table(["question", "puzzles solved, mean of the seeds", "chapter"], rows)


def first_chapter(file: Path) -> int:
    return json.loads(file.read_text())["chapters"][0]


def shipped(root: Path) -> dict[str, dict]:
    """result.json of each shipped model, by name, with its number of weights."""
    from tinyrec.checkpoints import load_model  # late: torch takes seconds to load

    found = {}
    for file in sorted((root / "tinyrec" / "pretrained").glob("*/result.json")):
        weights = sum(p.numel() for p in load_model(file.parent.name).parameters())
        found[file.parent.name] = json.loads(file.read_text()) | {"weights": weights}
    return found


def in_the_page(root: Path) -> str:
    """For the page about the network in the page: how it compares with PyTorch's, by size."""
    found = json.loads((root / "book" / "results" / "network.json").read_text())
    equal, fast, rounded, places = [], [], [], {}
    for name, size in found.items():
        apart = size["apart"]
        logits = [small(apart[pair]["logits"]) for pair in PAIRS]
        states = [small(max(apart[pair]["y"], apart[pair]["z"])) for pair in PAIRS]
        largest, differ = apart["page, torch"]["largest"], apart["page, torch"]["differ"]
        equal.append([name, f"logits, up to {largest:.0f}", *logits, f"{differ}"])
        equal.append([name, "*y* and *z*, of size 1", *states, ""])
        seconds = size["seconds"]
        times = [f"{1000 * seconds[side]:.0f} ms" for side in ("page", "torch")]
        fast.append([name, *times])
        places.setdefault(f"{size['browser']}, {size['machine']['device']}", []).append(name)
        test = size["rounding"]
        counts = [f"{test[kind]:,} of {test['puzzles']:,}" for kind in ("float32", "float16")]
        rounded.append([name, *counts, f"{test['differ']}"])
    first = next(iter(found.values()))
    return (
        f"{first['puzzles']} puzzles of each size, {first['segments']} segments:\n\n"
        + table(["model", "numbers", *PAIRS.values(), "answers that differ"], equal)
        + "\n## How fast is it?\n\nA segment, median, on one thread each, in turn:\n\n"
        + table(["model", "page", "PyTorch"], fast)
        + "".join(f"\n{', '.join(names)}: {place}.\n" for place, names in places.items())
        + "\n## What do half the bits cost?\n\n"
        + "The page's weights are rounded to float16. Held-out puzzles solved after all segments, "
        "in one attempt, in PyTorch:\n\n"
        + table(["model", "float32", "float16", "solved by only one"], rounded)
    )


RECIPES = "sudoku-extreme", "sudoku-extreme-fast", "maze-hard", "arc-1"


def recipes(root: Path) -> str:
    """The presets for a GPU, side by side."""
    from tinyrec.runs import load_run, make_model  # late: torch takes seconds to load

    rows = []
    for name in RECIPES:
        run = load_run(name)
        t, alone = run.training, replace(run, settings=run.settings | {"puzzles": 0})
        model = make_model(alone)  # without its table
        c, weights = model.config, sum(p.numel() for p in model.parameters())
        rate = f"{t.learning_rate:g}, {t.schedule}"
        size = f"{weights:,} weights, {c.mixing}"
        rows.append([f"`{name}`", size, f"{c.recursions}, {c.latent_steps}",
                     f"{t.steps:,} x {t.batch}", t.optimizer, rate, t.loss])  # fmt: skip
    head = ["preset", "network", "T, n", "steps x batch", "optimiser", "rate", "loss"]
    return table(head, rows)


def small(number: float) -> str:
    """Such as 1.8e−05; at a minus sign, unlike at a hyphen, no browser breaks the line."""
    return f"{number:.1e}".replace("-", "\N{MINUS SIGN}")


def share(found: dict) -> str:
    test = found["test"]
    more = f" (in up to {test['attempts']} attempts)" if test.get("attempts", 1) > 1 else ""
    return f"{100 * test['exact']:.1f} % of {test['n']:,}{more}"


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def table(head: list[str], rows: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, ["---"] * len(head), *rows])


PAIRS = {
    "page, torch": "page - PyTorch",
    "page, exact": "page - exact",
    "torch, exact": "PyTorch - exact",
}
BLOCKS = {
    "README.md": {"chapters": with_buttons, "road": road, "models": models},
    "book/welcome.md": {"opening": opening, "chapters": with_questions},
    "book/how_to_read.md": {"minutes": with_minutes},
    "book/full_size.md": {"recipes": recipes},
    "book/network.md": {"network": in_the_page},
}


def version(root: Path = ROOT) -> str:
    """Such as 0.1.0; its tag is v0.1.0."""
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]


def renewed(root: Path = ROOT) -> dict[Path, str]:
    """Each page with its blocks as they should be, each file with the version that it names.

    ValueError: blocks lacking or unknown, or a file that names no version.
    """
    pages = {}
    for name, blocks in BLOCKS.items():
        text = (root / name).read_text()
        if (found := BLOCK.findall(text)) != list(blocks):
            raise ValueError(f"{name}: its blocks are {found}; they must be {list(blocks)}")
        for block, make in blocks.items():
            text = put(text, block, make(root))
        pages[root / name] = text
    for files, pattern in VERSION.items():
        for file in sorted(root.glob(files)):
            text, found = re.subn(pattern, rf"\g<1>{version(root)}", file.read_text())
            if not found:
                raise ValueError(f"{file.relative_to(root)} names no version")
            pages[file] = text
    return pages


def put(page: str, block: str, text: str) -> str:
    start, end = f"<!-- {block}: made by book/tools/pages.py -->\n", "<!-- end -->"
    before, rest = page.split(start)
    return before + start + text + end + rest.split(end, 1)[1]


def put_times(root: Path = ROOT) -> None:
    """The minutes of the last run at profile cpu, rounded, into each notebook's box."""
    for chapter in chapters(root):
        copy = root / "build" / "executed" / "cpu" / Path(chapter.file).name
        if copy.exists():
            seconds = json.loads(copy.read_text())["metadata"]["tinyrec"]["seconds"]
            minutes = max(1, round(seconds / 60))
            text = (root / chapter.file).read_text()
            text = text.replace(f"{chapter.cpu} on two", f"about {minutes} on two", 1)
            (root / chapter.file).write_text(text)


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(description="Renew the lists on the pages.")
    parser.add_argument("--times", action="store_true", help="renew the notebooks' minutes, too")
    parser.add_argument("--tag", help="must be that of the version")
    options = parser.parse_args(arguments)
    if options.tag is not None:
        if options.tag != f"v{version()}":
            parser.error(f"the version in pyproject.toml is {version()}, not {options.tag!r}")
        return
    if options.times:
        put_times()
    for page, text in renewed().items():
        if text != page.read_text():
            page.write_text(text)
            print(f"renewed: {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
