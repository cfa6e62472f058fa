"""Look before you train. An audit of any data set of two columns, and a verdict: go, fix or stop.

`audit(rows)` reads rows with `text` and `target`; nothing is changed, dropped or executed. Each check gives a Finding with its
level: ok, note (read it), fix (repair it, then train) or stop (training on this would teach or measure the wrong thing).
`checks` holds the checks and their thresholds, which leave the course's own data at "go"; `report` makes one page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ..runtime import CourseError
from . import checks, personal
from .checks import LEVELS, Finding, is_labels
from .duplicates import near_pairs


@dataclass
class Audit:
    """What the audit found. lengths: tokens of text and target a row (estimated without a tokenizer)."""

    name: str
    rows: list[dict] = field(repr=False)
    findings: list[Finding]
    labels: Counter | None
    lengths: list[int] = field(repr=False)
    context: int
    likeness: list[float] = field(repr=False)
    personal: Counter = field(default_factory=Counter)
    licence: str = ""

    @property
    def verdict(self) -> str:
        """`stop`, `fix` or `go`: the worst finding decides; notes do not hold anybody up."""
        worst = max((LEVELS.index(f.level) for f in self.findings), default=0)
        return {2: "fix", 3: "stop"}.get(worst, "go")

    @property
    def reasons(self) -> list[Finding]:
        """The findings that made the verdict, worst first."""
        return sorted((f for f in self.findings if f.level in ("fix", "stop")), key=lambda f: -LEVELS.index(f.level))

    def finding(self, name: str) -> Finding:
        """The finding of one check. Raises KeyError."""
        return {f.check: f for f in self.findings}[name]

    def __str__(self):
        order = sorted(self.findings, key=lambda f: -LEVELS.index(f.level))
        return "\n".join([f"{self.name}: {len(self.rows):,} rows. Verdict: {self.verdict.upper()}", *map(str, order)])


def audit(rows: list[dict], name: str = "data", parts: list[str] | None = None, count_tokens: Callable[[str], int] | None = None,
          context: int = 512, licence: str = "", labels: bool | None = None) -> Audit:
    """Audits `rows` (dicts with `text` and `target`, both str).

    parts: the part of each row (`train`, `test` ...) to look for leakage. count_tokens: a tokenizer's count; without one,
    lengths are estimated. context: tokens a row may have. licence: who owns the texts and may train on them, in words.
    labels: whether targets are labels; default `is_labels`. Raises CourseError for no rows or rows of the wrong form.
    """
    texts, targets = _columns(rows)
    if parts is not None and len(parts) != len(rows):
        raise CourseError(f"{len(parts)} parts for {len(rows)} rows.", "name one part (such as train or test) for each row.")
    kinds = Counter(t for t in targets if t.strip()) if (is_labels(targets) if labels is None else labels) else None
    measure = count_tokens or (lambda text: round(checks.TOKENS_A_CHARACTER * len(text)) + 1)
    lengths = [measure(text) + measure(target) for text, target in zip(texts, targets, strict=True)]
    pairs, nearest, compared = near_pairs(texts, checks.SAMPLE)
    found, places = personal.count([f"{a}\n{b}" for a, b in zip(texts, targets, strict=True)])
    findings = [
        checks.size(texts), checks.empty(texts, targets), *checks.repeated(texts, targets),
        checks.near(pairs, len(texts), compared),
        *checks.balance(kinds, targets), checks.numbers(texts, targets, kinds), checks.given_away(texts, targets, kinds),
        checks.long(lengths, context, count_tokens is None), checks.leakage(texts, parts, pairs),
        checks.personal(found, places, len(texts)), *checks.formatting(texts, targets, kinds), checks.languages(texts),
        checks.licensed(licence)]
    return Audit(name, rows, [f for f in findings if f], kinds, lengths, context, nearest, found, licence)


def _columns(rows):
    if not rows:
        raise CourseError("There are no rows to audit.", "check the file and the names of its columns.")
    for place, row in enumerate(rows):
        for column in ("text", "target"):
            if not isinstance(row.get(column), str):
                raise CourseError(f"Row {place + 1} has no text in the column {column!r}.",
                                  "give each row a `text` and a `target`, both strings ('' where empty).")
    return [row["text"] for row in rows], [row["target"] for row in rows]
