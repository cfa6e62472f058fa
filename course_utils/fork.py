"""Floor 5: badges and set-up cells of all notebooks, written from one place: pyproject.toml's Repository and tag.

A fork changes both with one command:  python -m course_utils.build fork OWNER/REPO --tag v1.0
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from . import notebooks, runtime
from .runtime import CourseError

TEMPLATE = Path(__file__).parent / "templates" / "setup_cell.txt"
CELL = re.compile(r'(^# %% tags=\["setup"\]\n).*?(?=^# %%)', re.M | re.S)
BADGES = re.compile(r"<!--badges-->.*?<!--/badges-->", re.S)
COLAB = re.compile(r"<!--colab:(\w+)-->.*?<!--/colab-->", re.S)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+")
TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def repository(root: Path = runtime.ROOT) -> tuple[str, str]:
    """("owner/name", the tag or branch that notebooks fetch), from pyproject.toml."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return project["project"]["urls"]["Repository"].removeprefix("https://github.com/"), project["tool"]["course"]["tag"]


def badge_row(name: str, root: Path = runtime.ROOT) -> str:
    """Colab and source badges of the notebook file `name` (without its ending)."""
    repo, tag = repository(root)
    return (f"<!--badges-->{colab_badge(name, root)} · [source](https://github.com/{repo}/blob/{tag}/"
            f"notebooks/{name}.py) · [slides](https://github.com/{repo}/tree/{tag}/slides)<!--/badges-->")


def colab_badge(name: str, root: Path = runtime.ROOT) -> str:
    """A badge that opens the notebook file `name` (without its ending) in Colab."""
    return f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab_address(name, root)})"


def colab_address(name: str, root: Path = runtime.ROOT) -> str:
    """The address that opens the notebook file `name` (without its ending) in Colab."""
    repo, tag = repository(root)
    return f"https://colab.research.google.com/github/{repo}/blob/{tag}/notebooks/{name}.ipynb"


def with_badges(text: str, root: Path = runtime.ROOT) -> str:
    """A text whose `<!--colab:NAME-->` marks are filled."""
    return COLAB.sub(lambda m: f"<!--colab:{m[1]}-->{colab_badge(m[1], root)}<!--/colab-->", text)


def set_up_cell(number: str, root: Path = runtime.ROOT) -> str:
    """The text of notebook `number`'s set-up cell."""
    repo, tag = repository(root)
    text = TEMPLATE.read_text(encoding="utf-8").rstrip()
    for name, value in (("number", number), ("repository", repo), ("tag", tag)):
        text = text.replace("{{" + name + "}}", value)
    return text


def fork(name: str | None = None, tag: str | None = None, root: Path = runtime.ROOT) -> list[Path]:
    """Writes owner, name and tag into pyproject.toml, then badges and set-up cells into all notebooks. Returns what changed.

    Without a name, the present repository's are written again. Only the set-up cell differs afterwards, and it does nothing
    inside the repository; so fingerprints that were current are carried over instead of asking for hours of new runs.
    Raises CourseError for a name that GitHub would not accept.
    """
    old, old_tag = repository(root)
    name, tag = (name or old).removeprefix("https://github.com/").removesuffix(".git").rstrip("/"), tag or old_tag
    if not NAME.fullmatch(name) or not TAG.fullmatch(tag):
        raise CourseError(f"{name!r} at {tag!r} is no repository and tag.", "write OWNER/NAME, such as jane/fine-tuning-course.")
    project = (root / "pyproject.toml").read_text(encoding="utf-8")
    project = project.replace(f'"https://github.com/{old}"', f'"https://github.com/{name}"')
    written = [_write(root / "pyproject.toml", project.replace(f'tag = "{old_tag}"', f'tag = "{tag}"'))]
    for page in (root / "CITATION.cff", root / "README.md"):
        if page.exists():
            text = page.read_text(encoding="utf-8").replace(f"github.com/{old}", f"github.com/{name}")
            written.append(_write(page, with_badges(text, root)))
    sources = {path: _text(path, root) for path in sorted((root / "notebooks").glob("[0-9][0-9]_*.py"))}
    stamps = {_code(path.read_text(encoding="utf-8")): _code(text) for path, text in sources.items()}
    for pair in (path.with_suffix(".ipynb") for path in sources):
        written += [_write(pair, _notebook(pair, root, stamps))] if pair.exists() else []
    for path in sorted((root / "data" / "results").glob("*.json")):
        text = path.read_text(encoding="utf-8")
        for before, after in stamps.items():
            text = text.replace(f'"code": "{before}"', f'"code": "{after}"')
        written.append(_write(path, text))
    written += [_write(path, text) for path, text in sources.items()]  # last: an interrupted run can then be repeated
    return [path for path in written if path]


def _code(text: str) -> str:
    import jupytext

    return notebooks.code_of(jupytext.reads(text, fmt="py:percent"))


def _text(path: Path, root: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if not CELL.search(text):
        raise CourseError(f"{path.name} has no set-up cell.", 'tag its first code cell with "setup".')
    cell = f"{set_up_cell(path.name[:2], root)}\n\n"
    text = CELL.sub(lambda match: match[1] + cell, text, count=1)
    return BADGES.sub(lambda _: badge_row(path.stem, root), text)


def _notebook(path: Path, root: Path, stamps: dict[str, str]) -> str:
    content = json.loads(path.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        source = "".join(cell["source"])
        if "setup" in cell["metadata"].get("tags", []):
            source = set_up_cell(path.name[:2], root)
        elif cell["cell_type"] == "markdown":
            source = BADGES.sub(lambda _: badge_row(path.stem, root), source)
        cell["source"] = source.splitlines(keepends=True)
    course = content["metadata"].get("course", {})
    if course.get("code") in stamps:
        course["code"] = stamps[course["code"]]
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _write(path: Path, text: str) -> Path | None:
    if text == path.read_text(encoding="utf-8"):
        return None
    with runtime.clear_disk_errors(path.parent):
        path.write_text(text, encoding="utf-8")
    return path
