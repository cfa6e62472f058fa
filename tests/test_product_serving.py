"""The served model: the notebook's answers word for word, and what happens when callers misbehave. Real servers, real sockets."""

import http.server
import json
import threading
import time

import psutil
import pytest
from product_shelf import ROWS, shelf, store  # noqa: F401

from course_utils import evaluation, models, sentiment, training
from course_utils.product import merging, serving
from course_utils.runtime import CourseError

TASK = sentiment.TASK


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    """SmolLM2 with an adapter trained for a few steps, merged and saved."""
    place = tmp_path_factory.mktemp("product")
    model, tokenizer = models.load("smollm2-135m", four_bit=False)
    model = models.attach_lora(model, r=8)
    settings = training.Settings(learning_rate=1e-3, steps=4, batch=4, checkpoint_every=0)
    training.fit(model, tokenizer, TASK, sentiment.own("train")[:64], settings)
    folder = models.save_adapter(model, place / "adapter", "smollm2-135m")
    return merging.save_merged(folder, "smollm2-135m", place / "merged-sentiment")


@pytest.fixture(scope="module")
def server(product, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_RUNS", str(tmp_path_factory.mktemp("runs")))
        with serving.start(product) as running:
            yield running
    assert running.process.poll() is not None


# ---------------------------------------------------------------- what it is for
@pytest.mark.slow
def test_the_served_model_answers_word_for_word(server, product):
    """At temperature 0: short labels, and long free text, where one different token would show in all that follows."""
    model, tokenizer = merging.load_merged(product)
    rows = sentiment.own("test")[:8]
    same = serving.same_answers(server, rows, TASK, lambda row: evaluation.generate(model, tokenizer, TASK, row, 20))
    assert same["share"] == 1.0 and same["n"] == 8, same["differ"]

    class Chat:
        def prompt(self, row):
            return [{"role": "user", "content": f"Write a short story about this news: {row['text']}"}]

    long = serving.same_answers(server, rows[:3], Chat(), lambda r: evaluation.generate(model, tokenizer, Chat(), r, 60), 60)
    assert long["share"] == 1.0, long["differ"]


@pytest.mark.slow
def test_a_tool_at_the_callers_side_is_asked_at_each_stop(server):
    asked = []

    def tool(text):
        asked.append(text)
        return " [seen]" if len(asked) == 1 else ""

    story = [{"role": "user", "content": "Tell me a story about the bank and the river."}]
    text = serving.ask_with_tool(server, story, tool, stop=" the", max_tokens=40)
    assert asked and asked[0].endswith(" the") and text.startswith(asked[0] + " [seen]") and len(text) > len(asked[0]) + 7


@pytest.mark.slow
def test_one_and_four_clients_get_the_same_answers(server):
    prompts = [TASK.prompt(row) for row in sentiment.own("test")[:8]]
    one, four = (serving.load_test(server, prompts, clients, max_tokens=5) for clients in (1, 4))
    assert one["answers"] == four["answers"] and all(one["answers"])
    assert one["requests a second"] > 0 and four["median s"] > one["median s"], "one after the other: four wait for each other"


# ---------------------------------------------------------------- callers that misbehave
@pytest.mark.slow
def test_a_client_that_hangs_up_does_not_hold_up_the_next(server):
    story = [{"role": "user", "content": "Tell me a very long story about a bank."}]
    start = time.perf_counter()
    serving.ask(server, story, max_tokens=100)
    whole = time.perf_counter() - start
    assert serving.hang_up(server, story, max_tokens=100)
    start = time.perf_counter()
    assert serving.ask(server, TASK.prompt(ROWS[0]), max_tokens=3)
    assert time.perf_counter() - start < whole / 2, "the server went on writing for nobody"
    assert server.is_healthy()


@pytest.mark.slow
def test_an_oversized_prompt_never_reaches_the_server(server):
    huge = [{"role": "user", "content": "word " * 9000}]
    with pytest.raises(CourseError, match=r"The prompt has 9,\d\d\d tokens and asks for 10 more; the model has room for 8,192"):
        serving.ask(server, huge, max_tokens=10)
    assert server.is_healthy()


@pytest.mark.slow
def test_the_wrong_model_is_refused_and_loopback_alone_listens(server):
    import openai

    with pytest.raises(openai.BadRequestError) as refused:
        server.client.chat.completions.create(model="another", messages=TASK.prompt(ROWS[0]))
    assert "pinned" in refused.value.response.text
    listening = [c.laddr for c in psutil.Process(server.process.pid).net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert [(place.ip, place.port) for place in listening] == [("127.0.0.1", server.port)]


@pytest.mark.slow
def test_it_stops_cleanly_and_says_so_afterwards(shelf):  # noqa: F811
    folder = merging.save_merged(shelf.adapter("a"), "tiny", shelf.folder / "tiny-merged")
    with serving.start(folder) as running:
        port = running.port
        assert serving.ask(running, TASK.prompt(ROWS[0]), max_tokens=3) is not None
        with pytest.raises(CourseError, match=f"Port {port} is in use"):
            serving.start(folder, port=port)
    assert running.process.returncode is not None and "Uvicorn running" in running.log.read_text()
    with pytest.raises(CourseError, match="cannot be reached"):
        serving.ask(running, TASK.prompt(ROWS[0]), max_tokens=3)
    running.stop()
    with serving.start(folder, port=port) as again:
        assert again.is_healthy()


@pytest.mark.slow
def test_a_model_that_cannot_be_loaded_is_said(shelf):  # noqa: F811
    (shelf.base / "config.json").write_text(json.dumps({"model_type": "no such model"}))
    with pytest.raises(CourseError, match="The server ended while starting.*\n.*read .*log"):
        serving.start(shelf.base)


# ---------------------------------------------------------------- without a server
def test_a_port_in_use_is_said(shelf):  # noqa: F811
    other = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    with pytest.raises(CourseError, match=f"Port {other.server_port} is in use.*\n.*port=None"):
        serving.start(shelf.base, port=other.server_port)
    other.shutdown()
    other.server_close()


def test_no_model_or_a_name_the_server_cannot_read(shelf, tmp_path):  # noqa: F811
    with pytest.raises(CourseError, match="no merged model"):
        serving.start(tmp_path)
    with pytest.raises(CourseError, match="no @ and no colon"):
        serving.start(shelf.base.rename(shelf.folder / "a@b"))


def test_free_ports_are_free():
    ports = {serving.free_port() for _ in range(5)}
    assert not any(serving._is_taken(port) for port in ports)
