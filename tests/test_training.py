"""Training through TRL: the mask, the order of rows, checkpoints, interrupts. The small model is real; so is its training."""

import errno
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

from course_utils import evaluation, models, notebooks, sentiment, training
from course_utils.runtime import CourseError

KINDS = (("Sales rose", "positive"), ("Sales fell", "negative"), ("The plant is", "neutral"))
ROWS = [{"text": f"{verb} in quarter {i}", "label": label} for i in range(6) for verb, label in KINDS]
SETTINGS = training.Settings(learning_rate=1e-2, epochs=2, batch=4, checkpoint_every=2, seed=1)


def lora(tiny, seed=0):
    model, tokenizer = tiny
    return models.attach_lora(model, r=4, seed=seed), tokenizer


def fit(tiny, folder=None, **more):
    model, tokenizer = lora(tiny)
    return training.fit(model, tokenizer, sentiment.TASK, ROWS, SETTINGS, folder, **more)


# ---------------------------------------------------------------- what the loss counts
def test_our_mask_is_the_librarys(tiny):
    """The cell that teaches the mask and TRL's own data must grade the same tokens, end-of-turn included."""
    model, tokenizer = lora(tiny)
    trainer = training._trainer(model, tokenizer, sentiment.TASK, ROWS[:3], SETTINGS, 1, None)
    mask_prompt = notebooks.definitions("03").mask_prompt
    for row, theirs in zip(ROWS, trainer.train_dataset, strict=False):
        prompt = evaluation.prompt_tokens(tokenizer, sentiment.TASK, row)
        messages = [*sentiment.TASK.prompt(row), {"role": "assistant", "content": row["label"]}]
        whole = list(tokenizer.apply_chat_template(messages)["input_ids"])
        assert list(theirs["input_ids"]) == whole
        graded = [i for i, label in enumerate(theirs["labels"]) if label != -100]
        assert [i for i, label in enumerate(mask_prompt(prompt, whole)) if label != -100] == graded
        assert tokenizer.decode([whole[graded[0]]]) == row["label"]
        assert tokenizer.eos_token_id in [whole[i] for i in graded], "the model must learn to end its turn"


def test_what_a_tool_writes_is_read_and_not_learnt(tiny):
    """The calculator fills in `102>>`; a loss on it would ask the model for sums that it never has to do."""
    from course_utils.credit.task import CreditTask

    class Short(CreditTask):
        def prompt(self, row, style=None):
            return [{"role": "user", "content": "Sum."}]

    rows = [{"calculator": "EBITDA: <<120*0.85=102>>.\nUsed <<5/10=0.5>>, pass.", "text": "a"}]
    model, tokenizer = lora(tiny)
    trainer = training._trainer(model, tokenizer, Short("calculator"), rows, SETTINGS, 1, None)
    entry = trainer.train_dataset[0]
    learnt = tokenizer.decode([i for i in entry["labels"] if i != -100])
    assert learnt.startswith("EBITDA: <<120*0.85=.\nUsed <<5/10=, pass.") and "102" in tokenizer.decode(entry["input_ids"])


def test_memory_that_runs_out_inside_a_step_makes_the_parts_smaller(tiny, capsys):
    """The effective batch stays, so the losses do; the first attempt leaves nothing behind in the adapters."""
    whole = fit(tiny).history
    model, tokenizer = lora(tiny)

    def small_gpu(module, args, kwargs):
        if kwargs["input_ids"].shape[0] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    hook = model.base_model.model.register_forward_pre_hook(small_gpu, with_kwargs=True)
    run = training.fit(model, tokenizer, sentiment.TASK, ROWS, SETTINGS)
    hook.remove()
    assert "going on with 2 texts at a time, 2 times a step" in capsys.readouterr().out
    assert [h["loss"] for h in run.history] == pytest.approx([h["loss"] for h in whole], abs=2e-3)


def test_the_prompt_starts_once(tiny):
    """Rendering the chat template to text and tokenising that again doubles the start token on some models."""
    ids = evaluation.prompt_tokens(tiny[1], sentiment.TASK, ROWS[0])
    rendered = tiny[1].apply_chat_template(sentiment.TASK.prompt(ROWS[0]), add_generation_prompt=True, tokenize=False)
    assert ids == tiny[1].encode(rendered, add_special_tokens=False)


def test_batches_hold_each_row_once_an_epoch_and_do_not_depend_on_anything_else():
    lengths = np.random.default_rng(0).integers(5, 60, 37).tolist()
    order = training.batch_order(lengths, 4, 74, seed=3)
    assert sorted(order[:37]) == sorted(order[37:]) == list(range(37))
    assert order == training.batch_order(lengths, 4, 74, seed=3) != training.batch_order(lengths, 4, 74, seed=4)
    assert order[:20] == training.batch_order(lengths, 4, 20, seed=3)

    def padding(o):
        batches = [o[i:i + 4] for i in range(0, 36, 4)]
        return sum(max(lengths[j] for j in b) * len(b) - sum(lengths[j] for j in b) for b in batches)

    assert padding(order) < 0.6 * padding(list(range(37)))


# ---------------------------------------------------------------- it learns
def test_loss_falls_and_every_step_is_reported(tiny):
    run = fit(tiny)
    assert len(run.history) == 9 and run.history[-1]["loss"] < run.history[0]["loss"] - 0.2
    assert run.seconds > 0 and run.tokens > 0


def test_checks_run_on_time_and_can_stop(tiny):
    seen = []

    def check(model, step):
        seen.append(step)
        return {"accuracy": 1.0, "stop": step >= 4}

    run = fit(tiny, check=check, check_every=2)
    assert seen == [2, 4] and run.history[-1]["step"] == 4
    assert [c["step"] for c in run.checks] == [2, 4]


# ---------------------------------------------------------------- checkpoints
def test_resume_gives_the_same_curve(tiny, tmp_path):
    """Stopped at step 5 and started again: the same losses to the last digit as a run that was never stopped."""
    import copy

    second, third = copy.deepcopy(tiny), copy.deepcopy(tiny)
    whole = fit(tiny, tmp_path / "a")
    with pytest.raises(CourseError, match="interrupted; step 4 is saved.*\n.*run the cell again"):
        fit(second, tmp_path / "b", watch=stop_at(5))
    resumed = fit(third, tmp_path / "b")
    assert resumed.resumed_at == 4
    assert [h["loss"] for h in resumed.history] == [h["loss"] for h in whole.history]


def stop_at(step):
    def watch(run):
        if run.history[-1]["step"] == step:
            raise KeyboardInterrupt

    return watch


def test_half_written_checkpoint_is_skipped(tiny, tmp_path, capsys):
    import copy

    again = copy.deepcopy(tiny)
    fit(tiny, tmp_path)
    place = next(tmp_path.glob("*/checkpoint-*")).parent
    newest = max(place.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]))
    torn = newest / "optimizer.pt"
    torn.write_bytes(torn.read_bytes()[:100])
    run = fit(again, tmp_path)
    assert run.resumed_at == 8 and "is damaged" in capsys.readouterr().out


def test_other_settings_never_resume_another_runs_checkpoint(tiny, tmp_path):
    import copy

    model, tokenizer = lora(copy.deepcopy(tiny))
    fit(tiny, tmp_path)
    other = training.Settings(**{**SETTINGS.__dict__, "learning_rate": 5e-3})
    assert training.fit(model, tokenizer, sentiment.TASK, ROWS, other, tmp_path).resumed_at == 0


def test_a_killed_process_goes_on(tmp_path):
    """SIGKILL, not a polite interrupt: what is on the disk must be enough."""
    script = textwrap.dedent(f"""
        import sys; sys.path[:0] = [{str(notebooks.runtime.ROOT)!r}, {str(notebooks.runtime.ROOT / "tests")!r}]
        import os, signal, conftest, test_training as t
        tiny = conftest.tiny.__wrapped__() if hasattr(conftest.tiny, "__wrapped__") else conftest.tiny.__pytest_wrapped__.obj()
        def watch(run):
            if len(sys.argv) > 1 and run.history[-1]["step"] == int(sys.argv[1]): os.kill(os.getpid(), signal.SIGKILL)
        run = t.fit(tiny, {str(tmp_path)!r}, watch=watch)
        print("END", run.resumed_at, run.history[-1]["loss"])
    """)
    assert subprocess.run([sys.executable, "-c", script, "7"], capture_output=True).returncode == -9
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "END 6" in done.stdout, done.stderr[-2000:]


def test_full_disk_while_saving_is_said(tiny, tmp_path, monkeypatch):
    from transformers import Trainer

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Trainer, "_save_optimizer_and_scheduler", full)
    with pytest.raises(CourseError, match="No space left while writing"):
        fit(tiny, tmp_path)
    assert training.last_whole_checkpoint(next(tmp_path.iterdir())) is None


# ---------------------------------------------------------------- bad input
def test_no_rows(tiny):
    model, tokenizer = lora(tiny)
    with pytest.raises(CourseError, match="no rows to train on"):
        training.fit(model, tokenizer, sentiment.TASK, [], SETTINGS)


def test_a_row_longer_than_the_limit_is_named(tiny):
    model, tokenizer = lora(tiny)
    rows = [ROWS[0], {"text": "long " * 700, "label": "neutral"}]
    with pytest.raises(CourseError, match=r"Row 1 has 7\d\d tokens; training reads at most 512"):
        training.fit(model, tokenizer, sentiment.TASK, rows, SETTINGS)


def test_a_loss_that_is_not_a_number_stops_training(tiny):
    model, tokenizer = lora(tiny)
    with torch.no_grad():
        next(p for n, p in model.named_parameters() if "lora_A" in n).fill_(float("nan"))
    with pytest.raises(CourseError, match="loss at step 1 is not a number.*\n.*lower the learning rate"):
        training.fit(model, tokenizer, sentiment.TASK, ROWS, SETTINGS)

