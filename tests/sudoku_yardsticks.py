"""Sudoku for the tests, independent of the package: slow and plain."""

import itertools

import numpy as np

SIZES = {4: (2, 2), 6: (2, 3), 9: (3, 3)}  # rows and columns of a box
QUESTIONS = [  # 9x9: a textbook puzzle, one of the hardest, one of 17 clues
    "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79",
    "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4..",
    ".......1.4.........2...........5.4.7..8...3....1.9....3..4..2...5.1........8.6...",
]
SOLUTIONS = [
    "534678912672195348198342567859761423426853791713924856961537284287419635345286179",
    "812753649943682175675491283154237896369845721287169534521974368438526917796318452",
    "693784512487512936125963874932651487568247391741398625319475268856129743274836159",
]
PUZZLES = np.array([list(text.replace(".", "0")) for text in QUESTIONS]).astype(np.uint8)
ANSWERS = np.array([list(text) for text in SOLUTIONS]).astype(np.uint8)


def units(size):
    rows, columns = SIZES[size]
    square = [(r, c) for r in range(size) for c in range(size)]
    for name in (lambda r, c: r, lambda r, c: c, lambda r, c: (r // rows, c // columns)):
        groups = {}
        for r, c in square:
            groups.setdefault(name(r, c), []).append(r * size + c)
        yield from groups.values()


def plain_rating(puzzle):
    """Solutions and wrong guesses, one state at a time, with sets."""
    size = int(len(puzzle) ** 0.5)
    lines = list(units(size))
    peers = [
        {p for line in lines if cell in line for p in line} - {cell} for cell in range(size**2)
    ]

    def search(state, depth):
        before = None
        while state != before:
            before = list(map(set, state))
            for cell, options in enumerate(state):
                if len(options) == 1:
                    for peer in peers[cell]:
                        state[peer] = state[peer] - options
            for line in lines:
                for digit in range(1, size + 1):
                    places = [cell for cell in line if digit in state[cell]]
                    if not places:
                        return 0, depth > 0
                    if len(places) == 1:
                        state[places[0]] = {digit}
        if not all(state):
            return 0, depth > 0
        cell = min(range(size**2), key=lambda c: (len(state[c]) == 1, len(state[c])))
        if len(state[cell]) == 1:
            return 1, 0
        results = []
        for digit in state[cell]:
            results.append(search(state[:cell] + [{digit}] + state[cell + 1 :], depth + 1))
        return tuple(map(sum, zip(*results, strict=True)))

    return search([{d} if d else set(range(1, size + 1)) for d in puzzle.tolist()], 0)


def moves(size):
    """Every allowed rearrangement of the cells, (moves, cells)."""

    def orders(block):
        blocks = range(size // block)
        for order in itertools.permutations(blocks):
            for inner in itertools.product(
                itertools.permutations(range(block)), repeat=len(blocks)
            ):
                yield [block * b + i for b, line in zip(order, inner, strict=True) for i in line]

    rows, columns = SIZES[size]
    cells = np.arange(size**2).reshape(size, size)
    images = [cells[np.ix_(r, c)] for r in orders(rows) for c in orders(columns)]
    if rows == columns:
        images += [image.T for image in images]
    return np.array(images).reshape(len(images), -1)


MOVES = {4: moves(4), 6: moves(6)}


def canonical(grid):
    """The smallest of all images when digits are numbered as they appear."""
    images = grid[MOVES[int(len(grid) ** 0.5)]]
    values = np.arange(1, images.max() + 1)[:, None, None]
    appears = np.where((images == values).any(2), (images == values).argmax(2), 99).T
    names = np.zeros((len(images), len(values) + 1), np.uint8)
    np.put_along_axis(names, appears.argsort(1) + 1, np.arange(1, len(values) + 1)[None], 1)
    return min(row.tobytes() for row in np.take_along_axis(names, images.astype(int), 1))
