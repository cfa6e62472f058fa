"""The data set of notebook 04, made and read: `python -m course_utils.credit.dataset --seed 0` writes every split.

train, validation and test share no obligor's name; shipping occurs in heldout_sector alone, supply-chain losses in
heldout_cluster alone.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import random
import time
import zlib
from pathlib import Path

from . import layouts, policy, variety, world, writing
from .cases import Case, Obligor, sample
from .policy import ACTIONS, CourseError, Decision, plain
from .steps import sheet

SECTOR, CLUSTER = "shipping", "supply_chain_loss"
SEEN_SECTORS = tuple(s for s in world.TYPE_OF if s != SECTOR)
SEEN_CLUSTERS = tuple(c for c in world.CLUSTERS if c != CLUSTER)
SHIPPING_CLUSTERS = tuple(c for c in SEEN_CLUSTERS if SECTOR in world.SUITED.get(c, (SECTOR,)))
SPLITS = {  # name -> (rows, names' pool, sectors, clusters)
    "train": (5400, "train", SEEN_SECTORS, SEEN_CLUSTERS),
    "validation": (200, "validation", SEEN_SECTORS, SEEN_CLUSTERS),
    "test": (400, "test", SEEN_SECTORS, SEEN_CLUSTERS),
    "heldout_sector": (200, "test", (SECTOR,), SHIPPING_CLUSTERS),
    "heldout_cluster": (200, "test", SEEN_SECTORS, (CLUSTER,)),
}
SPARE = 1.25  # cases drawn for each row wanted: cleaning throws some away


# ---------------------------------------------------------------- rows
def truth(case: Case) -> dict:
    """Action, rating view, breaches, weaker obligor and every test of a case, by the policy. Amounts in millions."""
    decision, tests = case.judged()
    letters = "AB" if len(tests) == 2 else (None,)
    listed = [{"obligor": letter, "name": t.name, "need": plain(t.need), "have": plain(t.have), "verdict": t.verdict}
              for letter, found in zip(letters, tests, strict=True) for t in found]
    return {"action": decision.action, "rating": decision.rating, "breaches": list(decision.breaches), "weaker": decision.weaker,
            "tests": listed}


def row_of(case: Case, rng: random.Random, name: str) -> dict:
    """One row of the data set: the case text, its three twins, and all that went into them."""
    layout = rng.choice(layouts.LAYOUTS)
    text, answers = layouts.render(case, layout, rng), writing.write(case, rng)
    facts = [o.facts.as_dict() for o in case.obligors]
    return {
        "id": name, "type": case.type, "cluster": case.cluster, "sector": case.obligors[0].sector,
        "place": case.obligors[0].place, "places": [o.place for o in case.obligors], "names": [o.name for o in case.obligors],
        "currency": case.currency, "layout": layout, "style": answers.style, "text": text, "answer_only": answers.answer_only,
        "reasoning": answers.reasoning, "calculator": answers.calculator,
        "facts": facts[0] if len(facts) == 1 else dict(zip("AB", facts, strict=True)),
        "shock": case.shock.as_dict(), "truth": truth(case),
    }


def case_of(row: dict) -> Case:
    """The case behind a row, rebuilt from its facts and shock."""
    facts = row["facts"]
    found = [facts["A"], facts["B"]] if "A" in facts else [facts]
    obligors = tuple(Obligor(n, row["sector"], p, policy.facts(**f))
                     for n, p, f in zip(row["names"], row["places"], found, strict=True))
    return Case(row["type"], row["cluster"], row["currency"], obligors, policy.shock(**row["shock"]))


def in_house_form(row: dict) -> dict:
    """The same row with its answers in the house form: one layout, one wording."""
    answers = writing.house_form(case_of(row))
    return row | {"style": "house form", "reasoning": answers.reasoning, "calculator": answers.calculator}


def decision_of(row: dict) -> Decision:
    """What the policy decides on a row's facts."""
    return case_of(row).judged()[0]


def renamed(row: dict, name: str | list[str] | None = None, place: str | list[str] | None = None) -> dict:
    """The same case with other names or places in every text; figures as they are, so the truth stays the same.

    A list gives one for each obligor. Used to check that neither name nor geography moves an answer or a grade.
    """
    new = row | {"names": _as_list(name, row["names"]), "places": _as_list(place, row["places"])}
    swaps = dict(zip([*row["names"], *row["places"]], [*new["names"], *new["places"]], strict=True))
    for field in ("text", "reasoning", "calculator"):
        new[field] = _swapped(row[field], swaps)
    return new | {"place": new["places"][0], "truth": truth(case_of(new))}


def _as_list(given, old: list[str]) -> list[str]:
    if given is None:
        return list(old)
    found = [given] * len(old) if isinstance(given, str) else list(given)
    if len(found) != len(old):
        raise CourseError(f"{len(found)} names or places were given for {len(old)} obligors.", "give one for each obligor.")
    return found


def _swapped(text: str, swaps: dict[str, str]) -> str:
    """All swaps at once, so that a new name is never taken for an old one."""
    marks = {old: f"\u27e6{k}\u27e7" for k, old in enumerate(swaps)}
    for old, mark in marks.items():
        text = text.replace(old, mark).replace(layouts.capital(old), mark)
    for (_, mark), new in zip(marks.items(), swaps.values(), strict=True):
        text = text.replace(mark, new)
    return text


# ---------------------------------------------------------------- making a split
def make(split: str, seed: int = 0, n: int | None = None, skew: dict[str, float] | None = None) -> tuple[list[dict], dict]:
    """(rows, cleaning report) of one split; `n` rows (default: the split's own number), even over the five actions."""
    wanted, pool, sectors, clusters = SPLITS[split]
    wanted = n or wanted
    cases = sample(round(wanted * SPARE) + 40, f"{seed}/{split}", pool, sectors, clusters, skew)
    rng = random.Random(f"{seed}/{split}/text")
    rows = [row_of(case, rng, f"{split}-{k:05d}") for k, case in enumerate(cases)]
    required = [[c.plain for o in case.obligors for c in sheet(o.facts, case.shock).required] for case in cases]
    kept, dropped = variety.clean(rows, required)
    chosen = _balanced(kept, wanted)
    if len(chosen) < wanted:
        raise CourseError(f"Cleaning left {len(chosen)} rows of {split}, {wanted} were wanted.", "raise SPARE in dataset.py.")
    report = {"drawn": len(rows), "dropped": dropped, "passed": len(kept), "written": len(chosen)}
    return chosen, report


def _balanced(rows: list[dict], n: int) -> list[dict]:
    """The first rows of each action, about n / 5 each, in their old order."""
    quota = {action: (n + k) // len(ACTIONS) for k, action in enumerate(ACTIONS)}
    chosen = []
    for row in rows:
        action = row["truth"]["action"]
        if quota[action]:
            quota[action] -= 1
            chosen.append(row)
    return chosen


# ---------------------------------------------------------------- files
def save(rows: list[dict], place: Path) -> None:
    """Lines of JSON, compressed, the same bytes every time."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", filename="", mtime=0, compresslevel=9) as file:
        file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
    place.write_bytes(buffer.getvalue())


def load(split: str, folder: Path | None = None) -> list[dict]:
    """The rows of a split. Raises CourseError for an unknown split or a missing or damaged file."""
    if split not in SPLITS:
        raise CourseError(f"There is no split {split!r}.", f"choose one of {', '.join(SPLITS)}.")
    return read_lines(Path(folder or policy.FOLDER) / f"{split}.jsonl.gz", "python -m course_utils.credit.dataset --seed 0")


def read_lines(place: Path, command: str) -> list[dict]:
    """The rows of a compressed file that `save` wrote. Raises CourseError, with the command that makes it, when damaged."""
    try:
        return [json.loads(line) for line in gzip.decompress(place.read_bytes()).decode().splitlines()]
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise CourseError(f"{place} cannot be read: {error}.", f"make it again: {command}") from error


def write_all(seed: int = 0, folder: Path | None = None, skew: dict[str, float] | None = None) -> dict:
    """Writes every split with cleaning.json and variety.json. Returns the cleaning report."""
    folder = Path(folder or policy.FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    report = {"measure": f"Jaccard similarity of masked word 4-grams, {variety.NEAR} or more is a near duplicate", "seed": seed,
              "splits": {}}
    for split in SPLITS:
        rows, report["splits"][split] = make(split, seed, skew=skew if split == "train" else None)
        save(rows, folder / f"{split}.jsonl.gz")
        if split == "train":
            _dump(compared(rows), folder / "variety.json")
    _dump(report, folder / "cleaning.json")
    return report


def compared(rows: list[dict]) -> dict:
    """Variety of the written answers beside a plain slot template on the same cases."""
    slots = [variety.masked(variety.template(case_of(r)), r["names"], r["places"]) for r in rows]
    return {"corpus": variety.measures([variety.of_row(r) for r in rows]), "slot_template": variety.measures(slots),
            "masked": "names, places and numbers hidden; decision block left out"}


def _dump(what: dict, place: Path) -> None:
    place.write_text(json.dumps(what, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=None, help="where to write (default: data/credit)")
    parser.add_argument("--skew", nargs="*", default=[], metavar="CLUSTER=SHARE", help="share of the training rows of a cluster")
    given = parser.parse_args()
    start = time.perf_counter()
    report = write_all(given.seed, given.folder, {k: float(v) for k, v in (s.split("=") for s in given.skew)})
    for split, counts in report["splits"].items():
        print(f"{split:16} drawn {counts['drawn']:5}  dropped {counts['dropped']}  written {counts['written']}")
    print(f"{time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
