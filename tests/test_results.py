"""Every number is earned: recording, publishing, marks."""

import json

import pytest

from course_utils import results, runtime


@pytest.fixture
def house(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "PUBLISHED", tmp_path / "published")
    monkeypatch.setenv("COURSE_NOTEBOOK", "99")
    monkeypatch.setenv("COURSE_CODE", "abc")
    return tmp_path


def test_an_entry_has_every_field_of_the_contract(house):
    entry = results.record("a", 0.5, "share", n=10, low=0.4, high=0.6, method="m", seeds=[1, 2], split="test")
    assert set(results.FIELDS) <= set(entry)
    assert entry["device"] and entry["versions"]["torch"] and entry["scale"] == "quick"


def test_quick_runs_are_never_published(house, monkeypatch):
    results.record("a", 1.0)
    assert results.publish("99") == []
    monkeypatch.setenv("COURSE_SCALE", "laptop")
    results.record("a", 2.0)
    assert results.publish("99") == ["a"] and results.read("99.a")["value"] == 2.0


def test_interactive_values_are_never_published(house, monkeypatch):
    monkeypatch.setenv("COURSE_SCALE", "laptop")
    monkeypatch.delenv("COURSE_CODE")
    results.record("a", 1.0)
    assert results.publish("99") == []


def test_marks_are_filled_and_stay_marked(house):
    results.write_json(results.PUBLISHED / "99.json", {"a": {"value": 0.93712, "low": 0.91, "device": "CPU", "n": 5}})
    text = "It reached <!--r:99.a-->0.1<!--/r--> (<!--r:99.a|.0%-->?<!--/r-->, from <!--r:99.a|low:.3f-->?<!--/r-->)."
    once = results.render(text)
    assert once == ("It reached <!--r:99.a-->0.94<!--/r--> (<!--r:99.a|.0%-->94%<!--/r-->, "
                    "from <!--r:99.a|low:.3f-->0.910<!--/r-->).")
    assert results.render(once) == once


def test_a_missing_number_is_an_error(house):
    with pytest.raises(runtime.CourseError, match="No recorded result '99.nothing'"):
        results.render("<!--r:99.nothing-->1<!--/r-->")


def test_a_write_that_fails_leaves_the_old_file(house, monkeypatch):
    path = house / "x.json"
    results.write_json(path, {"a": 1})
    monkeypatch.setattr(results.os, "replace", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(runtime.CourseError, match="No space left"):
        results.write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}


def test_claims_need_a_known_verdict(house):
    with pytest.raises(ValueError, match="none of"):
        results.claim("X1", "a claim", 1, "probably", "section 1")
