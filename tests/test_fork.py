"""The repository's name stands in one place: a fork rewrites badges and set-up cells by one command. Set-up cells, run alone."""

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile

import nbformat
import pytest

from course_utils import fork, notebooks, runtime
from course_utils.runtime import CourseError


@pytest.fixture
def copy(tmp_path):
    """A copy of all that the command touches."""
    root = tmp_path / "fork"
    shutil.copytree(runtime.ROOT / "notebooks", root / "notebooks", ignore=shutil.ignore_patterns(".*", "*checkpoint*"))
    shutil.copytree(runtime.ROOT / "data" / "results", root / "data" / "results")
    for name in ("pyproject.toml", "CITATION.cff", "README.md"):
        shutil.copy(runtime.ROOT / name, root)
    return root


def state(root):
    return {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_fork_rewrites_everything_once(copy):
    fork.fork(root=copy)  # the repository's own name: brings the copy up to the template
    assert fork.fork(root=copy) == []
    fork.fork("jane-doe/my.course", tag="v2.1", root=copy)
    assert fork.repository(copy) == ("jane-doe/my.course", "v2.1")
    for path in sorted((copy / "notebooks").glob("[0-9]*")):
        text = path.read_text(encoding="utf-8")
        assert "fine-tuning-course/fine-tuning-course" not in text
        assert "github/jane-doe/my.course/blob/v2.1/notebooks/" + path.stem in text and "my.course/tree/v2.1/slides" in text
    assert "github.com/jane-doe/my.course" in (copy / "CITATION.cff").read_text(encoding="utf-8")
    page = (copy / "README.md").read_text(encoding="utf-8")
    assert "github/jane-doe/my.course/blob/v2.1/notebooks/03_" in page and "fine-tuning-course/fine-tuning-course" not in page
    done = state(copy)
    assert fork.fork("https://github.com/jane-doe/my.course.git", root=copy) == [] and state(copy) == done


def test_source_and_notebook_stay_in_step_and_fresh(copy):
    """Only the set-up cell changes: a notebook that was current must not ask for hours of new runs after a fork."""
    fresh = [p for p in (copy / "notebooks").glob("*.ipynb") if current(p)]
    results = {p.name: known(p, copy) for p in (copy / "data" / "results").glob("*.json")}
    fork.fork("jane/course", root=copy)
    assert all(current(p) for p in fresh)
    assert {p.name: known(p, copy) for p in (copy / "data" / "results").glob("*.json")} == results
    for path in (copy / "notebooks").glob("*.ipynb"):
        nbformat.validate(nbformat.read(path, 4))


def codes(root):
    import jupytext

    return {notebooks.code_of(jupytext.read(p)) for p in (root / "notebooks").glob("[0-9]*.py")}


def current(path):
    import jupytext

    notebook, source = nbformat.read(path, 4), jupytext.read(path.with_suffix(".py"))
    return notebook.metadata["course"]["code"] == notebooks.code_of(notebook) == notebooks.code_of(source)


def known(path, root):
    fresh = codes(root)
    return sum(e["code"] in fresh for e in json.loads(path.read_text(encoding="utf-8")).values())


@pytest.mark.parametrize("name", ["nobody", "a/b/c", "../etc/passwd", 'x/y"', "", "a b/c"])
def test_impossible_names_change_nothing(copy, name):
    before = state(copy)
    if name:
        with pytest.raises(CourseError, match="is no repository.*\n.*OWNER/NAME"):
            fork.fork(name, root=copy)
        assert state(copy) == before


def test_the_cell_is_short_and_the_same_everywhere(copy):
    fork.fork(root=copy)
    cells = {n: fork.set_up_cell(n, copy) for n in notebooks.numbers()}
    assert all(len(c.splitlines()) <= 20 for c in cells.values())
    assert len({re.sub(r'NOTEBOOK, REPOSITORY = "\d\d"', "", c) for c in cells.values()}) == 1


# ---------------------------------------------------------------- the set-up cell, alone in a folder
@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The course as GitHub would zip it."""
    place = tmp_path_factory.mktemp("zip") / "fine-tuning-course-main.zip"
    with zipfile.ZipFile(place, "w") as z:
        for path in (runtime.ROOT / "course_utils").rglob("*"):
            if path.suffix in (".py", ".txt"):
                z.write(path, f"fine-tuning-course-main/{path.relative_to(runtime.ROOT).as_posix()}")
        for name in ("requirements.txt", "requirements-assets.txt", "pyproject.toml"):
            z.write(runtime.ROOT / name, f"fine-tuning-course-main/{name}")
    return place


def run_cell(folder, archive_url, whole=False):
    """Runs the set-up cell in a process whose working folder is `folder`. archive_url stands in for GitHub's.

    whole: also its last call, which checks the machine and takes some seconds.
    """
    cell = re.sub(r'ARCHIVE = f".*?"', f'ARCHIVE = "{archive_url}"', fork.set_up_cell("00"))
    cell = cell if whole else cell.replace("; machine = runtime.set_up(NOTEBOOK)", "")
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"COURSE_SCALE": "quick"}
    return subprocess.run([sys.executable, "-c", cell + "\nprint('FOUND', runtime.ROOT)"], cwd=folder, env=env,
                          capture_output=True, text=True)


@pytest.fixture
def alone(tmp_path):
    """A folder with nothing of the course in or above it, with a space and an umlaut in its name."""
    place = tmp_path / "Übung 1"
    place.mkdir()
    return place


def test_fetched_over_the_network_once(alone, archive):
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(archive.read_bytes())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for whole in (True, False):  # run again: found, not fetched again
            out = run_cell(alone, f"http://127.0.0.1:{server.server_port}/main.zip", whole)
            assert f"FOUND {alone}/course/fine-tuning-course-main" in out.stdout, out.stderr[-2000:]
            assert not whole or "[OK]   packages" in out.stdout
    finally:
        server.shutdown()
    assert len(asked) == 1


def test_an_uploaded_zip_is_unpacked(alone, archive):
    shutil.copy(archive, alone)
    out = run_cell(alone, "http://127.0.0.1:9/none.zip")
    assert "FOUND" in out.stdout and "course/fine-tuning-course-main" in out.stdout, out.stderr[-2000:]


@pytest.mark.parametrize("zipped", [None, b"PK broken"])
def test_no_network_says_what_to_do(alone, zipped):
    """No network, or an upload that broke off: one sentence with the next action, no traceback."""
    if zipped:
        (alone / "fine-tuning-course-main.zip").write_bytes(zipped)
    out = run_cell(alone, "http://127.0.0.1:9/none.zip")
    assert out.returncode == 1 and "FOUND" not in out.stdout
    assert "could not be fetched" in out.stderr and "none.zip into this folder by hand" in out.stderr
    assert "Traceback" not in out.stderr


def test_inside_the_repository_nothing_is_fetched():
    out = run_cell(runtime.ROOT / "notebooks", "http://127.0.0.1:9/none.zip")
    assert f"FOUND {runtime.ROOT}" in out.stdout, out.stderr[-2000:]
