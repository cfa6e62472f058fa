"""Merging, its seal, and several adapters on one base. The base is tiny and real."""

import json

import numpy as np
import pytest
from product_shelf import ROWS, shelf, store  # noqa: F401
from safetensors.torch import load_file, save_file

from course_utils import evaluation, models, sentiment
from course_utils.product import adapters, merging
from course_utils.runtime import CourseError

TASK = sentiment.TASK


def logits(model, tokenizer, rows=ROWS[:5]):
    return merging.next_logits(model, tokenizer, TASK, rows)


def edit_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# ---------------------------------------------------------------- merging
def test_merged_saved_and_loaded_again_it_is_the_same_model(shelf):  # noqa: F811
    """Merged in float32, only the order of additions differs; saved and loaded, not a bit does."""
    folder = shelf.adapter("a")
    dense, tokenizer = models.load("tiny", four_bit=False)
    bare = logits(dense, tokenizer)
    beside = logits(models.load_adapter(dense, folder, "tiny").eval(), tokenizer)
    in_memory = logits(merging.merged(folder, "tiny", "float32")[0], tokenizer)
    place = merging.save_merged(folder, "tiny", shelf.folder / "merged", "float32")
    assert np.abs(beside - bare).max() > 0.1, "the adapter must do something, or this test shows nothing"
    assert np.abs(in_memory - beside).max() < 1e-4
    assert np.array_equal(logits(*merging.load_merged(place)), in_memory)


@pytest.mark.slow
def test_the_forms_are_measured_and_compared(shelf, capsys):  # noqa: F811
    found = merging.forms(shelf.adapter("a"), "tiny", shelf.folder / "merged", TASK, ROWS)
    table = merging.drift_table(found)
    assert list(table["largest logit difference"])[0] == 0 and table["same answers"].iloc[0] == 1
    assert table["largest logit difference"].iloc[1] < 1e-4 < table["largest logit difference"].iloc[3], "4 bits round"
    assert table["same answers"].iloc[1] == 1
    assert "merged: " in capsys.readouterr().out


# ---------------------------------------------------------------- the seal
def test_the_seal_names_what_changed(shelf):  # noqa: F811
    folder = shelf.adapter("a")
    place = merging.save_merged(folder, "tiny", shelf.folder / "merged")
    seal = merging.verify(place, folder)
    assert (seal["base"], len(seal["base_sha256"]), seal["adapter"]) == ("tiny", 64, "a")
    with pytest.raises(CourseError, match="adapter in .* is not the one that was merged"):
        merging.verify(place, shelf.adapter("b", seed=1))
    edit_json(place / "config.json", rope_theta=5.0)
    with pytest.raises(CourseError, match="merged model in .* changed after it was sealed"):
        merging.verify(place)


def test_a_changed_base_is_noticed(shelf):  # noqa: F811
    place = merging.save_merged(shelf.adapter("a"), "tiny", shelf.folder / "merged")
    weights = load_file(shelf.base / "model.safetensors")
    weights["model.norm.weight"][0] += 1e-3
    save_file(weights, shelf.base / "model.safetensors", {"format": "pt"})
    with pytest.raises(CourseError, match="base tiny is not the one that was merged.*\n.*validate again"):
        merging.verify(place)


def test_a_folder_without_a_seal_is_no_product(tmp_path):
    with pytest.raises(CourseError, match="no sealed model"):
        merging.verify(tmp_path)
    with pytest.raises(CourseError, match="no merged model"):
        merging.load_merged(tmp_path)


# ---------------------------------------------------------------- adapters that do not fit
def test_an_adapter_of_another_base_is_refused(shelf):  # noqa: F811
    """By its card; and, when someone edits the card, by the shapes of its weights."""
    folder = shelf.adapter("a")
    with pytest.raises(CourseError, match="made for tiny, not for smollm2-135m"):
        merging.check_adapter(folder, "smollm2-135m")
    edit_json(folder / "card.json", base="smollm2-135m")
    with pytest.raises(CourseError, match="does not fit smollm2-135m: it is .* wide at model.layers"):
        merging.check_adapter(folder, "smollm2-135m")
    with pytest.raises(CourseError, match="does not fit"):
        merging.merged(folder, "smollm2-135m")


def test_weights_of_another_rank_than_the_configuration_are_refused(shelf):  # noqa: F811
    folder = shelf.adapter("a", r=4)
    edit_json(folder / "adapter_config.json", r=8)
    with pytest.raises(CourseError, match="rank 4; its configuration says 8"):
        merging.check_adapter(folder, "tiny")


def test_a_missing_or_torn_adapter_is_said(shelf):  # noqa: F811
    with pytest.raises(CourseError, match="There is no adapter"):
        merging.check_adapter(shelf.folder / "nowhere", "tiny")
    folder = shelf.adapter("a")
    torn = folder / "adapter_model.safetensors"
    torn.write_bytes(torn.read_bytes()[:100])
    with pytest.raises(CourseError, match="is damaged"):
        merging.check_adapter(folder, "tiny")


# ---------------------------------------------------------------- several on one base
def three(shelf):  # noqa: F811
    folders = {name: shelf.adapter(name, seed=seed) for seed, name in enumerate(("corporate", "sovereign", "structured"))}
    base, tokenizer = models.load("tiny", four_bit=False)
    bare = logits(base, tokenizer)
    return folders, adapters.load_several(base, folders, "tiny"), tokenizer, bare


def test_adapters_are_swapped_and_none_leaks(shelf):  # noqa: F811
    folders, model, tokenizer, bare = three(shelf)
    alone = {}
    for name, folder in folders.items():
        base, _ = models.load("tiny", four_bit=False)
        alone[name] = logits(models.load_adapter(base, folder, "tiny").eval(), tokenizer)
    assert adapters.leakage(model, tokenizer, TASK, ROWS[:5], alone) == dict.fromkeys([adapters.NONE, *folders], 0.0)
    seen = adapters.fingerprints(model, tokenizer, TASK, ROWS[:5], [adapters.NONE, *folders])
    assert np.array_equal(seen[adapters.NONE][0], bare)
    assert all(np.abs(seen[a][0] - seen[b][0]).max() > 0.01 for a in seen for b in seen if a < b), "they must differ to show it"
    times = adapters.swap_seconds(model, 9)
    assert 0 < times["low"] <= times["value"] <= times["high"] and model.active_adapter == "corporate"


@pytest.mark.slow
def test_leakage_finds_a_leak(shelf):  # noqa: F811
    """The proof would be worth nothing if it could not fail."""
    folders, model, tokenizer, _ = three(shelf)
    order = iter(range(100))

    def spoil(*_):
        if next(order) == 3:  # while another one is active
            next(p for n, p in model.named_parameters() if ".sovereign." in n and "lora_B" in n).data.add_(0.5)

    hook = model.register_forward_pre_hook(spoil)
    found = adapters.leakage(model, tokenizer, TASK, ROWS[:1])
    hook.remove()
    assert found["sovereign"] > 0 and found["corporate"] == 0


def test_a_combination_is_the_weighted_sum_of_the_updates(shelf):  # noqa: F811
    _, model, _, _ = three(shelf)

    def update(name, layer="base_model.model.model.layers.0.mlp.up_proj"):
        part = model.get_submodule(layer)
        return part.get_delta_weight(name).detach().numpy()

    adapters.combine(model, {"corporate": 0.7, "sovereign": 0.3}, "mix")
    assert np.allclose(update("mix"), 0.7 * update("corporate") + 0.3 * update("sovereign"), atol=1e-6)
    assert model.active_adapter == "corporate" and not any(p.requires_grad for p in model.parameters())
    adapters.combine(model, {"corporate": 1.0, "structured": 1.0}, "mix", method="linear")
    assert adapters.names(model).count("mix") == 1


def test_the_cross_matrix_asks_every_adapter_on_every_set(shelf):  # noqa: F811
    folders, model, tokenizer, _ = three(shelf)

    def best(model, rows):
        return evaluation.classify(model, tokenizer, TASK, rows).scores.max()

    table = adapters.cross_matrix(model, {"a": ROWS[:8], "b": ROWS[8:20]}, best)
    assert table.shape == (4, 2) and list(table.index) == [*folders, adapters.NONE]
    with adapters.using(model, "sovereign"):
        assert table.loc["sovereign", "a"] == best(model, ROWS[:8])
    assert table["a"].nunique() == 4


def test_a_missing_shipped_adapter_is_made_small_and_said(shelf, monkeypatch, capsys):  # noqa: F811
    monkeypatch.setenv("COURSE_RUNS", str(shelf.folder / "runs"))
    monkeypatch.setattr(adapters, "SHIPPED", shelf.folder)
    shelf.adapter("there")
    assert adapters.saved("there", "tiny") == shelf.folder / "there"
    made = adapters.saved("nowhere", "tiny", r=2)
    assert merging.check_adapter(made, "tiny")["r"] == 2 and "worth nothing" in capsys.readouterr().out
    assert all(w.abs().max() > 0 for n, w in load_file(made / "adapter_model.safetensors").items() if "lora_B" in n), "learned"
    assert adapters.saved("nowhere", "tiny") == made and not capsys.readouterr().out


@pytest.mark.slow
def test_adapter_mistakes_are_said(shelf):  # noqa: F811
    folders, model, _, _ = three(shelf)
    with pytest.raises(CourseError, match="no adapter 'retail'.*\n.*corporate, sovereign, structured"):
        adapters.swap(model, "retail")
    with pytest.raises(CourseError, match="cannot be combined: retail"):
        adapters.combine(model, {"retail": 1.0}, "mix")
    wide, base = shelf.adapter("wide", r=8), models.load("tiny", four_bit=False)[0]
    mixed = adapters.load_several(base, {"a": folders["corporate"], "b": wide}, "tiny")
    with pytest.raises(CourseError, match="adapters of one rank"):
        adapters.combine(mixed, {"a": 0.5, "b": 0.5}, "mix", method="linear")
    assert adapters.combine(mixed, {"a": 0.5, "b": 0.5}, "mix") == "mix" and mixed.peft_config["mix"].r == 12
    for bad, says in (({}, "No adapters"), ({"a.b": wide}, "cannot be the name"), ({"a": shelf.folder}, "There is no adapter")):
        with pytest.raises(CourseError, match=says):
            adapters.load_several(base, bad, "tiny")
