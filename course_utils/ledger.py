"""Floor 5: the claims page: every claim of the course's sources, the cell that tests it, what was measured and the verdict.

    python -m course_utils.ledger        writes CLAIMS.md from data/course/claims.json and data/results/claims.json

The first file says which claims there are; the second, written by the notebooks, what came out. A claim without an outcome says
"not run yet". A text shows a verdict as <!--claim:Q4-->not run yet<!--/claim-->; `fill` fills it in.
"""

from __future__ import annotations

import json
import re
from collections import Counter

from . import notebooks, results, runtime
from .runtime import CourseError

TABLE = runtime.ROOT / "data" / "course" / "claims.json"
PAGE = runtime.ROOT / "CLAIMS.md"
MARK = re.compile(r"<!--claim:(?P<id>\w+)-->.*?<!--/claim-->", re.S)
NOT_RUN = "not run yet"
TITLES = {
    "01": "A language model from scratch", "02": "LoRA and 4 bits", "03": "One job: sentiment", "04": "Reasoning about credit",
    "05": "Prompt, retrieval, fine-tune or train", "06": "From adapter to product", "07": "Your own data",
}


def rows() -> list[dict]:
    """The claims: id, claim, source (numbers of the source files, or a name), notebook, cell (None until it is written)."""
    return json.loads(TABLE.read_text(encoding="utf-8"))["claims"]


def outcome(row: dict) -> dict:
    """A row with what was recorded: verdict, value, unit, device, date, why, cell. The verdict is "not run yet" without."""
    found = results.entries("claims").get(row["id"], {})
    verdict = found.get("verdict", "not run")
    cell = found.get("cell", "")
    return {**row, "verdict": NOT_RUN if verdict == "not run" else verdict, "value": found.get("value"),
            "unit": found.get("unit", ""), "device": found.get("device", ""), "date": found.get("date", ""),
            "why": found.get("why", ""), "recorded": bool(found), "cell": row["cell"] or cell or None,
            "stated": cell if cell.startswith("stated") else ""}


def verdict(key: str) -> str:
    """The verdict on one claim. Raises CourseError for an id that the ledger does not have."""
    found = {row["id"]: row for row in rows()}.get(key)
    if found is None:
        raise CourseError(f"The ledger has no claim {key!r}.", f"see the ids in {runtime.short(TABLE)}.")
    return outcome(found)["verdict"]


def fill(text: str) -> str:
    """The text with every marked verdict filled in."""
    return MARK.sub(lambda m: f"<!--claim:{m['id']}-->{verdict(m['id'])}<!--/claim-->", text)


# ---------------------------------------------------------------- checks
def problems() -> list[str]:
    """What is wrong with the ledger: doubled ids, outcomes of unknown claims, a verdict without a value or without its cell."""
    table, found = rows(), []
    count = Counter(row["id"] for row in table)
    found += [f"{key} stands {n} times in the table" for key, n in count.items() if n > 1]
    found += [f"{key} was recorded but is not in the table" for key in results.entries("claims") if key not in count]
    for row in table:
        found += [f"{row.get('id')} lacks {field}" for field in ("id", "claim", "source", "notebook") if not row.get(field)]
        found += _wrong_outcome(row)
    return found


def _wrong_outcome(row: dict) -> list[str]:
    case, owner = outcome(row), results.entries("claims").get(row["id"], {}).get("owner", row["notebook"])
    if _executed(row["notebook"]) and not case["recorded"]:
        return [f"{row['id']} belongs to notebook {row['notebook']}, which was executed but does not record it"]
    found = [] if owner == row["notebook"] else [f"{row['id']} was recorded by {owner}, not by {row['notebook']}"]
    if case["recorded"] and not has_cell(row["notebook"], case["cell"]):
        found.append(f"{row['id']}: notebook {row['notebook']} has no {case['cell']!r}")
    if case["verdict"] not in (NOT_RUN, "not testable here") and case["value"] is None:
        found.append(f"{row['id']} has the verdict {case['verdict']!r} but no measured value")
    return found


def _executed(number: str) -> bool:
    return number in notebooks.numbers() and notebooks.source(number).with_suffix(".ipynb").exists()


def has_cell(number: str, cell: str | None) -> bool:
    """Whether notebook `number` has that cell: "section 7", a tag, or a study's path."""
    if not cell:
        return False
    if cell.endswith(".py"):
        return (runtime.ROOT / cell).is_file()
    if number not in notebooks.numbers():
        return False
    source = notebooks.source(number).read_text(encoding="utf-8")
    section = re.fullmatch(r"section (\w+)", cell)
    return bool(re.search(rf"^# ## {section[1]} ·", source, re.M)) if section else cell in source


# ---------------------------------------------------------------- the page
def page() -> str:
    """CLAIMS.md as text."""
    cases = [outcome(row) for row in rows()]
    said = Counter(case["verdict"] for case in cases)
    order = [v for v in (*results.VERDICTS, NOT_RUN) if said[v]]
    tested = sum(said[v] for v in order if v != NOT_RUN)
    parts = [
        "<!-- Written by `python -m course_utils.ledger`; do not edit by hand. -->\n# The claims, tested\n",
        f"The course's five sources make {len(cases)} claims that can be checked. The course teaches them, so it tests them. "
        f"Of these {tested} have a verdict so far: {', '.join(f'{said[v]} {v}' for v in order if v != NOT_RUN)}. "
        f"{said[NOT_RUN]} are not run yet. No claim is left out.\n",
        "**How to read it.** *Measured* is this course's own figure, with the device and the date of the run; the cell that "
        "produced it is named. *Not decided* means that it was measured and the interval allows both answers. *Not run yet* "
        "means that nobody has measured it here; it is no verdict. The source numbers name the five texts, 000 to 004.\n",
    ]
    for number, title in TITLES.items():
        mine = [case for case in cases if case["notebook"] == number]
        parts.append(f"## {number} · {title}\n\n" + "\n".join([
            "| id | claim (source) | tested in | measured | device, date | verdict | why |", "|---|---|---|---|---|---|---|",
            *(_line(case) for case in mine)]) + "\n")
    return "\n".join(parts)


def _line(case: dict) -> str:
    sources = ", ".join(case["source"])
    where = f"{_link(case['notebook'])}, {case['cell']}" if case["cell"] else f"{case['notebook']}, cell not written yet"
    device = case["stated"] or f"{case['device']}, {case['date']}" if case["recorded"] and case["verdict"] != NOT_RUN else ""
    cells = (case["id"], f"{case['claim']} ({sources})", where, measured(case), device, f"**{case['verdict']}**", case["why"])
    return "| " + " | ".join(str(cell).replace("|", "/").replace("\n", " ") for cell in cells) + " |"


def _link(number: str) -> str:
    name = notebooks.source(number).stem if _executed(number) else None
    return f"[{number}](notebooks/{name}.ipynb)" if name else number


def measured(case: dict) -> str:
    """The measured value with its unit, three digits; empty when nothing was measured."""
    value = case["value"]
    if value is None or case["verdict"] == NOT_RUN:
        return ""
    if isinstance(value, float):
        value = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    unit = case["unit"]
    return f"{value} {unit}".strip() if unit in ("", "%", "times", "GB", "bits", "minutes") else f"{value} ({unit})"


def write() -> None:
    """Writes CLAIMS.md."""
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {runtime.short(PAGE)}")


if __name__ == "__main__":
    write()
