"""What blind ratings say: means by system and criterion, preference, agreement between raters. Files: see `ratings`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from ..statistics import accuracy_interval
from .ratings import MARKS, Pair, code_of, folder_of, read
from .task import RUBRIC

NOT_RUN = "ratings by people: not run"
FEWEST = 5  # cases below which no interval is given
MARK_COLUMNS, VOTE_COLUMNS = ["rater", "pair", "system", "criterion", "mark"], ["rater", "pair", "system", "score"]


# ---------------------------------------------------------------- from files to marks of systems
@dataclass(frozen=True)
class Ratings:
    """Unblinded ratings. marks: one row for each mark given; votes: one for each preference and system, score 1, 0.5 or 0.

    strangers: rows for other answers or another seed. dropped, replaced: see `ratings.Read`; added up over files.
    """

    marks: pd.DataFrame
    votes: pd.DataFrame
    strangers: int = 0
    dropped: int = 0
    replaced: int = 0


def collect(pairs: list[Pair], folder: Path | None = None, seed: int = 0) -> Ratings:
    """Reads the files of all raters and resolves their codes; of two rows by one rater for one pair the later counts."""
    rows, dropped, replaced = {}, 0, 0
    for place in sorted(folder_of(folder).glob("ratings-*.csv")):
        found = read(place)
        dropped, replaced = dropped + found.dropped, replaced + found.replaced
        for code, row in found.rows.items():
            replaced += code in rows
            if code not in rows or row["saved"] >= rows[code]["saved"]:
                rows[code] = row
    keys = {rater: _key(pairs, rater, seed) for rater in {row["rater"] for row in rows.values()}}
    mine = [(row, *keys[row["rater"]][code]) for code, row in rows.items() if code in keys[row["rater"]]]
    marks, votes = [], []
    for row, pair, order in mine:
        who = (row["rater"], pair)
        marks += [(*who, order[int(column[-1]) - 1], column[:-2], row[column]) for column in MARKS if row[column] is not None]
        if row["preferred"] is not None:
            score = {"1": 1.0, "equal": 0.5, "2": 0.0}[row["preferred"]]
            votes += [(*who, order[0], score), (*who, order[1], 1 - score)]
    return Ratings(pd.DataFrame(marks, columns=MARK_COLUMNS), pd.DataFrame(votes, columns=VOTE_COLUMNS),
                   len(rows) - len(mine), dropped, replaced)


def _key(pairs: list[Pair], rater: str, seed: int) -> dict[str, tuple[str, tuple[str, str]]]:
    """code -> (pair, systems in the order shown), for both orders of every pair."""
    out = {}
    for pair in pairs:
        systems = tuple(system for system, _ in pair.answers)
        out[code_of(pair, False, rater, seed)] = (pair.id, systems)
        out[code_of(pair, True, rater, seed)] = (pair.id, systems[::-1])
    return out


# ---------------------------------------------------------------- statistics
def alpha(table) -> float | None:
    """Krippendorff's alpha for ordinal marks: 1 is full agreement, 0 what chance gives. None where it is not defined.

    table: (raters, units), nan where a rater did not mark a unit. Source: Krippendorff, Computing Krippendorff's
    Alpha-Reliability (2011); conclusions are commonly drawn from 0.80 on, with care from 0.67 on.
    """
    table = np.asarray(table, float)
    levels = np.unique(table[~np.isnan(table)])
    counts = (table[:, :, None] == levels).sum(axis=0)  # (units, levels)
    counts = counts[counts.sum(axis=1) > 1]
    pairs = (counts[:, :, None] * counts[:, None, :] - np.eye(len(levels)) * counts[:, :, None])
    observed = (pairs / (counts.sum(axis=1) - 1)[:, None, None]).sum(axis=0)
    n = observed.sum(axis=1)
    total, upto = n.sum(), np.cumsum(n)
    middle = upto - n / 2  # the sum of n over the levels between two, half of each end counted, is a difference of these
    distance = (middle[:, None] - middle[None, :]) ** 2
    expected = (np.outer(n, n) * distance).sum() / (total - 1) if total > 1 else 0
    return float(1 - (observed * distance).sum() / expected) if expected else None


def crossed_bootstrap(values, cases, raters, resamples: int = 2000, seed: int = 0) -> tuple[float, float] | None:
    """95 % interval of a mean over marks that share cases and raters: both are drawn anew, with replacement.

    The pigeonhole bootstrap (Owen, Annals of Applied Statistics, 2007). None for fewer than `FEWEST` cases or equal values.
    """
    values = np.asarray(values, float)
    case, rater = (np.unique(np.asarray(names, str), return_inverse=True)[1] for names in (cases, raters))
    if not len(values) or case.max() + 1 < FEWEST or np.ptp(values) == 0:
        return None
    draw = np.random.default_rng(seed)
    weights = np.ones((resamples, len(values)))
    for index in (case, rater):
        size = index.max() + 1
        weights = weights * draw.multinomial(size, [1 / size] * size, resamples)[:, index]
    weights = weights[weights.sum(axis=1) > 0]
    low, high = np.quantile(weights @ values / weights.sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def _mean(part: pd.DataFrame, column: str) -> dict:
    """Mean and interval. All votes on one side have no spread: then Wilson's interval over the cases, voted on as one each."""
    value = float(part[column].mean())
    low, high = crossed_bootstrap(part[column], part["pair"], part["rater"]) or (None, None)
    cases = part["pair"].nunique()
    if low is None and column == "score" and value in (0.0, 1.0) and cases >= FEWEST:
        low, high = accuracy_interval(int(value * cases), cases)
    return {"value": value, "low": low, "high": high, "n": len(part), "cases": cases, "raters": part["rater"].nunique()}


# ---------------------------------------------------------------- the summary
@dataclass(frozen=True)
class Summary:
    """means: by system and criterion; preference: share of preferences by system, a tie counted half; agreement: by criterion.

    means and preference have value, low, high (95 %, nan where too few), n, cases, raters; agreement has alpha (nan where not
    defined), n (answers marked by two raters or more) and raters. status: one sentence, `NOT_RUN` without any rating.
    """

    status: str
    means: pd.DataFrame = field(default_factory=pd.DataFrame)
    preference: pd.DataFrame = field(default_factory=pd.DataFrame)
    agreement: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __str__(self):
        tables = {"Means, 1 to 5": self.means, "Preferred": self.preference, "Agreement between raters": self.agreement}
        shown = [f"{title}\n{table.to_string(float_format='{:.2f}'.format, na_rep='-')}"
                 for title, table in tables.items() if len(table)]
        return "\n\n".join([self.status, *shown])


def summary(pairs: list[Pair], folder: Path | None = None, seed: int = 0) -> Summary:
    """What the raters' files in `folder` say of the systems in `pairs`. seed: the one that the tool was opened with."""
    found = collect(pairs, folder, seed)
    left_out = [f"{count} {what}" for count, what in (
        (found.dropped, "damaged rows"), (found.strangers, "rows for other answers or another seed"),
        (found.replaced, "rows that the same rater gave again")) if count]
    note = f" Left out: {', '.join(left_out)}." if left_out else ""
    if not len(found.marks) and not len(found.votes):
        return Summary(NOT_RUN + ("." + note if note else ""))
    people = set(found.marks["rater"]) | set(found.votes["rater"])
    cases = set(found.marks["pair"]) | set(found.votes["pair"])
    means = [{"system": system, "criterion": criterion, **_mean(part, "mark")}
             for (system, criterion), part in found.marks.groupby(["system", "criterion"])]
    votes = [{"system": system, **_mean(part, "score")} for system, part in found.votes.groupby("system")]
    agreement = [_agreement(criterion, found.marks[found.marks["criterion"] == criterion], "mark") for criterion in RUBRIC]
    first = found.votes["system"].min() if len(found.votes) else ""  # the other system's votes mirror these
    agreement.append(_agreement("preferred", found.votes[found.votes["system"] == first], "score"))
    return Summary(f"Ratings by {len(people)} raters of {len(cases)} pairs." + note,
                   _table(means, ["system", "criterion"]), _table(votes, ["system"]), _table(agreement, ["criterion"]))


def _agreement(criterion: str, part: pd.DataFrame, column: str) -> dict:
    table = part.pivot(index="rater", columns=["pair", "system"], values=column)
    both = int((table.notna().sum(axis=0) > 1).sum())
    value = alpha(table.to_numpy()) if both else None
    return {"criterion": criterion, "alpha": value, "n": both, "raters": part["rater"].nunique()}


def _table(rows: list[dict], index: list[str]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    numbers = {name: float for name in ("value", "low", "high", "alpha") if name in table}  # None becomes nan
    return table.astype(numbers).set_index(index) if rows else table
