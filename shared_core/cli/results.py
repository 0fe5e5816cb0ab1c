"""Results as plain JSON values: what `--json` prints. No key is in them, and of content only the answer."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from shared_core.answer import Answer
from shared_core.errors import ChainExhaustedError, FailoverError, RequestRejectedError, StreamInterruptedError
from shared_core.report import Report

__all__ = ["CallError", "answered", "failed", "print_json"]

CallError = (ChainExhaustedError, RequestRejectedError, StreamInterruptedError)
"""How a call ends without an answer; each of them holds the report."""


def answered(answer: Answer) -> dict[str, Any]:
    """An answer: its text, who gave it, what it cost, and the report."""
    return {
        "answer": answer.text or answer.refusal,
        "finish": None if answer.finish is None else answer.finish.reason,
        "usage": None if answer.usage is None else asdict(answer.usage),
        "error": None,
        "failover": answer.report.as_dict(),
    }


def failed(error: FailoverError) -> dict[str, Any]:
    """A call without an answer: the error, the partial if something was shown, and the report if there is one."""
    said: dict[str, Any] = {"type": type(error).__name__, "message": str(error)}
    if isinstance(error, CallError):
        said["kind"] = str(error.kind)
    if isinstance(error, ChainExhaustedError):
        said["retry_after"] = error.retry_after
    if isinstance(error, StreamInterruptedError):
        said["partial"] = error.partial
    report = error.report if isinstance(error, CallError) else Report()
    return {"answer": None, "finish": None, "usage": None, "error": said, "failover": report.as_dict()}


def print_json(value: Any) -> None:
    """Prints `value` in ASCII, so that no terminal's encoding can spoil it."""
    print(json.dumps(value, indent=2), flush=True)
