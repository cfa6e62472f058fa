"""Floor 1: precision by capability, scale, clear errors."""

import errno

import pytest

from course_utils import colab, runtime


@pytest.mark.parametrize("device, capability, fast, expected", [
    ("cpu", None, False, ("float32", "float32", False)),
    ("cuda", (7, 5), False, ("float32", "float32", False)),
    ("cuda", (7, 5), True, ("float32", "float16", False)),
    ("cuda", (8, 0), False, ("bfloat16", "bfloat16", True)),
    ("cuda", (9, 0), True, ("bfloat16", "bfloat16", True)),
])
def test_precision_table(device, capability, fast, expected):
    """A T4 (7.5) says that it supports bfloat16, but only emulates it, and Gemma 3 overflows float16: so the weights are
    float32 there, and bfloat16 is used from capability 8.0 on."""
    chosen = runtime.precision(device, capability, fast)
    assert (chosen.dtype, chosen.compute, chosen.bf16) == expected
    assert chosen.sentence.endswith(".")


def test_unknown_scale_is_named(monkeypatch):
    monkeypatch.setenv("COURSE_SCALE", "huge")
    with pytest.raises(runtime.CourseError, match="'huge'.*\n.*quick, laptop, colab"):
        runtime.scale()


def test_full_disk_names_place_and_next_step(tmp_path):
    for error in (OSError(errno.ENOSPC, "No space left on device"), RuntimeError("I/O error: No space left on device")):
        with pytest.raises(runtime.CourseError, match="No space left while writing to.*\n.*free some space"), \
                runtime.clear_disk_errors(tmp_path):
            raise error


def test_too_little_space_is_noticed_before_writing(tmp_path):
    with pytest.raises(runtime.CourseError, match="GB free; this step writes"):
        runtime.require_space(tmp_path, 1 << 60)


def test_preflight_names_the_missing_package(monkeypatch):
    """A failed line of the report says the one next action."""
    monkeypatch.setattr(colab, "NEEDED", {"torch": "torch", "no_such_package": "no-such-package"})
    failed = [c for c in runtime.preflight() if not c.good]
    assert "no_such_package" in failed[0].text and "make setup" in str(failed[0])


def test_preflight_passes_here():
    assert all(c.good for c in runtime.preflight()), list(map(str, runtime.preflight()))


def test_without_network_only_where_the_models_are_packaged(monkeypatch):
    """On a laptop nothing may go out; where the scale asks for a hub model, switching the network off was a dead end."""
    for scale, offline in (("laptop", "1"), ("quick", "1"), ("colab", None)):
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setenv("COURSE_SCALE", scale)
        runtime.quiet()
        assert runtime.os.environ.get("HF_HUB_OFFLINE") == offline


def test_the_report_says_the_precision_in_a_sentence():
    lines = [c.text for c in runtime.preflight()]
    assert any(runtime.machine().precision.sentence in line for line in lines)
