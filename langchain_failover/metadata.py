"""What a LangChain message says about its answer: usage, finish reason, who answered, and the trail.

It is told once for each answer, on the message or on the last chunk of a stream: adding chunks concatenates strings,
so a second mention would turn "stop" into "stopstop".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata

from shared_core.events import Finish, Usage
from shared_core.report import Report

__all__ = ["response_metadata", "usage_metadata"]


def response_metadata(report: Report, finish: Finish | None, details: Mapping[str, Any]) -> dict[str, Any]:
    """`response_metadata` of an answer.

    Returns:
        The provider's details (`id`, `system_fingerprint`, …), `model_name` and `model_provider` of the model that
        answered, `finish_reason` in OpenAI's words whoever answered (`native_finish_reason` in the provider's own,
        where it differs), and `failover`: the report as plain JSON values.
    """
    found = {key: value for key, value in details.items() if key not in {"model", "usage"} and value is not None}
    asked = (report.model or "").partition("/")[2]
    found["model_name"] = details.get("model") or asked
    found["model_provider"] = report.provider
    if finish is not None:
        found["finish_reason"] = finish.raw if finish.reason == "other" else finish.reason
        if finish.raw != found["finish_reason"]:
            found["native_finish_reason"] = finish.raw
    found["failover"] = report.as_dict()
    return found


def usage_metadata(usage: Usage | None) -> UsageMetadata | None:
    """Token counts in LangChain's form, with the details that the provider gave."""
    if usage is None:
        return None
    found = UsageMetadata(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens or usage.input_tokens + usage.output_tokens,
    )
    details = InputTokenDetails()
    if usage.cache_read_tokens is not None:
        details["cache_read"] = usage.cache_read_tokens
    if usage.cache_write_tokens is not None:
        details["cache_creation"] = usage.cache_write_tokens
    if usage.audio_input_tokens is not None:
        details["audio"] = usage.audio_input_tokens
    if details:
        found["input_token_details"] = details
    if usage.reasoning_tokens is not None:
        found["output_token_details"] = OutputTokenDetails(reasoning=usage.reasoning_tokens)
    return found
