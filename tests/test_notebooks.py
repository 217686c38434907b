"""Every notebook runs at profile smoke, and what it draws can be read aloud."""

import execute
import nbformat
import pytest
from chapter import ALT_LENGTH, alt, images_without_alt

pytestmark = pytest.mark.notebooks
IMAGES = {"image/png", "image/jpeg", "image/svg+xml"}


@pytest.fixture(params=execute.notebooks(), ids=lambda path: path.stem)
def executed(request, smoke_folder):
    """The copy; made by whichever test of this session asks first."""
    copy = execute.refresh(request.param, "smoke", smoke_folder)
    return nbformat.read(copy, as_version=4)


def test_runs_at_smoke(executed):
    counts = [cell.execution_count for cell in execute.code_cells(executed)]
    assert counts == list(range(1, len(counts) + 1))


def test_every_image_has_alt_text(executed):
    assert list(faults(executed)) == []


def faults(executed):
    for number, cell in enumerate(executed.cells, 1):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if IMAGES & set(data) and len(alt(cell)) < ALT_LENGTH:
                yield f"cell {number}: draws an image, alt text: {alt(cell)!r}"
            for what in images_without_alt("".join(data.get("text/html", ""))):
                yield f"cell {number}: {what}"


@pytest.mark.parametrize(
    "data, words",
    [
        ({"image/png": "AAAA", "text/plain": "<Figure>"}, "draws an image"),
        ({"image/svg+xml": "<svg></svg>"}, "draws an image"),
        ({"text/html": '<img src="grid.png">'}, "no alt text"),
        ({"text/html": "<svg><path/></svg>"}, "no aria-label"),
    ],
)
def test_missing_alt_text_is_seen(data, words):
    output = nbformat.v4.new_output("display_data", data=data)
    cell = nbformat.v4.new_code_cell("plot()", outputs=[output])
    assert words in next(faults(nbformat.v4.new_notebook(cells=[cell])))
