"""Colab: what the set-up installs and leaves alone (fast), and the notebooks in an emulated Colab (slow, `make test-colab`)."""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

from course_utils import colab, runtime
from course_utils.runtime import CourseError

FAKE = Path(__file__).parent / "colab" / "fake"
LISTED = dict(line.split("==") for line in (FAKE.parent / "constraints-colab.txt").read_text().splitlines() if "==" in line)


@pytest.fixture
def in_colab(monkeypatch):
    monkeypatch.syspath_prepend(str(FAKE))
    assert runtime.hosted() == "colab"
    yield
    for name in [m for m in sys.modules if m == "google" or m.startswith("google.colab")]:
        del sys.modules[name]


@pytest.fixture
def commands(monkeypatch):
    """Records pip's commands and lets them succeed; pip itself runs in the slow test."""
    said = []
    monkeypatch.setattr(colab, "pip", lambda *words: said.append(words))
    return said


# ---------------------------------------------------------------- what is installed, and what is not
def test_here_nothing_is_missing(commands):
    colab.install()
    assert commands == []


def test_colabs_own_versions_are_accepted_and_only_three_packages_are_missing():
    """With Colab's published versions only what Colab lacks is installed; torch and numpy are never in the list."""
    wanted = colab.unmet(LISTED | {"torch": "2.11.0+cu128"})
    assert [w.split("<")[0].split(">")[0] for w in wanted] == ["trl", "bitsandbytes", "gguf"]
    assert not {"torch", "numpy"} & {w.split("<")[0].split(">")[0] for w in colab.unmet({})}


def test_torch_and_numpy_are_pinned_to_what_is_there(monkeypatch, commands):
    kept = []
    monkeypatch.setattr(colab, "pip", lambda *words: kept.append(Path(words[words.index("-c") + 1]).read_text()))
    monkeypatch.setattr(colab, "unmet", lambda found: ["trl>=1.16,<2"])
    colab.install()
    assert set(kept[0].splitlines()) >= {f"{n}=={importlib.metadata.version(n)}" for n in ("torch", "numpy")}


@pytest.mark.parametrize("version, removed", [("0.10.0", True), ("0.16.0", False), ("0.17.0.dev1", False)])
def test_only_a_torchao_that_peft_refuses_is_removed(monkeypatch, commands, version, removed):
    monkeypatch.setattr(colab, "installed", lambda: LISTED | {"torchao": version})
    monkeypatch.setattr(colab, "unmet", lambda found: [])
    colab.install()
    assert commands == ([("uninstall", "-y", "torchao")] if removed else [])


def test_a_restart_is_asked_for_only_when_a_changed_package_was_loaded(monkeypatch, commands):
    import numpy  # noqa: F401 (loaded on purpose)

    before = colab.installed()
    assert colab.in_use(before, before) == []
    assert colab.in_use(before, before | {"numpy": "9.9"}) == ["numpy"]
    assert colab.in_use(before | {"never-loaded": "1"}, before | {"never-loaded": "2"}) == []
    assert colab.in_use({}, before) == []  # new packages need none
    states = iter([before, before | {"numpy": "9.9"}])
    monkeypatch.setattr(colab, "installed", lambda: next(states))
    with pytest.raises(CourseError, match="numpy had already been loaded.*\n.*[Rr]estart.*run this cell again"):
        colab.install()


def test_pip_without_network_or_with_a_wrong_name_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(CourseError, match="no network.*\n.*connection"):
        colab.pip("install", "--no-deps", "--target", str(tmp_path), "trl>=1.16")
    with pytest.raises(CourseError, match="pip stopped: ERROR"):
        colab.pip("install", "-r", str(tmp_path / "none.txt"))


def test_requirements_name_everything_that_notebooks_need():
    assert set(colab.NEEDED.values()) <= set(colab.ranges())


# ---------------------------------------------------------------- Drive
def test_runs_go_to_drive_and_training_goes_on_after_a_disconnect(in_colab, tmp_path, monkeypatch, tiny, capsys):
    """The machine is lost, the Drive stays: a new process with nothing but the Drive goes on from the last checkpoint."""
    import copy

    import test_training

    monkeypatch.setenv("COURSE_DRIVE", str(tmp_path / "My Drive"))
    place = colab.keep_runs_on_drive()
    assert runtime.runs_dir() == place == tmp_path / "My Drive" / "fine-tuning-course" / "runs"
    again = copy.deepcopy(tiny)
    with pytest.raises(CourseError, match="interrupted; step 4 is saved"):
        test_training.fit(tiny, runtime.runs_dir(), watch=test_training.stop_at(5))
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "the new machine"))
    colab.keep_runs_on_drive()
    assert test_training.fit(again, runtime.runs_dir()).resumed_at == 4
    assert "go to your Drive" in capsys.readouterr().out


def test_no_drive_is_said_and_runs_stay_here(in_colab, monkeypatch, capsys):
    monkeypatch.setenv("FAKE_COLAB_DRIVE", "refused")
    here = runtime.runs_dir()
    assert colab.keep_runs_on_drive() == here and "No Drive (ValueError)" in capsys.readouterr().out


def test_outside_colab_nothing_is_mounted():
    assert colab.keep_runs_on_drive() == runtime.runs_dir() and colab.secret("HF_TOKEN") is None


def test_kaggle_writes_where_it_may(monkeypatch):
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    assert runtime.hosted() == "kaggle"


# ---------------------------------------------------------------- the whole, in Colab's versions
@pytest.mark.slow
def test_notebooks_in_an_emulated_colab():
    """Downloads Colab's versions (some 300 MB) the first time; then the set-up cell and notebooks 00 to 03 at quick scale."""
    out = subprocess.run([sys.executable, str(FAKE.parent / "run.py")], capture_output=True, text=True)
    assert out.returncode == 0, out.stdout[-6000:] + out.stderr[-2000:]
