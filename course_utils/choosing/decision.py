"""Floor 4: which way to choose? Six questions, a recommendation, its reasons, and the measured rows behind each reason.

The rules are judgement, written down so that they can be argued with; the rows they point to are measurements.
"""

from __future__ import annotations

import html
from dataclasses import dataclass

from ..runtime import CourseError

QUESTIONS = {  # key -> (the question, {answer: how it reads})
    "output": ("What should come out?", {
        "label": "one of a few labels, or a fixed form", "facts": "facts that stand in our documents",
        "text": "free text in our own style"}),
    "change": ("How often do the facts in it change?", {
        "rarely": "once a year or less", "monthly": "every month or so", "daily": "every day, or nobody knows"}),
    "volume": ("How many questions a month?", {
        "few": "under 1,000", "some": "1,000 to 100,000", "many": "more than 100,000"}),
    "examples": ("How many solved examples do you have?", {
        "none": "fewer than 20", "dozens": "20 to 200", "hundreds": "more than 200"}),
    "privacy": ("May the texts leave the firm?", {
        "yes": "yes, under a contract", "no": "no"}),
    "error": ("What if an answer is wrong?", {
        "cheap": "somebody notices, little harm", "checked": "it costs money, but a person checks",
        "dear": "it costs money, and nobody checks"}),
}
WAYS = {
    "prompt": "a prompt with a written skill", "rag": "RAG: search first, then a prompt with what was found",
    "tune": "fine-tune a small model", "rag+tune": "RAG with a fine-tuned small model",
    "simple": "a word-count classifier (TF-IDF) first; a fine-tuned model only if it beats that", "cascade":
    "a cascade: the simple classifier answers when it is sure, a fine-tuned small model takes the rest",
}


@dataclass(frozen=True)
class Reason:
    """One reason: the answer it rests on, in words, and the results of notebook 05 behind it (none: judgement)."""

    because: str
    text: str
    rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recommendation:
    """What to do. model: a large one behind an API, or a small one of your own. against: why not the usual alternatives."""

    way: str
    model: str
    reasons: tuple[Reason, ...]
    against: tuple[Reason, ...]
    first: str

    @property
    def rows(self) -> tuple[str, ...]:
        """All result names behind it, each once."""
        return tuple(dict.fromkeys(name for reason in (*self.reasons, *self.against) for name in reason.rows))

    @property
    def title(self) -> str:
        """The recommendation in one line."""
        way = WAYS[self.way]
        return f"{way[0].upper()}{way[1:]}. The model: {self.model}."


def check(answers: dict[str, str]) -> None:
    """Raises CourseError for a missing, unknown or misspelt answer, naming what is allowed."""
    for key, (_, allowed) in QUESTIONS.items():
        if answers.get(key) not in allowed:
            raise CourseError(f"The answer to {key!r} is {answers.get(key)!r}.", f"choose one of {', '.join(allowed)}.")
    if unknown := set(answers) - set(QUESTIONS):
        raise CourseError(f"There is no question {', '.join(sorted(unknown))}.", f"the questions are {', '.join(QUESTIONS)}.")


def way_of(answers: dict[str, str]) -> str:
    """The rules: which of WAYS suits the answers."""
    examples, many = answers["examples"], answers["volume"] == "many"
    if answers["output"] == "facts":
        return "rag+tune" if examples == "hundreds" or (examples == "dozens" and answers["error"] == "dear") else "rag"
    if answers["output"] == "label":
        if examples == "none":
            return "prompt"
        if examples == "dozens":
            return "prompt" if answers["volume"] == "few" and answers["privacy"] == "yes" else "tune"
        return "cascade" if many else "simple"
    if answers["change"] != "rarely":
        return "rag+tune" if examples == "hundreds" else "rag"
    return "tune" if examples == "hundreds" else "prompt"


def model_of(answers: dict[str, str], way: str) -> str:
    """Whose model: a small one of one's own where texts may not leave, where it is tuned, or where volume pays for it."""
    own = answers["privacy"] == "no" or way in ("tune", "rag+tune", "simple", "cascade") or answers["volume"] == "many"
    return "a small model on your own machine" if own else "a large model behind an API"


def recommend(answers: dict[str, str]) -> Recommendation:
    """The recommendation for six answers (the keys of QUESTIONS). Raises CourseError for answers that are not allowed."""
    check(answers)
    way = way_of(answers)
    model = model_of(answers, way)
    reasons, against = tuple(_reasons(answers, way, model)), tuple(_against(answers, way))
    return Recommendation(way, model, reasons, against, _first(answers, model))


def _said(answers, key) -> str:
    return f"{QUESTIONS[key][0]} {QUESTIONS[key][1][answers[key]].capitalize()}."


def _reasons(a, way, model):
    if way in ("rag", "rag+tune"):
        yield Reason(_said(a, "output") if a["output"] == "facts" else _said(a, "change"),
                     "A model without the documents does not know what they say. With them before its eyes it can.",
                     ("rag_facts_right", "zero_shot_facts_right", "recall_at_5"))
        if a["change"] != "rarely":
            yield Reason(_said(a, "change"), "A changed document counts from the next question on. Training would have to be"
                         " repeated.",
                         ("freshness", "knowledge"))
    if way == "tune" and a["output"] == "text":
        yield Reason(_said(a, "output"), "A style is a form, and form is what fine-tuning teaches.", ("fine_tuned_in_format",))
    if way in ("tune", "rag+tune"):
        yield Reason(_said(a, "examples"), "That is enough for a small model to learn the form of the answer,"
                     " and to keep it without being told.",
                     ("fine_tuned_in_format", "zero_shot_in_format", "table"))
    if a["output"] == "label":
        yield Reason(_said(a, "output"), "Every answer can be checked, so all ways can be compared on the"
                     " same rows before you choose.",
                     ("zero_shot_sentiment", "fine_tuned_sentiment"))
    if way in ("simple", "cascade"):
        yield Reason(_said(a, "examples"), "With so many, counting words is a strong rival and costs next to"
                     " nothing. Tune only what it cannot do.",
                     ("cascade", "cascade_saving"))
    if way == "cascade":
        yield Reason(_said(a, "volume"), "At this volume it pays to send only the doubtful cases on.",
                     ("cascade_saving",))
    if way == "prompt":
        yield Reason(_said(a, "examples"), "That is too little to train and to test on. Write the rule down,"
                     " show the best examples, and collect more.",
                     ("few_shot_sentiment", "few_shot_in_format"))
    if a["privacy"] == "no":
        yield Reason(_said(a, "privacy"), "So the model runs on your machine. Then nothing leaves it; but what it"
                     " was trained on, it may repeat.",
                     ("privacy",))
    elif a["volume"] == "many":
        yield Reason(_said(a, "volume"), "Beyond the break-even volume a machine of your own costs less than an API. Put your"
                     " prices into the calculator.", ("break_even",))
    elif model.startswith("a large"):
        yield Reason(_said(a, "volume"), "Below the break-even volume an API is cheaper than looking after a"
                     " machine. This course measured none: its price is an input, its quality a judgement.", ("break_even",))
    if way == "rag+tune" and a["error"] == "dear" or way == "rag":
        yield Reason(_said(a, "error"), "Let it decline where the documents are silent, and show the source under every answer.",
                     ("declined_unanswerable", "declined_answerable"))


def _against(a, way):
    if way not in ("tune", "rag+tune", "cascade"):
        text = ("Fine-tuning would not put the facts into the model reliably." if a["output"] == "facts"
                else "Fine-tuning needs more examples than you have." if a["examples"] == "none"
                else "Fine-tuning is the next step, if the first one falls short on your test set.")
        yield Reason("Why not fine-tune?", text, ("knowledge", "forgetting_points"))
    if way in ("tune", "prompt", "simple", "cascade"):
        yield Reason("Why not RAG?", "There is no document in which the answer stands." if a["output"] == "label"
                     else "The style is what matters, and a search finds facts, not style.", ())
    if way in ("rag+tune", "tune"):
        yield Reason("Why not a prompt alone?", "A small model may not keep to a written rule. Test it first: it costs an hour.",
                     ("few_shot_in_format", "fine_tuned_in_format"))
    yield Reason("Why not train a model from scratch?", "It knows nothing but your texts, and they are far too few.",
                 ("scratch_facts_right", "scratch_rag_facts_right", "scratch_sentiment"))


def _first(a, model):
    size = "50 solved examples" if a["examples"] == "none" else "100 solved examples that you never train on"
    check_by = " Have a person read every answer until the error rate is known." if a["error"] == "dear" else ""
    contract = " Sign the data-processing agreement before the first text goes out." if model.startswith("a large") else ""
    return f"Put together {size}. Measure the simplest way on them before you build anything.{contract}{check_by}"


# ---------------------------------------------------------------- what a notebook shows
def told(result: Recommendation) -> str:
    """The recommendation as plain text, with each measured row behind it."""
    lines = [result.title, ""]
    for reason in (*result.reasons, *result.against):
        lines.append(f"- {reason.because} {reason.text}")
        lines += [f"    {line}" for line in evidence(reason.rows)]
    return "\n".join([*lines, "", f"First step: {result.first}"])


def evidence(rows: tuple[str, ...]) -> list[str]:
    """One line a result name: its recorded value with interval, or that it was not run."""
    from .. import results

    stored, lines = results.entries("05"), []
    for name in rows:
        entry = stored.get(name)
        if entry is None:
            lines.append(f"{name}: not run")
        elif isinstance(entry["value"], list):
            lines.append(f"{name}: see its table in notebook 05")
        else:
            around = f" ({entry['low']:.2f} to {entry['high']:.2f})" if entry["low"] is not None else ""
            lines.append(f"{name}: {results.shown(entry)}{around} {entry['unit']}".rstrip())
    return lines or ["judgement, not measured"]


def _page(result: Recommendation) -> str:
    def item(reason):
        rows = "<br>".join(f"<code>{html.escape(line)}</code>" for line in evidence(reason.rows))
        return f"<li><i>{html.escape(reason.because)}</i> {html.escape(reason.text)}<br>{rows}</li>"

    return (f"<h4>{html.escape(result.title)}</h4><ul>{''.join(map(item, result.reasons))}</ul><b>And why not ...</b>"
            f"<ul>{''.join(map(item, result.against))}</ul><p><b>First step.</b> {html.escape(result.first)}</p>")


def helper(answers: dict[str, str] | None = None):
    """Six pull-down lists and the recommendation below them, renewed at every change. Needs a live kernel; `told` does not."""
    import ipywidgets as widgets

    wide = {"description_width": "0px"}
    lists = {key: widgets.Dropdown(options=[(text, name) for name, text in allowed.items()], style=wide,
                                   value=(answers or {}).get(key, next(iter(allowed))), layout={"width": "340px"})
             for key, (_, allowed) in QUESTIONS.items()}
    page = widgets.HTML()

    def renew(_=None):
        page.value = _page(recommend({key: box.value for key, box in lists.items()}))

    for box in lists.values():
        box.observe(renew, names="value")
    renew()
    lines = [widgets.HBox([widgets.Label(QUESTIONS[key][0], layout={"width": "290px"}), box]) for key, box in lists.items()]
    return widgets.VBox([*lines, page])
