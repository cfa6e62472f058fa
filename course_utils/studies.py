"""Floor 1: resumable studies. A study is a list of named units; a unit whose outcome is kept is not run again.

Outcomes are kept in runs/studies/NAME and, after `make publish`, in data/results/studies/NAME, so that a fresh clone goes on
where the course stopped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from . import results, runtime


def places(study: str) -> tuple[Path, Path]:
    """Where outcomes of a study are looked for: this machine's runs, then the published ones."""
    return runtime.runs_dir() / "studies" / study, results.PUBLISHED / "studies" / study


def outcome(study: str, name: str) -> dict | None:
    """The kept outcome of one unit, or None."""
    files = (place / f"{name}.json" for place in places(study))
    return next((json.loads(file.read_text(encoding="utf-8")) for file in files if file.exists()), None)


def outcomes(study: str, pattern: str) -> list[dict]:
    """The kept outcomes of all units whose name matches a glob pattern, by name."""
    found = {p.name: p for place in reversed(places(study)) for p in place.glob(f"{pattern}.json")}
    return [json.loads(found[name].read_text(encoding="utf-8")) for name in sorted(found)]


def unit(study: str, name: str, work: Callable[[], dict], say: Callable[[dict], str] = lambda _: "") -> dict:
    """One piece of work: its kept outcome, or `work()` now, kept with its seconds and device. say: a few words on it."""
    if kept := outcome(study, name):
        return kept
    start = time.time()
    made = work() | {"wall": time.time() - start, "device": runtime.machine().name}
    results.write_json(places(study)[0] / f"{name}.json", made)
    print(f"{name}: {say(made)} ({made['wall']:.0f} s)", flush=True)
    return made
