"""Likely personal data in texts: e-mail addresses, phone, card and account numbers, names after a form of address.

Patterns with their check digits (Luhn for cards, ISO 7064 for IBANs), about sixty lines. Presidio would find more names, but it
brings spaCy and a model of several hundred MB, and for a first audit a name missed matters less than a tool not installed.
A pattern finds hints. It proves nothing, and finding nothing proves nothing either.
"""

from __future__ import annotations

import re
from collections import Counter

EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}")
CARD = re.compile(r"(?<![\w/.-])(?:\d[ -]?){12,18}\d(?![\w/-])")
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")
PHONE = re.compile(r"(?<![\w/.,-])(?:\+\d{1,3}|00\d{1,3}|\(?0\d{1,5}\)?)(?:[ ./()-]{1,2}\d{1,8}){1,6}(?![\w-])"
                   r"|(?<![\w/.,-])\+\d{8,14}(?!\w)|(?<![\w/.,-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w-])")
CALLED = re.compile(r"(?:\bph(?:one)?|\btel\.?|\bmobile|\bcell|\bcall|\bfax|\bhandy|\bwhatsapp)\W{1,3}(?:\w+ ){0,2}(\+?\d[\d "
                    r"./()-]{6,16}\d)", re.I)
NAME = re.compile(r"\b(?:Dear|Hello|Hi|Hallo|Liebe[r]?|Chère?|Cher|Gentile|Caro|Cara|Bonjour|Buongiorno|Kind regards,|Best "
                  r"regards,|Regards,|MfG)\s+"
                  r"((?:(?:Mrs?|Ms|Miss|Dr|Herrn?|Frau|Madame|Monsieur|Sig\.?(?:ra|na)?"
                  r"|Dott\w*)\.?\s+)?[A-ZÀ-Ý][\w’'-]+(?:\s[A-ZÀ-Ý][\w’'-]+)?)"
                  r"|\b((?:Mrs?|Ms|Dr|Herrn?|Frau|Madame|Monsieur|Sig\.?ra)\.?\s+[A-ZÀ-Ý][\w’'-]+)")
# Found here means: must be removed or agreed before anybody trains on it. A name alone is a note.
SERIOUS = ("e-mail address", "phone number", "card number", "account number (IBAN)")
KINDS = (*SERIOUS, "name")


def luhn(digits: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812): double every second digit from the right."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 + place % 2)
        total += number - 9 * (number > 9)
    return total % 10 == 0


def iban(written: str) -> bool:
    """The check digits of an IBAN (ISO 13616): moved to the front, letters as numbers, the whole leaves 1 modulo 97."""
    compact = written.replace(" ", "")
    if not 15 <= len(compact) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1


def find(text: str) -> list[tuple[str, str]]:
    """(kind, what was found), in the order of KINDS. A stretch of digits is counted once."""
    found = [("e-mail address", m[0]) for m in EMAIL.finditer(text)]
    rest = EMAIL.sub(" ", text)
    for kind, pattern, good in (("account number (IBAN)", IBAN, iban), ("card number", CARD, _is_card), ("phone "
        "number", PHONE, _is_phone)):
        for one in [m for m in pattern.finditer(rest) if good(m[0])]:
            found.append((kind, one[0].strip()))
            rest = rest.replace(one[0], " " * len(one[0]))
    found += [("phone number", m[1]) for m in CALLED.finditer(rest)]
    found += [("name", m[1] or m[2]) for m in NAME.finditer(rest)]
    return sorted(found, key=lambda pair: KINDS.index(pair[0]))


def _is_card(written: str) -> bool:
    digits = re.sub(r"\D", "", written)
    return len(digits) in (13, 15, 16, 19) and digits[0] in "23456" and len(set(digits)) > 1 and luhn(digits)


def _is_phone(written: str) -> bool:
    digits = re.sub(r"\D", "", written)
    date = re.match(r"\W?0?\d{1,2}[ ./-]+\d{1,2}[ ./-]+(?:19|20)?\d{2}\b", written)
    return (8 if "+" in written else 9) <= len(digits) <= 15 and not date


def count(texts: list[str]) -> tuple[Counter, dict[str, list[int]]]:
    """How many texts hold each kind, and which (their places in the list)."""
    places: dict[str, list[int]] = {}
    for i, text in enumerate(texts):
        for kind in {kind for kind, _ in find(text)}:
            places.setdefault(kind, []).append(i)
    return Counter({kind: len(rows) for kind, rows in places.items()}), places


def masked(text: str) -> str:
    """The text with what `find` finds replaced by its kind in brackets: for showing an example without spreading it."""
    for kind, what in find(text):
        text = text.replace(what, f"[{kind}]")
    return text
