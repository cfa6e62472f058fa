"""Tokens, gated models and secrets, against a real server on this machine that answers as the hub does."""

import http.server
import json
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from course_utils import runtime

TOKEN = "hf_SecretOfATestThatMustNotBeSeen"
FAKE = Path(__file__).parent / "colab" / "fake"


class Hub:
    """Answers the hub's auth-check. mode: open, gated, wrong (the token), busy. `asked` keeps (path, token sent)."""

    def __init__(self):
        self.mode, self.asked = "open", []
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                sent = self.headers.get("Authorization", "").removeprefix("Bearer ")
                hub.asked.append((self.path, sent))
                status, headers = hub.answer(sent)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, sent):
        if self.mode == "wrong" and sent:
            return 401, {"X-Error-Message": "Invalid credentials in Authorization header"}
        if self.mode in ("gated", "wrong-and-gated"):
            if sent and self.mode == "wrong-and-gated":
                return 401, {"X-Error-Message": "Invalid credentials in Authorization header"}
            return (403 if sent else 401), {"X-Error-Code": "GatedRepo"}
        return (503, {}) if self.mode == "busy" else (200, {})


@pytest.fixture
def hub():
    made = Hub()
    yield made
    made.server.shutdown()


def ask(url, tmp_path, code, token=TOKEN, **more):
    """Runs `code` in a fresh process that takes `url` for the hub."""
    script = f"import sys; sys.path.insert(0, {str(runtime.ROOT)!r})\nfrom course_utils import registry, runtime\n"
    env = {**os.environ, "HF_ENDPOINT": url, "HF_HUB_OFFLINE": "0", "COURSE_CACHE": str(tmp_path / "cache"),
           "HF_HOME": str(tmp_path / "hf"), "HOME": str(tmp_path), "COURSE_RUNS": str(tmp_path / "runs"), **more}
    env.pop("HF_TOKEN", None)
    if token:
        env["HF_TOKEN"] = token
    out = subprocess.run([sys.executable, "-c", script + textwrap.dedent(code)], env=env, capture_output=True, text=True)
    assert TOKEN not in out.stdout + out.stderr
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and TOKEN.encode() in p.read_bytes() and p.name != "secrets.json"]
    return out


WHERE = "print('WHERE', registry.where({!r}), registry.token() is False)"


def test_an_open_model_costs_one_request(hub, tmp_path):
    out = ask(hub.url, tmp_path, WHERE.format("gemma-3-1b-it"))
    assert "WHERE google/gemma-3-1b-it False" in out.stdout, out.stderr[-2000:]
    assert hub.asked == [("/api/models/google/gemma-3-1b-it/auth-check", TOKEN)]


@pytest.mark.parametrize("token, says", [(TOKEN, "its terms are not accepted yet"), (None, "there is no working HF_TOKEN")])
def test_gated_says_what_to_click_and_goes_on_with_the_copy(hub, tmp_path, token, says):
    hub.mode = "gated"
    out = ask(hub.url, tmp_path, WHERE.format("gemma-3-1b-it"), token)
    assert "WHERE unsloth/gemma-3-1b-it False" in out.stdout, out.stderr[-2000:]
    assert says in out.stdout and "the same terms apply: Gemma terms of use" in out.stdout
    assert "https://huggingface.co/google/gemma-3-1b-it" in out.stdout and "Agree and access repository" in out.stdout
    assert len(hub.asked) == 1


@pytest.mark.parametrize("mode, model, found", [("wrong", "qwen3-0.6b", "Qwen/Qwen3-0.6B"),
                                                ("wrong-and-gated", "gemma-3-1b-it", "unsloth/gemma-3-1b-it")])
def test_a_wrong_token_is_dropped_for_good(hub, tmp_path, mode, model, found):
    """The hub refuses even open models when it is sent an expired token; going on with the copy and the same token failed."""
    hub.mode = mode
    out = ask(hub.url, tmp_path, WHERE.format(model))
    assert f"WHERE {found} True" in out.stdout, out.stderr[-2000:]
    assert "does not accept your HF_TOKEN" in out.stdout
    assert [sent for _, sent in hub.asked] == [TOKEN, ""]


def test_hub_busy_and_hub_unreachable_say_what_to_do(hub, tmp_path):
    hub.mode = "busy"
    busy = ask(hub.url, tmp_path, WHERE.format("qwen3-0.6b"))
    assert "refused Qwen/Qwen3-0.6B (status 503)" in busy.stderr and "try again in some minutes" in busy.stderr
    gone = ask("http://127.0.0.1:9", tmp_path, WHERE.format("qwen3-0.6b"))
    assert "hub cannot be reached" in gone.stderr and "or use smollm2-135m" in gone.stderr


# ---------------------------------------------------------------- Colab's secrets
@pytest.mark.parametrize("said, line, found", [
    ("secrets.json", "", True), ("SecretNotFoundError", "", False),
    ("NotebookAccessError", "closed to this notebook", False), ("TimeoutException", "did not hand over the secret", False)])
def test_colab_secret(hub, tmp_path, said, line, found):
    """Asked once; a refusal or a time-out means "no token" and one line."""
    (tmp_path / "secrets.json").write_text(json.dumps({"HF_TOKEN": TOKEN}))
    said = str(tmp_path / said) if said.endswith("json") else said
    out = ask(hub.url, tmp_path, "print('FOUND', [bool(registry.token()) for _ in range(2)]); registry.where('qwen3-0.6b')",
              token=None, PYTHONPATH=str(FAKE), FAKE_COLAB_SECRETS=said)
    assert f"FOUND [{found}, {found}]" in out.stdout, out.stderr[-2000:]
    assert out.stdout.count(line or "FOUND") == 1 and [sent for _, sent in hub.asked] == [TOKEN if found else ""]


def test_the_environment_comes_before_the_secret(hub, tmp_path):
    out = ask(hub.url, tmp_path, "print('FOUND', bool(registry.token()))", PYTHONPATH=str(FAKE),
              FAKE_COLAB_SECRETS="TimeoutException")
    assert "FOUND True" in out.stdout and "hand over" not in out.stdout


@pytest.mark.slow
def test_a_training_run_saves_no_token(hub, tmp_path):
    """The trainer writes its arguments, the adapter its card, the results their versions: none may hold the token."""
    out = ask(hub.url, tmp_path, f"""
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import conftest, test_training as t
        from course_utils import models, results
        tiny = conftest.tiny.__wrapped__() if hasattr(conftest.tiny, "__wrapped__") else conftest.tiny.__pytest_wrapped__.obj()
        model, tokenizer = t.lora(tiny)
        t.training.fit(model, tokenizer, t.sentiment.TASK, t.ROWS, t.SETTINGS, runtime.runs_dir() / "checkpoints")
        models.save_adapter(model, runtime.runs_dir() / "adapter", base="tiny")
        results.record("a_number", 1.0, notebook="00")
        print("FILES", sum(p.is_file() for p in runtime.runs_dir().rglob("*")), bool(registry.token()))
    """, COURSE_CACHE=os.environ.get("COURSE_CACHE", str(runtime.cache_dir())))
    assert "FILES" in out.stdout and out.stdout.strip().endswith("True"), out.stderr[-3000:]
