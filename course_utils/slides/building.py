"""Floor 6: the class sessions' slides, one Markdown deck each, built to offline HTML, editable PPTX and PDF in runs/slides/.

    python -m course_utils.slides build [01 ...]     draw the figures, then HTML (reveal.js), PPTX (pandoc) and PDF (Chromium)
    python -m course_utils.slides check [01 ...]     the text's rules, then every slide of the built HTML in a headless browser

A deck is pandoc's Markdown: `##` begins a slide, `::: notes` holds what the speaker says and starts with its time, [2 min].
Numbers are marks (see `results`) and verdicts are marks (see `ledger`); pictures are drawn by `pictures`.
Needs requirements-slides.txt, Node's npm for reveal.js (slides/package-lock.json pins version and hash) and a Chromium.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
from pathlib import Path

from .. import fork, ledger, results, runtime
from ..runtime import CourseError

FOLDER = runtime.ROOT / "slides"
MARKS = re.compile(r"<!--.*?-->", re.S)
IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\]\(figures/(?P<name>[\w-]+)\.png\)")
NOTEBOOK = re.compile(r"\]\(\.\./notebooks/(?P<name>\w+)\.ipynb\)")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def decks(numbers=()) -> list[Path]:
    """The decks with these two-digit numbers, or all. Raises CourseError for a number without a deck."""
    found = {path.name[:2]: path for path in sorted(FOLDER.glob("[0-9][0-9]_*.md"))}
    unknown = [n for n in numbers if n not in found]
    if unknown:
        raise CourseError(f"There is no deck {unknown[0]}.", f"choose of {', '.join(found)}.")
    return [found[n] for n in numbers] if numbers else list(found.values())


def place() -> Path:
    """Where built slides go: runs/slides/."""
    folder = runtime.runs_dir() / "slides"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def rendered(path: Path) -> str:
    """The deck's Markdown with every marked number and verdict filled in. Raises CourseError for a key never recorded."""
    return ledger.fill(results.render(path.read_text(encoding="utf-8")))


def cleaned(text: str) -> str:
    """The text without the marks' comments, with links to notebooks turned into links that open them in Colab."""
    return NOTEBOOK.sub(lambda m: f"]({fork.colab_address(m['name'])})", MARKS.sub("", text))


def head_notes(text: str) -> str:
    """The notes of the title slide, which stand in the deck's first lines as `notes: "..."`; empty when there are none."""
    found = re.search(r'^notes: "(.*)"$', text.split("\n---\n", 1)[0], re.M)
    return found[1] if found else ""


# ---------------------------------------------------------------- building
def build(numbers=()) -> list[Path]:
    """Builds the decks with these numbers, or all, into runs/slides/. Returns the files."""
    from . import pictures

    made, reveal = [], reveal_js()
    for path in decks(numbers):
        text = cleaned(rendered(path))
        pictures.draw_all(sorted({m["name"] for m in IMAGE.finditer(text)}), place() / "figures")
        page = html(text, path.stem, reveal)
        made += [page, pptx(text, path.stem), pdf(page)]
        print(f"{path.stem}: {', '.join(runtime.short(f) for f in made[-3:])}", flush=True)
    return made


def pandoc() -> str:
    """The path of the pandoc that pypandoc_binary carries."""
    try:
        import pypandoc
    except ImportError:
        raise CourseError("The package pypandoc_binary is not installed.", "pip install -r requirements-slides.txt") from None
    return pypandoc.get_pandoc_path()


def reveal_js() -> Path:
    """The folder of reveal.js, fetched once by `npm ci`, which checks it against the hash in slides/package-lock.json."""
    folder = runtime.cache_dir() / "slides-npm"
    found = folder / "node_modules" / "reveal.js"
    wanted, stamp = (FOLDER / "package-lock.json").read_bytes(), folder / "package-lock.json"
    if found.is_dir() and stamp.exists() and stamp.read_bytes() == wanted:
        return found
    npm = shutil.which("npm")
    if npm is None:
        raise CourseError("npm was not found; the HTML slides need it once, for reveal.js.", "install Node 18 or newer.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(FOLDER / name, folder)
    done = subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        shutil.rmtree(folder)
        raise CourseError(f"npm could not fetch reveal.js: {done.stderr.strip()[-300:]}", "check the network and try again.")
    return found


def _pandoc(text: str, target: Path, *options: str) -> None:
    source = place() / f"{target.stem}.md"
    source.write_text(text, encoding="utf-8")
    command = [pandoc(), str(source), "--from=markdown-implicit_figures", "--slide-level=2", f"--resource-path={place()}",
               "--fail-if-warnings", "-o", str(target), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    source.unlink()
    if done.returncode:
        raise CourseError(f"pandoc could not build {target.name}: {done.stderr.strip()[-500:]}", "see the deck's Markdown.")


def html(text: str, name: str, reveal: Path) -> Path:
    """One HTML file with everything in it: it opens with the network off."""
    target = place() / f"{name}.html"
    variables = dict(width=1280, height=720, margin=0, center="false", transition="none", slideNumber="true", hash="true",
                     controls="false", minScale=0.1, maxScale=3)
    _pandoc(text, target, "--to=revealjs", "--standalone", "--embed-resources", f"--css={FOLDER / 'theme.css'}",
            "-V", f"revealjs-url={reveal}", "-V", "theme=white", *[f"-V{key}={value}" for key, value in variables.items()])
    page = target.read_text(encoding="utf-8")
    notes = f'<aside class="notes"><p>{head_notes(text)}</p></aside>'
    page = page.replace("</section>", f"{notes}</section>", 1)
    begin = "\n      Reveal.initialize({\n"  # pandoc has no variable for this setting
    if page.count(begin) != 1:
        raise CourseError("pandoc's page for reveal.js looks different.", "install the pypandoc_binary of constraints.txt.")
    target.write_text(page.replace(begin, f"{begin}        pdfMaxPagesPerSlide: 1,\n"), encoding="utf-8")
    return target


def pptx(text: str, name: str) -> Path:
    """An editable PPTX with speaker notes; each picture carries its alt text."""
    from pptx import Presentation

    from . import theme

    reference, target = theme.reference(pandoc(), place() / "reference.pptx"), place() / f"{name}.pptx"
    _pandoc(text, target, "--to=pptx", f"--reference-doc={reference}")
    deck, alts = Presentation(target), [m["alt"] for m in IMAGE.finditer(text)]
    pictures = [shape for slide in deck.slides for shape in slide.shapes if shape.shape_type == 13]
    for shape, alt in zip(pictures, alts, strict=True):
        shape._element.nvPicPr.cNvPr.set("descr", alt)
    theme.tidy(deck)
    deck.save(target)
    return target


def browser(play):
    """A headless Chromium. Raises CourseError when the machine has none."""
    path = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
    if path is None:
        raise CourseError("No Chromium was found; the PDF and the check need one.", "install chromium (Debian: apt install).")
    return play.chromium.launch(executable_path=path, args=FLAGS)


def pdf(page: Path) -> Path:
    """The HTML's slides, one a page, printed by Chromium with the network off."""
    from playwright.sync_api import sync_playwright

    target = page.with_suffix(".pdf")
    with sync_playwright() as play:
        window = browser(play)
        view = window.new_context(offline=True).new_page()
        view.goto(f"{page.resolve().as_uri()}?print-pdf")
        view.wait_for_selector(".pdf-page")
        view.pdf(path=str(target), width="1280px", height="720px", print_background=True, prefer_css_page_size=True)
        window.close()
    return target


# ---------------------------------------------------------------- commands
def check(numbers=()) -> list[str]:
    """Everything that is wrong with the decks, in words: text, figures, and the built HTML in a browser."""
    from . import checks

    found = []
    for path in decks(numbers):
        page = place() / f"{path.stem}.html"
        said = checks.text(path) + (checks.figures(path) + checks.page(page) if page.exists()
                                          else ["it was not built yet"])
        found += [f"{path.name}: {line}" for line in said]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["build", "check", "render"])
    parser.add_argument("numbers", nargs="*")
    options = parser.parse_args()
    try:
        if options.command == "build":
            build(options.numbers)
        elif options.command == "render":
            for path in decks(options.numbers):
                path.write_text(rendered(path), encoding="utf-8")
        else:
            found = check(options.numbers)
            print("\n".join(found) or "All slides pass.")
            raise SystemExit(bool(found))
    except CourseError as error:
        raise SystemExit(f"\n{error}") from None

