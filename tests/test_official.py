"""Official checkpoints load as our models with the same outputs, or say what is wrong with them."""

import builtins
import hashlib
import json
import pathlib
import random

import pytest
import torch
from safetensors.torch import save_file

from tinyrec.checkpoints import load_model
from tinyrec.evaluate import evaluate
from tinyrec.models import build
from tinyrec.models.hrm import HRM
from tinyrec.models.trm import TRM
from tinyrec.official import from_official
from tinyrec.official_files import convert
from tinyrec.puzzles import PuzzleSet

SMALL = dict(vocab=6, length=16, width=32, heads=4, segments=3)
MODELS = {
    "TRM attention": ("trm", dict(layers=2, prefix=5, latent_steps=3, recursions=2)),
    "TRM mixer": ("trm", dict(layers=1, prefix=3, latent_steps=1, recursions=3)),
    "TRM learned positions": ("trm", dict(layers=1, prefix=2, positions="learned", expansion=2)),
    "HRM attention": ("hrm", dict(high_layers=1, low_layers=2, high_cycles=1, low_cycles=3)),
    "HRM mixer": ("hrm", dict(high_layers=2, low_layers=1, high_cycles=3, low_cycles=2)),
}


def some_model(name, **more):
    """A model of MODELS with three puzzle ids, all of its weights random."""
    kind, settings = MODELS[name]
    mixing = "mlp" if "mixer" in name else "attention"
    settings = dict(positions="none" if mixing == "mlp" else "rope", mixing=mixing) | settings
    torch.manual_seed(0)
    model = build(kind, SMALL | dict(puzzles=3) | settings | more).eval()
    with torch.no_grad():
        for p in model.state_dict().values():
            p.copy_(0.3 * torch.randn(p.shape))
    return model


def official_weights(model):
    """The model's state dict with the names that the official code gives, without prefixes."""
    names = {
        "embed.tokens": "embed_tokens.embedding_weight",
        "embed.positions": "embed_pos.embedding_weight",
        "embed.puzzles": "puzzle_emb.weights",
        "heads.cells": "lm_head",
        "heads.halt": "q_head",
        "network.": "L_level.layers.",
        "low.": "L_level.layers.",
        "high.": "H_level.layers.",
        "attention.qkv": "self_attn.qkv_proj",
        "attention.out": "self_attn.o_proj",
        "token_mixer": "mlp_t",
        "channel_mixer": "mlp",
        ".gate_up.": ".gate_up_proj.",
        ".down.": ".down_proj.",
    }
    weights = {}
    for name, value in model.state_dict().items():
        for ours, official in names.items():
            name = name.replace(ours, official)
        weights[name] = value.clone()
    weights["H_init"], weights["L_init"] = weights.pop("start").clone()
    return weights


def official_arch(model):
    """The official configuration of a model, complete, in the form of config/arch/*.yaml."""
    c, hrm = model.config, isinstance(model, HRM)
    arch = dict(
        name="hrm.hrm_act_v1@HierarchicalReasoningModel_ACTV1"
        if hrm
        else "recursive_reasoning.trm@TinyRecursiveReasoningModel_ACTV1",
        loss=dict(name="losses@ACTLossHead", loss_type="stablemax_cross_entropy"),
        halt_exploration_prob=0.1,
        halt_max_steps=c.segments,
        H_cycles=c.high_cycles if hrm else c.recursions,
        L_cycles=c.low_cycles if hrm else c.latent_steps,
        H_layers=c.high_layers if hrm else 0,
        L_layers=c.low_layers if hrm else c.layers,
        hidden_size=c.width,
        num_heads=c.heads,
        expansion=c.expansion,
        puzzle_emb_ndim=(c.puzzle_width or c.width) if c.puzzles else 0,
        pos_encodings=c.positions,
        forward_dtype="bfloat16",
        mlp_t=c.mixing == "mlp",
        seq_len=c.length,
        vocab_size=c.vocab,
        num_puzzle_identifiers=c.puzzles,
    )
    return arch if hrm else arch | dict(puzzle_emb_len=c.prefix, no_ACT_continue=True)


def with_prefixes(weights):
    """Each name behind up to three of the prefixes, in any order."""
    draw = random.Random(0)
    words = ["_orig_mod.", "module.", "model.", "inner."]
    return {"".join(draw.choices(words, k=draw.randrange(4))) + k: v for k, v in weights.items()}


def same_outputs(one, other):
    """Two segments of both models, with puzzle ids, are equal to the last bit."""
    assert type(one) is type(other)
    tokens, ids = torch.arange(48).view(3, 16) % 6, torch.tensor([2, 0, 1])
    states = [model.initial_state(3) for model in (one, other)]
    for _ in range(2):
        a, b = (model(tokens, s, ids) for model, s in zip((one, other), states, strict=True))
        states = [a[0], b[0]]
        assert all(torch.equal(x, y) for x, y in zip(a[0] + a[1:], b[0] + b[1:], strict=True))
        assert a[1].std() > 0.01 and not torch.equal(a[1][0], a[1][1])


# ---- what loads


@pytest.mark.parametrize("name", MODELS)
def test_an_official_checkpoint_becomes_our_model_with_the_same_outputs(name, tmp_path):
    model = some_model(name)
    file, config = tmp_path / "step_7", tmp_path / "config.json"
    torch.save(with_prefixes(official_weights(model)), file)
    config.write_text(json.dumps(official_arch(model)))
    returned = convert(file, config, tmp_path / "out")
    found = load_model(str(tmp_path / "out"))
    same_outputs(found, model)
    same_outputs(returned, model)
    assert found.config == returned.config
    assert found.config.segments == 3 and found.config.length == 16
    x = torch.arange(64).view(4, 16) % 6
    puzzles = PuzzleSet(x, x)
    assert evaluate(found, puzzles).cell == evaluate(model, puzzles).cell


def test_the_folder_says_which_file_it_came_from(tmp_path):
    model = some_model("TRM mixer")
    torch.save(official_weights(model), tmp_path / "step_7")
    (tmp_path / "config.json").write_text(json.dumps(official_arch(model)))
    convert(tmp_path / "step_7", tmp_path / "config.json", tmp_path / "out")
    written = json.loads((tmp_path / "out" / "config.json").read_text())
    digest = hashlib.sha256((tmp_path / "step_7").read_bytes()).hexdigest()
    assert written["official"] == {"file": "step_7", "sha256": digest}
    assert written.keys() == {"model", "settings", "official"}


def test_safetensors_files_are_read(tmp_path):
    model = some_model("HRM attention")
    save_file(official_weights(model), tmp_path / "a.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(official_arch(model)))
    out = tmp_path / "out"
    same_outputs(convert(tmp_path / "a.safetensors", tmp_path / "config.json", out), model)


def test_a_checkpoint_from_a_gpu_is_read_without_one(tmp_path, monkeypatch):
    model = some_model("TRM mixer")
    weights, config, out = files(tmp_path, config=json.dumps(official_arch(model)))
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        torch.save(official_weights(model), weights)
    same_outputs(convert(weights, config, out), model)


def test_a_whole_all_config_is_read_once_it_tells_the_length(tmp_path):
    pytest.importorskip("yaml")
    model = some_model("TRM attention", prefix=16)
    torch.save(official_weights(model), tmp_path / "step_7")
    (tmp_path / "all_config.yaml").write_text("""\
arch:
  H_cycles: 2
  H_layers: 0
  L_cycles: 3
  L_layers: 2
  expansion: 4
  forward_dtype: bfloat16
  halt_exploration_prob: 0.1
  halt_max_steps: 3
  hidden_size: 32
  loss:
    loss_type: stablemax_cross_entropy
    name: losses@ACTLossHead
  mlp_t: false
  name: recursive_reasoning.trm@TinyRecursiveReasoningModel_ACTV1
  no_ACT_continue: true
  num_heads: 4
  pos_encodings: rope
  puzzle_emb_len: 16
  puzzle_emb_ndim: ${.hidden_size}
checkpoint_path: null
data_paths:
- data/sudoku
ema: true
global_batch_size: 768
lr: 0.0001
seq_len: 16
""")
    out = tmp_path / "out"
    same_outputs(convert(tmp_path / "step_7", tmp_path / "all_config.yaml", out), model)


def test_bfloat16_weights_become_float32_and_keep_their_values():
    weights = official_weights(some_model("HRM mixer"))
    half = {name: value.bfloat16() for name, value in weights.items()}
    model = from_official(half, official_arch(some_model("HRM mixer")))
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    assert torch.equal(model.heads.cells.weight, half["lm_head.weight"].float())
    assert torch.equal(model.start[1], half["L_init"].float())


def test_the_model_owns_its_weights_and_is_in_evaluation_mode():
    weights = official_weights(some_model("TRM mixer"))
    model = from_official(weights, official_arch(some_model("TRM mixer")))
    before = model.heads.cells.weight.clone()
    weights["lm_head.weight"].zero_()
    assert torch.equal(model.heads.cells.weight, before) and not model.training


# What the tensors do not tell; for mixers and learned positions less is needed.
LEAST = ["H_cycles", "L_cycles", "halt_max_steps", "expansion"]
NEEDED = {
    "TRM attention": [*LEAST, "seq_len", "num_heads", "pos_encodings", "puzzle_emb_len"],
    "TRM mixer": [*LEAST, "puzzle_emb_len"],
    "TRM learned positions": [*LEAST, "num_heads", "puzzle_emb_len"],
    "HRM attention": [*LEAST, "seq_len", "num_heads", "pos_encodings"],
    "HRM mixer": LEAST,
}


@pytest.mark.parametrize("name", MODELS)
def test_sizes_are_read_from_the_tensors_where_the_config_lacks_them(name):
    model = some_model(name)
    arch = official_arch(model)
    found = from_official(official_weights(model), {key: arch[key] for key in NEEDED[name]})
    same_outputs(found, model)


@pytest.mark.parametrize("name", ["TRM mixer", "TRM learned positions"])
def test_the_prefix_is_what_the_grid_leaves_of_the_positions(name):
    model = some_model(name)
    arch = official_arch(model)
    del arch["puzzle_emb_len"]
    assert from_official(official_weights(model), arch).config.prefix == model.config.prefix


def test_the_default_prefix_is_16_in_trm_and_as_many_as_the_embedding_fills_in_hrm():
    trm = some_model("TRM attention", prefix=16)
    arch = official_arch(trm)
    del arch["puzzle_emb_len"]
    assert from_official(official_weights(trm), arch).config.prefix == 16
    mixer = some_model("TRM mixer", prefix=16)
    arch = {key: official_arch(mixer)[key] for key in LEAST}
    found = from_official(official_weights(mixer), arch).config
    assert (found.prefix, found.length) == (16, 16)
    for width, filled in [(32, 1), (33, 2), (64, 2)]:
        hrm = some_model("HRM attention", prefix=filled, puzzle_width=width)
        same_outputs(from_official(official_weights(hrm), official_arch(hrm)), hrm)
        # HRM's official code has no such setting and would not read it
        ignored = official_arch(hrm) | dict(puzzle_emb_len=16)
        assert from_official(official_weights(hrm), ignored).config.prefix == filled


def test_a_prefix_of_0_means_as_many_as_the_embedding_fills():
    model = some_model("TRM attention", prefix=2, puzzle_width=40)
    arch = official_arch(model) | dict(puzzle_emb_len=0)
    same_outputs(from_official(official_weights(model), arch), model)


@pytest.mark.parametrize("name", ["TRM attention", "TRM mixer", "HRM attention"])
def test_without_puzzle_embedding_there_is_no_prefix(name):
    model = some_model(name, puzzles=0, prefix=0)
    for change in ({}, dict(num_puzzle_identifiers=5), dict(puzzle_emb_len=None)):
        found = from_official(official_weights(model), official_arch(model) | change)
        same_outputs(found, model)
        assert (found.config.puzzles, found.config.prefix) == (0, 0)


def test_the_official_mixer_does_not_use_rope():
    model = some_model("TRM mixer")
    arch = official_arch(model) | dict(pos_encodings="rope")
    same_outputs(from_official(official_weights(model), arch), model)


@pytest.mark.parametrize("without, learns", [(True, False), (False, True), (None, False)])
def test_no_act_continue_decides_on_q_learning_in_trm(without, learns):
    model = some_model("TRM mixer")
    arch = official_arch(model) | dict(no_ACT_continue=without)
    assert from_official(official_weights(model), arch).config.q_learning is learns


def test_hrm_always_learns_q():
    model = some_model("HRM mixer")
    arch = official_arch(model) | dict(no_ACT_continue=True)
    assert from_official(official_weights(model), arch).config.q_learning


def test_the_kind_needs_no_name():
    for name, cls in [("TRM mixer", TRM), ("HRM mixer", HRM)]:
        model = some_model(name)
        arch = official_arch(model)
        del arch["name"]
        assert isinstance(from_official(official_weights(model), arch), cls)


# ---- what does not load, and what is said


@pytest.mark.parametrize(
    "weights, message",
    [
        ({}, "it is empty; expected tensors by name"),
        ([torch.zeros(1)], "it is of type list; expected tensors by name"),
        (None, "it is of type NoneType; expected tensors by name"),
        ({"step": 3}, "'step' is of type int; expected a tensor of floats"),
        ({"model": {"x": torch.zeros(1)}}, "'model' is of type dict; expected a tensor of floats"),
        ({"ids": torch.arange(3)}, "'ids' is of type torch.int64; expected a tensor of floats"),
        ({3: torch.zeros(1)}, "its start vectors are missing; HRM and TRM have H_init"),
        ({"conv.weight": torch.zeros(1)}, "its start vectors are missing; HRM and TRM have H_init"),
    ],
    ids=str,
)
def test_what_is_no_state_dict_of_hrm_or_trm_is_named(weights, message):
    with pytest.raises(ValueError, match=f"^official state dict: {message}"):
        from_official(weights, {})


def prefixed(change):
    """The official weights of a small TRM mixer as a compiled loss head saves them, changed."""
    weights = official_weights(some_model("TRM mixer"))
    change(weights)
    return {f"_orig_mod.model.inner.{name}": value for name, value in weights.items()}


def rename(old, new):
    def change(weights):
        for name in [name for name in weights if name.startswith(old)]:
            weights[new + name.removeprefix(old)] = weights.pop(name)

    return change


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda w: w.pop("H_init"), "its start vectors are L_init; .*trm_singlez"),
        (rename("L_init", "L1_init"), "its start vectors are H_init, L1_init; .* trm_hier6"),
        (lambda w: (rename("L_level", "H_level")(w), w.pop("L_init")), "transformers_baseline"),
        (lambda w: w.pop("lm_head.weight"), "tensor 'lm_head.weight' is missing"),
        (
            lambda w: w.pop("embed_tokens.embedding_weight"),
            "tensor 'embed_tokens.embedding_weight' is missing",
        ),
        (rename("L_level.layers.0", "L_level.layers.1"), "tensor 'L_level.layers.0.* is missing"),
        (lambda w: w.pop("puzzle_emb.weights"), "tensor 'puzzle_emb.weights' is missing"),
        (
            lambda w: w.update({"L_level.layers.0.conv.weight": torch.zeros(1)}),
            "tensor '_orig_mod.model.inner.L_level.layers.0.conv.weight' has no place in TRM",
        ),
        (
            lambda w: w.update({"lm_head.weight": torch.zeros(7, 32)}),
            r"tensor '_orig_mod.model.inner.lm_head.weight' has shape \(7, 32\); "
            r"expected \(6, 32\) \(ours: heads.cells.weight\)",
        ),
        (
            lambda w: w.update({"L_init": torch.zeros(1)}),
            r"tensor '_orig_mod.model.inner.L_init' has shape \(1,\); expected \(32,\)",
        ),
        (
            lambda w: w.update({"embed_tokens.embedding_weight": torch.zeros(6)}),
            r"tensor '_orig_mod.model.inner.embed_tokens.embedding_weight' has shape \(6,\); "
            r"expected two axes",
        ),
        (
            lambda w: w.update({"module.H_init": torch.zeros(32)}),
            "'_orig_mod.model.inner.H_init' and '_orig_mod.model.inner.module.H_init' are the same",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named_as_the_file_names_them(change, message):
    with pytest.raises(ValueError, match=f"^official state dict: .*{message}"):
        arch = official_arch(some_model("TRM mixer"))
        del arch["name"]
        from_official(prefixed(change), arch)


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("vocab_size", 7, "vocab_size is 7; tensor 'inner.embed_tokens.embedding_weight' says 6"),
        ("hidden_size", 64, "hidden_size is 64; tensor 'inner.embed_tokens.* says 32"),
        ("L_layers", 3, "L_layers is 3; tensor 'inner.L_level.layers.1.* says 2"),
        ("puzzle_emb_ndim", 8, "puzzle_emb_ndim is 8; tensor 'inner.puzzle_emb.weights' says 32"),
        ("puzzle_emb_ndim", 0, "puzzle_emb_ndim is 0; tensor 'inner.puzzle_emb.weights' says 32"),
        ("num_puzzle_identifiers", 9, "num_puzzle_identifiers is 9; tensor 'inner.puzzle.* says 3"),
        ("mlp_t", True, "mlp_t is True; tensor 'inner.L_level.layers.0.self_attn.* says False"),
        ("seq_len", "16", "seq_len is '16'; expected a whole number"),
        ("H_cycles", 2.0, "H_cycles is 2.0; expected a whole number"),
        ("num_heads", -4, "num_heads is -4; expected a whole number"),
        ("halt_max_steps", True, "halt_max_steps is True; expected a whole number"),
        ("rope_theta", 5e5, "rope_theta is 500000.0; only 10000.0 is supported"),
        ("rms_norm_eps", 1e-6, "rms_norm_eps is 1e-06; only 1e-05 is supported"),
        ("name", "recursive_reasoning.trm_singlez@T", "name is '.*trm_singlez@T'; expected one of"),
        ("name", "recursive_reasoning.trm_hier6@T", "name is '.*trm_hier6@T'; expected one of"),
        ("name", "a.transformers_baseline@T", "name is '.*baseline@T'; expected one of"),
        ("name", "hrm.hrm_act_v1@H", "name is 'hrm.hrm_act_v1@H'; the tensors are those of TRM"),
        ("seq_len", None, "add seq_len, which the tensors do not tell .*81 for 9x9 grids"),
        ("arch", [], r"it is \[\]; expected settings by name"),
    ],
)
def test_settings_that_do_not_fit_are_named(name, value, message):
    model = some_model("TRM attention")
    weights = {f"inner.{key}": tensor for key, tensor in official_weights(model).items()}
    with pytest.raises(ValueError, match=f"^official config: {message}"):
        from_official(weights, official_arch(model) | {name: value})


def test_what_is_missing_is_named_all_at_once():
    for name, wanted in NEEDED.items():
        wanted = [key for key in wanted if key != "puzzle_emb_len"]  # has a default
        with pytest.raises(ValueError, match="^official config: add ") as error:
            from_official(official_weights(some_model(name)), {})
        found = str(error.value).removeprefix("official config: add ").split(", which")[0]
        assert sorted(found.split(", ")) == sorted(wanted), name


def test_a_length_that_contradicts_the_positions_is_named():
    model = some_model("TRM mixer")
    with pytest.raises(
        ValueError,
        match="seq_len is 17; tensor 'L_level.layers.0.mlp_t.down_proj.weight' "
        "has 19 positions, a prefix of 3 among them",
    ):
        from_official(official_weights(model), official_arch(model) | dict(seq_len=17))


def test_learned_positions_that_the_config_denies_or_the_file_lacks_are_named():
    model = some_model("TRM learned positions")
    with pytest.raises(ValueError, match="pos_encodings is 'rope'; tensor 'embed_pos.* 'learned'"):
        from_official(official_weights(model), official_arch(model) | dict(pos_encodings="rope"))
    for name in ("TRM mixer", "TRM attention"):
        model = some_model(name)
        with pytest.raises(ValueError, match="tensor 'embed_pos.embedding_weight' is missing"):
            arch = official_arch(model) | dict(pos_encodings="learned")
            from_official(official_weights(model), arch)


@pytest.mark.parametrize("config", [None, "trm", ["arch"], 3])
def test_a_config_that_is_no_dict_is_named(config):
    with pytest.raises(ValueError, match="official config: it is .*; expected settings by name"):
        from_official(official_weights(some_model("TRM mixer")), config)


def files(folder, weights=b"", name="step_7", config="{}", config_name="config.json"):
    """Write both files of a conversion; returns what `convert` takes."""
    if isinstance(weights, bytes):
        (folder / name).write_bytes(weights)
    else:
        torch.save(weights, folder / name)
    (folder / config_name).write_text(config)
    return folder / name, folder / config_name, folder / "out"


def refused(arguments, message):
    """`convert` ends with one line and writes nothing."""
    with pytest.raises(ValueError, match=message) as error:
        convert(*arguments)
    assert "\n" not in str(error.value) and not arguments[2].exists()


@pytest.mark.parametrize("new_format", [True, False])
def test_a_file_that_needs_pickled_objects_is_refused(tmp_path, new_format):
    foreign = {"a": torch.zeros(3), "b": pathlib.PurePosixPath("x")}
    arguments = files(tmp_path)
    torch.save(foreign, arguments[0], _use_new_zipfile_serialization=new_format)
    refused(arguments, "step_7: holds a pathlib.*PurePosixPath, which only running code")


@pytest.mark.parametrize("kept", [0, 10, 0.5, -100])
def test_a_checkpoint_cut_short_is_named(tmp_path, kept):
    arguments = files(tmp_path, official_weights(some_model("TRM mixer")))
    whole = arguments[0].read_bytes()
    arguments[0].write_bytes(whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
    refused(arguments, "step_7: cut short or not a checkpoint of torch.save")


@pytest.mark.parametrize("text", [b"hello world, text", b"x: 1\n" * 100, bytes(range(256)) * 9])
def test_a_file_of_another_kind_is_named(tmp_path, text):
    refused(files(tmp_path, text), "step_7: cut short or not a checkpoint of torch.save")


def test_a_safetensors_file_cut_short_is_named(tmp_path):
    arguments = files(tmp_path, name="a.safetensors")
    save_file(official_weights(some_model("TRM mixer")), arguments[0])
    arguments[0].write_bytes(arguments[0].read_bytes()[:-100])
    refused(arguments, "a.safetensors: cut short or not a safetensors file")


def test_folders_and_files_that_are_not_there_are_named(tmp_path):
    weights, config, out = files(tmp_path, official_weights(some_model("TRM mixer")))
    refused((tmp_path, config, out), f"^{tmp_path}: cannot be read .Is a directory")
    refused((tmp_path / "no", config, out), "no: cannot be read .No such file")
    refused((weights, tmp_path, out), f"^{tmp_path}: cannot be read .Is a directory")
    refused((weights, tmp_path / "no", out), "no: cannot be read .No such file")
    (tmp_path / "a.safetensors").mkdir()
    refused((tmp_path / "a.safetensors", config, out), "a.safetensors: cannot be read .Is a dir")


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("c.json", "{", "c.json: is no JSON"),
        ("c.json", "a: 1", "c.json: is no JSON"),
        ("c.yaml", "a: [1\nb: 2", "c.yaml: is no YAML"),
        ("c.yaml", "just words", "official config: it is 'just words'"),
    ],
)
def test_a_config_file_that_cannot_be_read_is_named(tmp_path, name, text, message):
    pytest.importorskip("yaml")
    weights = official_weights(some_model("TRM mixer"))
    refused(files(tmp_path, weights, config=text, config_name=name), message)


def test_a_config_file_that_is_no_text_is_named(tmp_path):
    arguments = files(tmp_path, official_weights(some_model("TRM mixer")))
    arguments[1].write_bytes(b"\xff\xfe\x00")
    refused(arguments, "config.json: is no text")


def test_yaml_without_pyyaml_says_what_to_do(tmp_path, monkeypatch):
    find = builtins.__import__

    def missing(name, *arguments, **options):
        if name == "yaml":
            raise ModuleNotFoundError("No module named 'yaml'")
        return find(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    weights = official_weights(some_model("TRM mixer"))
    arguments = files(tmp_path, weights, config="a: 1", config_name="all_config.yaml")
    refused(arguments, r"all_config.yaml: reading YAML takes PyYAML; .* or give .* a .json file")
