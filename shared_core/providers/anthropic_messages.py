"""The Anthropic Messages wire: one request in, one HTTP call out.

Owns the body's fields outside the conversation: limits, sampling, tools, structured output, thinking. What turns look
like is said in `anthropic_content`, what a model takes in `anthropic_models`; answers are read in `anthropic_decoding`.

Invariants: every call asks for a stream and states `max_tokens`, which the protocol demands; what the model is known to
refuse is not sent, except when the caller put it into `extra_body`, which is merged in last; nothing of the request is
changed. Seeds and penalties do not exist in this protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from shared_core.providers.anthropic_content import (
    called_tools,
    encoded_system,
    encoded_turns,
    has_thinking,
    is_mid_call_without_thinking,
    understood_marks,
)
from shared_core.providers.anthropic_decoding import ANSWER_TOOL, AnthropicDecoder
from shared_core.providers.anthropic_models import ClaudeTraits, claude_traits
from shared_core.providers.base import Decoder, HTTPCall, Vendor
from shared_core.providers.bodies import encoded, merged, named
from shared_core.providers.calling import call_headers, call_url
from shared_core.providers.models import describe
from shared_core.providers.schema_dialects import ANTHROPIC, narrowed
from shared_core.request import BuiltinTool, JSONObject, JSONSchema, LLMRequest, NamedTool, Tool

__all__ = ["API_VERSION", "AnthropicMessagesWire"]

_JSON: TypeAlias = dict[str, Any]
_NO_RENAMES: Mapping[str, str] = MappingProxyType({})

API_VERSION = "2023-06-01"
"""The version that all models and all compatible vendors speak. A vendor's or a caller's header overrides it."""
_VERSION_WITHOUT_SAMPLING = "2026-10-21"

_BINDING_BETA = "thinking-binding-controls-2026-08-01"

_REQUIRED = frozenset({"model", "messages", "max_tokens", "stream"})

_BUDGETS: Mapping[str, int] = MappingProxyType(
    {"minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576, "xhigh": 32_000, "max": 32_000}
)
"""Thinking tokens for an effort, as Google's OpenAI-compatible endpoint counts them; above 32,000 Anthropic advises
batch processing."""
_LOWEST_BUDGET = 1_024

_ONLY_JSON = "Answer with one JSON object and nothing else: no prose before or after it, no code fence."


class AnthropicMessagesWire:
    """The protocol of `POST /v1/messages`."""

    name = "anthropic"

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
        headers = {"anthropic-version": API_VERSION} | call_headers(vendor, key, request.extra_headers)
        if headers["anthropic-version"] >= _VERSION_WITHOUT_SAMPLING:
            omit |= {"temperature", "top_p"}
        body = _Body(request, vendor).built()
        body = named(body, vendor.omits | omit, {**vendor.renames, **renames}, required=_REQUIRED)
        if "block_binding" in body.get("thinking", ()):
            betas = headers.get("anthropic-beta")
            headers["anthropic-beta"] = f"{betas},{_BINDING_BETA}" if betas else _BINDING_BETA
        root = urlsplit(base_url.strip()).path.rstrip("/")
        return HTTPCall(
            url=call_url(
                vendor,
                base_url,
                request.model,
                default_path="/messages" if root.endswith("/v1") else "/v1/messages",
            ),
            headers=headers,
            body=encoded(merged(body, request.extra_body), provider=vendor.name),
        )

    def decoder(self, *, vendor: Vendor, content_type: str) -> Decoder:
        """A decoder for one response; see `providers.base.Wire.decoder`. The body tells its own type."""
        del content_type
        return AnthropicDecoder(vendor.name)


class _Body:
    """One body in the making."""

    def __init__(self, request: LLMRequest, vendor: Vendor) -> None:
        self.request = request
        self.vendor = vendor
        self.traits: ClaudeTraits = claude_traits(request.model)
        self.max_tokens = request.max_tokens or _ceiling(vendor, request.model) or self.traits.max_tokens
        self.system = encoded_system(request.messages, vendor)
        self.turns = encoded_turns(request.messages, vendor, takes_prefill=self.traits.takes_prefill)
        self.own_tools = [found for tool in request.tools if (found := self._tool(tool)) is not None]
        self.tools = self._tools()
        self.choice = self._tool_choice()

    def built(self) -> _JSON:
        """All fields."""
        request = self.request
        thinking, effort = self._thinking()
        config: _JSON = {"effort": effort} if effort is not None else {}
        config |= self._format()
        settings: _JSON = {
            "stop_sequences": [stop for stop in request.stop if stop.strip()],  # blank ones are refused
            "metadata": {"user_id": request.user} if request.user else None,
            "system": self.system,
            "tools": self.tools,
            "tool_choice": self.choice,
            "output_config": config,
            "thinking": thinking,
        }
        body: _JSON = {
            "model": request.model,
            "max_tokens": self.max_tokens,
            "stream": True,
            "messages": self.turns,
        }
        is_off = thinking is None or thinking["type"] in {"disabled", "between_tools"}
        if is_off and "thinking" not in request.extra_body:  # while it thinks, no model takes sampling parameters
            body |= self._sampling()
        return body | {name: value for name, value in settings.items() if value}

    def _sampling(self) -> _JSON:
        temperature, top_p = self.request.temperature, self.request.top_p
        found: _JSON = {}
        if self.traits.sampling == "none":
            return found
        if temperature is not None:
            found["temperature"] = min(max(temperature, 0.0), 1.0)  # OpenAI's scale ends at 2, Anthropic's at 1
        if top_p is not None and (temperature is None or self.traits.sampling == "both"):
            found["top_p"] = top_p
        return found

    def _tools(self) -> list[_JSON]:
        if self._answers_by_tool:
            return [*self.own_tools, _answer_tool(self.request.response_format)]
        # Calls and results in a conversation need their tools declared, though none may be called any more.
        return self.own_tools or [
            {"name": name, "input_schema": {"type": "object"}} for name in called_tools(self.request.messages)
        ]

    def _tool(self, tool: Tool | BuiltinTool) -> _JSON | None:
        if isinstance(tool, BuiltinTool):
            return dict(tool.spec) if tool.origin in {"anthropic", self.vendor.name} else None
        found: _JSON = {"name": tool.name}
        if tool.description:
            found["description"] = tool.description
        schema = {"type": "object", **tool.parameters}
        is_strict = bool(tool.strict and self.traits.is_structured)
        found["input_schema"] = narrowed(schema, ANTHROPIC) if is_strict else schema
        if is_strict:
            found["strict"] = True
        return found | understood_marks(tool.marks, self.vendor)

    @property
    def _answers_by_tool(self) -> bool:
        """A schema is asked for, and the model has no native structured outputs."""
        return isinstance(self.request.response_format, JSONSchema) and not self.traits.is_structured

    def _tool_choice(self) -> _JSON | None:
        request, choice = self.request, self.request.tool_choice
        found: _JSON
        if not self.tools:
            return None
        is_mute = not self.own_tools or choice == "none"
        if is_mute and not self._answers_by_tool:
            return {"type": "none"}
        if self._answers_by_tool:
            found = {"type": "tool", "name": ANSWER_TOOL} if is_mute else {"type": "any"}
        elif isinstance(choice, NamedTool):
            found = {"type": "tool", "name": choice.name}
        elif choice is None and request.parallel_tool_calls is not False:
            return None
        else:
            found = {"type": "any" if choice == "required" else "auto"}
        if found["type"] != "auto" and not self.traits.takes_forced_tool:
            found = {"type": "auto"}
        if request.parallel_tool_calls is False:
            found["disable_parallel_tool_use"] = True
        return found

    def _format(self) -> _JSON:
        wanted = self.request.response_format
        if isinstance(wanted, JSONObject):
            # There is no "any JSON": a native schema must close every object.
            self.system = [*self.system, {"type": "text", "text": _ONLY_JSON}]
        if not isinstance(wanted, JSONSchema) or self._answers_by_tool:
            return {}
        return {"format": {"type": "json_schema", "schema": narrowed(wanted.schema, ANTHROPIC)}}

    def _thinking(self) -> tuple[_JSON | None, str | None]:
        """The fields `thinking` and `output_config.effort`."""
        traits, effort = self.traits, self.request.reasoning_effort
        is_forced = self.choice is not None and self.choice["type"] in {"any", "tool"}
        level = _effort(effort, traits)
        if "thinking" in self.request.extra_body:
            return None, level
        if is_forced or effort == "none":  # a model that thinks cannot be forced to call a tool
            is_switch = traits.off in {"disabled", "between_tools"}
            if is_switch and level in {"xhigh", "max"}:
                level = "high"  # the highest effort that goes without thinking
            return ({"type": traits.off} if is_switch else None), level
        if traits.thinking == "adaptive":
            return self._adaptive(is_wanted=effort is not None), level
        if traits.thinking == "none" or effort is None or is_mid_call_without_thinking(self.turns):
            return None, None
        # Thinking counts towards max_tokens: at least half of it is left for the answer.
        budget = min(_BUDGETS.get(effort, _BUDGETS["medium"]), self.max_tokens // 2)
        return ({"type": "enabled", "budget_tokens": budget} if budget >= _LOWEST_BUDGET else None), None

    def _adaptive(self, *, is_wanted: bool) -> _JSON | None:
        thinking: _JSON = {"type": "adaptive"}
        if is_wanted and self.traits.hides_thinking:
            thinking["display"] = "summarized"
        if self.traits.binds_thinking and self.vendor.name == "anthropic" and has_thinking(self.turns):
            # A history that other providers have had a part in may not be the one that the thinking was signed for.
            thinking["block_binding"] = {"prefix_mismatch_behavior": "drop_block"}
            return thinking
        return thinking if is_wanted else None


def _ceiling(vendor: Vendor, model: str) -> int | None:
    """The model's own highest `max_tokens`: what leaves the length of the answer to the model."""
    known = describe(vendor.name, model)
    return known.max_output_tokens if known is not None else None


def _effort(effort: str | None, traits: ClaudeTraits) -> str | None:
    """The model's word for an effort; None for its default."""
    if effort is None or not traits.efforts:
        return None
    if effort == "none":
        return traits.efforts[0] if traits.off == "never" else None
    if effort == "minimal":
        return traits.efforts[0]
    if effort == "xhigh" and effort not in traits.efforts:
        return "high"
    return effort


def _answer_tool(wanted: Any) -> _JSON:
    schema = dict(wanted.schema)
    described = wanted.description or schema.get("description")
    return {
        "name": ANSWER_TOOL,
        "description": described if isinstance(described, str) and described else "Gives the answer to the user.",
        "input_schema": {"type": "object", **schema},
    }
