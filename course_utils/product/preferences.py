"""Direct preference optimisation (Rafailov et al., 2023) through TRL, from a fine-tuned adapter and against it as the reference.

A pair is a dict with `prompt` (chat messages), `chosen` and `rejected` (texts). The loss is the lesson and stands in the
notebook; here are the sums of log-probabilities that it is made of, and the plumbing: a fixed reference, checkpoints, resume.
What a calculator wrote into an answer, `102>>` after `<<120*0.85=`, is read and not counted, as in fine-tuning.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from .. import registry, runtime, training
from ..credit import calculator
from ..credit.preferences import load_pairs
from ..credit.task import CreditTask
from ..runtime import CourseError

REFERENCE = "ref"  # the name that TRL gives to its frozen copy of the adapter
SIDES = ("chosen", "rejected")
CALCULATION = re.compile(r"(?<![\w.])(\d[\d.]*%?(?: [x/+-] \d[\d.]*%?)+) = (\d(?:[\d.]*\d)?)(%?)")


@dataclass(frozen=True)
class Settings(training.Settings):
    """As `training.Settings`; a batch counts pairs. beta: how dearly moving away from the reference is paid."""

    learning_rate: float = 5e-5
    epochs: float = 1.0
    batch: int = 2
    accumulate: int = 4
    max_length: int = 1024
    checkpoint_every: int = 10
    beta: float = 0.1


def marked(text: str) -> str:
    """A reader's calculations, `6% x 120 = 7.2`, in the form that the calculator completes: `<<6/100*120=7.2>>`."""
    def mark(found):
        expression = found[1].replace(" x ", "*").replace(" ", "").replace("%", "" if found[3] else "/100")
        return f"<<{expression}={found[2]}>>{found[3]}"

    return CALCULATION.sub(mark, text)


def pairs(style: str = "calculator", n: int | None = None, place: Path | None = None) -> list[dict]:
    """The course's preference pairs, with the prompt as the chat messages of an arm of `CreditTask`.

    In the calculator's form a wrong result cannot be written: the pairs with that fault are left out. n: the first n.
    """
    rows = load_pairs(place)
    if style == "calculator":
        rows = [row | {side: marked(row[side]) for side in SIDES} for row in rows]
        rows = [row for row in rows if all(calculator.fill(calculator.emptied(row[side])) == row[side] for side in SIDES)]
    task = CreditTask(style)
    return [row | {"prompt": task.prompt({"text": row["prompt"]})} for row in rows[:n]]


# ---------------------------------------------------------------- log-probabilities
def pair_tokens(tokenizer, pair: dict, side: str) -> tuple[list[int], list[int]]:
    """(prompt ids, ids of the answer on `side`, with the template's end of turn), as the chat template renders them."""
    prompt = tokenizer.apply_chat_template(pair["prompt"], add_generation_prompt=True, return_dict=True)["input_ids"]
    answer = [{"role": "assistant", "content": pair[side]}]
    whole = tokenizer.apply_chat_template(pair["prompt"] + answer, return_dict=True)["input_ids"]
    if whole[:len(prompt)] != prompt:
        raise CourseError("The chat template renders the prompt in another way once an answer follows.",
                          "use a model whose template keeps the prompt as it is, such as smollm2-135m.")
    return list(prompt), list(whole[len(prompt):])


def counted(tokenizer, answer: str, ids: list[int]) -> list[bool]:
    """For each token of an answer (`ids`, with its end of turn): does it count, or did a calculator write it?"""
    read = tokenizer(answer, return_offsets_mapping=True, add_special_tokens=False)
    if ids[:len(read["input_ids"])] != read["input_ids"]:
        raise ValueError("the answer's tokens inside the conversation are not those of the answer alone")
    spans = calculator.filled_in(answer)
    own = [not any(start >= a and end <= b for a, b in spans) for start, end in read["offset_mapping"]]
    return own + [True] * (len(ids) - len(own))


def log_probabilities(model, tokenizer, pair: dict, side: str) -> list[float]:
    """log p of each counted token of the answer on `side`, in order, given all before it."""
    import torch

    prompt, answer = pair_tokens(tokenizer, pair, side)
    ids = torch.tensor([prompt + answer], device=model.device)
    training_now, _ = model.training, model.eval()
    with torch.no_grad():
        logits = model(input_ids=ids, logits_to_keep=len(answer) + 1).logits[0, :-1].float()
    model.train(training_now)
    logs = logits.log_softmax(-1).gather(1, ids[0, len(prompt):, None])[:, 0].tolist()
    return [log for log, counts in zip(logs, counted(tokenizer, pair[side], answer), strict=True) if counts]


def log_probability(model, tokenizer, pair: dict, side: str) -> float:
    """log p(answer | prompt): the sum over the answer's counted tokens. side: `chosen` or `rejected`."""
    return sum(log_probabilities(model, tokenizer, pair, side))


@contextmanager
def as_reference(model):
    """Inside, the model answers with the reference adapter: the one it had before its first preference training."""
    active = model.active_adapter
    if REFERENCE not in model.peft_config:
        raise CourseError("The model has no reference yet.", "call preferences.remember(model) before training.")
    model.set_adapter(REFERENCE, inference_mode=True)
    try:
        yield model
    finally:
        model.set_adapter(active)


def remember(model) -> None:
    """Copies the present adapter as the reference, unless there is one already."""
    if REFERENCE in model.peft_config:
        return
    model.peft_config["default"].inference_mode = False  # a loaded adapter comes frozen
    model.add_adapter(REFERENCE, model.peft_config["default"])
    model.set_adapter("default")
    _copy(model, "default", REFERENCE)


def _copy(model, source: str, target: str) -> None:
    """Adapter weights from one name to another; the copy is frozen unless it is the one being trained."""
    named = dict(model.named_parameters())
    for name, parameter in named.items():
        if f".{source}." in name:
            named[name.replace(f".{source}.", f".{target}.")].data.copy_(parameter.data)


def library_loss(model, tokenizer, pair: dict, beta: float = 0.1) -> float:
    """TRL's own loss on one pair, for the model as it is, against its reference (see `remember`)."""
    import torch

    remember(model)
    with _trainer(model, tokenizer, [pair], Settings(beta=beta, batch=1, accumulate=1), 1, None) as trainer:
        batch = trainer.data_collator([trainer.train_dataset[0]])
        batch = {k: v.to(model.device) for k, v in batch.items()}
        model.eval()
        with torch.no_grad():
            return float(trainer.compute_loss(model, batch))


# ---------------------------------------------------------------- training
def fit(model, tokenizer, rows: list[dict], settings: Settings, folder: Path | None = None,
        watch: Callable[[training.Training], None] | None = None, resume: bool = True) -> training.Training:
    """Trains the adapter on preference pairs. Every call begins at the reference, or at its own last checkpoint in `folder`.

    The first call remembers the adapter as the reference, so running a cell again repeats the training and does not add to it.
    The history's rows have step, loss, learning_rate, seconds, chosen and rejected (rewards: beta times the change of the
    log-probability since the reference), margin (chosen less rejected) and right (share of pairs in which chosen leads). Raises
    CourseError for no pairs, a pair longer than `max_length`, equal sides, a full disk, an interrupt or a loss that is not a
    number.
    """
    _check(tokenizer, rows, settings)
    remember(model)
    _copy(model, REFERENCE, "default")
    steps = settings.steps or math.ceil(settings.epochs * len(rows) / (settings.batch * settings.accumulate))
    lengths = [max(sum(map(len, pair_tokens(tokenizer, row, side))) for side in SIDES) for row in rows]
    order = training.batch_order(lengths, settings.batch, steps * settings.batch * settings.accumulate, settings.seed)
    place = _place(folder, rows, settings, model)
    run = training.Training(tokens=sum(2 * lengths[i] for i in order))
    with _trainer(model, tokenizer, [rows[i] for i in order], settings, steps, place) as trainer:
        trainer.add_callback(training._callback(run, settings, None, None, 0))
        trainer.add_callback(_after_steps(run, watch))
        last = training.last_whole_checkpoint(place) if place and resume else None
        run.resumed_at = int(last.name.rsplit("-", 1)[1]) if last else 0
        try:
            with runtime.clear_disk_errors(place or runtime.runs_dir()), warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Could not find a config file")  # peft looks for the base under its course name
                trainer.train(resume_from_checkpoint=str(last) if last else None)
        except KeyboardInterrupt:
            kept = training.last_whole_checkpoint(place) if place else None
            says = f"step {kept.name.rsplit('-', 1)[1]} is saved" if kept else "nothing was saved yet"
            raise CourseError(f"Training was interrupted; {says}.", "run the cell again: it goes on from there.") from None
    return run


def _check(tokenizer, rows, settings) -> None:
    if not rows:
        raise CourseError("There are no pairs to train on.", "check the file and what the loader dropped.")
    for k, row in enumerate(rows):
        if row["chosen"].strip() == row["rejected"].strip():
            raise CourseError(f"Pair {k} has the same answer on both sides.", "drop that pair: it teaches nothing.")
        longest = max(sum(map(len, pair_tokens(tokenizer, row, side))) for side in SIDES)
        if longest > settings.max_length:
            raise CourseError(f"Pair {k} has {longest} tokens; training reads at most {settings.max_length}.",
                              "shorten or drop that pair, or raise max_length in the settings.")


def _place(folder, rows, settings, model) -> Path | None:
    """A sub-folder named after pairs, settings and the reference: another start never resumes this run's checkpoint."""
    if folder is None or not settings.checkpoint_every:
        return None
    said = {k: v for k, v in asdict(settings).items() if k not in ("checkpoint_every", "stop_after")}
    start = [float(p.detach().double().abs().sum()) for n, p in model.named_parameters() if f".{REFERENCE}." in n]
    text = json.dumps([rows, said, getattr(model, "course_name", ""), [f"{x:.6e}" for x in start]], sort_keys=True, default=str)
    return Path(folder) / hashlib.sha256(text.encode()).hexdigest()[:10]


@contextmanager
def _trainer(model, tokenizer, rows, settings, steps, place):
    """TRL's trainer, built so that adapter and reference stay what they were; afterwards the model's forward is its own again.

    TRL copies the adapter as it is now to `ref`, refuses a model that has one, rounds the adapter to bfloat16 on a 4-bit base,
    and wraps the model's forward at each construction.
    """
    import torch
    from datasets import Dataset
    from transformers import PrinterCallback, ProgressCallback
    from trl import DPOConfig, DPOTrainer

    here, base = runtime.machine(), model.get_base_model()
    kept = {n: p.detach().clone() for n, p in model.named_parameters() if f".{REFERENCE}." in n or ".default." in n}
    forward = base.__dict__.get("forward")
    model.delete_adapter(REFERENCE)
    data = Dataset.from_list([{"prompt": row["prompt"], **{side: [{"role": "assistant", "content": row[side]}]
                                                           for side in SIDES}} for row in rows])
    half = here.precision.bf16 or next(model.parameters()).dtype == torch.bfloat16
    config = DPOConfig(
        output_dir=str(place or runtime.runs_dir() / "unsaved"), max_steps=steps, learning_rate=settings.learning_rate,
        per_device_train_batch_size=settings.batch, gradient_accumulation_steps=settings.accumulate, beta=settings.beta,
        warmup_steps=settings.warmup, lr_scheduler_type=settings.schedule, weight_decay=settings.weight_decay,
        max_grad_norm=1.0, max_length=settings.max_length, seed=settings.seed, train_sampling_strategy="sequential",
        save_strategy="steps" if place else "no", save_steps=settings.checkpoint_every or 500, save_total_limit=2,
        bf16=half, fp16=False, use_cpu=here.device == "cpu", dataloader_pin_memory=False,
        gradient_checkpointing=settings.checkpointing, logging_steps=1, logging_nan_inf_filter=False, report_to="none",
        disable_tqdm=True)
    try:
        with registry.quiet_bars():
            trainer = DPOTrainer(model=model, args=config, train_dataset=data, processing_class=tokenizer)
        for name, weights in kept.items():
            model.get_parameter(name).data = weights
        trainer.data_collator = _counting(trainer.data_collator, tokenizer, rows)
        for noisy in (PrinterCallback, ProgressCallback):
            trainer.remove_callback(noisy)
        yield trainer
    finally:
        if forward is None:
            base.__dict__.pop("forward", None)
        else:
            base.forward = forward
        model.set_adapter("default")
        model.eval()


def _counting(collator, tokenizer, rows):
    """TRL's collator, with the tokens that a calculator wrote taken out of `completion_mask`."""
    import torch

    known = {}
    for row, side in ((row, side) for row in rows for side in SIDES):
        answer = pair_tokens(tokenizer, row, side)[1]
        known[tuple(answer)] = torch.tensor(counted(tokenizer, row[side], answer), dtype=torch.long)

    def collate(entries):
        batch = collator(entries)
        for k, (side, entry) in enumerate((side, entry) for side in SIDES for entry in entries):
            start, answer = len(entry["prompt_ids"]), tuple(entry[f"{side}_ids"])
            batch["completion_mask"][k, start:start + len(answer)] *= known[answer]
        return batch

    return collate


def _after_steps(run: training.Training, watch):
    from transformers import TrainerCallback

    def rewards(logs):
        return {"chosen": logs["rewards/chosen"], "rejected": logs["rewards/rejected"],
                "margin": logs["rewards/margins"], "right": logs["rewards/accuracies"]}

    class After(TrainerCallback):
        def on_train_begin(self, args, state, control, **_):
            names = ("step", "loss", "learning_rate", "seconds")
            run.history[:] = [{name: h[name] for name in names} | rewards(h) for h in run.history]

        def on_log(self, args, state, control, logs=None, **_):
            if "loss" in (logs or {}):
                run.history[-1] |= rewards(logs)
                if watch:
                    watch(run)

        def on_save(self, args, state, control, **_):
            """The reference is the same in every checkpoint and known from elsewhere."""
            shutil.rmtree(Path(args.output_dir) / f"checkpoint-{state.global_step}" / REFERENCE, ignore_errors=True)

    return After()
