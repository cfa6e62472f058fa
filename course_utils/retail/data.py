"""The course's own retail texts, and their fixed splits: no supplier, product or text is on both sides of one.

Splits depend on the texts alone (SHA-256), never on the order of a file or on a random number.
"""

from __future__ import annotations

import hashlib
import json
from itertools import groupby
from pathlib import Path

from .. import runtime
from ..runtime import CourseError

FOLDER = runtime.ROOT / "data" / "retail"
HOUSES = {"voice_1": "Maison Ardevaux", "voice_2": "Solenne & Figlie"}
UNSEEN = "products_3"  # suppliers Q to Z: none of their texts is trained on
FIELDS = {"products": ("id", "supplier", "kind", "language", "text", "gold"), "voice": ("id", "house", "facts", "plain", "text"),
          "customers": ("id", "channel", "text", "theme"), "copilot": ("id", "question", "table", "rule", "lines", "answer")}


RESTORE = "restore the file from the repository."


def rows(name: str, folder: Path = FOLDER) -> list[dict]:
    """The rows of one file, such as `customers`. Raises CourseError, naming file and line, for what is missing or damaged."""
    place = Path(folder) / f"{name}.jsonl"
    needed = FIELDS[name.split("_")[0]]
    try:
        lines = place.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise CourseError(f"{place} cannot be read ({type(error).__name__}).", RESTORE) from error
    found = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            missing = [field for field in needed if field not in row]
        except (ValueError, TypeError):
            raise CourseError(f"{place.name}, line {number}, is no JSON object.", RESTORE) from None
        if missing:
            raise CourseError(f"{place.name}, line {number}, lacks {', '.join(missing)}.", RESTORE)
        found.append(row)
    return found


def _order(items: list[dict], text: str = "text") -> list[dict]:
    return sorted(items, key=lambda row: hashlib.sha256(row[text].encode()).hexdigest())


# ---------------------------------------------------------------- products
def products() -> dict[str, list[dict]]:
    """Product texts in four parts: train, validation, test_products and test_suppliers.

    test_suppliers: every text of the 20 suppliers Q to Z. test_products: one product of each other supplier, whose further
    products are trained on. validation: a second product of every other supplier, to choose settings on.
    """
    parts: dict[str, list[dict]] = {"train": [], "validation": [], "test_products": [], "test_suppliers": _order(rows(UNSEEN))}
    known = sorted(rows("products_1") + rows("products_2"), key=lambda row: row["supplier"])
    for place, (_, group) in enumerate(groupby(known, key=lambda row: row["supplier"])):
        first, second, *rest = _order(list(group))
        parts["test_products"].append(first)
        parts["train" if place % 2 else "validation"].append(second)
        parts["train"] += rest
    return parts | {"train": _order(parts["train"])}


# ---------------------------------------------------------------- voices
def voices() -> dict[str, dict[str, list[dict]]]:
    """House -> parts: train (100 texts, the adapter's), classifier (35) and test (30 products, never seen by either).

    A row: id, house, facts, plain, text. No product name is in two parts of a house.
    """
    found = {}
    for name, house in HOUSES.items():
        groups: dict[str, list[dict]] = {}
        for row in _order(rows(name), "plain"):
            groups.setdefault(row["facts"]["product"].lower(), []).append(row)
        order = [row for group in groups.values() for row in group]
        found[house] = {"test": order[:30], "classifier": order[30:65], "train": order[65:]}
    return found


# ---------------------------------------------------------------- customers and co-pilot
def customers() -> dict[str, list[dict]]:
    """Messages with their theme under `label`: train (20 a theme), validation (3) and test (10)."""
    parts: dict[str, list[dict]] = {"train": [], "validation": [], "test": []}
    order = sorted(_order(rows("customers")), key=lambda row: row["theme"])
    for theme, group in groupby(order, key=lambda row: row["theme"]):
        messages = [{**row, "label": theme} for row in group]
        parts["test"] += messages[:10]
        parts["validation"] += messages[10:13]
        parts["train"] += messages[13:]
    return {name: _order(part) for name, part in parts.items()}


def copilot() -> dict[str, list[dict]]:
    """The 40 risk questions: two `shots` to show as examples, the rest `test`."""
    order = rows("copilot")
    shots = [row for row in order if row["kind"] in ("sell-through", "exposure")][:2]
    return {"shots": shots, "test": [row for row in order if row not in shots]}
