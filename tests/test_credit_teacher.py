"""The teacher hook against a real local endpoint with SmolLM2-135M behind it: what is kept, what is logged, what is refused."""

import http.client
import json
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from course_utils import models, runtime
from course_utils.credit import dataset, endpoint, task, teacher
from course_utils.credit.endpoint import Reply
from course_utils.runtime import CourseError

SECRET = "sk-course-0123456789"
HELLO = [{"role": "user", "content": "Say hello."}]
BRIEF = task.CreditTask("answer-only").prompt


@pytest.fixture(scope="module")
def rows():
    return dataset.load("test")


@pytest.fixture(scope="module")
def start(smollm):
    """Starts a server around the shared model; stops all of them at the end."""
    running = []

    def go(**options):
        server = endpoint.Server(0, *smollm, endpoint.BASE, **options)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        return f"http://127.0.0.1:{server.server_port}/v1"

    yield go
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def address(start):
    return start()


@pytest.fixture(scope="module")
def client(address):
    pytest.importorskip("openai")
    return teacher.client(address, None)


def chat(address, body, path="/v1/chat/completions", method="POST"):
    host = address.removeprefix("http://").removesuffix("/v1")
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request(method, path, body if isinstance(body, bytes) else json.dumps(body), {"Content-Type": "application/json"})
    reply = connection.getresponse()
    return reply.status, json.loads(reply.read())


def body(**changes):
    return {"model": endpoint.BASE, "messages": HELLO, "max_tokens": 6, "temperature": 0} | changes


# ---------------------------------------------------------------- what is accepted
def test_reference_answers_are_accepted(rows):
    for row in rows[:80]:
        assert teacher.verify(row, row["reasoning"]).accepted, (row["id"], teacher.verify(row, row["reasoning"]).why)


def test_gold_references_are_accepted():
    refused = {t["id"]: teacher.verify(t, t["reference_reasoning"]).why for t in task.gold()}
    assert not {k: why for k, why in refused.items() if why}


def test_each_rejection_says_why(rows):
    row = next(r for r in rows if r["truth"]["action"] == "watch-list" and r["style"].startswith("lines"))
    right = row["reasoning"]
    for wrong, why in ((row["answer_only"], "a required calculation is missing or wrong"),
                       (right.rsplit("\n", 1)[0] + "\nWe shall see.", "no decision found"),
                       (right.replace("DECISION: watch-list", "DECISION: approve"), "wrong action"),
                       (re.sub(r"BREACHES: .*", "BREACHES: none", right), "wrong breaches"),
                       (re.sub(r"RATING: [\w ]+", "RATING: two notches down ", right), "wrong rating"),
                       (re.sub(r"= (\d)", r"= 9\1", right, count=1), "a stated calculation is wrong"),
                       (right + "\nThank you for reading.", "does not end with the decision line"), ("", "no decision found")):
        assert wrong != right and why in teacher.verify(row, wrong).why, (wrong, why)


def test_a_wrong_obligor_is_not_accepted(rows):
    row = next(r for r in rows if r["truth"]["weaker"] == "A")
    assert "wrong obligor called weaker" in teacher.verify(row, row["reasoning"].replace("WEAKER: A", "WEAKER: B")).why


# ---------------------------------------------------------------- the price before it starts
def test_estimate_is_proportional_and_near_a_real_tokenizer(rows, smollm):
    _, tokenizer = smollm
    found = teacher.estimate(rows[:30], price_in=2, price_out=8, tries=3)
    assert found.low == pytest.approx((2 * found.tokens_in + 8 * found.tokens_out) / 1e6, rel=1e-3)
    assert found.high == pytest.approx(3 * found.low)
    counted = sum(len(tokenizer.encode(m["content"])) for r in rows[:30] for m in teacher.messages(r))
    assert 0.9 < found.tokens_in / counted < 1.2
    written = sum(len(tokenizer.encode(r["reasoning"])) for r in rows[:30])
    assert 0.9 < found.tokens_out / written < 1.2
    assert teacher.estimate(rows[:30], 0, 0).high == 0 and "30 cases" in str(found)


def test_the_request_holds_the_policy_an_example_and_the_case(rows):
    for row in (next(r for r in rows if len(r["names"]) == n) for n in (1, 2)):
        system, example, answer, case = teacher.messages(row)
        assert "need is more than have" in system["content"] and "WEAKER: A | " in system["content"]
        assert case["content"] == row["text"] and answer["content"].splitlines()[-1].startswith(("DECISION", "WEAKER"))
        assert ("weaker credit" in example["content"]) == (len(row["names"]) == 2)


# ---------------------------------------------------------------- the local endpoint
def test_the_server_generates_and_honours_length_and_seed(address):
    one, two = (chat(address, body())[1] for _ in range(2))
    assert one["choices"][0]["message"] == two["choices"][0]["message"] and one["choices"][0]["message"]["content"]
    assert one["usage"]["completion_tokens"] <= 6 and one["usage"]["total_tokens"] == sum(list(one["usage"].values())[:2])
    drawn = [chat(address, body(temperature=1.5, seed=seed))[1]["choices"][0]["message"]["content"] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert chat(address, body(max_tokens=2))[1]["choices"][0]["finish_reason"] == "length"
    status, listed = chat(address, b"", "/v1/models", "GET")
    assert status == 200 and [m["id"] for m in listed["data"]] == [endpoint.BASE]


@pytest.mark.parametrize("wrong, status", [
    (b"{", 400), ([], 400), ({}, 400), (body(messages=[]), 400), (body(messages=["hello"]), 400), (body(seed=-1), 400),
    (body(messages=[{"role": "tool", "content": "x"}]), 400), (body(model="gpt-9"), 404), (body(max_tokens=0), 400),
    (body(max_tokens="many"), 400), (body(temperature=9), 400), (body(temperature="hot"), 400), (body(stream=True), 400),
    (body(n=3), 400), (body(max_tokens=9000), 400), (b" " * (1 << 21), 400)])
def test_bad_requests_get_an_error_and_the_server_lives_on(address, wrong, status):
    assert chat(address, wrong)[0] == status
    assert chat(address, body())[0] == 200


def test_unknown_addresses(address):
    assert chat(address, body(), "/v1/completions")[0] == 404 and chat(address, b"", "/", "GET")[0] == 404


def test_the_command_serves_a_model_with_an_adapter(tmp_path, smollm):
    wrapped = models.attach_lora(smollm[0], r=1)
    try:
        models.save_adapter(wrapped, tmp_path / "adapter", endpoint.BASE)
    finally:
        wrapped.unload()
    command = [sys.executable, "-m", "course_utils.credit.teacher", "serve", "--port", "0", "--adapter", tmp_path / "adapter"]
    def listen_to_ctrl_c():  # tests started in the background inherit a SIGINT that is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=runtime.ROOT, preexec_fn=listen_to_ctrl_c) as running:
        try:
            line = next(text for text in running.stdout if "listens on" in text)
            status, reply = chat(line.split()[-1], body(max_tokens=3))
            assert status == 200 and reply["choices"][0]["message"]["role"] == "assistant"
        finally:
            running.send_signal(signal.SIGINT)
            assert running.wait(20) == 0


# ---------------------------------------------------------------- collecting
def test_an_untrained_model_gets_nothing_accepted_and_every_attempt_is_logged(rows, client, tmp_path):
    place = tmp_path / "samples.jsonl"
    found = teacher.collect(rows[:2], client, endpoint.BASE, place, tries=2, max_tokens=6, ask=BRIEF, workers=2)
    assert (found.attempts, found.rows, found.acceptance) == (4, [], 0.0) and found.tokens_out > 0
    about, *lines = map(json.loads, place.read_text().splitlines())
    assert about == {"about": {"model": endpoint.BASE, "temperature": 0.8}}
    assert all(not e["accepted"] and "no decision found" in e["why"] for e in lines) and len({e["answer"] for e in lines}) > 1
    assert str(found).startswith("0 of 4 attempts accepted: 0.0% (0.0% to ")


def test_a_killed_run_goes_on_where_it_was(rows, address, client, tmp_path):
    """The command is killed hard once it has written a few attempts; what it had written stays, and nothing is asked twice."""
    place = tmp_path / "samples.jsonl"
    command = [sys.executable, "-m", "course_utils.credit.teacher", "collect", "--base-url", address, "--model", endpoint.BASE,
               "--split", "test", "--cases", "6", "--tries", "2", "--max-tokens", "5", "--brief", "--out", str(place)]
    with subprocess.Popen(command, cwd=runtime.ROOT, stdout=subprocess.DEVNULL) as running:
        until = time.monotonic() + 120
        while time.monotonic() < until and (not place.exists() or place.read_bytes().count(b"\n") < 4):
            time.sleep(0.05)
        running.kill()
    kept = place.read_bytes()
    kept = kept[:kept.rfind(b"\n") + 1]
    assert 4 <= kept.count(b"\n") < 13
    place.write_bytes(kept + b'{"case": "test-0')  # what a kill in the middle of a line leaves
    found = teacher.collect(rows[:6], client, endpoint.BASE, place, tries=2, max_tokens=5, ask=BRIEF)
    assert found.attempts == 12 and place.read_bytes().startswith(kept) and place.read_bytes().count(b"\n") == 13


def test_accepted_answers_become_rows_and_are_not_asked_for_again(rows, tmp_path):
    """The real reference answers go through the log that answers from an endpoint go through; then nothing is left to ask."""
    pytest.importorskip("openai")
    place = tmp_path / "samples.jsonl"
    log = teacher.Log(place, "some-teacher", 0.8)
    assert not log.add(rows[0], Reply(rows[0]["answer_only"], 100, 20))
    assert all(log.add(row, Reply(row["reasoning"] + "\n", 100, 200)) for row in rows[:4])
    nobody = teacher.client("http://127.0.0.1:9/v1", None)
    found = teacher.collect(rows[:4], nobody, "some-teacher", place)
    assert [r["reasoning"] for r in found.rows] == [r["reasoning"] for r in rows[:4]]
    assert (found.attempts, found.acceptance, found.tokens_in, found.tokens_out) == (5, 0.8, 500, 820)
    assert found.why == {"a required calculation is missing or wrong": 1}
    assert all("calculator" not in r and r["style"] == "teacher some-teacher" for r in found.rows)
    with pytest.raises(CourseError, match="Nothing answers at http://127.0.0.1:9"):
        teacher.collect(rows[:5], nobody, "some-teacher", place)
    changed = rows[0] | {"text": rows[0]["text"] + " "}
    assert not log.of(changed)  # another text is another case


def test_logs_of_other_runs_and_other_files_are_refused(rows, tmp_path):
    teacher.Log(tmp_path / "a.jsonl", "one", 0.8)
    with pytest.raises(CourseError, match="was collected with .*one[\\s\\S]*choose another file"):
        teacher.Log(tmp_path / "a.jsonl", "two", 0.8)
    for k, text in enumerate(("no json\n", "[1, 2]\n", '{"about": {"model": "m", "temperature": 1}}\n{"answer": 3}\n')):
        (tmp_path / f"{k}.jsonl").write_text(text)
        with pytest.raises(CourseError, match="is not a log of samples"):
            teacher.Log(tmp_path / f"{k}.jsonl", "m", 1)
    (tmp_path / "torn.jsonl").write_text('{"about": {"mo')
    assert teacher.Log(tmp_path / "torn.jsonl", "m", 1).tried == {}
    assert json.loads((tmp_path / "torn.jsonl").read_text())["about"]["model"] == "m"


# ---------------------------------------------------------------- what an endpoint can refuse
OPTIONS = {"max_tokens": 2, "temperature": 0}


def test_keys_are_taken_by_name_and_never_shown(start, rows, monkeypatch, tmp_path):
    pytest.importorskip("openai")
    address = start(key=SECRET)
    monkeypatch.setenv("COURSE_TEST_KEY", SECRET + "-wrong")
    wrong = teacher.client(address, "COURSE_TEST_KEY")
    with pytest.raises(CourseError, match=r"refused the key \(401\)") as error:
        teacher.collect(rows[:1], wrong, endpoint.BASE, tmp_path / "log.jsonl", ask=BRIEF)
    monkeypatch.setenv("COURSE_TEST_KEY", SECRET)
    right = teacher.client(address, "COURSE_TEST_KEY")
    assert teacher.collect(rows[:1], right, endpoint.BASE, tmp_path / "log.jsonl", 1, max_tokens=2, ask=BRIEF).attempts == 1
    assert SECRET not in str(error.value) and SECRET not in (tmp_path / "log.jsonl").read_text()
    monkeypatch.delenv("COURSE_TEST_KEY")
    with pytest.raises(CourseError, match="COURSE_TEST_KEY holds no key"):
        teacher.client(address, "COURSE_TEST_KEY")
    with pytest.raises(CourseError, match="never the key itself") as error:
        teacher.client(address, SECRET)
    assert SECRET not in str(error.value)


def test_too_many_requests_are_waited_for_or_reported(start, monkeypatch):
    pytest.importorskip("openai")
    client = teacher.client(start(limit=(1, 3)), None)
    assert teacher.ask_once(client, endpoint.BASE, HELLO, OPTIONS).tokens_out > 0
    began = time.monotonic()
    assert teacher.ask_once(client, endpoint.BASE, HELLO, OPTIONS).tokens_out > 0
    assert time.monotonic() - began > 0.5
    monkeypatch.setattr(endpoint, "LONGEST_WAIT", 0.5)
    with pytest.raises(CourseError, match=r"asks to wait \d seconds \(429\)[\s\S]*goes on from there"):
        teacher.ask_once(client, endpoint.BASE, HELLO, OPTIONS)


def test_refused_slow_and_wrong_endpoints(address, client, monkeypatch):
    with pytest.raises(CourseError, match="Nothing answers at"):
        teacher.ask_once(teacher.client("http://127.0.0.1:9/v1", None), endpoint.BASE, HELLO, OPTIONS)
    with pytest.raises(CourseError, match="did not answer in 5 tries"):
        teacher.ask_once(teacher.client(address, None, timeout=0.002), endpoint.BASE, HELLO, OPTIONS)
    with pytest.raises(CourseError, match=r"knows no model 'gpt-9'[\s\S]*ends in /v1"):
        teacher.ask_once(client, "gpt-9", HELLO, OPTIONS)
    with pytest.raises(CourseError, match="no such address"):
        teacher.ask_once(teacher.client(address.removesuffix("/v1"), None), endpoint.BASE, HELLO, OPTIONS)
    with pytest.raises(CourseError, match=r"refused the request \(400\): .*the model holds 8192"):
        teacher.ask_once(client, endpoint.BASE, HELLO, OPTIONS | {"max_tokens": 9000})


def test_retry_after_is_a_number_or_a_date():
    from email.utils import formatdate

    assert endpoint._retry_after({"retry-after": "7"}) == 7 and endpoint._retry_after({}) is None
    assert 20 < endpoint._retry_after({"retry-after": formatdate(time.time() + 30, usegmt=True)}) <= 30
    assert endpoint._retry_after({"retry-after": "soon"}) is None and endpoint._retry_after({"retry-after": "-3"}) == 0


def test_without_openai_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(CourseError, match="pip install openai"):
        teacher.client("http://127.0.0.1:9/v1", None)


def test_serving_refuses_what_cannot_work(monkeypatch):
    monkeypatch.delenv("COURSE_TEST_KEY", raising=False)
    with pytest.raises(CourseError, match="COURSE_TEST_KEY holds no key"):
        endpoint.serve(0, key_variable="COURSE_TEST_KEY")
    with pytest.raises(CourseError, match="lets nothing in"):
        endpoint.serve(0, limit=(0, 5))
