"""The rival without a model: regular expressions and word lists, written as well as an afternoon allows.

Developed on the training texts. They know corrections, old numbers, retail prices and linings where a pattern can. Whoever wrote
the word lists had seen which values occur in all golds: a head start that rules for unknown suppliers would not have. So there is
a second rival, whose lists are cut to the words that the training texts hold (`Lexicon.seen_in`).
"""

from __future__ import annotations

import re
import time
from functools import cache

from .extraction import CARE
from .scoring import Extraction
from .vocabulary import CARE_PATTERNS, COLOURS, COUNTRIES, MATERIALS, MODIFIERS


def _any(*words: str) -> str:
    """One of the words (each may be a pattern, several in one string separated by spaces; ~ stands for a space)."""
    return "(?:" + "|".join(w.replace("~", " ") for text in words for w in text.split()) + ")"


TABLES = {"materials": MATERIALS, "colours": COLOURS, "countries": COUNTRIES}
# Clauses about something other than the product's main part.
ASIDE = re.compile(r"\b" + _any(
    "lining lined fodera futter doublure insole sottopiede outsole sole suola fondo semelle strap bracelet~veau band filling "
    "füllung buckle",
    "dial zifferblatt packaging füße legs frame stitching stopper clasp intérieur inside sleeve~card box tube~: du~tube knobs "
    "shelf"
) + r"\b[^.;|\n]*", re.I)
# ---------------------------------------------------------------- article numbers
SKU = re.compile(r"(?<![\w/.-])(?:[A-ZÀ-Ý]{1,4}(?:[-/. ]?(?:[A-Z]{1,3}|[A-Z]?\d{1,3}))?[-/. "
                 r"]?\d{1,5}(?:[A-Z]{2,3})?(?:[-./]\d{1,4})?"
                 r"[A-Z]?(?:[-.][A-Z0-9]{1,3})*|\d{2}\.\d{3}(?:\.\d)?|\d-\d{4}-[A-Z]{2}|\d{4}(?:-[A-Z0-9]{1,3})?)(?![\w/])")
CODED = re.compile(r"[A-Z]{2,4}-?[A-Z]{1,3}\d{1,2}(?![\w/])|[A-Z]{2,3}\d{1,3}[A-Z]{2,3}(?:-\d{2})?(?![\w/])")
BEFORE_SKU = re.compile(r"\b" + _any("art(?:icle|ikel|\\.)?(?:[-.~]?n(?:r|o|°)\\.?)? ref\\.? réf\\.? mod(?:el|\\.)? style "
                                     "item code nr\\.? number cod\\.? no\\.?:?",
                        "sessel product") + r"(?: (?:number|no\.|code|is))?[:. ]*$", re.I)
NOT_SKU = re.compile(_any("order \\bPO invoice replac\\w+ \\bold\\b(?:~code)? instead~of \\byour~ref\\.? \\bnot\\b "
                          "confirm\\w+ contract commande~n° \\bOC \\bPI",
                          "\\bSO closed bestellung auftrag\\w* ordine \\bEAN fattura") + r"[-: .#n°r]*$", re.I)
GONE = re.compile(r"\W{0,3}(?:, [\w "
                  r"]{3,15},)?\s?" + _any("is~(?:now~)?(?:replaced|closed|discontinued|gone) has~been~renumbered "
                                          "ist~ausverkauft was~retired old"), re.I)
NEW = re.compile(_any("is~now now new~(?:item~)?(?:number|code) by renumbered nachfolger~ist use want~is "
                      "now~reads") + r"\W{0,2}$", re.I)
MEASURED = re.compile(r"\s?(?:x\b|×|cm|mm|pcs|pieces|stück|eur|€|%|gsm|ml|tc\b)", re.I)
CURRENCY = r"(?:EUR|USD|JPY|GBP|SEK|DKK|CHF|KW|INR)"
# ---------------------------------------------------------------- prices
NUMBER = r"\d{1,3}(?:[.,' ]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d+(?:[.,]\d{1,2})?"
SIGNS = {"€": "EUR", "£": "GBP", "$": "USD", "¥": "JPY", "eur": "EUR", "euro": "EUR", "euros": "EUR", "gbp": "GBP", "usd": "USD",
         "jpy": "JPY", "chf": "CHF", "sek": "SEK", "dkk": "DKK", "pounds": "GBP", "quid": "GBP", "yen": "JPY", "dollars": "USD"}
_SIGN = "|".join(re.escape(s) for s in sorted(SIGNS, key=len, reverse=True))
PRICE = re.compile(rf"(?P<a>(?<!\w)(?:{_SIGN}))\s?(?P<x>{NUMBER})|(?P<y>{NUMBER})\s?(?P<b>{_SIGN})(?!\w)", re.I)
NOT_PRICE = re.compile(_any("retail RRP UVP recommended conseillé listino list total in~all sum deposit old instead~of from "
                            "was and~not \\bnot previously",
                            "embossing setting-up sample shipping postage gift \\bab tag amount statt =") + r"\W{0,4}$", re.I)
NOT_PRICE_AFTER = re.compile(r"^[\s(]{0,2}" + _any("RRP UVP retail in~total total once deposit recommended in~all public"), re.I)
NET = re.compile(_any("net netto unit price preis prezzo dealer trade richtig~sind now \\bto \\bà @ "
                      "unitaire") + r"\W{0,8}$", re.I)
# ---------------------------------------------------------------- sizes
UNIT = r"(?P<unit>mm|cm|centimet\w*|zentimeter|inch(?:es)?|in\b|\"|”)"
DECIMAL = r"\d+(?:[.,]\d+)?"
BLOCK = re.compile(rf"(?P<a>{DECIMAL})\s?(?:cm|mm|in)?\s?(?:x|×|by|mal|par|per|auf)\s?(?P<b>{DECIMAL})\s?(?:cm|mm|in)?"
                   rf"(?:\s?(?:x|×|by|mal|par|per)\s?(?P<c>{DECIMAL}))?\s?{UNIT}?", re.I)
SIDE = {"length": _any("length long länge lang longueur lunghezza lunga diamet\\w* dia\\.? ø across durchmesser L"),
        "width": _any("width wide breite breit largeur larghezza larga depth deep tiefe tief profondeur B W D T"),
        "height": _any("height high tall höhe hoch hauteur haut altezza alta thick\\w* H")}
ALONE = re.compile(rf"(?<![x×.\d] )(?<![\d.])(?P<n>{DECIMAL})\s?(?P<unit>mm|cm)(?!\w)", re.I)
ELSEWHERE = re.compile(_any("carton ctn \\bbox packing handle heel tacco strap drop reeds karton cotta seat~height sitzhöhe "
                            "absatz tube pot") + r"[^.;,\n]*", re.I)
# ---------------------------------------------------------------- grades
GRADE = re.compile(r"\b" + _any(
    "\\d{1,2}(?:\\.\\d)?K 925 316L 904L 18/10 18/8 [2-7]A AAA? Super~\\d{2,3}s [Ff]ull[-~]grain [Pp]ieno~fiore [Gg]rana~piena "
    "[Vv]ollnarbig",
    "[Gg]rade~(?:\\d|[AB]) [Gg]rado~[AB] [Gg]üte(?:klasse)?~[AB] 1\\.~Wahl [12](?:st|nd)~(?:choice|grade) [Ss]econd~quality",
    "[Ff]irst~(?:choice|quality|selection|grade) (?:premier|deuxième)~choix prima~scelta [Cc]lass~[A-Z1-9] [AB]-(?:grade"
    "|quality|Qualität)",
    "[Ss]election~[AB] [Ss]ortierung~[AB] top~grade special~grade select~grade quality~[AB]") + r"(?!\w)")


class Lexicon:
    """Word lists by name (`materials`, `colours`, `countries`): word -> the name that the gold uses."""

    def __init__(self, tables: dict[str, dict[str, str]] = TABLES):
        self.tables = {name: {word.lower(): value for word, value in table.items()} for name, table in tables.items()}

    def seen_in(self, texts: list[str]) -> Lexicon:
        """The same lists without the words that occur in none of `texts`."""
        known = " ".join(texts).lower()

        def stands(word: str) -> bool:
            return re.search(rf"(?<![\w-]){re.escape(word)}(?!\w)", known) is not None

        return Lexicon({name: {w: value for w, value in table.items() if stands(w)} for name, table in self.tables.items()})

    @cache  # noqa: B019 (two or three lists in a process)
    def pattern(self, name: str) -> str:
        """One word of the list; a longer word is tried before a shorter one that it contains."""
        words = sorted(self.tables[name], key=len, reverse=True)
        return r"(?<![\w-])(?:" + "|".join(map(re.escape, words)) + r")(?!\w)"

    def means(self, name: str, word: str) -> str:
        """The name that the gold uses."""
        return self.tables[name][word.lower()]


ALL = Lexicon()


def extract(text: str, words: Lexicon = ALL) -> dict:
    """The eight fields of one text, as its gold has them."""
    main = ASIDE.sub(" ", text)
    return {"sku": sku(text), "material": material(main, words), "grade": grade(main), "origin": origin(text, words),
            "colour": colour(main, words), "care": care(text), "price": price(text), "dimensions": dimensions(text)}


def sku(text: str) -> str | None:
    """The candidate that most speaks for: announced as an article number, with letters, early, not an order's or an old one."""
    best, most = None, 0.9
    for found in [*SKU.finditer(text), *CODED.finditer(text)]:
        code, before, after = found[0], text[max(0, found.start() - 28):found.start()], text[found.end():found.end() + 40]
        if NOT_SKU.search(before) or MEASURED.match(after) or re.match(rf"{CURRENCY}|PO|(?:[A-Z]? ?\d{{1,2}})$", code):
            continue
        if re.search(rf"(?:[€£$]\s?|{CURRENCY} )$", before) or GONE.match(after):
            continue
        points = 2.0 * bool(BEFORE_SKU.search(before)) + any(c.isalpha() for c in code) + 0.5 * (found.start() < 60)
        points += 1.5 * bool(NEW.search(before)) + 0.01 * len(code)
        if points > most:
            best, most = code, points
    return best


def material(text: str, words: Lexicon) -> dict | None:
    """Percentages beside names that sum to 100 (the last such list: corrections come late); else the first single material."""
    names = words.pattern("materials")
    kind = rf"(?:\s?{_any('pure virgin organic recycled combed extrafine fine wood baby italian egyptian mulberry')})*\s?"
    shares = re.findall(rf"(\d{{1,3}})\s?(?:%|percent|per cent|prozent)?\s?(?:de |di |of )?{kind}({names})", text, re.I)
    shares = shares or [(b, a) for a, b in re.findall(rf"({names})\W{{1,3}}(\d{{1,3}})\s?%", text, re.I)]
    for size in range(len(shares), 0, -1):
        for start in range(len(shares) - size, -1, -1):
            part = shares[start:start + size]
            if sum(int(share) for share, _ in part) == 100:
                return {words.means("materials", name): int(share) for share, name in sorted(part, key=lambda p: -int(p[0]))}
    found = re.search(names, text, re.I)
    return {words.means("materials", found[0]): 100} if found and len(shares) < 2 else None


def grade(text: str) -> str | None:
    """The first grade of the list of forms."""
    found = GRADE.search(text)
    return found[0] if found else None


def origin(text: str, words: Lexicon) -> str | None:
    """The last country or town after a word of making; else the only country named."""
    making = _any("made make knitted woven sewn blown cast poured assembled assembly produced production origin manufactured? "
                  "fabriqué\\w*",
                  "fabrication hergestellt gefertigt fertigung montiert produzione prodotto confectionné\\w* assemblé\\w* "
                  "cousu coulée? fait\\w*",
                  "kiln finished herkunft workshop werk montage origine strickerei filled")
    places = words.pattern("countries")
    told = re.findall(rf"\b{making}\b[^.;\n]{{0,45}}?({places})", text, re.I) or re.findall(rf"({places})(?: made|[- "
        rf"]production)", text, re.I)
    named = [words.means("countries", word) for word in told or re.findall(places, text, re.I)]
    return named[-1] if told else named[0] if len(set(named)) == 1 else None


def colour(text: str, words: Lexicon) -> str | None:
    """A colour announced as such; else the last colour word outside quotation marks, with a modifier before it."""
    plain = re.sub(r"[\"«“'„‘][^\"»”'“’\n]{2,30}[\"»”'“’]", " ", text)
    names = rf"(?:(?:{'|'.join(MODIFIERS)}) )?{words.pattern('colours')}"
    sign = _any("colou?r(?:way|is)? shade farbe farbton couleur coloris colore ground surface")
    told = re.search(rf"{sign}\b(?: stays| is| code| du tube)?[:. ]*\s?({names})", plain, re.I)
    found = told[1] if told else ([m[0] for m in re.finditer(names, plain, re.I)] or [None])[-1]
    if found is None:
        return None
    base = re.search(words.pattern("colours"), found, re.I)[0]
    modifier = found.lower().removesuffix(base.lower()).strip()
    return " ".join(filter(None, [modifier, words.means("colours", base)]))


def care(text: str) -> list[str] | None:
    """Every phrase of the guide whose pattern occurs."""
    flat = re.sub(r"\s+", " ", text)
    return [phrase for phrase in CARE if re.search(CARE_PATTERNS[phrase], flat, re.I)] or None


def price(text: str) -> dict | None:
    """An amount with a currency that is no retail price, total or old price: the first called net, else the first."""
    kept = []
    for found in PRICE.finditer(text):
        before, after = text[max(0, found.start() - 22):found.start()], text[found.end():found.end() + 16]
        if not NOT_PRICE.search(before) and not NOT_PRICE_AFTER.search(after):
            kept.append((bool(NET.search(before)), found))
    if not kept:
        return None
    found = next((f for net, f in kept if net), kept[0][1])
    return {"amount": _amount(found["x"] or found["y"]), "currency": SIGNS[(found["a"] or found["b"]).lower()]}


def _amount(written: str) -> float:
    digits = re.sub(r"[' ]", "", written)
    if re.search(r"[.,]\d{3}$", digits):
        return float(re.sub(r"[.,]", "", digits))
    whole, _, cents = digits.replace(",", ".").rpartition(".")
    return float(f"{whole.replace('.', '')}.{cents}") if whole else float(cents)


def dimensions(text: str) -> dict | None:
    """Sides named one by one, or a block such as 38 x 29 x 14 cm, or a single measure; cartons and handles apart."""
    plain = ELSEWHERE.sub(" ", text)
    common = next(iter(re.findall(r"\b(mm|cm|in(?:ches)?)\b", plain)), "centim" in plain.lower() and "cm" or "")
    sides = _sides(plain, common)
    block = next((b for b in BLOCK.finditer(plain) if b["unit"] or b["c"] or float(b["a"].replace(",", ".")) >= 10), None)
    if block and len(sides) < 2:
        first, second, third = (_cm(block[k], block["unit"]) if block[k] else None for k in "abc")
        sides = {"length": max(first, second), "width": min(first, second)} | ({"height": third} if third else {})
    if not sides and (one := ALONE.search(plain)):
        sides = {"length": _cm(one["n"], one["unit"])}
    return {k: sides[k] for k in SIDE if k in sides} or None


def _cm(written: str, unit: str | None) -> float:
    value, unit = float(written.replace(",", ".")), (unit or "cm").lower()
    return round(value / 10, 2) if unit == "mm" else round(value * 2.54, 1) if unit.startswith(("in", '"', "”")) else value


def _sides(text: str, common: str) -> dict:
    found: dict[str, list[tuple[int, float]]] = {}
    for side, words in SIDE.items():
        for pattern in (rf"(?<!\w){words}[:.]?\s?(?P<n>{DECIMAL})\s?{UNIT}?", rf"(?P<n>{DECIMAL})\s?{UNIT}?\s?{words}(?!\w)"):
            for one in re.finditer(pattern, text, re.I):
                if one["unit"] or common:
                    found.setdefault(side, []).append((one.start("n"), _cm(one["n"], one["unit"] or common)))
    flat = list(dict(sorted(found.get("length", []) + found.get("width", []))).values())[:2]
    sides = {"height": found["height"][0][1]} if "height" in found else {}
    if len(flat) == 1:  # a width is called so only where it is the only side
        sides["length" if "length" in found or sides else "width"] = flat[0]
    if len(flat) > 1:
        sides |= {"length": max(flat), "width": min(flat)}
    return sides


def system(rows: list[dict], words: Lexicon = ALL, name: str = "regular expressions") -> Extraction:
    """The rules' answers to `rows`."""
    start = time.perf_counter()
    answers = [extract(row["text"], words) for row in rows]
    return Extraction(name, rows, answers, time.perf_counter() - start)
