"""The sentiment domain: the course's own data, FinancialPhraseBank's file format, and any CSV a learner brings."""

import re
import zipfile

import pytest

from course_utils import sentiment
from course_utils.runtime import CourseError

PARTS = ("train", "validation", "test")


# ---------------------------------------------------------------- the course's own sentences
def test_own_data_is_what_the_card_says():
    rows = [r for part in PARTS for r in sentiment.own(part)]
    assert len(rows) >= 1200 and len({r["text"] for r in rows}) == len(rows)
    assert sum(bool(r["hard"]) for r in rows) >= 150
    assert {r["label"] for r in rows} == set(sentiment.LABELS)
    card = (sentiment.OWN / "README.md").read_text(encoding="utf-8")
    for part in PARTS:
        assert f"`{part}.jsonl` ({len(sentiment.own(part)):,})" in card
    figures = sentiment.variety(rows)
    assert f"| distinct 4-grams (1 = nothing repeated) | {figures['distinct_4grams']:.2f} |" in card
    assert figures["nearest_95"] < 0.5


def test_no_near_duplicates_at_all_so_none_across_the_split():
    rows = [r for part in PARTS for r in sentiment.own(part)]
    assert sentiment.variety(rows)["near_duplicates"] == 0


def test_the_split_depends_on_the_texts_alone():
    rows = [r for part in PARTS for r in sentiment.own(part)]
    again = sentiment.split(list(reversed(rows)), 1000, 150)
    assert all([r["id"] for r in again[part]] == [r["id"] for r in sentiment.own(part)] for part in PARTS)


def test_variety_sees_a_template():
    """The figure in the data card must react to what it is meant to find."""
    filled = [{"text": f"{a} said its profit rose {n} % in {y}."} for a, n, y in
              zip(["Asko", "Brite", "Cordo", "Delvi"], range(4), range(2001, 2005), strict=True)]
    assert sentiment.variety(filled)["near_duplicates"] == 4
    assert sentiment.variety(filled)["distinct_4grams"] == pytest.approx(0.25)


def test_stratified_subset_is_fixed_and_balanced():
    test = sentiment.own("test")
    picked = sentiment.stratified(test, 100)
    assert picked == sentiment.stratified(test, 100) and abs(len(picked) - 100) <= 1
    for label in sentiment.LABELS:
        share = sum(r["label"] == label for r in test) / len(test)
        assert sum(r["label"] == label for r in picked) / len(picked) == pytest.approx(share, abs=0.02)


# ---------------------------------------------------------------- FinancialPhraseBank
def bank(tmp_path, text: bytes, name="FinancialPhraseBank-v1.0/Sentences_AllAgree.txt"):
    path = tmp_path / "bank.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, text)
        archive.writestr("__MACOSX/FinancialPhraseBank-v1.0/._Sentences_AllAgree.txt", b"\x00")
    return path


def test_phrasebank_counts_damaged_rows(tmp_path):
    """Real copies contain damaged rows; one mirror has a row that is just `1`. They are counted, never guessed."""
    lines = ["Profit rose to 5 @ 6 EUR .@positive", "Pärnu@neutral", "1", "", "@negative", "X@happy", "Pärnu@neutral"]
    path = bank(tmp_path, "\n".join(lines).encode("latin-1"))
    loaded = sentiment.phrasebank(path)
    assert [r["text"] for r in loaded.rows] == ["Profit rose to 5 @ 6 EUR .", "Pärnu"]
    assert loaded.dropped == {"empty": 3, "with an unknown label": 1, "duplicate": 1}


@pytest.mark.parametrize("content, message", [(b"not a zip", "not a whole zip"), (None, "no file")])
def test_phrasebank_bad_zip(tmp_path, content, message):
    path = tmp_path / "x.zip"
    if content:
        path.write_bytes(content)
    with pytest.raises(CourseError, match=message):
        sentiment.phrasebank(path)


def test_phrasebank_zip_of_something_else(tmp_path):
    with pytest.raises(CourseError, match="no file named"):
        sentiment.phrasebank(bank(tmp_path, b"x", "other.txt"))


def test_phrasebank_without_network_says_what_to_do(monkeypatch):
    monkeypatch.delenv("COURSE_PHRASEBANK", raising=False)
    with pytest.raises(CourseError, match="COURSE_PHRASEBANK"):
        sentiment.phrasebank()


# ---------------------------------------------------------------- any CSV
def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "mine.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_csv_with_semicolons_bom_and_capitals(tmp_path):
    loaded = sentiment.read_csv(write(tmp_path, "Text;Label\nOrders rose;Positive\n", "utf-8-sig"))
    assert loaded.rows == [{"text": "Orders rose", "label": "positive"}]


@pytest.mark.parametrize("encoding, note", [("cp1252", "Windows-1252"), ("utf-16", "UTF-16"), ("utf-8", None)])
def test_csv_encodings(tmp_path, encoding, note):
    loaded = sentiment.read_csv(write(tmp_path, "text,label\nPärnu grew,positive\n", encoding))
    assert loaded.rows[0]["text"] == "Pärnu grew"
    assert (note in loaded.notes[0]) if note else not loaded.notes


def test_csv_wrong_columns_names_what_is_there(tmp_path):
    with pytest.raises(CourseError, match="no column 'label'; it has 'text', 'sentiment'.*\n.*label="):
        sentiment.read_csv(write(tmp_path, "text,sentiment\na,positive\n"))


def test_csv_counts_what_it_drops(tmp_path):
    loaded = sentiment.read_csv(write(tmp_path, "text,label\na,positive\na,positive\n,neutral\nb,\nc,happy\n"))
    assert loaded.dropped == {"duplicate": 1, "empty": 1, "without a label": 1, "with an unknown label": 1}
    assert "1 rows kept; dropped: 1 duplicate" in str(loaded)


def test_csv_unknown_labels_only(tmp_path):
    with pytest.raises(CourseError, match="No row .* can be used.*2 with an unknown label.*\n.*positive, negative, neutral"):
        sentiment.read_csv(write(tmp_path, "text,label\na,good\nb,bad\n"))


@pytest.mark.parametrize("content", ["", "   \n"])
def test_csv_empty(tmp_path, content):
    with pytest.raises(CourseError, match="is empty"):
        sentiment.read_csv(write(tmp_path, content))


def test_csv_missing_file():
    with pytest.raises(CourseError, match="There is no file"):
        sentiment.read_csv("nowhere.csv")


def test_csv_unbalanced_quote_is_not_a_traceback(tmp_path):
    with pytest.raises(CourseError, match="quotes may be unbalanced"):
        sentiment.read_csv(write(tmp_path, 'text,label\n"' + "x" * 200_000 + ",positive\n"))


def test_a_100_mb_file_is_read_as_a_stream(tmp_path):
    """A learner's 100 MB export must neither fill the memory nor take minutes; what was not read is said."""
    import resource

    path = tmp_path / "big.csv"
    line = "row {} " + "x" * 190
    with path.open("w") as file:
        file.write("text,label\n")
        for i in range(520_000):
            file.write(f"{line.format(i)},neutral\n")
    assert path.stat().st_size > 100_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    loaded = sentiment.read_csv(path)
    assert len(loaded.rows) == 20_000 and "Reading stopped after 20,000 rows" in str(loaded)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_word_lists_do_not_contradict_each_other():
    assert not sentiment.WORDS["positive"] & sentiment.WORDS["negative"]
    assert all(re.fullmatch(r"[a-z-]+", w) for words in sentiment.WORDS.values() for w in words)
