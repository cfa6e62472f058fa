"""Notebook 02's own cells, tested as code: properties of merging and rounding, and what bad input says."""

import bitsandbytes.functional as bnb
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import notebooks

nb = notebooks.definitions("02")
LEVELS = bnb.get_4bit_type("nf4", device="cpu")
SIZES = st.integers(1, 12)


@given(SIZES, SIZES, st.integers(0, 10_000), st.floats(0.5, 64))
@settings(max_examples=40, deadline=None)
def test_merge_equals_beside_and_unmerge_gives_the_original_back(inputs, outputs, seed, alpha):
    torch.manual_seed(seed)
    layer = torch.nn.Linear(inputs, outputs).double()
    lora = nb.LoRALinear(layer, r=min(inputs, outputs), alpha=alpha).double()
    lora.B.data.normal_()
    x, original = torch.randn(5, inputs).double(), layer.weight.clone()
    beside = lora(x)
    lora.merge()
    torch.testing.assert_close(lora(x), beside)
    lora.merge(-1)
    torch.testing.assert_close(layer.weight, original)


@given(SIZES, SIZES, st.integers(1, 12), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_the_update_never_has_more_than_rank_r(inputs, outputs, r, seed):
    torch.manual_seed(seed)
    change = nb.lora_update(torch.randn(r, inputs).double(), torch.randn(outputs, r).double(), 16.0)
    assert torch.linalg.matrix_rank(change) <= min(r, inputs, outputs)


@given(st.integers(1, 300), st.integers(0, 10_000), st.sampled_from([1e-20, 1e-3, 1.0, 1e20]))
@settings(max_examples=60, deadline=None)
def test_rounding_error_is_at_most_half_the_widest_gap(n, seed, size):
    """No weight moves further than half the widest gap between levels, times its block's scale; and the bytes are the
    library's."""
    torch.manual_seed(seed)
    w = torch.randn(n) * size
    codes, scales = nb.quantise(w, LEVELS)
    back = nb.restore(codes, scales, LEVELS, w.shape)
    bound = (LEVELS[1:] - LEVELS[:-1]).max() / 2 * scales.repeat_interleave(64)[:n]
    assert ((back - w).abs() <= bound * (1 + 1e-5)).all()
    theirs, state = bnb.quantize_4bit(w, blocksize=64, quant_type="nf4")
    assert torch.equal(nb.packed(codes), theirs.flatten()) and torch.equal(scales, state.absmax)


def test_levels_are_the_published_ones():
    assert (nb.nf4_levels() - LEVELS).abs().max() < 5e-7


@pytest.mark.parametrize("r", [0, -1, 7, 2.5])
def test_impossible_rank_is_named(r):
    with pytest.raises(ValueError, match=f"r is {r}; on a layer 6 -> 6 it must be 1 to 6"):
        nb.LoRALinear(torch.nn.Linear(6, 6), r)


def test_shapes_that_do_not_match_are_named():
    with pytest.raises(ValueError, match="A has rank 2 but B has rank 3"):
        nb.lora_update(torch.ones(2, 6), torch.ones(6, 3), 4)


def test_nan_weights_are_refused():
    layer = torch.nn.Linear(6, 6)
    layer.weight.data[0, 0] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        nb.LoRALinear(layer, 2)
    with pytest.raises(ValueError, match="NaN"):
        nb.quantise(layer.weight, LEVELS)


def test_merging_twice_and_unmerging_what_is_not_merged():
    lora = nb.LoRALinear(torch.nn.Linear(6, 6), 2)
    with pytest.raises(RuntimeError, match="not merged"):
        lora.merge(-1)
    lora.merge()
    with pytest.raises(RuntimeError, match="already merged"):
        lora.merge()


@pytest.mark.parametrize("method", ["full", "LoRA"])
def test_activations_are_counted_as_autograd_saves_them(method):
    """The calculator's count of kept numbers equals what autograd really saves, to the last number."""
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    from course_utils import registry

    shape = dict(vocab_size=100, hidden_size=64, intermediate_size=160, num_attention_heads=4, num_key_value_heads=2)

    def saved(layers):
        model = LlamaForCausalLM(LlamaConfig(num_hidden_layers=layers, tie_word_embeddings=True, **shape))
        if method == "LoRA":
            model = get_peft_model(model, LoraConfig(r=8, target_modules="all-linear"))
        own, seen = {p.untyped_storage().data_ptr() for p in model.parameters()}, {}

        def pack(t):
            if t.untyped_storage().data_ptr() not in own:
                seen[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
            return t

        ids = torch.randint(0, 100, (2, 16))
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            kept = model.train()(input_ids=ids, labels=ids, use_cache=False)
        return sum(seen.values()) / 4 / 32, kept

    (four, _), (two, _) = saved(4), saved(2)
    registry.CONFIGURATIONS["probe"] = ("LlamaConfig", shape)
    try:
        assert (four - two) / 2 == nb.kept_a_token("probe", method, r=8)
    finally:
        del registry.CONFIGURATIONS["probe"]
