"""Floor 4: the twelve claims of notebook 05: the rule that each is judged by, and the verdict that the recorded results allow.

The rules were written before the study ran. A verdict rests on intervals wherever there is one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

NOT_RUN, HOLDS, CONDITION, WRONG, OPEN = "not run", "holds", "holds with a condition", "wrong", "not decided"
CHANCE_BITS = 2.0  # of exposure: a code that was never trained on reaches this with one draw in four
SAVING = 0.05  # of the larger model's time: less is not worth two models


@dataclass(frozen=True)
class Case:
    """One claim as tested. holds_if: the rule; value: what was measured, None where nothing was; cell: where in the notebook."""

    key: str
    holds_if: str
    value: float | None
    verdict: str
    cell: str
    unit: str
    why: str = ""


def sign(entry: dict | None) -> int | None:
    """1 where the whole interval lies above 0, -1 where it lies below, 0 where it holds 0; None where nothing was measured."""
    return None if entry is None else (entry["low"] > 0) - (entry["high"] < 0)


def clearly_above(first: dict | None, second: dict | None) -> bool | None:
    """Whether the whole interval of `first` lies above that of `second`; None where one was not measured."""
    return None if first is None or second is None else first["low"] > second["high"]


def by_sign(found: int | None, holds: str = HOLDS) -> str:
    """The verdict on a difference that the claim says is above 0."""
    return {None: NOT_RUN, 1: holds, 0: OPEN, -1: WRONG}[found]


def value(entry: dict | None) -> float | None:
    """An entry's value, None where there is no entry."""
    return entry["value"] if entry else None


def cases(stored: dict, price_ratio: float, parameters: int) -> list[Case]:
    """All twelve. stored: the results of notebook 05; price_ratio: large over small API, one answer, by the example prices;
    parameters: of the model that answered."""
    found = (*_prices_and_sizes(price_ratio, parameters), *_choosing(stored), *_training(stored), *_small_first(stored))
    return [replace(case, value=None) if case.verdict == NOT_RUN else case for case in found]


def _prices_and_sizes(price_ratio, parameters):
    yield Case("D4", "no rule: prices are inputs", price_ratio, "not testable here", "section 14",
               "large over small API price, example inputs", "a calculator, not a fact; no large model was priced or timed")
    yield Case("S3", "a smaller one does a job", parameters / 1e9, CONDITION, "section 3", "billion parameters",
               "this one is far smaller, and does a job")


def _choosing(stored):
    get = stored.get
    gain = get("fine_tuned_minus_prompt_sentiment")
    yield Case("S4", "tuned minus best prompt lies above 0", value(gain), by_sign(sign(gain), CONDITION), "section 10",
               "accuracy, tuned minus best prompt", "the general model here has the same size; a large one was not tested")
    new, old = get("freshness_rag_fine_tuned"), get("freshness_trained_in")
    fresh, gap = clearly_above(new, old), new and old and new["value"] - old["value"]
    form = clearly_above(get("fine_tuned_in_format"), get("zero_shot_in_format"))
    unit = "share with the new fact, RAG minus trained in"
    yield Case("S5", "documents keep up with a change, trained facts do not", gap,
               NOT_RUN if fresh is None else CONDITION if fresh else OPEN, "section 10", unit,
               "effort, data, freshness, memory and time are measured; people's hours are judgement")
    both = None if fresh is None or form is None else fresh + form
    said, why = {None: (NOT_RUN, ""), 2: (HOLDS, "and the house format is kept only after training"),
                 1: (CONDITION, "only one of the two halves was shown"), 0: (OPEN, "neither half was shown")}[both]
    yield Case("S6", "facts follow the documents, and form follows training", gap, said, "section 11", unit, why)
    edges = [get("rag_fine_tuned_minus_rag"), get("rag_fine_tuned_minus_fine_tuned")]
    signs = [sign(e) for e in edges]
    yield Case("S7", "both together beat each alone", value(edges[0]),
               NOT_RUN if None in signs else by_sign(min(signs)), "section 10", "facts right, both minus RAG alone",
               "also against fine-tuning alone, on the same questions")


def _training(stored):
    get = stored.get
    lost, mixed = get("forgetting_points"), get("forgetting_points_mixed")
    yield Case("F1", "points lost lie above 0", value(lost), by_sign(sign(lost)), "section 12",
               "points of general accuracy lost", f"{mixed['value']:+.1f} points with general rows mixed in" if mixed else "")
    sure, before = get("confident_out_of_domain_closed"), get("confident_out_of_domain_base")
    most = sure and (1 if sure["low"] > 0.5 else -1 if sure["high"] < 0.5 else 0)
    yield Case("F2", "most nonsense gets a label with over 90 %", value(sure), by_sign(most), "section 12",
               "share of nonsense labelled with over 90 %", f"{before['value']:.2f} before training" if before else "")
    rows = {(r["repeats"], r["epochs"]): r["exposure"] for r in value(get("privacy")) or ()}
    leak = rows.get((16, 3))
    yield Case("P1", "nothing is sent, and no secret can be had out", leak,
               NOT_RUN if leak is None else CONDITION if leak > CHANCE_BITS else HOLDS, "section 11",
               "bits of exposure of a secret that stood in the data 16 times",
               "nothing leaves the machine, but who may ask the trained model may learn what it was trained on")
    known, by_search = get("knowledge_2_new"), get("knowledge_rag_fine_tuned_new")
    yield Case("N5", "trained facts beat search; with a condition: over half are right", value(known),
               _knowledge(known, sign(get("knowledge_minus_rag"))), "section 11", "share of trained facts right in new wordings",
               f"{by_search['value']:.2f} by search" if by_search else "")


def _knowledge(known, against):
    if known is None or against is None:
        return NOT_RUN
    half = HOLDS if against > 0 else CONDITION
    return half if known["low"] > 0.5 else WRONG if known["high"] < 0.5 else OPEN


def _small_first(stored):
    get = stored.get
    saving, gap = value(get("cascade_saving")), sign(get("cascade_accuracy_gap"))
    done = saving is not None and gap is not None
    yield Case("N6", f"over {SAVING:.0%} of the time saved, accuracy not lower", saving,
               NOT_RUN if not done else CONDITION if saving > SAVING and gap >= 0 else WRONG if saving <= 0 or gap < 0 else OPEN,
               "section 13", "share of the larger model's time saved",
               "here word counts answer first and a fine-tuned small model second; no large model took part")
    routed, edge, words = get("routing_tuned"), sign(get("routing_tuned_minus_tfidf")), get("routing_tfidf")
    done = routed is not None and edge is not None
    yield Case("N7", "better than counting words; with a condition: 0.9 or more", value(routed),
               NOT_RUN if not done else HOLDS if edge > 0 else CONDITION if routed["value"] >= 0.9
               else WRONG if routed["high"] < 0.9 else OPEN, "Appendix D", "routing accuracy",
               f"counting words reaches {words['value']:.2f}; extraction is tested in 07" if words else "")
