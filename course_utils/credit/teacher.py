"""The teacher hook: a model behind any OpenAI-compatible endpoint writes more samples; only what the grader verifies is kept.

    python -m course_utils.credit.teacher collect --base-url https://.../v1 --model NAME --key-variable NAME --out FILE
    python -m course_utils.credit.teacher serve --port 8000          (the course's own small model as such an endpoint)

`collect` needs the package `openai`. The key is taken from an environment variable and is neither printed nor written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from .. import runtime, statistics
from ..runtime import CourseError
from . import dataset
from .endpoint import Reply, ask_once, client, serve
from .grader import grade
from .policy import FOLDER
from .task import CreditTask, text_of

ASKED, WRITTEN = 3.0, 2.3  # characters a token where each digit is a token of its own; prose alone has 4 or more
HOUSE = ("You write worked answers for a credit course. Apply the policy below to the case, and nothing else. Show every "
         "calculation that the policy requires as `120 x 0.85 = 102`, each on one line or in one sentence; state for each of the "
         "four tests whether it is a breach, tight or a pass; use plain text without Markdown; end with the decision block as "
         "the last line. Vary your wording.\n\n")


# ---------------------------------------------------------------- what is kept
@dataclass(frozen=True)
class Verified:
    """The grader's view of one written sample. why: what speaks against it, empty where it is accepted."""

    why: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        """True where nothing speaks against it."""
        return not self.why


def verify(case: dict, answer: str) -> Verified:
    """Accepts an answer that the grader finds right in every respect, and that ends with its decision line.

    Every required calculation shown and right, no stated calculation wrong, decision right in all its parts, no contradiction.
    """
    found = grade(text_of(case), answer, reference=case if "reference_reasoning" in case else None)
    last = (answer.strip().splitlines() or [""])[-1]
    checks = {
        "no decision found": found.parsed,
        "wrong action": found.action_right or not found.parsed,
        "wrong rating": found.rating_right or not found.parsed,
        "wrong breaches": found.breaches_right or not found.parsed,
        "wrong obligor called weaker": found.weaker_right is not False or not found.parsed,
        "a stated calculation is wrong": all(one.ok for one in found.stated),
        "a required calculation is missing or wrong": found.arithmetic == 1.0,
        "contradicts itself": found.consistent is not False,
        "states nothing to check": found.consistent is not None or not found.parsed,
        "does not end with the decision line": bool(re.match(r"(WEAKER: [AB] \| )?DECISION: ", last)),
    }
    return Verified(tuple(why for why, good in checks.items() if not good))


# ---------------------------------------------------------------- what is asked, and its price
@cache
def _rules() -> str:
    page = (FOLDER / "policy.md").read_text(encoding="utf-8")
    return HOUSE + page[page.index("## What a case gives"):page.index("## Three ways to write")]


@cache
def _example(obligors: int) -> dict:
    return next(row for row in dataset.load("validation") if len(row["names"]) == obligors)


def messages(case: dict) -> list[dict]:
    """The request for one case: the policy page, one worked example, the case."""
    example = _example(len(case.get("names", "A")))
    return [{"role": "system", "content": _rules()}, {"role": "user", "content": example["text"]},
            {"role": "assistant", "content": example["reasoning"]}, {"role": "user", "content": text_of(case)}]


@dataclass(frozen=True)
class Estimate:
    """Tokens of one try for every case, and the cost if each is accepted at once (low) or all tries are used up (high)."""

    cases: int
    tokens_in: int
    tokens_out: int
    low: float
    high: float

    def __str__(self):
        low, high = (f"{cost:,.2f}" if cost >= 0.1 else f"{cost:.4f}" for cost in (self.low, self.high))
        return (f"{self.cases} cases, about {self.tokens_in:,} tokens in and {self.tokens_out:,} out for one try each; "
                f"{low} (all accepted at once) to {high} (all tries used) in the currency of the prices. Tokens are "
                f"estimated from characters, {ASKED:g} to a token of a request and {WRITTEN:g} to one of an answer.")


def estimate(cases: list[dict], price_in: float, price_out: float, tries: int = 4, ask: Callable = messages) -> Estimate:
    """What collecting would cost, before it starts. price_in, price_out: for a million tokens, in any currency.

    Tokens are counted approximately, from characters; an answer is taken to be as long as the reference.
    """
    counted = sum(len(m["content"]) for case in cases for m in ask(case)) / ASKED
    written = sum(len(case.get("reasoning") or case["reference_reasoning"]) for case in cases) / WRITTEN
    once = (counted * price_in + written * price_out) / 1e6
    return Estimate(len(cases), round(counted), round(written), once, once * tries)


# ---------------------------------------------------------------- the log of a run
FIELDS = ("case", "accepted", "why", "answer", "tokens_in", "tokens_out")


def _key(case: dict) -> str:
    return f"{case['id']}/{hashlib.sha256(text_of(case).encode()).hexdigest()[:12]}"


class Log:
    """Every attempt as one line of JSON, flushed at once; a line half-written when the run was killed is cut off."""

    def __init__(self, place: Path, model: str, temperature: float):
        self.place, self.lock, self.model = Path(place), threading.Lock(), model
        self.tried: dict[str, list[dict]] = defaultdict(list)
        about = {"model": model, "temperature": temperature}
        with runtime.clear_disk_errors(self.place):
            self.place.parent.mkdir(parents=True, exist_ok=True)
            if self.place.exists() and self._reread(about):
                return
            self._append({"about": about})

    def _reread(self, about: dict) -> bool:
        """Takes up an earlier run's lines; False for a file that holds no whole line."""
        raw = self.place.read_bytes()
        whole = raw[:raw.rfind(b"\n") + 1]
        if len(whole) < len(raw):
            with self.place.open("r+b") as file:
                file.truncate(len(whole))
        try:
            lines = [json.loads(line) for line in whole.decode().splitlines()]
            if lines and lines[0]["about"] != about:
                raise CourseError(f"{self.place} was collected with {lines[0]['about']}, not with {about}.",
                                  "choose another file.")
            for entry in lines[1:]:
                self.tried[entry["case"]].append({name: entry[name] for name in FIELDS})
        except (ValueError, KeyError, TypeError) as error:
            raise CourseError(f"{self.place} is not a log of samples ({error}).", "choose another file.") from error
        return bool(lines)

    def _append(self, entry: dict) -> None:
        with self.place.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def add(self, case: dict, reply: Reply) -> bool:
        """Verifies an answer and writes it down, kept or not. Returns whether it is kept."""
        found = verify(case, reply.text)
        entry = {"case": _key(case), "accepted": found.accepted, "why": list(found.why), "answer": reply.text,
                 "tokens_in": reply.tokens_in, "tokens_out": reply.tokens_out}
        with self.lock, runtime.clear_disk_errors(self.place):
            self._append(entry)
            self.tried[entry["case"]].append(entry)
        return found.accepted

    def of(self, case: dict) -> list[dict]:
        """The attempts at a case so far."""
        with self.lock:
            return list(self.tried.get(_key(case), ()))


@dataclass
class Collected:
    """What a run left. rows: the cases whose answer was kept, with that answer as `reasoning`. why: reasons of the rejections."""

    rows: list[dict]
    cases: int
    attempts: int
    why: Counter = field(default_factory=Counter)
    tokens_in: int = 0
    tokens_out: int = 0

    @property
    def acceptance(self) -> float:
        """Share of the attempts that were kept."""
        return len(self.rows) / self.attempts if self.attempts else 0.0

    def __str__(self):
        if not self.attempts:
            return "No attempts."
        low, high = statistics.accuracy_interval(len(self.rows), self.attempts)
        reasons = "; ".join(f"{why} {n}" for why, n in self.why.most_common()) or "none"
        return (f"{len(self.rows)} of {self.attempts} attempts accepted: {self.acceptance:.1%} ({low:.1%} to {high:.1%}); "
                f"{len(self.rows)} of {self.cases} cases have a sample; {self.tokens_in:,} tokens in, {self.tokens_out:,} out. "
                f"Reasons of rejection: {reasons}.")


def collected(cases: list[dict], log: Log) -> Collected:
    """The state of a run, read from its log."""
    mine = [(case, log.of(case)) for case in cases]
    entries = [entry for _, found in mine for entry in found]
    rows = [{k: v for k, v in case.items() if k != "calculator"}
            | {"reasoning": entry["answer"].strip(), "style": f"teacher {log.model}"}
            for case, found in mine for entry in found if entry["accepted"]]
    return Collected(rows, len(cases), len(entries), Counter(w for e in entries for w in e["why"]),
                     sum(e["tokens_in"] for e in entries), sum(e["tokens_out"] for e in entries))


def collect(cases: list[dict], client, model: str, out_path: Path, tries: int = 4, temperature: float = 0.8,
            max_tokens: int = 900, seed: int = 0, ask: Callable = messages, workers: int = 1,
            request: dict | None = None) -> Collected:
    """Asks for an answer to each case until one is verified or `tries` are used up; every attempt goes to `out_path` at once.

    A run that was cut off goes on where it was. ask(case): the chat messages. workers: requests at a time. request: further
    fields of the request; a field that is None is left out. Raises CourseError where the endpoint cannot be used.
    """
    log = Log(out_path, model, temperature)

    def one(case):
        done = log.of(case)
        attempt = len(done)
        kept = any(entry["accepted"] for entry in done)
        while not kept and attempt < tries:
            options = {"temperature": temperature, "max_tokens": max_tokens, "seed": seed + attempt} | (request or {})
            kept = log.add(case, ask_once(client, model, ask(case), {k: v for k, v in options.items() if v is not None}))
            attempt += 1

    with ThreadPoolExecutor(max(workers, 1)) as pool:
        waiting = [pool.submit(one, case) for case in cases]
        try:
            for job in waiting:
                job.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return collected(cases, log)


# ---------------------------------------------------------------- command line
def main() -> None:
    """Command line: `collect` and `serve`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    jobs = parser.add_subparsers(dest="job", required=True)
    server = jobs.add_parser("serve", help="the course's own small model as a local endpoint")
    server.add_argument("--port", type=int, default=8000, help="0 takes any free port")
    server.add_argument("--adapter", type=Path, default=None, help="a folder with a trained adapter")
    server.add_argument("--key-variable", default=None, help="ask for the key that this environment variable holds")
    server.add_argument("--limit", type=int, nargs=2, default=None, metavar=("REQUESTS", "SECONDS"), help="429 for more")
    job = jobs.add_parser("collect", help="ask an endpoint for samples and keep the verified ones")
    job.add_argument("--base-url", default=None)
    job.add_argument("--model", required=True)
    job.add_argument("--key-variable", default=None, help="the NAME of the environment variable that holds the key")
    job.add_argument("--split", default="train", choices=list(dataset.SPLITS))
    job.add_argument("--cases", type=int, default=100, help="how many, from the first on")
    job.add_argument("--out", type=Path, required=True)
    job.add_argument("--brief", action="store_true", help="ask as the course's own models are asked, without the policy page")
    job.add_argument("--price", type=float, nargs=2, default=(0.0, 0.0), metavar=("IN", "OUT"), help="for a million tokens")
    for name, value in (("tries", 4), ("max-tokens", 900), ("workers", 1)):
        job.add_argument(f"--{name}", type=int, default=value)
    job.add_argument("--temperature", type=float, default=0.8)
    given = parser.parse_args()
    try:
        if given.job == "serve":
            serve(given.port, given.adapter, given.key_variable, given.limit)
            os._exit(0)  # Ctrl-C: the libraries' own threads may still run, and a tidy exit would abort on them
        else:
            _collect(given)
    except CourseError as error:
        raise SystemExit(str(error)) from None


def _collect(given) -> None:
    cases, ask = dataset.load(given.split)[:given.cases], CreditTask().prompt if given.brief else messages
    print(estimate(cases, *given.price, tries=given.tries, ask=ask), flush=True)
    print(collect(cases, client(given.base_url, given.key_variable), given.model, given.out, given.tries, given.temperature,
                  given.max_tokens, ask=ask, workers=given.workers))


if __name__ == "__main__":
    main()
