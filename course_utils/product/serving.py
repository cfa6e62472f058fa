"""Serves a merged model on this machine with `transformers serve`, calls it as any OpenAI-compatible server, and measures it.

The server listens on the loopback address alone: nobody outside this machine reaches it. It has no password, no limit on a
prompt's length and no limit on the queue. All three must stand in front of it before it faces a network.
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import runtime
from ..runtime import CourseError

LOOPBACK = "127.0.0.1"
NEEDED = {"fastapi": "fastapi", "uvicorn": "uvicorn", "openai": "openai"}


def free_port() -> int:
    """A port of the loopback address that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server that just stopped does not block its port
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


@dataclass
class Server:
    """A running server. Use it in a `with` block, or call `stop`. context: tokens that the model reads at most."""

    folder: Path
    port: int
    process: subprocess.Popen
    log: Path
    context: int
    _client: object = field(default=None, repr=False)
    _tokenizer: object = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The address for OpenAI clients."""
        return f"http://{LOOPBACK}:{self.port}/v1"

    @property
    def model(self) -> str:
        """The name by which requests call the model: its folder's name."""
        return self.folder.name

    @property
    def client(self):
        """An `openai` client of this server."""
        if self._client is None:
            import openai

            self._client = openai.OpenAI(base_url=self.url, api_key="none", max_retries=0, timeout=300)
        return self._client

    def is_healthy(self) -> bool:
        """True when the server answers its health check."""
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.port}/health", timeout=2) as reply:
                return reply.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def stop(self, wait: float = 15) -> None:
        """Ends the server: politely, after `wait` seconds for good. The log stays. Stopping twice is fine."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT if os.name == "posix" else signal.CTRL_BREAK_EVENT)
            try:
                self.process.wait(wait)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_) -> None:
        self.stop()


def start(folder: Path, port: int | None = None, threads: int | None = None, wait: float = 180) -> Server:
    """Starts a server for a merged model and returns when it is healthy.

    port: None chooses a free one. threads: for the server's arithmetic; None leaves the choice to torch. wait: seconds until
    giving up. Raises CourseError for missing packages, a folder without a model, a port in use, a server that ends or is silent.
    """
    folder = Path(folder).resolve()
    missing = [name for module, name in NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise CourseError(f"Serving needs {', '.join(missing)}.", f"pip install {' '.join(missing)}")
    if not (folder / "config.json").exists():
        raise CourseError(f"There is no merged model in {runtime.short(folder)}.", "merge one with merging.save_merged.")
    if "@" in folder.name or ":" in folder.name:
        raise CourseError(f"The server cannot read the folder name {folder.name!r}.", "rename it: no @ and no colon.")
    if port is not None and _is_taken(port):
        raise CourseError(f"Port {port} is in use by another program.", "stop that program, or pass port=None for a free one.")
    port = port or free_port()
    log = runtime.runs_dir() / "serving" / f"{folder.name}-{port}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    context = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("max_position_embeddings", 2048)
    server = Server(folder, port, _launch(folder, port, threads, log), log, context)
    atexit.register(server.stop, 2)  # a notebook that is closed leaves no server behind
    try:
        _wait(server, wait)
    except BaseException:
        server.stop(2)
        raise
    return server


def _launch(folder: Path, port: int, threads: int | None, log: Path) -> subprocess.Popen:
    """The model is called by its folder's name, from the folder above: so no path of this machine stands in a request."""
    attention = [] if runtime.machine().device == "cuda" else ["--attn-implementation", "eager"]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", folder.name, "--host", LOOPBACK,
               "--port", str(port), "--device", runtime.machine().device, *attention]
    more = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONUNBUFFERED": "1"}
    if threads:
        more["OMP_NUM_THREADS"] = str(threads)
    new_group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if os.name == "nt" else {}
    with log.open("wb") as file:
        return subprocess.Popen(command, cwd=folder.parent, env=os.environ | more, stdout=file, stderr=subprocess.STDOUT,
                                stdin=subprocess.DEVNULL, **new_group)


def _wait(server: Server, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.process.poll() is not None:
            raise CourseError(f"The server ended while starting: {_last_line(server.log)}",
                              f"read {runtime.short(server.log)}; another program may have taken port {server.port}.")
        if server.is_healthy():
            return
        time.sleep(0.2)
    raise CourseError(f"The server did not answer within {seconds:.0f} s.",
                      f"read {runtime.short(server.log)}; a slow machine needs a larger wait=.")


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it wrote nothing"


# ---------------------------------------------------------------- asking
def ask(server: Server, messages: list[dict], max_tokens: int = 100, temperature: float = 0.0) -> str:
    """The served model's answer. Raises CourseError for a prompt that leaves no room, and when the server cannot be reached.

    The length is checked here because the server does not: it would read the whole prompt, and its memory grows with the
    square of the length.
    """
    _check_size(server, messages, max_tokens)
    with _clear_errors(server):
        reply = server.client.chat.completions.create(model=server.model, messages=messages, max_tokens=max_tokens,
                                                      temperature=temperature)
    return reply.choices[0].message.content or ""


def _check_size(server: Server, messages: list[dict], max_tokens: int) -> None:
    size = prompt_size(server, messages)
    if size + max_tokens > server.context:
        raise CourseError(
            f"The prompt has {size:,} tokens and asks for {max_tokens:,} more; the model has room for {server.context:,}.",
            "shorten the prompt, or ask for fewer tokens.")


@contextmanager
def _clear_errors(server: Server):
    import openai

    try:
        yield
    except openai.APIConnectionError as error:
        raise CourseError(f"The server on port {server.port} cannot be reached.", "start it again with serving.start.") from error
    except openai.APIStatusError as error:
        raise CourseError(f"The server refused the request ({error.status_code}): {error.response.text[:200]}",
                          f"read {runtime.short(server.log)}.") from error


def ask_with_tool(server: Server, messages: list[dict], tool: Callable[[str], str], stop: str = "=",
                  max_tokens: int = 400) -> str:
    """An answer in which `tool(text so far)` writes after each `stop`: the server pauses there, this program goes on.

    The server knows nothing of the tool; it reads the whole text anew after each pause. Raises CourseError as `ask` does.
    """
    _check_size(server, messages, max_tokens)
    prompt = _tokenizer(server).apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    text, left = "", max_tokens
    while left > 0:
        with _clear_errors(server):
            reply = server.client.completions.create(model=server.model, prompt=prompt + text, max_tokens=left,
                                                     temperature=0.0, stop=[stop])
        piece = reply.choices[0].text
        text, left = text + piece, left - reply.usage.completion_tokens
        if not piece.endswith(stop):
            break
        text += tool(text)
    return text


def _tokenizer(server: Server):
    if server._tokenizer is None:
        from transformers import AutoTokenizer

        server._tokenizer = AutoTokenizer.from_pretrained(server.folder)
    return server._tokenizer


def prompt_size(server: Server, messages: list[dict]) -> int:
    """Tokens of a prompt, as the server's own tokenizer counts them."""
    return len(_tokenizer(server).apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"])


def hang_up(server: Server, messages: list[dict], max_tokens: int = 400) -> str:
    """A client that asks for a long streamed answer and leaves after the first words. Returns what it had read."""
    stream = server.client.chat.completions.create(model=server.model, messages=messages, max_tokens=max_tokens,
                                                   temperature=0.0, stream=True)
    heard = ""
    for piece in stream:
        heard += piece.choices[0].delta.content or ""
        if heard:
            break
    stream.close()
    return heard


# ---------------------------------------------------------------- measuring
def load_test(server: Server, prompts: list[list[dict]], clients: int = 1, max_tokens: int = 20) -> dict:
    """Sends every prompt once, from `clients` threads at the same time.

    Returns requests a second, the median and 95th percentile of seconds a request, and the answers in the prompts' order.
    """
    answers: list = [None] * len(prompts)
    waits, errors, todo = [0.0] * len(prompts), [], iter(range(len(prompts)))
    lock = threading.Lock()
    prompt_size(server, prompts[0])  # loads the tokenizer before the clock starts

    def work():
        while not errors:
            with lock:
                k = next(todo, None)
            if k is None:
                return
            start = time.perf_counter()
            try:
                answers[k] = ask(server, prompts[k], max_tokens)
            except Exception as error:
                errors.append(error)
            waits[k] = time.perf_counter() - start

    start, crew = time.perf_counter(), [threading.Thread(target=work) for _ in range(clients)]
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    if errors:
        raise errors[0]
    seconds = time.perf_counter() - start
    return {"clients": clients, "requests": len(prompts), "requests a second": len(prompts) / seconds,
            "median s": float(np.median(waits)), "95th percentile s": float(np.quantile(waits, 0.95)), "answers": answers}


def same_answers(server: Server, rows: list[dict], task, answer_here: Callable[[dict], str], max_tokens: int = 20) -> dict:
    """Does the served model write, word for word, what `answer_here(row)` writes? Returns share, n and the pairs that differ."""
    pairs = [(ask(server, task.prompt(row), max_tokens), answer_here(row)) for row in rows]
    differ = [{"served": served, "here": here} for served, here in pairs if served != here]
    return {"share": 1 - len(differ) / len(pairs), "n": len(pairs), "differ": differ}
