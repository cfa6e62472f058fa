"""Floor 1: notebooks as files: the reviewed .py sources, their code's fingerprint, and the definitions that others re-use.

A cell tagged `define` holds a definition that tests, benchmarks and other notebooks need again. `definitions("03")` runs
just those cells, so nothing is written twice.
"""

from __future__ import annotations

import sys
import types
from functools import lru_cache
from pathlib import Path

from . import results, runtime

FOLDER = runtime.ROOT / "notebooks"


def numbers() -> list[str]:
    """The two-digit numbers of the notebooks that exist."""
    return sorted(p.name[:2] for p in FOLDER.glob("[0-9][0-9]_*.py"))


def source(number: str) -> Path:
    """The percent-format .py of notebook `number`. Raises CourseError when there is none."""
    found = sorted(FOLDER.glob(f"{number}_*.py"))
    if not found:
        raise runtime.CourseError(f"There is no notebook {number}.", f"choose one of {', '.join(numbers())}.")
    return found[0]


def read_source(number: str):
    """The notebook's .py as an nbformat notebook, without outputs."""
    import jupytext

    return jupytext.read(source(number))


def code_cells(notebook) -> list[str]:
    """The sources of the code cells."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def code_of(notebook) -> str:
    """Fingerprint of the code cells alone: prose may change without making results stale."""
    return results.code_hash("\n# %%\n".join(code_cells(notebook)))


def tags(cell) -> list[str]:
    """The cell's tags."""
    return cell.metadata.get("tags", [])


@lru_cache
def definitions(number: str) -> types.ModuleType:
    """What the cells tagged `define` of notebook `number` define, as a module (so that dataclasses and pickles work)."""
    module = types.ModuleType(f"notebook_{number}")
    sys.modules[module.__name__] = module
    for cell in read_source(number).cells:
        if cell.cell_type == "code" and "define" in tags(cell):
            code = compile(cell.source, f"{source(number).name}:define", "exec", dont_inherit=True)
            exec(code, module.__dict__)  # noqa: S102
    return module
