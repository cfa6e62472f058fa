"""Study behind notebook 06: outgrowing one machine. The same training in two processes; a million rows; twenty kills.

    python benchmarks/studies/scale_out.py PART [PART ...]

PART: ddp (one process against two, gloo on CPUs, the same global batch), rows (10,000 to 1,000,000 headlines by the word list,
peak memory of each), kills (the scoring job killed at 20 random moments), model (10,000 headlines through a fine-tuned model;
needs --adapter, such as runs/03/laptop/adapter), record. `worker` is what `accelerate launch` starts. Units are kept in
runs/studies/scale_out (after `make publish` in data/results/studies); a stopped study goes on where it was.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from course_utils import models, results, runtime, sentiment, studies, training  # noqa: E402

CODE = results.code_hash(Path(__file__).read_text(encoding="utf-8"))
GLOBAL_BATCH, STEPS = 8, 6
SIZES = (10_000, 100_000, 1_000_000)
KILLS = 20


def stored(name: str) -> dict | None:
    return studies.outcome("scale_out", name)


def unit(name: str, work) -> dict:
    return studies.unit("scale_out", name, work, lambda made: str({k: v for k, v in made.items() if not isinstance(v, list)}))


# ---------------------------------------------------------------- one process or several
def worker(out: Path) -> None:
    """Trains in as many processes as there are; the first one writes the losses. Every process reads its share of each batch."""
    processes = int(os.environ.get("WORLD_SIZE", 1))
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))  # each process loads onto a GPU of its own
    model, tokenizer = models.load("smollm2-135m", four_bit=False)
    model = models.attach_lora(model, seed=0)
    rows = sentiment.own("train")
    lengths = training._lengths(tokenizer, sentiment.TASK, rows, 512)
    order = training.batch_order(lengths, GLOBAL_BATCH, STEPS * GLOBAL_BATCH, seed=0)
    settings = training.Settings(learning_rate=5e-4, batch=GLOBAL_BATCH // processes, checkpoint_every=0)
    run = training.Training()
    trainer = training._trainer(model, tokenizer, sentiment.TASK, [rows[i] for i in order], settings, STEPS, None)
    trainer.add_callback(training._callback(run, settings, None, None, 0))
    trainer.train()
    if trainer.is_world_process_zero():
        total = sum(float(p.detach().double().abs().sum()) for n, p in model.named_parameters() if "lora_" in n)
        results.write_json(out, {"processes": trainer.accelerator.num_processes, "losses": [h["loss"] for h in run.history],
                                 "seconds": run.seconds, "adapter_sum": total})


def launch(processes: int) -> dict:
    """Runs `worker` under `accelerate launch`. On CPUs too it needs --multi_gpu: with --cpu it starts one process only."""
    out = runtime.runs_dir() / "scale_out" / f"ddp-{processes}.json"
    out.unlink(missing_ok=True)
    command = [sys.executable, "-m", "accelerate.commands.launch", *(["--multi_gpu"] if processes > 1 else ["--cpu"]),
               "--num_processes", str(processes), "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
               "--main_process_port", "0", "--num_cpu_threads_per_process", "1", __file__, "worker", "--out", str(out)]
    settings = {"COURSE_SCALE": "laptop", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | settings)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    outcome = json.loads(out.read_text())
    if outcome["processes"] != processes:
        raise RuntimeError(f"{processes} processes were asked for, {outcome['processes']} trained")
    return outcome


def ddp() -> None:
    for processes in (1, 2):
        unit(f"ddp-{processes}", lambda n=processes: launch(n))


# ---------------------------------------------------------------- a large file
def headlines(place: Path, rows: int, seed: int = 0) -> Path:
    """A CSV of `rows` headlines: the course's own sentences again and again, each with a number of its own."""
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        texts = [r["text"] for r in sentiment.own("train")]
        random.Random(seed).shuffle(texts)
        with place.with_suffix(".half").open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file)
            out.writerow(["id", "text"])
            out.writerows([k, f"{text} [{k}]"] for k, text in zip(range(rows), itertools.cycle(texts)))
        os.replace(place.with_suffix(".half"), place)
    return place


def lost_and_doubled(source: Path, scores: Path) -> dict:
    """Compares input and output row by row, by the running number that each headline carries."""
    seen: dict[str, int] = {}
    in_order, last = True, -1
    with scores.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            number = row["text"].rsplit("[", 1)[1].rstrip("]")
            seen[number] = seen.get(number, 0) + 1
            in_order, last = in_order and int(number) > last, int(number)
    with source.open(encoding="utf-8", newline="") as file:
        lost = sum(row["id"] not in seen for row in csv.DictReader(file))
    return {"lost": lost, "doubled": sum(n - 1 for n in seen.values()), "in_order": in_order, "rows": sum(seen.values())}


def command_line(source: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "course_utils.product.scoring", str(source), str(out), *more]


def score_rows(rows: int) -> dict:
    """Scores a file of `rows` rows in a process of its own and reads that process's peak memory from the system."""
    place = runtime.runs_dir() / "scale_out"
    source, out = headlines(place / f"{rows}.csv", rows), place / f"scored-{rows}"
    start = time.time()
    job = subprocess.Popen(command_line(source, out), cwd=runtime.ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(job.pid, 0)
    if status:
        raise RuntimeError(f"scoring {rows} rows ended with {status}")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"peak_bytes": peak, "seconds": time.time() - start, "file_bytes": source.stat().st_size,
            **lost_and_doubled(source, out / "scores.csv")}


def rows() -> None:
    for size in SIZES:
        unit(f"rows-{size}", lambda n=size: score_rows(n))


def kill_twenty() -> dict:
    """Kills the job (SIGKILL) at random moments, `KILLS` times, lets it end, and counts rows."""
    place, draw, size, kept = runtime.runs_dir() / "scale_out", random.Random(1), 20_000, []
    source, out = headlines(place / f"{size}.csv", size), place / "killed"
    for left in out.glob("*"):
        left.unlink()
    while len(kept) < KILLS:
        job = subprocess.Popen(command_line(source, out, "--shard-rows", "100"), cwd=runtime.ROOT, stdout=subprocess.DEVNULL)
        wanted = len(list(out.glob("part-*"))) + draw.randrange(2 * size // 100 // KILLS)
        while job.poll() is None and len(list(out.glob("part-*"))) < wanted:
            time.sleep(0.001)
        time.sleep(draw.random() * 0.02)
        if job.poll() is None:
            job.kill()
            kept.append(len(list(out.glob("part-*"))))
        job.wait()
        (out / "scores.csv").unlink(missing_ok=True)  # it was faster than the kill: kill the joining instead
    subprocess.run(command_line(source, out, "--shard-rows", "100"), cwd=runtime.ROOT, stdout=subprocess.DEVNULL, check=True)
    return {"kills": len(kept), "shards_at_kill": kept, **lost_and_doubled(source, out / "scores.csv")}


def score_with_model(adapter: Path, size: int = 10_000) -> dict:
    place = runtime.runs_dir() / "scale_out"
    source, out = headlines(place / f"{size}.csv", size), place / "scored-model"
    began = len(list(out.glob("part-*")))
    start = time.time()
    job = subprocess.Popen(command_line(source, out, "--adapter", str(adapter), "--shard-rows", "500"), cwd=runtime.ROOT)
    _, status, usage = os.wait4(job.pid, 0)
    if status:
        raise RuntimeError(f"scoring with the model ended with {status}")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"peak_bytes": peak, "seconds": time.time() - start, "rows_this_time": size - 500 * began,
            **lost_and_doubled(source, out / "scores.csv")}


# ---------------------------------------------------------------- recording
def record() -> None:
    note = {"notebook": "06", "code": CODE}
    one, two = stored("ddp-1"), stored("ddp-2")
    if one and two:
        gaps = np.abs(np.subtract(one["losses"], two["losses"]))
        results.record("ddp_loss_gap", float(gaps.max()), "nats a graded token", n=len(gaps), **note,
                       method=f"largest difference over {STEPS} steps; {GLOBAL_BATCH} rows a step in one process, "
                       "half of them in each of two", split="the course's own training sentences")
        results.record("ddp_losses", {"one": one["losses"], "two": two["losses"]}, "nats a graded token", **note)
    sized = [(n, u) for n in SIZES if (u := stored(f"rows-{n}"))]
    if sized:
        series = [{"rows": n} | {k: u[k] for k in ("peak_bytes", "seconds", "file_bytes")} for n, u in sized]
        results.record("scoring_memory", series, "bytes", method="peak resident memory of the scoring process", **note)
    if killed := stored("kills"):
        about = {"n": killed["rows"], "method": f"killed at {killed['kills']} random moments and restarted", **note}
        results.record("rows_lost", killed["lost"], "rows", **about)
        results.record("rows_doubled", killed["doubled"], "rows", **about)
    if scored := stored("model"):
        rate = scored["rows_this_time"] / scored["seconds"]
        results.record("model_rows_a_second", rate, "rows/s", n=scored["rows_this_time"], **note)
        results.record("model_scoring_memory", scored["peak_bytes"], "bytes", n=scored["rows"], **note)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="+", choices=["ddp", "rows", "kills", "model", "record", "worker"])
    parser.add_argument("--adapter", type=Path, help="a saved sentiment adapter, for `model`")
    parser.add_argument("--out", type=Path, help="where `worker` writes")
    asked = parser.parse_args()
    os.environ.setdefault("COURSE_SCALE", "laptop")
    runtime.quiet()
    if asked.part == ["worker"]:
        runtime.use_threads()
        worker(asked.out)
        return
    parts = {"ddp": ddp, "rows": rows, "kills": lambda: unit("kills", kill_twenty), "record": record,
             "model": lambda: unit("model", lambda: score_with_model(asked.adapter))}
    for part in asked.part:
        if part == "model" and asked.adapter is None:
            parser.error("model needs --adapter FOLDER")
        parts[part]()


if __name__ == "__main__":
    main()
