"""An official checkpoint is used by the name of its repository, or one line says why not."""

import json
import sys
from types import SimpleNamespace

import pytest
import torch
from commands import puzzle_file, refused, said
from test_official import MODELS, official_arch, official_weights, some_model, with_prefixes

from tinyrec import hub
from tinyrec.evaluate import evaluate
from tinyrec.official_files import from_hub
from tinyrec.puzzles.sudoku import family

REPOSITORY = "some-one/HRM-checkpoint.v1"


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """A repository's folder; what lies in it is what the hub has."""
    pytest.importorskip("yaml")
    folder = tmp_path / "theirs"
    folder.mkdir()

    def list_repo_files(repository):
        assert repository == REPOSITORY
        every = (path for path in folder.rglob("*") if path.is_file())
        return [str(path.relative_to(folder)) for path in every]

    def hf_hub_download(repository, name, repo_type):
        assert (repository, repo_type) == (REPOSITORY, "model")
        return str(folder / name)

    fake = SimpleNamespace(list_repo_files=list_repo_files, hf_hub_download=hf_hub_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    return folder


def publish(folder, model, weights="checkpoint", config="all_config.yaml", **arch):
    """As the official training leaves it: the length of the puzzles stands nowhere."""
    folder.mkdir(exist_ok=True)
    torch.save(with_prefixes(official_weights(model)), folder / weights)
    described = official_arch(model) | arch
    del described["seq_len"]
    (folder / config).write_text(json.dumps({"arch": described, "lr": 1e-4}))


def same(one, other):
    x = torch.randint(1, 6, (3, 16))
    (_, *ours), (_, *its) = (model(x, model.initial_state(3)) for model in (one, other))
    return all(map(torch.equal, ours, its))


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_that_is_published_is_read_by_the_name_of_its_repository(theirs, name):
    model = some_model(name)
    publish(theirs, model)
    (theirs / "README.md").write_text("Hello")
    assert same(from_hub(REPOSITORY, 16), model)


@pytest.mark.parametrize("q_learning", [True, False])
def test_trm_with_and_without_q_learning_is_read(theirs, q_learning):
    model = some_model("TRM mixer", q_learning=q_learning)
    publish(theirs, model, no_ACT_continue=not q_learning)
    found = from_hub(REPOSITORY, 16)
    assert found.config.q_learning == q_learning and same(found, model)


def test_the_last_of_several_steps_is_taken_and_another_by_its_name(theirs):
    early, late = some_model("TRM mixer"), some_model("TRM mixer", halt_bias=-4.0)
    with torch.no_grad():
        late.heads.halt.bias += 1
    publish(theirs, early, "step_900")
    publish(theirs, late, "step_1000")
    assert same(from_hub(REPOSITORY, 16), late)
    assert same(from_hub(f"{REPOSITORY}:step_900", 16), early)


def test_the_configuration_is_that_of_the_same_name_or_folder(theirs):
    for name in "TRM mixer", "TRM attention":
        short = name.replace(" ", "-")
        publish(theirs, some_model(name), f"{short}.pt", f"{short}.yaml")
        publish(theirs / short, some_model(name), "step_7")
    for name in "TRM mixer", "TRM attention":
        for file in "{}.pt", "{}/step_7":
            found = from_hub(f"{REPOSITORY}:{file.format(name.replace(' ', '-'))}", 16)
            assert same(found, some_model(name))


@pytest.mark.parametrize(
    "names, file, message",
    [
        (["a.pt", "b.pt", "a.yaml"], "", "holds not just one checkpoint; name some-one/.*:FILE"),
        (["a/step_1", "b/step_2"], "", "where FILE is one of a/step_1, b/step_2"),
        (["README.md"], "", "holds not just one checkpoint"),
        ([], "", "where FILE is one of none"),
        (["a.pt", "a.yaml"], ":c.pt", "holds no c.pt; name .*, where FILE is one of a.pt, a.yaml"),
        (["a.pt", "b.yaml"], "", "no all_config.yaml beside a.pt"),
    ],
)
def test_where_the_repository_does_not_decide_the_message_lists_it(theirs, names, file, message):
    for name in names:
        (theirs / name).parent.mkdir(exist_ok=True)
        (theirs / name).touch()
    with pytest.raises(ValueError, match=message):
        hub.checkpoint(REPOSITORY + file)


@pytest.mark.parametrize("model", ["sudoku-6x6", "a/b/c", "./a/b", "../b", "/a/b", "a/", "a b/c"])
def test_other_names_are_none_of_a_repository(model):
    assert not hub.is_name(model)


def test_a_folder_of_this_machine_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert hub.is_name("some-one/model")
    (tmp_path / "some-one" / "model").mkdir(parents=True)
    assert not hub.is_name("some-one/model")


def test_one_command_measures_a_published_model_and_another_lets_it_answer(
    theirs, capsys, tmp_path
):
    """The puzzles tell the length that the configuration lacks."""
    publish(theirs, some_model("HRM attention"))
    data = tmp_path / "puzzles.csv"
    puzzle_file(data, 5)
    puzzles = family.read(data)
    told = json.loads(said(capsys, "evaluate", "--model", REPOSITORY, "--data", data))
    assert told["n"] == 5 and told["segments"] == 3
    expected = evaluate(some_model("HRM attention"), puzzles)
    assert told["cell"] == pytest.approx(expected.cell[-1], abs=0.05)
    puzzle = family.line(puzzles.x[0])
    assert "answer: " in said(capsys, "solve", "--model", REPOSITORY, "--attempts", 1, puzzle)


@pytest.mark.parametrize("kind", [ConnectionError, ValueError])
def test_without_a_network_one_line_says_what_to_do(theirs, capsys, tmp_path, kind):
    def fails(*words, **how):
        raise kind("no route\nto the host")

    sys.modules["huggingface_hub"].list_repo_files = fails
    data = tmp_path / "puzzles.csv"
    puzzle_file(data, 5)
    error = refused(capsys, "evaluate", "--model", REPOSITORY, "--data", data)
    assert f"{REPOSITORY} cannot be downloaded (no route): try again, or download" in error


def test_without_the_package_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ValueError, match="pip install huggingface_hub.*or download weights"):
        from_hub(REPOSITORY, 16)
