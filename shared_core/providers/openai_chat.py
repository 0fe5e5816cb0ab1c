"""The OpenAI Chat Completions wire: one request in, one HTTP call out.

Owns the body's fields outside the messages and their names at each vendor. What messages look like is said in
`openai_messages`; answers are read in `openai_decoding`; URL and headers come from `calling`.

Invariants: every call asks for a stream of one choice; a field that the target is known to refuse is not sent, except
when the caller put it into `extra_body`, which is merged in last; nothing of the request is changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shared_core.providers.base import Decoder, HTTPCall, Vendor
from shared_core.providers.bodies import encoded, merged, named
from shared_core.providers.calling import call_headers, call_url
from shared_core.providers.openai_decoding import OpenAIChatDecoder
from shared_core.providers.openai_messages import encoded_messages
from shared_core.request import BuiltinTool, JSONObject, JSONSchema, LLMRequest, NamedTool, Tool, ToolChoice

__all__ = ["OpenAIChatWire"]

_REQUIRED = frozenset({"model", "messages", "stream", "tools"})
"""Without these it would be another request; `tools` may stand in a refusal as the place of something smaller."""

_NO_RENAMES: Mapping[str, str] = MappingProxyType({})


class OpenAIChatWire:
    """The protocol of `POST /chat/completions`, as OpenAI documents it and everyone else speaks it.

    Besides body fields, `omit` may name "name" (of messages) and "strict" (of tools and schemas), alone or as a refusal
    quotes them ("messages[0].name").
    """

    name = "openai"

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
        body = _body(request, vendor, omit, self.name)
        body = named(body, omit, {**vendor.renames, **renames}, required=_REQUIRED)
        return HTTPCall(
            url=call_url(vendor, base_url, request.model, default_path="/chat/completions"),
            headers=call_headers(vendor, key, request.extra_headers),
            body=encoded(merged(body, request.extra_body), provider=vendor.name),
        )

    def decoder(self, *, vendor: Vendor, content_type: str) -> Decoder:
        """A decoder for one response; see `providers.base.Wire.decoder`."""
        del content_type  # it lies often enough; the body tells a stream from a document
        return OpenAIChatDecoder(vendor)


def _body(request: LLMRequest, vendor: Vendor, omit: frozenset[str], wire: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": request.model,
        "messages": encoded_messages(request.messages, vendor, with_names=not _refuses(omit, "name")),
        "stream": True,
    }
    if vendor.streams_usage:
        body["stream_options"] = {"include_usage": True}
    settings = {
        vendor.max_tokens_field: request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": list(request.stop) or None,
        "seed": request.seed,
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
        "reasoning_effort": request.reasoning_effort,
        "user": request.user,
    }
    body |= {name: value for name, value in settings.items() if value is not None}
    with_strict = not _refuses(omit, "strict")
    given = (_tool(tool, vendor, wire, with_strict=with_strict) for tool in request.tools)
    tools = [tool for tool in given if tool is not None]
    if tools:  # a choice without tools is refused
        body["tools"] = tools
        if request.tool_choice is not None:
            body["tool_choice"] = _tool_choice(request.tool_choice)
        if request.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = request.parallel_tool_calls
    if isinstance(request.response_format, JSONObject):
        body["response_format"] = {"type": "json_object"}
    elif request.response_format is not None:
        _ask_for_schema(body, request.response_format, vendor, with_strict=with_strict)
    return body


def _refuses(omit: frozenset[str], inner: str) -> bool:
    return any(name.rpartition(".")[2] == inner for name in omit)


def _tool(tool: Tool | BuiltinTool, vendor: Vendor, wire: str, *, with_strict: bool) -> dict[str, Any] | None:
    if isinstance(tool, BuiltinTool):
        return dict(tool.spec) if tool.origin in {wire, vendor.name} else None
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    if tool.strict is not None and with_strict:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _tool_choice(choice: ToolChoice) -> Any:
    if isinstance(choice, NamedTool):
        return {"type": "function", "function": {"name": choice.name}}
    return choice


def _ask_for_schema(body: dict[str, Any], schema: JSONSchema, vendor: Vendor, *, with_strict: bool) -> None:
    if vendor.takes_json_schema:
        told: dict[str, Any] = {"name": schema.name, "schema": schema.schema}
        if schema.description:
            told["description"] = schema.description
        if schema.strict is not None and with_strict:
            told["strict"] = schema.strict
        body["response_format"] = {"type": "json_schema", "json_schema": told}
        return
    # JSON mode alone, which does not know the schema and at most vendors insists on the word "JSON" in the prompt.
    schema_text = encoded(schema.schema, provider=vendor.name).decode()
    words = f"Answer with one JSON object that follows this JSON Schema, and nothing else:\n{schema_text}"
    first = body["messages"][0] if body["messages"] else {}
    if first.get("role") == vendor.system_role and isinstance(first["content"], str):
        first["content"] = f"{first['content']}\n\n{words}"
    else:
        body["messages"].insert(0, {"role": vendor.system_role, "content": words})
    body["response_format"] = {"type": "json_object"}
