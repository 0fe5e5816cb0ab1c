"""What single values of an OpenAI Responses answer mean: usage, ends, errors, the whole text of an item.

Pure functions from decoded JSON to the events' words. Invariant: total. Whatever the types, they return something and
raise nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shared_core.events import FinishReason, Usage

__all__ = ["PARAGRAPH", "details_in", "error_body", "incomplete_reason", "joined", "status_of", "usage_in"]

PARAGRAPH = "\n\n"
"""Stands between the parts of a reasoning summary, each of which is a paragraph under its own heading."""

_ENDS = frozenset({"completed", "incomplete", "failed", "cancelled"})

_INCOMPLETE: Mapping[str, FinishReason] = MappingProxyType(
    {"max_output_tokens": "length", "max_tokens": "length", "content_filter": "content_filter"}
)

_DETAILS = ("id", "model", "created_at", "service_tier", "incomplete_details", "moderation")
"""Fields of a response that tell of the answer; most others repeat the request."""


def status_of(response: Mapping[str, Any], otherwise: str) -> str:
    """The end that a response states (some servers call a cut answer `response.completed`), or `otherwise`."""
    status = response.get("status")
    return status if type(status) is str and status in _ENDS else otherwise


def incomplete_reason(response: Mapping[str, Any]) -> tuple[FinishReason, str]:
    """Why an incomplete response ended, and the provider's word for it.

    >>> incomplete_reason({"incomplete_details": {"reason": "max_output_tokens"}})
    ('length', 'max_output_tokens')
    """
    raw = _mapping(response.get("incomplete_details")).get("reason")
    raw = raw if type(raw) is str and raw else "incomplete"
    return _INCOMPLETE.get(raw, "other"), raw


def usage_in(response: Mapping[str, Any]) -> Usage | None:
    """Tokens that a response states; None if it states none."""
    usage = _mapping(response.get("usage"))
    sent, got, total = (_count(usage.get(name)) for name in ("input_tokens", "output_tokens", "total_tokens"))
    if sent is None and got is None and total is None:
        return None
    into, out = _mapping(usage.get("input_tokens_details")), _mapping(usage.get("output_tokens_details"))
    return Usage(
        input_tokens=sent or 0,
        output_tokens=got or 0,
        total_tokens=(sent or 0) + (got or 0) if total is None else total,
        cache_read_tokens=_count(into.get("cached_tokens")),
        cache_write_tokens=_count(into.get("cache_write_tokens")),
        reasoning_tokens=_count(out.get("reasoning_tokens")),
    )


def details_in(response: Mapping[str, Any]) -> dict[str, Any]:
    """What a response says about the answer besides its content."""
    return {name: response[name] for name in _DETAILS if response.get(name) is not None}


def error_body(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The error that a payload states, without the framing that a classifier might take for a code."""
    return {name: value for name, value in payload.items() if name not in {"type", "sequence_number"}}


def joined(parts: Any, kind: str, field: str, joint: str = "") -> str | None:
    """The text of all parts of `kind`; None if `parts` has no form that the protocol knows.

    >>> joined([{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "b"}], "output_text", "text")
    'a'
    """
    if parts is None:
        return ""
    if type(parts) is not list:
        return None
    texts: list[str] = []
    for part in parts:
        if type(part) is not dict:
            return None
        if part.get("type") == kind:
            text = part.get(field)
            if type(text) is not str:
                return None
            if text:
                texts.append(text)
    return joint.join(texts)


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if type(value) is dict else {}
