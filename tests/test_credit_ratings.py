"""The blind rating tool without a browser. All ratings here are invented for the test and written to a temporary folder."""

import csv
import random

import ipywidgets
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.credit import rating_summary, rating_view, ratings
from course_utils.runtime import CourseError

TEXTS = ["EBITDA: 80 x 0.9 = 72 < 80.\nDECISION: approve", "Ein Bruch; daher \"Vorsicht\", <b>nicht</b> fett.", "", "1,5\n\n2",
         "=1+1", "watch-list"]


@pytest.fixture
def pairs():
    rows = [{"id": f"case-{k}", "text": f"Case {k}, Scenario: none."} for k in range(6)]
    return ratings.pairs_of(rows, {"small": [f"{text} {k}" for k, text in enumerate(TEXTS)], "large": TEXTS[::-1]})


def shown(pairs, session) -> list[str]:
    """The systems in the order that this session shows them."""
    systems = {text: system for pair in pairs if pair.id == session.item.pair for system, text in pair.answers}
    return [systems[text] for text in session.item.texts]


def rate_all(pairs, name, folder, mark, prefers="large", seed=0):
    """A made-up rater: mark(system, criterion) everywhere, and always for one system."""
    session = ratings.Session(pairs, name, folder, seed)
    while True:
        order = shown(pairs, session)
        for column in ratings.MARKS:
            session.rate(column, mark(order[int(column[-1]) - 1], column[:-2]))
        session.rate("preferred", str(order.index(prefers) + 1))
        if not session.next():
            return session


# ---------------------------------------------------------------- blind
def test_the_file_names_no_system_and_the_code_brings_it_back(pairs, tmp_path):
    session = rate_all(pairs, "Ann B.", tmp_path, lambda system, _: 5 if system == "large" else 2)
    text = session.place.read_text()
    assert session.place.name == "ratings-ann-b.csv" and "small" not in text and "large" not in text
    assert {row["preferred"] for row in csv.DictReader(text.splitlines())} == {"1", "2"}
    got = rating_summary.summary(pairs, tmp_path)
    assert (got.means.loc["large", "value"] == 5).all() and (got.means.loc["small", "value"] == 2).all()
    assert got.preference.loc["large", "value"] == 1 and got.preference.loc["small", "value"] == 0


def test_the_order_is_drawn_for_each_rater_and_even(pairs):
    orders = {}
    for name in ("a", "b", "c"):
        items = ratings.blinded(pairs, name, 0)
        assert items == ratings.blinded(pairs, name, 0)
        first = {pair.id: pair.answers[0][1] for pair in pairs}
        assert sum(item.texts[0] == first[item.pair] for item in items) == 3
        orders[name] = tuple(item.pair for item in items)
    assert len(set(orders.values())) == 3 and len({i.code for name in orders for i in ratings.blinded(pairs, name, 0)}) == 18


# ---------------------------------------------------------------- saving
def test_every_mark_is_on_disk_at_once_and_nothing_is_filled_in(pairs, tmp_path):
    session = ratings.Session(pairs, "r07", tmp_path)
    assert not session.place.exists() and session.missing() == 9
    session.rate("clarity_2", 4)
    (row,) = ratings.read(session.place).rows.values()
    assert row["clarity_2"] == 4 and sum(row[column] is not None for column in ratings.ALLOWED) == 1
    session.rate("clarity_2", None)
    (row,) = ratings.read(session.place).rows.values()
    assert row["clarity_2"] is None and "not run" in rating_summary.summary(pairs, tmp_path).status
    assert [p.name for p in tmp_path.iterdir()] == ["ratings-r07.csv"]


def test_a_rater_goes_on_where_they_stopped(pairs, tmp_path):
    session = ratings.Session(pairs, "Ann", tmp_path)
    for column in ratings.MARKS:
        session.rate(column, 3)
    session.rate("preferred", "equal")
    assert session.next() and session.next() and session.back()
    session.rate("realism_1", 1)
    again = ratings.Session(pairs, " ANN ", tmp_path)
    assert (again.kept, again.dropped, again.complete, again.at) == (2, 0, 1, 1)
    assert again.marks()["realism_1"] == 1 and again.marks(0)["preferred"] == "equal" and again.missing() == 8
    assert again.back() and not again.back()


@pytest.mark.parametrize("cut", [1, 5, 11, 40, 60])
def test_a_half_written_file_is_read_as_far_as_it_is_whole(pairs, tmp_path, cut):
    session = rate_all(pairs, "Ann", tmp_path, lambda *_: 4)
    whole = session.place.read_bytes()
    session.place.write_bytes(whole[:-cut])
    found = ratings.read(session.place)
    assert (found.kept, found.dropped) == ((6, 0) if cut == 1 else (5, 1))  # only the line's end is missing
    again = ratings.Session(pairs, "Ann", tmp_path)
    assert (again.kept, again.dropped) == (found.kept, found.dropped)
    again.rate("clarity_1", 2)
    found = ratings.read(session.place)
    assert (found.kept, found.dropped) == (6, 0)
    aside = list(tmp_path.glob("*.damaged-*"))
    assert [p.read_bytes() for p in aside] == ([] if cut == 1 else [whole[:-cut]])


@pytest.mark.parametrize("old, new", [
    (b",4,4,4,4,", b",4,4,6,4,"), (b",4,4,4,4,", b",4,4,3.5,4,"), (b",4,4,4,4,", b",4,4,4,"), (b",4,4,4,4,", b',4,"4,4,4,'),
    (b"ann,", b"\xff\xfe,"), (b"ann,", b"../../ann,"), (b"+00:00", b" yesterday"), (b"ann,case", b"\x00\x00ann,,")])
def test_a_damaged_line_is_left_out_and_counted_the_others_stay(pairs, tmp_path, old, new):
    session = rate_all(pairs, "Ann", tmp_path, lambda *_: 4)
    lines = session.place.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(old, new, 1)
    session.place.write_bytes(b"".join(lines))
    found = ratings.read(session.place)
    assert (found.kept, found.dropped) == (5, 1)
    assert "1 damaged rows" in rating_summary.summary(pairs, tmp_path).status


@pytest.mark.parametrize("content, dropped", [(b"", 0), (b"\x00" * 500, 1), (b"rater,pair,sav", 1), (b"\n\n\n", 0)])
def test_files_without_a_whole_row(tmp_path, content, dropped):
    (tmp_path / "ratings-x.csv").write_bytes(content)
    found = ratings.read(tmp_path / "ratings-x.csv")
    assert (found.kept, found.dropped) == (0, dropped)


def test_a_file_that_a_spreadsheet_saved_again_is_read(pairs, tmp_path):
    session = rate_all(pairs, "Ann", tmp_path, lambda *_: 4)
    text = session.place.read_text().replace(",", ";").replace("\n", "\r\n")
    session.place.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert (ratings.read(session.place).kept, ratings.read(session.place).dropped) == (6, 0)


def test_two_windows_of_one_rater_lose_nothing(pairs, tmp_path):
    one, two = (ratings.Session(pairs, "Ann", tmp_path) for _ in range(2))
    one.rate("clarity_1", 5)
    two.next()
    two.rate("clarity_1", 2)
    one.rate("clarity_2", 1)
    rows = ratings.read(one.place).rows
    assert (rows[one.item.code]["clarity_1"], rows[one.item.code]["clarity_2"], rows[two.item.code]["clarity_1"]) == (5, 1, 2)


def test_marks_survive_a_file_that_cannot_be_written(pairs, tmp_path):
    session = ratings.Session(pairs, "Ann", tmp_path / "place")
    (tmp_path / "place").write_text("a file where the folder should be")
    with pytest.raises(CourseError, match="kept on this page"):
        session.rate("clarity_1", 5)
    assert session.marks()["clarity_1"] == 5
    (tmp_path / "place").unlink()
    session.rate("clarity_2", 3)
    (row,) = ratings.read(session.place).rows.values()
    assert (row["clarity_1"], row["clarity_2"]) == (5, 3)


def test_a_write_that_is_cut_off_leaves_the_old_file(pairs, tmp_path, monkeypatch):
    session = ratings.Session(pairs, "Ann", tmp_path)
    session.rate("clarity_1", 5)
    before = session.place.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ratings.os, "fsync", full)
    with pytest.raises(CourseError, match="No space"):
        session.rate("clarity_1", 1)
    assert session.place.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


# ---------------------------------------------------------------- bad input
@pytest.mark.parametrize("name", ["", "  ", "../..", "???", "\n"])
def test_a_name_needs_a_letter_or_digit(pairs, tmp_path, name):
    with pytest.raises(CourseError, match="no letter"):
        ratings.Session(pairs, name, tmp_path)


@given(st.text(max_size=60))
def test_any_name_gives_a_safe_file_that_can_be_read_back(name):
    try:
        code = ratings.rater_code(name)
    except CourseError:
        return
    assert not set(code) & set('/\\.:*?"<>| \n\0') and 0 < len(code) <= 40
    cells = [code, "p", "2026-01-01T00:00:00+00:00", *[""] * 9, "r0123456789"]
    assert ratings._row(cells)["rater"] == code


def test_pairs_need_two_answers_to_the_same_cases():
    rows = [{"id": "a", "text": "x"}, {"id": "b", "text": "y"}]
    for bad in ({"one": ["p", "q"]}, {"one": ["p", "q"], "two": ["p"]}, {}, dict.fromkeys("abc", ["p", "q"])):
        with pytest.raises(CourseError, match="two systems"):
            ratings.pairs_of(rows, bad)
    for name in ("a", "", "x\ny"):
        with pytest.raises(CourseError, match="id"):
            ratings.pairs_of([rows[0], {"id": name, "text": "y"}], {"one": ["p", "q"], "two": ["r", "s"]})
    with pytest.raises(CourseError, match="no pairs"):
        ratings.Session([], "Ann")


def test_a_mark_outside_the_scale_is_refused(pairs, tmp_path):
    session = ratings.Session(pairs, "Ann", tmp_path)
    for column, value in (("clarity_1", 6), ("clarity_1", 0), ("clarity_3", 1), ("preferred", "3"), ("code", "r0123456789")):
        with pytest.raises(ValueError):
            session.rate(column, value)
    assert not session.place.exists()


# ---------------------------------------------------------------- summary
def test_without_ratings_the_summary_says_not_run(pairs, tmp_path):
    assert str(rating_summary.summary(pairs, tmp_path)).startswith("ratings by people: not run")


def test_ratings_of_other_answers_or_another_seed_are_left_out(pairs, tmp_path):
    rate_all(pairs, "Ann", tmp_path, lambda *_: 4)
    other = [ratings.Pair(p.id, p.case, (p.answers[0], ("large", "a later run"))) for p in pairs]
    for changed, seed in ((other, 0), (pairs, 1)):
        got = rating_summary.summary(changed, tmp_path, seed)
        assert "not run" in got.status and "6 rows for other answers" in got.status
    assert rate_all(other, "Ann", tmp_path, lambda *_: 2).kept == 6  # the new answers do not overwrite the old marks
    assert (rating_summary.summary(pairs, tmp_path).means["value"] == 4).all()


def test_several_raters_and_a_file_handed_in_twice(pairs, tmp_path):
    for name, mark in (("Ann", 5), ("Bob", 3), ("Cy", 3)):
        place = rate_all(pairs, name, tmp_path, lambda *_, mark=mark: mark, prefers="small" if name == "Ann" else "large").place
    (tmp_path / "ratings-cy (1).csv").write_bytes(place.read_bytes())
    got = rating_summary.summary(pairs, tmp_path)
    assert "3 raters of 6 pairs" in got.status and "6 rows that the same rater gave again" in got.status
    assert got.means["value"].tolist() == pytest.approx([11 / 3] * 8) and set(got.means["n"]) == {18}
    assert got.preference.loc["large", ["value", "n"]].tolist() == [pytest.approx(2 / 3), 18]
    assert got.preference.loc["large", "low"] < 2 / 3 < got.preference.loc["large", "high"]


def test_few_cases_give_no_interval_and_one_side_gives_wilsons(pairs, tmp_path):
    session = ratings.Session(pairs, "Ann", tmp_path)
    session.rate("clarity_1", 4)
    got = rating_summary.summary(pairs, tmp_path)
    assert got.means["low"].isna().all() and got.agreement["alpha"].isna().all() and len(got.preference) == 0
    rate_all(pairs, "Ann", tmp_path, lambda *_: 4)
    votes = rating_summary.summary(pairs, tmp_path).preference
    assert votes.loc["large", "low"] == pytest.approx(0.61, abs=0.01) and votes.loc["large", "high"] == 1


def test_alpha_is_krippendorffs():
    """The example of Krippendorff (2011): four observers, twelve units, ordinal alpha 0.815."""
    nan = np.nan
    table = [[1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan], [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
             [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan], [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan]]
    assert rating_summary.alpha(table) == pytest.approx(0.815, abs=0.0005)
    assert rating_summary.alpha([[1, 2, 3], [1, 2, 3]]) == 1
    assert rating_summary.alpha([[4, 4], [4, 4]]) is None and rating_summary.alpha([[1, nan], [nan, 2]]) is None
    assert rating_summary.alpha([[1, 5, 1, 5], [5, 1, 5, 1]]) < 0


def test_the_interval_covers_raters_and_cases():
    """On drawn marks with spread between raters and cases, the true mean lies inside about 19 times in 20, or more often."""
    inside, draw = 0, np.random.default_rng(0)
    names = [(f"r{r}", f"c{c}") for r in range(12) for c in range(12)]
    for _ in range(100):
        by = {name: draw.normal(0, 0.6) for pair in zip(*names, strict=True) for name in pair}
        marks = [3 + by[r] + by[c] + draw.normal(0, 0.5) for r, c in names]
        low, high = rating_summary.crossed_bootstrap(marks, [c for _, c in names], [r for r, _ in names], resamples=400)
        inside += low < 3 < high
    assert 86 <= inside <= 100


# ---------------------------------------------------------------- the view
def test_the_widget_moves_marks_between_page_and_session(pairs, tmp_path):
    tool = rating_view.RatingTool(pairs, tmp_path)
    tool.name.value = "Ann <i>"
    tool.start.click()
    assert "Pair 1 of 6" in tool.status.value and "ann-i" in tool.status.value
    tool.sliders["clarity_1"].value = 4
    tool.preferred.value = "2"
    tool.next.click()
    assert tool.sliders["clarity_1"].value == 0 and tool.preferred.value is None
    assert len(ratings.read(tool.session.place).rows) == 1
    tool.back.click()
    assert tool.sliders["clarity_1"].value == 4 and tool.preferred.value == "2" and "7 of 9" in tool.status.value
    tool.sliders["clarity_1"].value = 0
    assert tool.session.marks()["clarity_1"] is None


def test_the_widget_escapes_answers_and_tells_errors(pairs, tmp_path):
    tool = rating_view.RatingTool(pairs, tmp_path / "x")
    tool.start.click()
    assert "Not done" in tool.status.value and not tool.body.children
    (tmp_path / "x").write_text("")
    tool.name.value = "Ann"
    tool.start.click()
    for _ in pairs:
        page = "".join(text.value for text in tool.texts)
        assert "<b>nicht" not in page
        tool.next.click()
    tool.sliders["realism_2"].value = 2
    assert "Not done" in tool.status.value and "next" in tool.status.value
    assert isinstance(tool.widget, ipywidgets.Widget)


def test_a_summary_prints_and_is_a_table(pairs, tmp_path):
    draw = random.Random(0)
    for name in ("Ann", "Bob"):
        rate_all(pairs, name, tmp_path, lambda *_: draw.randint(1, 5))
    got = rating_summary.summary(pairs, tmp_path)
    assert isinstance(got.means, pd.DataFrame) and got.means.shape[0] == 8 and "Agreement between raters" in str(got)
    assert (got.means["low"] <= got.means["value"]).all() and (got.means["value"] <= got.means["high"]).all()
