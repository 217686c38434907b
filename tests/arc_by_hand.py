"""ARC tasks small enough to be checked by eye."""

import json

import numpy as np

MIRROR = {  # left and right change places
    "train": [
        {"input": [[1, 0, 2]], "output": [[2, 0, 1]]},
        {"input": [[3, 4], [0, 5]], "output": [[4, 3], [5, 0]]},
    ],
    "test": [
        {"input": [[6, 7, 0]], "output": [[0, 7, 6]]},
        {"input": [[8], [9]], "output": [[8], [9]]},
    ],
}
PAINT = {  # every colour becomes the grid's first one
    "train": [{"input": [[1, 2], [0, 3]], "output": [[1, 1], [0, 1]]}],
    "test": [{"input": [[5, 6, 0]], "output": [[5, 5, 0]]}],
}
# MIRROR's first test pair turned to the left, with other colours: (0, 7, 6) is read downwards
LEAK = {"train": [{"input": [[0], [1], [2]], "output": [[2], [1], [0]]}, PAINT["train"][0]],
        "test": []}  # fmt: skip


def grid(*rows: str) -> np.ndarray:
    return np.array([list(map(int, row)) for row in rows], np.uint8)


def write_tasks(path, **parts):
    path.write_text(json.dumps(parts or {"training": {"paint": PAINT},
                                         "evaluation": {"mirror": MIRROR}}))  # fmt: skip
    return path
