"""The three twins of an answer: the decision alone, the reasoning, and the reasoning with sums left to a calculator.

Five forms of reasoning (lines, memo, questions, covenants, ledger) in five orders of the tests; openings, remarks, verdict
phrases and closings come from data/credit/phrases. Whatever the form, each verdict word follows the two figures that it compares
and the share of the one that the other uses: what the model must say next can always be read, never has to be guessed.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import cache

from ..runtime import CourseError
from .cases import Case
from .layouts import capital
from .policy import FOLDER, TESTS, Test, written
from .steps import Move, Pen, Sheet, sheet, used
from .wording import ASK, BECOMES, COMPACT, HEADS, RATING, SUMMARY, USED, WEAKER

FORMS = ("lines", "memo", "questions", "covenants", "ledger")
ORDERS = ("policy order", "liquidity first", "loss first", "last to first", "shocked first")
COUNTS = ("no", "one", "two", "three", "four")


@dataclass(frozen=True)
class Answers:
    """The twins; all end with the same decision block. style: `memo, loss first`."""

    style: str
    answer_only: str
    reasoning: str
    calculator: str


@cache
def phrases(kind: str) -> dict:
    """One phrase file: openings, remarks, steps or closings. Raises CourseError when it is not there."""
    place = FOLDER / "phrases" / f"{kind}.json"
    try:
        return json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CourseError(f"The phrase file {place} cannot be read: {error}.", "restore it from the repository.") from error


class Steady(random.Random):
    """Takes the first of every list and never a maybe: the house form, in which every answer reads alike."""

    def choice(self, seq):
        return seq[0]

    def sample(self, population, k, **_):
        return list(population)[:k]

    def random(self):
        return 1.0


def house_form(case: Case) -> Answers:
    """All three twins in the house form: lines, tests in the policy's order, the same words every time, no remarks."""
    return write(case, Steady(0), "lines")


def write(case: Case, rng: random.Random, form: str | None = None) -> Answers:
    """All three twins of a case, in a random (or the given) form."""
    form, order = form or rng.choice(FORMS), rng.choice(ORDERS)
    pen, (decision, _) = Pen(rng), case.judged()
    if len(case.obligors) == 2:
        form, body = "pair", _pair(case, pen, order)
    else:
        body = FORM[form](case, sheet(case.obligors[0].facts, case.shock), pen, order)
    reasoning, marked = pen.finish("\n".join([*body, decision.block]))
    return Answers(f"{form}, {order}", decision.block, reasoning, marked)


# ---------------------------------------------------------------- small pieces
def _maybe(rng: random.Random, share: float, *lines: str) -> list[str]:
    return list(lines) if rng.random() < share else []


def opening(case: Case, rng: random.Random) -> str:
    """A first sentence that fits the scenario."""
    o = rng.choice(case.obligors)
    return capital(rng.choice(phrases("openings")[case.cluster][case.type]).format(name=o.name, place=o.place))


def remark(case: Case, rng: random.Random) -> str:
    """A sentence on the sector."""
    return rng.choice(phrases("remarks")[case.obligors[0].sector])


def closing(case: Case, rng: random.Random) -> str:
    """The recommendation in words."""
    decision, _ = case.judged()
    o = case.obligors["AB".index(decision.weaker or "A")]
    return rng.choice(phrases("closings")[decision.action]).format(name=o.name, place=o.place)


def ordered(made: Sheet, order: str) -> list[Test]:
    """The four tests in the order of telling."""
    touched = {m.test for m in made.moves}
    if any(m.name == made.names["E"] for m in made.moves):
        touched.add("cover")
    keys = {"policy order": lambda t: 0, "liquidity first": lambda t: t.name != "liquidity",
            "loss first": lambda t: t.name != "loss", "last to first": lambda t: -TESTS.index(t.name),
            "shocked first": lambda t: t.name not in touched}
    return sorted(made.tests, key=keys[order])


def summary(tests: tuple[Test, ...], rng: random.Random) -> str:
    """How many breaches, and which; where there is none, what is tight."""
    breached = [t.name for t in tests if t.verdict == "breach"]
    tight = [t.name for t in tests if t.verdict == "tight"]
    kind = "breach" if breached else "tight" if tight else "clear"
    named = breached or tight
    listed = " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
    count = COUNTS[len(named)]
    return rng.choice(SUMMARY[kind]).format(list=listed, comma=", ".join(named), count=count, Count=capital(count),
                                            s="es" if len(named) > 1 else "", are="are" if len(named) > 1 else "is")


def rating(tests: tuple[Test, ...], rng: random.Random) -> str:
    """The rating view, from the first two tests."""
    return rng.choice(RATING[sum(t.verdict == "breach" for t in tests[:2])])


def moved(move: Move, pen: Pen, link: str = ": ") -> str:
    """`EBITDA: 120 x 0.85 = 102`."""
    return f"{move.name}{link}{'; '.join(map(pen.sum, move.calcs))}"


def judged(test: Test, pen: Pen) -> str:
    """The share used, then the verdict: `used 380 / 357 = 1.06, breach`; the verdict alone where nothing is there to use."""
    share = used(test)
    return f"{pen.rng.choice(USED)} {pen.sum(share)}, {test.verdict}" if share else test.verdict


def compact(test: Test, made: Sheet, pen: Pen) -> str:
    """A test in one breath: `3.5 x 102 = 357 allowed, 380 owed: used 380 / 357 = 1.06, breach`."""
    need, have = written(test.need), written(test.have)
    if test.name in made.sums:
        done = pen.sum(made.sums[test.name])
        need, have = (need, done) if test.name == "leverage" else (done, have)
    return pen.rng.choice(COMPACT[test.name]).format(need=need, have=have, v=judged(test, pen), **made.names)


def full(test: Test, made: Sheet, pen: Pen, headed: bool = False) -> str:
    """A test in sentences: the sum on its own, the share used, then a phrase that compares. headed: its name stands before it."""
    phrase = pen.rng.choice([p for p in phrases("steps")[test.name][test.verdict] if "{headroom}" not in p])
    phrase = phrase.format(need=written(test.need), have=written(test.have))
    start = "" if headed or test.name in made.sums else f"{capital(test.name)}. "
    if test.name in made.sums:
        start += capital(pen.rng.choice(HEADS[test.name]).format(**made.names)) + pen.sum(made.sums[test.name]) + ". "
    share = used(test)
    return start + (f"{capital(pen.rng.choice(USED))} {pen.sum(share)}. " if share else "") + phrase


# ---------------------------------------------------------------- forms for one obligor
def _lines(case: Case, made: Sheet, pen: Pen, order: str) -> list[str]:
    rng, end = pen.rng, pen.rng.choice(("", "."))
    return [*_maybe(rng, 0.45, opening(case, rng)), *(capital(moved(m, pen)) + end for m in made.moves),
            *(f"{capital(t.name)}: {compact(t, made, pen)}{end}" for t in ordered(made, order)),
            summary(made.tests, rng), *_maybe(rng, 0.3, closing(case, rng))]


def _memo(case: Case, made: Sheet, pen: Pen, order: str) -> list[str]:
    rng = pen.rng
    becomes = rng.sample(BECOMES, len(made.moves))
    first = [opening(case, rng), *_maybe(rng, 0.12, remark(case, rng)),
             *(_becomes(b, m, pen) for b, m in zip(becomes, made.moves, strict=True))]
    told = rng.choice([t.name for t in made.tests if t.verdict != "pass"] or TESTS)
    tests = [full(t, made, pen) if t.name == told else f"{capital(t.name)}: {compact(t, made, pen)}."
             for t in ordered(made, order)]
    last = [summary(made.tests, rng), *_maybe(rng, 0.2, rating(made.tests, rng)), closing(case, rng)]
    return [" ".join(first), " ".join(tests), " ".join(last)] if rng.random() < 0.6 else [" ".join(first + tests + last)]


def _becomes(template: str, move: Move, pen: Pen) -> str:
    if move.name in ("notes", "reserves"):
        for one, many in (("becomes", "become"), ("is now", "are now"), ("works out", "work out"), ("goes to", "go to")):
            template = template.replace(one, many)
    return capital(template.format(name=move.name, sum=", then ".join(map(pen.sum, move.calcs))))


def _by_test(made: Sheet, order: str):
    """(test, the moves it is the first to need), in the order of telling."""
    left = list(made.moves)
    for test in ordered(made, order):
        needed = {"leverage": "BD", "cover": "BEI", "liquidity": "SU", "loss": ("PD",)}[test.name]
        both = made.names["B"] == made.names["E"]  # EBITDA serves leverage and cover
        here = [m for m in left if m.symbol in needed and (m.symbol != "B" or test.name == "leverage" or both)]
        left = [m for m in left if m not in here]
        yield test, here


def _questions(case: Case, made: Sheet, pen: Pen, order: str) -> list[str]:
    rng, asked = pen.rng, []
    style = rng.randrange(len(ASK["leverage"]))
    for test, moves in _by_test(made, order):
        inner = "; ".join([*(moved(m, pen, " ") for m in moves), compact(test, made, pen)])
        asked.append(f"{ASK[test.name][style]} {capital(inner)}.")
    return [*_maybe(rng, 0.4, opening(case, rng)), *asked, summary(made.tests, rng), *_maybe(rng, 0.3, closing(case, rng))]


def _covenants(case: Case, made: Sheet, pen: Pen, order: str) -> list[str]:
    rng, parts = pen.rng, []
    told, number = rng.choice(TESTS), rng.random() < 0.4
    for k, (test, moves) in enumerate(_by_test(made, order), 1):
        head = f"{k}. {capital(test.name)}: " if number else f"{capital(test.name)}. "
        shifts = [moved(m, pen, " ") for m in moves]
        if test.name == told:
            parts.append(head + (f"{capital('; '.join(shifts))}. " if shifts else "") + full(test, made, pen, headed=True))
        else:
            parts.append(f"{head}{capital('; '.join([*shifts, compact(test, made, pen)]))}.")
    return [*_maybe(rng, 0.45, opening(case, rng)), *parts, *_maybe(rng, 0.2, rating(made.tests, rng)), summary(made.tests, rng),
            *_maybe(rng, 0.25, closing(case, rng))]


def _ledger(case: Case, made: Sheet, pen: Pen, order: str) -> list[str]:
    """All sums first, then the verdicts: by then every figure stands on the page."""
    rng = pen.rng
    moves = "; ".join(moved(m, pen, " ") for m in made.moves)
    heads = {name: rng.choice(HEADS[name]).format(**made.names).rstrip(" :") for name in made.sums}
    sums = "; ".join(f"{heads[t.name]} {pen.sum(made.sums[t.name])}" for t in ordered(made, order) if t.name in made.sums)
    beside = rng.choice(("against", "to", "beside"))
    listed = "; ".join(f"{t.name} {written(t.need)} {beside} {written(t.have)}, {judged(t, pen)}" for t in ordered(made, order))
    start, middle, end = rng.choice((("Stressed figures: ", "Limits: ", "Need and have: "),
                                     ("After the shock: ", "Then: ", "Verdicts, need before have: "),
                                     ("Figures: ", "Tests: ", "Results: "), ("Sums: ", "Also: ", "Judged: ")))
    head = [f"{start}{moves}."] if moves else []
    return [*_maybe(rng, 0.45, opening(case, rng)), *head, f"{middle}{sums}.", f"{end}{listed}.", summary(made.tests, rng),
            *_maybe(rng, 0.25, closing(case, rng))]


FORM = {"lines": _lines, "memo": _memo, "questions": _questions, "covenants": _covenants, "ledger": _ledger}


# ---------------------------------------------------------------- two obligors
def _pair(case: Case, pen: Pen, order: str) -> list[str]:
    rng, blocks = pen.rng, []
    sheets = [sheet(o.facts, case.shock) for o in case.obligors]
    apart = rng.choice((". ", "; "))
    for letter, made in zip("AB", sheets, strict=True):
        inner = [*(moved(m, pen, " ") for m in made.moves),
                 *(f"{t.name}: {compact(t, made, pen)}" for t in ordered(made, order))]
        text = apart.join(map(capital, inner) if apart == ". " else inner)
        blocks.append(f"{letter}: {capital(text)}. {summary(made.tests, rng)}")
    return [*_maybe(rng, 0.5, opening(case, rng)), *blocks, compared(case, rng), *_maybe(rng, 0.5, closing(case, rng))]


def compared(case: Case, rng: random.Random) -> str:
    """Why the weaker one is the weaker one."""
    decision, tests = case.judged()
    w = "AB".index(decision.weaker)
    count = [[t.verdict for t in ts] for ts in (tests[w], tests[1 - w])]
    breaches, tight = ([c.count(v) for c in count] for v in ("breach", "tight"))
    kind = "breach" if breaches[0] != breaches[1] else "tight" if tight[0] != tight[1] else "loss"
    more, less = (breaches if kind == "breach" else tight)
    return rng.choice(WEAKER[kind]).format(
        w=decision.weaker, o="BA"[w], more=COUNTS[more], less=COUNTS[less] if less else "none",
        same=COUNTS[breaches[0]] if breaches[0] else "zero",
        wneed=written(tests[w][3].need), whave=written(tests[w][3].have),
        oneed=written(tests[1 - w][3].need), ohave=written(tests[1 - w][3].have))
