"""After set-up the laptop path talks to nothing but this machine: every socket beyond loopback raises."""

import os
import subprocess
import sys
import textwrap

from course_utils import runtime

GUARD = textwrap.dedent("""
    import socket, sys
    real = socket.socket.connect
    def connect(self, address):
        host = address[0] if isinstance(address, tuple) else "unix"
        if host not in ("127.0.0.1", "::1", "localhost", "unix"):
            raise RuntimeError(f"a connection to {host} was tried")
        return real(self, address)
    def refuse(*a, **k):
        if a and a[0] not in (None, "", "127.0.0.1", "::1", "localhost"):
            raise RuntimeError(f"a look-up of {a[0]} was tried")
        return lookup(*a, **k)
    lookup = socket.getaddrinfo
    socket.socket.connect, socket.getaddrinfo = connect, refuse
    sys.path.insert(0, %r)
""") % str(runtime.ROOT)


def guarded(code: str, tmp_path, **more):
    env = {**os.environ, "COURSE_SCALE": "laptop", "COURSE_RUNS": str(tmp_path), **more}
    env.pop("HF_HUB_OFFLINE", None)
    return subprocess.run([sys.executable, "-c", GUARD + textwrap.dedent(code)], env=env, capture_output=True, text=True)


def test_the_guard_itself_works(tmp_path):
    out = guarded("import urllib.request as u; u.urlopen('http://example.org')", tmp_path)
    assert out.returncode and "was tried" in out.stderr


def test_load_train_answer_and_save_without_network(tmp_path):
    out = guarded("""
        from course_utils import runtime
        runtime.set_up("03")
        from course_utils import evaluation, models, sentiment, training
        model, tokenizer = models.load()
        model = models.attach_lora(model, r=2)
        rows = sentiment.own("train")[:4]
        run = training.fit(model, tokenizer, sentiment.TASK, rows, training.Settings(steps=1, batch=2), runtime.runs_dir())
        models.save_adapter(model, runtime.runs_dir() / "a", base="smollm2-135m")
        print("DONE", evaluation.classify(model, tokenizer, sentiment.TASK, rows).n, run.history[-1]["step"])
    """, tmp_path)
    assert "DONE 4 1" in out.stdout, out.stderr[-3000:]


def test_asking_for_a_hub_model_offline_is_a_clear_message(tmp_path):
    out = guarded("""
        from course_utils import runtime
        runtime.quiet()
        from course_utils import models
        models.load("qwen3-0.6b")
    """, tmp_path)
    assert "this run is offline" in out.stderr and "What to do next" in out.stderr and "was tried" not in out.stderr
