"""Scoring a large file: killed, restarted, damaged, misused. The kills are real, and so is the subprocess that dies."""

import csv
import multiprocessing
import random
import subprocess
import sys
import time

import pytest

from course_utils import runtime, sentiment
from course_utils.product import scoring
from course_utils.runtime import CourseError

STRANGE = ["Profit rose, sharply", "NA", "", "null", 'Losses "widened"\nagain', "5", "Ünïcode fell", "   ", "same", "same"]


def make_file(place, rows, seed=0):
    draw = random.Random(seed)
    with place.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "text"])
        out.writerows([i, draw.choice(STRANGE)] for i in range(rows))
    return place


def texts_of(place):
    with place.open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


def check_output(source, report_file, rows):
    with report_file.open(encoding="utf-8", newline="") as file:
        out = list(csv.DictReader(file))
    assert [row["row"] for row in out] == [str(i) for i in range(rows)], "a row is lost, doubled or out of order"
    assert [row["text"] for row in out] == texts_of(source)
    return out


# ---------------------------------------------------------------- exactly one row out for a row in
def test_every_row_comes_out_once_and_in_order(tmp_path):
    source = make_file(tmp_path / "in.csv", 2345)
    report = scoring.score_file(source, tmp_path / "out", scoring.WordList(), shard_rows=500)
    out = check_output(source, report.file, 2345)
    assert (report.rows, report.shards, report.shards_kept) == (2345, 5, 0)
    for row in out:
        if row["text"].strip():
            assert row["label"] in sentiment.LABELS and 0 < float(row["confidence"]) <= 1 and not row["note"]
        else:
            assert (row["label"], row["note"]) == ("", "empty")
    assert report.unscored == sum(not row["label"] for row in out) > 0


def test_the_label_does_not_depend_on_the_shard(tmp_path):
    source = make_file(tmp_path / "in.csv", 300)
    a, b = (scoring.score_file(source, tmp_path / str(n), scoring.WordList(), shard_rows=n).file.read_bytes() for n in (7, 300))
    assert a == b


def test_word_list_scorer_reads_good_and_bad_news():
    answers = [label for label, _, _ in scoring.WordList()(["Profit rose", "Sales fell", "The plant is in Oslo"])]
    assert answers == ["positive", "negative", "neutral"]


# ---------------------------------------------------------------- killed at random moments
def kill_and_restart(tmp_path, start, kills, rows, shard_rows):
    """SIGKILLs the job at random moments, `kills` times, then lets it end. start() -> a running process.

    Moments: just after the start, while a shard is written, and while the parts are joined.
    """
    source, out, draw, hits = tmp_path / "in.csv", tmp_path / "out", random.Random(7), 0
    make_file(source, rows)
    step = max(2, 2 * rows // shard_rows // kills)
    while hits < kills:
        have = len(list(out.glob("part-*.csv")))
        wanted = have + draw.randrange(step)
        job = start(source, out, shard_rows)
        while is_running(job) and len(list(out.glob("part-*.csv"))) < wanted and not (out / "scores.half").exists():
            time.sleep(0.001)
        time.sleep(draw.random() * 0.02)
        if is_running(job):
            hits += 1
        job.kill()
        job.wait() if hasattr(job, "wait") else job.join()
        if (out / "scores.csv").exists():  # it ended before the kill: the rest of the kills go to the joining
            (out / "scores.csv").unlink()
    last = start(source, out, shard_rows)
    last.wait() if hasattr(last, "wait") else last.join()
    check_output(source, out / "scores.csv", rows)
    assert not list(out.glob("*.half"))


def is_running(job):
    return job.poll() is None if hasattr(job, "poll") else job.is_alive()


def test_stopped_at_every_step_no_row_is_lost_or_doubled(tmp_path, monkeypatch):
    """Every write of a file and every rename is once the last thing that a run does; then it starts anew in the same folder."""
    source, rename, stop_at, stops = make_file(tmp_path / "in.csv", 95), scoring.os.replace, 0, 0

    def stopping(old, new):
        nonlocal done
        for act in (lambda: None, lambda: rename(old, new)):  # a moment before the rename, and one after it
            act()
            done += 1
            if done == stop_at:
                raise KeyboardInterrupt

    while True:
        out, done, stop_at = tmp_path / f"out-{stop_at + 1}", 0, stop_at + 1
        with monkeypatch.context() as patch:
            patch.setattr(scoring.os, "replace", stopping)
            try:
                scoring.score_file(source, out, scoring.WordList(), shard_rows=20)
                break
            except KeyboardInterrupt:
                stops += 1
        report = scoring.score_file(source, out, scoring.WordList(), shard_rows=20)
        check_output(source, report.file, 95)
        assert not list(out.glob("*.half"))
    assert stops == 2 * (1 + 5 + 1), "the note of the job, five parts and the whole"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs forked processes")
def test_killed_three_times_no_row_is_lost_or_doubled(tmp_path):
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["course_utils.product.scoring", "datasets.packaged_modules.csv.csv"])

    def start(source, out, shard_rows):
        job = forks.Process(target=scoring.score_file, args=(source, out, scoring.WordList(), "text", shard_rows))
        job.start()
        return job

    kill_and_restart(tmp_path, start, kills=3, rows=6000, shard_rows=100)


@pytest.mark.slow
def test_killed_twenty_times_no_row_is_lost_or_doubled(tmp_path):
    """The same with the command line, a new interpreter each time."""
    def start(source, out, shard_rows):
        command = [sys.executable, "-m", "course_utils.product.scoring", str(source), str(out), "--shard-rows", str(shard_rows)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=runtime.ROOT)

    kill_and_restart(tmp_path, start, kills=20, rows=20_000, shard_rows=100)


def test_a_restart_keeps_whole_shards_and_repairs_nothing_silently(tmp_path):
    source, out = make_file(tmp_path / "in.csv", 90), tmp_path / "out"
    whole = scoring.score_file(source, out, scoring.WordList(), shard_rows=20).file.read_bytes()
    (out / "part-00002.csv").unlink()
    (out / "part-00003.half").write_text("60,half a li")
    again = scoring.score_file(source, out, scoring.WordList(), shard_rows=20)
    assert (again.shards_kept, again.file.read_bytes()) == (4, whole)
    torn = out / "part-00001.csv"
    torn.write_bytes(torn.read_bytes()[:-30])
    with pytest.raises(CourseError, match="part-00001.csv.*\n.*delete that file"):
        scoring.score_file(source, out, scoring.WordList(), shard_rows=20)


# ---------------------------------------------------------------- bad input
@pytest.mark.parametrize("content, says", [
    (b"", "is empty"), (b"text\n", "a header but no rows"), (b"headline\nSales rose\n", "no column 'text'; it has 'headline'"),
    (b"text,b\n1,2\n1,2,3\n", "cannot be read as CSV"), (b'text\n"open\nx\n', "cannot be read as CSV"),
])
def test_a_bad_file_is_said(tmp_path, content, says):
    (tmp_path / "bad.csv").write_bytes(content)
    with pytest.raises(CourseError, match=says):
        scoring.score_file(tmp_path / "bad.csv", tmp_path / "out", scoring.WordList())


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(CourseError, match="no file"):
        scoring.score_file(tmp_path / "nothing.csv", tmp_path / "out", scoring.WordList())


def test_other_encodings_and_delimiters_are_read(tmp_path):
    (tmp_path / "in.csv").write_bytes("id;text\n1;Umsätze fell\n2;M\u00fcnchen rose\n".encode("cp1252"))
    report = scoring.score_file(tmp_path / "in.csv", tmp_path / "out", scoring.WordList())
    assert "München rose,positive" in report.file.read_text(encoding="utf-8") and report.rows == 2


def test_a_folder_belongs_to_one_job(tmp_path):
    source, other = make_file(tmp_path / "in.csv", 50), make_file(tmp_path / "other.csv", 50, seed=1)
    scoring.score_file(source, tmp_path / "out", scoring.WordList(), shard_rows=20)
    with pytest.raises(CourseError, match="another source"):
        scoring.score_file(other, tmp_path / "out", scoring.WordList(), shard_rows=20)
    with pytest.raises(CourseError, match="another shard rows"):
        scoring.score_file(source, tmp_path / "out", scoring.WordList(), shard_rows=10)


def test_a_scorer_that_loses_an_answer_is_caught(tmp_path):
    class Careless:
        name = "careless"

        def __call__(self, texts):
            return [("neutral", 0.5, "")] * (len(texts) - 1)

    with pytest.raises(ValueError, match="answers to"):
        scoring.score_file(make_file(tmp_path / "in.csv", 30), tmp_path / "out", Careless())


# ---------------------------------------------------------------- with a model
def test_a_model_scores_and_too_long_a_text_is_noted(tmp_path, tiny):
    (tmp_path / "in.csv").write_text("text\nSales rose\n" + "long " * 600 + "\nSales fell\n")
    scorer = scoring.ModelScorer(*tiny, name="tiny", limit=300)
    report = scoring.score_file(tmp_path / "in.csv", tmp_path / "out", scorer)
    with report.file.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["note"] for row in rows] == ["", "longer than 300 tokens", ""] and report.unscored == 1
    assert rows[0]["label"] in sentiment.LABELS


def test_command_line_says_what_is_wrong(tmp_path):
    done = subprocess.run([sys.executable, "-m", "course_utils.product.scoring", str(tmp_path / "no.csv"), str(tmp_path / "out")],
                          capture_output=True, text=True, cwd=runtime.ROOT)
    assert done.returncode == 1 and "no file" in done.stderr and "Traceback" not in done.stderr
