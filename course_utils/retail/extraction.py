"""From a supplier's text to eight fields: the Task, the schema that its JSON must satisfy, and the parser.

The rules of the fields stand in data/retail/extraction_guide.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

FIELDS = ("sku", "material", "grade", "origin", "colour", "care", "price", "dimensions")
CARE = ("machine wash 30", "machine wash 40", "hand wash", "do not wash", "dry clean", "do not bleach", "do not tumble dry",
        "iron low", "wipe clean", "keep dry")
SIDES = ("length", "width", "height")


def _object(properties: dict, required=()) -> dict:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _or_null(schema: dict) -> dict:
    return {"anyOf": [schema, {"type": "null"}]}


_TEXT = {"type": "string", "minLength": 1, "maxLength": 40}
_SIZE = {"type": "number", "exclusiveMinimum": 0, "maximum": 10_000}
SCHEMA = _object({
    "sku": _or_null(_TEXT),
    "material": _or_null({"type": "object", "minProperties": 1, "maxProperties": 5,
                          "additionalProperties": {"type": "integer", "minimum": 1, "maximum": 100}}),
    "grade": _or_null(_TEXT), "origin": _or_null(_TEXT), "colour": _or_null(_TEXT),
    "care": _or_null({"type": "array", "items": {"enum": list(CARE)}, "minItems": 1, "maxItems": len(CARE)}),
    "price": _or_null(_object({"amount": {"type": "number", "exclusiveMinimum": 0, "maximum": 10_000_000},
                               "currency": {"type": "string", "pattern": "^[A-Z]{3}$"}}, ("amount", "currency"))),
    "dimensions": _or_null(_object({side: _SIZE for side in SIDES}) | {"minProperties": 1}),
}, FIELDS)
# What a trained model is told. It has learnt the fields; each further word would be read a thousand times for nothing.
BRIEF = "Extract the product data as JSON."
# What an untrained model must be told to have a fair chance.
FULL = (
    'Extract the product data as one line of JSON with the keys "sku", "material", "grade", "origin", "colour", "care", '
    '"price" and '
    '"dimensions". Use null for what the text does not say. material: names with whole percentages, main material only, such as '
    '{"wool":80,"cashmere":20}. grade: as written. origin: the country of making, in English. colour: in English. care: a '
    'list out of '
    + ", ".join(CARE) + '. price: the net unit price, such as {"amount":9.5,"currency":"EUR"}. dimensions: in cm, such as '
    '{"length":30,"width":20,"height":10}. Write the JSON and nothing else.')


@dataclass(frozen=True)
class ExtractionTask:
    """A Task (see `course_utils.evaluation`). Rows have `text` and `gold`. shots: rows shown as solved examples."""

    instruction: str = BRIEF
    shots: tuple[dict, ...] = ()
    name: str = "extraction"

    def prompt(self, row: dict) -> list[dict]:
        """The chat messages shown to the model."""
        messages = [{"role": "system", "content": self.instruction}]
        for shot in self.shots:
            messages += [{"role": "user", "content": shot["text"]}, {"role": "assistant", "content": self.answer(shot)}]
        return [*messages, {"role": "user", "content": row["text"]}]

    def answer(self, row: dict) -> str:
        """The gold as JSON on one line, without spaces: each saves a token."""
        return written(row["gold"], row["text"])

    def parse(self, text: str) -> dict | None:
        """See `parse`."""
        return parse(text)


def written(gold: dict, text: str = "") -> str:
    """A gold as the model should write it: the eight keys in their order, the price with its cents where `text` has them.

    To copy 9.50 is easier than to learn that it becomes 9.5; as JSON numbers the two are equal.
    """
    line = json.dumps({field: gold[field] for field in FIELDS}, ensure_ascii=False, separators=(",", ":"))
    if gold["price"]:
        amount = gold["price"]["amount"]
        cents = f"{amount:.2f}"
        printed = cents if cents in text.replace(",", ".") else f"{amount:.15g}"
        line = line.replace(f'"amount":{json.dumps(amount)}', f'"amount":{printed}', 1)
    return line


def few_shot(train: list[dict], n: int = 3) -> ExtractionTask:
    """The untrained model's best chance: the full instruction and `n` solved examples, short but with five fields or more."""
    rich = [row for row in train if sum(value is not None for value in row["gold"].values()) >= 5]
    kinds: dict[str, dict] = {}
    for row in sorted(rich, key=lambda row: len(row["text"])):
        kinds.setdefault(row["kind"], row)
    return ExtractionTask(FULL, tuple(kinds.values())[:n], "extraction, few-shot")


# ---------------------------------------------------------------- reading an answer
def parse(text: str) -> dict | None:
    """The first JSON object in what a model wrote, or None. Words around it are forgiven here, not in `is_valid`."""
    start = text.find("{")
    if start < 0:
        return None
    try:
        found, _ = json.JSONDecoder().raw_decode(text[start:])
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


@cache
def _validator():
    from jsonschema import Draft202012Validator

    return Draft202012Validator(SCHEMA)


def is_valid(text: str) -> bool:
    """True when the whole answer is JSON that satisfies SCHEMA (checked by jsonschema): what a database would accept."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return _validator().is_valid(found)
