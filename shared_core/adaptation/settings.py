"""A request as one target gets it, with a note for everything that this target gets otherwise than asked.

Owns settings, built-in tools and schemas. Refuses to touch the conversation beyond a schema told in words (`history`
does the rest), to learn (`learnt` does), to skip a target (`capability` does), and to do any I/O.

Invariants: nothing that was given is changed, and a request that needs no change comes back itself; what is not known
of a target changes nothing; a note tells what is sent, also where the wire alone makes the difference (how it spells
an effort); to adapt an adapted request again gives the same one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING

from shared_core.adaptation.capability import has_builtin, name_of_builtin
from shared_core.adaptation.draft import Draft
from shared_core.lazy import deferred
from shared_core.messages import Message, Text
from shared_core.providers.base import Vendor
from shared_core.providers.bodies import encoded
from shared_core.providers.models import ModelInfo
from shared_core.request import BuiltinTool, JSONObject, JSONSchema, LLMRequest

if TYPE_CHECKING:
    from shared_core.adaptation import claude
else:
    claude = deferred("shared_core.adaptation.claude")

__all__ = ["SETTINGS", "adapt"]

_EARLY_GEMINI = re.compile(r"(?!.*gemini)|.*gemini-(?:1|2(?![.-](?:[5-9]|\d\d)))(?!\d)", re.IGNORECASE)
"""Models of the Gemini wire from before 2.5, Gemma among them: they take penalties, and no thinking settings."""

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_LOWEST_OUTPUT = 16  # of OpenAI's Responses; the wire never sends less

_ALL = ("temperature", "top_p", "stop", "seed", "presence_penalty", "frequency_penalty", "user", "parallel_tool_calls")
_values = attrgetter(*_ALL)
_NONE_SET = _values(LLMRequest())
_PENALTIES = frozenset({"presence_penalty", "frequency_penalty"})

SETTINGS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "openai": {name: name for name in (*_ALL, "reasoning_effort", "max_tokens")},
        "responses": {
            **{name: name for name in ("temperature", "top_p", "user", "parallel_tool_calls")},
            "reasoning_effort": "reasoning.effort",
            "max_tokens": "max_output_tokens",
        },
        "anthropic": {
            **{name: name for name in ("temperature", "top_p")},
            "stop": "stop_sequences",
            "user": "metadata.user_id",
            "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
        },
        "gemini": {
            "temperature": "temperature",
            "top_p": "topP",
            "stop": "stopSequences",
            "seed": "seed",
            "presence_penalty": "presencePenalty",
            "frequency_penalty": "frequencyPenalty",
            "reasoning_effort": "thinkingConfig",
            "max_tokens": "maxOutputTokens",
        },
    }
)
"""What each wire has a field for: settings of a request, and where they stand in the body. All else is left out."""

_ABSENT = {wire: frozenset(_ALL).difference(fields) for wire, fields in SETTINGS.items()}


def adapt(
    request: LLMRequest, vendor: Vendor | None, info: ModelInfo | None, *, omit: frozenset[str] = frozenset()
) -> tuple[LLMRequest, tuple[str, ...]]:
    """The request as this target gets it, and notes for the trail.

    Args:
        request: What is asked; `request.model` is the model id as the provider knows it.
        vendor: The target's vendor; None for a framework's own model object, which writes its requests itself.
        info: What is known of its model.
        omit: Body fields that this model refused before.

    Raises:
        ProviderError: A schema that must be told in words has no form in JSON (`bad_request`).

    >>> adapt(LLMRequest(model="gpt-4o", max_tokens=30_000), None, ModelInfo(max_output_tokens=16_384))[1]
    ('max_tokens 30000 lowered to 16384',)
    """
    draft = Draft(request)
    if request.max_tokens is not None:
        _suit_length(draft, request.max_tokens, vendor, info, omit)
    if vendor is None:
        return draft.finished()
    if request.tools:
        _leave_out_foreign_tools(draft, vendor)
    if _values(request) != _NONE_SET:
        _leave_out_settings(draft, vendor, info, omit)
    if vendor.wire == "anthropic":
        claude.suit_claude(draft, vendor)
    elif request.reasoning_effort is not None:
        _suit_effort(draft, request.reasoning_effort, vendor, info, omit)
    if isinstance(request.response_format, JSONSchema):
        _suit_schema(draft, request.response_format, vendor, info, omit)
    return draft.finished()


def _suit_length(draft: Draft, limit: int, vendor: Vendor | None, info: ModelInfo | None, omit: frozenset[str]) -> None:
    ceiling = info.max_output_tokens if info is not None else None
    if vendor is not None and _is_omitted("max_tokens", vendor, omit):
        draft.leave_out("max_tokens")
    elif ceiling is not None and limit > ceiling:
        draft.put("max_tokens", ceiling, f"max_tokens {limit} lowered to {ceiling}")
    elif limit < _LOWEST_OUTPUT and vendor is not None and vendor.wire == "responses":
        draft.put("max_tokens", _LOWEST_OUTPUT, f"max_tokens {limit} raised to {_LOWEST_OUTPUT}")


def _leave_out_foreign_tools(draft: Draft, vendor: Vendor) -> None:
    tools = draft.request.tools
    foreign = [tool for tool in tools if isinstance(tool, BuiltinTool) and not has_builtin(vendor, tool)]
    if not foreign:
        return
    draft.changes["tools"] = kept = tuple(tool for tool in tools if tool not in foreign)
    draft.notes += (f"left out built-in tool {name_of_builtin(tool)} of {tool.origin}" for tool in foreign)
    if not kept and draft.request.tool_choice is not None:
        draft.leave_out("tool_choice")


def _leave_out_settings(draft: Draft, vendor: Vendor, info: ModelInfo | None, omit: frozenset[str]) -> None:
    refused = _ABSENT[vendor.wire]
    if info is not None and info.refuses:
        refused |= info.refuses
    if vendor.wire == "gemini" and not _EARLY_GEMINI.match(draft.request.model):
        refused |= _PENALTIES
    if omit or vendor.omits:
        refused |= {name for name in _ALL if _is_omitted(name, vendor, omit)}
    if not refused:
        return
    for name in _ALL:
        if name in refused:
            value = getattr(draft.request, name)
            # Parallel calls are what every protocol allows by itself.
            if not (value is None or value is True or value == ()):
                draft.leave_out(name)


def _is_omitted(name: str, vendor: Vendor, omit: frozenset[str]) -> bool:
    """Whether the wire leaves out the field of a setting, under whichever of its names."""
    if not omit and not vendor.omits:
        return False
    path = SETTINGS[vendor.wire].get(name)
    if path is None:
        return False
    if path == "max_tokens":
        path = vendor.max_tokens_field
    omit |= vendor.omits
    known = {path, path.partition(".")[0], vendor.renames.get(path, path)}
    if vendor.wire != "gemini":
        return not known.isdisjoint(omit)
    # Gemini's refusals spell a field in protobuf's way, with its place: "generation_config.presence_penalty".
    spelled = {re.sub(r"^generation_?config\.|_", "", field.lower()) for field in omit}
    return not spelled.isdisjoint(field.replace("_", "").lower() for field in (*known, name))


def _suit_effort(draft: Draft, effort: str, vendor: Vendor, info: ModelInfo | None, omit: frozenset[str]) -> None:
    """Efforts of every wire but Anthropic's; Gemini's spells them on its own."""
    if vendor.wire == "gemini":
        if _EARLY_GEMINI.match(draft.request.model) or _is_omitted("reasoning_effort", vendor, omit):
            draft.leave_out("reasoning_effort")
        elif info is not None and (sent := _nearest(effort, info.efforts or ())) != effort:
            draft.notes.append(f"reasoning_effort {effort} sent as {sent}")
        return
    has_none = info is not None and (info.reasoning is False or "reasoning_effort" in info.refuses)
    if has_none or _is_omitted("reasoning_effort", vendor, omit):
        draft.leave_out("reasoning_effort")
    elif info is not None and (sent := _nearest(effort, info.efforts or ())) != effort:
        draft.put("reasoning_effort", sent, f"reasoning_effort {effort} sent as {sent}")


def _nearest(effort: str, known: tuple[str, ...]) -> str:
    """The effort to send for `effort`: the highest that asks for no more, else the lowest that there is.

    Only "none" turns reasoning off: no other effort becomes it. A word from outside the scale is the provider's own.
    """
    if effort in known or effort not in _EFFORTS:
        return effort
    wanted = _EFFORTS.index(effort)
    scale = [word for word in _EFFORTS if word in known and word != "none"]
    below = [word for word in scale if _EFFORTS.index(word) < wanted]
    return below[-1] if below else scale[0] if scale else effort


def _suit_schema(
    draft: Draft, wanted: JSONSchema, vendor: Vendor, info: ModelInfo | None, omit: frozenset[str]
) -> None:
    """Where a model has no schemas, it is told in words, as the wire does where a vendor has none."""
    if vendor.wire not in {"openai", "responses"}:
        return
    note = "told the JSON schema in words"
    if vendor.wire == "openai" and not vendor.takes_json_schema:
        draft.notes.append(note)
        return
    is_refused = not {"response_format", "text", "text.format"}.isdisjoint(omit | vendor.omits)
    if not is_refused and (info is None or info.structured_output is not False):
        return
    words = Text(
        "Answer with one JSON object that follows this JSON Schema, and nothing else:\n"
        + encoded(wanted.schema, provider=vendor.name).decode()
    )
    messages = draft.request.messages
    if messages and messages[0].role == "system":
        messages = (replace(messages[0], content=(*messages[0].content, words)), *messages[1:])
    else:
        messages = (Message("system", (words,)), *messages)
    draft.changes["messages"] = messages
    draft.put("response_format", None if is_refused else JSONObject(), note)
