"""Puzzle families. A family is one module; this is what it must offer, and all that others use.

    Data                     a frozen dataclass: which puzzles a run trains and tests on
    from_file(data, path)    the same wishes, for puzzles from a file, or from a folder with
                             train.csv and test.csv
    make(data)               {"train": PuzzleSet, "test": PuzzleSet, ...}: what is tested on is
                             never seen in training, also not as an image of another puzzle
    shape(data)              how many tokens there are (vocab) and how many a puzzle has (length)
    describe(data)           what each set of `make` is, in words: {"train": "2000 ...", ...}
    parse(text)              a puzzle that someone typed -> tokens (L,)
    line(x), picture(x)      tokens (L,) -> text on one line; text for the eye
    check(x)                 ValueError where a question (L,) cannot be answered; returns a
                             remark for its asker, such as "has several solutions", or None
    judge(x, answers)        questions and answers, each (N, L) -> {"valid": bools (N,), ...}:
                             the answer keeps the rules, whether it is the stored one or not
    official_score(data, puzzles, answers, q)
                             what a whole set of `make` is scored by beside exact accuracy, from the
                             answers (N, L) to it and their halting logits (N,) or None:
                             {"two tries": share, ...}; None for a family that has no such score
    view(x, generator)       a random symmetric image of questions (N, L), and the function that
                             takes answers back; None for a family without symmetries
    read(path)               a file of puzzles -> PuzzleSet
    options(parser)          what `python -m tinyrec data` can be asked for, as argparse options
    write(options, path)     make such puzzles, write them to a file, return their number

Tokens are integers, 0 is padding. ValueError says what is wrong, where, and what was expected.
How a family is drawn stands in tinyrec.show.
"""

from types import ModuleType

from tinyrec.puzzles.arc import family as arc
from tinyrec.puzzles.maze import family as maze
from tinyrec.puzzles.sudoku import family as sudoku

FAMILIES: dict[str, ModuleType] = {
    "sudoku": sudoku,
    "maze": maze,
    "arc": arc,
}


def find(name: str) -> ModuleType:
    """The family of that name; ValueError lists the names there are."""
    if not isinstance(name, str) or name not in FAMILIES:
        raise ValueError(f"unknown puzzle family {name!r}; expected one of {', '.join(FAMILIES)}")
    return FAMILIES[name]
