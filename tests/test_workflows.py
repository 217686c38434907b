"""A workflow calls make alone, what it calls is there, and no scheduled failure is lost."""

import re

import pytest
import yaml
from chapter import ROOT

FOLDER = ROOT / ".github" / "workflows"
REPORT = "./.github/workflows/report.yml"


def load(path):
    found = yaml.safe_load(path.read_text())
    return found | {"on": found[True]}  # YAML 1.1 takes the word for a truth value


WORKFLOWS = {path.stem: load(path) for path in sorted(FOLDER.glob("*.yml"))}
CALLERS = [name for name in WORKFLOWS if name != "report"]
SCHEDULED = [name for name in CALLERS if "schedule" in WORKFLOWS[name]["on"]]
TARGETS = re.findall(r"(?m)^([a-z-]+):.* ## ", (ROOT / "Makefile").read_text())


def calls(name) -> list[str]:
    steps = [step for job in WORKFLOWS[name]["jobs"].values() for step in job.get("steps", ())]
    return [step["run"] for step in steps if "run" in step]


@pytest.mark.parametrize("name", CALLERS)
def test_a_workflow_calls_targets_of_the_makefile_and_nothing_else(name):
    assert calls(name)
    for call in calls(name):
        assert re.fullmatch(r"make [a-z-]+( [A-Z]+=[^;&|`]+)?", call), call
        assert call.split()[1] in TARGETS


@pytest.mark.parametrize("name", CALLERS)
def test_a_job_may_read_and_has_an_end(name):
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}
    for job in WORKFLOWS[name]["jobs"].values():
        assert job.get("uses") == REPORT or job["timeout-minutes"] <= 600


def test_gpu_colab_and_links_run_by_the_week():
    assert SCHEDULED == ["colab", "gpu", "links"]


@pytest.mark.parametrize("name", SCHEDULED)
def test_a_scheduled_run_that_fails_opens_an_issue(name):
    jobs = dict(WORKFLOWS[name]["jobs"])
    report = jobs.pop("report")
    [other] = jobs
    assert report["needs"] == other and report["uses"] == REPORT
    # Not failure(): a run that hits its time limit counts as cancelled.
    for part in ("always()", f"needs.{other}.result != 'success'", "== 'schedule'"):
        assert part in report["if"]
    assert report["permissions"] == {"issues": "write"} and report["with"]["title"]


def test_both_ends_of_python_are_tested_and_every_set_of_versions_runs():
    assert WORKFLOWS["cpu"]["jobs"]["test"]["strategy"]["matrix"] == {"python": ["3.11", "3.13"]}
    runs = WORKFLOWS["cpu"]["jobs"]["versions"]["strategy"]["matrix"]["include"]
    ends = {(run["set"], run["python"]) for run in runs}
    assert {("oldest", "3.11"), ("newest", "3.13")} <= ends
    sets = {name for name, _ in ends} | {"colab"}
    assert sets == {path.stem for path in (ROOT / "tests" / "versions").glob("*.txt")}
    assert calls("colab") == ["make test-versions SET=colab"]


def test_a_tag_is_checked_tested_built_and_published_by_one_artifact():
    assert WORKFLOWS["publish"]["on"] == {"push": {"tags": ["v*"]}}
    made = [call.split()[1] for call in calls("publish")]
    assert made == ["tag", "test", "site", "test-browser"]
    upload = WORKFLOWS["publish"]["jobs"]["build"]["steps"][-1]
    assert upload["uses"].startswith("actions/upload-pages-artifact@")
    site = re.search(r"(?m)^SITE = (.+)$", (ROOT / "Makefile").read_text())[1]
    assert upload["with"]["path"] == site
    assert WORKFLOWS["publish"]["jobs"]["deploy"]["needs"] == "build"
