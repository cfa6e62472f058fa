"""The checks behind `audit`, one function each, and their thresholds.

Each takes columns as lists and returns a Finding, several, or None where it does not apply.
"""

from __future__ import annotations

import re
import statistics as middle
import unicodedata
from collections import Counter
from dataclasses import dataclass

from . import personal as patterns

LEVELS = ("ok", "note", "fix", "stop")
FEWEST, FEW = 10, 50  # rows: below the first nothing can be measured, below the second hardly
RARE = 5  # rows a label needs to be split and learned
DUPLICATES, CONTRADICTIONS = 0.02, 0.01  # shares that need repair
MANY_CONTRADICTIONS, LEAKED, OVERLONG = 0.10, 0.05, 0.20  # shares that stop
DOMINANT, LOPSIDED = 0.95, 0.80  # share of the most frequent label
GIVEN_AWAY = 0.80  # share of rows whose text says the label
MOST_LABELS = 26
TOKENS_A_CHARACTER = 0.28  # measured on the course's English texts with SmolLM2's tokenizer; others differ
SAMPLE = 20_000  # rows compared with each other for near-duplicates


@dataclass(frozen=True)
class Finding:
    """One check's outcome. share: of the rows concerned. rows: the places of some of them, to look at."""

    check: str
    level: str
    what: str
    next_action: str = ""
    share: float = 0.0
    rows: tuple[int, ...] = ()

    def __str__(self):
        return f"[{self.level.upper():4s}] {self.check}: {self.what}" + (f" Next: {self.next_action}" if self.next_action else "")


def is_labels(targets: list[str]) -> bool:
    """True when the second column holds a few short words that repeat, rather than texts."""
    kinds = Counter(targets)
    repeat = len(kinds) <= max(2, min(MOST_LABELS, len(targets) // 3))
    return bool(kinds) and repeat and max(map(len, kinds)) <= 40


def tidy(text: str) -> str:
    """A text as it is compared: normal Unicode form, lower case, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def size(texts):
    n = len(texts)
    if n < FEWEST:
        return Finding("size", "stop", f"{n} rows: no test on so few says anything.", f"collect at least {FEW} rows.")
    if n < FEW:
        return Finding("size", "fix", f"{n} rows: an accuracy measured on a fifth of them is uncertain by 30 points and more.",
                       "collect more rows; the planning curve says how many.")
    return Finding("size", "ok", f"{n:,} rows.")


def empty(texts, targets):
    rows = [i for i, (a, b) in enumerate(zip(texts, targets, strict=True)) if not a.strip() or not b.strip()]
    if not rows:
        return Finding("empty cells", "ok", "none.")
    return _found("empty cells", "fix", rows, len(texts), "have an empty text or target", "fill them or take these rows out.")


def _found(check, level, rows, n, says, action=""):
    return Finding(check, level, f"{len(rows):,} of {n:,} rows ({len(rows) / n:.1%}) "
                                 f"{says}.", action, len(rows) / n, tuple(rows[:20]))


def repeated(texts, targets):
    seen: dict[str, list[int]] = {}
    for i, text in enumerate(texts):
        if text.strip():
            seen.setdefault(tidy(text), []).append(i)
    groups = [rows for rows in seen.values() if len(rows) > 1]
    odd = [i for rows in groups if len({tidy(targets[r]) for r in rows}) > 1 for i in rows]
    extra = [i for rows in groups for i in rows[1:]]
    n = len(texts)
    if extra:
        level = "fix" if len(extra) / n > DUPLICATES else "note"
        yield _found("duplicates", level, extra, n, "repeat an earlier text", "keep one of each, before splitting.")
    else:
        yield Finding("duplicates", "ok", "no text occurs twice.")
    if odd:
        level = "stop" if len(odd) / n > MANY_CONTRADICTIONS else "fix" if len(odd) / n > CONTRADICTIONS else "note"
        yield _found("contradictions", level, odd, n, "have the same text as another row and a different target",
                     "agree on one target; a written guide helps.")
    else:
        yield Finding("contradictions", "ok", "equal texts have equal targets.")


def near(pairs, n, compared):
    rows = sorted({max(pair) for pair in pairs})
    scope = "" if compared == n else f" {compared:,} rows, evenly drawn, were compared."
    if not rows:
        return Finding("near-duplicates", "ok", "no text is nearly another." + scope)
    level = "fix" if len(rows) / compared > 5 * DUPLICATES else "note"
    found = _found("near-duplicates", level, rows, compared, "nearly repeat another text", "keep each family in one part.")
    return Finding(found.check, level, found.what + scope, found.next_action, found.share, found.rows)


def balance(kinds, targets):
    if kinds is None:
        return
    n, (most, top) = sum(kinds.values()), (kinds.most_common(1) or [("", 0)])[0]
    if len(kinds) < 2:
        yield Finding("labels", "stop", f"only one label ({most!r}): there is nothing to tell "
                                        f"apart.", "add rows with other labels.")
        return
    rare = [label for label, count in kinds.items() if count < RARE]
    if rare:
        rows = [i for i, target in enumerate(targets) if target in rare]
        listed = ", ".join(map(repr, rare[:6]))
        yield _found("labels", "fix", rows, n, f"have one of {len(rare)} labels with fewer than {RARE} rows: {listed}",
                     "collect more of them or merge them with a neighbour.")
    elif top / n > DOMINANT:
        yield Finding("labels", "fix", f"{most!r} makes up {top / n:.0%}: always saying it looks like success.",
                      "collect other labels.")
    else:
        level = "note" if top / n > LOPSIDED else "ok"
        yield Finding("labels", level, f"{len(kinds)} labels; the most frequent, {most!r}, has {top / n:.0%}.")
    forms = Counter(tidy(label).strip(" .:;") for label in kinds)
    twice = [label for label in kinds if forms[tidy(label).strip(" .:;")] > 1]
    if twice:
        yield Finding("spelling of labels", "fix", f"one label in several spellings: {', '.join(map(repr, sorted(twice)[:6]))}.",
                      "settle on one spelling.")


NUMBER = re.compile(r"\s*[-+]?[€$£]?\s*\d[\d.,' ]*\s*(?:%|[€$£]|[A-Z]{3})?\s*")


def numbers(texts, targets, kinds):
    n = len(texts)
    if sum(bool(NUMBER.fullmatch(t)) for t in texts) > 0.5 * n:
        return Finding("numbers", "stop", "the text column holds numbers.", "choose the column that holds the texts.")
    rows = [i for i, t in enumerate(targets) if NUMBER.fullmatch(t)]
    if len(rows) < 0.5 * n:
        return None
    if kinds is not None and len(kinds) <= 11:
        return Finding("numbers", "note", "the targets are numbers; each is taken as a class's name: 4 is no nearer to 5 than "
                                          "1 is.")
    return _found("numbers", "stop", rows, n, "have a number as target: an amount to predict, not a label or a text",
                  "use a regression, or put the amounts into a few named ranges.")


def given_away(texts, targets, kinds):
    if kinds is None or len(kinds) < 2:
        return None
    rows = [i for i, (a, b) in enumerate(zip(texts, targets, strict=True))
            if b.strip() and re.search(rf"(?<!\w){re.escape(tidy(b))}(?!\w)", tidy(a))]
    if len(rows) / len(texts) <= GIVEN_AWAY:
        return None
    return _found("answer in the text", "fix", rows, len(texts), "say their own label", "take the label's words out of the "
        "texts.")


def long(lengths, context, estimated):
    rows = [i for i, length in enumerate(lengths) if length > context]
    about = " (estimated)" if estimated else ""
    if not rows:
        says = f"median {middle.median(lengths):.0f}, longest {max(lengths):,} tokens{about}; {context:,} fit."
        return Finding("length", "ok", says)
    level = "stop" if len(rows) / len(lengths) > OVERLONG else "fix"
    return _found("length", level, rows, len(lengths), f"are longer than {context:,} tokens{about} and cannot be read whole",
                  "cut them to the part that decides, or raise the length.")


def leakage(texts, parts, pairs):
    if parts is None:
        return None
    home: dict[str, str] = {}
    leaked = {i for i, text in enumerate(texts) if home.setdefault(tidy(text), parts[i]) != parts[i]}
    leaked |= {b for a, b in pairs if parts[a] != parts[b]}
    if not leaked:
        return Finding("leakage", "ok", "no text, nor a near-copy, is in two parts.")
    smallest = min(Counter(parts).values())
    level = "stop" if len(leaked) / smallest > LEAKED else "fix"
    return _found("leakage", level, sorted(leaked), len(texts), "repeat a text of another part: the test would measure memory",
                  "split again with families of texts kept together.")


def personal(found, places, n):
    serious = sorted({i for kind in patterns.SERIOUS for i in places.get(kind, [])})
    names = places.get("name", [])
    said = ", ".join(f"{kind} in {found[kind]:,}" for kind in patterns.KINDS if found[kind])
    if serious:
        return _found("personal data", "fix", serious, n, f"hold likely personal data ({said})",
                      "remove or mask it, or have a legal ground in writing; a model can repeat what it read.")
    if names:
        return _found("personal data", "note", names, n, "name a person", "ask whether these people are real and may be in here.")
    return Finding("personal data", "ok", "no pattern of addresses, phone, card or account numbers, or names.")


FORMULA = re.compile(r"^\s*(?:=\s*[A-Z]{2,}[\w.]*\s*\(|[=+@]\s*cmd\b|=\s*[A-Z]{1,3}\d+)", re.I)
DAMAGED = re.compile(r"Ã[\x80-\xbf¼¶¤©¨®Ÿ±³§]|â€[™œ“”˜¦\x9d]|�|\x00")
MARKUP = re.compile(r"</?(?:p|br|div|span|b|i|a|ul|li|td|tr|table|html|body)\b[^>]*>|&(?:nbsp|amp|lt|gt|quot|#\d+);", re.I)


def formatting(texts, targets, kinds):
    n, both = len(texts), [f"{a}\n{b}" for a, b in zip(texts, targets, strict=True)]
    formulas = [i for i, (a, b) in enumerate(zip(texts, targets, strict=True)) if FORMULA.match(a) or FORMULA.match(b)]
    if formulas:
        yield _found("formulas", "fix", formulas, n, "begin like a spreadsheet formula; they are kept as text and never executed",
                     "find out how they came in, and take them out.")
    for check, pattern, says, action in (
            ("damaged characters", DAMAGED, "hold characters read in the wrong encoding", "export again as UTF-8."),
            ("markup", MARKUP, "hold HTML", "take the tags out, unless the model is to write them.")):
        rows = [i for i, text in enumerate(both) if pattern.search(text)]
        if rows:
            yield _found(check, "fix" if len(rows) / n > DUPLICATES else "note", rows, n, says, action)
    if kinds is None:
        is_json = [t.lstrip().startswith(("{", "[")) for t in targets]
        if 0.05 < sum(is_json) / n < 0.95:
            odd = [i for i, right in enumerate(is_json) if not right]
            yield _found("form of targets", "fix", odd, n, "have no JSON where others have", "bring all targets into one form.")
    yield Finding("formatting", "ok", f"{n:,} rows read as text; nothing was executed or changed.")


# Function words that one language has and the others lack.
STOPWORDS = {
    "English": "the and of with that this for was are you have from not",
    "German": "und der die das ist nicht mit ein wir ich auf für den sie",
    "French": "le les des est une pour dans vous nous que qui avec pas sur au",
    "Italian": "il che di non per una sono con gli della del mi è ci",
    "Spanish": "el los las que una por para con su está del muy pero",
    "Portuguese": "o os não uma para com são você mais está do da",
    "Dutch": "het een van niet met voor zijn maar ook aan wij"}
STOPWORDS = {language: frozenset(words.split()) for language, words in STOPWORDS.items()}
SCRIPTS = {"Cyrillic": "Cyrillic", "GREEK": "Greek", "ARABIC": "Arabic", "HEBREW": "Hebrew", "CJK": "Chinese or Japanese",
           "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean", "THAI": "Thai", "DEVANAGARI": "Hindi"}


def language(text: str) -> str | None:
    """A light guess: by the script, else by function words; None for a text too short to tell."""
    letters = [c for c in text[:400] if ord(c) > 0x36F and c.isalpha()]
    if len(letters) > 0.3 * max(1, sum(c.isalpha() for c in text[:400])):
        script = unicodedata.name(letters[0], "").split(" ")[0].split("-")[0]
        return {k.upper(): v for k, v in SCRIPTS.items()}.get(script)
    words = re.findall(r"[^\W\d_]+", text.lower())
    hits = Counter({name: sum(word in known for word in words) for name, known in STOPWORDS.items()}).most_common(2)
    return hits[0][0] if hits[0][1] >= 2 and hits[0][1] > hits[1][1] else None


def languages(texts):
    found = Counter(filter(None, map(language, texts)))
    known = sum(found.values())
    if not known:
        return Finding("languages", "note", "the texts are too short to tell their language.")
    shares = ", ".join(f"{name} {count / known:.0%}" for name, count in found.most_common(4))
    mixed = known - found.most_common(1)[0][1] > 0.05 * known
    return Finding("languages", "note" if mixed else "ok", f"{shares} (a light guess on {known:,} texts).",
                   "report results for each language apart." if mixed else "")


def licensed(licence):
    if licence.strip():
        return Finding("licence", "ok", f"{licence.strip()} (as stated; not checked).")
    return Finding("licence", "note", "nobody has said who owns these texts and allows training on "
                                      "them.", "say so: licence=\"...\".")
