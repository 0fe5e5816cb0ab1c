"""A soak in small; `python -m tests.soak` is the whole one."""

from __future__ import annotations

import pytest

from tests.soak.callers import Seen
from tests.soak.checks import violations
from tests.soak.soak import Settings, soak
from tests.soak.stations import Stations


def test_a_small_soak_finds_nothing() -> None:
    """Some hundred calls through random faults: no answer is doubled or cut, nothing hangs, nothing is left behind."""
    summary = soak(Settings(calls=90, at_once=30, rounds=3, managers=2, seconds=45, is_own_process=False))
    assert summary.violations == []
    assert summary.ends["answered"] > summary.calls / 3
    assert len(summary.ways) > 10


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda text: text[:-2], "not the answer"),
        (lambda text: text + text, "not the answer"),
        (lambda text: text.replace("0", "1", 1), "not the answer"),
    ],
    ids=["cut", "doubled", "changed"],
)
def test_a_wrong_answer_is_a_violation(change: object, complaint: str) -> None:
    """The checks see what a user would see."""
    stations = Stations(1, "http://127.0.0.1:9", 1)
    asked = next(asked for asked in map(stations.asked, range(100)) if asked.case.form == "signed")
    model = asked.models[0]
    report = {"model": model, "trail": [{"step": "attempt", "outcome": "succeeded"}]}
    right = asked.case.answer(model.partition("/")[2])
    assert list(violations(asked, Seen(text=right, report=report))) == []
    (found,) = violations(asked, Seen(text=change(right), report=report))  # type: ignore[operator]  # a lambda
    assert found.startswith(complaint)
