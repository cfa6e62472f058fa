"""Notebooks in a real browser: JupyterLab's page, the kernel and the widgets, driven by Playwright in Chromium.

Slow (marker `slow`, in `make test-full`). Needs the packages of requirements-browser.txt and a Chromium on the machine
(Debian: apt install chromium); without them these tests are skipped, and say so. COURSE_SCREENSHOTS names a folder for pictures.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab over a copy of the course: what the browser saves does not touch the original. Yields (address, folder)."""
    folder = tmp_path_factory.mktemp("course")
    for name in ("notebooks", "course_utils", "data"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}", "--ServerApp.port_retries=0", "--allow-root",
               "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}"]
    environment = {**os.environ, "COURSE_SCALE": "quick", "COURSE_RUNS": str(folder / "runs")}
    with open(folder / "lab.log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            for _ in range(120):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=2)
                    break
                except OSError:
                    time.sleep(0.5)
            yield f"http://127.0.0.1:{port}", folder
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture
def browser():
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as play:
        window = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield window
        window.close()


def opened(browser, lab, name: str, width=1366, height=768):
    """The notebook in a fresh page, all its cells run."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(f"{lab[0]}/lab/workspaces/w{int(time.time() * 1000)}/tree/notebooks/{name}.ipynb")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
    page.get_by_text("| Idle").wait_for(timeout=90_000)  # the kernel is up
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    page.wait_for_timeout(1000)
    if page.locator(".jp-Dialog").count():  # a slow machine asks once more for the kernel
        page.get_by_role("button", name="Select", exact=True).click()
    return page


def shoot(page, name: str) -> None:
    if os.environ.get("COURSE_SCREENSHOTS"):
        page.screenshot(path=str(Path(os.environ["COURSE_SCREENSHOTS"]) / f"{name}.png"))


def cell_with(page, text: str):
    """The cell that contains `text`, scrolled into view (JupyterLab draws only what is seen)."""
    for _ in range(80):
        found = page.locator(".jp-Cell", has_text=text)
        if found.count():
            found.first.scroll_into_view_if_needed()
            return found.first
        page.locator(".jp-WindowedPanel-outer").first.evaluate("e => e.scrollBy(0, 500)")
        page.wait_for_timeout(150)
    raise AssertionError(f"no cell with {text!r}")


def test_lora_slider_redraws_the_figure(lab, browser):
    """Notebook 02: one step of the slider, and the picture is another one."""
    page = opened(browser, lab, "02_lora_and_4bit")
    cell = cell_with(page, "ipywidgets.interact(redraw")
    page.get_by_text("| Idle").wait_for(timeout=400_000)  # widgets answer when all cells are done
    cell = cell_with(page, "ipywidgets.interact(redraw")
    handle = cell.locator(".noUi-handle").first
    handle.wait_for(timeout=120_000)
    picture = cell.locator(".jp-OutputArea img").first
    picture.wait_for(timeout=60_000)
    before = picture.get_attribute("src")
    shoot(page, "02-slider-before")
    handle.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("([e, old]) => e.querySelector('.jp-OutputArea img')?.src !== old",
                           arg=[cell.element_handle(), before], timeout=240_000)
    shoot(page, "02-slider-after")


@pytest.mark.parametrize("name, width, height", [("02_lora_and_4bit", 1366, 768), ("02_lora_and_4bit", 400, 800)])
def test_nothing_is_cut_off(lab, browser, name, width, height):
    """Pictures of the executed notebook fit into the page at a small laptop's width and at a phone's."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(f"{lab[0]}/doc/workspaces/v{int(time.time() * 1000)}/tree/notebooks/{name}.ipynb")
    page.wait_for_selector(".jp-Cell", timeout=60_000)
    cell_with(page, "Faint: the 36 frozen weights")
    page.wait_for_timeout(800)
    shoot(page, f"{name}-{width}")
    wide = page.eval_on_selector_all(
        ".jp-OutputArea img", "es => es.filter(e => e.getBoundingClientRect().right > innerWidth + 1).length")
    assert page.locator(".jp-OutputArea img").count() and wide == 0


def filled_in(page, cell, code: str) -> None:
    """Replaces a cell's code and runs it."""
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(code)
    page.keyboard.press("Control+Enter")


def test_the_decision_helper_answers_and_an_exercise_turns_green(lab, browser):
    """Notebook 00 as students get it: other answers, another recommendation; an empty exercise asks, a solved one is correct."""
    import nbformat

    from course_utils import build, notebooks

    pair = nbformat.read(notebooks.source("00").with_suffix(".ipynb"), 4)
    nbformat.write(build.student(pair, "00"), lab[1] / "notebooks" / "student_00.ipynb")
    page = opened(browser, lab, "student_00")
    cell = cell_with(page, "decision.helper(EXAMPLE)")
    page.get_by_text("| Idle").wait_for(timeout=400_000)
    cell = cell_with(page, "decision.helper(EXAMPLE)")
    lists, said = cell.locator("select"), cell.locator(".jp-OutputArea h4")
    said.wait_for(timeout=60_000)
    before = said.inner_text()
    assert lists.count() == 6
    lists.first.select_option(index=1)
    page.wait_for_function("([e, old]) => e.querySelector('.jp-OutputArea h4')?.innerText !== old",
                           arg=[cell.element_handle(), before], timeout=60_000)
    shoot(page, "00-decision-helper")

    cell = cell_with(page, 'exercises.check("00.2"')
    assert "still empty" in cell.locator(".jp-OutputArea").inner_text()
    filled_in(page, cell, "always_the_most_frequent = lambda labels: max(map(labels.count, labels)) / len(labels)\n"
                          'exercises.check("00.2", always_the_most_frequent);')
    cell.get_by_text("correct").wait_for(timeout=60_000)
    shoot(page, "00-exercise-solved")
