"""Committed notebooks: executed, in step with their source, clean; exercises that check; copies without solutions."""

import ast
import json
import re

import nbformat
import pytest

from course_utils import build, exercises, notebooks, results, runtime

NUMBERS = notebooks.numbers()
MACHINE = re.compile(r"/(work|root|home|tmp|Users)/\w|[A-Z]:\\\\Users")


def executed(number):
    return nbformat.read(notebooks.source(number).with_suffix(".ipynb"), 4)


@pytest.fixture(params=NUMBERS)
def number(request):
    return request.param


def test_executed_top_to_bottom_without_traceback(number):
    """nbval passes a notebook without execution counts unread: so the counts must be there, in order."""
    code = [c for c in executed(number).cells if c.cell_type == "code" and c.source.strip()]
    assert [c.execution_count for c in code] == list(range(1, len(code) + 1))
    assert not [o for c in code for o in c.outputs if o.output_type == "error"]


def test_code_has_not_changed_since_it_was_executed(number):
    fresh, old = notebooks.read_source(number), executed(number)
    assert notebooks.code_cells(fresh) == notebooks.code_cells(old)
    stamp = old.metadata["course"]
    assert stamp["code"] == notebooks.code_of(fresh) and stamp["scale"] in ("laptop", "colab")


def test_prose_is_in_step_with_the_source(number):
    def prose(nb):
        return [c.source for c in nb.cells if c.cell_type == "markdown"]

    assert prose(notebooks.read_source(number)) == prose(executed(number))


def test_no_paths_of_a_machine_and_no_widget_state(number):
    """`metadata.widgets` without state makes GitHub show "Invalid Notebook"; a path tells on its author."""
    nb = executed(number)
    assert "widgets" not in nb.metadata
    texts = [json.dumps(o) for c in nb.cells for o in c.get("outputs", []) if "image/png" not in o.get("data", {})]
    assert not [t[:200] for t in texts if MACHINE.search(t)]


def test_short_cells_and_alt_texts(number):
    nb = executed(number)
    sizes = sorted(len(c.source.splitlines()) for c in nb.cells if c.cell_type == "code")
    assert sizes[-1] <= 20 and sizes[len(sizes) // 2] <= 10
    pictures = [o for c in nb.cells for o in c.get("outputs", []) if "image/png" in o.get("data", {})]
    assert pictures and all(len(o.metadata["image/png"]["alt"]) > 30 for o in pictures)


def test_opening_and_closing_cells(number):
    cells = notebooks.read_source(number).cells
    assert cells[0].source.startswith("# ") and "<!--badges-->" in cells[0].source and "minutes" in cells[0].source
    assert f'NOTEBOOK, REPOSITORY = "{number}"' in cells[1].source
    text = "\n".join(c.source for c in cells)
    for part in ("Claims tested", "Recorded beside yours", "Exercises", "Where next"):
        assert part in text


def test_set_up_cells_are_the_same_everywhere():
    cells = {re.sub(r'REPOSITORY = "\d\d"', "", notebooks.read_source(n).cells[1].source) for n in NUMBERS}
    assert len(cells) == 1


def test_some_outputs_are_really_compared(number):
    assert [c for c in executed(number).cells if "nbval-check-output" in notebooks.tags(c)]


# ---------------------------------------------------------------- numbers
def test_every_marked_number_is_the_recorded_one():
    for path in build.texts():
        assert build.rendered(path) == path.read_text(encoding="utf-8"), f"make render would change {path.name}"


def test_results_come_from_the_code_that_is_here():
    """An entry whose notebook or script changed since is stale. Studies carry the hash of their script."""
    root = runtime.ROOT
    scripts = {results.code_hash(p.read_text(encoding="utf-8")) for p in (root / "benchmarks").rglob("*.py")}
    known = scripts | {notebooks.code_of(notebooks.read_source(n)) for n in NUMBERS}
    for path in results.PUBLISHED.glob("*.json"):
        for name, entry in json.loads(path.read_text(encoding="utf-8")).items():
            assert set(results.FIELDS) <= set(entry), f"{path.name}: {name} lacks a field"
            assert entry["code"] in known, f"{path.name}: {name} is stale"
            assert entry["scale"] != "quick"


# ---------------------------------------------------------------- definitions, exercises, copies
def test_definitions_load_without_running_the_notebook():
    here = notebooks.definitions("03")
    assert here.lora_parameters([(6, 6)], 2) == 24
    assert here.mask_prompt([1, 2], [1, 2, 3]) == [-100, -100, 3]
    assert here.COST["negative", "positive"] > here.COST["positive", "negative"]


def exercise_cells(nb):
    return [c for c in nb.cells if "exercise" in notebooks.tags(c)]


def run_exercises(nb, capsys):
    space: dict = {}
    for cell in nb.cells:
        if {"exercise-checks", "define"} & set(notebooks.tags(cell)):
            exec(cell.source, space)  # noqa: S102
    capsys.readouterr()
    said = []
    for cell in exercise_cells(nb):
        exec(cell.source, space)  # noqa: S102
        said.append(capsys.readouterr().out)
    return said


def test_every_solution_passes(number, capsys):
    assert all("correct" in line for line in run_exercises(notebooks.read_source(number), capsys))


def test_every_empty_exercise_fails_with_a_hint(number, capsys):
    said = run_exercises(build.student(notebooks.read_source(number), number), capsys)
    assert said and all("still empty. Hint:" in line for line in said)


def test_student_copy_has_no_solution_and_hides_what_was_to_be_predicted(number):
    copy = build.student(executed(number), number)
    text = json.dumps(copy)
    assert "BEGIN SOLUTION" not in text and "NotImplementedError" in text
    assert not [c for c in copy.cells if "reveal" in notebooks.tags(c) and c.outputs]
    for cell in copy.cells:
        if cell.cell_type == "code":
            ast.parse(cell.source)


def test_a_failing_answer_gets_hints_in_turn(capsys):
    exercises.exercise("x.1", lambda a: a == 1, "first", "second")
    assert exercises.check("x.1", 1)
    for hint in ("first", "second", "second"):
        assert not exercises.check("x.1", 2)
        assert hint in capsys.readouterr().out
    exercises.exercise("x.2", lambda f: f() == 1, "try")
    assert not exercises.check("x.2", lambda: 1 / 0) and "ZeroDivisionError" in capsys.readouterr().out
    with pytest.raises(KeyError, match="no exercise x.3"):
        exercises.check("x.3", 1)


def test_run_stops_at_a_failing_cell_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    (tmp_path / "42_bad.py").write_text("# %%\n1 / 0\n")
    with pytest.raises(SystemExit):
        build.run("42")
    assert "ZeroDivisionError" in capsys.readouterr().err
