"""Execute the notebooks with papermill; the copies are what the pages show.

    python book/tools/execute.py --profile smoke|cpu|gpu [--only NAME ...] [--out DIR]

Every notebook has one cell tagged `parameters`, which reads

    import os
    profile = os.environ.get("TINYREC_PROFILE", "cpu")
    seed = 0

and behind which papermill puts its own values. TINYREC_PROFILE is for those who run a
source as it stands: nbval does, and notebooks/conftest.py sets it to smoke. What a
notebook cannot know comes from the environment alone: TINYREC_PRECISION (float32 or
bfloat16, for tinyrec.device.pick_precision), OMP_NUM_THREADS, and for the instruction
set ATEN_CPU_CAPABILITY and ONEDNN_MAX_CPU_ISA.

A notebook runs when its copy is missing or no longer true (freshness.py says why).
When only its prose changed, the outputs are kept. A notebook fails when it raises, and
when it draws an image without alt text. Then its last good copy stays, NAME.failed.ipynb
shows how far it came, the others still run, and the command ends with status 1.
"""

import argparse
import copy as copying
import os
import sys
import time
from pathlib import Path

import freshness
import images
import nbformat
import papermill

ROOT = Path(__file__).resolve().parents[2]
PROFILES = ("smoke", "cpu", "gpu")
LANGUAGE = {"name": "python", "pygments_lexer": "ipython3"}  # as a kernel says, if it comes to that
WIDGET = "application/vnd.jupyter.widget-view+json"


class NotebookFailed(Exception):
    """A notebook raised or drew what cannot be read aloud; the message says which cell and why."""


def notebooks(names: list[str] | None = None) -> list[Path]:
    """All chapters in order, or those named. Raises ValueError on an unknown name."""
    paths = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
    for name in names or ():
        if name not in paths:
            raise ValueError(f"no notebook {name!r}; there are: {', '.join(paths)}")
    return [paths[name] for name in names or paths]


def executed_folder(profile: str) -> Path:
    return ROOT / "build" / "executed" / profile


def failed_copy(copy: Path) -> Path:
    """Where a notebook that failed shows how far it came; `copy` is where its good copy is."""
    return copy.with_name(f"{copy.stem}.failed.ipynb")


def refresh(notebook: Path, profile: str, out: Path, seed: int = 0) -> Path:
    """Make the executed copy of `notebook` true again; returns its path."""
    copy = out / notebook.name
    reason = freshness.why_stale(notebook, copy, profile)
    if reason is None:
        print(f"{notebook.stem}: fresh, skipped", flush=True)
        return copy
    print(f"{notebook.stem}: {reason}", flush=True)
    # Taken before the run: what is edited meanwhile makes the copy stale at once.
    record = {"parts": freshness.parts(notebook, profile)}
    source = nbformat.read(notebook, as_version=4)
    failed = failed_copy(copy)
    failed.unlink(missing_ok=True)
    try:
        if reason == freshness.PROSE:
            executed = nbformat.read(copy, as_version=4)
            record["seconds"] = executed.metadata.tinyrec.seconds
        else:
            start = time.perf_counter()
            executed = run(notebook, failed, profile, seed)
            record["seconds"] = round(time.perf_counter() - start, 1)
            print(f"{notebook.stem}: took {record['seconds'] / 60:.1f} minutes", flush=True)
        if unseen := list(images.without_alt(with_outputs(source, executed))):
            raise NotebookFailed("; ".join(unseen))
    except NotebookFailed as error:
        came = nbformat.read(failed, as_version=4) if failed.exists() else source
        write(executed_form(source, came, record | {"failed": str(error)}), failed)
        raise
    write(executed_form(source, executed, record), copy)
    failed.unlink(missing_ok=True)
    return copy


def executed_form(source, executed, record: dict) -> nbformat.NotebookNode:
    """The copy that the pages show: what the source is, what came out, what it was made from."""
    result = with_outputs(source, executed)
    result.metadata["language_info"] = executed.metadata.get("language_info", LANGUAGE)
    result.metadata["tinyrec"] = record
    return result


def run(notebook: Path, to: Path, profile: str, seed: int = 0) -> nbformat.NotebookNode:
    """Run `notebook` in a fresh kernel, in its own folder.

    papermill saves `to` after every cell, so a run that fails can be looked at.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        return papermill.execute_notebook(
            notebook,
            to,
            parameters={"profile": profile, "seed": seed},
            language="python",  # the metadata need not say so
            cwd=notebook.parent,
            coalesce_streams=True,
            # Else each kernel warns about its local sockets in the midst of the bar.
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        )
    except Exception as error:  # the cell's own error, or a kernel that died
        raise NotebookFailed(describe(notebook, to, error)) from error


def describe(notebook: Path, partial: Path, error: Exception) -> str:
    """One line: which cell, which error."""
    if isinstance(error, papermill.PapermillExecutionError):
        what = f"{error.ename}: {error.evalue}"
    else:
        what = f"{type(error).__name__}: {error}"
    where = "before its first cell"
    if partial.exists():
        numbers = {
            cell.get("id"): number
            for number, cell in enumerate(nbformat.read(notebook, as_version=4).cells, start=1)
        }
        for cell in nbformat.read(partial, as_version=4).cells:
            if cell.metadata.get("papermill", {}).get("start_time"):  # the last begun
                first = cell.source.strip().split("\n")[0]
                where = f"cell {numbers.get(cell.get('id'), '?')} (`{first}`)"
    return f"{where}: {what}"


def with_outputs(source, executed) -> nbformat.NotebookNode:
    """The source with the outputs of its executed form.

    What papermill adds (a cell, timings, this machine's paths) stays behind, so a
    page never shows it; so does a bare widget, which is dead without a kernel.
    """
    result = copying.deepcopy(source)
    ran = [
        cell
        for cell in code_cells(executed)
        if "injected-parameters" not in cell.metadata.get("tags", [])
    ]
    for count, (cell, done) in enumerate(zip(code_cells(result), ran, strict=True), 1):
        cell.outputs = [copying.deepcopy(o) for o in done.outputs if not bare_widget(o)]
        if done.execution_count is not None:  # it ran
            cell.execution_count = count  # as in Jupyter, without papermill's own cell
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
    return result


def bare_widget(output) -> bool:
    """Whether this is a live control (a progress bar, say) with no static form."""
    data = output.get("data", {})
    return WIDGET in data and "text/html" not in data


def code_cells(notebook) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def write(notebook, path: Path) -> None:
    """Write whole or not at all: a reader never meets half a notebook."""
    part = path.with_name(path.name + ".part")
    nbformat.write(notebook, part)
    os.replace(part, path)


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description="Execute the notebooks of the book.")
    parser.add_argument("--profile", choices=PROFILES, default="cpu")
    parser.add_argument("--seed", type=int, default=0, help="of the parameters cell")
    parser.add_argument("--only", metavar="NAME", nargs="+", help="such as 01_puzzles")
    parser.add_argument("--out", type=Path, metavar="DIR", help="for the copies")
    options = parser.parse_args(arguments)

    try:
        chosen = notebooks(options.only)
    except ValueError as error:
        parser.error(str(error))
    if options.seed and not options.out:
        parser.error("the pages show seed 0; for another seed name a folder with --out")
    if options.profile == "gpu":
        require_gpu(parser)

    out = (options.out or executed_folder(options.profile)).resolve()
    failures = 0
    for number, notebook in enumerate(chosen, 1):
        print(f"[{number}/{len(chosen)}] ", end="")
        try:
            refresh(notebook, options.profile, out, options.seed)
        except NotebookFailed as error:
            failures += 1
            where = failed_copy(out / notebook.name)
            print(f"FAILED: {notebook.stem}, {error}", file=sys.stderr, flush=True)
            print(f"  how far it came: {where}", file=sys.stderr, flush=True)
    if failures:
        print(f"{failures} of {len(chosen)} notebooks failed", file=sys.stderr)
    return 1 if failures else 0


def require_gpu(parser) -> None:
    """Without this, a runner whose driver broke would publish figures of its CPU."""
    import torch  # late: it takes seconds to load, and only this needs it

    if not torch.cuda.is_available():
        parser.error("profile gpu needs a GPU, and torch sees none here")


if __name__ == "__main__":
    sys.exit(main())
