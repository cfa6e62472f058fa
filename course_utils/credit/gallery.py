"""The failure gallery: a few instructive wrong answers of different faults, each with the faulty place marked and judged."""

from __future__ import annotations

import html
import re
import textwrap
from collections import Counter
from dataclasses import dataclass

from .answers import obligor_names, read_decision
from .claims import stated
from .grader import Grade
from .judging import ACTIONS, Truth, truth
from .required import from_reference
from .task import CreditTask, text_of

FAULTS = {  # fault -> what a reviewer looks for
    "no decision": "Is there exactly one action of the policy at the end? If not, send the answer back.",
    "right action, wrong figure": "Work each sum out once more. Here the slip crossed no limit; next time it may.",
    "false sum": "Work each sum out once more. Then redo every verdict that rests on it.",
    "wrong figure": "Put a finger on each number in the case. Was every shock applied, once, to the figure that it names?",
    "contradiction": "Read the verdicts aloud, then the decision. Do they say the same?",
    "missing result": "Tick off every shock and the four tests. What is not there was not worked out, or from other figures.",
    "wrong verdict": "The figures are right. Compare need and have once more, look for a tight test, and count the breaches.",
    "wrong detail": "The action is right. Check the rest: rating (leverage and cover alone), breaches, weaker obligor.",
}
RULE = ("An answer counts under its first fault. Shown are the most frequent faults, each by the answer with the fewest other "
        "faults; of several, the one that costs most, then the shortest; from a case of its own where there is one.")
VERDICT = re.compile(r"breach|fail|tight|pass|exceed|above|below|within|[<>]", re.I)
LONGEST = 2500  # characters of an answer that are shown


@dataclass(frozen=True)
class Exhibit:
    """One wrong answer. marked: (start, end) of the faulty place in `answer`, None where the fault is what is missing.

    says: what the grader says, in sentences. shared: how many of the `wrong` wrong answers have this fault first.
    """

    row: dict
    answer: str
    fault: str
    marked: tuple[int, int] | None
    says: tuple[str, ...]
    shared: int
    wrong: int


# ---------------------------------------------------------------- which fault
def _truth(row: dict) -> Truth:
    return from_reference(row) if "reference_reasoning" in row else truth(text_of(row))


def signs(grade: Grade) -> dict[str, bool]:
    """Which single things are wrong with an answer; its number of faults."""
    status = [one.status for one in grade.required]
    return {
        "no decision": not grade.parsed, "false sum": any(not one.ok for one in grade.stated), "wrong figure": "wrong" in status,
        "contradiction": grade.consistent is False, "missing result": "missing" in status, "wrong action": not grade.action_right,
        "wrong detail": grade.parsed and not (grade.rating_right and grade.breaches_right and grade.weaker_right is not False),
    }


def fault_of(grade: Grade) -> str | None:
    """The first fault of `FAULTS` that an answer has; None for one with nothing wrong in it (a step may be missing)."""
    has = signs(grade)
    if has["no decision"]:
        return "no decision"
    figures = has["false sum"] or has["wrong figure"]
    if grade.action_right:
        return "right action, wrong figure" if figures else "contradiction" if has["contradiction"] else _detail(grade)
    order = ("false sum", "wrong figure", "contradiction", "missing result")
    return next((fault for fault in order if has[fault]), "wrong verdict")


def _detail(grade: Grade) -> str | None:
    """A detail that is stated and wrong; one that is not stated is no fault here."""
    wrong = (grade.rating is not None and not grade.rating_right, grade.breaches is not None and not grade.breaches_right,
             grade.weaker is not None and grade.weaker_right is False)
    return "wrong detail" if any(wrong) else None


def choose(graded: list[tuple[dict, str, Grade]], n: int = 5) -> list[Exhibit]:
    """Up to `n` wrong answers of different faults, by `RULE`; fewer where there are fewer faults.

    graded: (row, answer, its grade); a row is a case or a gold task. The same input gives the same gallery in any order.
    """
    wrong = [(fault, row, answer, grade) for row, answer, grade in graded if (fault := fault_of(grade))]
    counts = Counter(fault for fault, *_ in wrong)
    names, seen, out = list(FAULTS), set(), []
    for fault in sorted(counts, key=lambda name: (-counts[name], names.index(name)))[:n]:
        mine = [one for one in wrong if one[0] == fault]
        _, row, answer, grade = min(mine, key=lambda one: (
            text_of(one[1]) in seen, sum(signs(one[3]).values()), -one[3].cost, len(one[2]), text_of(one[1]), one[2]))
        seen.add(text_of(row))
        out.append(Exhibit(row, answer, fault, place_of(row, answer, grade, fault), says(row, grade), counts[fault], len(wrong)))
    return out


# ---------------------------------------------------------------- where it is
def sentences(text: str) -> list[tuple[int, int]]:
    """(start, end) of the lines and sentences of a text; a decimal point ends nothing."""
    spans = ((m.start(), m.end()) for m in re.finditer(r"[^\n]+?(?:[.!?;](?=\s)|(?=\n)|$)", text))
    return [(end - len(text[start:end].lstrip()), end) for start, end in spans if text[start:end].strip()]


def place_of(row: dict, answer: str, grade: Grade, fault: str) -> tuple[int, int] | None:
    """The first sentence that has the fault; the decision where the fault is in what it concludes; None without one."""
    spans = sentences(answer)
    if fault in ("false sum", "right action, wrong figure"):
        false = {(one.expression, one.claimed) for one in grade.stated if not one.ok}
        found = _first(answer, spans, lambda part: any(
            (one.expression, float(one.claimed.amount)) in false for one in stated(part)))
        if found:
            return found
    if fault in ("wrong figure", "right action, wrong figure"):
        claimed = [one.claimed for one in grade.required if one.status == "wrong"]
        for value in claimed:
            found = _first(answer, spans, lambda part, value=value: value in _results(part)) or _first(
                answer, spans, lambda part, value=value: value in _numbers(part))
            if found:
                return found
    decision = _decision(row, answer, grade, spans)
    if fault == "contradiction":
        return _breaks_with_the_rest(row, answer, spans, decision) or decision
    if fault == "missing result":
        return _instead(row, answer, grade, spans) or decision
    return decision


def _first(answer: str, spans: list, has) -> tuple[int, int] | None:
    return next((span for span in spans if has(answer[slice(*span)])), None)


def _results(part: str) -> set[float]:
    """The results stated in a sentence, percentages as 6 for 6 %."""
    return {float(value) for one in stated(part) for value in (one.claimed.amount, one.claimed.value)}


def _numbers(part: str) -> set[float]:
    return {float(digits) for digits in re.findall(r"\d+(?:\.\d+)?", re.sub(r"(?<=\d),(?=\d{3}\b)", "", part))}


def _instead(row: dict, answer: str, grade: Grade, spans: list) -> tuple[int, int] | None:
    """The first sum that no step asks for, made with a figure of a missing one: 4 x 90 where the limit fell to 3.6."""
    steps = _truth(row).required
    due = {step.value for step in steps}
    missing = [step for step, shown in zip(steps, grade.required, strict=True) if shown.status == "missing"]
    figures = {figure for step in missing for group in step.operands for figure in group}
    return _first(answer, spans, lambda part: any(
        one.claimed.amount not in due and any(n.amount in figures for n in one.numbers) for one in stated(part)))


def _decision(row: dict, answer: str, grade: Grade, spans: list) -> tuple[int, int] | None:
    """The last sentence that decides as the whole answer does, or the last of several that contradict each other."""
    case = text_of(row)
    if grade.action is None and not read_decision(answer, case).contradictory:
        return None
    decides = (grade.action,) if grade.action else ACTIONS
    return _first(answer, spans[::-1], lambda part: read_decision(part, case).action in decides)


def _breaks_with_the_rest(row: dict, answer: str, spans: list, decision) -> tuple[int, int] | None:
    """The first verdict, the decision aside, without which the answer would agree with itself."""
    for start, end in spans:
        if (start, end) == decision or not VERDICT.search(answer[start:end]):
            continue
        if CreditTask().grade(row, answer[:start] + answer[end:]).consistent:
            return start, end
    return None


# ---------------------------------------------------------------- what the grader says
def says(row: dict, grade: Grade) -> tuple[str, ...]:
    """The grade in sentences."""
    right = _truth(row)
    cost = f"By the cost matrix this costs {grade.cost:g} thousand EUR." if grade.cost else "It costs nothing."
    out = [f"Decision: {grade.action or 'none that can be read'}. The policy says: {right.action}. {cost}"]
    false = [one for one in grade.stated if not one.ok]
    out += [f"False sum: {one.expression} is " + (f"{_figure(one.true)}" if one.true is not None else "no number")
            + f", not {_figure(one.claimed)}." for one in false[:3]]
    steps = list(zip(right.required, grade.required, strict=True))
    out += [f"Wrong figure: {_label(step)} is {_figure(shown.expected)} ({step.expression}), not {_figure(shown.claimed)}."
            for step, shown in steps if shown.status == "wrong"][:4]
    missing = [_label(step) for step, shown in steps if shown.status == "missing"]
    if missing:
        out.append(f"Not shown: {len(missing)} of {len(steps)} required results ({', '.join(dict.fromkeys(missing))}).")
    if grade.consistent is False:
        out.append("It contradicts itself.")
    if grade.breaches is not None and not grade.breaches_right:
        named, due = (", ".join(names) or "none" for names in (grade.breaches, right.breaches))
        out.append(f"Breaches named: {named}. The policy finds: {due}.")
    if grade.rating is not None and not grade.rating_right:
        out.append(f"Rating named: {grade.rating}. The policy says: {right.rating}.")
    if grade.weaker is not None and grade.weaker_right is False:
        out.append(f"Weaker obligor named: {grade.weaker}. The policy says: {right.weaker}.")
    if grade.repetition > 0.3:
        out.append(f"{grade.repetition:.0%} of its word sequences repeat earlier ones.")
    return tuple(out)


def _label(step) -> str:
    return step.words[0] + (f" of {step.obligor}" if step.obligor else "")


def _figure(value: float) -> str:
    return f"{value:,.6f}".rstrip("0").rstrip(".")


# ---------------------------------------------------------------- as a page
def _short(row: dict) -> str:
    """Who it is about, and the scenario, on two lines."""
    lines = [line for line in text_of(row).splitlines() if line.strip()]
    several = " and ".join(f"{letter}: {name}" for letter, name in obligor_names(text_of(row)).items())
    head = row.get("title") or several or lines[0].split(". ")[0]
    scenario = next((line for line in lines if re.search(r"\bscenario\b", line, re.I) and line != lines[0]), "")
    return "\n".join(textwrap.shorten(part, 260, placeholder=" ...") for part in (head, scenario) if part)


def _marked(one: Exhibit) -> str:
    """The answer with the faulty place underlined and in brackets that name it: colour alone would not reach everyone."""
    if not one.answer.strip():
        return "<em>(an empty answer)</em>"
    start, end = one.marked or (len(one.answer), len(one.answer))
    here = f"fault: {one.answer[start:end]}" if one.marked else "fault: a decision is missing"
    mark = f'<mark style="text-decoration:underline"><strong>[{html.escape(here)}]</strong></mark>'
    before, after = one.answer[:start] if one.marked else f"{one.answer.rstrip()} ", one.answer[end:]
    if len(before) > LONGEST:
        before = before[:LONGEST] + f"\n... ({len(before) - LONGEST:,} more characters)\n"
    if len(after) > LONGEST:
        after = after[:LONGEST] + f"\n... ({len(after) - LONGEST:,} more characters)"
    return html.escape(before) + mark + html.escape(after)


def render(exhibits: list[Exhibit], notes: dict[str, str] | None = None) -> str:
    """The gallery as HTML. notes: case id -> what a reviewer should have caught; without one a question stands in its place."""
    parts = ['<section aria-label="Failure gallery">']
    for number, one in enumerate(exhibits, 1):
        note = (notes or {}).get(str(one.row.get("id", "")))
        parts.append(_exhibit(number, one, note))
    return "\n".join([*parts, "</section>"])


def _exhibit(number: int, one: Exhibit, note: str | None) -> str:
    pre = "white-space:pre-wrap; overflow-wrap:anywhere; font:inherit; line-height:1.4; margin:4px 0; background:none;"
    pre += " word-break:normal; color:inherit;"
    verdict = "".join(f"<li>{html.escape(line)}</li>" for line in one.says)
    caught = html.escape(note) if note else f"<em>Your note. A hint: {html.escape(FAULTS[one.fault])}</em>"
    return f"""<article style="border:1px solid #8c8c8c; border-radius:4px; padding:8px 14px; margin:12px 0; max-width:60em;">
<h4 style="margin:4px 0;">{number}. {one.fault.capitalize()} ({one.shared} of {one.wrong} wrong answers)</h4>
<p style="margin:6px 0 0;"><strong>The case in short</strong></p>
<pre style="{pre}">{html.escape(_short(one.row))}</pre>
<details><summary>The whole case</summary><pre style="{pre}">{html.escape(text_of(one.row))}</pre></details>
<p style="margin:6px 0 0;"><strong>The answer</strong></p>
<pre style="{pre} max-height:24em; overflow-y:auto;" tabindex="0">{_marked(one)}</pre>
<p style="margin:6px 0 0;"><strong>What the grader says</strong></p><ul style="margin:4px 0;">{verdict}</ul>
<p style="margin:6px 0 0;"><strong>What a reviewer should have caught</strong></p><p style="margin:4px 0;">{caught}</p>
</article>"""
