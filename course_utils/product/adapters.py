"""Several adapters on one base, in one process: load, swap, mix, compare, and prove that none leaks into another."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .. import models, runtime, training
from ..credit.task import CreditTask, core
from ..runtime import CourseError
from .merging import check_adapter, next_logits

NONE = "(base)"  # the base alone, all adapters switched off
SHIPPED = runtime.ROOT / "data" / "adapters"


def saved(name: str, base: str = "smollm2-135m", r: int = 8) -> Path:
    """The folder of a shipped adapter. Where it is not there, a stand-in trained now for one step, and a line that says so.

    A stand-in has seen one short question of the credit course. It shows how things work, never how good they are.
    """
    if (SHIPPED / name / "adapter_model.safetensors").exists():
        return SHIPPED / name
    place = runtime.runs_dir() / "adapters" / f"{name}-stand-in"
    if not place.exists():
        print(f"data/adapters/{name} is not there: a stand-in is trained for one step. Its answers are worth nothing.")
        rows = sorted(core(), key=lambda row: len(row["instruction"] + row["answer"]))
        model, tokenizer = models.load(base, four_bit=False)
        model = models.attach_lora(model, r=r, alpha=2 * r)
        settings = training.Settings(learning_rate=1e-3, steps=1, batch=1, warmup=0, checkpoint_every=0)  # warmed up, step 1 is 0
        training.fit(model, tokenizer, CreditTask("calculator"), [rows[zlib.crc32(name.encode()) % 50]], settings)
        models.save_adapter(model, place, base, half=True, steps=1)
    return place


def load_several(base_model, folders: dict[str, Path], base: str):
    """Puts several saved adapters on one base, by name; the first one is active.

    Raises CourseError for no adapters, a bad name, a missing or damaged adapter, or one of another base or rank.
    """
    from peft import PeftModel

    if not folders:
        raise CourseError("No adapters were given.", "pass at least one name with its folder.")
    bad = [name for name in folders if not name.replace("_", "").replace("-", "").isalnum() or name.startswith("lora")]
    if bad:
        raise CourseError(f"{bad[0]!r} cannot be the name of an adapter.", "use letters, digits, - and _.")
    for folder in folders.values():
        check_adapter(folder, base)
    first, *rest = folders
    wrapped = PeftModel.from_pretrained(base_model, str(folders[first]), adapter_name=first)
    for name in rest:
        wrapped.load_adapter(str(folders[name]), adapter_name=name)
    wrapped.set_adapter(first, inference_mode=True)
    wrapped.course_name = base
    return wrapped.eval()


def names(model) -> list[str]:
    """The adapters that the model holds."""
    return list(model.peft_config)


def swap(model, name: str) -> float:
    """Makes one adapter the active one. Returns the seconds it took. Raises CourseError naming the adapters there are."""
    if name not in model.peft_config:
        raise CourseError(f"The model has no adapter {name!r}.", f"choose one of {', '.join(names(model))}.")
    start = time.perf_counter()
    model.set_adapter(name, inference_mode=True)
    return time.perf_counter() - start


def swap_seconds(model, times: int = 30) -> dict[str, float]:
    """Median, smallest and largest time of a swap, going round all adapters. Leaves the first one active."""
    ring = names(model)
    taken = [swap(model, ring[k % len(ring)]) for k in range(times)]
    swap(model, ring[0])
    return {"value": float(np.median(taken)), "low": min(taken), "high": max(taken), "n": times}


@contextmanager
def using(model, name: str):
    """Inside, `name` is active (`NONE`: no adapter at all); afterwards what was active before."""
    before = model.active_adapter
    if name == NONE:
        with model.disable_adapter():
            yield model
        return
    swap(model, name)
    try:
        yield model
    finally:
        model.set_adapter(before, inference_mode=True)


def combine(model, weights: dict[str, float], name: str, method: str = "cat") -> str:
    """Adds an adapter that is the weighted sum of others. Returns its name; an older one of that name is replaced.

    method: `cat` is exact, the sum of w x (B A), at the sum of the ranks; `svd` is its best approximation at the largest rank;
    `linear` mixes A and B apart: rough, for equal ranks only. Raises CourseError for unknown adapters or unequal ranks.
    """
    unknown = [one for one in weights if one not in model.peft_config]
    if unknown or len(weights) < 2:
        raise CourseError(f"These cannot be combined: {', '.join(weights) or 'none'}.",
                          f"name at least two of {', '.join(names(model))}.")
    ranks = {one: model.peft_config[one].r for one in weights}
    if method == "linear" and len(set(ranks.values())) > 1:
        raise CourseError(f"A linear combination needs adapters of one rank; these have {ranks}.", "use method='cat'.")
    active = model.active_adapter
    if name in model.peft_config:
        model.delete_adapter(name)
    model.add_weighted_adapter(list(weights), list(weights.values()), name, combination_type=method)
    model.set_adapter(active, inference_mode=True)
    return name


# ---------------------------------------------------------------- comparing
def cross_matrix(model, rows: dict[str, list[dict]], score: Callable[[object, list[dict]], float],
                 adapters: list[str] | None = None):
    """Every adapter on every set of rows: a table, adapters down, of what score(model, rows) gives.

    adapters: default all, and the base alone last.
    """
    import pandas as pd

    found = {}
    for name in adapters or [*names(model), NONE]:
        with using(model, name):
            found[name] = {part: score(model, these) for part, these in rows.items()}
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("adapter").rename_axis("tested on", axis=1)


def fingerprints(model, tokenizer, task, rows: list[dict], order: list[str]) -> dict[str, list[np.ndarray]]:
    """name -> the logits after each prompt, one entry a visit, going through the adapters in `order` (with repeats)."""
    seen: dict[str, list[np.ndarray]] = {}
    for name in order:
        with using(model, name):
            seen.setdefault(name, []).append(next_logits(model, tokenizer, task, rows))
    return seen


def leakage(model, tokenizer, task, rows: list[dict], alone: dict[str, np.ndarray] | None = None) -> dict[str, float]:
    """name -> the largest logit difference between visits, with the others used in between. 0.0 means bit for bit equal.

    The base alone is visited too. alone: logits of models that hold one adapter only, to compare with as well.
    """
    ring = [NONE, *names(model)]
    seen = fingerprints(model, tokenizer, task, rows, ring + ring[::-1] + ring)
    for name, logits in (alone or {}).items():
        seen[name].append(logits)
    return {name: float(max(np.abs(one - visits[0]).max() for one in visits)) for name, visits in seen.items()}
