"""Weights and adapters: each trap of the stack that once cost a day has a test that tells its story."""

import json
import shutil

import pytest
import torch

from course_utils import models, registry, sentiment, training
from course_utils.runtime import CourseError

ROW = {"text": "Sales fell", "label": "negative"}


def unwrap(peft_model):
    """Takes adapters off again, so that the shared model stays clean."""
    return peft_model.unload()


def test_registry_counts_are_true(smollm):
    assert models.count(smollm[0])["total"] == registry.entry("smollm2-135m").parameters
    with pytest.raises(CourseError, match="no model 'gpt-9'.*\n.*smollm2-135m"):
        registry.entry("gpt-9")


def test_nf4_bytes_are_4_127_bits_a_weight(smollm):
    """QLoRA's arithmetic: 4 bits, one 8-bit scale for each 64 weights, one 32-bit scale for each 256 scales."""
    size, counted = models.weight_bytes(smollm[0]), models.count(smollm[0])
    bits = 8 * (size["4-bit codes"] + size["4-bit scales"]) / counted["four_bit"]
    assert bits == pytest.approx(4 + 8 / 64 + 32 / (64 * 256), abs=1e-3)
    assert size["adapters"] == 0 and size["not quantised"] > 49152 * 576 * 4 - 1


def test_training_after_an_evaluation_still_has_gradients(smollm):
    """bitsandbytes repacks 4-bit layers in any forward pass in evaluation mode on CPUs with avx512_bf16. Training after
    that lost the gradient through the base layers, with no more than a warning: accuracy stuck at 0.63. The adapters of
    the early layers must still get a gradient after an evaluation."""
    import bitsandbytes as bnb

    model, tokenizer = smollm
    assert not any(m.support_avx512bf16_for_cpu for m in model.modules() if isinstance(m, bnb.nn.Linear4bit))
    wrapped = models.attach_lora(model, r=4)
    try:
        ids = torch.tensor([[1, 500, 900, 2]])
        wrapped.eval()
        with torch.no_grad():
            wrapped(input_ids=ids)
        wrapped.train()
        wrapped(input_ids=ids, labels=ids).loss.backward()
        grads = {n: p.grad.abs().max().item() for n, p in wrapped.named_parameters() if "lora_B" in n}
        assert len(grads) == 210 and min(grads.values()) > 0, [n for n, g in grads.items() if g == 0][:5]
    finally:
        unwrap(wrapped)


def test_adapters_stay_float32_after_the_trainer_is_built(smollm):
    """TRL casts adapters on a 4-bit base to bfloat16, whatever fp16 says; on a T4 that crashes in the gradient scaler."""
    model, tokenizer = smollm
    wrapped = models.attach_lora(model, r=2)
    try:
        trainer = training._trainer(wrapped, tokenizer, sentiment.TASK, [ROW] * 2, training.Settings(), 1, None)
        assert {p.dtype for p in trainer.model.parameters() if p.requires_grad} == {torch.float32}
        assert not trainer.args.bf16 and not trainer.args.fp16
    finally:
        unwrap(wrapped)


def test_adapter_starts_at_zero_and_base_is_untouched(smollm):
    model, _ = smollm
    ids = torch.tensor([[1, 500, 900]])
    with torch.no_grad():
        plain = model.eval()(input_ids=ids).logits
        wrapped = models.attach_lora(model, r=8)
        try:
            assert torch.equal(wrapped.eval()(input_ids=ids).logits, plain)
        finally:
            unwrap(wrapped)
        assert torch.equal(model(input_ids=ids).logits, plain)


@pytest.mark.parametrize("rank", [0, -3, 2.5])
def test_impossible_rank_is_named(smollm, rank):
    with pytest.raises(CourseError, match=f"rank r is {rank}"):
        models.attach_lora(smollm[0], r=rank)


# ---------------------------------------------------------------- saving
def test_saved_adapter_gives_identical_answers(tiny, tmp_path):
    import copy

    model, _ = tiny
    base = copy.deepcopy(model)
    wrapped = models.attach_lora(model, r=4)
    with torch.no_grad():
        for name, p in wrapped.named_parameters():
            if "lora_B" in name:
                p.normal_()
    folder = models.save_adapter(wrapped, tmp_path / "a", base="tiny")
    again = models.load_adapter(base, folder, base="tiny")
    ids = torch.tensor([[3, 4, 5]])
    assert torch.equal(again.eval()(input_ids=ids).logits, wrapped.eval()(input_ids=ids).logits)
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tiny"  # no path of this machine


def test_half_precision_adapter_is_half_the_size(tiny, tmp_path):
    wrapped = models.attach_lora(tiny[0], r=4)
    full, half = (models.save_adapter(wrapped, tmp_path / str(h), base="tiny", half=h) for h in (False, True))
    size = {folder: (folder / "adapter_model.safetensors").stat().st_size for folder in (full, half)}
    assert size[half] < 0.7 * size[full]


def test_adapter_of_another_base_is_refused(tiny, tmp_path):
    folder = models.save_adapter(models.attach_lora(tiny[0], r=4), tmp_path / "a", base="other")
    with pytest.raises(CourseError, match="made for other, not for tiny"):
        models.load_adapter(tiny[0], folder, base="tiny")
    with pytest.raises(CourseError, match="no adapter in"):
        models.load_adapter(tiny[0], tmp_path / "nowhere", base="tiny")


def test_damaged_adapter_is_refused(tiny, tmp_path):
    folder = models.save_adapter(models.attach_lora(tiny[0], r=4), tmp_path / "a", base="tiny")
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(CourseError, match="is damaged"):
        models.load_adapter(tiny[0], folder, base="tiny")


def test_full_disk_leaves_the_old_adapter_and_no_half_one(tiny, tmp_path, monkeypatch):
    import safetensors.torch

    wrapped = models.attach_lora(tiny[0], r=4)
    folder = models.save_adapter(wrapped, tmp_path / "a", base="tiny")
    before = (folder / "adapter_model.safetensors").read_bytes()

    def full(*_, **__):
        raise RuntimeError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(CourseError, match="No space left"):
        models.save_adapter(wrapped, folder, base="tiny")
    assert (folder / "adapter_model.safetensors").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".half")] == []


# ---------------------------------------------------------------- finding weights
def test_missing_package_says_how_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CourseError, match="not installed.*\n.*requirements-assets.txt"):
        registry.local_copy("smollm2-135m")


def test_damaged_cache_is_noticed_and_a_half_written_one_never_used(monkeypatch, tmp_path):
    """A killed conversion must not leave weights that load and answer nonsense."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    made = []

    def convert(item, work):
        made.append(item.name)
        (work / "model").mkdir()
        (work / "model" / "weights").write_bytes(b"good")
        sums = {"weights": registry._fingerprint(work / "model" / "weights")}
        (work / "model" / "checksums.json").write_text(json.dumps(sums))

    monkeypatch.setattr(registry, "_convert", convert)
    place = registry.local_copy("smollm2-135m")
    assert registry.local_copy("smollm2-135m") == place and len(made) == 1
    (place / "weights").write_bytes(b"bad!")
    assert (registry.local_copy("smollm2-135m") / "weights").read_bytes() == b"good" and len(made) == 2
    (place / "checksums.json").unlink()
    registry.local_copy("smollm2-135m")
    assert len(made) == 3

    def die(item, work):
        (work / "model").mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(registry, "_convert", die)
    shutil.rmtree(place)
    with pytest.raises(KeyboardInterrupt):
        registry.local_copy("smollm2-135m")
    assert list(tmp_path.iterdir()) == []


def test_offline_run_names_the_way_on(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(CourseError, match="this run is offline.*\n.*smollm2-135m"):
        registry.where("gemma-3-1b-it")


def test_refused_token_falls_back_to_the_mirror_and_is_never_printed(monkeypatch, capsys):
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError

    class Response:
        status_code, headers, request = 403, {}, None

    def refuse(self, *_, **__):
        raise GatedRepoError("Access denied for hf_secret", response=Response())

    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(HfApi, "auth_check", refuse)
    assert registry.where("gemma-3-1b-it") == "unsloth/gemma-3-1b-it"
    said = capsys.readouterr().out
    assert "the same terms apply" in said and "hf_secret" not in said
    with pytest.raises(CourseError, match="refused Qwen/Qwen3-0.6B.*\n.*HF_TOKEN") as refused:
        registry.where("qwen3-0.6b")
    assert "hf_secret" not in str(refused.value)


def test_merged_copy_answers_as_the_adapter_does():
    """On the unquantised base nothing is lost by merging; in bfloat16 only its rounding. The original keeps its adapter."""
    dense, tokenizer = models.load("smollm2-135m", four_bit=False)
    wrapped = models.attach_lora(dense, r=4)
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.02)
    ids = torch.tensor([tokenizer.encode("Sales fell by a third in the second quarter.")])
    with torch.no_grad():
        beside = wrapped.eval()(input_ids=ids).logits
        exact = models.merged(wrapped, "float32")
        torch.testing.assert_close(exact(input_ids=ids).logits, beside, atol=2e-3, rtol=1e-3)
        with wrapped.disable_adapter():
            assert (wrapped(input_ids=ids).logits - beside).abs().max() > 0.1
    assert not any("lora" in name for name, _ in exact.named_parameters())
    assert str(next(models.merged(wrapped).parameters()).dtype).removeprefix("torch.") in ("bfloat16", "float32")
