"""One plain model out of a base and an adapter: merge, seal with checksums, load again in full or in 4 bits, measure the drift.

The adapter goes into the unquantised base. Merging into 4-bit weights would round the sum once more.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import evaluation, models, registry, results, runtime
from ..runtime import CourseError

SEAL = "seal.json"
WEIGHTS = ("*.safetensors", "*config.json", "tokenizer*.json", "chat_template*")


# ---------------------------------------------------------------- checksums
def checksum(folder: Path) -> str:
    """One SHA-256 over the names and contents of a folder's weights, configuration and tokenizer."""
    digest = hashlib.sha256()
    for path in sorted({p for pattern in WEIGHTS for p in Path(folder).glob(pattern)}):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def check_adapter(folder: Path, base: str) -> dict:
    """Reads a saved adapter's shapes, not its weights, and says whether it fits `base`. Returns its peft configuration.

    Raises CourseError for a folder without an adapter, an adapter of another base (by its card or by its shapes), and for
    weights whose rank is not the one that the configuration names.
    """
    from safetensors import safe_open

    folder = Path(folder)
    file, config = folder / "adapter_model.safetensors", folder / "adapter_config.json"
    if not (file.exists() and config.exists()):
        raise CourseError(f"There is no adapter in {runtime.short(folder)}.", "train it first, or check the folder's name.")
    card, said = folder / "card.json", json.loads(config.read_text(encoding="utf-8"))
    made_for = json.loads(card.read_text(encoding="utf-8"))["base"] if card.exists() else said.get("base_model_name_or_path")
    if made_for != base:
        raise CourseError(f"This adapter was made for {made_for}, not for {base}.", f"load {made_for} first.")
    try:
        with safe_open(file, "pt") as weights:
            shapes = {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
    except Exception as error:
        raise CourseError(f"The adapter in {runtime.short(folder)} is damaged ({type(error).__name__}).",
                          "train or fetch it again.") from error
    _check_shapes(shapes, said, base)
    return said


def _check_shapes(shapes: dict, config: dict, base: str) -> None:
    layers = registry.linear_shapes(base)
    for name, shape in shapes.items():
        found = re.fullmatch(r"base_model\.model\.(.+)\.lora_([AB])\.weight", name)
        if not found:
            continue
        layer, part = found[1], found[2]
        rank, width = (shape[0], shape[1]) if part == "A" else (shape[1], shape[0])
        if rank != config["r"]:
            raise CourseError(f"The adapter's weights have rank {rank}; its configuration says {config['r']}.",
                              "the two files do not belong together: fetch or save the adapter again.")
        if layer not in layers or layers[layer][1 if part == "A" else 0] != width:
            has = f"is {layers[layer][0]} x {layers[layer][1]}" if layer in layers else "does not exist"
            raise CourseError(f"The adapter does not fit {base}: it is {width} wide at {layer}, which {has} there.",
                              "load the base that the adapter was trained on.")


# ---------------------------------------------------------------- merge, save, load
def merged(folder: Path, base: str = "smollm2-135m", dtype: str | None = None):
    """(model, tokenizer): the saved adapter merged into its unquantised base.

    dtype: a torch name; where it is None, `runtime.answering_dtype`.
    """
    import torch

    check_adapter(folder, base)
    dense, tokenizer = models.load(base, four_bit=False)
    copy = models.load_adapter(dense, folder, base).merge_and_unload()
    copy = copy.to(getattr(torch, dtype or runtime.answering_dtype(runtime.machine())))
    copy.course_name = base
    return copy.eval(), tokenizer


def save_merged(adapter: Path, base: str, folder: Path, dtype: str | None = None) -> Path:
    """Merges, saves model and tokenizer to `folder`, atomically, and seals them: checksums of base, adapter and result."""
    folder, adapter = Path(folder), Path(adapter)
    folder.parent.mkdir(parents=True, exist_ok=True)
    model, tokenizer = merged(adapter, base, dtype)
    runtime.require_space(folder.parent, sum(p.numel() * p.element_size() for p in model.parameters()) + 50_000_000)
    work = Path(tempfile.mkdtemp(prefix=".half-", dir=folder.parent))
    try:
        with runtime.clear_disk_errors(folder):
            model.generation_config.do_sample = False
            model.generation_config.temperature = model.generation_config.top_p = model.generation_config.top_k = None
            with registry.quiet_bars():
                model.save_pretrained(work)
            tokenizer.save_pretrained(work)
            seal = {"base": base, "base_sha256": checksum(Path(registry.where(base))), "adapter": adapter.name,
                    "adapter_sha256": checksum(adapter), "merged_sha256": checksum(work),
                    "dtype": str(model.dtype).removeprefix("torch."), "versions": runtime.versions()}
            results.write_json(work / SEAL, seal)
            shutil.rmtree(folder, ignore_errors=True)
            os.rename(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def verify(folder: Path, adapter: Path | None = None) -> dict:
    """The seal of a merged model, after checking every checksum in it (the adapter's too, where it is given).

    Raises CourseError that names what changed since the merge: the merged files, the base or the adapter.
    """
    folder = Path(folder)
    try:
        seal = json.loads((folder / SEAL).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CourseError(f"There is no sealed model in {runtime.short(folder)}.", "merge again with save_merged.") from error
    if checksum(folder) != seal["merged_sha256"]:
        raise CourseError(f"The merged model in {runtime.short(folder)} changed after it was sealed.", "merge it again.")
    if checksum(Path(registry.where(seal["base"]))) != seal["base_sha256"]:
        raise CourseError(f"The base {seal['base']} is not the one that was merged: its checksum changed.",
                          "restore that base, or merge and validate again on the new one.")
    if adapter is not None and checksum(Path(adapter)) != seal["adapter_sha256"]:
        raise CourseError(f"The adapter in {runtime.short(Path(adapter))} is not the one that was merged.",
                          "merge and validate again, or use the adapter that the seal names.")
    return seal


def load_merged(folder: Path, four_bit: bool = False):
    """(model, tokenizer) from a merged folder: as saved, or rounded to 4 bits again on loading."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    here, extra = runtime.machine(), {"dtype": "auto"}
    if four_bit:
        extra = {"dtype": getattr(torch, here.precision.dtype), "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=getattr(torch, here.precision.compute))}
    if here.device == "cpu":
        extra["attn_implementation"] = "eager"  # as `models.load` does, so that answers are the same to the last bit
    if not (Path(folder) / "config.json").exists():
        raise CourseError(f"There is no merged model in {runtime.short(Path(folder))}.", "merge one with save_merged.")
    with registry.quiet_bars():
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, device_map={"": here.device}, **extra)
    models.keep_gradients(model)
    return model.eval(), tokenizer


# ---------------------------------------------------------------- drift
@dataclass
class Form:
    """One form of the same fine-tuned model, measured. logits: (rows, vocabulary) after each prompt, in float32.

    prompt_seconds: to read one prompt; the same work in every form.
    """

    name: str
    bytes: int
    prompt_seconds: float
    answers: evaluation.Evaluation
    logits: np.ndarray


def next_logits(model, tokenizer, task, rows: list[dict]) -> np.ndarray:
    """(rows, vocabulary) float32 logits of the answer's first token, one prompt at a time (no padding)."""
    import torch

    with torch.no_grad():
        ids = [torch.tensor([evaluation.prompt_tokens(tokenizer, task, row)], device=model.device) for row in rows]
        found = [model(input_ids=one, logits_to_keep=1).logits[0, -1].float().cpu().numpy() for one in ids]
    return np.stack(found)


def prompt_seconds(model, tokenizer, task, rows: list[dict]) -> float:
    """Median seconds to read one prompt, after one that warms up."""
    next_logits(model, tokenizer, task, rows[:1])
    taken = []
    for row in rows:
        start = time.perf_counter()
        next_logits(model, tokenizer, task, [row])
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def measure(name: str, model, tokenizer, task, rows: list[dict], answer: Callable | None = None) -> Form:
    """Size, speed and answers of one form. answer(model, tokenizer, rows) -> Evaluation; None takes the likeliest label."""
    answers = (answer(model, tokenizer, rows) if answer
               else evaluation.classify(model, tokenizer, task, rows, system=name))
    return Form(name, sum(models.weight_bytes(model).values()), prompt_seconds(model, tokenizer, task, rows), answers,
                next_logits(model, tokenizer, task, rows))


def forms(adapter: Path, base: str, folder: Path, task, rows: list[dict], watch: Callable[[str], None] = print,
          answer: Callable | None = None) -> list[Form]:
    """The same fine-tuned model in five forms, one in memory at a time; the first is what the others drift from.

    Unquantised base with the adapter beside it; merged; merged and saved (in `folder`, at the answering format); that in 4 bits
    again; and the 4-bit base with the adapter beside it, as QLoRA trains it. answer: as in `measure`.
    """
    def beside(four_bit):
        model, tokenizer = models.load(base, four_bit=four_bit)
        return models.load_adapter(model, adapter, base).eval(), tokenizer

    ways = {
        "adapter beside the full base": lambda: beside(False),
        "merged": lambda: merged(adapter, base, "float32"),
        "merged, as saved": lambda: load_merged(folder),
        "merged, 4-bit again": lambda: load_merged(folder, four_bit=True),
        "adapter beside the 4-bit base": lambda: beside(True),
    }
    check_adapter(adapter, base)
    if not (Path(folder) / SEAL).exists():
        save_merged(adapter, base, folder)
    verify(folder, adapter)
    found = []
    for name, load in ways.items():
        found.append(measure(name, *load(), task, rows, answer))
        watch(f"{name}: {found[-1].prompt_seconds * 1000:.0f} ms a prompt, accuracy {found[-1].answers.accuracy:.3f}")
    return found


def drift_table(found: list[Form]):
    """One row a form: MB, ms a prompt, accuracy with interval, largest logit difference from the first, same answers."""
    import pandas as pd

    first, rows = found[0], []
    for form in found:
        low, high = form.answers.interval
        same = np.equal(form.answers.guess, first.answers.guess)
        rows.append({"form": form.name, "MB": round(form.bytes / 1e6), "ms a prompt": round(1000 * form.prompt_seconds, 1),
                     "accuracy": round(form.answers.accuracy, 3), "95 % interval": f"{low:.2f} to {high:.2f}",
                     "largest logit difference": float(np.abs(form.logits - first.logits).max()),
                     "same answers": float(same.mean())})
    return pd.DataFrame(rows).set_index("form")
