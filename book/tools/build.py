"""Build the pages from the executed copies; the last line is the page to open.

    python book/tools/build.py [--profile smoke|cpu|gpu] [--out DIR]

Warnings are errors (-W), and so is a reference that leads nowhere (-n). A copy that
is missing or no longer true is a warning, given by book/_ext/executed.py.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def build(profile: str, out: Path) -> Path:
    """Build the book under `out`; returns the page to open."""
    command = [
        str(Path(sys.executable).with_name("jupyter-book")),
        *["build", str(ROOT), "-W", "-n", "--keep-going", "--path-output", str(out)],
    ]
    environment = os.environ | {"TINYREC_PROFILE_BUILD": profile}
    try:
        subprocess.run(command, env=environment, check=True)
    except subprocess.CalledProcessError:
        # Sphinx does not repeat the warnings of pages that it has already read: a
        # second call would find nothing to say and pass.
        shutil.rmtree(out / "_build" / ".doctrees", ignore_errors=True)
        raise
    return out / "_build" / "html" / "index.html"


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the pages of the book.")
    parser.add_argument("--profile", default="cpu", help="whose executed copies")
    parser.add_argument("--out", type=Path, metavar="DIR", help="for the pages")
    options = parser.parse_args()
    out = (options.out or ROOT / "build" / "pages" / options.profile).resolve()
    try:
        page = build(options.profile, out)
    except subprocess.CalledProcessError as error:
        print("the book does not build; the warnings above say why", file=sys.stderr)
        return error.returncode
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
