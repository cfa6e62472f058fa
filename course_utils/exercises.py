"""Floor 5: exercises that check themselves, with hints that come one at a time.

A notebook registers a check with `exercise(...)` in a hidden `define` cell or a module here; the learner calls
`check("03.1", answer)` and sees a tick or the next hint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Exercise:
    """One exercise: test(answer) is True for a right answer; hints are shown in order, one a failed try."""

    key: str
    test: Callable[[object], bool]
    hints: tuple[str, ...]


BOOK: dict[str, Exercise] = {}
TRIES: Counter = Counter()
SOLVED: set[str] = set()


def exercise(key: str, test: Callable[[object], bool], *hints: str) -> None:
    """Registers an exercise. Raises ValueError without a hint: nobody should be left alone with a cross."""
    if not hints:
        raise ValueError(f"exercise {key} needs at least one hint")
    BOOK[key] = Exercise(key, test, hints)


def check(key: str, answer) -> bool:
    """Tells whether `answer` solves exercise `key`; a wrong one gets the next hint. Returns True or False."""
    item = BOOK.get(key)
    if item is None:
        raise KeyError(f"there is no exercise {key}; known: {', '.join(BOOK)}")
    try:
        right, trouble = bool(item.test(answer)), ""
    except NotImplementedError:
        print(f"{key}: still empty. Hint: {item.hints[0]}")
        return False
    except Exception as error:  # a learner's code may fail in any way
        right, trouble = False, f" It raised {type(error).__name__}: {error}."
    if right:
        SOLVED.add(key)
        print(f"{key}: correct ✔")
        return True
    hint = item.hints[min(TRIES[key], len(item.hints) - 1)]
    TRIES[key] += 1
    print(f"{key}: not yet.{trouble} Hint: {hint}")
    return False
