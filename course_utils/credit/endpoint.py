"""An OpenAI-compatible endpoint from both sides: asking one, with clear errors, and serving the course's own model as one.

The server answers POST /v1/chat/completions and GET /v1/models on this machine alone (127.0.0.1), one request after the other.
"""

from __future__ import annotations

import json
import math
import os
import re
import threading
import time
from collections import deque
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ..runtime import CourseError

PATIENCE = 5  # tries of one request before the run gives up
LONGEST_WAIT = 120.0  # seconds; an endpoint that asks for more ends the run, which can go on later
GO_ON = "run it again then: what was collected is kept, and it goes on from there."
BASE = "smollm2-135m"
LARGEST = 1 << 20  # bytes of a request


# ---------------------------------------------------------------- asking
def _openai():
    try:
        import openai
    except ImportError as error:
        raise CourseError("The package openai is not installed; only the teacher hook needs it.", "pip install openai") from error
    return openai


def client(base_url: str | None = None, key_variable: str | None = "OPENAI_API_KEY", timeout: float = 120.0):
    """A client for an endpoint. key_variable: the NAME of the variable that holds the key, None where no key is needed.

    timeout: seconds for one request. Raises CourseError when openai is not installed or the variable is not set.
    """
    openai = _openai()
    if key_variable and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,60}", key_variable):
        raise CourseError("key_variable is not the name of a variable.", "give the variable's name, never the key itself.")
    key = os.environ.get(key_variable, "").strip() if key_variable else "none"
    if not key:
        raise CourseError(f"The environment variable {key_variable} holds no key.",
                          f"set {key_variable}, or pass key_variable=None for an endpoint without keys.")
    return openai.OpenAI(base_url=base_url, api_key=key, timeout=timeout, max_retries=0)


@dataclass(frozen=True)
class Reply:
    """What came back: the text, and the tokens that the endpoint counted (0 where it does not say)."""

    text: str
    tokens_in: int = 0
    tokens_out: int = 0


def ask_once(client, model: str, wanted: list[dict], options: dict) -> Reply:
    """One request, repeated where waiting helps (429, 5xx, a timeout). Raises CourseError where it does not, or no more."""
    openai = _openai()
    wait = 0.0
    for attempt in range(PATIENCE):
        time.sleep(wait)
        try:
            given = client.with_options(max_retries=0).chat.completions.create(model=model, messages=wanted, **options)
        except openai.APIError as error:
            wait = _wait(openai, error, attempt, client, model)
            continue
        choices = getattr(given, "choices", None)
        if not choices:
            raise CourseError(f"{client.base_url} answered, but not as an OpenAI-compatible endpoint does.",
                              "check the address; it usually ends in /v1.")
        used = getattr(given, "usage", None)
        counts = (getattr(used, name, 0) or 0 for name in ("prompt_tokens", "completion_tokens"))
        return Reply(choices[0].message.content or "", *counts)
    raise CourseError(f"{client.base_url} did not answer in {PATIENCE} tries.", f"wait a while; {GO_ON}")


def _wait(openai, error, attempt: int, client, model: str) -> float:
    """Seconds to wait before the next try of a request that failed. Raises CourseError where waiting does not help."""
    where = client.base_url
    if isinstance(error, openai.APITimeoutError):
        return 0.0
    if isinstance(error, openai.APIConnectionError):
        if type(error.__cause__).__name__ == "ConnectError":
            raise CourseError(f"Nothing answers at {where}.", f"start the server or correct the address; {GO_ON}") from None
        return 2.0**attempt
    status = getattr(error, "status_code", None)
    says = (str(error).replace(client.api_key, "***") if client.api_key else str(error))[:300]
    if status in (401, 403):  # the endpoint's own words may repeat parts of the key
        raise CourseError(f"{where} refused the key ({status}).",
                          f"check the variable that holds it and what it may use; {GO_ON}") from None
    if status == 404:
        raise CourseError(f"{where} knows no model {model!r}, or no such address (404).",
                          f"check the model's name, and that the address ends in /v1; {GO_ON}")
    if status == 429 and getattr(error, "code", None) == "insufficient_quota":
        raise CourseError(f"The quota at {where} is used up (429).", f"top it up or choose another endpoint; {GO_ON}")
    if status == 429 or status in (408, 409) or (status or 0) >= 500:
        seconds = _retry_after(error.response.headers)
        seconds = 2.0**attempt if seconds is None else seconds
        if seconds > LONGEST_WAIT:
            raise CourseError(f"{where} asks to wait {seconds:.0f} seconds ({status}).", f"wait that long; {GO_ON}")
        return seconds
    raise CourseError(f"{where} refused the request ({status}): {says}",
                      "correct the request's options (see `request` of collect).")


def _retry_after(headers) -> float | None:
    """Seconds that a Retry-After header asks for: a number, or a date."""
    given = headers.get("retry-after", "")
    try:
        return max(float(given), 0.0)
    except ValueError:
        pass
    try:
        return max(parsedate_to_datetime(given).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError):
        return None


# ---------------------------------------------------------------- serving
class Refusal(Exception):
    """A request that is answered with an error: HTTP status, message, and headers to send along."""

    def __init__(self, status: int, message: str, code: str | None = None, **headers: str):
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers


class Server(ThreadingHTTPServer):
    """Holds a model and answers chat requests with what it writes. key: asked for where one is given.

    limit: (requests, seconds): how many are let in within so many seconds; None for no limit.
    """

    daemon_threads = True

    def __init__(self, port: int, model, tokenizer, name: str, key: str = "", limit: tuple[int, float] | None = None):
        super().__init__(("127.0.0.1", port), _Handler)
        self.model, self.tokenizer, self.name, self.key, self.limit = model, tokenizer, name, key, limit
        self.one_at_a_time, self.counting, self.times = threading.Lock(), threading.Lock(), deque()

    def admit(self, authorization: str) -> None:
        """Raises Refusal for a wrong key, or for more requests than the limit lets in."""
        if self.key and authorization != f"Bearer {self.key}":
            raise Refusal(401, "The key is missing or wrong.", "invalid_api_key")
        if not self.limit:
            return
        (most, seconds), now = self.limit, time.monotonic()
        with self.counting:
            while self.times and self.times[0] <= now - seconds:
                self.times.popleft()
            if len(self.times) >= most:
                wait = math.ceil(self.times[0] + seconds - now)
                raise Refusal(429, f"At most {most} requests in {seconds:g} seconds.", "rate_limit_exceeded",
                              **{"Retry-After": str(wait)})
            self.times.append(now)

    def complete(self, body: dict) -> dict:
        """A chat completion: greedy at temperature 0, else sampled; max_tokens, top_p and seed are honoured."""
        import torch

        wanted = _wanted(body, self.name)
        encoded = self.tokenizer.apply_chat_template(wanted["messages"], add_generation_prompt=True, tokenize=True,
                                                     return_dict=True)
        prompt, longest = list(encoded["input_ids"]), self.model.config.max_position_embeddings
        if len(prompt) + wanted["max_tokens"] > longest:
            raise Refusal(400, f"{len(prompt)} tokens and max_tokens of {wanted['max_tokens']}: the model holds {longest}.",
                          "context_length_exceeded")
        sampled = {"do_sample": True, "temperature": wanted["temperature"], "top_p": wanted["top_p"], "top_k": 0}
        how = sampled if wanted["temperature"] > 0 else {"do_sample": False}
        end = self.tokenizer.eos_token_id
        with self.one_at_a_time, torch.no_grad():
            if wanted["seed"] is not None:
                torch.manual_seed(wanted["seed"])
            ids = torch.tensor([prompt], device=self.model.device)
            out = self.model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=wanted["max_tokens"],
                                      pad_token_id=end, eos_token_id=end, **how)
        written = out[0, len(prompt):].tolist()
        message = {"role": "assistant", "content": self.tokenizer.decode(written, skip_special_tokens=True)}
        return {"id": f"chatcmpl-{time.time_ns()}", "object": "chat.completion", "created": int(time.time()), "model": self.name,
                "choices": [{"index": 0, "message": message, "finish_reason": "stop" if written[-1:] == [end] else "length"}],
                "usage": {"prompt_tokens": len(prompt), "completion_tokens": len(written),
                          "total_tokens": len(prompt) + len(written)}}


def _wanted(body: object, name: str) -> dict:
    """The fields of a request that the server knows, checked. Raises Refusal for what it cannot do."""
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list) or not body["messages"]:
        raise Refusal(400, "The request has no messages.")
    if not all(isinstance(m, dict) and m.get("role") in ("system", "user", "assistant") and isinstance(m.get("content"), str)
               for m in body["messages"]):
        raise Refusal(400, "A message needs a role (system, user, assistant) and a text as content.")
    if body.get("model") != name:
        raise Refusal(404, f"The model {body.get('model')!r} is not served here; {name!r} is.", "model_not_found")
    if body.get("stream") or body.get("n") not in (None, 1):
        raise Refusal(400, "Streaming and several answers to one request are not served here.")
    given = {"temperature": 1.0, "top_p": 1.0, "max_tokens": body.get("max_completion_tokens") or 256, "seed": None}
    given |= {k: body[k] for k in given if body.get(k) is not None}
    longest, seed, heat, share = given["max_tokens"], given["seed"] or 0, given["temperature"], given["top_p"]
    if type(longest) is not int or type(seed) is not int or longest < 1 or not 0 <= seed < 2**63:
        raise Refusal(400, "max_tokens must be a whole number above zero, seed one of zero or more.")
    if {type(heat), type(share)} - {int, float} or not 0 <= heat <= 2 or not 0 < share <= 1:
        raise Refusal(400, "temperature must lie between 0 and 2, top_p above 0 and at most 1.")
    return given | {"messages": body["messages"]}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer("/v1/models", lambda: {"object": "list", "data": [
            {"id": self.server.name, "object": "model", "created": 0, "owned_by": "course"}]})

    def do_POST(self):
        given = self.headers.get("Content-Length", "")
        length = int(given) if given.isdigit() else 0
        raw = self.rfile.read(min(length, LARGEST))
        left = min(length - len(raw), 64 * LARGEST)
        while left > 0 and (piece := self.rfile.read(min(left, LARGEST))):  # a client hears the answer only once it has sent all
            left -= len(piece)
        if length > LARGEST:
            self.close_connection, raw = True, b""
        self._answer("/v1/chat/completions", lambda: self._complete(raw))

    def _complete(self, raw: bytes) -> dict:
        self.server.admit(self.headers.get("Authorization", ""))
        try:
            body = json.loads(raw)
        except ValueError as error:
            raise Refusal(400, "The request is no valid JSON.") from error
        return self.server.complete(body)

    def _answer(self, path: str, make) -> None:
        try:
            if self.path.rstrip("/") != path:
                raise Refusal(404, f"There is nothing at {self.path}.")
            status, headers, content = 200, {}, make()
        except Refusal as refusal:
            status, headers = refusal.status, refusal.headers
            content = {"error": {"message": str(refusal), "type": "invalid_request_error", "param": None, "code": refusal.code}}
        data = json.dumps(content).encode()
        try:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):  # the client gave up waiting
            self.close_connection = True

    def log_message(self, *_):
        """Says nothing: a request line is no news."""


def serve(port: int, adapter: Path | None = None, key_variable: str | None = None,
          limit: tuple[int, float] | None = None) -> None:
    """Serves SmolLM2-135M, with an adapter where one is given, until it is stopped. port 0 takes any free one, and says which.

    key_variable: the environment variable whose value clients must send as their key. limit: (requests, seconds), see `Server`.
    """
    from .. import models, runtime

    runtime.quiet()
    key = os.environ.get(key_variable, "") if key_variable else ""
    if key_variable and not key:
        raise CourseError(f"The environment variable {key_variable} holds no key.",
                          f"set {key_variable}, or serve without a key.")
    if limit and min(limit) < 1:
        raise CourseError(f"A limit of {limit[0]} requests in {limit[1]} seconds lets nothing in.",
                          "give two numbers of 1 or more.")
    runtime.use_threads()
    model, tokenizer = models.load(BASE, four_bit=False)
    if adapter:
        model = models.load_adapter(model, adapter, BASE)
    try:
        server = Server(port, model.eval(), tokenizer, BASE, key, limit)
    except OSError as error:
        raise CourseError(f"Port {port} cannot be used ({error.strerror}).",
                          "choose another port, or 0 for any free one.") from error
    print(f"{BASE} listens on http://127.0.0.1:{server.server_port}/v1", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()
