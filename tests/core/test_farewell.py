"""The words of the errors that end a call, whole."""

from __future__ import annotations

import pytest

from shared_core.errors import ErrorKind, ProviderError
from shared_core.farewell import Failure, both_exhausted, exhausted, interrupted, rejected
from shared_core.report import AttemptRecord, Report, SkipRecord, Step, WaitRecord

K = ErrorKind

ACTIONABLE = [
    K.OUTPUT_LIMIT,
    K.CONTEXT_EXCEEDED,
    K.BAD_REQUEST,
    K.CONTENT_FILTER,
    K.AUTH,
    K.BALANCE,
    K.MODEL_MISSING,
    K.RATE_LIMIT,
    K.TRANSIENT,
    K.UNKNOWN,
]
ADVICE = {
    K.OUTPUT_LIMIT: "Lower max_tokens.",
    K.CONTEXT_EXCEEDED: "Shorten the messages, or add a model with a larger window to the chain.",
    K.CONTENT_FILTER: "A provider's content policy blocked the prompt or the answer.",
    K.BAD_REQUEST: "The request itself is wrong.",
    K.AUTH: "Check the API key.",
    K.BALANCE: "Top up the account.",
    K.MODEL_MISSING: "Check the model's name and the account's access to it.",
    K.RATE_LIMIT: "Wait, or add a profile or a model to the chain.",
    K.TRANSIENT: "Wait, or add a model of another provider to the chain.",
    K.UNKNOWN: "Nothing certain is known of the cause.",
}


def failure(kind: ErrorKind, model: str = "a/x", status: int | None = None) -> Failure:
    error = ProviderError("no", kind=kind, status=status)
    step = AttemptRecord(model, model[0], "main", 0.0, outcome="failed", kind=kind, status=status, message="no")
    return error, step


def report_of(*failures: Failure, more: tuple[Step, ...] = ()) -> Report:
    return Report([*(step for _, step in failures), *more])


def test_an_exhausted_chain_tells_everything() -> None:
    """How much was tried, what to mend first, when to come back, and the whole trail."""
    failures = [failure(K.RATE_LIMIT, "a/x", 429), failure(K.AUTH, "b/y")]
    more: tuple[Step, ...] = (
        SkipRecord("c/z", "c", None, "disabled: too dear"),
        SkipRecord("c/w", "c", "main", "no API key"),
        WaitRecord(0.46, "it said so"),
        AttemptRecord("d/v", "d", "main", 0.0, outcome="abandoned"),
    )
    report = report_of(*failures, more=more)
    error = exhausted(report, failures, 4, 2.25, [])
    head, *trail = str(error).splitlines()
    assert head == (
        "LLM chain exhausted (4 models, 3 attempts, 2 skipped). First to mend: auth: no at b/y [main]. "
        "Check the API key. Something is callable again in 2.2 s."
    )
    assert trail == [
        "  1. a/x [main] failed: rate_limit (HTTP 429): no",
        "  2. b/y [main] failed: auth: no",
        "  3. c/z skipped: disabled: too dear",
        "  4. c/w [main] skipped: no API key",
        "  5. waited 0.5 s: it said so",
        "  6. d/v [main] abandoned",
    ]
    assert (error.kind, error.retry_after, error.report) == (K.AUTH, 2.25, report)
    assert error.errors == tuple(each for each, _ in failures)
    assert error.__cause__ is failures[1][0]


def test_one_of_each_is_told_in_the_singular() -> None:
    """Nothing is said of a time that nobody knows."""
    one = failure(K.BALANCE)
    assert str(exhausted(report_of(one), [one], 1, None, [])).splitlines()[0] == (
        "LLM chain exhausted (1 model, 1 attempt, 0 skipped). First to mend: balance: no at a/x [main]. "
        "Top up the account."
    )


def test_a_chain_that_cools_as_a_whole_says_for_what() -> None:
    """The most actionable of the kinds; unknown if it has none, and no cause, since nothing was asked."""
    error = exhausted(Report([]), [], 2, 3, [K.TRANSIENT, K.AUTH, K.RATE_LIMIT])
    assert str(error) == (
        "LLM chain exhausted (2 models, 0 attempts, 0 skipped). All cooling (auth). "
        "Something is callable again in 3.0 s."
    )
    assert (error.kind, error.errors, error.__cause__) == (K.AUTH, (), None)
    hopeless = exhausted(Report([]), [], 0, None, [])
    assert str(hopeless) == "LLM chain exhausted (0 models, 0 attempts, 0 skipped)."
    assert hopeless.kind is K.UNKNOWN


@pytest.mark.parametrize("kind", ACTIONABLE)
def test_what_can_be_mended_comes_first_with_its_advice(kind: ErrorKind) -> None:
    """What the caller can do before what a person can, before what only time can."""
    later = ACTIONABLE[ACTIONABLE.index(kind) :]
    failures = [failure(each) for each in reversed(later)]
    error = exhausted(report_of(*failures), failures, 1, None, [])
    assert error.kind is kind
    assert f" First to mend: {kind}: no at a/x [main]. {ADVICE[kind]}" in str(error)
    assert exhausted(Report([]), [], 1, 1, list(reversed(later))).kind is kind


def test_two_walks_of_one_call_end_in_one_error() -> None:
    """The trail and the causes of both, each model counted once, and the sooner of two times."""
    one, other = failure(K.RATE_LIMIT, "a/x"), failure(K.AUTH, "b/y")
    skip, wait = SkipRecord("a/x", "a", "backup", "no API key"), WaitRecord(1, "why")
    first = exhausted(report_of(one, more=(skip, wait)), [one], 1, 9, [])
    second = exhausted(report_of(other), [other], 1, 4, [])
    error = both_exhausted(first, second)
    assert str(error).splitlines()[0] == (
        "LLM chain exhausted (2 models, 2 attempts, 1 skipped). First to mend: auth: no at b/y [main]. "
        "Check the API key. Something is callable again in 4.0 s."
    )
    assert error.report.steps == [one[1], skip, wait, other[1]]
    assert error.report.hedged
    assert error.errors == (one[0], other[0])
    assert (error.kind, error.retry_after, error.__cause__) == (K.AUTH, 4, other[0])
    timeless = exhausted(report_of(one), [one], 1, None, [])
    assert both_exhausted(second, timeless).retry_after == 4
    assert both_exhausted(timeless, timeless).retry_after is None


def test_two_walks_that_asked_nobody_end_in_one_error() -> None:
    """For the more actionable of the two kinds."""
    first = exhausted(Report([]), [], 1, 9, [K.TRANSIENT])
    second = exhausted(Report([]), [], 1, None, [K.BALANCE])
    assert str(both_exhausted(first, second)) == (
        "LLM chain exhausted (0 models, 0 attempts, 0 skipped). All cooling (balance). "
        "Something is callable again in 9.0 s."
    )


def test_a_refused_request_says_by_whom_and_what_to_do() -> None:
    """With all that failed before."""
    before, last = failure(K.AUTH, "b/y"), failure(K.CONTENT_FILTER)
    report = report_of(before, last)
    error = rejected(last, report, [before, last])
    assert str(error) == (
        "a/x [main] refused the request. A provider's content policy blocked the prompt or the answer. "
        "content_filter: no"
    )
    assert (error.kind, error.report, error.errors) == (K.CONTENT_FILTER, report, (before[0], last[0]))
    assert error.__cause__ is last[0]
    assert str(rejected(failure(K.BAD_REQUEST), report, [])) == (
        "a/x [main] refused the request. The request itself is wrong. bad_request: no"
    )


def test_an_output_limit_says_which_setting_to_lower() -> None:
    """Or how to go on to the next model instead."""
    last = failure(K.OUTPUT_LIMIT, status=400)
    error = rejected(last, report_of(last), [last])
    assert str(error) == (
        "Output token limit exceeded at a/x [main]: max_tokens is above this model's or tier's ceiling, and the "
        "repaired request failed as well. Lower max_tokens, or set actions={'output_limit': 'next_model'} in the "
        "policy. output_limit (HTTP 400): no"
    )
    assert error.kind is K.OUTPUT_LIMIT


def test_an_interrupted_answer_keeps_what_was_shown() -> None:
    """Its cause is what broke, whatever failed after that."""
    broke, after = failure(K.TRANSIENT), failure(K.AUTH, "b/y")
    report = report_of(broke, after)
    error = interrupted("Hello", broke, report, [broke, after])
    assert str(error) == "a/x [main] broke off after 5 characters had been shown. transient: no"
    assert (error.partial, error.kind, error.report) == ("Hello", K.TRANSIENT, report)
    assert error.errors == (broke[0], after[0])
    assert error.__cause__ is broke[0]
