"""Data augmentation: the same supplier's text with other values in it, in the text and in its gold alike.

With 230 texts, a model that reads each of them several times can learn the values by heart. Copies with other article numbers,
prices, sizes, percentages, colours and countries teach it to read the text instead. Only values that stand in the text once,
word for word, are exchanged; the rest stays. Nothing is taken from validation or test rows.
"""

from __future__ import annotations

import copy
import random
import re
import string

FIXED = re.compile(r"gold|silver|natural|clear")  # colours that follow from the material


def variants(rows: list[dict], times: int, seed: int = 0) -> list[dict]:
    """Each row as it is, then `times - 1` copies of it with other values; ids of copies end in `+1`, `+2` ..."""
    pools = {field: _values_said(rows, field) for field in ("colour", "origin")}
    draw = random.Random(seed)
    return [row if k == 0 else swapped(row, pools, draw) | {"id": f"{row['id']}+{k}"} for k in range(times) for row in rows]


def swapped(row: dict, pools: dict[str, list[str]], draw: random.Random) -> dict:
    """A copy of `row` with other values. pools: colours and countries to draw from. Fields without a safe swap stay."""
    text, gold = row["text"], copy.deepcopy(row["gold"])
    for swap in (_sku, _price, _dimensions, _material):
        text = swap(text, gold, draw)
    for field in ("colour", "origin"):
        text = _word(text, gold, field, pools[field], draw)
    return {**row, "text": text, "gold": gold}


def _values_said(rows: list[dict], field: str) -> list[str]:
    said = {row["gold"][field] for row in rows if row["gold"][field] and _once(row["text"], row["gold"][field])}
    return sorted(value for value in said if not FIXED.search(value))


def _once(text: str, words: str) -> re.Match | None:
    found = list(re.finditer(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.I))
    return found[0] if len(found) == 1 else None


def _put(text: str, place: re.Match, new: str) -> str:
    return text[:place.start()] + new + text[place.end():]


# ---------------------------------------------------------------- one field each: the new text; `gold` is changed in place
def _word(text, gold, field, pool, draw):
    old = gold[field]
    place = _once(text, old) if old and not FIXED.search(old) else None
    new = draw.choice(pool) if pool else old
    if place is None or re.search(rf"(?<!\w){re.escape(new)}(?!\w)", text, re.I):
        return text
    gold[field] = new
    return _put(text, place, new.capitalize() if place[0][0].isupper() else new)


def _sku(text, gold, draw):
    old = gold["sku"]
    if not old or text.count(old) != 1 or re.search(r"[A-Za-zÀ-ÿ]{5}", old):  # a name rather than a code
        return text
    gold["sku"] = "".join(draw.choice(string.digits) if c.isdigit() else draw.choice(string.ascii_uppercase) if c.isupper() else c
                          for c in old)
    return text.replace(old, gold["sku"])


def _number(text: str, value: float, places: int | None = None) -> re.Match | None:
    """The one place where `value` stands, with a decimal point or comma and no further digits around it."""
    written = re.escape(f"{value:g}" if places is None else f"{value:.{places}f}").replace(r"\.", "[.,]")
    found = list(re.finditer(rf"(?<![a-wyzA-WYZ\d.,/-]){written}(?![\d/-]|[.,]\d)", text))  # the x of 30x40 may stand before
    return found[0] if len(found) == 1 else None


def _alike(written: str, draw: random.Random) -> str:
    """Another number of the same shape: as many digits, no leading zero that was not there, no zero at the end of decimals."""
    new = [draw.choice("123456789") if c.isdigit() and (c != "0" or i == len(written) - 1) else c for i, c in enumerate(written)]
    return "".join(new)


def _value(written: str, shift: int = 1) -> float:
    value = round(float(written.replace(",", ".")) / shift, 2)
    return int(value) if value == int(value) else value  # as the golds have it: 30, not 30.0


def _price(text, gold, draw):
    amount = gold["price"]["amount"] if gold["price"] else None
    place = amount and (_number(text, amount, 2) or _number(text, amount))
    if not place:
        return text
    new = _alike(place[0], draw)
    gold["price"]["amount"] = _value(new)
    return _put(text, place, new)


def _dimensions(text, gold, draw):
    sides = gold["dimensions"] or {}
    for shift in (1, 10):  # written in centimetres, or in millimetres
        places = {side: _number(text, round(value * shift, 2)) for side, value in sides.items()}
        if not sides or None in places.values() or (shift == 10) != bool(re.search(r"\bmm\b|\dmm\b|millim", text)):
            continue
        for _ in range(20):
            new = {side: _alike(place[0], draw) for side, place in places.items()}
            found = {side: _value(number, shift) for side, number in new.items()}
            if found.get("length", 1e9) >= found.get("width", 0):
                break
        else:
            return text
        for side, place in sorted(places.items(), key=lambda item: -item[1].start()):
            text = _put(text, place, new[side])
        gold["dimensions"] = found
        return text
    return text


def _material(text, gold, draw):
    parts = gold["material"] or {}
    if len(parts) != 2 or len(set(parts.values())) < 2:
        return text
    more = draw.randint(51, 97)
    shares = dict(zip(parts, (more, 100 - more), strict=True))  # the larger share comes first in a gold
    places = {name: _number(text, share) for name, share in parts.items()}
    if None in places.values():
        return text
    for name, place in sorted(places.items(), key=lambda item: -item[1].start()):
        text = _put(text, place, str(shares[name]))
    gold["material"] = shares
    return text
