"""The OpenAI Responses wire: one request in, one HTTP call out.

Owns the body's fields outside the conversation. What items look like is said in `responses_input`; answers are read in
`responses_decoding`, URL, headers and the last steps to bytes are shared with the other wires.

Invariants: every call asks for a stream and for nothing to be stored, so the conversation travels whole and a failover
leaves nothing behind; a field that the target is known to refuse is not sent, except when the caller put it into
`extra_body`, which is merged in last; nothing of the request is changed. Stop sequences, seeds and penalties do not
exist in this protocol. Only `extra_body={"reasoning": {"summary": "auto"}}` asks for a summary of the reasoning, since
accounts that are not verified may not ask.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeAlias, assert_never

from shared_core.providers.base import Decoder, HTTPCall, Vendor
from shared_core.providers.bodies import encoded, merged, named
from shared_core.providers.calling import call_headers, call_url
from shared_core.providers.responses_decoding import ResponsesDecoder
from shared_core.providers.responses_input import encoded_input
from shared_core.request import BuiltinTool, JSONObject, JSONSchema, LLMRequest, NamedTool, ResponseFormat, Tool

__all__ = ["ResponsesWire"]

_JSON: TypeAlias = dict[str, Any]
_NO_RENAMES: Mapping[str, str] = MappingProxyType({})

_REQUIRED = frozenset({"model", "input", "stream"})

_LOWEST_OUTPUT = 16
"""Fewest `max_output_tokens` that OpenAI takes; it answers a lower number with `integer_below_min_value`."""

_REASONS = re.compile(r"(?!.*-chat)(.*/)?(o\d|gpt-[5-9]|gpt-oss|codex|grok-[3-9])")
"""Models that reason. All others refuse `include` with "Encrypted content is not supported with this model"."""


class ResponsesWire:
    """The protocol of `POST /responses`.

    Besides body fields and paths into them ("reasoning.effort"), `omit` may name "strict" (of tools and schemas).
    """

    name = "responses"

    def encode(
        self,
        request: LLMRequest,
        *,
        vendor: Vendor,
        base_url: str,
        key: str | None,
        omit: frozenset[str] = frozenset(),
        renames: Mapping[str, str] = _NO_RENAMES,
    ) -> HTTPCall:
        """One streaming call; see `providers.base.Wire.encode`.

        Raises:
            ProviderError: The request has no form in JSON (`bad_request`), or the key none in a header (`auth`).
        """
        omit = vendor.omits | omit
        body = _body(request, vendor, with_strict="strict" not in omit)
        body = named(body, omit, {**vendor.renames, **renames}, required=_REQUIRED)
        return HTTPCall(
            url=call_url(vendor, base_url, request.model, default_path="/responses"),
            headers=call_headers(vendor, key, request.extra_headers),
            body=encoded(merged(body, request.extra_body), provider=vendor.name),
        )

    def decoder(self, *, vendor: Vendor, content_type: str) -> Decoder:
        """A decoder for one response; see `providers.base.Wire.decoder`. The body tells its own type."""
        del content_type
        return ResponsesDecoder(vendor.name)


def _body(request: LLMRequest, vendor: Vendor, *, with_strict: bool) -> _JSON:
    limit, effort = request.max_tokens, request.reasoning_effort
    thinks = effort != "none" if effort is not None else _REASONS.match(request.model) is not None
    tools = [found for tool in request.tools if (found := _tool(tool, vendor, with_strict=with_strict)) is not None]
    settings: _JSON = {
        "include": ["reasoning.encrypted_content"] if thinks else None,
        "max_output_tokens": None if limit is None else max(limit, _LOWEST_OUTPUT),
        "temperature": request.temperature,
        "top_p": request.top_p,
        "reasoning": None if effort is None else {"effort": effort},
        "text": _text(request.response_format, with_strict=with_strict),
        "user": request.user,
    }
    if tools:  # a choice without tools is refused
        settings |= {
            "tools": tools,
            "tool_choice": _tool_choice(request),
            "parallel_tool_calls": request.parallel_tool_calls,
        }
    body: _JSON = {
        "model": request.model,
        "input": encoded_input(request.messages, vendor),
        "stream": True,
        "store": False,
    }
    return body | {name: value for name, value in settings.items() if value is not None}


def _tool(tool: Tool | BuiltinTool, vendor: Vendor, *, with_strict: bool) -> _JSON | None:
    if isinstance(tool, BuiltinTool):
        return dict(tool.spec) if tool.origin in {ResponsesWire.name, vendor.name} else None
    found: _JSON = {"type": "function", "name": tool.name}
    if tool.description:
        found["description"] = tool.description
    found["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    if with_strict:
        # Here, other than in Chat Completions, a tool is strict unless it says that it is not.
        found["strict"] = bool(tool.strict)
    return found


def _tool_choice(request: LLMRequest) -> Any:
    choice = request.tool_choice
    if not isinstance(choice, NamedTool):
        return choice
    is_function = any(isinstance(tool, Tool) and tool.name == choice.name for tool in request.tools)
    # A tool that the provider runs itself is named by its type.
    return {"type": "function", "name": choice.name} if is_function else {"type": choice.name}


def _text(wanted: ResponseFormat | None, *, with_strict: bool) -> _JSON | None:
    match wanted:
        case None:
            return None
        case JSONObject():
            return {"format": {"type": "json_object"}}
        case JSONSchema():
            told: _JSON = {"type": "json_schema", "name": wanted.name, "schema": wanted.schema}
            if wanted.description:
                told["description"] = wanted.description
            if wanted.strict is not None and with_strict:
                told["strict"] = wanted.strict
            return {"format": told}
        case _:
            assert_never(wanted)
