"""Finds the decision in an answer: in the block, in a sloppy block, or in the last sentences. Part of the independent grader.

What is no decision: the case repeated, a list of the options, an action that the policy does not know, a negated one, two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .judging import ACTIONS, RATINGS, TESTS

_ACTION = re.compile(
    r"\b(?:(?P<a1>conditional(?:ly)?\s+approv(?:al|ed?)|approv(?:e|ed|al|ing)\s+conditionally"
    r"|approv(?:e|ed|al|ing)(?:\s+\w+){0,3}?,?\s+(?:with|w/|subject\s+to|under|on)\s+(?:\w+\s+){0,2}conditions?)"
    r"|(?P<a0>approv(?:e|ed|al|ing))|(?P<a2>watch[\s_-]*list(?:ed|ing)?)"
    r"|(?P<a3>(?:reduc(?:e|ed|ing)|cut(?:ting)?)\s+(?:(?:the|our|its|this|that|your|lender's)\s+)?exposures?|exposure\s+reduction"
    r"|reduction\s+(?:of|in)\s+(?:the\s+|our\s+)?exposure)|(?P<a4>declin(?:e|ed|ing)))\b", re.I)
_STOP = re.compile(r"[,;:.!?()|\n]|\b(?:but|so|therefore|hence|then|thus|means|and|should|must)\b", re.I)
_NEGATED = re.compile(r"(?:\b(?:not|never|cannot|no|without|rather\s+than|instead\s+of|than|nor|neither|against|avoid|short\s+of"
                      r"|unable\s+to|refuse\s+to)\b|n't\b)(?:\W+\w+){0,4}?\W*$", re.I)
_DISMISSED = re.compile(r"\W*(?:(?:is|are|was|seems?|would\s+be|looks?)\s+(?:not|too|un\w+|premature|excessive|wrong|out)\b"
                        r"|isn't|wouldn't)", re.I)
_FALLING = re.compile(r"(?:\b(?:an?|the|this|that|any|further|sharp|steep|price|prices|ebitda|gdp|revenue|flow|values?|will"
                      r"|may|might|could|of|expected|if)|%)\s*$", re.I)
_LABEL = re.compile(r"\b(decision|action|recommendation|verdict)\b[\"']?(?:[ \t]{0,4}\([^)\n]{0,30}\))?[ \t]{0,4}"
                    r"(?:is[ \t]{0,4})?(?:[:=–—]|-(?!\w))[ \t]{0,4}", re.I)
_HEADING = re.compile(r"(?m)^[ \t]{0,8}(?:final[ \t]+)?(decision|recommendation)[ \t]*$", re.I)
_FIELD = re.compile(r"\||\n|;|\b(?:rating|breach(?:es|ed)?|weaker|because|since|given|as|due)\b", re.I)
_CUE = re.compile(r"\b(?:recommend\w*|decision|action|therefore|so|hence|thus|conclu\w+|should|must|verdict|we|i|i'd|put"
                  r"|place[ds]?|overall|answer|result|policy|calls?\s+for|means?|leads?\s+to|points?\s+to|it\s+is|impl(?:y|ies)|advise"
                  r"|propose|follows?|goes)\b", re.I)
_STRONG = re.compile(r"\b(?:recommend\w*|decision|action|therefore|hence|thus|conclu\w+|verdict|final\w*|answer)\b", re.I)
_SUPPOSED = re.compile(r"^\W*(?:if|unless|were|had|should\s+(?:the|it|they)|under\s+the\s+policy,?\s+(?:one|two|three))\b", re.I)
_ENGLISH = frozenset("the is are of and to with we by for this that it as be on from has have not but one two should".split())
_FOREIGN = frozenset("der die das und wir ist nicht auf zu mit den dem ein eine les le la nous est une des pour sur dans"
                     " el los las que es una para en il lo di che per sono uma não os em het een van niet op wij jest nie na się"
                     " w ve bir bu".split())
LINE = 300  # characters of a line on either side of a label that are read
_TEST_WORDS = {"leverage": r"leverage|ltv|loan[\s-]to[\s-]value|debt\s*/\s*gdp", "cover": r"cover(?:age)?|dscr",
               "liquidity": r"liquidity", "loss": r"loss|el"}


@dataclass(frozen=True)
class Decision:
    """What an answer decides; None for a field that it does not state. contradictory: labelled lines name different actions."""

    action: str | None = None
    rating: str | None = None
    breaches: tuple[str, ...] | None = None
    weaker: str | None = None
    contradictory: bool = False


# ---------------------------------------------------------------- the answer's own words
def _flat(text: str) -> str:
    return re.sub(r"[\s*_#>`|]+", " ", text).strip().lower()


def obligor_names(case_text: str) -> dict[str, str]:
    """A and B -> the names that the case gives them."""
    found = re.findall(r"(?mi)^[ \t]*(?:obligor\s+)?([AB])\s*:\s*([^,\n|;]{3,60}?)\s*(?:[,\n|;]|\.\s)", case_text)
    return {letter.upper(): name for letter, name in found}


def own_words(answer: str, case_text: str) -> str:
    """The answer without the lines it copies from the case, without Markdown, and with obligors called A and B."""
    given = {line for line in map(_flat, case_text.splitlines()) if len(line) > 11}
    lines = answer.splitlines()
    copied = [_flat(line) in given for line in lines]
    parroted = sum(copied) > len(given) / 2  # the whole case stands in the answer, so its blocks are the case's too
    kept = [line for line, same in zip(lines, copied, strict=True) if not same or (not parroted and _LABEL.search(line))]
    text = "\n".join(kept)
    whole = " ".join(case_text.split())
    if whole and whole in (joined := " ".join(text.split())):
        text = joined.replace(whole, "\n")
    text = re.sub(r"[*`#]+", lambda m: m.group() if m.group() == "*" else "", text).replace("’", "'")
    text = re.sub(r"[‐‑‒]", "-", text)
    for letter, name in obligor_names(case_text).items():
        text = text.replace(name, f"Obligor {letter}")
    return text


def sentences(text: str) -> list[str]:
    """Lines and sentences; a decimal point ends nothing."""
    return [part.strip() for part in re.split(r"\n+|(?<=[.!?;])\s+", text) if part.strip()]


# ---------------------------------------------------------------- actions
def actions_in(text: str, prose: bool = False) -> list[str]:
    """The actions that `text` names and does not negate. prose: a decline in EBITDA is no action."""
    found = []
    for match in _ACTION.finditer(text):
        before = text[max(0, match.start() - 60):match.start()]
        clause = _STOP.split(before)[-1]
        after = text[match.end():match.end() + 40]
        if _NEGATED.search(clause) or _DISMISSED.match(after):
            continue
        action = ACTIONS[int(match.lastgroup[1])]
        noun = _FALLING.search(before) or re.match(r"\s+(?:in|of|by|from|further|sharply|\d)", after)
        if prose and action == "decline" and noun:
            continue
        if action not in found:
            found.append(action)
    return found


def _blocks(text: str) -> tuple[list[tuple[str, str]], list[str]]:
    """(action, its line) of every labelled decision, and the lines that name no action of the policy, or two."""
    found, odd = [], []
    for match in [*_LABEL.finditer(text), *_HEADING.finditer(text)][-100:]:
        line_start = text.rfind("\n", max(0, match.start() - LINE), match.start()) + 1 or max(0, match.start() - LINE)
        line_end = text.find("\n", match.end(), match.end() + LINE)
        line_end = min(len(text), match.end() + LINE) if line_end < 0 else line_end
        line, rest = text[line_start:line_end], text[match.end():line_end]
        if not rest.strip(" *|"):
            rest = line = text[line_end:line_end + 120].strip().partition("\n")[0]
        value = _FIELD.split(rest, maxsplit=1)[0]
        options = set(actions_in(re.split(r"\bbreach", line, maxsplit=1, flags=re.I)[0]))
        named = actions_in(value)
        if len(options) == 1 and (named or _ACTION.search(value)):  # also "do not approve; decline"
            found.append((options.pop(), line))
        elif len(options) < 3 and _looks_decided(match[1], value, line):
            odd.append(line)
    return found, odd


def _looks_decided(label: str, value: str, line: str) -> bool:
    """True for a filled-in block; a placeholder in brackets or a sentence that happens to follow a label is none."""
    filled = re.search(r"\w", value) and value.lstrip()[0] not in "<[{"
    return bool(filled) and label.lower() in ("decision", "action") and ("|" in line or len(value.split()) <= 4)


def _bar_line(text: str) -> Decision | None:
    """`B | watch-list | one notch down | leverage`: a block without its labels, as the last line."""
    cells = [cell.strip(" .") for cell in text.strip().rpartition("\n")[2].split("|")]
    named = [match for match in map(_ACTION.fullmatch, cells) if match]
    if len(cells) < 2 or len(named) != 1:
        return None
    rest = [cell for cell in cells if not _ACTION.fullmatch(cell)]
    breaches = [found for found in map(_breaches, rest) if found is not None]
    return Decision(ACTIONS[int(named[0].lastgroup[1])], _rating(" | ".join(rest)), breaches[-1] if breaches else None,
                    next((cell.upper() for cell in rest if cell in ("A", "B")), None))


def is_english(text: str) -> bool:
    """True unless words of another language outnumber the English ones, or a third of the letters are not Latin."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    letters = "".join(words)
    if sum(letter > "ɏ" for letter in letters) > len(letters) / 3:
        return False
    return sum(word in _FOREIGN for word in words) <= sum(word in _ENGLISH for word in words)


def _from_prose(text: str) -> str | None:
    """The one action of the last three sentences that reads as a decision."""
    weak, strong = set(), set()
    if not is_english(text[-2000:]):
        return None
    for sentence in sentences(text[-2000:])[-3:]:
        if _SUPPOSED.match(sentence) or not is_english(sentence):
            continue
        named = set(actions_in(sentence, prose=True))
        if _CUE.search(sentence) or len(sentence.split()) <= 5 or _ACTION.match(sentence.lstrip("-*> ")):
            weak |= named
        if _STRONG.search(sentence):
            strong |= named
    chosen = weak if len(weak) == 1 else strong
    return chosen.pop() if len(chosen) == 1 else None


# ---------------------------------------------------------------- rating, breaches, weaker
def _rating(text: str) -> str | None:
    ranks = set()
    if re.search(r"\b(?:two|2|double)[\s-]*notch|(?<!\w)-2\b", text, re.I):
        ranks.add(2)
    if re.search(r"\b(?:one|1|a|single)[\s-]*notch|(?<!\w)-1\b", text, re.I):
        ranks.add(1)
    if re.search(r"\b(?:affirm\w*|unchanged|no\s+change|maintain\w*)\b", text, re.I):
        ranks.add(0)
    return RATINGS[ranks.pop()] if len(ranks) == 1 else None


def tests_in(text: str) -> list[str]:
    """The tests that `text` names, in the policy's order."""
    return [test for test in TESTS if re.search(rf"\b(?:{_TEST_WORDS[test]})\b", text, re.I)]


def _field(text: str, label: str) -> str | None:
    """What stands behind the last `label` of the text, up to the bar or the line's end."""
    pattern = rf"\b(?:{label})\b[\"']?[ \t]{{0,4}}(?:view[ \t]{{0,4}})?(?:[:=–—]|-(?!\w)|is\b)[ \t\"']*([^|\n]{{0,120}})"
    found = re.findall(pattern, text, re.I)
    return found[-1] if found else None


def _breaches(value: str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    named = tuple(tests_in(value))
    if named:
        return named
    return () if re.match(r"\W*(?:none|no\b|nil|0\b|n/a|zero|-+\s*$)", value, re.I) else None


def _weaker(text: str) -> str | None:
    found = re.findall(r"\bweaker(?:\s+(?:credit|obligor|one|of\s+the\s+two))*\s*(?:[:=–—-]+|\bis\b)\s*(?:obligor\s+)?([AB])\b",
                       text, re.I)
    found += re.findall(r"\b([AB])\s+is\s+(?:clearly\s+|therefore\s+)?the\s+weaker\b", text)
    letters = {letter.upper() for letter in found}
    return letters.pop() if len(letters) == 1 else None


def read_decision(answer: str, case_text: str = "") -> Decision:
    """The decision of an answer. `action` is None where none can be read, or where labelled lines contradict each other."""
    text = own_words(answer, case_text)
    blocks, odd = _blocks(text)
    two = [block for block in blocks if re.search(r"\bweaker\b", block[1], re.I)]
    blocks = two or blocks
    named = {action for action, _ in blocks}
    if len(named) > 1:
        return Decision(contradictory=True)
    if named or odd:
        line = blocks[-1][1] if named else odd[-1]
        rating = _rating(_field(line, "rating") or _field(text, "rating") or "")
        breaches = _breaches(_field(line, r"breach(?:es|ed)?(?:[ \t]+tests?)?"))
        if breaches is None:
            breaches = _breaches(_field(text, r"(?<![a-z] )breach(?:es|ed)(?:[ \t]+tests?)?"))
        return Decision(named.pop() if named else None, rating, breaches, _weaker(line) or _weaker(text))
    if (bare := _bar_line(text)) is not None:
        return bare
    action = _from_prose(text)
    if action is None:
        return Decision()
    rating = _rating(_field(text, "rating") or " ".join(sentences(text)[-3:]))
    return Decision(action, rating, _breaches(_field(text, r"breach(?:es|ed)(?:[ \t]+tests?)?")), _weaker(text))
