"""The words of the errors that end a call: the most actionable cause first, then the whole trail.

They are built once, at the end, from what the report and the classified errors hold; nothing here decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from shared_core.errors import (
    ChainExhaustedError,
    ErrorKind,
    ProviderError,
    RequestRejectedError,
    StreamInterruptedError,
)
from shared_core.report import AttemptRecord, Report, SkipRecord, Step, WaitRecord

__all__ = ["exhausted", "interrupted", "rejected"]

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
    errors: Sequence[ProviderError],
    models: int,
    retry_after: float | None,
    cooling: Sequence[ErrorKind],
) -> ChainExhaustedError:
    """No target answered. `cooling` are the kinds for which models of the chain are cooling."""
    cause = min(errors, key=lambda error: _BY_ACTIONABILITY.index(error.kind), default=None)
    kind = cause.kind if cause else min(cooling, key=_BY_ACTIONABILITY.index, default=ErrorKind.UNKNOWN)
    attempts, skips = len(report.attempts), len(report.skips)
    models_word, attempts_word = "model" + "s" * (models != 1), "attempt" + "s" * (attempts != 1)
    lines = [f"LLM chain exhausted ({models} {models_word}, {attempts} {attempts_word}, {skips} skipped)."]
    if cause is not None:
        failed = [step for step in report.attempts if step.outcome == "failed"]
        where = failed[errors.index(cause)]
        lines[0] += f" First to mend: {cause} at {where.model} [{where.profile}]. {_ADVICE[kind]}"
    elif retry_after is not None:
        lines[0] += f" All cooling ({kind})."
    if retry_after is not None:
        lines[0] += f" Something is callable again in {retry_after:.1f} s."
    lines += [f"  {number}. {_line(step)}" for number, step in enumerate(report.steps, 1)]
    error = ChainExhaustedError(
        "\n".join(lines), report=report, errors=tuple(errors), kind=kind, retry_after=retry_after
    )
    error.__cause__ = cause
    return error


def rejected(
    cause: ProviderError, record: AttemptRecord, report: Report, errors: Sequence[ProviderError]
) -> RequestRejectedError:
    """The request itself was refused."""
    where = f"{record.model} [{record.profile}]"
    if cause.kind is ErrorKind.OUTPUT_LIMIT:
        text = (
            f"Output token limit exceeded at {where}: max_tokens is above this model's or tier's ceiling, and the "
            "repaired request failed as well. Lower max_tokens, or set actions={'output_limit': 'next_model'} in the "
            f"policy. {cause}"
        )
    else:
        text = f"{where} refused the request. {_ADVICE[cause.kind]} {cause}"
    error = RequestRejectedError(text, report=report, errors=tuple(errors), kind=cause.kind)
    error.__cause__ = cause
    return error


def interrupted(
    shown: str, cause: ProviderError, record: AttemptRecord, report: Report, errors: Sequence[ProviderError]
) -> StreamInterruptedError:
    """The stream broke after content had been shown."""
    error = StreamInterruptedError(
        f"{record.model} [{record.profile}] broke off after {len(shown)} characters had been shown. {cause}",
        partial=shown,
        report=report,
        errors=tuple(errors),
        kind=cause.kind,
    )
    error.__cause__ = cause
    return error


def _line(step: Step) -> str:
    match step:
        case AttemptRecord():
            status = "" if step.status is None else f" (HTTP {step.status})"
            return f"{step.model} [{step.profile}] {step.outcome}: {step.kind}{status}: {step.message}"
        case SkipRecord():
            where = step.model if step.profile is None else f"{step.model} [{step.profile}]"
            return f"{where} skipped: {step.reason}"
        case WaitRecord():
            return f"waited {step.seconds:.1f} s: {step.reason}"
        case _:
            assert_never(step)
