"""What goes wrong in class, made to happen: each ends in the documented message, and nothing that was saved is lost.

Where the others are tested: no GPU, restart, Drive: test_colab; no token, wrong token, gated model, hub unreachable:
test_access; no network after set-up: test_offline; no network before it, a broken upload: test_fork; out of memory, float16
overflow: test_memory; one kill, an interrupt, a torn checkpoint, a loss that is not a number: test_training; damaged weights or
adapter: test_models; a full disk raised at the write: test_models, test_training.
"""

import copy
import json
import os
import random
import shutil
import subprocess
import sys
import textwrap

import pytest

from course_utils import colab, fork, models, notebooks, results, runtime, sentiment
from course_utils.runtime import CourseError

sys.path.insert(0, str(runtime.ROOT / "tests"))
import test_training as t  # noqa: E402

CHILD = textwrap.dedent(f"""
    import sys; sys.path[:0] = [{str(runtime.ROOT)!r}, {str(runtime.ROOT / "tests")!r}]
    import conftest, dataclasses, os, signal, threading, test_training as t
    from course_utils import results, runtime
    tiny = conftest.tiny.__wrapped__() if hasattr(conftest.tiny, "__wrapped__") else conftest.tiny.__pytest_wrapped__.obj()
    settings = dataclasses.replace(t.SETTINGS, steps=int(sys.argv[1]))
    die = float(sys.argv[2]) if len(sys.argv) > 2 else 0
    def watch(run):
        if die and not hasattr(run, "timer"):
            run.timer = threading.Timer(die, lambda: os.kill(os.getpid(), signal.SIGKILL)); run.timer.start()
    model, tokenizer = t.lora(tiny)
    run = t.training.fit(model, tokenizer, t.sentiment.TASK, t.ROWS, settings, runtime.runs_dir() / "checkpoints", watch=watch)
    results.record("loss", run.history[-1]["loss"], notebook="00")
    print("END", run.resumed_at, [h["loss"] for h in run.history], flush=True)
    if die: os.kill(os.getpid(), signal.SIGKILL)
""")


def child(runs, *words, wait=True):
    command, env = [sys.executable, "-c", CHILD, *map(str, words)], os.environ | {"COURSE_RUNS": str(runs)}
    started = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return started.communicate() if wait else started


def end(out):
    """(resumed at, losses) that a child printed."""
    line = next((line for line in out[0].splitlines() if line.startswith("END")), None)
    assert line, out[1][-3000:]
    _, at, losses = line.split(maxsplit=2)
    return int(at), json.loads(losses)


@pytest.mark.slow
def test_a_kernel_killed_at_ten_moments_loses_at_most_the_steps_since_the_last_checkpoint(tmp_path):
    """SIGKILL after a random time, ten times over, also while a checkpoint is being written. In the end the losses are those of
    a run that was never killed, and the results file was never half a file."""
    whole = end(child(tmp_path / "undisturbed", 60))[1]
    draw, reached = random.Random(0), 0
    for _ in range(10):
        child(tmp_path / "killed", 60, draw.uniform(0.02, 1.0))
        for path in (tmp_path / "killed").rglob("results/**/*.json"):
            json.loads(path.read_text())
        places = (tmp_path / "killed" / "checkpoints").glob("*/checkpoint-*/trainer_state.json")
        now = max((int(p.parent.name.rsplit("-", 1)[1]) for p in places), default=0)
        assert now >= reached - 2  # two are kept: a torn one costs one checkpoint, never all
        reached = now
    resumed, losses = end(child(tmp_path / "killed", 60))
    assert resumed > 0 and losses == whole


@pytest.mark.slow
def test_two_notebooks_training_at_once_do_not_disturb_each_other(tmp_path):
    """The same notebook opened twice: same data, settings and folder. Both must end, with the same losses."""
    both = [child(tmp_path, 12, wait=False) for _ in range(2)]
    outs = [end(one.communicate()) for one in both]
    assert len(outs[0][1]) == len(outs[1][1]) == 12 and outs[0][1] == outs[1][1]
    assert json.loads(next(tmp_path.rglob("results/**/00.json")).read_text())["loss"]["value"] == outs[0][1][-1]


# ---------------------------------------------------------------- disks
@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 1 MB, mounted for this test; skips where mounting is not permitted."""
    place = tmp_path / "small disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True) \
        if shutil.which("mount") else None
    if made is None or made.returncode:
        pytest.skip("mounting is not permitted here; test_models and test_training raise the error at the write instead")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place):
    """Leaves no free byte."""
    with open(place / "filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 65536)
        except OSError:
            pass


def test_a_really_full_disk_loses_nothing(small_disk, tiny, monkeypatch):
    """An adapter and a result that were saved before the disk filled up stay whole; saving again says what to do."""
    monkeypatch.setenv("COURSE_RUNS", str(small_disk / "runs"))
    wrapped = models.attach_lora(tiny[0], r=4)
    folder = models.save_adapter(wrapped, small_disk / "adapter", base="tiny")
    results.record("kept", 1.0, notebook="00")
    before = {p: p.read_bytes() for p in [*folder.iterdir(), *(small_disk / "runs").rglob("*.json")]}
    fill(small_disk)
    with pytest.raises(CourseError, match="No space left while writing to.*\n.*free some space"):
        models.save_adapter(wrapped, folder, base="tiny")
    with pytest.raises(CourseError, match="No space left while writing to.*\n.*free some space"):
        results.record("kept", {"much": "x" * 300_000}, notebook="00")
    with pytest.raises(CourseError, match="No space left"):
        t.fit(tiny, small_disk / "checkpoints")
    assert before == {p: p.read_bytes() for p in before}
    assert results.yours("kept", "00")["value"] == 1.0
    (small_disk / "filler").unlink()
    results.record("kept", 2.0, notebook="00")
    assert results.yours("kept", "00")["value"] == 2.0


@pytest.fixture
def read_only(small_disk):
    """The small disk, mounted read-only: so that it holds for root too."""
    (small_disk / "runs").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    return small_disk / "runs"


def refusals(monkeypatch, place, tiny):
    monkeypatch.setenv("COURSE_RUNS", str(place))
    wrapped = models.attach_lora(tiny[0], r=4)
    yield lambda: results.record("a", 1.0, notebook="00")
    yield lambda: models.save_adapter(wrapped, place / "adapter", base="tiny")
    yield lambda: t.training.fit(wrapped, tiny[1], sentiment.TASK, t.ROWS, t.SETTINGS, place / "checkpoints")


def test_a_read_only_folder_says_what_to_do(read_only, tiny, monkeypatch):
    for attempt in refusals(monkeypatch, read_only, tiny):
        with pytest.raises(CourseError, match="cannot be written to.*\n.*set COURSE_RUNS and COURSE_CACHE"):
            attempt()


@pytest.mark.skipif(not os.path.isdir("/sys/kernel"), reason="needs Linux's /sys, where not even root may write")
def test_runs_and_cache_that_may_not_be_made_say_what_to_do(monkeypatch):
    monkeypatch.setenv("COURSE_RUNS", "/sys/course-runs")
    monkeypatch.setenv("COURSE_CACHE", "/sys/course-cache")
    for place in (runtime.runs_dir, runtime.cache_dir):
        with pytest.raises(CourseError, match="/sys/course-.* cannot be written to.*\n.*COURSE_RUNS"):
            place()


# ---------------------------------------------------------------- paths and line endings
def test_a_path_with_spaces_and_umlauts(tiny, tmp_path, monkeypatch):
    """A Windows user's folder: training, resuming, saving, loading and results."""
    home = tmp_path / "Müller & Söhne" / "Fine tuning 50%"
    monkeypatch.setenv("COURSE_RUNS", str(home))
    second, base = copy.deepcopy(tiny), copy.deepcopy(tiny[0])
    with pytest.raises(CourseError, match="step 4 is saved"):
        t.fit(tiny, runtime.runs_dir() / "ä", watch=t.stop_at(5))
    model, tokenizer = t.lora(second)
    run = t.training.fit(model, tokenizer, sentiment.TASK, t.ROWS, t.SETTINGS, runtime.runs_dir() / "ä")
    assert run.resumed_at == 4
    models.load_adapter(base, models.save_adapter(model, home / "Adapter ß", base="tiny"), base="tiny")
    results.record("ü", 1.0, notebook="00")
    assert results.yours("ü", "00")["value"] == 1.0


@pytest.fixture
def windows(tmp_path, monkeypatch):
    """The course's texts as git writes them on Windows: every line ends in \\r\\n."""
    root = tmp_path / "windows"
    for name in ("notebooks", "data", "pyproject.toml", "requirements.txt", "README.md"):
        source = runtime.ROOT / name
        for path in [source] if source.is_file() else source.rglob("*"):
            if path.suffix in (".py", ".ipynb", ".json", ".jsonl", ".toml", ".txt", ".md", ".csv") and path.is_file():
                target = root / path.relative_to(runtime.ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    return root


def test_windows_line_endings_change_no_fingerprint_and_no_data(windows, monkeypatch):
    here = {n: notebooks.code_of(notebooks.read_source(n)) for n in notebooks.numbers()}
    rows, asked, named = sentiment.own("train"), colab.ranges(), fork.repository()
    monkeypatch.setattr(notebooks, "FOLDER", windows / "notebooks")
    monkeypatch.setattr(runtime, "ROOT", windows)
    monkeypatch.setattr(results, "PUBLISHED", windows / "data" / "results")
    for module in (sentiment,):
        for name, value in vars(module).items():
            if isinstance(value, type(windows)) and value.is_relative_to(runtime.Path(__file__).resolve().parents[1]):
                monkeypatch.setattr(module, name, windows / value.relative_to(runtime.Path(__file__).resolve().parents[1]))
    sentiment.own.cache_clear() if hasattr(sentiment.own, "cache_clear") else None
    assert {n: notebooks.code_of(notebooks.read_source(n)) for n in notebooks.numbers()} == here
    assert sentiment.own("train") == rows and colab.ranges() == asked and fork.repository(windows) == named
    assert results.render("<!--r:03.phrasebank_accuracy-->?<!--/r-->").count("?") == 0
    sentiment.own.cache_clear() if hasattr(sentiment.own, "cache_clear") else None


def test_fork_on_windows_line_endings(windows):
    fork.fork("jane/course", root=windows)
    assert fork.fork("jane/course", root=windows) == []
    assert "jane/course" in next((windows / "notebooks").glob("03_*.py")).read_text(encoding="utf-8")
