"""Does an answer agree with itself? Reads the verdicts, comparisons and counts it states, and holds them against its decision.

Part of the independent grader. What cannot be attributed to a test, or to one of two obligors, is left out, never guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from .answers import Decision
from .arithmetic import NUMBER, number
from .judging import RATINGS, TESTS, action_for, rating_for
from .required import owner_at

_CUES = {
    "leverage": r"leverage|ltv|loan[\s-]to[\s-]value|debt\s*/\s*gdp|debt\s+allowed|allowed\s+debt",
    "cover": r"cover|coverage|dscr|interest\s+cover",
    "liquidity": r"liquidity",
    "loss": r"(?:expected\s+)?loss|el",
}
_EVENT = re.compile(
    rf"(?P<num>(?<![\w.]){NUMBER})|" + "|".join(rf"(?P<{test}>\b(?:{words})\b)" for test, words in _CUES.items())
    + r"|(?P<neg>\b(?:(?:no|zero|not|without|never)(?:\s+(?:in|a|any|an|yet))?|n't)"
    r"\s+(?:breach(?:ed|es)?|fail(?:s|ed)?|violat\w+)\b)"
    r"|(?P<skip>\b(?:not|nothing\s+is|no\s+test\s+is|none\s+is|fails?\s+to)\s+(?:tight|pass)"
    r"|\bbreach(?:es|ed)?\s*[:=]?\s*(?:none|no|0)\b)"
    r"|(?P<breach>\b(?:breach(?:ed|es)?|fail(?:s|ed)|violat(?:ed|es|ion))\b)|(?P<tight>\btight\b)|(?P<passed>\bpass(?:es|ed)?\b)"
    r"|(?P<end>\n|[.!?](?=\s|$))", re.I)
_OWNER = re.compile(r"(?m)^\W{0,6}(?:\d\.\s*)?(?:Obligor\s+)?[AB]\b(?=\s?[:.),-])|\bObligor\s+[AB]\b|\bfor\s+[AB]\b|\b[AB]'s\b"
                    r"|\b[AB]\s+(?:has|is|breaches|fails|passes|shows)\b")
_BEFORE = re.compile(r"(?:[*/+]|\bx|-\s)\s?$", re.I)  # an operator before a number or behind it: an operand, no figure
_AFTER = re.compile(r"\s?%?\s?(?:[*/+]|-\s?\d|x\s?\d)", re.I)
_SUPPOSED = re.compile(r"\b(?:if|would|had|unless|could|might|were|means?|rule)\b", re.I)
_COMPARED = re.compile(
    rf"(?<![\w.])({NUMBER})\s?(%|x\b|bn\b)?([^\d.;:\n(]{{0,40}}?)(>=?|<=?|\b(?:exceed(?:s|ing)?|(?:above|below)"
    rf"|(?:more|less|greater|higher|lower|larger|smaller|fewer)\s+than|falls?\s+short\s+of)\b)"
    rf"([^\d.;:\n(]{{0,30}}?)({NUMBER})\s?(%|x\b|bn\b)?", re.I)
_MORE = re.compile(r">|exceed|above|more|greater|higher|larger", re.I)
_WORDS = {"no": 0, "none": 0, "zero": 0, "one": 1, "a single": 1, "two": 2, "three": 3, "all four": 4, "four": 4}
_COUNTED = re.compile(
    r"(?<![\w.])(no|none|zero|one|a single|two|three|all four|four|[0-4])\s+(?:of\s+(?:the\s+)?(?:four|4)\s+)?"
    r"(?:(?:tests?\s+)?(?:is\s+|are\s+)?(?:in\s+)?breach(?:es|ed)?|tests?\s+fail(?:s|ed)?)\b", re.I)
_BLOCK = re.compile(r"(?im)^.*\bdecision\b\W*[:=-].*$|^\W*(?:rating|breach(?:es|ed)?|weaker)\b[^\n:]{0,12}:.*$")
_ALL = re.compile(r"\b(?:all\s+(?:the\s+|of\s+the\s+)?(?:four\s+)?tests|every\s+test|each\s+test)\s+(?:are\s+|is\s+)?"
                  r"(pass(?:es|ed)?|met|fail(?:s|ed)?)\b", re.I)
_BETWEEN = re.compile(r"\b(?:against|where|than|more)\b", re.I)  # "three against one in breach" counts for two obligors
_ONE_OF = re.compile(r"\b(?:one|either|neither|of)\b", re.I)  # "one of leverage and cover fails" does not say which
_NOT_TIGHT = re.compile(r"\b(?:no\s+tests?\s+(?:is|are)|nothing(?:\s+is)?|none(?:\s+is)?|no)\s+tight\b", re.I)
_RATINGS_OF = {"approve": RATINGS[:1], "approve with conditions": RATINGS[:1], "watch-list": RATINGS[:2],
               "reduce exposure": RATINGS, "decline": RATINGS[1:]}


@dataclass(frozen=True)
class Said:
    """One stated verdict: of which test, of which obligor (empty: not said); breach, tight or pass (`no breach` is a pass)."""

    test: str
    verdict: str
    obligor: str = ""


def owners_in(text: str) -> list[tuple[int, str]]:
    """(place, A or B) wherever the text turns to one of two obligors."""
    return [(match.start(), re.findall(r"[AB]", match.group().replace("Obligor", ""))[-1]) for match in _OWNER.finditer(text)]


def _sentence(text: str, at: int) -> str:
    start = max(text.rfind(mark, max(0, at - 300), at) for mark in ("\n", ". ", "; ")) + 1
    ends = (text.find(mark, at, at + 300) for mark in ("\n", ". ", "; "))
    return text[max(start, at - 300):min((end for end in ends if end >= 0), default=at + 300)]


def said(text: str, figures: dict[str, list[tuple[Fraction, Fraction]]]) -> tuple[list[Said], list[bool]]:
    """The verdicts that can be attributed, and for each that stands beside its two figures, whether they bear it out.

    figures: test -> the pairs (need, have) as the answer itself has them.
    """
    events = [(m.lastgroup, m.group(), m.start(), m.end()) for m in _EVENT.finditer(text)]
    owners, found, borne, region, line, used = owners_in(text), [], [], [], [], False
    for i, (kind, word, start, end) in enumerate(events):
        if kind == "end":
            region, line, used = [], [] if word == "\n" else line, False
        elif kind == "num" or kind in TESTS:
            operand = _BEFORE.search(text[max(0, start - 3):start]) or _AFTER.match(text[end:end + 6])
            if not used and not (kind == "num" and operand):
                event = (kind, word, kind in TESTS and text[end:end + 2].startswith(":"))
                region.append(event)
                line.append(event)
            used = False
        elif kind in ("breach", "tight", "passed", "neg") and not _SUPPOSED.search(_sentence(text, start)):
            verdict = {"passed": "pass", "neg": "pass"}.get(kind, kind)
            tests, pair = _attribute(region, line, figures)
            if len(tests) > 1 and _ONE_OF.search(_sentence(text, start)):
                tests = []
            if not tests and (later := _next_cue(events, i, text)):
                tests, used = [later], True
            found += [Said(test, verdict, owner_at(owners, start)) for test in tests]
            if pair:
                borne.append((pair[0] > pair[1]) == (verdict == "breach"))
            region, line = [], []
    return found, borne


def _next_cue(events: list, i: int, text: str) -> str | None:
    """`breach: leverage`, `a breach of cover`, `one breach, namely loss`: the test named right behind the verdict."""
    kind, _, start, _ = events[i + 1] if i + 1 < len(events) else ("end", "", 0, 0)
    between = text[events[i][3]:start]
    close = re.fullmatch(r"[\s:,(-]*(?:(?:on|in|of|for|the|namely|at|is|are)\s+){0,3}", between)
    return kind if kind in TESTS and close else None


def _attribute(region: list, line: list, figures: dict) -> tuple[list[str], tuple | None]:
    """The tests that a verdict is about (by heading, by figures, or named), and their two figures where both stand there."""
    numbers = [number(word).value for kind, word, _ in region if kind == "num" and len(word) < 15]
    near = set(numbers[-3:])  # a headroom may stand beside the two
    both = {(test, pair) for test in TESTS for pair in figures.get(test, []) if set(pair) <= near}
    computed = {"leverage": 1, "cover": 0, "loss": 0}  # the side of the pair that the answer worked out
    one = {test for test, side in computed.items() for pair in figures.get(test, []) if pair[side] in numbers[-2:]}
    headings = [kind for kind, _, heading in region if heading] or [kind for kind, _, heading in line if heading]
    by_figures = {test for test, _ in both} or one
    named = list(dict.fromkeys(kind for kind, _, _ in region if kind in TESTS))
    if headings:
        tests = headings[-1:]
    elif len(by_figures) == 1:
        tests = list(by_figures)
    else:
        tests = named if len(named) == 1 or not numbers else []
    pairs = {pair for test, pair in both if [test] == tests}
    return tests, next(iter(pairs)) if len(pairs) == 1 else None


def comparisons(text: str) -> list[bool]:
    """Whether each stated comparison of two plain numbers (380 > 357, 85 is below 102) is true."""
    out = []
    for match in _COMPARED.finditer(text):
        left, unit, gap, word, gap2, right, unit2 = match.groups()
        if (unit or "") != (unit2 or "") or re.search(r"tenth|half|twice", gap2, re.I) or max(len(left), len(right)) > 14:
            continue
        if gap.count(",") > 1 or text[match.end():match.end() + 14].lstrip().startswith("more"):
            continue
        a, b = number(left).value, number(right).value
        true = a > b if _MORE.search(word) else a < b
        if re.search(r"\b(?:not|no)\b|n't", gap + gap2, re.I):
            true = not true
        if word in (">=", "<="):
            true = true or a == b
        before = re.findall(rf"(?<![\w.])({NUMBER})", text[max(0, match.start() - 40):match.start()])
        before = [number(digits).value for digits in before if len(digits) < 15]
        if not true and any(abs(value - b) == a for value in before):
            continue  # "230 is 9.5 more than 220.5" compares 230, not 9.5
        out.append(true)
    return out


def counts(text: str) -> list[tuple[int, int]]:
    """(number of breaches, place) wherever the text counts them."""
    found = [(4 if match[1].lower().startswith("fail") else 0, match.start()) for match in _ALL.finditer(text)]
    for match in _COUNTED.finditer(text):
        word = match[1].lower()
        figure = word.isdigit() and not re.search(r"breaches|test", match.group(), re.I)  # "9 to 4 breach" counts nothing
        sentence = _sentence(text, match.start())
        if not figure and not _SUPPOSED.search(sentence) and not _BETWEEN.search(sentence):
            found.append((_WORDS[word] if word in _WORDS else int(word), match.start()))
    return found


def _block_agrees(decision: Decision) -> list[bool]:
    """Do action, rating and breaches of the decision fit each other under the policy?"""
    checks = []
    if decision.breaches is not None:
        checks.append(decision.action in {action_for(len(decision.breaches), tight) for tight in (0, 1)})
        if decision.rating:
            checks.append(decision.rating == rating_for(decision.breaches))
    elif decision.rating:
        checks.append(decision.rating in _RATINGS_OF[decision.action])
    return checks


def consistent(text: str, decision: Decision, figures: dict) -> bool | None:
    """True when the parts of the decision agree with each other and with all that the answer states on the way.

    False on any contradiction, also between two decisions; None where there is no decision or nothing to compare it with.
    """
    if decision.action is None:
        return False if decision.contradictory else None
    weaker = decision.weaker or ""
    text = _BLOCK.sub("", text).replace("<<", " ").replace(">>", " ")
    everything, borne = said(text, figures)
    checks = [*borne, *comparisons(text), *_block_agrees(decision)]
    by_test: dict[str, set[str]] = {}
    for one in everything:
        if one.obligor == weaker or not weaker:
            by_test.setdefault(one.test, set()).add(one.verdict)
    breached = {test for test, verdicts in by_test.items() if "breach" in verdicts}
    tight = any("tight" in verdicts for verdicts in by_test.values())
    checks += [len(verdicts) == 1 or "breach" not in verdicts for verdicts in by_test.values()]
    if decision.breaches is not None:
        checks += [(test in breached) == (test in decision.breaches) for test in by_test]
    if len(by_test) == 4:
        checks.append(decision.action == action_for(len(breached), tight))
    if decision.rating and {"leverage", "cover"} <= set(by_test):
        checks.append(decision.rating == rating_for(breached))
    if decision.action == "approve":
        checks += [False] if tight else []
    if decision.action == "approve with conditions" and not weaker and not tight and _NOT_TIGHT.search(text):
        checks.append(False)
    return all([*checks, *_counts_agree(text, decision, everything)]) if checks or counts(text) else None


def _counts_agree(text: str, decision: Decision, everything: list[Said]) -> list[bool]:
    owners, weaker = owners_in(text), decision.weaker or ""
    stated = {count for count, at in counts(text) if not weaker or owner_at(owners, at) == weaker}
    checks = []
    if len(stated) == 1:
        (count,) = stated
        checks = [decision.action in {action_for(count, tight) for tight in (0, 1)},
                  decision.breaches is None or len(decision.breaches) == count]
    if weaker and decision.breaches is not None:
        other = {one.test for one in everything if one.obligor and one.obligor != weaker and one.verdict == "breach"}
        checks.append(len(other) <= len(decision.breaches))
    return checks
