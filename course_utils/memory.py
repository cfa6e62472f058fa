"""Floor 2: training that fits the memory found: batch and length from the calculator, a smaller retry, a guard for float16.

The calculator itself is the lesson of notebook 02 and stands there; here it is asked.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from . import models, notebooks, runtime
from .runtime import CourseError

Result = TypeVar("Result")
RESERVE = 1e9  # bytes that the calculator does not count: the driver's, the allocator's gaps, Python
LENGTH_STEP = 64  # lengths are shortened by multiples of this


class NotFinite(CourseError):
    """A loss that is infinite or not a number."""


# ---------------------------------------------------------------- batch and length
@dataclass(frozen=True)
class Fit:
    """A batch that fits. batch x accumulate = the effective batch; tokens a row; peak in bytes, as calculated."""

    batch: int
    accumulate: int
    tokens: int
    checkpointing: bool
    peak: float

    def __str__(self):
        more = f" in {self.accumulate} parts" if self.accumulate > 1 else ""
        how = "with" if self.checkpointing else "without"
        return (f"{self.batch * self.accumulate} texts a step{more}, at most {self.tokens} tokens each, {how} gradient "
                f"checkpointing: {self.peak / 1e9:.1f} GB by the calculator.")


def available(machine: runtime.Machine | None = None) -> int:
    """Bytes that training may use here: the GPU's own, or what this computer has free (and this process already holds)."""
    import psutil

    machine = machine or runtime.machine()
    if machine.device == "cuda":
        return machine.gpu_memory
    return psutil.virtual_memory().available + psutil.Process().memory_info().rss


def fit_batch(name: str, tokens: int, batch: int = 8, room: float | None = None, method: str = "QLoRA", r: int = 16,
              number: int | None = None, shortest: int = LENGTH_STEP) -> Fit:
    """The largest part of an effective batch of `batch` texts of `tokens` tokens that fits into `room` bytes.

    First without gradient checkpointing (faster), down to half the batch; then with it; last by shorter texts, down to
    `shortest` tokens. method, r: as in notebook 02's calculator. number: bytes of an ordinary number; None: this machine's.
    Raises CourseError when not even that fits.
    """
    if batch < 1 or tokens < 1:
        raise CourseError(f"A batch of {batch} texts of {tokens} tokens cannot be trained.", "ask for 1 or more of each.")
    room = available() if room is None else room
    number = number or (2 if runtime.machine().precision.bf16 else 4)
    calculated = notebooks.definitions("02").memory
    parts = [n for n in range(batch, 0, -1) if batch % n == 0]
    lengths = [tokens, *range((tokens - 1) // LENGTH_STEP * LENGTH_STEP, shortest - 1, -LENGTH_STEP)]
    tries = [(n, tokens, False) for n in parts if 2 * n >= batch] + [(n, tokens, True) for n in parts]
    tries += [(1, length, True) for length in lengths[1:]]
    for size, length, checkpointing in tries:
        # logits=0: TRL scores the vocabulary tile by tile and never holds all of a batch's word scores.
        peak = calculated(name, method, size, length, r, number, checkpointing, logits=0)["peak"] + RESERVE
        if peak <= room:
            return Fit(size, batch // size, length, checkpointing, peak)
    raise CourseError(f"{name} needs {peak / 1e9:.1f} GB to train on texts of {length} tokens; {room / 1e9:.1f} GB are there.",
                      "choose a smaller model, such as smollm2-135m, or a machine with more memory.")


# ---------------------------------------------------------------- out of memory
def is_out_of_memory(error: BaseException | None) -> bool:
    """True for memory that ran out, on a GPU or a CPU, also when a library wraps the error in one of its own."""
    import torch

    words = ("out of memory", "can't allocate memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED")
    while error is not None:
        if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
            return True
        if isinstance(error, RuntimeError) and any(word in str(error) for word in words):
            return True
        error = error.__cause__ or error.__context__
    return False


def release() -> None:
    """Gives back what nothing refers to any more."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def smaller_on_out_of_memory(train: Callable[[int, int], Result], batch: int, accumulate: int = 1) -> Result:
    """train(batch, accumulate); when memory runs out, again with a smaller part of the same effective batch.

    batch x accumulate stays what it was, so the update rule does. Raises CourseError when one text at a time is too much.
    """
    whole = batch * accumulate
    while True:
        try:
            return train(batch, accumulate)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        release()  # outside the handler: the error's traceback would keep the step's tensors alive
        if batch == 1:
            raise CourseError("Memory ran out with one text at a time.",
                              "lower max_length, switch gradient checkpointing on, close programs, or take a smaller model.")
        batch = next(n for n in range(batch // 2, 0, -1) if whole % n == 0)
        accumulate = whole // batch
        print(f"Memory ran out: going on with {batch} texts at a time, {accumulate} times a step.")


# ---------------------------------------------------------------- float16 inside 4-bit layers (a T4's fast setting)
def require_finite(loss: float, step: int) -> None:
    """Raises NotFinite when `loss` is infinite or not a number."""
    if not math.isfinite(loss):
        raise NotFinite(f"The loss at step {step} is not a number.",
                        "lower the learning rate; on a T4 use float32 4-bit arithmetic (fast=False).")


def to_safe_arithmetic(model) -> int:
    """Switches every 4-bit layer that computes in float16 to float32, in place. Returns how many there were."""
    import bitsandbytes as bnb
    import torch

    layers = [m for m in model.modules() if isinstance(m, bnb.nn.Linear4bit) and m.compute_dtype == torch.float16]
    for layer in layers:
        layer.compute_dtype = torch.float32
    return len(layers)


def fast_is_finite(model, input_ids) -> bool:
    """One forward pass over `input_ids` (n, tokens). If its scores are not finite, switches to float32 and says so."""
    import torch

    with torch.no_grad():
        good = bool(torch.isfinite(model(input_ids=input_ids).logits).all())
    if not good and to_safe_arithmetic(model):
        print("float16 overflowed inside the 4-bit layers: they compute in float32 from here on (slower, safe).")
    return good


def train_or_fall_back(train: Callable[[], Result], model) -> Result:
    """train(); if a loss is not finite while 4-bit layers compute in float16, once more from the start in float32.

    The adapters' starting values are kept aside and put back, since one bad step spoils them. `train` may resume from a
    checkpoint: those are written only after a finite loss. A NotFinite in float32 is raised: the setting was not its cause.
    """
    start = {name: p.detach().to("cpu", copy=True) for name, p in model.named_parameters() if p.requires_grad}
    try:
        return train()
    except NotFinite:
        if not to_safe_arithmetic(model):
            raise
    models.put_back(model, start)
    print("A loss was not finite in float16: the 4-bit layers compute in float32 from here on (slower, safe). Training again.")
    return train()
