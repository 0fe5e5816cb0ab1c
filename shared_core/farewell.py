"""The words of the errors that end a call: the most actionable cause first, then the whole trail.

They are built once, at the end, from what the report and the classified errors hold; nothing here decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, assert_never

from shared_core.errors import (
    ChainExhaustedError,
    ErrorKind,
    ProviderError,
    RequestRejectedError,
    StreamInterruptedError,
)
from shared_core.report import AttemptRecord, Report, SkipRecord, Step, WaitRecord

__all__ = ["Failure", "both_exhausted", "exhausted", "interrupted", "rejected"]

Failure: TypeAlias = tuple[ProviderError, AttemptRecord]
"""An error and the attempt that it ended."""

_BY_ACTIONABILITY = (
    ErrorKind.OUTPUT_LIMIT,
    ErrorKind.CONTEXT_EXCEEDED,
    ErrorKind.BAD_REQUEST,
    ErrorKind.CONTENT_FILTER,
    ErrorKind.AUTH,
    ErrorKind.BALANCE,
    ErrorKind.MODEL_MISSING,
    ErrorKind.RATE_LIMIT,
    ErrorKind.TRANSIENT,
    ErrorKind.UNKNOWN,
)
"""What the caller can mend comes before what a person can, and that before what only time can."""

_ADVICE = {
    ErrorKind.OUTPUT_LIMIT: "Lower max_tokens.",
    ErrorKind.CONTEXT_EXCEEDED: "Shorten the messages, or add a model with a larger window to the chain.",
    ErrorKind.CONTENT_FILTER: "A provider's content policy blocked the prompt or the answer.",
    ErrorKind.BAD_REQUEST: "The request itself is wrong.",
    ErrorKind.AUTH: "Check the API key.",
    ErrorKind.BALANCE: "Top up the account.",
    ErrorKind.MODEL_MISSING: "Check the model's name and the account's access to it.",
    ErrorKind.RATE_LIMIT: "Wait, or add a profile or a model to the chain.",
    ErrorKind.TRANSIENT: "Wait, or add a model of another provider to the chain.",
    ErrorKind.UNKNOWN: "Nothing certain is known of the cause.",
}


def exhausted(
    report: Report,
    failures: Sequence[Failure],
    models: int,
    retry_after: float | None,
    cooling: Sequence[ErrorKind],
) -> ChainExhaustedError:
    """No target answered. `cooling` are the kinds for which models of the chain are cooling."""
    first = min(failures, key=lambda failure: _BY_ACTIONABILITY.index(failure[0].kind), default=None)
    kind = first[0].kind if first else min(cooling, key=_BY_ACTIONABILITY.index, default=ErrorKind.UNKNOWN)
    attempts, skips = len(report.attempts), len(report.skips)
    models_word, attempts_word = "model" + "s" * (models != 1), "attempt" + "s" * (attempts != 1)
    lines = [f"LLM chain exhausted ({models} {models_word}, {attempts} {attempts_word}, {skips} skipped)."]
    if first is not None:
        cause, where = first
        lines[0] += f" First to mend: {cause} at {where.model} [{where.profile}]. {_ADVICE[kind]}"
    elif retry_after is not None:
        lines[0] += f" All cooling ({kind})."
    if retry_after is not None:
        lines[0] += f" Something is callable again in {retry_after:.1f} s."
    lines += [f"  {number}. {_line(step)}" for number, step in enumerate(report.steps, 1)]
    error = ChainExhaustedError(
        "\n".join(lines), report=report, errors=_errors(failures), kind=kind, retry_after=retry_after
    )
    error.__cause__ = None if first is None else first[0]
    return error


def both_exhausted(one: ChainExhaustedError, other: ChainExhaustedError) -> ChainExhaustedError:
    """One error for a call that walked its chain twice at once: the trail and the causes of both."""
    failures = [
        failure
        for error in (one, other)
        for failure in zip(
            error.errors, (step for step in error.report.attempts if step.outcome == "failed"), strict=True
        )
    ]
    report = Report(steps=[*one.report.steps, *other.report.steps], hedged=True)
    waits = [error.retry_after for error in (one, other) if error.retry_after is not None]
    models = len({step.model for step in report.steps if not isinstance(step, WaitRecord)})
    return exhausted(report, failures, models, min(waits, default=None), [one.kind, other.kind])


def _errors(failures: Sequence[Failure]) -> tuple[ProviderError, ...]:
    return tuple(error for error, _ in failures)


def rejected(last: Failure, report: Report, failures: Sequence[Failure]) -> RequestRejectedError:
    """The request itself was refused."""
    cause, record = last
    where = f"{record.model} [{record.profile}]"
    if cause.kind is ErrorKind.OUTPUT_LIMIT:
        text = (
            f"Output token limit exceeded at {where}: max_tokens is above this model's or tier's ceiling, and the "
            "repaired request failed as well. Lower max_tokens, or set actions={'output_limit': 'next_model'} in the "
            f"policy. {cause}"
        )
    else:
        text = f"{where} refused the request. {_ADVICE[cause.kind]} {cause}"
    error = RequestRejectedError(text, report=report, errors=_errors(failures), kind=cause.kind)
    error.__cause__ = cause
    return error


def interrupted(shown: str, broke: Failure, report: Report, failures: Sequence[Failure]) -> StreamInterruptedError:
    """The stream broke after content had been shown; `broke` is what was showing it, whatever failed after that."""
    cause, record = broke
    error = StreamInterruptedError(
        f"{record.model} [{record.profile}] broke off after {len(shown)} characters had been shown. {cause}",
        partial=shown,
        report=report,
        errors=_errors(failures),
        kind=cause.kind,
    )
    error.__cause__ = cause
    return error


def _line(step: Step) -> str:
    match step:
        case AttemptRecord():
            status = "" if step.status is None else f" (HTTP {step.status})"
            why = "" if step.kind is None else f": {step.kind}{status}: {step.message}"
            return f"{step.model} [{step.profile}] {step.outcome}{why}"
        case SkipRecord():
            where = step.model if step.profile is None else f"{step.model} [{step.profile}]"
            return f"{where} skipped: {step.reason}"
        case WaitRecord():
            return f"waited {step.seconds:.1f} s: {step.reason}"
        case _:
            assert_never(step)
