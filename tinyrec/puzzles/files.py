"""Files of puzzles, whatever their family: CSV in the official data sets' four columns."""

import codecs
import csv
import gzip
import io
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

HEADER = ("source", "question", "answer", "rating")


def write_rows(path: str | Path, rows: Iterable[tuple]) -> None:
    """Write rows of the HEADER's columns, as `write_text` does."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, compressed when the path ends in .gz.

    A file of that name is replaced whole or, after an error, not at all.
    """
    path, data = Path(path), text.encode()
    if path.suffix.lower() == ".gz":
        data = gzip.compress(data, mtime=0)  # no time: equal data, equal file
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def train_and_test(path: str | Path) -> tuple[Path, Path | None]:
    """Where the puzzles to train on are, and those to test on: in the two files of a folder, or
    all in one file, of which some are to be held out.
    """
    path = Path(path)
    return (in_folder(path, "train"), in_folder(path, "test")) if path.is_dir() else (path, None)


def in_folder(folder: Path, name: str) -> Path:
    """The folder's NAME.csv or NAME.csv.gz; ValueError where it has neither."""
    for file in (folder / f"{name}.csv", folder / f"{name}.csv.gz"):
        if file.exists():
            return file
    raise ValueError(f"{folder}: has no {name}.csv and no {name}.csv.gz")


@contextmanager
def open_text(path: str | Path) -> Iterator[io.TextIOWrapper]:
    """The file's text, told by its first bytes whether compressed and how encoded.

    UTF-8, or UTF-16 with a byte order mark. ValueError where it is no text or is cut short, also
    while it is being read.
    """
    try:
        with open(path, "rb") as file:
            data = gzip.GzipFile(fileobj=file) if file.peek(2)[:2] == b"\x1f\x8b" else file
            start = data.peek(2)
            wide = start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
            if b"\0" in start and not wide:
                raise ValueError(
                    f"{path}: not a CSV file; expected text in UTF-8, or in UTF-16 with its mark"
                )
            # A byte that is no text becomes an odd character, with a line number.
            encoding = "utf-16" if wide else "utf-8-sig"
            yield io.TextIOWrapper(data, encoding, errors="replace", newline="")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: cut short or not a gzip file ({error})") from error
