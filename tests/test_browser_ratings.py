"""The blind rating tool in a real browser: a rater's marks reach the CSV, and nothing is cut off. Slow; see test_browser.py."""

import json
import shutil

import nbformat
import pytest
from test_browser import CHROMIUM, browser, lab, opened, shoot  # noqa: F401

from course_utils.credit import ratings
from course_utils.runtime import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]
CELL = """
import json, sys
from pathlib import Path

sys.path.insert(0, str(Path.cwd().parent))
from course_utils.credit import rating_view, ratings

hand = json.loads(Path("../data/credit/hand_graded.json").read_text())
rows = [{"id": f"case-{k}", **hand["cases"][k]} for k in (0, 5, 22)]
answers = [[a["answer"] for a in hand["answers"] if a["case"] == k] for k in (0, 5, 22)]
pairs = ratings.pairs_of(rows, {"one": [a[0] for a in answers], "two": [a[2] for a in answers]})
tool = rating_view.RatingTool(pairs, Path("../marks"), seed=3)
display(tool.widget)
"""


@pytest.fixture
def page(lab, browser, request):  # noqa: F811
    """A notebook with nothing but the tool, opened as Ann B. before three pairs of hand-graded answers."""
    shutil.rmtree(lab[1] / "marks", ignore_errors=True)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, lab[1] / "notebooks" / "ratings.ipynb")
    width, height = getattr(request, "param", (1366, 768))
    page = opened(browser, lab, "ratings", width, height)
    page.get_by_role("textbox", name="Your name or code").fill("Ann B.")
    page.keyboard.press("Tab")
    press(page, "Start")
    page.get_by_text("Pair 1 of 3").wait_for(timeout=30_000)
    return page


def press(page, name: str) -> None:
    page.locator(".jp-OutputArea-output").get_by_role("button", name=name, exact=True).click()


def rows_of(lab) -> list[dict]:  # noqa: F811
    return list(ratings.read(lab[1] / "marks" / "ratings-ann-b.csv").rows.values())


def test_the_rating_tool_saves_a_csv(lab, page):  # noqa: F811
    """Sliders by keyboard, a preference, next and back: each mark is in the file at once, and comes back with the pair."""
    sliders = page.locator(".noUi-handle")
    assert sliders.count() == 8 and not rows_of(lab)
    for place in range(8):
        sliders.nth(place).focus()
        for _ in range(place % 4 + 1):
            page.keyboard.press("ArrowRight")
        page.get_by_text(f"{8 - place} of 9 marks still missing").wait_for(timeout=20_000)
    press(page, "answer 2")
    page.get_by_text("All marks given here").wait_for(timeout=20_000)
    (row,) = rows_of(lab)
    assert [row[column] for column in ratings.MARKS] == [1, 2, 3, 4, 1, 2, 3, 4] and row["preferred"] == "2"

    press(page, "Next")
    page.get_by_text("Pair 2 of 3").wait_for(timeout=20_000)
    page.get_by_text("9 of 9 marks still missing").wait_for(timeout=20_000)
    assert len(rows_of(lab)) == 1  # turning the page gives no marks
    press(page, "no difference")
    page.get_by_text("8 of 9 marks still missing").wait_for(timeout=20_000)
    assert [r["preferred"] for r in rows_of(lab)] == ["2", "equal"]
    press(page, "Back")
    page.get_by_text("Pair 1 of 3").wait_for(timeout=20_000)
    page.get_by_text("All marks given here").wait_for(timeout=20_000)
    assert page.locator(".widget-readout").all_inner_texts() == ["1", "2", "3", "4"] * 2


@pytest.mark.parametrize("page, columns", [((1366, 768), 2), ((400, 800), 1)], indirect=["page"])
def test_no_part_of_the_tool_is_cut_off(page, columns):
    """Two answers side by side on a small laptop, one below the other on a phone; nothing leaves the page sideways."""
    hand = json.loads((ROOT / "data" / "credit" / "hand_graded.json").read_text())
    assert sum(case["text"].splitlines()[0] in page.content() for case in hand["cases"]) == 1
    if columns == 1:
        page.keyboard.press("Control+b")  # JupyterLab's file browser takes half of a phone's width
    page.wait_for_timeout(800)
    shoot(page, f"ratings-{columns}")
    boxes = [page.get_by_role("region", name=f"answer {k}").bounding_box() for k in (1, 2)]
    assert (abs(boxes[0]["y"] - boxes[1]["y"]) < 5) == (columns == 2)
    outer = page.locator(".jp-OutputArea-output .widget-vbox").first.bounding_box()
    parts = page.locator(".jp-OutputArea-output .widget-vbox *")
    assert max(parts.evaluate_all("es => es.map(e => e.getBoundingClientRect().right)")) <= outer["x"] + outer["width"] + 2
    labels = page.locator(".jp-OutputArea-output .widget-label")
    assert labels.count() and not labels.evaluate_all("es => es.filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText)")
    page.locator(".jp-OutputArea-output").hover()
    for k in range(3):
        page.mouse.wheel(0, 500)
        page.wait_for_timeout(300)
        shoot(page, f"ratings-{columns}-{k}")
