"""Build the pages from the executed copies; the last lines say which claims hold, and what to open.

    python book/tools/build.py [--profile smoke|cpu|gpu] [--out DIR]

Warnings are errors (-W), and so is a reference that leads nowhere (-n). A copy that is missing or
no longer true is a warning, given by book/_ext/executed.py; a chapter whose last run failed has a
page that says so.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import claim_record
import nbformat

ROOT = Path(__file__).resolve().parents[2]


def build(profile: str, executed: Path, out: Path, builder: str = "html") -> Path:
    """Build the book under `out` from the copies in `executed`; returns the page to open."""
    command = [
        str(Path(sys.executable).with_name("jupyter-book")),
        *["build", str(ROOT), "-W", "-n", "--keep-going", "--path-output", str(out)],
        *["--builder", builder],
    ]
    told = {"TINYREC_PROFILE_BUILD": profile, "TINYREC_EXECUTED": str(executed)}
    try:
        subprocess.run(command, env=os.environ | told, check=True)
    except subprocess.CalledProcessError:
        # Sphinx does not repeat the warnings of pages that it has already read: a
        # second call would find nothing to say and pass.
        shutil.rmtree(out / "_build" / ".doctrees", ignore_errors=True)
        raise
    html = out / "_build" / builder
    for unused in (html / "_static" / "scripts").glob("fontawesome.js*"):
        unused.unlink()  # 3 MB that no page asks for
    return html / "index.html"


def summary(executed: Path) -> list[str]:
    """In lines: how many claims of these runs hold, which do not, and which chapters failed."""
    judged, outside, failed = 0, [], []
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        broken, copy = (executed / f"{notebook.stem}{end}" for end in (".failed.ipynb", ".ipynb"))
        if broken.exists():
            why = nbformat.read(broken, as_version=4).metadata.tinyrec.failed
            failed.append(f"  {notebook.stem} failed: {why}")
        elif copy.exists():
            claims = claim_record.made(nbformat.read(copy, as_version=4)).values()
            judged += sum(claim["holds"] is not None for claim in claims)
            outside += [
                f"  {notebook.stem}: {claim['line']}" for claim in claims if claim["holds"] is False
            ]
    return [f"{judged - len(outside)} of {judged} claims hold", *outside, *failed]


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description="Build the pages of the book.")
    parser.add_argument("--profile", default="cpu", help="whose executed copies")
    parser.add_argument("--out", type=Path, metavar="DIR", help="for the pages")
    options = parser.parse_args(arguments)
    executed = ROOT / "build" / "executed" / options.profile
    out = (options.out or ROOT / "build" / "pages" / options.profile).resolve()
    try:
        last, status = build(options.profile, executed, out), 0
    except subprocess.CalledProcessError as error:
        last = "the book does not build; the warnings above say why"
        status = error.returncode
    print(*summary(executed), sep="\n", flush=True)
    print(last, file=sys.stderr if status else sys.stdout)
    return status


if __name__ == "__main__":
    sys.exit(main())
