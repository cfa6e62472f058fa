"""The credit policy as pure functions: what a scenario does to an obligor, four tests, one action. See data/credit/policy.md.

Amounts are millions of one currency, percentages are written as such (15 means 15 %). All sums are decimal, never binary
floats, so that rounding half away from zero means what a student does on paper.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from decimal import ROUND_HALF_UP, Decimal

from ..runtime import ROOT, CourseError

TYPES = ("corporate", "sovereign", "structured")
TESTS = ("leverage", "cover", "liquidity", "loss")
VERDICTS = ("pass", "tight", "breach")
ACTIONS = ("approve", "approve with conditions", "watch-list", "reduce exposure", "decline")
RATINGS = ("affirm", "one notch down", "two notches down")
FOLDER = ROOT / "data" / "credit"


# ---------------------------------------------------------------- numbers
def number(value) -> Decimal:
    """A decimal as it is written: 0.1 is one tenth. Raises CourseError for anything that is no number."""
    try:
        found = value if isinstance(value, Decimal) else Decimal(str(value))
    except ArithmeticError as error:
        raise CourseError(f"{value!r} is not a number.", "write it in digits, such as 37.5.") from error
    if not found.is_finite():
        raise CourseError(f"{value!r} is not a finite number.", "write it in digits, such as 37.5.")
    return found


def rounded(value: Decimal, places: int = 1) -> Decimal:
    """Half away from zero, to `places` decimals (amounts 1; expected loss and PD 2)."""
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def written(value) -> str:
    """As a text writes it: `102`, `37.5`, `1.35`; no trailing zeros, no exponent, no minus zero."""
    text = f"{number(value):f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def plain(value: Decimal) -> int | float:
    """The number as JSON holds it: an integer where it is one."""
    return int(value) if value == value.to_integral_value() else float(value)


# ---------------------------------------------------------------- facts and shocks
@dataclass(frozen=True)
class Facts:
    """An obligor's figures and limits, in the symbols of the policy page. Amounts in millions; PD, LGD in percent.

    L: a multiple for a corporate, else a percentage. S: the sources, one figure or two (cash, line). parts: operating profit
    and depreciation where EBITDA is given in two parts. F: the debt on which a rise in rates is paid.
    """

    type: str
    B: Decimal
    D: Decimal
    L: Decimal
    E: Decimal
    I: Decimal  # noqa: E741 (the policy's symbol for the charge)
    C: Decimal
    S: tuple[Decimal, ...]
    U: Decimal
    PD: Decimal
    LGD: Decimal
    EAD: Decimal
    K: Decimal
    F: Decimal = Decimal(0)
    parts: tuple[Decimal, ...] = ()

    @property
    def limit(self) -> Decimal:
        """The leverage limit as a factor of the base: 3.5 for 3.5x, 0.8 for 80 %."""
        return self.L if self.type == "corporate" else self.L / 100

    @property
    def sources(self) -> Decimal:
        """All sources together."""
        return sum(self.S, Decimal(0))

    def as_dict(self) -> dict:
        """Numbers for JSON; leaves out F and parts where the case has none."""
        row = {f.name: getattr(self, f.name) for f in fields(self)}
        row = {k: [plain(x) for x in v] if isinstance(v, tuple) else v if k == "type" else plain(v) for k, v in row.items()}
        return {k: v for k, v in row.items() if v or k not in ("F", "parts")}


def facts(**given) -> Facts:
    """Facts from plain numbers. For a corporate `E` may be left out. Raises CourseError naming the field at fault."""
    kind = given.get("type")
    if kind not in TYPES:
        raise CourseError(f"The obligor's type is {kind!r}.", f"choose one of {', '.join(TYPES)}.")
    if "B" not in given and len(given.get("parts", ())) == 2:
        given["B"] = sum(number(p) for p in given["parts"])
    if kind == "corporate":
        given.setdefault("E", given.get("B"))
    needed = [f.name for f in fields(Facts) if f.name not in ("F", "parts")]
    missing = [name for name in needed if given.get(name) is None]
    if missing:
        raise CourseError(f"The case lacks {', '.join(missing)}.", "add the figure; the policy page says what each letter means.")
    if unknown := set(given) - {f.name for f in fields(Facts)}:
        raise CourseError(f"The case has unknown fields: {', '.join(sorted(unknown))}.", "use the policy page's letters.")
    sources = given["S"] if isinstance(given["S"], list | tuple) else [given["S"]]
    parts = tuple(number(p) for p in given.pop("parts", ()))
    row = {k: v if k == "type" else number(v) for k, v in given.items() if k != "S"}
    return _checked(Facts(**row, S=tuple(map(number, sources)), parts=parts))


def _checked(f: Facts) -> Facts:
    for name in ("L", "I", "C", "U", "PD", "LGD", "EAD", "F"):
        if getattr(f, name) < 0:
            raise CourseError(f"{name} is {getattr(f, name)}: below zero.", "correct the sign in the case.")
    for name in ("PD", "LGD"):
        if getattr(f, name) > 100:
            raise CourseError(f"{name} is {getattr(f, name)} %: above 100 %.", "write percentages between 0 and 100.")
    if f.K <= 0:
        raise CourseError(f"The loss budget K is {f.K}.", "give a budget above zero.")
    if f.type == "corporate" and f.E != f.B:
        raise CourseError(f"EBITDA is given as {f.B} and as {f.E}.", "for a corporate, base and earnings are one figure.")
    if f.parts and sum(f.parts) != f.B:
        raise CourseError(f"Operating profit and depreciation make {sum(f.parts)}, EBITDA is {f.B}.", "correct one of them.")
    return f


@dataclass(frozen=True)
class Shock:
    """A scenario's numbers; what is not named is zero.

    b, e, d: percent (base falls, earnings fall, debt rises); r: percentage points on `F`; i, u, s: amounts (charge rises, uses
    rise, sources fall); limit: the leverage limit from now on (None: unchanged); m: PD multiplied.
    """

    b: Decimal = Decimal(0)
    e: Decimal = Decimal(0)
    d: Decimal = Decimal(0)
    r: Decimal = Decimal(0)
    i: Decimal = Decimal(0)
    u: Decimal = Decimal(0)
    s: Decimal = Decimal(0)
    limit: Decimal | None = None
    m: Decimal = Decimal(1)

    def as_dict(self) -> dict:
        """Only the shocks that are named."""
        return {f.name: plain(getattr(self, f.name)) for f in fields(self) if getattr(self, f.name) != f.default}


def shock(**given) -> Shock:
    """A Shock from plain numbers. Raises CourseError for an unknown name or a negative size."""
    known = [f.name for f in fields(Shock)]
    if unknown := set(given) - set(known):
        raise CourseError(f"Unknown shocks: {', '.join(sorted(unknown))}.", f"the known ones are {', '.join(known)}.")
    row = {k: number(v) for k, v in given.items() if v is not None}
    if bad := [k for k, v in row.items() if v < 0]:
        raise CourseError(f"The shocks {', '.join(bad)} are negative.", "give a shock's size as a number above zero.")
    return Shock(**row)


def stress(f: Facts, hit: Shock) -> Facts:
    """The figures under the scenario, rounded after each step; sources as one figure, not below 0; PD at most 100 %."""
    base = rounded(f.B * (1 - hit.b / 100))
    earnings = base if f.type == "corporate" else rounded(f.E * (1 - hit.e / 100))
    charge = rounded(f.I + rounded(f.F * hit.r / 100) + hit.i)
    sources = max(rounded(f.sources - hit.s), Decimal(0))
    return replace(
        f, B=base, E=earnings, D=rounded(f.D * (1 + hit.d / 100)), I=charge, U=rounded(f.U + hit.u), S=(sources,), parts=(),
        L=f.L if hit.limit is None else hit.limit, PD=min(rounded(f.PD * hit.m, 2), Decimal(100)))


# ---------------------------------------------------------------- tests and decision
@dataclass(frozen=True)
class Test:
    """One of the four tests: amounts in millions, and the verdict."""

    __test__ = False  # not a test class for pytest
    name: str
    need: Decimal
    have: Decimal
    verdict: str

    @property
    def headroom(self) -> Decimal:
        """have - need, in millions; negative in a breach."""
        return self.have - self.need


def verdict(need: Decimal, have: Decimal) -> str:
    """breach: need above have. tight: headroom below one tenth of have. Else pass."""
    if need > have:
        return "breach"
    return "tight" if (have - need) * 10 < have else "pass"


def four_tests(stressed: Facts) -> tuple[Test, ...]:
    """Leverage, cover, liquidity, loss, from the stressed figures (or the given ones, where nothing is stressed)."""
    f = stressed
    pairs = {"leverage": (f.D, rounded(f.limit * f.B)), "cover": (rounded(f.C * f.I), f.E),
             "liquidity": (f.U, f.sources), "loss": (rounded(f.PD * f.LGD * f.EAD / 10000, 2), f.K)}
    free = {"cover"} if f.I == 0 else set()  # nothing to pay is always covered
    return tuple(Test(name, *pair, "pass" if name in free else verdict(*pair)) for name, pair in pairs.items())


@dataclass(frozen=True)
class Decision:
    """What the policy asks for. weaker: "A" or "B" for two obligors, else None; the rest is then that obligor's."""

    action: str
    rating: str
    breaches: tuple[str, ...]
    weaker: str | None = None

    @property
    def block(self) -> str:
        """The line that ends an answer."""
        start = f"WEAKER: {self.weaker} | " if self.weaker else ""
        return f"{start}DECISION: {self.action} | RATING: {self.rating} | BREACHES: {', '.join(self.breaches) or 'none'}"


def decide(tests: tuple[Test, ...]) -> Decision:
    """The action by the number of breaches, the rating view by the first two tests."""
    breached = tuple(t.name for t in tests if t.verdict == "breach")
    tight = any(t.verdict == "tight" for t in tests)
    action = ACTIONS[min(len(breached) + 1, 4)] if breached else ACTIONS[int(tight)]
    return Decision(action, RATINGS[sum(name in breached for name in ("leverage", "cover"))], breached)


def weaker(a: tuple[Test, ...], b: tuple[Test, ...]) -> str:
    """"A" or "B": more breaches, then more tight tests, then the larger need / have in test 4. A full tie gives "A"."""
    def key(tests):
        count = [t.verdict for t in tests]
        return count.count("breach"), count.count("tight"), tests[3].need / tests[3].have

    return "B" if key(b) > key(a) else "A"


def judge(obligors: tuple[Facts, ...], hit: Shock) -> tuple[Decision, tuple[tuple[Test, ...], ...]]:
    """Decision and tests of one obligor, or of two under the same scenario."""
    tests = tuple(four_tests(stress(f, hit)) for f in obligors)
    if len(tests) == 1:
        return decide(tests[0]), tests
    who = weaker(*tests)
    return replace(decide(tests["AB".index(who)]), weaker=who), tests


# ---------------------------------------------------------------- what a wrong action costs
def costs(path=None) -> dict[tuple[str, str], float]:
    """The cost matrix {(truth, answer): thousand EUR a case} of cost.json. Raises CourseError for a malformed file."""
    place = path or FOLDER / "cost.json"
    try:
        table = json.loads(open(place, encoding="utf-8").read())
        rows = table["cost"]
        if table["actions"] != list(ACTIONS) or [len(r) for r in rows] != [5] * 5:
            raise ValueError("it needs the five actions in the policy's order and five rows of five costs")
        return {(t, a): float(rows[i][j]) for i, t in enumerate(ACTIONS) for j, a in enumerate(ACTIONS)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CourseError(f"The cost matrix {place} cannot be read: {error}.", "restore it from the repository.") from error
