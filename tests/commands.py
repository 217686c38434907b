"""What the tests of `python -m tinyrec` share."""

import os
import re
from contextlib import suppress

import pytest
import torch

from tinyrec.__main__ import main
from tinyrec.checkpoints import save
from tinyrec.models import build
from tinyrec.puzzles.sudoku.files import write_csv
from tinyrec.puzzles.sudoku.generate import generate


def call(capsys, *words) -> tuple[int, str, str]:
    """Status, output and errors of a command."""
    status = main([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def said(capsys, *words) -> str:
    """The output of a command that ends well and complains of nothing."""
    status, out, err = call(capsys, *words)
    assert (status, err) == (0, "")
    return out


def refused(capsys, *words) -> str:
    """The one line of an error."""
    status, _, err = call(capsys, *words)
    assert status == 2 and err.startswith("error: ") and err.count("\n") == 1, (status, err)
    return err


def decided(seed: int = 0, boldness: float = 1.0, **settings):
    """A model for 4x4 with random weights that are large enough to decide: its answers, and how
    sure it is of them, differ from puzzle to puzzle and from segment to segment. With a boldness of
    1 it is quite sure of some, with 0.3 of none.
    """
    sizes = dict(vocab=6, length=16, width=16, layers=1, latent_steps=1, recursions=1, prefix=1)
    model = build("trm", sizes | dict(segments=3) | settings)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.state_dict().values():
            p.copy_(torch.randn(p.shape, generator=draw))
        model.heads.halt.weight.mul_(boldness)
        model.heads.halt.bias.zero_()
    return model.eval()


def decided_folder(folder, *about, **settings):
    save(decided(*about, **settings), folder)
    return folder


def puzzle_file(path, n: int = 60, size: int = 4, seed: int = 9):
    puzzles, solutions = generate(size, n, seed=seed)
    write_csv(path, puzzles, solutions, [0] * n)
    return path


class Terminal:
    """A terminal of 80 columns to write to, `file`, and what it then shows."""

    def __init__(self):
        pty, termios = (
            pytest.importorskip(name, reason="this system has no terminals of this kind")
            for name in ("pty", "termios")
        )
        self.end, other = pty.openpty()
        termios.tcsetwinsize(other, (24, 80))
        self.file = open(other, "w", encoding="utf-8")

    def written(self) -> str:
        """All of it; there is no more to come."""
        self.file.close()
        parts = []
        with suppress(OSError):  # so Linux says that the other end is closed
            while part := os.read(self.end, 4096):
                parts.append(part)
        os.close(self.end)
        return b"".join(parts).decode().replace("\r\n", "\n")

    def shown(self) -> str:
        """What stands there in the end: return, cursor up and erase do what they say."""
        lines, row, column = [""], 0, 0
        for part in re.split(r"(\n|\r|\x1b\[\d+A|\x1b\[J)", self.written()):
            if part == "\n":
                row, column = row + 1, 0
                lines += [""] * (row == len(lines))
            elif part == "\r":
                column = 0
            elif part == "\x1b[J":
                lines[row:] = [lines[row][:column]]
            elif part.startswith("\x1b"):
                row -= int(part[2:-1])
                assert row >= 0
            else:
                lines[row] = lines[row][:column] + part + lines[row][column + len(part) :]
                column += len(part)
        return "\n".join(lines)
