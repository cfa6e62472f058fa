"""Bring your own data: every file a learner may bring is read, audited and split, or refused with the next action."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from course_utils import models
from course_utils.own import audit, files, form, pipeline, planning
from course_utils.runtime import CourseError

GOODS = ("scarf", "bag", "ring", "boot", "vase", "lamp", "coat", "belt", "rug", "chair", "watch", "glove")
WEEKS = ("Monday", "Tuesday", "Friday", "Easter", "Christmas", "summer")


def sentences(n=120):
    """(text, label): the label can be learned from one word, and no two texts are nearly the same."""
    lines = []
    for i in range(n):
        good = GOODS[i % 12], WEEKS[(i // 12) % 6], GOODS[(i * 7 + 5) % 12]
        mood = "pleased" if i % 2 else "annoyed"
        lines.append((f"{mood} with the {good[0]} number {i} that came {good[1]} before my {good[2]} {i * 37 % 101} left",
                      "praise" if i % 2 else "complaint"))
    return lines


def semicolons(lines):
    head = "Nr;Datum;Kundin;Nachricht;Laden;Kategorie;Betrag;;Notiz\r\n"
    return head + "".join(f'{i};12.03.2024;K{i};"{text}";Linz;{label};"12,50";;\r\n' for i, (text, label) in enumerate(lines))


def zipped(contents):
    place = io.BytesIO()
    with zipfile.ZipFile(place, "w") as pack:
        for name, content in contents.items():
            pack.writestr(name, content)
    return place.getvalue()


# ---------------------------------------------------------------- reading
@pytest.mark.parametrize("encoding, said", [("utf-8-sig", "byte-order mark"), ("utf-16", "UTF-16"),
                                            ("utf-16-le", "without a mark"), ("cp1252", "Windows-1252"),
                                            ("utf-8", "separated by ';'")])
def test_wide_spreadsheet_in_any_encoding(tmp_path, encoding, said):
    lines = [("Tasche schön: " + text, label) for text, label in sentences(60)]
    (tmp_path / "export.csv").write_bytes(semicolons(lines).encode(encoding))
    found = files.read(tmp_path / "export.csv")
    assert found.chosen == ("Nachricht", "Kategorie") and len(found.columns) == 9
    assert [(r["text"], r["target"]) for r in found.rows] == lines and said in str(found)


def test_jsonl_of_chats_and_of_pairs(tmp_path):
    chats = [{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"Question {i}?"},
                           {"role": "assistant", "content": f"Answer {i}."}], "id": i} for i in range(20)]
    lines = [json.dumps(c) for c in chats] + ["not json", json.dumps({"messages": [{"role": "user", "content": "alone"}]})]
    (tmp_path / "chats.jsonl").write_text("\n".join(lines))
    found = files.read(tmp_path / "chats.jsonl")
    assert found.rows[3] == {"text": "system: Be brief.\nuser: Question 3?", "target": "Answer 3."} and len(found.rows) == 21
    assert found.rows[-1]["target"] == "" and "1 lines are no JSON" in str(found)
    pairs = "[" + ",".join(json.dumps({"prompt": f"a {i}", "completion": {"sku": i}, "x": None}) for i in range(12)) + "]"
    assert files.from_bytes("x.json", pairs.encode()).rows[2] == {"text": "a 2", "target": '{"sku":2}'}


def test_named_columns_win_and_headers_may_repeat():
    raw = b"sep=;\r\nlabel;text;other;other\r\nx;one;two;three\r\ny;four;five;six\r\n"
    found = files.from_bytes("x.csv", raw, text="OTHER (2)", target="label")
    assert found.rows[0] == {"text": "three", "target": "x"} and "guessed" not in str(found)


@pytest.mark.parametrize("raw, message", [
    (b"", "is empty"), (b"\xef\xbb\xbf  \n", "is empty"), (b"PK\x03\x04xl/worksheets", "not a whole zip"),
    (zipped({"xl/workbook.xml": "<x/>"}), "Excel workbook"), (zipped({"a.csv": "a,b", "b.csv": "a,b"}), "holds 2 data files"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1", "Excel workbook"), (b"text\nonly one\n", "1 column"), (b"text,label\n", "0 rows"),
    (b"{broken\n{also", "no JSON object"), (b'{"a": "1"}\n{"a": "2"}', "has 1 column: a")])
def test_files_that_cannot_be_used_say_the_next_action(raw, message):
    with pytest.raises(CourseError, match=message) as error:
        files.from_bytes("mine.csv", raw)
    assert error.value.next_action
    with pytest.raises(CourseError, match="no column 'lable'; it has 'text', 'label'"):
        files.from_bytes("mine.csv", b"text,label\na,b\n", target="lable")


def test_zip_with_one_data_file_is_opened():
    """FinancialPhraseBank comes as a zip: latin-1, `sentence@label`, a licence beside it and a Mac's shadow files."""
    lines = "".join(f"Pärnu {i} @ 5 EUR .@{'neutral' if i % 2 else 'positive'}\n" for i in range(20))
    raw = zipped({"x/License.txt": "CC", "x/Sentences_AllAgree.txt": lines.encode("latin-1"), "__MACOSX/x/._S.txt": "\0"})
    found = files.from_bytes("bank.zip", raw)
    assert found.rows[1] == {"text": "Pärnu 1 @ 5 EUR .", "target": "neutral"} and "Sentences_AllAgree.txt" in str(found)


def test_missing_file_and_folder(tmp_path):
    for place in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(CourseError, match="cannot be read"):
            files.read(place)


def test_ragged_rows_quotes_and_nul_are_counted_not_lost():
    raw = 'text,label\n"a ""quoted"", one",x\nshort\nlong,y,extra\n"two\nlines",z\nnul\x00,x\n'
    found = files.from_bytes("x.csv", raw.encode())
    assert [r["text"] for r in found.rows] == ['a "quoted", one', "short", "long", "two\nlines", "nul"]
    assert found.rows[1]["target"] == "" and "2 rows have more or fewer cells" in str(found)


# ---------------------------------------------------------------- bad input: named, never run, never dropped in silence
def test_formulas_stay_text_and_are_named():
    raw = 'text,label\n"=HYPERLINK(""http://x.example"",""win"")",spam\n'
    raw += "".join(f"{text},{label}\n" for text, label in sentences(60))
    found = files.from_bytes("x.csv", raw.encode())
    assert found.rows[0]["text"] == '=HYPERLINK("http://x.example","win")'
    assert audit.audit(found.rows).finding("formulas").level == "fix"


def test_one_class_eight_rows_and_numbers_are_refused_by_name():
    lines = [{"text": text, "target": label} for text, label in sentences(60)]
    with pytest.raises(CourseError, match="same target, 'praise'"):
        pipeline.prepare([{**row, "target": "praise"} for row in lines])
    with pytest.raises(CourseError, match="8 rows can be used"):
        pipeline.prepare(lines[:8])
    job = pipeline.prepare([{**row, "target": f"{i},{i}5"} for i, row in enumerate(lines)])
    assert job.audit.verdict == "stop" and "amount" in job.audit.finding("numbers").what


def test_empty_cells_are_named_and_left_out_aloud():
    lines = [{"text": text, "target": label if i else ""} for i, (text, label) in enumerate(sentences(60))]
    job = pipeline.prepare(lines)
    assert job.audit.finding("empty cells").rows == (0,) and "1 of 60 rows are left out" in str(job)
    assert sum(map(len, job.parts.values())) == 59


@pytest.mark.slow
def test_two_hundred_thousand_rows(tmp_path):
    place = tmp_path / "big.csv"
    with place.open("w") as file:
        file.write("text,label\n")
        file.writelines(f"message {i} about {GOODS[i % 12]} {i * 7919 % 100_003} and {i * 31 % 997},{'ab'[i % 2]}\n"
                        for i in range(200_000))
    job = pipeline.prepare(place)
    assert sum(map(len, job.parts.values())) == 200_000 and "20,000 rows, evenly drawn" in str(job)


# ---------------------------------------------------------------- splitting and tasks
def test_split_keeps_alike_texts_together_and_labels_even():
    lines = [{"text": text, "target": label} for text, label in sentences(120)]
    lines += [{**row, "text": row["text"].replace("left", "leaves")} for row in lines[:30]] + lines[30:40]
    parts = pipeline.prepare(lines).parts
    home = {}
    for part, rows in parts.items():
        for row in rows:
            assert home.setdefault(row["text"].replace("leaves", "left"), part) == part
    assert len(parts["test"]) >= 20 and len(parts["validation"]) >= 8
    assert 0.3 < np.mean([row["target"] == "praise" for row in parts["test"]]) < 0.7
    again = pipeline.prepare(list(reversed(lines))).parts
    assert {r["text"] for r in again["test"]} == {r["text"] for r in parts["test"]}


def test_labels_that_begin_alike_become_letters(tiny):
    _, tokenizer = tiny
    lines = [{"text": t, "target": "sent back" if label == "praise" else "sent late"} for t, label in sentences(60)]
    job = pipeline.prepare(lines, tokenizer=tokenizer)
    assert job.task.labels == ("A", "B") and "A = sent back; B = sent late" in job.task.instruction
    assert all(job.labels[row["label"]] == row["target"] for row in job.parts["test"])
    plain = pipeline.prepare([{"text": t, "target": label.title()} for t, label in sentences(60)], tokenizer=tokenizer)
    assert plain.task.labels == ("complaint", "praise") and plain.labels["praise"] == "Praise"


def test_free_texts_get_a_text_task_and_lookup_baseline():
    rows = [{"text": text, "target": text.upper()} for text, _ in sentences(60)]
    job = pipeline.prepare(rows)
    assert isinstance(job.task, pipeline.TextTask) and job.labels is None
    assert pipeline.nearest(rows, [{"text": rows[7]["text"]}]) == [rows[7]["target"]]
    assert pipeline.word_f1("a b b c", "b b d") == pytest.approx(2 * 2 / 7) and pipeline.word_f1("", "") == 0


# ---------------------------------------------------------------- planning
def test_planning_curve_rises_and_its_band_is_honest():
    draw = np.random.default_rng(0)
    rows = []
    for i in range(240):  # twenty telling words a label, one in each text, three in ten of them wrong
        label = "ab"[i % 2]
        told = label if draw.random() > 0.15 else "ab"[(i + 1) % 2]
        rows.append({"text": f"{told}{draw.integers(20)} {' '.join(f'w{k}' for k in draw.integers(0, 300, 6))}", "target": label})
    found = planning.plan(rows, repeats=3)
    means = found.accuracies.mean(1)
    assert means[-1] > means[0] + 0.1 and (found.low <= found.mid).all() and (found.mid <= found.high).all()
    assert (found.high - found.low)[-1] > 0.02 and "out of reach" in found.rows_for(0.999)
    assert "needs" in found.rows_for(round(float(means[2]), 2))
    assert found.figure().axes[0].get_xscale() == "log"


@pytest.mark.parametrize("rows", [[], [{"text": "a", "target": "b"}] * 60])
def test_planning_refuses_what_it_cannot_plan(rows):
    with pytest.raises(CourseError, match="needs 40 rows of two labels"):
        planning.plan(rows)


# ---------------------------------------------------------------- form
def test_form_reads_uploads_of_both_widget_versions():
    content = semicolons(sentences(60)).encode("utf-8-sig")
    new, old = {"name": "x.csv", "content": memoryview(content)}, {"metadata": {"name": "x.csv"}, "content": content}
    for value in ((new,), {"x.csv": old}):
        shown = form.Form()
        shown.take(*form.uploaded(value))
        assert shown.text.value == "Nachricht" and shown.chosen().rows[0]["target"] == "complaint"
    shown.target.value = "Nachricht"
    with pytest.raises(CourseError, match="same column"):
        shown.chosen()
    with pytest.raises(CourseError, match="No file"):
        form.uploaded(())


# ---------------------------------------------------------------- the whole way
@pytest.mark.slow
@pytest.mark.parametrize("free", [False, True])
def test_from_file_to_zip_and_again(tmp_path, monkeypatch, free):
    """Real weights, a few real steps: every artefact is there, the adapter loads, and the second call returns at once."""
    monkeypatch.setitem(pipeline.BUDGET, "quick", (600, 6, 256, 8))
    lines = [(text, text.split()[3] if free else label) for text, label in sentences(60)]
    lines = [(text, f"{target} {i}" if free else target) for i, (text, target) in enumerate(lines)]
    (tmp_path / "mine.csv").write_text(semicolons(lines), encoding="utf-8-sig")
    columns = {"text": "Nachricht", "target": "Kategorie"}
    outcome = pipeline.run(tmp_path / "mine.csv", licence="invented", **columns)
    assert outcome["tested"] == 6 and len(outcome["scores"]) == 4 + (not free)
    assert all(s["low"] <= s["accuracy"] <= s["high"] for s in outcome["scores"])
    place = Path(outcome["zip"])
    with zipfile.ZipFile(place) as pack:
        names = pack.namelist()
        card = pack.read("README.md").decode()
        assert not any(lines[0][0] in pack.read(name).decode("latin-1") for name in names if name != "audit.html")
        pack.extractall(tmp_path / "taken")
    assert {"README.md", "audit.html", "adapter/adapter_model.safetensors"} <= set(names)
    assert "invented" in card and "fine-tuned" in card
    model, _ = models.load(outcome["model"])
    assert models.count(models.load_adapter(model, tmp_path / "taken" / "adapter", outcome["model"]))["trainable"] >= 0
    said = []
    assert pipeline.run(tmp_path / "mine.csv", licence="invented", say=said.append, **columns) == outcome
    assert any("before" in str(line) for line in said)


@pytest.mark.slow
def test_stop_means_stop(tmp_path):
    lines = [{"text": text, "target": f"{i}.50"} for i, (text, _) in enumerate(sentences(60))]
    with pytest.raises(CourseError, match="The audit says stop"):
        pipeline.run(lines, say=lambda _: None)
