"""A claim says what came out, holds or not, never stops a reader, and is held by many runs."""

import json
import sys
import threading
import time

import claim_record
import claims
import execute
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tinyrec import show
from tinyrec.show.claims import KEY, ClaimBroken, made


@pytest.fixture(autouse=True)
def full_run(monkeypatch):
    """Profile cpu, not strict, no claim made before."""
    monkeypatch.setenv("TINYREC_PROFILE", "cpu")
    monkeypatch.delenv("TINYREC_STRICT", raising=False)
    monkeypatch.setattr(sys.modules["__main__"], "profile", None, raising=False)
    made.clear()


def said(capsys, *arguments, **options):
    """The line that a claim prints outside of Jupyter."""
    assert show.claim(*arguments, **options) is None
    return capsys.readouterr().out.rstrip("\n")


@pytest.mark.parametrize(
    "value, options, line",
    [
        (0.991, dict(at_least=0.95), "✓ solves — 99.1 %, as promised (at least 95 %)"),
        (0.95, dict(at_least=0.95), "✓ solves — 95 %, as promised (at least 95 %)"),
        (0.1, dict(at_most=0.3), "✓ solves — 10 %, as promised (at most 30 %)"),
        (0.1, dict(at_least=0.05, at_most=0.3), "✓ solves — 10 %, as promised (5 % to 30 %)"),
        (
            0.9499,
            dict(at_least=0.95),
            "≠ solves — on this machine: 94.99 %; in the book's own runs: at least 95 %",
        ),
        (
            0.31,
            dict(at_least=0.05, at_most=0.3),
            "≠ solves — on this machine: 31 %; in the book's own runs: 5 % to 30 %",
        ),
        (
            float("nan"),
            dict(at_least=2, form="{:.1f} times"),
            "≠ solves — on this machine: nan times; in the book's own runs: at least 2.0 times",
        ),
    ],
)
def test_one_line_tells_value_and_range(capsys, value, options, line):
    assert said(capsys, "solves", value, **options) == line


def test_at_smoke_a_claim_is_judged_by_its_own_range_or_not_at_all(capsys, monkeypatch):
    monkeypatch.setenv("TINYREC_PROFILE", "smoke")
    monkeypatch.setenv("TINYREC_STRICT", "1")
    line = said(capsys, "solves", 0.0, at_least=0.95)
    assert line.startswith("· solves — 0 % in this quick run; ")
    assert line.endswith("at least 95 %")
    assert said(capsys, "solves", 0.0, at_least=0.95, smoke=(None, 0.5)).startswith(
        "✓ solves — 0 %"
    )
    with pytest.raises(ClaimBroken, match="≠ solves — on this machine: 60 %.*at most 50 %"):
        show.claim("solves", 0.6, at_least=0.95, smoke=(None, 0.5))


def test_the_notebooks_own_profile_comes_before_the_environments(capsys, monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "profile", "smoke")
    assert said(capsys, "solves", 0.0, at_least=0.95).startswith("·")
    monkeypatch.setattr(sys.modules["__main__"], "profile", "gpu")
    monkeypatch.setenv("TINYREC_PROFILE", "smoke")
    assert said(capsys, "solves", 0.0, at_least=0.95).startswith("≠")


def test_strict_mode_turns_a_broken_claim_into_an_error_after_saying_it(capsys, monkeypatch):
    monkeypatch.setenv("TINYREC_STRICT", "1")
    show.claim("solves", 0.96, at_least=0.95)
    with pytest.raises(ClaimBroken, match="94 %"):
        show.claim("solves", 0.94, at_least=0.95)
    assert "94 %" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(), "'solves' has no range"),
        (dict(at_least=0.5, at_most=0.4), "begins at 0.5 and ends at 0.4"),
        (dict(at_least=0.5, smoke=(None, None)), "'solves' has no range"),
    ],
)
def test_a_claim_without_a_range_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        show.claim("solves", 0.5, **options)


def bundle(value, **options):
    show.claim("a < b", value, **options)
    return made["a < b"]._repr_mimebundle_()


def test_the_claim_travels_as_data_with_its_line(capsys):
    found, metadata = bundle(0.5, at_least=0.25, at_most=1)
    assert found["text/plain"] == "✓ a < b — 50 %, as promised (25 % to 100 %)"
    assert KEY == claim_record.KEY
    assert json.loads(json.dumps(metadata[KEY], allow_nan=False)) == {
        "text": "a < b", "value": 0.5, "low": 0.25, "high": 1, "form": None, "holds": True,
    }  # fmt: skip
    assert "✓ a &lt; b — 50 %" in found["text/html"]
    _, metadata = bundle(float("nan"), at_least=0.25)
    assert metadata[KEY]["value"] is None and metadata[KEY]["holds"] is False
    assert json.dumps(metadata, allow_nan=False)


def test_a_claims_html_reads_on_light_and_dark_pages():
    """It brings no colour of its own, and what differs is in bold type as well as marked."""
    held, broken = (bundle(value, at_least=0.25)[0]["text/html"] for value in (0.5, 0.1))
    for found in (held, broken):
        assert "color" not in found and "background" not in found
    assert "<strong>" not in held
    assert "<strong>≠ a" in broken


def test_the_table_has_each_claim_once_with_its_last_value(capsys):
    show.claim("one", 0.5, at_least=0.4)
    show.claim("two & three", 2.5, at_most=2, form="{:.1f} times")
    show.claim("one", 0.6, at_least=0.4)
    table = show.claims()
    lines = [line.split("  ") for line in repr(table).split("\n")]
    assert [[cell.strip() for cell in line if cell.strip()] for line in lines] == [
        ["state", "claim", "here", "in the book's own runs"],
        ["✓ holds", "one", "60 %", "at least 40 %"],
        ["≠ outside", "two & three", "2.5 times", "at most 2.0 times"],
        ["1 of 2 claims hold in this run"],
    ]
    assert table._repr_html_().count("<tr>") == 3
    assert "two &amp; three" in table._repr_html_()


def test_the_table_counts_only_what_was_judged(monkeypatch, capsys):
    monkeypatch.setenv("TINYREC_PROFILE", "smoke")
    show.claim("one", 0.5, at_least=0.4, smoke=(0.4, None))
    show.claim("two", 0.1, at_least=0.4)
    assert "1 of 1 claims hold in this run; 1 judged in a full run only" in repr(show.claims())
    assert "· not judged" in repr(show.claims())


# ---- what the code of a chapter promises, and what runs have measured ----


def notebook(*cells):
    return new_notebook(cells=[new_markdown_cell("# show.claim"), *map(new_code_cell, cells)])


def test_promises_are_found_wherever_they_stand_in_the_code():
    found = claim_record.promises(
        notebook(
            "%matplotlib inline\nshow.claim('one', f(x), at_least=0.5)",
            "if profile == 'gpu':\n    show.claim('t' 'wo',\n        1, at_most=-2, smoke=(0, 1))",
            "claim('three', 1, at_least=1)",
        )
    )
    assert found == {"one": (0.5, None), "two": (None, -2)}


@pytest.mark.parametrize(
    "code, words",
    [
        ("show.claim(f'{n} loops', 1, at_least=0.5)", "must stand in the claim itself"),
        ("show.claim('one', 1, at_least=bound)", "must stand in the claim itself"),
        ("show.claim(value=1, at_least=1)", "must stand in the claim itself"),
        ("show.claim('one', 1, at_least=1)\n" * 2, "two claims have the text 'one'"),
    ],
)
def test_a_promise_that_code_puts_together_is_refused(code, words):
    with pytest.raises(ValueError, match=words):
        claim_record.promises(notebook(code))


def runs(value=0.7, stem="01_one", texts=("one",), **other):
    """The runs of all settings, each with the same value for each claim."""
    return [
        {"chapter": stem, "profile": "cpu", **each, "claims": dict.fromkeys(texts, value)} | other
        for each in claims.settings()
    ]


def faults(promised, listed):
    return list(claim_record.faults("01_one", promised, {"runs": listed}))


def test_a_promise_that_covers_all_runs_has_no_fault():
    for promised in ((0.7, None), (None, 0.7), (0.5, 0.9)):
        assert faults({"one": promised}, runs()) == []


@pytest.mark.parametrize("promised", [(0.71, None), (None, 0.69), (0.8, 0.9), (0.1, 0.2)])
def test_a_value_outside_of_its_promise_is_a_fault(promised):
    found = faults({"one": promised}, runs()[-1:] + runs(value=promised[0] or promised[1])[:-1])
    assert len(found) == 1
    assert f"'one' promises {promised[0]} to {promised[1]}, measured 0.7" in found[0]
    assert "precision float32, threads 1, instructions avx2" in found[0]


def test_a_value_that_is_no_number_is_a_fault():
    assert len(faults({"one": (0.1, None)}, runs(value=None))) == len(runs())


def test_each_missing_setting_is_a_fault():
    """Five seeds in either precision, on one thread and on two, and an older processor."""
    grid = [run for run in runs() if run["instructions"] == "own"]
    assert len(grid) == 5 * 2 * 2
    for left_out in grid:
        found = faults({"one": (0.5, None)}, [run for run in runs() if run != left_out])
        assert len(found) == 1 and "4 seeds" in found[0] and "run make claims" in found[0]
        assert f"in {left_out['precision']} on {left_out['threads']} threads" in found[0]
    assert ["older instruction set" in fault for fault in faults({"one": (0.5, None)}, grid)] == [
        True
    ]


def test_a_chapter_that_picks_no_precision_is_run_in_float32_alone():
    assert claim_record.precisions(notebook("x = 1")) == ("float32",)
    assert claim_record.precisions(notebook("dtype = pick_precision(device)")) == (
        "float32",
        "bfloat16",
    )
    alone = [run for run in runs() if run["precision"] == "float32"]
    about = "01_one", {"one": (0.5, None)}, {"runs": alone}
    assert list(claim_record.faults(*about, ("float32",))) == []
    assert len(list(claim_record.faults(*about))) == 2
    assert {each["precision"] for each in claims.settings(precisions=("float32",))} == {"float32"}


def test_runs_of_another_profile_chapter_or_claim_do_not_count():
    for others in (runs(profile="smoke"), runs(stem="02_two"), []):
        assert len(faults({"one": (0.5, None)}, others)) == 5
    assert len(faults({"one": (0.5, None)}, runs(texts=("one", "old")))) == 5
    assert len(faults({"one": (0.5, None), "new": (0.5, None)}, runs())) == 5
    assert faults({}, []) == []


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A book of one chapter with one claim, and a file for its runs."""
    monkeypatch.setattr(execute, "ROOT", tmp_path)
    path = tmp_path / "notebooks" / "01_one.ipynb"
    path.parent.mkdir()
    nbformat.write(notebook("pick_precision(device)\nshow.claim('one', 1, at_least=0.5)"), path)
    return path, tmp_path / "claims.json"


def measured(wanted, value=0.7):
    one = {"chapter": "01_one", **wanted, "profile": "cpu", "claims": {"one": value}}
    return one | {"seconds": 1.0}


def test_interrupted_it_keeps_what_has_run_and_goes_on_with_the_rest(project, capsys):
    path, file = project
    record = claim_record.load(file)
    jobs = claims.still_to_do([path], record, claims.SEEDS)
    assert len(jobs) == len(claims.settings()) == 22

    ran = []

    def until_the_fifth(notebook, wanted):
        ran.append(wanted)
        if len(ran) == 5:
            raise KeyboardInterrupt
        return measured(wanted)

    with pytest.raises(KeyboardInterrupt):
        claims.collect(jobs, until_the_fifth, record, file, None)
    record = claim_record.load(file)
    left = claims.still_to_do([path], record, claims.SEEDS)
    assert 4 <= len(record["runs"]) < 22
    assert len(left) == 22 - len(record["runs"])

    assert claims.collect(left, lambda _, wanted: measured(wanted), record, file, None) == 0
    record = claim_record.load(file)
    assert claims.still_to_do([path], record, claims.SEEDS) == []
    assert list(claim_record.faults("01_one", {"one": (0.5, None)}, record)) == []
    assert not file.with_name("claims.json.part").exists()


def test_a_new_claim_is_measured_in_runs_of_its_own(project):
    path, _ = project
    record = {"runs": runs(texts=("another",)) + runs(stem="02_two")}
    assert len(claims.still_to_do([path], record, claims.SEEDS)) == 22
    assert {run["chapter"] for run in record["runs"]} == {"02_two"}


def test_runs_on_one_thread_go_two_at_a_time_and_others_alone(project, capsys):
    path, file = project
    jobs = [(path, wanted) for wanted in claims.settings((0,))]
    lock, running, most = threading.Lock(), [], {1: 0, 2: 0}

    def work(notebook, wanted):
        with lock:
            running.append(wanted["threads"])
            most[wanted["threads"]] = max(most[wanted["threads"]], len(running))
        time.sleep(0.05)
        with lock:
            running.remove(wanted["threads"])
        return measured(wanted)

    claims.collect(jobs, work, {"runs": []}, file, None)
    assert most == {1: 2, 2: 1}


def test_no_run_begins_when_the_time_is_over_and_a_failure_is_counted(project, capsys):
    path, file = project
    jobs = [(path, wanted) for wanted in claims.settings()]

    def slow(notebook, wanted):
        time.sleep(0.1)
        return measured(wanted)

    record = {"runs": []}
    assert claims.collect(jobs, slow, record, file, minutes=0.15 / 60) == 0
    assert 2 <= len(record["runs"]) <= 4

    def fails(notebook, wanted):
        raise RuntimeError("cell 3: no memory")

    assert claims.collect(jobs[:2], fails, {"runs": []}, file, None) == 2
    assert "01_one, seed 0, precision float32, threads 1, instructions own: FAILED" in (
        capsys.readouterr().err
    )


def test_the_file_tells_the_spread(project):
    _, file = project
    values = (0.5, None, 0.9)
    each = [measured(w, value) for w, value in zip(claims.settings()[:3], values, strict=True)]
    claim_record.save({"runs": each}, file)
    record = claim_record.load(file)
    assert record["runs"] == each
    spread = {"runs": 3, "min": 0.5, "median": 0.7, "max": 0.9}
    assert record["spread"] == {"01_one": {"one": spread}}
    assert record["command"] == "make claims"
    lines = claim_record.table(record).split("\n")
    assert lines[0] == "01_one" and lines[1].split()[:3] == ["0.5", "0.7", "0.9"]


@pytest.mark.parametrize("path", execute.notebooks(), ids=lambda path: path.stem)
def test_every_promise_of_the_book_is_held_by_its_runs(path):
    source, record = nbformat.read(path, as_version=4), claim_record.load(claims.FILE)
    about = claim_record.promises(source), record, claim_record.precisions(source)
    assert list(claim_record.faults(path.stem, *about)) == []
