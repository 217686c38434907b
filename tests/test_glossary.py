"""Each term of the glossary is introduced once, in its chapter, and no earlier chapter needs it;
the page of questions answers fifteen, in short.
"""

import ast
import json
import re
from typing import NamedTuple

import execute
import freshness
import nbformat
import pytest
from chapter import ROOT, Chapter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

GLOSSARY = (ROOT / "book" / "glossary.md").read_text()
QUESTIONS = (ROOT / "book" / "questions.md").read_text()
FILES = "https://github.com/tinyrec/tinyrec/blob/main/"

# ---- the page ----

ENTRY = re.compile(
    r"- \*\*(?P<term>[^*]+)\*\*(?: \(\$(?P<letter>[^$]+)\$\))?: (?P<text>.+\.) "
    r"Code: (?:\[`(?P<code>[\w.]+)`\]\((?P<file>[^\s#)]+)(?:#[-L\d]+)?\)|in the chapter)\. "
    r"\[Chapter (?P<chapter>\d+)\]\(\.\./notebooks/(?P<stem>\w+)\.ipynb\)"
)
LINES = [line for line in GLOSSARY.splitlines() if line.startswith("-")]
TERMS = {m["term"]: int(m["chapter"]) for m in map(ENTRY.fullmatch, LINES) if m}

# How a term's words appear where not just as they stand, with or without an s.
FORMS = {
    "ACT": r"(?-i:ACT)",
    "detach": r"detach(?:es|ed|ing)?",
    "equal compute": r"equal (?:compute|cost)|TFLOPs?",
    "halt": r"halt(?:s|ed|ing)?",
    "minimal puzzle": r"minimal(?: puzzles?)?",
    "moving average": r"moving averages?|EMA",
    "puzzle id": r"puzzle[- ](?:id|embedding)s?",
    "q": r"(?-i:q)",
    "solution class": r"solution class(?:es)?",
}
# Everyday words: they are introduced like the others, but may be used before. Every other term of
# chapter 2 and later is policed.
COMMON = {"halt", "loop", "slot"}


def form(term: str) -> re.Pattern:
    words = FORMS.get(term) or re.sub("[ -]", "[- ]", term) + "s?"
    return re.compile(rf"(?i)\b(?:{words})\b")


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[:24])
def test_an_entry_has_a_term_two_sentences_its_code_and_its_chapter(line):
    entry = ENTRY.fullmatch(line)
    assert entry, line
    assert int(entry["stem"][:2]) == int(entry["chapter"])
    assert 1 <= len(sentences(entry["text"])) <= 2
    if entry["code"]:
        assert entry["file"].startswith(FILES)
        text = (ROOT / entry["file"].removeprefix(FILES)).read_text()
        missing = [part for part in entry["code"].split(".") if not re.search(rf"\b{part}\b", text)]
        assert not missing, f"{entry['file']} has no {missing}"


def test_the_glossary_is_in_order_and_names_each_term_once():
    names = [m["term"] for m in map(ENTRY.fullmatch, LINES) if m]
    assert names == sorted(set(names), key=str.lower) and len(names) > 30


def test_forms_and_common_words_are_of_terms():
    assert (FORMS.keys() | COMMON) - TERMS.keys() == set()


# ---- the chapters ----

POINTER = re.compile(r"(?i)\bchapters?\s+(\d+(?:(?:\s*,\s*|\s+(?:and|or|to)\s+)\d+)*)")
AHEAD = {"Next", "Paper to code"}  # sections that may name what is still to come


class Prose(NamedTuple):
    cell: int  # counted from 1
    what: str
    text: str


def plain(text: str) -> str:
    """Markdown as it is read aloud: without code, equations, tags and the targets of links."""
    text = re.sub(r"`[^`]+`|(?s:\$\$.+?\$\$)|\$[^$\n]+\$", "…", text)
    return re.sub(r"<[^>]+>|\]\([^)]*\)|(?<!\w)!?\[|\]", " ", text)


def sentences(text: str) -> list[str]:
    """A heading, an item of a list and a row of a table end a sentence, as a full stop does."""
    text = re.sub(r"(?m)^#.*$|\|[ ]*$", r"\g<0>\n", text)
    blocks = re.split(r"\n\s*\n|\n(?=\s*(?:[-*+>|]|\d+\.)\s)", text)
    joined = (" ".join(block.split()) for block in blocks)
    parts = (part for block in joined for part in re.split(r"(?<=[.!?])[\"')*_]*\s+", block))
    return [part for part in parts if re.search(r"\w", part)]


def prose(chapter: Chapter):
    """What a reader of the chapter reads, but for the sections that look ahead."""
    section = ""
    for n, cell in chapter.markdown:
        for part in re.split(r"(?m)^(?=## )", plain(cell.source)):
            if heading := re.match(r"## (.+?)\s*$", part, re.M):
                section = heading[1]
            if section not in AHEAD:
                yield Prose(n, "text", part)
    for n, cell in chapter.code:
        shown = cell.metadata.get("mystnb", {})
        for what, text in (
            ("caption", shown.get("figure", {}).get("caption")),
            ("alt text", shown.get("image", {}).get("alt")),
        ):
            if text:
                yield Prose(n, what, plain(text))
        for node in ast.walk(freshness.tree(cell.source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "show.claim":
                yield Prose(n, "claim", plain(ast.literal_eval(node.args[0])))


def points_to(sentence: str) -> int:
    """The latest chapter that a sentence names, or 0."""
    named = (number for m in POINTER.finditer(sentence) for number in re.findall(r"\d+", m[1]))
    return max(map(int, named), default=0)


def used_too_early(chapter: Chapter, terms: dict[str, int] = TERMS):
    here = int(chapter.stem[:2])
    ahead = {term: n for term, n in terms.items() if n > here and term not in COMMON}
    for cell, what, text in prose(chapter):
        for sentence in sentences(text):
            for term, introduced in ahead.items():
                found = form(term).search(sentence)
                if found and points_to(sentence) < introduced:
                    yield (
                        f"{chapter.stem}, cell {cell}, {what}: `{found[0]}` is introduced in "
                        f"chapter {introduced}, and this does not point there: {sentence}"
                    )


def introductions(chapter: Chapter, terms: dict[str, int] = TERMS):
    """In its own chapter a term stands in bold, alone, exactly once; in no other one at all."""
    here = int(chapter.stem[:2])
    bold = [
        (n, " ".join(found.split()).strip(" .:,…"))
        for n, cell in chapter.markdown
        for found in re.findall(r"\*\*([^*]+)\*\*", plain(cell.source))
    ]
    for term, introduced in terms.items():
        cells = [n for n, found in bold if form(term).fullmatch(found)]
        if introduced == here and len(cells) != 1:
            where = f"in cells {cells}" if cells else "nowhere"
            yield f"{chapter.stem}: **{term}** must be introduced in bold once; it is, {where}"
        elif introduced != here and cells:
            yield (
                f"{chapter.stem}, cell {cells[0]}: **{term}** is in bold, "
                f"but chapter {introduced} introduces it"
            )


CHECKS = [used_too_early, introductions]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("notebook", execute.notebooks(), ids=lambda path: path.stem)
def test_chapter_keeps_to_the_glossary(notebook, check):
    faults = list(check(Chapter(notebook.stem, nbformat.read(notebook, as_version=4))))
    assert not faults, "\n" + "\n".join(faults)


# ---- the checks can fail ----

SMALL = {"token": 1, "loop": 2, "segment": 3, "carry": 3, "ACT": 6, "q": 6, "slot": 6}
WHOLE = "A **token** is a cell."


def small(*cells, stem="01_puzzles"):
    """A chapter of these cells: text, or a code cell."""
    cells = [new_markdown_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    return Chapter(stem, new_notebook(cells=cells))


def drawn(text="", **shown):
    return new_code_cell(text, metadata={"mystnb": shown})


def faults(chapter):
    return [fault for check in CHECKS for fault in check(chapter, SMALL)]


@pytest.mark.parametrize(
    "cell",
    [
        "Segments are explained in chapter 3.",
        "It is cut into segments (chapters 3 and 4), says the [carry](03_x.ipynb) of chapter 6.",
        "Chapters 2 and 3 go from loops to segments.",
        "| part | where |\n|---|---|\n| a carry | chapter 3 |",
        "## Next\n\nThe next one has segments.",
        "## Paper to code\n\n| ACT | `segment` |\n\nAnd q.",
        "The code has `segments=16`, and $q$ and\n\n$$\nq = \\text{segment}\n$$",
        "A hint:\n\n```python\nsegment(carry)\n```\n",
        "See [there](https://example.org/segment).",
        "Each slot halts. We act.",  # everyday words; and no ACT
        drawn("show.claim('solved', value, at_least=0.5)\nsegment = carry"),
        drawn(figure={"caption": "Chapter 3 has segments."}),
    ],
    ids=lambda cell: repr(cell)[:40],
)
def test_what_points_ahead_or_is_no_prose_is_allowed(cell):
    assert faults(small(WHOLE, cell)) == []


@pytest.mark.parametrize(
    "cells, words",
    [
        ([WHOLE, "Fine.\n\nIt has 16\nsegments, each short. Good."], "cell 2, text: `segments`"),
        (
            [WHOLE, "Fine. It has 16\nsegments, each short. Good."],
            ": It has 16 segments, each short.",
        ),
        ([WHOLE, "It is cut into segments. Chapter 3 says how."], "`segments` is introduced"),
        ([WHOLE, "Segments come in chapter 3. The carry survives."], "`carry` is introduced"),
        ([WHOLE, "- the segment\n- chapter 3"], "`segment` is introduced"),
        ([WHOLE, "| a carry |\n| chapter 3 |"], "`carry` is introduced"),
        ([WHOLE, "## A segment\nChapter 3 has it."], "`segment` is introduced"),
        ([WHOLE, "As chapter 2 says of segments."], "does not point there"),
        ([WHOLE, "The q of chapter 3."], "`q` is introduced in chapter 6"),
        ([WHOLE, "[A segment](03_chapter 3.ipynb) is short."], "`segment` is introduced"),
        ([WHOLE, "## Next\n\nMore.\n\n## Exercises\n\nA segment."], "`segment` is introduced"),
        ([WHOLE, "## Next\n\nMore.", "## Exercises", "A segment."], "cell 4, text"),
        ([WHOLE, "<details><summary>Segments</summary>\n\n</details>"], "`Segments`"),
        ([WHOLE, drawn(figure={"caption": "Per segment."})], "cell 2, caption: `segment`"),
        ([WHOLE, drawn(image={"alt": "Bars of segments"})], "cell 2, alt text: `segments`"),
        ([WHOLE, drawn("show.claim('by segment', 1, at_least=0)")], "cell 2, claim: `segment`"),
        (["A token is a cell."], "**token** must be introduced in bold once; it is, nowhere"),
        ([WHOLE, "**Tokens:** more."], "introduced in bold once; it is, in cells [1, 2]"),
        ([WHOLE, "A **loop** goes round."], "cell 2: **loop** is in bold, but chapter 2"),
    ],
    ids=lambda value: repr(value)[-40:],
)
def test_a_term_too_early_or_introduced_wrongly_is_seen(cells, words):
    found = faults(small(*cells))
    assert len(found) == 1 and words in found[0], found


def test_a_later_chapter_uses_terms_and_introduces_its_own():
    text = "A segment has a token. A puzzle stays in its **slot**, says **q**; **ACT** is all that."
    assert faults(small(text, stem="06_learning_to_stop")) == []
    assert faults(small("A **segment $s$** is short. So is a\n**carry**.", stem="03_deep")) == []
    assert len(faults(small(text, stem="07_trm"))) == 3


# ---- the questions ----

ASKED = re.findall(r"(?m)^## (.+)\n\n((?:(?!## ).*\n?)*)", QUESTIONS)
STORED = re.findall(rf"\[([^\]]*)\]\({re.escape(FILES)}(\S+\.json)\)", QUESTIONS)


def too_much(answer: str):
    if not 1 <= len(sentences(plain(answer))) <= 6:
        yield f"{len(sentences(plain(answer)))} sentences; one to six"
    number = re.search(r"\d", re.sub(r"(?i)\b(?:issue|arXiv) [\d.]+|\b\dx\d\b", "", plain(answer)))
    if not number and "](../notebooks/" not in answer:
        yield "no number and no link into a chapter"


def numbers(found) -> list[float]:
    """All numbers of a results file."""
    if isinstance(found, dict | list):
        values = found.values() if isinstance(found, dict) else found
        return [number for value in values for number in numbers(value)]
    return [found] if isinstance(found, int | float) else []


def stands_in(said: str, found) -> bool:
    """Whether a number such as `99.0 %` is among those of a results file, rounded."""
    value, decimals = re.match(r"(\d+(?:\.(\d+))?)", said).groups()
    factor = 100 if said.endswith("%") else 1
    return any(f"{factor * number:.{len(decimals or '')}f}" == value for number in numbers(found))


def test_fifteen_questions_are_asked():
    assert len(ASKED) == 15 == len({question for question, _ in ASKED})
    assert all(question.endswith("?") for question, _ in ASKED)


@pytest.mark.parametrize("answer", [a for _, a in ASKED], ids=[q[:30] for q, _ in ASKED])
def test_an_answer_is_short_and_has_a_number_or_a_link_into_a_chapter(answer):
    assert list(too_much(answer)) == []


def test_long_and_empty_answers_are_seen():
    assert list(too_much("One. [Two](../notebooks/01_puzzles.ipynb)? Three! 4. Five.\nSix.")) == []
    assert "7 sentences" in next(too_much("One. Two? Three! Four. Five (5). Six.\nSeven."))
    assert list(too_much("See [issue 12](https://example.org/12), 6x6.")) == [
        "no number and no link into a chapter"
    ]


@pytest.mark.parametrize("said, file", STORED, ids=[said for said, _ in STORED])
def test_a_number_that_links_to_a_results_file_stands_in_it(said, file):
    assert stands_in(said, json.loads((ROOT / file).read_text())), f"{file} has no {said}"


def test_a_number_that_a_file_does_not_have_is_seen():
    found = {"runs": [{"exact": 0.9904, "seconds": 48.66}]}
    assert stands_in("99.0 %", found) and stands_in("48.7 seconds", found)
    for other in ("99.1 %", "99 seconds", "48.6 seconds", "0.9 %"):
        assert not stands_in(other, found)
