"""What an extraction is worth: precision, recall and F1 by field, exact match, share of valid JSON, with intervals.

A field is right or wrong as a whole: a material with one percentage wrong is wrong. Nulls earn nothing: a field that the text
does not settle and the system leaves empty is neither a hit nor a miss.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from . import extraction
from .extraction import CARE, FIELDS, SIDES


# ---------------------------------------------------------------- comparing
def normal(name: str, value):
    """A value in the form in which two are compared; None for null, for an empty value and for one of the wrong kind."""
    if name == "material" and isinstance(value, dict):
        return frozenset((_words(k), _number(v)) for k, v in value.items()) or None
    if name == "care" and isinstance(value, list):
        return frozenset(_words(v) for v in value) & frozenset(CARE) or None
    if name == "price" and isinstance(value, dict):
        amount = _number(value.get("amount"))
        return None if amount is None else (amount, _words(value.get("currency")))
    if name == "dimensions" and isinstance(value, dict):
        return frozenset((side, _number(value[side], 1)) for side in SIDES if _number(value.get(side)) is not None) or None
    return _words(value) or None if name in ("sku", "grade", "origin", "colour") else None


def _words(value) -> str:
    return " ".join(str(value).casefold().split()) if isinstance(value, str | int | float) else ""


def _number(value, places: int = 2) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
    return round(float(value), places) if good else None


@dataclass
class Extraction:
    """One system's answers on fixed rows. answers: texts as a model wrote them, or dicts of a system that writes no JSON."""

    system: str
    rows: list[dict]
    answers: list[str | dict]
    seconds: float = 0.0
    found: list[dict] = field(init=False, repr=False)

    def __post_init__(self):
        if len(self.rows) != len(self.answers) or not self.rows:
            raise ValueError(f"{len(self.answers)} answers to {len(self.rows)} rows")
        self.found = [a if isinstance(a, dict) else extraction.parse(a) or {} for a in self.answers]

    @property
    def n(self) -> int:
        """Rows scored."""
        return len(self.rows)

    @cached_property
    def counts(self) -> np.ndarray:
        """(n, 8, 3) for each row and field: right, given and wanted, each 0 or 1."""
        table = np.zeros((self.n, len(FIELDS), 3), int)
        for i, (row, found) in enumerate(zip(self.rows, self.found, strict=True)):
            for j, name in enumerate(FIELDS):
                gold, given = normal(name, row["gold"][name]), normal(name, found.get(name))
                filled = found.get(name) not in (None, [], {}, "")  # a value of the wrong kind was given, and is wrong
                table[i, j] = (gold is not None and given == gold, filled, gold is not None)
        return table

    @property
    def f1(self) -> float:
        """F1 over all fields of all rows together (micro-average): the headline."""
        return float(_f1(self.counts.sum((0, 1))))

    @property
    def exact(self) -> np.ndarray:
        """(n,) 1 where every field agrees with the gold, nulls included."""
        right, given, wanted = np.moveaxis(self.counts, 2, 0)
        return ((right == wanted) & (given == wanted)).all(1).astype(float)

    @property
    def valid(self) -> np.ndarray | None:
        """(n,) 1 where the whole answer is JSON that satisfies the schema; None for a system that writes no JSON."""
        texts = [a for a in self.answers if isinstance(a, str)]
        return np.array([float(extraction.is_valid(a)) for a in texts]) if len(texts) == self.n else None

    def by_field(self):
        """A table: precision, recall, F1 and how often the gold has the field."""
        import pandas as pd

        right, given, wanted = self.counts.sum(0).T
        return pd.DataFrame({"precision": right / np.maximum(given, 1), "recall": right / np.maximum(wanted, 1),
                             "F1": _f1(self.counts.sum(0)), "in the gold": wanted}, index=list(FIELDS)).round(3)

    def side_by_side(self, place: int = 0):
        """One text's fields as a table: what the gold has, what was found, and whether that is right."""
        import pandas as pd

        gold, found = self.rows[place]["gold"], self.found[place]
        marks = {(0, 0, 0): "right", (1, 1, 1): "right", (0, 0, 1): "left out"}  # right, given, wanted
        lines = [{"field": name, "in the text": gold[name], "found": found.get(name), "": marks.get(tuple(counted), "wrong")}
                 for name, counted in zip(FIELDS, self.counts[place].tolist(), strict=True)]
        return pd.DataFrame(lines).set_index("field")

    def interval(self, resamples: int = 2000, level: float = 0.95, seed: int = 0) -> tuple[float, float]:
        """Bootstrap interval of F1, drawing whole suppliers: texts of one supplier resemble each other."""
        draws = _resampled(self, resamples, seed)
        low, high = np.quantile(_f1(draws), [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)


def _f1(counts: np.ndarray) -> np.ndarray:
    right, given, wanted = np.moveaxis(np.asarray(counts, float), -1, 0)
    return 2 * right / np.maximum(given + wanted, 1)


def _resampled(one: Extraction, resamples: int, seed: int) -> np.ndarray:
    suppliers = sorted({row["supplier"] for row in one.rows})
    place = {name: k for k, name in enumerate(suppliers)}
    sums = np.zeros((len(suppliers), 3))
    np.add.at(sums, [place[row["supplier"]] for row in one.rows], one.counts.sum(1))
    picks = np.random.default_rng(seed).integers(0, len(suppliers), (resamples, len(suppliers)))
    return sums[picks].sum(1)


def gain(a: Extraction, b: Extraction, resamples: int = 2000, seed: int = 0) -> dict[str, float]:
    """F1 of `a` minus F1 of `b` on the same rows, with the interval of a paired bootstrap over suppliers."""
    if [row["id"] for row in a.rows] != [row["id"] for row in b.rows]:
        raise ValueError("the systems were scored on different rows")
    gaps = _f1(_resampled(a, resamples, seed)) - _f1(_resampled(b, resamples, seed))
    low, high = np.quantile(gaps, [0.025, 0.975])
    return {"value": a.f1 - b.f1, "low": float(low), "high": float(high)}


def comparison(systems: list[Extraction]):
    """One table of systems on the same rows: field F1 with interval, exact match, valid JSON and seconds a text."""
    import pandas as pd

    if len({tuple(row["id"] for row in s.rows) for s in systems}) != 1:
        raise ValueError("the systems were scored on different rows")
    lines = []
    for s in systems:
        low, high = s.interval()
        lines.append({"system": s.system, "field F1": round(s.f1, 3), "95 % interval": f"{low:.2f} to {high:.2f}",
                      "all eight right": f"{s.exact.mean():.0%}",
                      "valid JSON": "-" if s.valid is None else f"{s.valid.mean():.0%}",
                      "seconds a text": round(s.seconds / s.n, 2)})
    return pd.DataFrame(lines).set_index("system")
