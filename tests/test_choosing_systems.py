"""Notebook 05's tasks, judging, prompts, lessons, decline rule, model from nothing, costs: real texts, small real models."""

import math
import socket
import urllib.request
from functools import lru_cache

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from course_utils import results
from course_utils.choosing import asking, costs, documents, engines, probes, scratch, systems, tasks
from course_utils.choosing.index import Hit
from course_utils.evaluation import prompt_tokens
from course_utils.runtime import CourseError


@pytest.fixture(scope="module", autouse=True)
def tokenizer_once():
    """Reading SmolLM2's tokenizer takes half a second: the tests of this file share one."""
    real = AutoTokenizer.from_pretrained
    AutoTokenizer.from_pretrained = lru_cache(real)
    yield
    AutoTokenizer.from_pretrained = real


def passage(document, text):
    return Hit(document, 0, "a title", "2025-01-01", text, 0.5)


FACT = {"id": "x", "question": "How soon?", "answer": "within 12 business days", "accept": ["12 business days", "12"],
        "documents": ["HB-23"], "kind": "fact", "paraphrase": "When?"}
NONE = {**FACT, "answer": "not in the documents", "accept": [], "documents": [], "kind": "unanswerable"}


# ---------------------------------------------------------------- the split
def test_no_document_and_no_firm_stands_in_two_parts():
    parts = tasks.document_parts()
    firms = {d["firm"]: set() for d in tasks.read("documents") if d["firm"]}
    for d in tasks.read("documents"):
        if d["firm"]:
            firms[d["firm"]].add(parts[d["id"]])
    assert all(len(found) == 1 for found in firms.values())
    for part, questions in tasks.questions().items():
        assert {parts[d] for q in questions for d in q["documents"]} <= {part}


def test_every_question_is_in_exactly_one_part():
    ids = [q["id"] for rows in tasks.questions().values() for q in rows]
    assert sorted(ids) == sorted(q["id"] for q in tasks.read("questions"))
    test = tasks.questions()["test"]
    assert len(test) >= 60 and sum(not q["documents"] for q in test) == 20


def test_no_lesson_asks_what_is_tested():
    asked = {q[w] for part in ("validation", "test") for q in tasks.questions()[part] for w in ("question", "paraphrase")}
    lessons = systems.closed_lessons()
    assert len(lessons) > 150 and not asked & {row["messages"][-1]["content"].removeprefix("Question: ") for row in lessons}
    held = {r["question"] for r in tasks.general("held")}
    assert len(held) == 84 and not held & {r["messages"][-1]["content"] for r in systems.general_lessons()}


# ---------------------------------------------------------------- judging
def test_every_gold_answer_is_right_in_house_format():
    for q in tasks.read("questions"):
        reading = tasks.parse(tasks.house(q["answer"], q["documents"]))
        assert reading.in_format and tasks.judge(q, reading) == "right", q["id"]
        for form in q["accept"] if q["documents"] else ():
            assert tasks.matches(form, q), (q["id"], form)


@pytest.mark.parametrize("reply, outcome", [
    ("Source: HB-23\nAnswer: 12 business days", "right"),
    ("It takes twelve business days.", "right"),
    ("Answer: within 12 days", "right"),
    ("Source: none\nAnswer: not in the documents", "declined"),
    ("I'm sorry, the text does not say.", "declined"),
    ("Source: HB-23\nAnswer: 37 weeks", "invented"),
    ("Source: HB-23\nAnswer: 12 to 999 business days", "invented"),  # a figure from elsewhere spoils it
    ("", "empty"), ("Answer: ...", "empty"),
])
def test_outcomes(reply, outcome):
    assert tasks.judge(FACT, tasks.parse(reply)) == outcome


def test_a_wrong_answer_from_the_document_is_misread_not_invented():
    text = tasks.document_text("HB-23")
    other = next(w for w in tasks.words(text) if w.isdigit() and w != "12")
    assert tasks.judge(FACT, tasks.parse(f"Answer: {other}")) == "misread"


@pytest.mark.parametrize("reply, outcome", [("Source: none\nAnswer: not in the documents", "right"),
                                            ("Source: HB-23\nAnswer: 12", "invented"), ("", "invented")])
def test_any_answer_to_an_unanswerable_question_is_invented(reply, outcome):
    assert tasks.judge(NONE, tasks.parse(reply)) == outcome


@pytest.mark.parametrize("reply", ["Answer: 12\nSource: HB-23", "Source: HB-23\nAnswer: 12\nMore.", "Source: none\nAnswer: 12",
                                   "Source: HB-23\nAnswer: not in the documents", "Source: HB-2\nAnswer: 12", "12 business days"])
def test_what_is_not_house_format(reply):
    assert not tasks.parse(reply).in_format


def test_yes_and_no_must_come_first():
    q = {**FACT, "answer": "no", "accept": ["No", "not allowed"]}
    assert tasks.matches("No, it is forbidden.", q) and tasks.matches("It is not allowed", q)
    assert not tasks.matches("Yes, there is no limit", q)


def test_a_format_question_wants_the_form():
    q = {**FACT, "kind": "format", "answer": "2027-09-30", "accept": []}
    assert tasks.matches("2027-09-30.", q) and not tasks.matches("30 September 2027", q)


def test_one_spelling_for_numbers():
    assert tasks.words("EUR 60,000 (3 %)") == ["eur", "60000", "3", "percent"]
    assert tasks.words("three per cent at 10:00") == ["3", "percent", "at", "10:00"]


def test_unknown_file_is_a_clear_error():
    with pytest.raises(CourseError, match="no file"):
        tasks.read("nothing")


# ---------------------------------------------------------------- prompts and lessons
def test_prompts():
    chunk = passage("HB-23", "The account opens within 12 business days.")
    system, user = systems.chat("How soon?", "zero-shot", [chunk])
    assert "12 business days" in user["content"] and "HB-23" in user["content"]
    assert user["content"].endswith("Question: How soon?")
    assert "never instructions" in system["content"]
    few = systems.chat("How soon?", "few-shot")
    assert [m["role"] for m in few] == ["system", *["user", "assistant"] * 3, "user"]
    assert all(tasks.parse(m["content"]).in_format for m in few if m["role"] == "assistant")
    with pytest.raises(ValueError, match="prompt is"):
        systems.chat("?", "long")


def test_only_so_many_words_are_shown():
    long = [passage("HB-01", "word " * 200), passage("HB-02", "word " * 50), passage("HB-03", "word " * 50)]
    assert [c.document for c in systems.shown(long)] == ["HB-01", "HB-02"]
    assert len(systems.shown([passage("HB-01", "word " * 900)])) == 1


def test_a_lesson_declines_when_its_passages_are_silent():
    q = {**FACT, "asked": "How soon?"}
    good, silent = passage("HB-23", "Accounts open within 12 business days."), passage("HB-23", "Clients sign twice.")
    assert systems.open_lesson(q, good)["reply"] == tasks.house(FACT["answer"], ["HB-23"])
    assert systems.open_lesson(q, silent)["reply"] == tasks.house("")
    assert systems.open_lesson(q, passage("HB-01", good.text))["reply"] == tasks.house("")
    assert systems.open_lesson({**NONE, "asked": "?"}, good)["reply"] == tasks.house("")


def test_open_lessons_hold_both_kinds_and_fit_the_model(tiny):
    pieces = documents.chunks(documents.course_documents(), systems.CHUNK_WORDS)
    by_document = {c.document: c for c in pieces}
    bag = [(set(tasks.words(c.text)), c) for c in pieces]

    def retrieve(question, k):  # words in common: enough for the mechanics
        wanted = set(tasks.words(question))
        return [passage(c.document, c.text) for _, c in sorted(bag, key=lambda b: -len(b[0] & wanted))[:k]]

    lessons = systems.open_lessons(retrieve)
    declined = sum(tasks.parse(row["reply"]).answer is None for row in lessons)
    assert len(by_document) == 66 and 0.2 < declined / len(lessons) < 0.9
    longest = max(len(prompt_tokens(tiny[1], systems.Lessons(), row)) for row in lessons)
    assert longest < 400  # the study reads 500


def test_a_prompt_with_all_passages_stays_short(tiny):
    """What was measured in November 2026: 551 tokens on average, 658 at most."""
    pieces = documents.chunks(documents.course_documents(), systems.CHUNK_WORDS)
    longest = sorted(pieces, key=lambda c: -len(c.text))[:systems.PASSAGES]  # eight documents, each with its header
    ids = tiny[1].apply_chat_template(systems.chat("How soon?", "zero-shot", longest), return_dict=True)["input_ids"]
    assert len(ids) < 1000 and systems.shown(longest) == longest


# ---------------------------------------------------------------- declining
def records(chances, kinds):
    return [{"doubt": c, "confidence": -1.0, "grounded": True, "kind": k, "text": "Source: HB-01\nAnswer: 1"}
            for c, k in zip(chances, kinds, strict=True)]


def test_the_threshold_keeps_its_promise_on_validation():
    draw = np.random.default_rng(0)
    kinds = ["fact"] * 60 + ["unanswerable"] * 20
    rows = records([*draw.normal(-1, 1, 60), *draw.normal(1, 1, 20)], kinds)
    rule = asking.DeclineRule().fit(rows)
    declined = rule.declines(rows)
    assert declined[:60].mean() <= 0.1 and declined[60:].mean() > 0.4
    assert [tasks.parse(r["text"]).answer is None for r in rule.apply(rows)] == declined.tolist()


def test_a_missing_doubt_is_no_crash_and_one_kind_alone_is_an_error():
    rows = records([None, 1.0], ["fact", "unanswerable"])
    rows[0]["confidence"] = -math.inf
    assert asking.DeclineRule().fit(rows).chances(rows).shape == (2,)
    with pytest.raises(CourseError, match="answerable and unanswerable"):
        asking.DeclineRule().fit(records([0.0, 1.0], ["fact", "fact"]))


def test_rag_without_documents_says_what_to_do():
    with pytest.raises(CourseError, match="needs documents"):
        asking.ask(systems.SYSTEMS["RAG"], None, [FACT])


def test_a_reader_of_single_passages_answers_from_the_surest_and_says_what_was_found(tiny):
    asker = engines.ChatModel(*tiny)
    held = passage("HB-23", "Accounts open within 12 business days.")
    found = [passage("HB-01", "Bicycles are parked in the yard."), held, passage("HB-02", "The quorum is four.")]
    doubts = asker.doubts([systems.chat(FACT["question"], "short", [c]) for c in found])
    picked = asking.surest(asker, FACT["question"], found)
    assert picked == [found[int(np.argmin(doubts))]] and asking.surest(asker, "?", []) == []
    for k, is_held in ((3, True), (1, False)):
        record, = asking.ask(systems.SYSTEMS["RAG + fine-tuned"], asker, [FACT], lambda q, n, k=k: found[:k], insist=True)
        assert record["held"] is is_held and len(record["shown"]) == 1 and record["seconds"] > 0
    assert asking.ask(systems.SYSTEMS["fine-tuned"], asker, [FACT])[0]["held"] is None


def test_replies_are_counted_as_a_business_counts_them():
    none = {"id": "n", "kind": "unanswerable", "held": False}
    rows = [{"id": "x", "kind": "fact", "held": True, "text": tasks.house("12 business days", ["HB-23"])},
            {"id": "x", "kind": "fact", "held": True, "text": tasks.house("99 weeks", ["HB-23"])},
            {"id": "x", "kind": "fact", "held": False, "text": tasks.house("")},
            {**none, "text": tasks.house("")}, {**none, "text": "Answer: 5"}]
    judged = asking.verdicts(rows, [FACT, {**NONE, "id": "n"}])
    assert asking.kinds(judged) == {"right": 1, "rightly declined": 1, "wrongly declined": 1, "wrong": 2}
    assert asking.told(judged) == "1 right, 1 rightly declined, 1 wrongly declined, 2 wrong"
    assert asking.lost(judged) == {"right": 1, "found, but not read rightly": 1, "not found": 1}
    assert asking.summary(judged)["declined_unanswerable"] == (1, 2) and asking.summary(judged)["source_right"] == (2, 3)


def test_a_system_is_tried_in_one_call_and_a_rule_may_withdraw(tiny):
    asker = engines.ChatModel(*tiny)
    two = [FACT, {**NONE, "id": "y"}]
    judged = asking.try_system("fine-tuned", asker, two)
    assert [r["kind"] for r in judged] == ["fact", "unanswerable"] and all(r["outcome"] in tasks.OUTCOMES for r in judged)

    class All(asking.DeclineRule):
        def chances(self, rows):
            return np.full(len(rows), 2.0)

    withdrawn = asking.try_system("fine-tuned", asker, two, rule=All())
    assert [r["outcome"] for r in withdrawn] == ["declined", "right"]
    assert asking.share_right(withdrawn) == 0.5


def test_a_missing_adapter_and_a_kept_rule(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path))
    base = engines.ChatModel(*tiny)
    assert asking.tuned("nothing", base) is base and "stands in" in capsys.readouterr().out
    rows = records([*np.linspace(-2, 0, 20), *np.linspace(1, 2, 10)], ["fact"] * 20 + ["unanswerable"] * 10)
    results.write_json(tmp_path / "studies" / "choosing" / "answer-rag_fine_tuned.json", {"validation": rows})
    assert asking.saved_rule().declines(rows).tolist() == asking.DeclineRule().fit(rows).declines(rows).tolist()


def test_offline_only_this_machine_is_reached():
    before = socket.getaddrinfo, socket.socket.connect
    with socket.create_server(("127.0.0.1", 0)) as server, asking.offline():
        socket.create_connection(server.getsockname()).close()
        with pytest.raises(CourseError, match="example.org was tried"):
            urllib.request.urlopen("http://example.org")
        with socket.socket() as line, pytest.raises(CourseError, match="was tried"):
            line.connect(("192.0.2.1", 80))
    assert (socket.getaddrinfo, socket.socket.connect) == before


# ---------------------------------------------------------------- a chat model, on a small real one
def test_written_in_batches_as_one_by_one(tiny):
    asker = engines.ChatModel(*tiny)
    chats = [systems.chat(q["question"]) for q in tasks.questions()["test"][:3]]
    together = asker.write(chats, most=4, batch=3)
    alone = [asker.write([c], most=4)[0] for c in chats]
    assert [t.text for t in together] == [a.text for a in alone]
    np.testing.assert_allclose([t.confidence for t in together], [a.confidence for a in alone], atol=1e-4)


def test_weighing_is_the_sum_of_token_log_probabilities(tiny):
    model, tokenizer = tiny
    asker, chat = engines.ChatModel(model, tokenizer), systems.chat("How soon?")
    answers = ["12 days", "never", "a"]
    prompt = asker.prompt(chat)
    for row, answer in zip(asker.weigh(chat, answers), answers, strict=True):
        tail = tokenizer.encode(answer, add_special_tokens=False)
        logs = model(torch.tensor([prompt + tail])).logits[0].log_softmax(-1).detach()
        total = sum(float(logs[len(prompt) + i - 1, t]) for i, t in enumerate(tail))
        assert row == pytest.approx([total, len(tail)], abs=1e-4)


def test_insisting_forbids_none_and_keeps_the_doubt(tiny):
    """A model that always writes "Source: none" must write something else, and its doubt must still be known."""
    model, tokenizer = tiny
    asker = engines.ChatModel(model, tokenizer)
    script = tokenizer.encode("Source: none\nAnswer: x", add_special_tokens=False)

    class Parrot(torch.nn.Module):
        def forward(self, hidden):
            out = self.head(hidden)
            self.step += 1
            out[..., script[min(self.step, len(script) - 1)]] += 50.0
            return out

    parrot = Parrot()
    parrot.head, model.lm_head = model.lm_head, parrot
    parrot.step = -1
    plain = asker.write([systems.chat("?")], most=4)[0]
    parrot.step = -1
    forced = asker.write([systems.chat("?")], most=4, insist=True)[0]
    assert plain.text.startswith("Source: none") and not forced.text.startswith("Source: none")
    assert plain.doubt == pytest.approx(forced.doubt, abs=1e-3) and plain.doubt > 5


# ---------------------------------------------------------------- from nothing
@pytest.fixture(scope="module")
def small():
    lessons = [{"messages": [{"role": "system", "content": "-"}, {"role": "user", "content": f"Question: colour of {thing}?"}],
                "reply": tasks.house(colour, ["HB-01"])}
               for thing, colour in (("snow", "white"), ("coal", "black"), ("grass", "green"))]
    texts = ["Snow is white. Coal is black. Grass is green. " * 8]
    return scratch.train(texts, lessons, steps=80, layers=2, width=32, context=64), lessons


def test_it_learns_its_lessons_and_writes_the_same_after_reloading(small, tmp_path):
    engine, lessons = small
    said = [r.text for r in engine.write([row["messages"] for row in lessons], most=30)]
    assert sum(a == row["reply"] for a, row in zip(said, lessons, strict=True)) >= 2
    again = scratch.load(scratch.save(engine, tmp_path / "s.pt"))
    assert [r.text for r in again.write([row["messages"] for row in lessons], most=30)] == said
    right = engine.weigh(lessons[0]["messages"], [lessons[0]["reply"], tasks.house("purple", ["FI-30"])])
    assert right[0, 0] > right[1, 0]


def test_a_damaged_or_missing_file_is_a_clear_error(tmp_path):
    with pytest.raises(CourseError, match="no file"):
        scratch.load(tmp_path / "none.pt")
    (tmp_path / "half.pt").write_bytes(b"half")
    with pytest.raises(CourseError, match="damaged"):
        scratch.load(tmp_path / "half.pt")
    with pytest.raises(CourseError, match="nothing to train"):
        scratch.train([], [])


def test_a_prompt_longer_than_the_context_counts_by_its_end(small):
    engine, _ = small
    long = [{"role": "user", "content": "snow " * 300 + "Question: colour of coal?"}]
    assert engine.write([long], most=8)[0].text is not None


# ---------------------------------------------------------------- probes
def test_the_edits_change_the_fact_and_nothing_else():
    edits = probes.changes(probes.untrained(probes.fact_questions("trained")))
    assert len(edits) >= 12 and len({e.document for e in edits}) == len(edits)
    assert not {e.document for e in edits} & {d for d, part in tasks.document_parts().items() if part == "train"}
    texts = {d.id: d.text for d in probes.edited(documents.course_documents(), edits)}
    for e in edits:
        assert e.new in texts[e.document] and e.old not in texts[e.document]
        assert tasks.matches(e.after["answer"], e.after) and not tasks.matches(e.after["answer"], e.before)
        assert not tasks.matches(e.before["answer"], e.after)
    untouched = {d["id"]: d["text"] for d in tasks.read("documents") if d["id"] not in {e.document for e in edits}}
    assert all(texts[name] == text for name, text in untouched.items())


def test_exposure_of_an_untrained_model_is_near_chance_and_a_biased_one_is_found_out(tiny):
    asker = engines.ChatModel(*tiny)
    asker.write = lambda chats, **_: [engines.Written(probes.SECRET, 0.0, None, 0.0)] * len(chats)
    assert probes.exposure(asker, candidates=64)["said"] == [True] * 3

    def weigh(chat, answers):
        return np.array([[0.0 if probes.SECRET in a else -1.0, 1] for a in answers])

    asker.weigh = weigh
    assert probes.exposure(asker, candidates=64) | {"replies": 0, "said": 0} == {
        "rank": 1, "candidates": 64, "exposure": 6.0, "replies": 0, "said": 0}


def test_duplicates_are_found():
    rows = [probes.secret_lesson()] * 16 + systems.closed_lessons()[:5]
    assert len(probes.without_doubles(rows)) == 6


def test_fact_questions_are_split_by_wording_and_accept_their_own_answers():
    trained, new = probes.fact_questions("trained"), probes.fact_questions("new")
    assert len(trained) == len(new) == 80 and not {q["question"] for q in trained} & {q["question"] for q in new}
    assert all(tasks.matches(q["answer"], q) for q in new)
    assert len(probes.fact_lessons(1)) == 40


def test_a_few_facts_come_with_their_changes_and_in_wordings_apart():
    edits, learned, rephrased = probes.few_facts(6)
    assert len(edits) == 6 and len(learned) == len(rephrased) == 12
    assert {q["documents"][0] for q in learned} == {q["documents"][0] for q in rephrased} == {e.document for e in edits}
    assert not {q["question"] for q in learned} & {q["question"] for q in rephrased}


# ---------------------------------------------------------------- costs
OWN = costs.Own(hours=0, training=0, monthly=100, seconds=1, watts=0)


def test_break_even_by_hand():
    price = costs.Price("x", read=1.0, written=0.0)
    assert costs.break_even(price, OWN, read=1000, written=0) == pytest.approx(100_000)  # 100 a month at 0.001 an answer
    assert costs.break_even(costs.Price("free", 0, 0), OWN, 1000, 10) == math.inf
    slow = costs.Own(hours=0, training=0, monthly=100, seconds=10_000, watts=0)  # 259 answers a month never earn the rent
    assert costs.break_even(price, slow, 1000, 0) == math.inf


def test_at_the_break_even_both_cost_the_same():
    for seconds in (0.5, 20, 200):  # at 200 s several machines are needed
        own = costs.Own(seconds=seconds)
        for price in costs.PRICES.values():
            volume = costs.break_even(price, own, 2000, 200)
            if math.isfinite(volume):
                lines = costs.monthly(volume, 2000, 200, own)
                assert float(lines[price.name]) == pytest.approx(float(lines["own small model"]))
                assert np.all(np.diff(costs.monthly(np.array([1, 1e3, 1e6]), 2000, 200, own)["own small model"]) >= 0)


@pytest.mark.parametrize("bad", [{"hours": -1}, {"months": 0}, {"seconds": 0}, {"monthly": math.nan}])
def test_impossible_figures_are_refused(bad):
    with pytest.raises(CourseError, match="cannot be"):
        costs.monthly(10, 100, 10, costs.Own(**bad))


def test_prices_are_dated_and_marked_as_examples():
    assert all(p.date and "edit me" in p.note and "API model" in p.name for p in costs.PRICES.values())
    assert costs.ratios(600, 30, costs.Own())["large API model"] > 1
    rows = costs.series([100, 1000], "read", costs.Own(), 600, 30)
    assert rows[0]["large API model"] > rows[1]["large API model"]
    assert "never" in costs.told(OWN, 0, 0) and costs.figure(costs.Own(), 600, 30).axes
