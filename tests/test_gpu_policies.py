"""benchmarks/gpu_policies.py: what can be checked without a GPU, and that it says so where there is none."""

import importlib.util
import math
import os
import subprocess
import sys

import pytest
import torch

from course_utils import runtime

SCRIPT = runtime.ROOT / "benchmarks" / "gpu_policies.py"
spec = importlib.util.spec_from_file_location("gpu_policies", SCRIPT)
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_not_run_and_records_nothing(tmp_path):
    env = os.environ | {"COURSE_RUNS": str(tmp_path)}
    out = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, env=env)
    assert out.returncode == 0 and out.stdout == "not run: no GPU\n" and not list(tmp_path.rglob("*"))


def test_the_ways_are_the_course_s_policies():
    formats = {way: bench.machine_of(way).precision for way in bench.WAYS}
    assert (formats["T4-safe"].dtype, formats["T4-safe"].compute) == ("float32", "float32")
    assert (formats["T4-fast"].dtype, formats["T4-fast"].compute) == ("float32", "float16")
    assert formats["sm80"].dtype == formats["sm80"].compute == "bfloat16"
    flags = {way: bench.arguments(way, 2, 64, 1, "x") for way in bench.WAYS}
    assert not flags["T4-safe"]["bf16"] and not flags["T4-fast"]["fp16"] and flags["sm80"]["bf16"]
    assert "bf16" not in flags["stock"] and "gradient_checkpointing" not in flags["stock"]
    assert bench.adapters("stock")["target_modules"] == ["q_proj", "v_proj"] != bench.adapters("sm80")["target_modules"]


def test_largest_stops_at_the_first_that_does_not_fit():
    tried = []
    assert bench.largest(lambda n: tried.append(n) or n <= 5, (1, 2, 4, 8, 16)) == 4 and tried == [1, 2, 4, 8]
    assert bench.largest(lambda n: False, (1, 2)) is None


def test_summary_notices_a_loss_that_is_not_finite():
    good = bench.summary([9, 9, 9, 1, 2, 3], [2.0, 1.0], 3 * bench.GIB)
    assert good["step_seconds"] == 2 and good["peak_gib"] == 3 and good["finite"]
    assert not bench.summary([1], [math.inf], 1)["finite"] and not bench.summary([1], [1.0, math.nan], 1)["finite"]


def test_verdict():
    ours = {"step_seconds": 1.0, "peak_gib": 7.0, "finite": True}
    assert bench.verdict(ours, {"step_seconds": 1.0, "peak_gib": 10.0}, 14.5)["met"]  # by memory
    assert bench.verdict(ours, {"step_seconds": 2.0, "peak_gib": 7.0}, 14.5)["met"]  # by time
    assert not bench.verdict(ours, {"step_seconds": 1.0, "peak_gib": 7.5}, 14.5)["met"]
    assert not bench.verdict(ours | {"finite": False}, {"step_seconds": 9.0, "peak_gib": 9.0}, 14.5)["met"]
    assert bench.verdict(ours, {"error": "out of memory"}, 14.5)["met"]
    assert not bench.verdict({"error": "out of memory"}, ours, 14.5)["met"]


def test_table_names_what_did_not_run():
    text = bench.table([{"model": "a", "way": "stock", "error": "out of memory"}])
    assert text.splitlines()[-1].startswith("| a | stock |") and "out of memory" in text


def test_a_case_trains_on_a_cpu_as_far_as_one_can(tiny, monkeypatch):
    """The trainer that the GPU would get, on a very small real model: the arguments are accepted and the losses finite."""
    import copy

    monkeypatch.setattr(bench, "load", lambda name, way: (copy.deepcopy(tiny[0]), tiny[1]))
    plain = bench.arguments
    monkeypatch.setattr(bench, "arguments", lambda *a: plain(*a) | {"use_cpu": True, "bf16": False})
    for way in ("T4-safe", "stock"):
        trainer = bench.trainer_of("smollm2-135m", way, 2, 32, 2)
        graded = sum(label != -100 for label in trainer.data_collator([trainer.train_dataset[0]])["labels"][0].tolist())
        assert graded == (32 if way == "stock" else 8)
        watch = bench.StepTimes(lambda: None)
        trainer.add_callback(watch.callback())
        trainer.train()
        assert len(watch.seconds) == 2 and min(watch.seconds) > 0
        assert all(math.isfinite(h["loss"]) for h in trainer.state.log_history if "loss" in h)
