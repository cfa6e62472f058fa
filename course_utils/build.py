"""Commands over the notebooks: run, publish, render numbers, and build the student's and the instructor's copies.

    python -m course_utils.build run 03          execute at the machine's scale into runs/
    python -m course_utils.build publish 03      promote that run: notebook with outputs, results, numbers in the texts
    python -m course_utils.build render          fill the marked numbers of README, notebooks and slides
    python -m course_utils.build copies          student and instructor notebooks into runs/build/
    python -m course_utils.build fork OWNER/REPO [--tag TAG]   badges and set-up cells for a fork; alone: write them anew
"""

from __future__ import annotations

import argparse
import copy
import datetime
import os
import re
import sys
import time
from pathlib import Path

from . import fork, notebooks, results, runtime

SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION\n.*?^ *### END SOLUTION\n?", re.M | re.S)


# ---------------------------------------------------------------- running
def run(number: str) -> Path:
    """Executes notebook `number` top to bottom into runs/ and returns the executed file."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook, scale = notebooks.read_source(number), runtime.scale()
    os.environ["COURSE_CODE"] = notebooks.code_of(notebook)
    place = runtime.runs_dir() / "notebooks" / scale
    place.mkdir(parents=True, exist_ok=True)
    target = place / notebooks.source(number).with_suffix(".ipynb").name
    start = time.time()
    client = NotebookClient(notebook, timeout=None, kernel_name="python3",
                            resources={"metadata": {"path": str(notebooks.FOLDER)}}, on_cell_start=_say)
    print(f"Running notebook {number} at {scale} scale ({sum(1 for _ in notebooks.code_cells(notebook))} code cells) ...")
    try:
        client.execute()
    except CellExecutionError as error:
        print(f"\nNotebook {number} stopped: {str(error).strip().splitlines()[-1]}", file=sys.stderr)
        raise SystemExit(1) from None
    finally:
        _save(_clean(notebook, number, scale, time.time() - start), target)
    os.environ["COURSE_NOTEBOOK"] = number
    minutes = (time.time() - start) / 60
    results.record("laptop_minutes" if scale == "laptop" else f"{scale}_minutes", round(minutes, 2), "minutes",
                   method="wall time of the executed notebook, one run", notebook=number)
    for cell in notebook.cells:
        if "summary" in notebooks.tags(cell):
            print("\n" + "".join(output.get("text", "") for output in cell.outputs))
    print(f"Done in {minutes:.1f} minutes. The executed notebook: {runtime.short(target)}")
    return target


def _say(cell, cell_index):
    """Prints a section's heading when the run reaches it."""
    for line in cell.source.splitlines():
        if cell.cell_type == "markdown" and line.startswith("## "):
            print(f"  {time.strftime('%H:%M:%S')}  {line[3:]}", flush=True)


def _clean(notebook, number, scale, seconds):
    """Numbers cells by place, drops widget state and kernel details, and stamps the code that was run."""
    for place, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{place:03d}"
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":  # a widget without its kernel shows an error; its static figure stands beside it
            cell.outputs = [o for o in cell.outputs if "application/vnd.jupyter.widget-view+json" not in o.get("data", {})]
    notebook.metadata.pop("widgets", None)
    notebook.metadata["course"] = {"code": notebooks.code_of(notebook), "scale": scale,
                                   "device": runtime.machine().name, "date": datetime.date.today().isoformat(),
                                   "minutes": round(seconds / 60, 2)}
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return notebook


def _save(notebook, path: Path):
    import nbformat

    with runtime.clear_disk_errors(path.parent):
        half = path.with_suffix(".half")
        nbformat.write(notebook, half)
        os.replace(half, path)


# ---------------------------------------------------------------- publishing
def publish(number: str) -> None:
    """Promotes the last laptop run: results to data/results, the executed notebook to notebooks/."""
    import nbformat

    for owner in (number, "claims"):
        names = results.publish(owner)
        print(f"{owner}: {len(names)} results published")
    if number not in notebooks.numbers():  # a study whose notebook is still to be written
        return render()
    executed = runtime.runs_dir() / "notebooks" / "laptop" / notebooks.source(number).with_suffix(".ipynb").name
    if executed.exists():
        notebook = nbformat.read(executed, 4)
        if notebook.metadata["course"]["code"] != notebooks.code_of(notebooks.read_source(number)):
            raise runtime.CourseError(f"Notebook {number} changed since its run.", f"make run NOTEBOOK={number}")
        _save(notebook, notebooks.FOLDER / executed.name)
    render()


def texts() -> list[Path]:
    """The files whose marked numbers are rendered."""
    root = runtime.ROOT
    return [root / "README.md", *sorted((root / "slides").glob("*.md")), *sorted((root / "data").rglob("*.md")),
            *sorted(notebooks.FOLDER.glob("[0-9]*.py"))]


def rendered(path: Path) -> str:
    """The text of `path` with its numbers and badges filled in."""
    text = results.render(path.read_text(encoding="utf-8"))
    text = fork.with_badges(text)
    return fork.BADGES.sub(lambda _: fork.badge_row(path.stem), text) if path.parent == notebooks.FOLDER else text


def render() -> None:
    """Fills numbers and badges in all texts, and carries the prose of each .py into its executed notebook."""
    import nbformat

    for path in texts():
        text = rendered(path)
        if text != path.read_text(encoding="utf-8"):
            path.write_text(text, encoding="utf-8")
            print(f"rendered {runtime.short(path)}")
    for number in notebooks.numbers():
        pair = notebooks.source(number).with_suffix(".ipynb")
        if not pair.exists():
            continue
        fresh, old = notebooks.read_source(number), nbformat.read(pair, 4)
        if notebooks.code_of(fresh) != notebooks.code_of(old):
            print(f"notebook {number}: its code changed since it was executed; make run NOTEBOOK={number}")
            continue
        outputs = iter([c for c in old.cells if c.cell_type == "code"])
        for place, cell in enumerate(fresh.cells):
            cell["id"] = f"cell-{place:03d}"
            if cell.cell_type == "code":
                before = next(outputs)
                cell.outputs, cell.execution_count = before.outputs, before.execution_count
        fresh.metadata.update(old.metadata)
        _save(fresh, pair)
    from . import diagrams, ledger, style
    from .slides import building

    ledger.write()
    style.apply()
    (runtime.ROOT / "data" / "course" / "map.png").write_bytes(style.picture(diagrams.course_map(), "the course").png)
    for deck in building.decks():
        deck.write_text(building.rendered(deck), encoding="utf-8")


# ---------------------------------------------------------------- copies for class
def student(notebook, number: str):
    """The students' copy: no solutions, outputs after a prediction hidden, instructor's notes out."""
    copied = copy.deepcopy(notebook)
    copied.cells = [c for c in copied.cells if "instructor" not in notebooks.tags(c)]
    for cell in copied.cells:
        if cell.cell_type != "code":
            continue
        if "exercise-checks" in notebooks.tags(cell):  # folded away: the checks show the way
            cell.metadata["jupyter"] = {"source_hidden": True}
        if "### BEGIN SOLUTION" in cell.source:
            cell.source = SOLUTION.sub(r'\1raise NotImplementedError("your turn")' + "\n", cell.source)
            cell.outputs, cell.execution_count = [], None
        if {"reveal", "exercise"} & set(notebooks.tags(cell)):
            cell.outputs, cell.execution_count = [], None
    return copied


def copies() -> None:
    """Writes the student and instructor builds of every executed notebook to runs/build/."""
    import nbformat

    for number in notebooks.numbers():
        pair = notebooks.source(number).with_suffix(".ipynb")
        if not pair.exists():
            continue
        notebook = nbformat.read(pair, 4)
        for kind, content in (("student", student(notebook, number)), ("instructor", notebook)):
            place = runtime.runs_dir() / "build" / kind
            place.mkdir(parents=True, exist_ok=True)
            _save(content, place / pair.name)
            print(f"{kind}: {runtime.short(place / pair.name)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "publish", "render", "copies", "fork"])
    parser.add_argument("number", nargs="?", help="a notebook's number; for fork: OWNER/REPO")
    parser.add_argument("--tag", help="fork: the tag or branch that notebooks fetch")
    options = parser.parse_args()
    try:
        if options.command in ("run", "publish"):
            {"run": run, "publish": publish}[options.command](options.number or "03")
        elif options.command == "fork":
            for path in fork.fork(options.number, options.tag):
                print(f"written: {runtime.short(path)}")
        else:
            {"render": render, "copies": copies}[options.command]()
    except runtime.CourseError as error:
        raise SystemExit(f"\n{error}") from None


if __name__ == "__main__":
    main()
