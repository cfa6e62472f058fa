"""The claims page: no claim left out, every verdict with its value and its cell, the page in step with what was recorded."""

import json
import re
from pathlib import Path

import pytest

from course_utils import ledger, results, runtime

# How many claims the sources make, by letter; a row that is left out is missed here.
WANTED = {"L": 8, "Q": 8, "D": 8, "R": 10, "F": 3, "S": 8, "P": 2, "B": 2, "N": 7}
IDS = {f"{letter}{number}" for letter, count in WANTED.items() for number in range(1, count + 1)}


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The two files of the ledger in a place of their own. Returns a function that edits one of them."""
    monkeypatch.setattr(ledger, "TABLE", tmp_path / "table.json")
    monkeypatch.setattr(results, "PUBLISHED", tmp_path)
    (tmp_path / "table.json").write_text((runtime.ROOT / "data/course/claims.json").read_text())
    (tmp_path / "claims.json").write_text((runtime.ROOT / "data/results/claims.json").read_text())

    def edit(name, change):
        path: Path = tmp_path / name
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))
        return ledger.problems()

    return edit


def test_no_claim_is_left_out():
    rows = ledger.rows()
    assert len(rows) == len(IDS) and {row["id"] for row in rows} == IDS
    page = ledger.page()
    assert all(re.search(rf"^\| {key} \| ", page, re.M) for key in IDS)


def test_every_verdict_has_its_value_and_its_cell():
    assert ledger.problems() == []


def test_the_page_is_in_step():
    assert ledger.PAGE.read_text(encoding="utf-8") == ledger.page(), "run: python -m course_utils.ledger"


def test_what_was_not_run_says_so_and_shows_no_value():
    for row in ledger.rows():
        case = ledger.outcome(row)
        if results.entries("claims").get(row["id"], {}).get("verdict", "not run") == "not run":
            assert case["verdict"] == "not run yet" and ledger.measured(case) == ""
            assert "| **not run yet** |" in ledger._line(case)
        else:
            assert case["verdict"] in results.VERDICTS


def test_a_missing_value_is_found(copy):
    found = copy("claims.json", lambda c: c["L2"].update(value=None))
    assert found == ["L2 has the verdict 'holds' but no measured value"]


def test_a_missing_cell_is_found(copy):
    def change(table):
        next(row for row in table["claims"] if row["id"] == "Q3")["cell"] = "section 99"

    assert copy("table.json", change) == ["Q3: notebook 02 has no 'section 99'"]


def test_an_outcome_of_an_unknown_claim_is_found(copy):
    found = copy("claims.json", lambda c: c.update(X1=c["L1"]))
    assert found == ["X1 was recorded but is not in the table"]


def test_a_claim_that_its_notebook_no_longer_records_is_found(copy):
    found = copy("claims.json", lambda c: c.pop("S1"))
    assert found == ["S1 belongs to notebook 01, which was executed but does not record it"]


def test_a_doubled_id_is_found(copy):
    assert "L1 stands 2 times in the table" in copy("table.json", lambda t: t["claims"].append(t["claims"][0]))


def test_marks_of_verdicts_are_filled(copy):
    assert ledger.fill("x <!--claim:Q3-->?<!--/claim--> y") == "x <!--claim:Q3-->wrong<!--/claim--> y"
    with pytest.raises(runtime.CourseError, match="no claim 'Z9'"):
        ledger.fill("<!--claim:Z9-->?<!--/claim-->")
