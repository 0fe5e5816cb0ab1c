"""One word for a trouble, and how each provider says it: a rate limit of Anthropic's is none of OpenAI's.

    overloaded  rate_limit@seconds  invalid_key  no_credit  model_not_found  max_tokens@limit  context_length
    content_filter

Every other word is the simulator's own notation. Nothing here does I/O.

Invariants: each word means something on every wire; an answer is dressed alike everywhere, so that whatever differs in
a drill comes from the trouble.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import assert_never

from shared_core.providers.base import Vendor
from shared_core.simulator import Behaviour, Ceiling, Fault, Flap, RateLimit, Reply
from shared_core.simulator.notation import parse

__all__ = ["ANSWER", "CHUNK_DELAY", "ERROR_DELAY", "FIRST_DELAY", "dressed", "require_words", "spoken"]

ANSWER = "Paris, on the Seine, is the capital of France."
"""What every healthy model answers."""

FIRST_DELAY = 0.4
"""Seconds until the first word of a healthy answer; about what fast models take."""

CHUNK_DELAY = 0.1
"""Seconds between two words of it."""

ERROR_DELAY = 0.2
"""Seconds until an error comes back."""

_PING_INTERVAL = 5.0
"""Seconds between two keepalives."""

_USUAL_CEILING = 16_384
"""Tokens; of the models that have one, many have this."""

_FAMILIES: Mapping[str, str] = {
    "openai": "openai",
    "responses": "openai",
    "anthropic": "anthropic",
    "gemini": "gemini",
}
"""By wire: whose words its errors are in."""

_WORDS: Mapping[str, Mapping[str, str | Behaviour]] = {
    "overloaded": {},
    "rate_limit": {},
    "invalid_key": {},
    "model_not_found": {"azure": "azure.deployment_not_found"},
    "context_length": {},
    "max_tokens": {},
    "content_filter": {
        "azure": "azure.content_filter",
        "gemini": Fault.status(
            200,
            'data: {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "responseId": "simulated"}\r\n\r\n',
            {"content-type": "text/event-stream"},
        ),
    },
    "no_credit": {
        "openai": "openai.insufficient_quota",
        "anthropic": "anthropic.low_credit",
        "deepseek": "deepseek.balance",
        "openrouter": "openrouter.credits",
        "gemini": Fault.status(
            403,
            {
                "error": {
                    "code": 403,
                    "message": "This API method requires billing to be enabled.",
                    "status": "PERMISSION_DENIED",
                    "details": [
                        {
                            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                            "reason": "BILLING_DISABLED",
                            "domain": "googleapis.com",
                        }
                    ],
                }
            },
        ),
    },
}
"""By word: how a vendor, or else the family of its wire, says it, where its catalogue has no error of that name."""

_STEP = re.compile(r"(?P<word>[a-z_]+)(?P<number>@\d+(?:\.\d+)?)?(?P<times>\*\d+)?")


def require_words(text: str) -> None:
    """Checks that `text` can be said on every wire.

    Raises:
        ConfigurationError: A word of it is neither one of ours nor the simulator's; the message lists those.
    """
    for family in _FAMILIES.values():
        _said(text, family, family)


def spoken(what: str | Behaviour, vendor: Vendor) -> tuple[Behaviour, ...]:
    """The steps of a trouble as a vendor says it, dressed; the last one repeats.

    Raises:
        ConfigurationError: It holds a word that nobody knows.
    """
    steps = _said(what, vendor.name, _FAMILIES[vendor.wire]) if isinstance(what, str) else (what,)
    return tuple(dressed(step) for step in steps)


def _said(text: str, vendor: str, family: str) -> tuple[Behaviour, ...]:
    return tuple(behaviour for step in text.split(",") for behaviour in _step(step.strip(), vendor, family))


def _step(step: str, vendor: str, family: str) -> tuple[Behaviour, ...]:
    match = _STEP.fullmatch(step)
    if match is None or match["word"] not in _WORDS:
        return parse(step)
    word, number, times = match["word"], match["number"] or "", match["times"] or ""
    own = _WORDS[word].get(vendor) or _WORDS[word].get(family) or f"{family}.{word}"
    if word == "max_tokens":
        own = Ceiling(int(float(number[1:] or _USUAL_CEILING)))
    return parse(f"{own}{number}{times}") if isinstance(own, str) else (own,) * int(times[1:] or 1)


def dressed(behaviour: Behaviour) -> Behaviour:
    """`behaviour` with the common answer and the common delays, where it does not say its own."""
    match behaviour:
        case Reply():
            return _dressed_reply(behaviour)
        case Fault():
            return _dressed_fault(behaviour)
        case Flap():
            return dataclasses.replace(
                behaviour, then=_dressed_reply(behaviour.then), fault=_dressed_fault(behaviour.fault)
            )
        case Ceiling() | RateLimit():
            then = behaviour.then
            return dataclasses.replace(
                behaviour, then=_dressed_reply(then) if isinstance(then, Reply) else _dressed_fault(then)
            )
        case _:
            assert_never(behaviour)


def _dressed_reply(reply: Reply) -> Reply:
    is_open = reply.text is None and reply.chunks is None and not reply.tool_calls and reply.refusal is None
    return dataclasses.replace(
        reply,
        text=ANSWER if is_open and reply.answer is None else reply.text,
        delay_first=reply.delay_first or FIRST_DELAY,
        delay_chunk=reply.delay_chunk or CHUNK_DELAY,
    )


def _dressed_fault(fault: Fault) -> Fault:
    fault = dataclasses.replace(fault, reply=_dressed_reply(fault.reply))
    if fault.kind in {"status", "named"}:
        return dataclasses.replace(fault, seconds=fault.seconds or ERROR_DELAY)
    if fault.kind == "keepalive":
        return dataclasses.replace(fault, interval=max(fault.interval, _PING_INTERVAL))
    return fault
