"""Results as plain JSON values: what `--json` prints. No key is in them, and of content only the answer."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, TypeAlias

from shared_core.answer import Answer
from shared_core.errors import ChainExhaustedError, RequestRejectedError, StreamInterruptedError

__all__ = ["CallError", "CallFailure", "answered", "failed", "print_json"]

CallError = (ChainExhaustedError, RequestRejectedError, StreamInterruptedError)
"""How a call ends without an answer, for `except`; each of them holds the report."""

CallFailure: TypeAlias = ChainExhaustedError | RequestRejectedError | StreamInterruptedError
"""The same as a type."""


def answered(answer: Answer) -> dict[str, Any]:
    """An answer: its text, who gave it, what it cost, and the report."""
    return {
        "answer": answer.text or answer.refusal,
        "finish": None if answer.finish is None else answer.finish.reason,
        "usage": None if answer.usage is None else asdict(answer.usage),
        "error": None,
        "failover": answer.report.as_dict(),
    }


def failed(error: CallFailure) -> dict[str, Any]:
    """A call without an answer: the error, the partial if something was shown, and the report."""
    said: dict[str, Any] = {"type": type(error).__name__, "kind": str(error.kind), "message": str(error)}
    if isinstance(error, ChainExhaustedError):
        said["retry_after"] = error.retry_after
    if isinstance(error, StreamInterruptedError):
        said["partial"] = error.partial
    return {"answer": None, "finish": None, "usage": None, "error": said, "failover": error.report.as_dict()}


def print_json(value: Any) -> None:
    """Prints `value` in ASCII, so that no terminal's encoding can spoil it."""
    print(json.dumps(value, indent=2), flush=True)
