"""The slides: no typed-in result, no unknown key, no stale verdict or picture, notes with times; built and seen in a browser.

The slow part builds every deck and opens it in headless Chromium; it needs requirements-slides.txt, npm and a Chromium.
"""

import json
import re
import shutil

import pytest

from course_utils import results, runtime
from course_utils.slides import building, checks, pictures

DECKS = building.decks()
TINY = """---
title: T
notes: "[1 min] Hello."
---

{body}
"""
SLIDE = """## A title {{.poll}}

{text}

::: notes
{notes}
:::
"""
NOTES = "[2 min] " + "word " * 30


@pytest.fixture(params=DECKS, ids=lambda p: p.stem)
def deck(request):
    return request.param


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Judges a deck of twenty slides, the last with the given text and notes; returns what is wrong."""
    def judge(text="A sentence.", notes=NOTES, allowed=None):
        path = tmp_path / "09_test.md"
        body = "\n".join(SLIDE.format(text=t, notes=n) for t, n in [("Fine.", NOTES)] * 19 + [(text, notes)])
        path.write_text(TINY.format(body=body), encoding="utf-8")
        monkeypatch.setattr(checks, "ALLOWED", tmp_path / "allowed.json")
        (tmp_path / "allowed.json").write_text(json.dumps({"09_test": allowed or {}}))
        return checks.text(path)

    return judge


# ---------------------------------------------------------------- the decks as they stand
def test_text(deck):
    assert checks.text(deck) == []


def test_a_session_is_a_session(deck):
    assert 60 <= checks.minutes(deck) <= 100


def test_every_deck_has_polls_a_demo_that_says_what_to_do_if_it_fails_and_exercises(deck):
    parts = checks.parts(deck.read_text(encoding="utf-8"))
    assert sum(title.startswith("Predict first") for title, _ in parts) >= 3
    demos = [body for title, body in parts if title.startswith("Live")]
    assert demos and all("If it fails" in body and building.NOTEBOOK.search(body) for body in demos)
    assert any("exercise" in body.lower() for _, body in parts)


def test_every_picture_is_known_and_every_picture_is_used():
    used = {m["name"] for path in DECKS for m in building.IMAGE.finditer(building.cleaned(path.read_text(encoding="utf-8")))}
    assert used <= set(pictures.FIGURES)


def test_links_open_notebooks_that_exist(deck):
    names = [m["name"] for m in building.NOTEBOOK.finditer(deck.read_text(encoding="utf-8"))]
    assert names and all((runtime.ROOT / "notebooks" / f"{name}.ipynb").exists() for name in names)


# ---------------------------------------------------------------- the check finds what is wrong
def test_a_sound_deck_passes(judged):
    assert judged() == []
    assert judged("In 2021, in notebook 03, section 12, 3 of 4 said `r=16`. [Link](http://a.b/77.5)") == []


@pytest.mark.parametrize("text", ["It reaches 0.95.", "It reaches 95 %.", "It is 12 times faster.", "It has 3B numbers.",
                                  "About 4x.", "It took 1,296 s.", "![A picture that shows 87 of them, drawn](figures/gpt.png)"])
def test_a_typed_in_result_is_found(judged, text):
    assert any("is typed in" in line for line in judged(text)), text


def test_a_typed_in_result_in_the_notes_is_found(judged):
    assert any("'0.95' is typed in" in line for line in judged(notes=NOTES + "It reaches 0.95."))


def test_an_allowed_phrase_passes_only_where_it_stands(judged):
    assert judged("Up to 10 billion.", allowed={"10 billion": "a source"}) == []
    assert any("'10' is typed in" in line for line in judged("Up to 10 billion, 10 euros.", allowed={"10 billion": "a source"}))
    assert any("no longer used" in line for line in judged("Nothing.", allowed={"10 billion": "a source"}))


def test_a_mark_passes_a_stale_one_and_an_unknown_key_do_not(judged):
    good = results.render("<!--r:03.phrasebank_accuracy-->?<!--/r-->")
    assert judged(f"It reaches {good}.") == []
    assert any("stale" in line for line in judged("It reaches <!--r:03.phrasebank_accuracy-->0.11<!--/r-->."))
    assert any("No recorded result" in line for line in judged("It reaches <!--r:03.nothing-->0.11<!--/r-->."))
    assert any("stale" in line for line in judged("<!--claim:Q3-->holds<!--/claim-->"))


@pytest.mark.parametrize("notes", ["", "Say this. " * 20, "[2 min] Short."])
def test_a_slide_without_notes_or_time_is_found(judged, notes):
    assert any("no notes" in line for line in judged(notes=notes))


def test_a_picture_without_alt_text_is_found(judged):
    assert any("no alt text" in line for line in judged("![Short](figures/gpt.png)"))
    assert any("not figures/NAME.png" in line for line in judged("![A long enough alternative text here](other/gpt.png)"))


def test_too_many_words_are_found(judged):
    assert any("words on the slide" in line for line in judged("word " * 90))


# ---------------------------------------------------------------- pictures
def test_a_stale_picture_is_found(tmp_path, monkeypatch):
    names = ["yardstick", "distillation", "confusion"]
    pictures.draw_all(names, tmp_path / "figures")
    assert pictures.stale(names, tmp_path / "figures") == []
    published = tmp_path / "published"
    shutil.copytree(results.PUBLISHED, published, ignore=shutil.ignore_patterns("studies"))
    entries = json.loads((published / "01.json").read_text())
    entries["nanogpt_loss"]["value"] += 0.1
    (published / "01.json").write_text(json.dumps(entries))
    monkeypatch.setattr(results, "PUBLISHED", published)
    assert pictures.stale(names, tmp_path / "figures") == ["yardstick"]
    (tmp_path / "figures" / "confusion.png").unlink()
    assert pictures.stale(["confusion"], tmp_path / "figures") == ["confusion"]


def test_unknown_pictures_and_decks_say_what_to_do():
    with pytest.raises(runtime.CourseError, match="no slide figure 'nothing'"):
        pictures.png("nothing")
    with pytest.raises(runtime.CourseError, match="has no picture 'Nothing"):
        pictures.taken("01", "Nothing like it")
    with pytest.raises(runtime.CourseError, match="no deck 77"):
        building.decks(["77"])


def test_marks_do_not_reach_the_audience(deck):
    text = building.cleaned(building.rendered(deck))
    assert "<!--" not in text and "../notebooks" not in text and "colab.research.google.com" in text


def test_reveal_js_is_pinned_by_hash():
    lock = json.loads((building.FOLDER / "package-lock.json").read_text())["packages"]["node_modules/reveal.js"]
    wanted = json.loads((building.FOLDER / "package.json").read_text())["dependencies"]["reveal.js"]
    assert lock["version"] == wanted and re.fullmatch(r"sha512-[\w+/]+=*", lock["integrity"])


# ---------------------------------------------------------------- built, and in a browser
def browser_there() -> bool:
    return any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """All decks built once: the folder."""
    pytest.importorskip("pypandoc"), pytest.importorskip("pptx"), pytest.importorskip("playwright")
    patch = pytest.MonkeyPatch()
    patch.setenv("COURSE_RUNS", str(tmp_path_factory.mktemp("runs")))
    building.build()
    yield building.place()
    patch.undo()


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("npm") and browser_there()), reason="needs npm and Chromium")
class TestBuilt:
    def test_every_slide_in_a_browser(self, built, deck):
        """Nothing overflows, overlaps or is broken; contrast, type size and alt texts are right; the network is off."""
        assert checks.page(built / f"{deck.stem}.html") == []

    def test_the_browser_check_sees_what_is_wrong(self, built, tmp_path):
        page = (built / f"{DECKS[0].stem}.html").read_text(encoding="utf-8")
        bad = page.replace("<h2>", '<h2 style="color:#cccccc">', 1)
        bad = re.sub(r'(<img[^>]*src="data:image/png;base64,)[^"]*', r"\1AAAA", bad, count=1)
        bad = re.sub(r'(<img[^>]*alt=")[^"]*', r"\1", bad, count=1)
        bad = bad.replace("Retrieval hands a model new facts.", "Too much text. " * 300, 1)
        (tmp_path / "bad.html").write_text(bad, encoding="utf-8")
        said = "\n".join(checks.page(tmp_path / "bad.html"))
        for word in ("contrast", "without alt text", "leaves the slide", "broken image"):
            assert word in said, f"{word} in {said}"

    def test_the_pptx_is_editable_with_notes_and_alt_texts(self, built, deck):
        from pptx import Presentation

        found = Presentation(built / f"{deck.stem}.pptx")
        text = deck.read_text(encoding="utf-8")
        assert len(found.slides) == len(checks.parts(text)) + 1
        for slide in found.slides:
            assert re.match(r"\[\d+ min\]", slide.notes_slide.notes_text_frame.text)
            assert slide.shapes.title.text_frame.text
            for shape in slide.shapes:
                assert shape.left >= 0 and shape.left + shape.width <= found.slide_width, shape.name
                assert shape.top + shape.height <= found.slide_height, shape.name
                if shape.shape_type == 13:
                    assert len(shape._element.nvPicPr.cNvPr.get("descr")) >= 30

    def test_the_pdf_has_a_page_for_each_slide(self, built, deck):
        pages = re.findall(rb"/Type\s*/Page[^s]", (built / f"{deck.stem}.pdf").read_bytes())
        assert len(pages) == len(checks.parts(deck.read_text(encoding="utf-8"))) + 1
