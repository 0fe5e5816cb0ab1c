"""What must hold of every call, to the letter.

An answer is the whole answer of the target that is said to have given it; an error is one of the engine's and tells
the truth about what was shown; nothing takes longer than it may, and nobody tells a key.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Mapping
from typing import Any

from shared_core.errors import ChainExhaustedError, RequestRejectedError, StreamInterruptedError
from tests.soak.callers import Asked, Seen
from tests.soak.stations import SECRET

__all__ = ["SLACK", "ended", "violations"]

SLACK = 5.0
"""Seconds by which a call may be late on a machine that has time for it; a hang is longer."""
_LONGEST = 60.0
"""No call without a deadline takes longer, by the sum of its timers."""


def ended(seen: Seen) -> str:
    """How a call ended, in a word or two."""
    if seen.error is not None:
        kind = getattr(seen.error, "kind", "")
        return f"{_family(seen.error)}: {kind}"
    return "left" if seen.has_left else "answered"


def _family(error: BaseException) -> str:
    families = (ChainExhaustedError, RequestRejectedError, StreamInterruptedError)
    return next((family.__name__ for family in families if isinstance(error, family)), type(error).__name__)


def violations(asked: Asked, seen: Seen, *, slack: float = SLACK) -> Iterator[str]:
    """What is wrong with how a call ended; it may be late by `slack` seconds."""
    limit = _LONGEST if asked.policy.deadline is None else asked.policy.deadline
    if seen.seconds > limit + slack:
        yield f"took {seen.seconds:.1f} s, with a deadline of {asked.policy.deadline} and a slack of {slack:.1f}"
    if seen.error is not None:
        yield from _of_error(asked, seen, seen.error)
    elif seen.has_left:
        if not any(whole.startswith(seen.text) for whole in _wholes(asked)):
            yield f"what was shown before it was left is no beginning of an answer: {seen.text!r}"
    else:
        yield from _of_answer(asked, seen)


def _wholes(asked: Asked) -> list[str]:
    if asked.case.form == "tool":
        return [""]
    return [asked.case.answer(_signature(model)) for model in asked.models]


def _signature(model: str) -> str:
    return model.partition("/")[2]


def _of_answer(asked: Asked, seen: Seen) -> Iterator[str]:
    if seen.report is None:
        yield "an answer without a report"
        return
    outcomes = [step["outcome"] for step in seen.report["trail"] if step["step"] == "attempt"]
    if outcomes.count("succeeded") != 1:
        yield f"an answer with the outcomes {outcomes}"
    if "running" in outcomes:
        yield f"an attempt that never ended: {seen.report}"
    if SECRET in json.dumps(seen.report):
        yield "a key in a report"
    target = _signature(seen.report["model"])
    if asked.case.form == "tool":
        arguments = ["".join(parts) for parts in seen.calls.values()]
        if seen.text or [json.loads(text) for text in arguments] != [asked.case.arguments(target)]:
            yield f"not the tool call of {target}: {seen.text!r} {arguments}"
        return
    whole = asked.case.answer(target)
    for text in (seen.text, whole if seen.merged is None else seen.merged):
        if text != whole:
            yield f"not the answer of {target}: {text!r} instead of {whole!r}; {seen.report}"


def _of_error(asked: Asked, seen: Seen, error: BaseException) -> Iterator[str]:
    if not isinstance(error, ChainExhaustedError | RequestRejectedError | StreamInterruptedError):
        yield f"ended in {error!r}"
        return
    report: Mapping[str, Any] = error.report.as_dict()
    told = f"{error} {error!r} {report} {[str(one) for one in error.errors]}"
    if SECRET in told or SECRET.encode() in pickle.dumps(error):
        yield f"a key in {type(error).__name__}"
    outcomes = [step["outcome"] for step in report["trail"] if step["step"] == "attempt"]
    if not set(outcomes) <= {"failed", "abandoned"}:
        yield f"an error with the outcomes {outcomes}: {report}"
    if isinstance(error, StreamInterruptedError):
        if not asked.caller.streams:
            yield "a call that shows nothing was interrupted"
        if error.partial != seen.text:
            yield f"the partial is not what was shown: {error.partial!r} instead of {seen.text!r}"
        if not any(whole.startswith(error.partial) for whole in _wholes(asked)):
            yield f"the partial is no beginning of an answer: {error.partial!r}; {report}"
    elif seen.text or seen.calls:
        yield f"{type(error).__name__} after {seen.text!r} was shown: {report}"
