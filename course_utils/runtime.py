"""Floor 1: which machine is this, and at which precision and scale does the course run on it?

Everything that differs between a free T4, a laptop and the tests is decided here, once.
"""

from __future__ import annotations

import ctypes
import errno
import importlib.metadata
import importlib.util
import os
import platform
import random
import shutil
import sys
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCALES = ("quick", "laptop", "colab")


class CourseError(Exception):
    """Something went wrong and there is one next thing to do. Both are said."""

    def __init__(self, what: str, next_action: str):
        self.what, self.next_action = what, next_action
        super().__init__(f"{what}\n    What to do next: {next_action}")


# ---------------------------------------------------------------- places
def runs_dir() -> Path:
    """Where runs write (ignored by git): COURSE_RUNS, or runs/ beside the library."""
    place = Path(ROOT, os.environ.get("COURSE_RUNS", "runs"))
    with clear_disk_errors(place):
        place.mkdir(parents=True, exist_ok=True)
    return place


def cache_dir() -> Path:
    """Where converted weights are kept between runs: COURSE_CACHE, or the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    place = Path(os.environ.get("COURSE_CACHE", Path(base) / "fine-tuning-course"))
    with clear_disk_errors(place):
        place.mkdir(parents=True, exist_ok=True)
    return place


def short(place: Path) -> str:
    """A path as a reader should see it: from the project's folder where it lies inside."""
    place = Path(place).resolve()
    return place.relative_to(ROOT).as_posix() if place.is_relative_to(ROOT) else str(place)


def require_space(place: Path, bytes_needed: int) -> None:
    """Raises CourseError when `place` has less than `bytes_needed` bytes free."""
    free = shutil.disk_usage(place).free
    if free < bytes_needed:
        raise CourseError(
            f"{place} has {free / 1e9:.1f} GB free; this step writes {bytes_needed / 1e9:.1f} GB.",
            "free some space, or set COURSE_CACHE and COURSE_RUNS to folders on a larger disk.",
        )


def is_disk_full(error: BaseException) -> bool:
    """True for a full disk, also when a library wraps the error in one of its own."""
    while error is not None:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def clear_disk_errors(place: Path):
    """Turns a full disk or a read-only folder into a CourseError that names the folder."""
    try:
        yield
    except CourseError:
        raise
    except Exception as error:
        if is_disk_full(error):
            raise CourseError(
                f"No space left while writing to {place}. What was half-written is not used.",
                "free some space (or point COURSE_RUNS / COURSE_CACHE at a larger disk) and run the cell again.",
            ) from error
        if isinstance(error, PermissionError) or getattr(error, "errno", None) == errno.EROFS:
            raise CourseError(
                f"{place} cannot be written to.", "set COURSE_RUNS and COURSE_CACHE to folders of your own."
            ) from error
        raise


# ---------------------------------------------------------------- precision
@dataclass(frozen=True)
class Precision:
    """Number formats for weights (`dtype`), 4-bit arithmetic (`compute`) and the trainer's `bf16` flag, as torch names."""

    dtype: str
    compute: str
    bf16: bool
    sentence: str


def precision(device: str, capability: tuple[int, int] | None = None, fast: bool = False) -> Precision:
    """Chooses number formats by compute capability, never by `torch.cuda.is_bf16_supported()`.

    That function also says True for a T4 (capability 7.5), which only emulates bfloat16, slowly. `fast` asks for float16
    4-bit arithmetic there; weights stay float32, since Gemma 3's activations exceed float16's largest number, 65,504.
    """
    if device == "cuda" and capability is not None and capability >= (8, 0):
        return Precision("bfloat16", "bfloat16", True, "bfloat16 throughout: this GPU computes it in hardware.")
    if device == "cuda":
        compute = "float16" if fast else "float32"
        return Precision(
            "float32", compute, False,
            f"float32 weights, {compute} inside 4-bit layers: this GPU has no bfloat16, and Gemma 3 overflows float16.",
        )
    return Precision("float32", "float32", False, "float32: the format every CPU computes in.")


def answering_dtype(here: Machine) -> str:
    """The format for answering from merged weights: bfloat16 where the hardware computes it, else float32."""
    import torch

    native = here.precision.bf16 or getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()
    return "bfloat16" if native and (here.device == "cpu" or here.precision.bf16) else "float32"


# ---------------------------------------------------------------- machine and scale
@dataclass(frozen=True)
class Machine:
    """What the course runs on. `memory` and `gpu_memory` in bytes."""

    device: str
    name: str
    cores: int
    memory: int
    gpu_memory: int
    precision: Precision


def machine(fast: bool = False) -> Machine:
    """Describes this machine."""
    import psutil
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = psutil.virtual_memory().total
    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_properties(0)
        kind = precision("cuda", torch.cuda.get_device_capability(0), fast)
        return Machine("cuda", torch.cuda.get_device_name(0), cores, memory, gpu.total_memory, kind)
    return Machine("cpu", f"{cores}-core {_processor()} CPU", cores, memory, 0, precision("cpu"))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        found = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        return found.replace(" Processor", "")
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def in_colab() -> bool:
    """True inside Google Colab."""
    return importlib.util.find_spec("google") is not None and importlib.util.find_spec("google.colab") is not None


def hosted() -> str:
    """`colab` or `kaggle` on those services, else an empty text."""
    return "colab" if in_colab() else "kaggle" if "KAGGLE_KERNEL_RUN_TYPE" in os.environ else ""


def scale() -> str:
    """`quick` (tests), `laptop` or `colab`: the variable COURSE_SCALE, else what the machine allows."""
    wanted = os.environ.get("COURSE_SCALE", "").strip().lower()
    if wanted:
        if wanted not in SCALES:
            raise CourseError(f"COURSE_SCALE is {wanted!r}.", f"set it to one of {', '.join(SCALES)}, or unset it.")
        return wanted
    import torch

    return "colab" if torch.cuda.is_available() else "laptop"


def pick(quick, laptop, colab):
    """The value for the present scale: the only way in which a notebook differs between machines."""
    return {"quick": quick, "laptop": laptop, "colab": colab}[scale()]


# ---------------------------------------------------------------- set-up and report
def preflight():
    """The environment report, line by line (`colab.Check`): packages, weights, memory, disk, machine."""
    from . import colab

    return colab.preflight()


def quiet() -> None:
    """Keeps libraries from chatting, from telemetry and, on a laptop, from the network. Call before importing them."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("WANDB_DISABLED", "true")
    if not hosted() and importlib.util.find_spec("torch") and scale() != "colab":  # a GPU's model comes from the hub
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", message=".*pin_memory.*")
    import logging

    # bitsandbytes warns at import that an optional kernel package is absent; nothing in the course uses it.
    for noisy in ("bitsandbytes", "accelerate", "datasets", "torch.distributed", "huggingface_hub"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def use_threads(count: int | None = None) -> int:
    """Sets torch's threads to `count`, to OMP_NUM_THREADS, or to the cores found."""
    import torch

    _keep_freed_memory()

    count = count or int(os.environ.get("OMP_NUM_THREADS", 0)) or machine().cores
    torch.set_num_threads(count)
    return count


def _keep_freed_memory() -> None:
    """Lets the C library keep blocks of up to 32 MB that were freed instead of handing them back at every step.

    Fetching them anew page by page took a sixth of a training step on a 2-core virtual machine. Linux with glibc only.
    """
    if sys.platform.startswith("linux") and platform.libc_ver()[0] == "glibc":
        trim, mapped = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h; glibc takes no more than 32 MB for the second
        library = ctypes.CDLL("libc.so.6")
        library.mallopt(mapped, 32 * 2**20)
        library.mallopt(trim, 2**31 - 1)


def arithmetic_speed(seconds: float = 1.0) -> float:
    """Billions of float32 multiplications and additions a second, in matrix products of a small model's size."""
    import torch

    a, b = torch.randn(512, 576), torch.randn(576, 1536)
    a @ b
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        a @ b
        done += 1
    return 2 * a.numel() * b.shape[1] * done / (time.perf_counter() - start) / 1e9


def seed_everything(seed: int) -> None:
    """Seeds Python's, NumPy's and torch's generators."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def set_up(notebook: str, seed: int = 0) -> Machine:
    """The set-up cell's one call: quiets libraries, prints the environment report, seeds, sets the figure style.

    notebook: the notebook's two-digit number; results recorded later go to it.
    """
    from . import colab

    quiet()
    os.environ["COURSE_NOTEBOOK"] = notebook
    if hosted() == "kaggle":
        os.environ.setdefault("COURSE_RUNS", "/kaggle/working/runs")  # the course's own folder may be read-only there
    if hosted():
        colab.install()
    checks = preflight()
    print("\n".join(map(str, checks)))
    bad = [c for c in checks if not c.good]
    if bad:
        raise CourseError(f"{len(bad)} of {len(checks)} checks failed.", bad[0].next_action)
    from . import style

    use_threads()
    seed_everything(seed)
    style.apply()
    return machine()


def versions() -> dict[str, str]:
    """Versions of the libraries a result depends on."""
    names = ("torch", "transformers", "peft", "trl", "bitsandbytes", "datasets", "numpy", "scikit-learn")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def peak_memory() -> int:
    """The largest memory this process has held so far, in bytes (GPU memory where there is one)."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return psutil.Process().memory_info().peak_wset
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
