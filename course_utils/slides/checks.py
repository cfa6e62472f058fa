"""Floor 6: what can be wrong with a deck: its text (numbers, verdicts, notes, alt texts), its pictures, its look in a browser.

Each function returns sentences that say what is wrong; an empty list means that all is well.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from .. import ledger, results
from ..runtime import CourseError
from . import building, pictures

ALLOWED = building.FOLDER / "allowed.json"
TIME = re.compile(r"^\[(\d+) min\]")
# A number that a reader may take for a result: 10 and above, any decimal, percentage, multiple or size such as 3B.
NUMBER = re.compile(r"(?<![\w./])[-+]?\d+(?:[,.]\d+)*(?:[BMKx×]|\s?%)?(?![\w])")
HARMLESS = re.compile(r"^\d$|^0\d$|^(19|20)\d\d$")  # one digit, a notebook's number, a year
NOT_PROSE = (results.MARK, ledger.MARK, building.MARKS, re.compile(r"^```.*?^```", re.M | re.S), re.compile(r"`[^`]*`"),
             re.compile(r"\]\([^)]*\)"), re.compile(r"\[\d+ min\]"), re.compile(r"\b[Ss]ections? \d+"))


def parts(text: str) -> list[tuple[str, str]]:
    """(title, body) of each slide after the title slide."""
    pieces = re.split(r"^## (.+)$", text, flags=re.M)[1:]
    return list(zip((re.sub(r"\s*\{.*\}$", "", t) for t in pieces[::2]), pieces[1::2], strict=True))


def prose(text: str) -> str:
    """The text without marks, code and addresses, and with its spaces evened out."""
    for pattern in NOT_PROSE:
        text = pattern.sub(" ", text)
    return " ".join(text.split())


def unmarked_numbers(text: str, phrases=()) -> list[str]:
    """Numbers of a Markdown text that are neither marks nor harmless nor part of an allowed phrase, in order."""
    text = prose(text)
    for phrase in sorted(phrases, key=len, reverse=True):
        text = text.replace(phrase, " ")
    return [n for m in NUMBER.finditer(text) if not HARMLESS.match(n := m[0].replace(" ", ""))]


def text(path: Path) -> list[str]:
    """Marks that are stale or unknown, typed-in numbers without a source, slides without notes, time or alt text."""
    raw = path.read_text(encoding="utf-8")
    allowed = json.loads(ALLOWED.read_text(encoding="utf-8")).get(path.stem, {})
    try:
        found = [] if building.rendered(path) == raw else ["numbers or verdicts are stale: python -m course_utils.slides render"]
    except CourseError as error:
        found = [error.what]
    found += [f"{n!r} is typed in: mark it as a result, or give its phrase and source in {ALLOWED.name}"
              for n in dict.fromkeys(unmarked_numbers(raw, allowed))]
    found += [f"{phrase!r} in {ALLOWED.name} is no longer used" for phrase in allowed if phrase not in prose(raw)]
    if not TIME.match(building.head_notes(raw)):
        found.append("the title slide has no notes with a time")
    slide_list = parts(raw)
    if not 19 <= len(slide_list) <= 24:
        found.append(f"{len(slide_list) + 1} slides; 20 to 25 are wanted")
    return found + [f"{title}: {line}" for title, body in slide_list for line in _slide(body)]


def _slide(body: str) -> list[str]:
    notes = re.search(r"^::: notes\n(.*?)\n:::$", body, re.M | re.S)
    if notes is None or not TIME.match(notes[1]) or len(notes[1].split()) < 25:
        return ["no notes of 25 words or more that start with a time, as in [2 min]"]
    shown = building.cleaned(body.replace(notes[0], ""))
    found = [f"picture {m['name']!r} has no alt text of 30 characters or more" for m in building.IMAGE.finditer(shown)
             if len(m["alt"]) < 30]
    if shown.count("![") != len(building.IMAGE.findall(shown)):
        found.append("a picture that is not figures/NAME.png")
    words = re.sub(r"!\[.*?\]\(.*?\)|[|:#*\-]", " ", shown).split()
    return found + ([f"{len(words)} words on the slide; 70 at most"] if len(words) > 70 else [])


def minutes(path: Path) -> int:
    """The sum of the times in a deck's notes."""
    return sum(int(n) for n in re.findall(r"\[(\d+) min\]", path.read_text(encoding="utf-8")))


def figures(path: Path) -> list[str]:
    """Pictures of the deck that are unknown, missing in runs/slides/figures, or stale."""
    names = sorted({m["name"] for m in building.IMAGE.finditer(building.cleaned(path.read_text(encoding="utf-8")))})
    try:
        found = pictures.stale(names, building.place() / "figures")
    except CourseError as error:
        return [error.what]
    return [f"picture {name!r} is missing or stale: build again" for name in found]


# ---------------------------------------------------------------- in a browser
LOOK = """() => {
  const out = [], slide = Reveal.getCurrentSlide(), frame = slide.getBoundingClientRect();
  const seen = e => { const s = getComputedStyle(e), r = e.getBoundingClientRect();
    return s.display !== 'none' && s.visibility !== 'hidden' && r.width > 0 && r.height > 0 && !e.closest('.notes'); };
  const say = e => (e.textContent || e.alt || e.tagName).trim().slice(0, 40);
  if (slide.scrollHeight > slide.clientHeight + 1) out.push('the slide overflows');
  const blocks = [...slide.querySelectorAll('h1,h2,h3,p,li,table,pre,img,blockquote')].filter(seen);
  for (const e of blocks) { const r = e.getBoundingClientRect();
    if (r.left < frame.left - 1 || r.right > frame.right + 1 || r.top < frame.top - 1 || r.bottom > frame.bottom + 1)
      out.push('leaves the slide: ' + say(e));
    if (e.scrollWidth > e.clientWidth + 2 && e.clientWidth) out.push('text is cut off: ' + say(e)); }
  for (const [i, a] of blocks.entries()) for (const b of blocks.slice(i + 1)) {
    if (a.contains(b) || b.contains(a)) continue;
    const p = a.getBoundingClientRect(), q = b.getBoundingClientRect();
    if (Math.min(p.right, q.right) - Math.max(p.left, q.left) > 2 && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 2)
      out.push('overlap: ' + say(a) + ' / ' + say(b)); }
  for (const e of slide.querySelectorAll('img')) {
    if (!e.complete || !e.naturalWidth) out.push('broken image: ' + e.alt);
    if (!(e.alt || '').trim()) out.push('image without alt text');
    if (!e.src.startsWith('data:')) out.push('image that is not inside the file: ' + e.src);
    const r = e.getBoundingClientRect(), scale = frame.width / 1280;
    if (r.height / scale < 230) out.push('image only ' + Math.round(r.height / scale) + ' points high: ' + e.alt.slice(0, 40)); }
  const channel = v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const colour = s => (s.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const walker = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) { const e = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !seen(e)) continue;
    let under = e, back = [255, 255, 255, 1];
    while (under) { const c = colour(getComputedStyle(under).backgroundColor);
      if (c.length < 4 || c[3] > 0) { back = c; break; } under = under.parentElement; }
    const pair = [light(colour(getComputedStyle(e).color)), light(back)].sort((x, y) => y - x);
    const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (contrast < 4.5) out.push('contrast ' + contrast.toFixed(1) + ': ' + say(e));
    if (parseFloat(getComputedStyle(e).fontSize) < 18) out.push('type too small: ' + say(e)); }
  return out; }"""


def page(file: Path, shots: Path | None = None) -> list[str]:
    """Every slide of a built HTML deck in headless Chromium, offline. shots: a folder that gets a picture of each."""
    from playwright.sync_api import sync_playwright

    found: list[str] = []
    with sync_playwright() as play:
        window = building.browser(play)
        view = window.new_context(offline=True, viewport={"width": 1280, "height": 720}).new_page()
        view.on("requestfailed", lambda request: found.append(f"asks the network for {request.url[:80]}"))
        view.on("pageerror", lambda error: found.append(f"script error: {str(error)[:80]}"))
        view.goto(file.resolve().as_uri())
        view.wait_for_function("window.Reveal && Reveal.isReady()")
        for number in range(view.evaluate("Reveal.getTotalSlides()")):
            view.evaluate(f"Reveal.slide({number})")
            view.wait_for_timeout(60)
            found += [f"slide {number + 1}: {line}" for line in view.evaluate(LOOK)]
            if shots:
                shots.mkdir(parents=True, exist_ok=True)
                view.screenshot(path=str(shots / f"{file.stem}-{number + 1:02d}.png"))
        window.close()
    return found
