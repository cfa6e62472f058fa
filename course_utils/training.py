"""Floor 3: supervised fine-tuning through TRL: progress, checkpoints that survive a kill, resume, clear errors.

Generic over a Task. The loss, its mask and the update rule are the lesson and stand in the notebooks; here is plumbing.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from . import memory, models, registry, runtime
from .evaluation import Task, prompt_tokens
from .runtime import CourseError


@dataclass(frozen=True)
class Settings:
    """How to train. steps: optimiser steps, or None for `epochs` passes. warmup: a share of the steps.

    checkpoint_every: steps between checkpoints, 0 for none. checkpointing: trade time for memory (gradient checkpointing).
    """

    learning_rate: float = 5e-4
    epochs: float = 2.0
    steps: int | None = None
    batch: int = 8
    accumulate: int = 1
    warmup: float = 0.06
    schedule: str = "linear"
    weight_decay: float = 0.0
    max_length: int = 512
    seed: int = 0
    checkpoint_every: int = 25
    checkpointing: bool = False
    stop_after: float | None = None  # seconds of training


@dataclass
class Training:
    """What a training run left: one dict a step (step, loss, learning_rate, seconds), and the checks made on the way."""

    history: list[dict] = field(default_factory=list)
    checks: list[dict] = field(default_factory=list)
    tokens: int = 0
    resumed_at: int = 0
    stopped: bool = False

    @property
    def seconds(self) -> float:
        """Seconds spent in training steps, checks excluded."""
        return self.history[-1]["seconds"] if self.history else 0.0

    @property
    def loss(self) -> float:
        """The mean loss of the last ten steps."""
        return float(np.mean([h["loss"] for h in self.history[-10:]])) if self.history else math.nan


def batch_order(lengths: list[int], batch: int, total: int, seed: int) -> list[int]:
    """The order in which rows are read: every row once an epoch, rows of similar length together, batches shuffled.

    lengths: tokens a row. total: rows to read altogether. The order depends on nothing else, so a resumed run sees
    the same batches as an uninterrupted one.
    """
    draw = np.random.default_rng(seed)
    order: list[int] = []
    while len(order) < total:
        rows = draw.permutation(len(lengths))
        pools = [sorted(rows[i:i + 8 * batch], key=lambda r: lengths[r]) for i in range(0, len(rows), 8 * batch)]
        batches = [pool[i:i + batch] for pool in pools for i in range(0, len(pool), batch)]
        whole = [b for b in batches if len(b) == batch]
        part = [b for b in batches if len(b) < batch]  # a short batch only at the end of the epoch
        order += [int(r) for i in draw.permutation(len(whole)) for r in whole[i]] + [int(r) for b in part for r in b]
    return order[:total]


def fit(model, tokenizer, task: Task, rows: list[dict], settings: Settings, folder: Path | None = None,
        watch: Callable[[Training], None] | None = None, check: Callable | None = None, check_every: int = 0,
        resume: bool = True) -> Training:
    """Trains `model`'s adapters on `rows`, with the loss on the answer's tokens only.

    folder: where checkpoints go; a run with the same data and settings goes on from its last whole checkpoint there.
    watch: called after every step. check(model, step): called every `check_every` steps, its time not counted; a true
    value in its "stop" ends training. Raises CourseError for no rows, a row longer than `max_length`, a full disk, an
    interrupt or a loss that is not a number. Where memory runs out, the same effective batch goes on in smaller parts.
    """
    if not rows:
        raise CourseError("There are no rows to train on.", "check the file and what the loader dropped.")
    lengths = _lengths(tokenizer, task, rows, settings.max_length)
    steps = settings.steps or math.ceil(settings.epochs * len(rows) / (settings.batch * settings.accumulate))
    order = batch_order(lengths, settings.batch, steps * settings.batch * settings.accumulate, settings.seed)
    place = _place(folder, rows, task, settings, model)
    run = Training(tokens=sum(lengths[i] for i in order))
    start = {name: p.detach().to("cpu", copy=True) for name, p in model.named_parameters() if p.requires_grad}

    def attempt(batch: int, accumulate: int) -> None:
        last = last_whole_checkpoint(place) if place and resume else None
        run.resumed_at = int(last.name.rsplit("-", 1)[1]) if last else 0
        if not last:  # a second attempt must not start from what the first one has changed
            models.put_back(model, start)
        sized = replace(settings, batch=batch, accumulate=accumulate)
        with runtime.clear_disk_errors(place or runtime.runs_dir()):
            trainer = _trainer(model, tokenizer, task, [rows[i] for i in order], sized, steps, place)
            trainer.add_callback(_callback(run, settings, watch, check, check_every))
            trainer.train(resume_from_checkpoint=str(last) if last else None)

    try:
        memory.train_or_fall_back(
            lambda: memory.smaller_on_out_of_memory(attempt, settings.batch, settings.accumulate), model)
    except KeyboardInterrupt:
        kept = last_whole_checkpoint(place) if place else None
        says = f"step {kept.name.rsplit('-', 1)[1]} is saved" if kept else "nothing was saved yet"
        raise CourseError(f"Training was interrupted; {says}.", "run the cell again: it goes on from there.") from None
    finally:
        model.eval()
    return run


def _lengths(tokenizer, task, rows, limit) -> list[int]:
    def size(row):
        return len(prompt_tokens(tokenizer, task, row)) + len(tokenizer.encode(task.answer(row))) + 2

    lengths = [size(row) for row in rows]
    if max(lengths) > limit:
        worst = int(np.argmax(lengths))
        raise CourseError(f"Row {worst} has {lengths[worst]} tokens; training reads at most {limit}.",
                          "shorten or drop that row, or raise max_length in the settings.")
    return lengths


def _place(folder, rows, task, settings, model) -> Path | None:
    """A sub-folder named after data, task, settings and base: a changed setting never resumes another run's checkpoint."""
    if folder is None or not settings.checkpoint_every:
        return None
    said = {k: v for k, v in asdict(settings).items() if k not in ("checkpoint_every", "stop_after")}
    base = [getattr(model, "course_name", ""), models.count(model)]
    text = json.dumps([rows, task.name, task.prompt(rows[0]), said, base], sort_keys=True, default=str)
    return Path(folder) / hashlib.sha256(text.encode()).hexdigest()[:10]


def examples(task: Task, rows: list[dict]):
    """The rows as TRL's prompt/completion data, which masks the prompt and renders the chat template only once."""
    from datasets import Dataset

    return Dataset.from_list([
        {"prompt": task.prompt(row), "completion": [{"role": "assistant", "content": task.answer(row)}]} for row in rows
    ])


def without_given(dataset, tokenizer, task, rows):
    """TRL's `dataset` with the tokens that a tool will write (`task.given(answer)`: their spans) taken out of the loss.

    Raises ValueError where the answer's tokens are not those that TRL grades.
    """
    def masked(entry: dict, index: int) -> dict:
        answer, labels = task.answer(rows[index]), list(entry["labels"])
        spans = task.given(answer)
        read = tokenizer(answer, return_offsets_mapping=True, add_special_tokens=False)
        first = next(i for i, label in enumerate(labels) if label != -100)
        if labels[first:first + len(read["input_ids"])] != read["input_ids"]:
            raise ValueError(f"row {index}: the answer's tokens inside the conversation are not those of the answer alone")
        for i, (start, end) in enumerate(read["offset_mapping"]):
            if any(start >= a and end <= b for a, b in spans):
                labels[first + i] = -100
        return {"labels": labels}

    return dataset.map(masked, with_indices=True)


def _trainer(model, tokenizer, task, rows, settings, steps, place):
    import torch
    from transformers import PrinterCallback, ProgressCallback
    from trl import SFTConfig, SFTTrainer

    here = runtime.machine()
    half = here.precision.bf16 or next(model.parameters()).dtype == torch.bfloat16
    config = SFTConfig(
        output_dir=str(place or runtime.runs_dir() / "unsaved"), max_steps=steps, learning_rate=settings.learning_rate,
        per_device_train_batch_size=settings.batch, gradient_accumulation_steps=settings.accumulate,
        warmup_steps=settings.warmup, lr_scheduler_type=settings.schedule, weight_decay=settings.weight_decay,
        max_grad_norm=1.0, max_length=settings.max_length, seed=settings.seed, train_sampling_strategy="sequential",
        save_strategy="steps" if place else "no", save_steps=settings.checkpoint_every or 500, save_total_limit=2,
        bf16=half, fp16=False, use_cpu=here.device == "cpu", dataloader_pin_memory=False,
        gradient_checkpointing=settings.checkpointing, completion_only_loss=True, shuffle_dataset=False,
        logging_steps=1, logging_nan_inf_filter=False, report_to="none", disable_tqdm=True)
    with registry.quiet_bars():
        trainer = SFTTrainer(model=model, args=config, train_dataset=examples(task, rows), processing_class=tokenizer)
    if hasattr(task, "given"):
        trainer.train_dataset = without_given(trainer.train_dataset, tokenizer, task, rows)
    models.adapters_to_float32(trainer.model)
    for noisy in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(noisy)
    return trainer


def _callback(run: Training, settings: Settings, watch, check, check_every):
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        began = spent = 0.0

        def on_train_begin(self, args, state, control, **_):
            run.history[:] = [h for h in (state.log_history or []) if "seconds" in h]
            self.spent = run.history[-1]["seconds"] if run.history else 0.0

        def on_step_begin(self, args, state, control, **_):
            self.began = time.perf_counter()

        def on_step_end(self, args, state, control, **_):
            self.spent += time.perf_counter() - self.began

        def on_log(self, args, state, control, logs=None, model=None, **_):
            if "loss" not in (logs or {}):
                return
            memory.require_finite(logs["loss"], state.global_step)
            entry = {"step": state.global_step, "loss": logs["loss"], "learning_rate": logs["learning_rate"],
                     "seconds": round(self.spent, 3)}
            state.log_history[-1]["seconds"] = entry["seconds"]
            run.history.append(entry)
            if settings.stop_after and self.spent >= settings.stop_after:
                control.should_training_stop, run.stopped = True, True
            if check and check_every and state.global_step % check_every == 0:
                outcome = {"step": state.global_step, "seconds": entry["seconds"], **check(model, state.global_step)}
                run.checks.append(outcome)
                model.train()
                if outcome.get("stop"):
                    control.should_training_stop = True
            if watch:
                watch(run)

    return Watch()


def last_whole_checkpoint(place: Path) -> Path | None:
    """The newest checkpoint whose files can all be read; one half-written when the run was killed is removed."""
    import torch
    from safetensors import safe_open

    found = sorted(Path(place).glob("checkpoint-*"), key=lambda p: int(p.name.rsplit("-", 1)[1]), reverse=True)
    for folder in found:
        try:
            json.loads((folder / "trainer_state.json").read_text())
            with safe_open(folder / "adapter_model.safetensors", "pt") as file:
                for name in file.keys():  # noqa: SIM118 (safe_open is no dict)
                    file.get_tensor(name)
            for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
                torch.load(folder / name, map_location="cpu", weights_only=False)
            return folder
        except Exception as error:  # whatever a torn file raises, it cannot be resumed from
            print(f"{folder.name} is damaged ({type(error).__name__}); going on without it.")
            shutil.rmtree(folder, ignore_errors=True)
    return None


def progress(every: int = 5) -> Callable[[Training], None]:
    """A watcher that prints one line now and then: for scripts and terminals."""
    def show(run: Training):
        last = run.history[-1]
        if last["step"] % every == 0 or last["step"] == 1:
            print(f"step {last['step']:4d}   loss {last['loss']:.3f}   {last['seconds']:.0f} s", flush=True)

    return show
