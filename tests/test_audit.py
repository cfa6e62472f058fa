"""The audit: the course's own data sets are "go", and each fault that we make is found and named."""

import random

import pytest

from course_utils import sentiment, style
from course_utils.own import audit, checks, duplicates, personal, report
from course_utils.retail import data, extraction
from course_utils.runtime import CourseError


def rows(n=120, labels=("good", "bad", "so-so")):
    """Varied rows with nothing wrong: words drawn at random, the label not among them."""
    draw = random.Random(0)
    heads, tails = ("bel", "cor", "dan", "fil", "gra", "hol", "jen", "kor"), ("ta", "mo", "ri", "sen", "pul", "dek")
    words = [head + tail for head in heads for tail in tails]
    texts = [f"The {' '.join(draw.choices(words, k=14))} is of that kind." for _ in range(n)]
    return [{"text": text, "target": labels[i % len(labels)]} for i, text in enumerate(texts)]


def own_sets():
    yield "sentiment", [(part, r["text"], r["label"]) for part in ("train", "validation", "test") for r in sentiment.own(part)]
    yield "products", [(p, r["text"], extraction.written(r["gold"])) for p, found in data.products().items() for r in found]
    yield "customers", [(p, r["text"], r["label"]) for p, found in data.customers().items() for r in found]
    for house, parts in data.voices().items():
        yield house, [(p, r["plain"], r["text"]) for p, found in parts.items() for r in found]


@pytest.mark.parametrize("name, found", own_sets())
def test_the_courses_own_data_are_go(name, found):
    outcome = audit.audit([{"text": a, "target": b} for _, a, b in found], name, [p for p, _, _ in found], licence="CC BY 4.0")
    assert outcome.verdict == "go", str(outcome)
    assert outcome.finding("leakage").level == "ok" and not outcome.reasons


def test_clean_rows_are_go():
    assert audit.audit(rows(), licence="ours").verdict == "go"


def changed(change):
    found = rows()
    return change(found) or found


def cell(i, **new):
    return lambda found: found[i].update(new)


def several(*places, **new):
    return lambda found: [found[i].update(new) for i in places] and None


MADE = [  # check, level, what is done to clean rows
    ("size", "stop", lambda f: f[:8]), ("size", "fix", lambda f: f[:30]),
    ("empty cells", "fix", cell(3, target="  ")), ("empty cells", "fix", cell(3, text="")),
    ("duplicates", "note", lambda f: cell(5, text=f[8]["text"].upper())(f)),
    ("duplicates", "fix", lambda f: f + f[:9]),
    ("contradictions", "fix", lambda f: cell(5, text=f[7]["text"])(f)),
    ("contradictions", "stop", lambda f: f + [{**r, "target": "bad"} for r in f if r["target"] == "good"]),
    ("near-duplicates", "note", lambda f: cell(5, text=f[8]["text"].replace("kind", "sort"))(f)),
    ("near-duplicates", "fix", lambda f: f + [{**r, "text": r["text"].replace("kind", "sort")} for r in f[:20]]),
    ("labels", "stop", lambda f: [{**r, "target": "good"} for r in f]), ("labels", "fix", several(1, 2, target="rare")),
    ("labels", "fix", lambda f: [{**r, "target": "bad" if i < 5 else "good"} for i, r in enumerate(f)]),
    ("spelling of labels", "fix", several(0, 3, 6, 9, 12, target="Good ")),
    ("numbers", "stop", lambda f: [{**r, "target": f"{i * 7.5:.2f}"} for i, r in enumerate(f)]),
    ("numbers", "note", lambda f: [{**r, "target": str(1 + i % 5)} for i, r in enumerate(f)]),
    ("numbers", "stop", lambda f: [{**r, "text": f"1.{i}00,50 €"} for i, r in enumerate(f)]),
    ("answer in the text", "fix", lambda f: [{**r, "text": f"{r['text']} It was {r['target']}."} for r in f]),
    ("length", "fix", cell(3, text="word " * 900)), ("length", "stop", lambda f: [{**r, "text": r["text"] * 30} for r in f]),
    ("personal data", "fix", cell(3, text="Write to jo.berg@example.org today")),
    ("personal data", "fix", cell(3, text="My card is 4111 1111 1111 1111")),
    ("personal data", "note", cell(3, text="Dear Mrs Holm, thank you for the long letter")),
    ("formulas", "fix", cell(3, text='=HYPERLINK("http://x.example","click")')),
    ("formulas", "fix", cell(3, target="=cmd|'/c calc'!A1")),
    ("damaged characters", "note", cell(3, text="Das ist ein schÃ¶ner Tag fÃ¼r alle")),
    ("markup", "fix", several(*range(9), text="<p>A text</p> with a tag<br/> in it")),
    ("languages", "note", lambda f: f[40:] + [
        {**r, "text": "Das ist nicht der Tag und die Zeit für uns: " + r["text"][4:]} for r in f[:40]]),
]


@pytest.mark.parametrize("check, level, change", MADE, ids=[f"{c}-{level}-{i}" for i, (c, level, _) in enumerate(MADE)])
def test_each_made_fault_is_found(check, level, change):
    found = changed(change)
    outcome = audit.audit(found, licence="ours")
    one = outcome.finding(check)
    assert one.level == level, str(outcome)
    assert level not in ("fix", "stop") or (one.next_action and one in outcome.reasons)
    worst = max((f.level for f in outcome.findings), key=checks.LEVELS.index)
    assert outcome.verdict == {"note": "go"}.get(worst, worst)


def test_verdict_is_the_worst_finding():
    found = rows()
    found[0]["text"] = "Write to jo.berg@example.org"
    assert audit.audit(found).verdict == "fix"
    assert audit.audit([{**r, "target": "good"} for r in found]).verdict == "stop"


def test_leakage_between_parts_exact_and_nearly():
    found = rows()
    parts = ["train"] * 100 + ["test"] * 20
    assert audit.audit(found, parts=parts).finding("leakage").level == "ok"
    found[110]["text"] = found[4]["text"].replace("kind", "sort")
    assert audit.audit(found, parts=parts).finding("leakage").level == "fix"
    for i in range(8):
        found[100 + i]["text"] = found[i]["text"]
    outcome = audit.audit(found, parts=parts).finding("leakage")
    assert outcome.level == "stop" and set(outcome.rows) >= set(range(100, 108))
    with pytest.raises(CourseError, match="parts for"):
        audit.audit(found, parts=["train"])


@pytest.mark.parametrize("bad, message", [([], "no rows"), ([{"text": "a"}], "target"), ([{"text": 5, "target": "a"}], "'text'")])
def test_rows_of_the_wrong_form(bad, message):
    with pytest.raises(CourseError, match=message):
        audit.audit(bad)


@pytest.mark.parametrize("text, kinds", [
    ("mail jo.b+x@mail.example.co.uk", ["e-mail address"]),
    ("+49 30 1234567", ["phone number"]), ("0049 170 1234567", ["phone number"]),
    ("(555) 010-9999 please", ["phone number"]),
    ("IBAN DE89 3704 0044 0532 0130 00", ["account number (IBAN)"]),
    ("IBAN GB82 WEST 1234 5698 7654 32", ["account number (IBAN)"]),
    ("IBAN GB82 WEST 1234 5698 7654 33", []), ("4111-1111-1111-1111", ["card number"]), ("4111-1111-1111-1112", []),
    ("Kind regards, Petra", ["name"]), ("on 12.03.2024 and 2024-03-12 10:33, EUR 3 936,00", []), ("EAN 4006381333931", []),
    ("article 0088-41, 220 x 95 x 75 cm, no. 30.118.2", []), ("", [])])
def test_personal_data_by_example(text, kinds):
    assert [kind for kind, _ in personal.find(text)] == kinds


def test_masked_examples_do_not_spread_what_was_found():
    assert "example" not in personal.masked("mail jo@mail.example and pay 4111 1111 1111 1111")


def test_near_pairs_and_families():
    a = "one two three four five six seven eight nine ten"
    texts = [a, a.replace("ten", "eleven"), "quite another text of some eight words here", a]
    pairs, nearest, compared = duplicates.near_pairs(texts)
    assert pairs == [(0, 1), (0, 3), (1, 3)] and compared == 4 and nearest[2] < 0.1
    assert duplicates.families(4, pairs)[0] == duplicates.families(4, pairs)[3] != duplicates.families(4, pairs)[2]
    assert duplicates.near_pairs(["a", "b"])[0] == []


def test_languages_by_function_words_and_script():
    assert checks.language("Das ist nicht der Tag und die Nacht") == "German"
    assert checks.language("C'est une robe pour les fêtes et elle est dans le colis") == "French"
    assert checks.language("ok") is None and checks.language("Спасибо за быстрый ответ") == "Cyrillic"


def test_report_is_one_page_that_runs_nothing(tmp_path):
    style.apply()
    found = rows()
    found[3] = {"text": "<script>alert(1)</script> mail me at jo@mail.example", "target": "good"}
    page = report.save(audit.audit(found, "<b>x</b>"), tmp_path).read_text(encoding="utf-8")
    assert "Verdict: FIX" in page and page.count("<img alt=") == 3 and len(page) < 400_000
    assert "<script" not in page and "<b>x" not in page and "jo@mail" not in page


def test_overview_draws_the_three_pictures_side_by_side():
    style.apply()
    for targets in (True, False):
        figure, alt = report.overview(audit.audit(rows(), labels=targets))
        assert len(figure.axes) == 3 and len(alt) > 30 and all(axis.patches for axis in figure.axes)
