"""Fitting the memory found: batch and length, a smaller retry, and the guard of a T4's fast setting."""

import subprocess
import sys
import textwrap

import pytest
import torch

from course_utils import memory, models, notebooks, runtime
from course_utils.runtime import CourseError

T4 = 14.5 * 2**30


# ---------------------------------------------------------------- batch and length
def test_everything_fits_where_there_is_room():
    fit = memory.fit_batch("smollm2-135m", 512, batch=8, room=64e9, number=4)
    assert (fit.batch, fit.accumulate, fit.tokens, fit.checkpointing) == (8, 1, 512, False)
    assert "8 texts a step, at most 512 tokens each, without gradient checkpointing" in str(fit)


def test_less_room_gives_smaller_parts_of_the_same_batch_then_checkpointing_then_shorter_texts():
    rooms = [64e9, 20e9, 12e9, 8e9, 5e9, 3.4e9, 2.9e9]
    fits = [memory.fit_batch("gemma-3-1b-it", 1024, batch=8, room=room, number=4) for room in rooms]
    assert all(f.batch * f.accumulate == 8 or f.tokens < 1024 for f in fits)
    assert all(f.peak <= room for f, room in zip(fits, rooms, strict=True))
    sizes = [(not f.checkpointing, f.batch, f.tokens) for f in fits]
    assert sizes[0] == (True, 8, 1024) and sizes == sorted(sizes, reverse=True) and len(set(sizes)) > 3
    assert fits[-1].tokens < 1024 and fits[-1].tokens % memory.LENGTH_STEP == 0


def test_the_goal_on_a_t4_by_the_calculator():
    """Gemma 3 1B, 2,048 tokens, two texts at a time or more, in 14.5 GiB: the calculator says yes (a GPU must confirm it)."""
    fit = memory.fit_batch("gemma-3-1b-it", 2048, batch=8, room=T4, number=4)
    assert fit.tokens == 2048 and fit.batch >= 2


def test_no_room_says_what_to_do():
    with pytest.raises(CourseError, match=r"llama-3.1-70b needs [\d.]+ GB.*64 tokens.*\n.*smaller model"):
        memory.fit_batch("llama-3.1-70b", 1000, room=T4, number=4)
    with pytest.raises(CourseError, match="batch of 0 texts"):
        memory.fit_batch("smollm2-135m", 10, batch=0)


def test_fit_agrees_with_the_calculator_of_notebook_02():
    fit = memory.fit_batch("smollm2-135m", 256, batch=4, room=64e9, number=4)
    asked = notebooks.definitions("02").memory("smollm2-135m", "QLoRA", 4, 256, number=4, logits=0)["peak"]
    assert fit.peak == asked + memory.RESERVE


# ---------------------------------------------------------------- out of memory
def limited(limit, error=torch.OutOfMemoryError):
    """A real matrix product that refuses, as a GPU of `limit` rows would, to take more than `limit` at once."""
    tried = []

    def train(batch, accumulate):
        tried.append((batch, accumulate))
        if batch > limit:
            raise error("CUDA out of memory. Tried to allocate 2.00 GiB")
        return torch.ones(batch, 4) @ torch.ones(4, 2)

    return train, tried


@pytest.mark.parametrize("batch, limit, expected", [(8, 8, [(8, 1)]), (8, 3, [(8, 1), (4, 2), (2, 4)]),
                                                    (6, 2, [(6, 1), (3, 2), (1, 6)])])
def test_retry_keeps_the_effective_batch(batch, limit, expected, capsys):
    train, tried = limited(limit)
    assert memory.smaller_on_out_of_memory(train, batch).shape[0] == expected[-1][0]
    assert tried == expected and capsys.readouterr().out.count("Memory ran out: going on with") == len(expected) - 1


def test_one_text_too_many_says_what_to_do():
    with pytest.raises(CourseError, match="one text at a time.*\n.*max_length"):
        memory.smaller_on_out_of_memory(limited(0)[0], 4)


def test_other_errors_pass_and_wrapped_ones_are_seen():
    with pytest.raises(ZeroDivisionError):
        memory.smaller_on_out_of_memory(lambda b, a: 1 / 0, 4)
    try:
        try:
            raise torch.OutOfMemoryError("CUDA out of memory")
        except RuntimeError as inner:
            raise ValueError("the trainer stopped") from inner
    except ValueError as outer:
        assert memory.is_out_of_memory(outer)
    assert not memory.is_out_of_memory(RuntimeError("shapes cannot be multiplied")) and not memory.is_out_of_memory(None)


@pytest.mark.skipif(sys.platform != "linux", reason="limits the process's memory the Linux way")
def test_a_real_allocation_that_fails_is_retried_smaller():
    """Not a raised imitation: the process may hold 1.5 GB more than it does, and torch's own allocator refuses."""
    script = textwrap.dedent(f"""
        import sys; sys.path.insert(0, {str(runtime.ROOT)!r})
        import psutil, resource, torch
        from course_utils import memory
        limit = psutil.Process().memory_info().vms + int(1.5e9)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        rows = memory.smaller_on_out_of_memory(lambda batch, parts: len(torch.zeros(batch, 250_000_000 // 2)), 8)
        print("ROWS", rows)
    """)
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "ROWS 2" in out.stdout and out.stdout.count("Memory ran out") == 2, out.stdout + out.stderr[-1500:]


# ---------------------------------------------------------------- the fast setting's guard
def four_bit(weight, compute):
    import bitsandbytes as bnb

    layer = bnb.nn.Linear4bit(64, 64, bias=False, compute_dtype=compute, quant_type="nf4")
    layer.weight = bnb.nn.Params4bit(torch.full((64, 64), weight), requires_grad=False, quant_type="nf4")
    return layer.to("cpu")


class Stack(torch.nn.Module):
    """A real 4-bit layer between float32 ones; its sums exceed float16's 65,504 when `weight` is large."""

    def __init__(self, weight, compute=torch.float16):
        super().__init__()
        self.table, self.layer = torch.nn.Embedding(5, 64), four_bit(weight, compute)
        torch.nn.init.ones_(self.table.weight)
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, input_ids):
        return type("Out", (), {"logits": self.layer(self.table(input_ids)) * self.scale})()


IDS = torch.tensor([[0, 1, 2]])


def test_overflow_in_float16_switches_to_float32_and_says_so(capsys):
    model = Stack(2000.0)  # 64 x 2000 = 128,000
    assert not memory.fast_is_finite(model, IDS)
    assert "float16 overflowed" in capsys.readouterr().out
    assert model.layer.compute_dtype == torch.float32 and memory.fast_is_finite(model, IDS)


def test_without_overflow_nothing_changes(capsys):
    model = Stack(2.0)
    assert memory.fast_is_finite(model, IDS) and model.layer.compute_dtype == torch.float16
    assert capsys.readouterr().out == ""


def train(model, weight_decay=0.5):
    """A training loop of three steps with the guard where the library has it: after the step that spoilt the weights."""
    optimizer, losses = torch.optim.SGD([model.scale], lr=1e-6), []
    for step in range(3):
        loss = (model(IDS).logits ** 2).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        memory.require_finite(loss.item(), step + 1)
        losses.append(loss.item())
    return losses


def test_training_falls_back_from_the_first_step_with_the_starting_weights(capsys):
    model = Stack(2000.0)
    losses = memory.train_or_fall_back(lambda: train(model), model)
    assert losses[0] == pytest.approx(128_000.0 ** 2, rel=1e-3)  # the first loss of unspoilt weights
    assert "Training again" in capsys.readouterr().out and torch.isfinite(model.scale).all()


def test_in_float32_a_bad_loss_is_not_hidden():
    model = Stack(1e30, torch.float32)
    with pytest.raises(memory.NotFinite, match="loss at step 1 is not a number.*\n.*learning rate"):
        memory.train_or_fall_back(lambda: train(model), model)


def test_a_t4_gets_float16_inside_4_bit_layers_only_when_asked(monkeypatch):
    safe, fast = (runtime.precision("cuda", (7, 5), fast=f) for f in (False, True))
    assert (safe.dtype, safe.compute) == ("float32", "float32") and (fast.dtype, fast.compute) == ("float32", "float16")
    assert "no bfloat16" in safe.sentence and "float16 inside 4-bit layers" in fast.sentence


def test_real_4_bit_weights_survive_the_switch(smollm):
    """SmolLM2 with float16 arithmetic inside its 4-bit layers: finite, near float32's scores, and equal to them after the
    switch."""
    import bitsandbytes as bnb

    model, tokenizer = smollm
    ids = torch.tensor([tokenizer.encode("Sales fell by a third.")])
    layers = [m for m in model.modules() if isinstance(m, bnb.nn.Linear4bit)]
    with torch.no_grad():
        safe = model.eval()(input_ids=ids).logits
        for layer in layers:
            layer.compute_dtype = torch.float16
        try:
            assert memory.fast_is_finite(model, ids)
            assert (model(input_ids=ids).logits - safe).abs().max() < 0.5
        finally:
            assert memory.to_safe_arithmetic(model) == len(layers) == 210
        assert torch.equal(model(input_ids=ids).logits, safe)
    assert models.count(model)["four_bit"] > 1e8
