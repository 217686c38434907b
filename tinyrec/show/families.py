"""How each puzzle family is drawn. A drawing is one module; this is what it must offer:

    NAME                     what a screen reader calls it, such as "Sudoku grid"
    values(tokens)           tokens (..., cells) -> what is drawn, integers (..., cells); 0 is blank
    shape(cells)             rows and columns of a puzzle of so many cells;
                             ValueError where none has so many
    block(cells)             a thick line follows after how many rows, after how many columns
    signs(cells)             the sign of each value, one character each; that of 0 is ".", and a
                             "█" fills its cell
    draw(ax, grid, given, points)
                             write values (cells,) onto an axes where the cell in row r and column c
                             covers (c, r) to (c + 1, r + 1), `points` wide and high; given: bools
                             (cells,). Background, lines and marks are drawn by others.

A new one is one file and one line here. What the puzzles are stands in tinyrec.puzzles.families.
"""

from types import ModuleType

from tinyrec.show import arc, maze, sudoku

DRAWINGS: dict[str, ModuleType] = {
    "sudoku": sudoku,
    "maze": maze,
    "arc": arc,
}


def find(family: str) -> ModuleType:
    """The drawing of the family of that name; ValueError lists the names there are."""
    if family not in DRAWINGS:
        raise ValueError(f"no drawing for the family {family!r}; there is {', '.join(DRAWINGS)}")
    return DRAWINGS[family]
