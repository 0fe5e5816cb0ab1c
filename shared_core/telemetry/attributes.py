"""Attributes of spans and metrics: which facts of a call they hold, and under which names.

`gen_ai.*`, `server.*`, `error.type` and `http.*` follow OpenTelemetry's semantic conventions, `failover.*` is ours.
Prompts, answers, tool schemas and stop sequences are never among them, nor is a key: texts of failures are scrubbed
where they are made, and of an address only host and port are kept. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from shared_core.events import End, Usage
from shared_core.notices import Notice
from shared_core.registry import ProviderRegistry
from shared_core.report import AttemptRecord, Report
from shared_core.request import LLMRequest

__all__ = ["Attributes", "addressed", "answered", "asked", "ended", "happened", "named", "reported"]

Attributes: TypeAlias = dict[str, Any]
"""Values are strings, numbers, booleans, and tuples of strings."""

_PROVIDERS: Mapping[str, str] = MappingProxyType(
    {
        "azure": "azure.ai.openai",
        "gemini": "gcp.gemini",
        "kimi": "moonshot_ai",
        "kimi-cn": "moonshot_ai",
        "mistral": "mistral_ai",
        "openai-responses": "openai",
        "xai": "x_ai",
    }
)
"""What the conventions call providers, where that is another name than ours."""

_SAMPLING = ("max_tokens", "temperature", "top_p", "seed", "presence_penalty", "frequency_penalty")

_PORTS = MappingProxyType({"http": 80, "https": 443})


def asked(request: LLMRequest) -> Attributes:
    """What was asked for, in settings."""
    found: Attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.stream": True}
    for name in _SAMPLING:
        value = getattr(request, name)
        if value is not None:
            found[f"gen_ai.request.{name}"] = value
    if request.response_format is not None:
        found["gen_ai.output.type"] = "json"
    return found


def named(provider: str, registry: ProviderRegistry) -> Attributes:
    """Who is asked, by the conventions' name if they have one."""
    member = registry.member(provider)
    name = provider if member is None else member.vendor or member.kind
    return {"gen_ai.provider.name": _PROVIDERS.get(name, name)}


def addressed(provider: str, model: str, registry: ProviderRegistry) -> Attributes:
    """Who is asked, and where.

    Args:
        provider: Provider's name.
        model: Model id as the provider knows it.
        registry: Knows the provider.
    """
    found = {**named(provider, registry), "gen_ai.request.model": model}
    url = urlsplit(registry.address(provider) or "")
    if url.hostname:
        found["server.address"] = url.hostname
        found["server.port"] = url.port or _PORTS.get(url.scheme, 443)
    return found


def ended(record: AttemptRecord) -> Attributes:
    """How an attempt ended."""
    found: Attributes = {"failover.outcome": record.outcome}
    if record.first_token is not None:
        found["gen_ai.response.time_to_first_chunk"] = record.first_token - record.started
    if record.kind is not None:
        found["error.type"] = record.kind.value
    for name, value in (
        ("http.response.status_code", record.status),
        ("failover.code", record.code),
        ("failover.retry_after", record.retry_after),
        ("failover.notes", record.notes),
    ):
        if value is not None and value != ():
            found[name] = value
    return found | _used(record.usage)


def _used(usage: Usage | None) -> Attributes:
    if usage is None:
        return {}
    found = {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
    }
    return {name: value for name, value in found.items() if value is not None}


def answered(end: End) -> Attributes:
    """What is known of an answer beside its content."""
    model = (end.report.model or "").partition("/")[2]
    found = {
        "gen_ai.response.model": str(end.details.get("model") or model),
        "gen_ai.response.id": end.details.get("id"),
        "gen_ai.response.finish_reasons": None if end.finish is None else (end.finish.reason,),
    }
    return {name: value for name, value in found.items() if value is not None}


def reported(report: Report) -> Attributes:
    """What a call took, once it is over."""
    skips = tuple(
        f"{skip.model}: {skip.reason}" if skip.profile is None else f"{skip.model} [{skip.profile}]: {skip.reason}"
        for skip in report.skips
    )
    found = {
        "failover.attempts": len(report.attempts),
        "failover.hedged": report.hedged,
        "failover.continued": report.continued,
        "failover.model": report.model,
        "failover.profile": report.profile,
        "failover.skips": skips or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def happened(notice: Notice) -> Attributes:
    """A notice as the attributes of a span's event."""
    told = notice.as_dict()
    number = told.pop("number", None)
    told = {name: value for name, value in told.items() if name not in {"event", "attempt"}}
    return {
        f"failover.{name}": value for name, value in (told if number is None else told | {"attempt": number}).items()
    }
