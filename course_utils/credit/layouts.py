"""The case text in four layouts: table, prose, memo, term sheet. Every label and phrase stands in data/credit/vocabulary.md."""

from __future__ import annotations

import json
import random
from functools import cache

from .cases import Case, Obligor
from .policy import FOLDER, Facts, written
from .world import CLUSTERS

LAYOUTS = ("table", "prose", "memo", "term sheet")
LABELS = {  # symbol -> phrases; S0, S1: the sources; P0, P1: the two parts of EBITDA
    "corporate": {
        "B": "EBITDA", "P0": "operating profit", "P1": "depreciation", "D": "net debt", "I": "interest|interest charge",
        "L": "maximum net debt / EBITDA|net debt / EBITDA at most|leverage covenant",
        "C": "minimum interest cover|interest cover at least|cover covenant", "S0": "cash",
        "S1": "undrawn credit line|undrawn line", "U": "debt due within 12 months|maturities within 12 months",
    },
    "sovereign": {
        "B": "GDP", "D": "government debt|public debt", "E": "government revenue", "I": "interest|interest bill",
        "L": "maximum debt / GDP|debt / GDP at most|debt ceiling",
        "C": "minimum revenue / interest|revenue / interest at least|cover floor", "S0": "foreign reserves",
        "U": "short-term external debt",
    },
    "structured": {
        "B": "collateral value|pool value", "D": "notes outstanding", "E": "net cash flow", "I": "debt service",
        "L": "maximum loan to value|loan to value at most|LTV covenant",
        "C": "minimum debt service cover|debt service cover at least|DSCR covenant", "S0": "reserve account",
        "U": "required reserve",
    },
}
EXPOSURE = {"PD": "PD|probability of default", "LGD": "LGD|loss given default", "EAD": "EAD|exposure at default",
            "K": "loss budget|accepted expected loss"}
COUNTED = {  # take an article in a sentence
    "interest charge", "interest bill", "reserve account", "required reserve", "undrawn credit line", "undrawn line",
    "collateral value", "pool value", "leverage covenant", "cover covenant", "debt ceiling", "cover floor", "LTV covenant",
    "DSCR covenant", "maximum net debt / EBITDA", "minimum interest cover", "maximum debt / GDP", "minimum revenue / interest",
    "maximum loan to value", "minimum debt service cover",
}
PLURAL = {"foreign reserves", "notes outstanding", "maturities within 12 months", "floating-rate notes"}
QUESTIONS = (
    "Assess the credit under this scenario.", "What does the policy ask for?", "Give your assessment under the scenario.",
    "Which action follows under the policy?", "Run the four tests and recommend an action.",
    "Stress the figures and say what the lender should do.", "How does this credit stand after the shock?",
)
PAIR_QUESTION = "Which of the two is the weaker credit, and why?"


def labels(case: Case, rng: random.Random) -> dict[str, str]:
    """One phrase for each symbol, chosen once for a text."""
    floating = ("floating-rate notes" if case.type == "structured"
                else "debt to refinance" if case.cluster == "refinancing_wall" else "floating-rate debt")
    table = LABELS[case.type] | EXPOSURE | {"F": floating}
    return {symbol: rng.choice(phrases.split("|")) for symbol, phrases in table.items()}


def figures(f: Facts) -> dict[str, str]:
    """Symbol -> value as the text writes it, in the order of the page; only what this obligor has."""
    base = {f"P{i}": written(x) for i, x in enumerate(f.parts)} or {"B": written(f.B)}
    earnings = {} if f.type == "corporate" else {"E": written(f.E)}
    floating = {"F": written(f.F)} if f.F else {}
    return (base | {"D": written(f.D)} | earnings | {"I": written(f.I)} | floating
            | {f"S{i}": written(x) for i, x in enumerate(f.S)}
            | {"U": written(f.U), "PD": f"{written(f.PD)}%", "LGD": f"{written(f.LGD)}%"}
            | {"EAD": written(f.EAD), "K": written(f.K)})


def limits(f: Facts) -> dict[str, str]:
    """The two limits as written: `3.5x`, `80%`."""
    return {"L": _limit(f.type, f.L), "C": f"{written(f.C)}x"}


def _limit(kind: str, value) -> str:
    return f"{written(value)}{'x' if kind == 'corporate' else '%'}"


def capital(text: str) -> str:
    """First letter large, the rest as it is."""
    return text[:1].upper() + text[1:]


# ---------------------------------------------------------------- the scenario
def shocks(case: Case, words: dict[str, str], rng: random.Random, short: bool, sentence: bool = False) -> list[str]:
    """Each shock as a phrase, in a random order. short: `down 15%` in place of `falls by 15%`; sentence: always with a verb."""
    hit = case.shock

    def moved(symbol, size, up, name=None):
        name = name or words[symbol]
        verb = ("rise" if up else "fall") + ("" if name in PLURAL else "s")
        return f"{name} {'up' if up else 'down'} {size}" if short else f"{name} {verb} by {size}"

    verb = rng.choice(("", "is "))
    verb = "is " if sentence else verb
    points = f"{written(hit.r)} points" if rng.random() < 0.7 else f"{written(hit.r * 100)} basis points"
    found = {
        "b": lambda: moved("B", f"{written(hit.b)}%", False), "e": lambda: moved("E", f"{written(hit.e)}%", False),
        "d": lambda: moved("D", f"{written(hit.d)}%", True), "i": lambda: moved("I", written(hit.i), True),
        "r": lambda: f"rates up {points}" if short else f"rates rise by {points}",
        "u": lambda: moved("U", written(hit.u), True),
        "s": lambda: moved("S0", written(hit.s), False, "liquidity" if case.type == "corporate" else None),
        "limit": lambda: f"leverage limit {'cut' if short else 'steps down'} to {_limit(case.type, hit.limit)}",
        "m": lambda: f"PD x {written(hit.m)}" if short else f"PD {verb}multiplied by {written(hit.m)}",
    }
    phrases = [found[name]() for name in hit.as_dict()]
    rng.shuffle(phrases)
    return phrases


def scenario(case: Case, words: dict[str, str], rng: random.Random, form: str) -> str:
    """The scenario line; begins with the word `Scenario`, or in prose with `In the ... scenario`."""
    prose, name = form == "prose", CLUSTERS[case.cluster]
    phrases = shocks(case, words, rng, not prose and rng.random() < 0.4, prose)
    if prose:
        listed = " and ".join([", ".join(phrases[:-1]), phrases[-1]] if len(phrases) > 1 else phrases)
        return rng.choice((f"In the {name} scenario, {listed}.", f"Scenario: {name}. {capital(listed)}."))
    start = rng.choice((f"Scenario ({name}): ", f"Scenario, {name}: "))
    return start + rng.choice(("; ", ", ")).join(phrases) + "."


# ---------------------------------------------------------------- the parts of a text
def _rows(found: dict[str, str], words: dict[str, str], link: str = " ") -> list[str]:
    return [f"{words[symbol]}{link}{value}" for symbol, value in found.items()]


def _told(found: dict[str, str], words: dict[str, str]) -> list[str]:
    """As a sentence tells it: `cash of 40`, `an undrawn line of 25`, `loan to value at most 70%`."""
    return [f"{_article(words[s])}{words[s]} {value}" if words[s].endswith(("at most", "at least"))
            else f"{_article(words[s])}{words[s]} of {value}" for s, value in found.items()]


def _article(label: str) -> str:
    return "" if label not in COUNTED else "an " if label[0] in "aeiouL" else "a "


def _listed(items: list[str]) -> str:
    return f"{', '.join(items[:-1])} and {items[-1]}" if len(items) > 1 else items[0]


def _split(found: dict[str, str]) -> tuple[dict, dict, dict]:
    """Accounts, liquidity, exposure."""
    groups = ({}, {}, {})
    for symbol, value in found.items():
        groups[2 if symbol in EXPOSURE else 1 if symbol[0] in "SU" else 0][symbol] = value
    return groups


def _liquidity(found: dict[str, str], words: dict[str, str], rng: random.Random) -> str:
    """One sentence on sources and uses."""
    sources = {k: v for k, v in found.items() if k != "U"}
    held, due = _listed(_told(sources, words)), _told({"U": found["U"]}, words)[0]
    many = len(sources) > 1 or words["S0"] in PLURAL
    return rng.choice((
        f"{capital(held)} stand{'' if many else 's'} beside {due}.",
        f"Against {due} there {'are' if words['S0'] in PLURAL else 'is'} {held}.",
        f"On the liquidity side, {held} meet{'' if many else 's'} {due}.",
    ))


def _accounts(found: dict[str, str], words: dict[str, str], rng: random.Random) -> str:
    """One sentence on what is earned and owed."""
    of = _listed(_told(found, words))
    (first, value), *rest = found.items()
    return rng.choice((
        f"{capital(words[first])} is {value}, {_listed(_rows(dict(rest), words))}.",
        f"The accounts show {of}.", f"The latest figures are {of}.", f"We start from {of}.",
    ))


def _exposure(found: dict[str, str], words: dict[str, str], rng: random.Random) -> str:
    start = rng.choice(("Exposure: ", "Our exposure: ", "For the loss test: "))
    return start + ", ".join(_rows(found, words)) + "."


@cache
def remarks() -> dict[str, list[str]]:
    """Sector -> sentences on what drives credit quality there, without figures."""
    return json.loads((FOLDER / "phrases" / "remarks.json").read_text(encoding="utf-8"))


def _market(case: Case, rng: random.Random) -> list[str]:
    return [f"Market: {rng.choice(remarks()[case.obligors[0].sector])}"] if rng.random() < 0.6 else []


def _whom(o: Obligor) -> str:
    return f"{o.name}, {o.sector}, {o.place}" if o.sector != "sovereign" else f"{o.name}, sovereign, {o.place}"


# ---------------------------------------------------------------- one obligor
def _table(case, words, rng) -> list[str]:
    o = case.obligors[0]
    terms, rows = _rows(limits(o.facts), words, " | "), _rows(figures(o.facts), words, " | ")
    body = terms + rows if rng.random() < 0.3 else rows + terms
    return [f"{o.name} | {o.sector} | {o.place} | {case.currency} m", *map(capital, body)]


def _prose(case, words, rng) -> list[str]:
    o = case.obligors[0]
    accounts, liquidity, exposure = _split(figures(o.facts))
    what = {"corporate": f"a borrower in {o.sector}, based in {o.place}", "sovereign": f"a sovereign in {o.place}",
            "structured": f"a pool of {o.sector} in {o.place}"}[case.type]
    start = rng.choice((f"{o.name} is {what}; amounts in {case.currency} m.", f"{o.name}, {what}, reports in {case.currency} m.",
                        f"{_whom(o)}: figures in {case.currency} m."))
    terms = rng.choice(("Terms: ", "The terms are ", "Limits: ")) + _listed(_told(limits(o.facts), words))
    return [" ".join((start, _accounts(accounts, words, rng), _liquidity(liquidity, words, rng), _exposure(exposure, words, rng),
                      terms + "."))]


def _memo(case, words, rng) -> list[str]:
    o = case.obligors[0]
    accounts, liquidity, exposure = _split(figures(o.facts))
    head = rng.choice(("To: credit committee. Re: ", "Memo to the credit committee: ", "Credit memo, "))
    kind = {"corporate": "Accounts", "sovereign": "Economy", "structured": "Pool"}[case.type]
    return [f"{head}{_whom(o)} ({case.currency} m).", *_market(case, rng), f"{kind}: {'; '.join(_rows(accounts, words))}.",
            f"Liquidity position: {'; '.join(_rows(liquidity, words))}.", f"Exposure: {'; '.join(_rows(exposure, words))}.",
            f"Terms: {'; '.join(_rows(limits(o.facts), words))}."]


def _term_sheet(case, words, rng) -> list[str]:
    o = case.obligors[0]
    groups = [". ".join(map(capital, _rows(g, words, ": "))) + "." for g in _split(figures(o.facts))]
    terms = ". ".join(map(capital, _rows(limits(o.facts), words, ": "))) + "."
    who = "Borrower" if case.type == "corporate" else "Issuer"
    head = f"{who}: {_whom(o)}. Currency: {case.currency} m."
    return [head, terms, *groups] if rng.random() < 0.5 else [head, *groups, terms]


# ---------------------------------------------------------------- two obligors
def _pair(case, words, rng, layout) -> list[str]:
    both = [figures(o.facts) for o in case.obligors]
    shared = limits(case.obligors[0].facts)
    rows = _told(shared, words) if layout == "prose" else _rows(shared, words, ": " if layout == "term sheet" else " ")
    terms = f"Terms for both: {', '.join(rows)}."
    start = "Obligor " if layout in ("memo", "term sheet") else ""
    heads = [f"{start}{letter}: {_whom(o)}" for letter, o in zip("AB", case.obligors, strict=True)]
    if layout == "table":
        rows = [f"{capital(words[s])} | {both[0][s]} | {both[1][s]}" for s in both[0]]
        return [*heads, f"{case.currency} m | A | B", *rows, terms]
    lines = [f"{head}. {_pair_figures(found, words, rng, layout)}" for head, found in zip(heads, both, strict=True)]
    opening = {"prose": f"Amounts in {case.currency} m.", "term sheet": f"Currency: {case.currency} m.",
               "memo": f"To: credit committee. Two credits, {case.obligors[0].sector} ({case.currency} m)."}[layout]
    return [opening, *(_market(case, rng) if layout == "memo" else []), *lines, terms]


def _pair_figures(found, words, rng, layout) -> str:
    if layout != "prose":
        rows = _rows(found, words, {"memo": " ", "term sheet": ": "}[layout])
        return capital({"memo": "; ", "term sheet": ". "}[layout].join(rows if layout == "memo" else map(capital, rows))) + "."
    accounts, liquidity, exposure = _split(found)
    last = capital(", ".join(_rows(exposure, words))) + "."
    return " ".join((_accounts(accounts, words, rng), _liquidity(liquidity, words, rng), last))


def render(case: Case, layout: str, rng: random.Random) -> str:
    """The text of a case: figures, terms, scenario, question."""
    words = labels(case, rng)
    single = {"table": _table, "prose": _prose, "memo": _memo, "term sheet": _term_sheet}
    lines = single[layout](case, words, rng) if len(case.obligors) == 1 else _pair(case, words, rng, layout)
    question = rng.choice(QUESTIONS) if len(case.obligors) == 1 else PAIR_QUESTION
    return "\n".join([*lines, scenario(case, words, rng, layout), question])
