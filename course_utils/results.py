"""Floor 1: every number is earned. Record a measured value, publish it, read it, and fill it into texts.

A run writes to runs/results/SCALE/NN.json. `make publish` alone copies laptop and GPU runs to data/results/NN.json.
A text marks a number as <!--r:03.phrasebank_accuracy-->0.94<!--/r-->; `render` fills in all marks.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
from pathlib import Path

from . import runtime

PUBLISHED = runtime.ROOT / "data" / "results"
MARK = re.compile(r"<!--r:(?P<key>[\w.@-]+)(?:\|(?P<form>[^>]*?))?-->(?P<text>.*?)<!--/r-->", re.S)
FIELDS = ("value", "unit", "n", "low", "high", "method", "seeds", "split", "device", "scale", "date", "code", "versions")


def code_hash(text: str) -> str:
    """The fingerprint of the code that produced a number: the first 12 hex digits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _store(notebook: str, scale: str) -> Path:
    return runtime.runs_dir() / "results" / scale / f"{notebook}.json"


def write_json(path: Path, content) -> None:
    """Writes JSON so that a reader sees the old file or the new one, never half of one."""
    with runtime.clear_disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(f".{os.getpid()}.half")
        half.write_text(json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
        os.replace(half, path)


def record(name: str, value, unit: str = "", n: int | None = None, low=None, high=None, method: str = "",
           seeds=(0,), split: str = "", notebook: str | None = None, code: str | None = None, **more) -> dict:
    """Records one measured value of this run and returns its entry.

    value: a number, a text or a JSON series. low, high: its interval, by `method`. split: the rows it was measured on.
    notebook and code default to the notebook being run (COURSE_NOTEBOOK, COURSE_CODE). A variant for another model or
    device takes a name like "phrasebank_accuracy@gemma-3-1b-it".
    """
    notebook = notebook or os.environ.get("COURSE_NOTEBOOK", "")
    if not notebook:
        raise ValueError("record() needs to know the notebook: call runtime.set_up first, or pass notebook=")
    entry = {
        "value": value, "unit": unit, "n": n, "low": low, "high": high, "method": method, "seeds": list(seeds),
        "split": split, "device": runtime.machine().name, "scale": runtime.scale(),
        "date": datetime.date.today().isoformat(), "code": code or os.environ.get("COURSE_CODE", "interactive"),
        "versions": runtime.versions(), **more,
    }
    path = _store(notebook, entry["scale"])
    entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    entries[name] = entry
    write_json(path, entries)
    return entry


def publish(notebook: str) -> list[str]:
    """Promotes this machine's laptop and GPU results of one notebook to data/results. Returns the names promoted.

    Quick runs are never promoted, nor are values recorded interactively (their code is unknown).
    """
    target = PUBLISHED / f"{notebook}.json"
    entries = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    names = []
    for scale in ("laptop", "colab"):
        path = _store(notebook, scale)
        fresh = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        for name, entry in fresh.items():
            if entry["code"] != "interactive":
                entries[name] = entry
                names.append(name)
    if names:
        write_json(target, entries)
    for unit in (runtime.runs_dir() / "studies").rglob("*.json"):  # a study's outcomes, row by row
        place = PUBLISHED / unit.relative_to(runtime.runs_dir())
        write_json(place, json.loads(unit.read_text(encoding="utf-8")))
    return names


def entries(notebook: str) -> dict[str, dict]:
    """All published entries of one notebook; empty before its first publication."""
    path = PUBLISHED / f"{notebook}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def read(key: str) -> dict:
    """One published entry by its key, such as "03.phrasebank_accuracy". Raises CourseError if it was never recorded."""
    notebook, _, name = key.partition(".")
    found = entries(notebook).get(name)
    if found is None:
        raise runtime.CourseError(f"No recorded result {key!r}.", f"run notebook or study {notebook}, then `make publish`.")
    return found


def yours(name: str, notebook: str | None = None) -> dict | None:
    """The learner's own entry from the present run, or None if this run has not produced it."""
    path = _store(notebook or os.environ.get("COURSE_NOTEBOOK", ""), runtime.scale())
    return (json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}).get(name)


def shown(entry: dict, form: str = "") -> str:
    """An entry's value as text. form: a Python format such as ".2f", ".0%"; "low"/"high"/"device"/"date" pick a field."""
    if form in ("device", "date", "n", "unit", "scale"):
        return str(entry[form])
    field, _, form = form.partition(":") if form.startswith(("low:", "high:", "sd:")) else ("value", "", form)
    value = entry[field]
    if isinstance(value, float):
        return format(value, form or (".2f" if abs(value) >= 0.005 or value == 0 else ".0e"))
    return format(value, form) if form else str(value)


def render(text: str) -> str:
    """Fills every marked number of a text from the published results."""
    def fill(match):
        key, form = match["key"], match["form"] or ""
        head = f"<!--r:{key}" + (f"|{form}" if form else "") + "-->"
        return f"{head}{shown(read(key), form)}<!--/r-->"

    return MARK.sub(fill, text)


def recorded_beside_yours(*names: str, notebook: str | None = None):
    """A table for the end of a notebook: each figure as recorded (with device and date) beside this run's own."""
    import pandas as pd

    notebook = notebook or os.environ.get("COURSE_NOTEBOOK", "")
    rows = []
    for name in names:
        old, new = entries(notebook).get(name), yours(name, notebook)
        source = f"{old['device']}, {old['scale']}, {old['date']}" if old else "not run"
        rows.append({"figure": name, "recorded": shown(old) if old else "not run", "recorded on": source,
                     "yours": shown(new) if new else "-", "yours at": runtime.scale() if new else "-"})
    return pd.DataFrame(rows).set_index("figure")


# ---------------------------------------------------------------- claims
VERDICTS = ("holds", "holds with a condition", "wrong", "not decided", "not testable here", "not run")


def claim(key: str, statement: str, value, verdict: str, cell: str, unit: str = "", why: str = "", **more) -> dict:
    """Records the outcome of testing one claim of the ledger. cell: the tag or heading that tests it."""
    if verdict not in VERDICTS:
        raise ValueError(f"verdict {verdict!r} is none of {VERDICTS}")
    owner = os.environ.get("COURSE_NOTEBOOK", more.pop("owner", ""))
    return record(key, value, unit, notebook="claims", claim=statement, verdict=verdict, cell=cell, owner=owner,
                  why=why, **more)


def claims_table(owner: str):
    """The claims a notebook owns, as published: claim, value, verdict and why."""
    import pandas as pd

    rows = [{"id": key, "claim": e["claim"], "measured": shown(e), "verdict": e["verdict"], "why": e["why"]}
            for key, e in entries("claims").items() if e["owner"] == owner]
    columns = ["id", "claim", "measured", "verdict", "why"]
    return pd.DataFrame(rows, columns=columns).set_index("id")
