"""Sampling of cases: an obligor (or two), a scenario, and figures chosen so that the policy gives a wanted action.

Figures are drawn backwards: first the verdict of each test, then figures with that verdict. What lies near a border, needs
rounding, or no analyst would believe is thrown away.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, replace
from decimal import Decimal

from . import world
from .policy import ACTIONS, TESTS, Facts, Shock, four_tests, judge, number, rounded, stress

TYPE_SHARES = {"corporate": 0.5, "sovereign": 0.2, "structured": 0.3}
PAIR_SHARE = 0.12
TWO_PART_SHARE = 0.2  # of corporates: EBITDA as operating profit and depreciation
SIZES = {"corporate": (40, 240), "sovereign": (500, 2500), "structured": (100, 600)}  # base, millions
LIMITS = {  # (leverage limit, cover limit) that are met together in practice
    "corporate": ((2, 5), (2.5, 4), (3, 3.5), (3, 4), (3.5, 3), (3.5, 2.5), (4, 2.5), (4, 3), (4.5, 2.5), (5, 2), (5, 2.5)),
    "sovereign": ((60, 8), (60, 6), (70, 6), (70, 5), (80, 5), (80, 6), (90, 5), (90, 4), (100, 4)),
    "structured": ((60, 1.3), (60, 1.5), (65, 1.25), (65, 1.4), (70, 1.2), (70, 1.3), (75, 1.2), (75, 1.25), (80, 1.1),
                   (80, 1.2)),
}
EARNINGS = {"sovereign": (0.2, 0.38), "office property": (0.06, 0.12), "shopping centres": (0.07, 0.13),
            "auto loans": (0.12, 0.26), "consumer loans": (0.14, 0.3)}  # as a share of the base
CHARGE = {"corporate": (0.015, 0.15), "sovereign": (0.01, 0.12), "structured": (0.03, 0.4)}  # charge / debt that is believable
PD = {"corporate": (0.5, 1, 1.5, 2, 2.5, 3, 4, 5), "sovereign": (0.5, 1, 1.5, 2, 3, 4), "structured": (0.5, 1, 1.5, 2, 3, 4)}
LGD = {"corporate": (35, 40, 45, 50, 55, 60), "sovereign": (40, 45, 50, 55, 60, 65), "structured": (20, 25, 30, 35, 40, 45)}
PERCENT = {  # sizes of falls and rises, in percent
    "corporate": {"b": (5, 10, 15, 20, 25, 30), "d": (5, 10, 15, 20)},
    "sovereign": {"b": (2, 3, 4, 5, 6), "e": (5, 8, 10, 12, 15, 20), "d": (5, 8, 10, 12, 15, 20)},
    "structured": {"b": (5, 8, 10, 12, 15, 20, 25), "e": (5, 10, 15, 20, 25), "d": (4, 5, 8, 10)},
}
FACTORS = {"r": (1.5, 2, 2.5, 3), "m": (1.5, 2, 2.5, 3, 4)}
TOUCHES = {"b": "leverage", "d": "leverage", "limit": "leverage", "e": "cover", "r": "cover", "i": "cover", "u": "liquidity",
           "s": "liquidity", "m": "loss"}


@dataclass(frozen=True)
class Obligor:
    """Who borrows, and the figures."""

    name: str
    sector: str
    place: str
    facts: Facts


@dataclass(frozen=True)
class Case:
    """One case: one obligor or two (A, B), a scenario cluster and its shock. Amounts in millions of `currency`."""

    type: str
    cluster: str
    currency: str
    obligors: tuple[Obligor, ...]
    shock: Shock

    def judged(self):
        """(Decision, tests of each obligor) by the policy."""
        return judge(tuple(o.facts for o in self.obligors), self.shock)


# ---------------------------------------------------------------- the scenario
def draw_shock(rng: random.Random, kind: str, cluster: str, size: float, limits: tuple) -> Shock:
    """Two shocks, sometimes three, with sizes that fit an obligor of `size`."""
    core, more = world.EFFECTS[cluster][kind]
    chosen = [core, *rng.sample(more.split(), rng.choices((1, 2), (0.75, 0.25))[0])]
    earnings = size * {"corporate": 1, "sovereign": 0.28, "structured": 0.14}[kind]
    scale = {"i": earnings / limits[1] * rng.uniform(0.08, 0.22), "u": _sources(kind, size) * rng.uniform(0.1, 0.3),
             "s": _sources(kind, size) * rng.uniform(0.1, 0.3)}
    given = {}
    for name in chosen:
        if name in scale:
            given[name] = _neat(scale[name])
        elif name == "limit":
            given[name] = number(limits[0]) - number(rng.choice((0.25, 0.5) if kind == "corporate" else (5, 10)))
        else:
            given[name] = number(rng.choice(FACTORS.get(name) or PERCENT[kind][name]))
    return Shock(**given)


def _sources(kind: str, size: float) -> float:
    return size * {"corporate": 0.6, "sovereign": 0.12, "structured": 0.06}[kind]


def _neat(value: float) -> Decimal:
    """A figure with few digits near `value`."""
    step = next(s for top, s in ((6, 0.5), (60, 1), (400, 5), (2000, 10), (1e12, 50)) if value < top)
    return number(round(value / step) * step).normalize() + 0


# ---------------------------------------------------------------- wanted verdicts
def draw_verdicts(rng: random.Random, breaches: int, tight: int, hit: Shock, kind: str) -> dict[str, str]:
    """A verdict for each test, with the given counts; tests that the scenario touches break sooner."""
    touched = {TOUCHES[k] for k in hit.as_dict()} | ({"cover"} if kind == "corporate" and hit.b else set())
    order = sorted(TESTS, key=lambda t: rng.random() ** (1 / (6 if t in touched else 1)), reverse=True)
    kinds = ["breach"] * breaches + ["tight"] * tight
    return dict(zip(order, kinds + ["pass"] * (4 - len(kinds)), strict=True))


def draw_counts(rng: random.Random, action: str) -> tuple[int, int]:
    """(breaches, tight tests) that lead to the action."""
    breaches = {"watch-list": 1, "reduce exposure": 2, "decline": 3 if rng.random() < 0.8 else 4}.get(action, 0)
    if action == "approve":
        return 0, 0
    if action == "approve with conditions":
        return 0, rng.choices((1, 2, 3), (0.65, 0.28, 0.07))[0]
    return breaches, min(rng.choices((0, 1, 2), (0.6, 0.3, 0.1))[0], 4 - breaches)


def _ratio(rng: random.Random, verdict: str, effect: float) -> Decimal:
    """need / have; in a breach mostly one that the scenario (which lifts the ratio `effect` times) brought about."""
    low, high = {"pass": (0.55, 0.885), "tight": (0.91, 0.985)}.get(verdict, (1.02, 1.2))
    if verdict == "breach" and effect > 1.05:
        high = min(1.4, effect * 0.99)
    return Decimal(str(round(rng.uniform(low, high), 4)))


# ---------------------------------------------------------------- figures of one obligor
def draw_facts(rng, kind: str, sector: str, size: float, limits: tuple, hit: Shock, verdicts: dict, unit: int) -> Facts | None:
    """Figures whose tests come out as `verdicts`, or None where this draw does not work out."""
    limit, cover = map(number, limits)
    base = _grid(size * rng.uniform(0.75, 1.25), {"corporate": 10, "sovereign": 100, "structured": 10}[kind] * unit)
    low, high = EARNINGS.get(sector, (1, 1))
    earnings = base if kind == "corporate" else _neat(float(base) * rng.uniform(low, high))
    blank = Facts(kind, base, Decimal(0), limit, earnings, Decimal(0), cover, (Decimal(0),), *[Decimal(1)] * 5)
    after = stress(blank, hit)
    effect = float((1 + hit.d / 100) / (1 - hit.b / 100) * limit / after.L)
    debt = _neat(float(_ratio(rng, verdicts["leverage"], effect) * after.limit * after.B / (1 + hit.d / 100)))
    floating = _grid(float(debt) * rng.uniform(0.3, 0.8), 10 * unit) if hit.r else Decimal(0)
    effect = float(earnings / after.E) * (1.2 if hit.i or hit.r else 1)
    charge = float(_ratio(rng, verdicts["cover"], effect) * after.E / cover - floating * hit.r / 100 - hit.i)
    held, due = _draw_liquidity(rng, kind, size, hit, verdicts["liquidity"])
    if charge <= 0 or due <= 0 or min(held) <= 0:
        return None
    exposure = _draw_exposure(rng, kind, hit, verdicts["loss"], unit)
    found = replace(blank, D=debt, I=_neat(charge), S=held, U=_neat(due), F=floating, **exposure,
                    parts=_parts(rng, base, unit) if kind == "corporate" else ())
    return found if believable(found) and clear(found, hit, verdicts) else None


def _grid(value: float, step: int) -> Decimal:
    return Decimal(max(1, round(value / step)) * step)


def _parts(rng, base: Decimal, unit: int) -> tuple[Decimal, ...]:
    if rng.random() >= TWO_PART_SHARE:
        return ()
    depreciation = _grid(float(base) * rng.uniform(0.15, 0.4), 5 * unit if base > 100 else unit)
    return (base - depreciation, depreciation)


def _draw_liquidity(rng, kind, size, hit, verdict) -> tuple[tuple[Decimal, ...], float]:
    held = _neat(_sources(kind, size) * rng.uniform(0.7, 1.4))
    effect = float((held + hit.u) / max(held - hit.s, Decimal(1)))
    due = float(_ratio(rng, verdict, effect) * (held - hit.s) - hit.u)
    if kind != "corporate":
        return (held,), due
    cash = _neat(float(held) * rng.uniform(0.3, 0.7))
    return (cash, held - cash), due


def _draw_exposure(rng, kind, hit, verdict, unit) -> dict[str, Decimal]:
    pd, lgd = number(rng.choice(PD[kind])), number(rng.choice(LGD[kind]))
    ead = Decimal(rng.choice((40, 50, 60, 80, 100, 120, 150, 160, 200)) * unit)
    budget = pd * hit.m * lgd * ead / 10000 / _ratio(rng, verdict, float(hit.m))
    step = Decimal("0.1") if budget < 10 else Decimal("0.5")
    return {"PD": pd, "LGD": lgd, "EAD": ead, "K": max(rounded(budget / step, 0) * step, step).normalize() + 0}


def believable(f: Facts) -> bool:
    """What an analyst would not stumble over: the charge fits the debt, the lender's share is a share of it."""
    low, high = CHARGE[f.type]
    return (low <= f.I / f.D <= high and f.EAD <= f.D and f.F <= f.D and f.U <= f.D
            and (f.type != "sovereign" or f.sources < f.B / 3))


def clear(f: Facts, hit: Shock, verdicts: dict[str, str]) -> bool:
    """The wanted verdicts, away from every border by 1 % and by 0.1, with no sum that needs rounding."""
    after = stress(f, hit)
    sums = (f.B * (1 - hit.b / 100), f.E * (1 - hit.e / 100), f.D * (1 + hit.d / 100), f.F * hit.r / 100, after.limit * after.B,
            f.C * after.I)
    if any(x != rounded(x) for x in sums) or after.PD > 40:
        return False
    if sum(x != rounded(x, 0) for x in (after.B, after.limit * after.B, f.C * after.I, after.D)) > 1:
        return False  # short figures: most results are whole
    loss = after.PD * f.LGD * f.EAD / 10000
    if loss != rounded(loss, 2) or f.sources <= hit.s:
        return False
    return all(t.verdict == verdicts[t.name] and all(abs(t.need - border) >= max(t.have / 100, Decimal("0.1"))
               for border in (t.have, t.have * 9 / 10)) for t in four_tests(after))


# ---------------------------------------------------------------- whole cases
def draw(rng: random.Random, sector: str, cluster: str, action: str, pair: bool = False, pool: str = "train") -> Case:
    """A case with the wanted sector, cluster and action; names come from `pool`."""
    kind = world.TYPE_OF[sector]
    place, currency = world.place(rng, kind)
    unit = world.UNITS.get(currency, 1)
    while True:
        low, high = SIZES[kind]
        size, limits = low * (high / low) ** rng.random() * unit, rng.choice(LIMITS[kind])
        hit = draw_shock(rng, kind, cluster, size, limits)
        wanted = _pair_counts(rng, action) if pair else [draw_counts(rng, action)]
        found = [_try_facts(rng, kind, sector, size, limits, hit, counts, unit) for counts in wanted]
        if None in found or (pair and not _distinct(found, hit)):
            continue
        if pair:  # one row of a table holds both, so both are given alike
            found = [replace(f, parts=()) for f in found]
        places = [place, world.place(rng, kind, currency)[0]]
        obligors = tuple(Obligor(world.name(rng, sector, pool), sector, p, f) for p, f in zip(places, found, strict=False))
        case = Case(kind, cluster, currency, obligors, hit)
        names = [o.name.split()[0] for o in obligors]
        if len(set(names)) == len(names) and case.judged()[0].action == action:
            return case


def _try_facts(rng, kind, sector, size, limits, hit, counts, unit) -> Facts | None:
    for _ in range(8):
        found = draw_facts(rng, kind, sector, size, limits, hit, draw_verdicts(rng, *counts, hit, kind), unit)
        if found:
            return found
    return None


def _pair_counts(rng, action: str) -> list[tuple[int, int]]:
    """(breaches, tight) of A and B in either order: the weaker one leads to `action`; sometimes only test 4 tells them apart."""
    worst = draw_counts(rng, action)
    better = [c for c in itertools.product(range(4), range(3)) if c < worst and sum(c) <= 4]
    other = worst if not better or rng.random() < 0.2 else rng.choice(better)
    return rng.sample([worst, other], 2)


def _distinct(found: list[Facts], hit: Shock) -> bool:
    """Limits are shared; where only the loss ratio decides, the two ratios lie a tenth apart."""
    use = [t[3].need / t[3].have for t in (four_tests(stress(f, hit)) for f in found)]
    return not max(use) / min(use) < Decimal("1.1")


def sample(n: int, seed: int = 0, pool: str = "train", sectors: tuple[str, ...] | None = None,
           clusters: tuple[str, ...] | None = None, skew: dict[str, float] | None = None) -> list[Case]:
    """`n` cases, even over clusters and actions, in a random order.

    skew: {cluster: share} gives the named clusters that share of all cases; the others divide the rest evenly.
    """
    rng = random.Random(f"{seed}/{pool}/{n}")
    names = clusters or tuple(world.CLUSTERS)
    skew = skew or {}
    rest = (1 - sum(skew.values())) / max(1, len(set(names) - set(skew)))
    picks = [c for c in names for _ in range(round(n * skew.get(c, rest)))][:n]
    picks += rng.choices(names, k=n - len(picks))
    wanted = list(zip(picks, itertools.cycle(ACTIONS), strict=False))
    rng.shuffle(wanted)
    return [draw(rng, _sector(rng, sectors, cluster), cluster, action, rng.random() < PAIR_SHARE, pool)
            for cluster, action in wanted]


def _sector(rng: random.Random, sectors: tuple[str, ...] | None, cluster: str) -> str:
    fit = world.SUITED.get(cluster, tuple(world.TYPE_OF))
    fit = [s for s in fit if sectors is None or s in sectors]
    allowed = {kind: [s for s in names if s in fit] for kind, names in world.SECTORS.items()}
    allowed = {kind: names for kind, names in allowed.items() if names}
    kind = rng.choices(list(allowed), [TYPE_SHARES[k] for k in allowed])[0]
    return rng.choice(allowed[kind])
