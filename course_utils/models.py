"""Floor 2: load a model (4-bit or not), attach LoRA, count, save and load adapters."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from . import runtime
from .registry import quiet_bars, token, where
from .runtime import CourseError


# ---------------------------------------------------------------- loading
def load(name: str = "smollm2-135m", four_bit: bool = True, machine: runtime.Machine | None = None, double: bool = True,
         dtype: str | None = None):
    """Loads a model of the registry. Returns (model, tokenizer).

    four_bit: linear layers as NF4 (Dettmers et al., 2023), with double quantisation unless `double` is False.
    dtype: a torch name for what is not quantised; where it is None, what this machine's precision says.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    machine = machine or runtime.machine()
    path = where(name)
    # On a CPU the gradient of torch's fused attention is slower than the plain formula: 41 % of a step at 500 tokens.
    extra = {"attn_implementation": "eager"} if machine.device == "cpu" else {}
    if four_bit:
        extra["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=double,
            bnb_4bit_compute_dtype=getattr(torch, machine.precision.compute))
    with quiet_bars():
        tokenizer = AutoTokenizer.from_pretrained(path, token=token())
        model = AutoModelForCausalLM.from_pretrained(
            path, dtype=getattr(torch, dtype or machine.precision.dtype), device_map={"": machine.device}, token=token(), **extra)
    keep_gradients(model)
    model.course_name = name
    return model, tokenizer


def keep_gradients(model) -> None:
    """Stops bitsandbytes from repacking 4-bit layers for a fast CPU kernel that has no gradient.

    On CPUs with avx512_bf16 any forward pass in evaluation mode repacks a layer, and training after that silently loses
    the gradient through the base model.
    """
    import bitsandbytes as bnb

    for module in model.modules():
        if isinstance(module, bnb.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False


def attach_lora(model, r: int = 16, alpha: int = 32, dropout: float = 0.0, targets="all-linear", seed: int = 0):
    """Freezes the model and puts LoRA adapters on `targets`. Returns the peft model; the base stays shared, unchanged."""
    import torch
    from peft import LoraConfig, get_peft_model

    if not isinstance(r, int) or r < 1:
        raise CourseError(f"LoRA's rank r is {r!r}.", "choose a whole number of 1 or more; 16 is the usual start.")
    torch.manual_seed(seed)
    config = LoraConfig(r=r, lora_alpha=alpha, lora_dropout=dropout, target_modules=targets, task_type="CAUSAL_LM")
    wrapped = get_peft_model(model, config)
    adapters_to_float32(wrapped)
    return wrapped


def adapters_to_float32(model) -> None:
    """Trainable weights back to float32: TRL casts them to bfloat16 on a 4-bit base, which crashes or slows a T4."""
    import torch

    for parameter in model.parameters():
        if parameter.requires_grad and parameter.dtype != torch.float32:
            parameter.data = parameter.data.float()


# ---------------------------------------------------------------- counting
def put_back(model, values: dict) -> None:
    """Copies kept `values` (parameter name -> tensor) into the model's parameters and drops their gradients."""
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in values:
                parameter.copy_(values[name])
                parameter.grad = None


def count(model) -> dict[str, int]:
    """Parameters, counted as numbers (a 4-bit byte holds two): total, trainable and in 4-bit layers."""
    total = trainable = four = 0
    for parameter in model.parameters():
        size = parameter.numel()
        if parameter.__class__.__name__ == "Params4bit":
            size *= 2 * parameter.element_size()
            four += size
        total += size
        trainable += size * parameter.requires_grad
    return {"total": total, "trainable": trainable, "four_bit": four}


def weight_bytes(model) -> dict[str, int]:
    """Bytes of the weights as stored, measured from the tensors: 4-bit codes, their scales, all else, adapters."""
    size = {"4-bit codes": 0, "4-bit scales": 0, "not quantised": 0, "adapters": 0}
    for name, parameter in model.named_parameters():
        stored = parameter.numel() * parameter.element_size()
        if parameter.__class__.__name__ == "Params4bit":
            size["4-bit codes"] += stored
            size["4-bit scales"] += _scale_bytes(parameter.quant_state)
        else:
            size["adapters" if "lora_" in name else "not quantised"] += stored
    return size


def _scale_bytes(state) -> int:
    stored = state.absmax.numel() * state.absmax.element_size()
    if state.nested:
        inner = state.state2
        stored += inner.absmax.numel() * inner.absmax.element_size() + 4  # and one float32 offset
    return stored


# ---------------------------------------------------------------- merging
def merged(model, dtype: str | None = None):
    """A dense copy of a fine-tuned model, its adapter merged into the unquantised weights: for fast answers.

    dtype: a torch name; where it is None, `runtime.answering_dtype`. The 4-bit model trained around its rounding errors,
    which the copy has not: measure its answers again.
    """
    from peft import get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

    dense, _ = load(model.course_name, four_bit=False)
    wrapped = get_peft_model(dense, model.peft_config["default"])
    set_peft_model_state_dict(wrapped, get_peft_model_state_dict(model, save_embedding_layers=False))
    return _dense(wrapped, model.course_name, dtype)


def merged_file(folder: Path, name: str = "smollm2-135m", dtype: str | None = None):
    """The same from a saved adapter. Returns (model, tokenizer). Raises CourseError as `load_adapter` does."""
    dense, tokenizer = load(name, four_bit=False)
    return _dense(load_adapter(dense, folder, base=name), name, dtype), tokenizer


def _dense(wrapped, name: str, dtype: str | None):
    import torch

    copy = wrapped.merge_and_unload().to(getattr(torch, dtype or runtime.answering_dtype(runtime.machine())))
    copy.course_name = name
    copy.set_attn_implementation("sdpa")  # without a gradient the fused attention is the faster one
    return copy.eval()


# ---------------------------------------------------------------- saving
def save_adapter(model, folder: Path, base: str, half: bool = False, **card) -> Path:
    """Saves the adapter alone, with the name of its base, atomically. half: as bfloat16, half the size (for shipping)."""
    import torch
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    folder = Path(folder)
    with runtime.clear_disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".half-", dir=folder.parent))
    try:
        with runtime.clear_disk_errors(folder):
            weights = get_peft_model_state_dict(model, save_embedding_layers=False)
            kind = torch.bfloat16 if half else torch.float32
            weights = {k: v.detach().to("cpu", kind).contiguous() for k, v in weights.items()}
            save_file(weights, work / "adapter_model.safetensors")
            model.peft_config["default"].save_pretrained(work)
            config = json.loads((work / "adapter_config.json").read_text())
            config["base_model_name_or_path"] = base  # not the path of this machine's cache
            (work / "adapter_config.json").write_text(json.dumps(config, indent=1, sort_keys=True))
            (work / "card.json").write_text(json.dumps({"base": base, **card}, indent=1))
            shutil.rmtree(folder, ignore_errors=True)
            os.rename(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def load_adapter(base_model, folder: Path, base: str):
    """Puts a saved adapter on `base_model`. Raises CourseError when the adapter is missing, damaged or for another base."""
    from peft import PeftModel

    folder = Path(folder)
    if not (folder / "adapter_model.safetensors").exists():
        raise CourseError(f"There is no adapter in {folder}.", "train it first, or check the folder's name.")
    made_for = json.loads((folder / "card.json").read_text())["base"] if (folder / "card.json").exists() else base
    if made_for != base:
        raise CourseError(f"This adapter was made for {made_for}, not for {base}.", f"load {made_for} first.")
    try:
        wrapped = PeftModel.from_pretrained(base_model, str(folder))
    except Exception as error:
        raise CourseError(f"The adapter in {folder} is damaged ({type(error).__name__}).", "train or fetch it again.") from error
    adapters_to_float32(wrapped)
    return wrapped
