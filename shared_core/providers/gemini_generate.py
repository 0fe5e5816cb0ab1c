"""The Gemini generateContent wire: one request in, one HTTP call out.

Owns the body's fields outside the conversation: generation settings, tools, structured output, thinking. What contents
look like is said in `gemini_content`; answers are read in `gemini_decoding`.

Invariants: every call streams (`streamGenerateContent?alt=sse`); the key is in a header; what the model is known to
refuse is not sent, except when the caller put it into `extra_body`, which is merged in last; nothing of the request is
changed. The protocol has no end-user id and cannot forbid parallel calls.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from shared_core.providers.base import Decoder, HTTPCall, Vendor
from shared_core.providers.bodies import encoded, merged, named
from shared_core.providers.calling import call_headers, call_url
from shared_core.providers.gemini_content import encoded_contents, encoded_system
from shared_core.providers.gemini_decoding import GeminiDecoder
from shared_core.providers.schema_dialects import GEMINI, narrowed
from shared_core.request import BuiltinTool, JSONSchema, LLMRequest, NamedTool, ResponseFormat, Tool

__all__ = ["GeminiGenerateWire", "thinking_config"]

_JSON: TypeAlias = dict[str, Any]
_NO_RENAMES: Mapping[str, str] = MappingProxyType({})

_VERSIONED = re.compile(r"/v\d+(?:(?:alpha|beta)\d*)?(?:/|$)")
_GENERATION = re.compile(r"gemini-(\d+)(?:[.-](\d{1,2}))?(?!\d)")

_PATHS: Mapping[str, str] = MappingProxyType(
    {
        "maxTokens": "maxOutputTokens",
        "stop": "stopSequences",
        "reasoningEffort": "thinkingConfig",
        "thinkingLevel": "thinkingConfig.thinkingLevel",
        "thinkingBudget": "thinkingConfig.thinkingBudget",
        "includeThoughts": "thinkingConfig.includeThoughts",
    }
)
"""Where a field is that is nested, or that a request knows by another name."""

_BUDGETS: Mapping[str, int] = MappingProxyType(
    {"minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576, "xhigh": 24_576, "max": 24_576}
)
"""Thinking tokens for an effort, as Google's OpenAI-compatible endpoint counts them for Gemini 2.5."""

_LEVELS: Mapping[str, str] = MappingProxyType({"none": "minimal", "minimal": "minimal", "xhigh": "high", "max": "high"})


class GeminiGenerateWire:
    """The protocol of `POST /v1beta/models/{model}:streamGenerateContent`.

    `omit` may name fields in the protocol's spelling or in snake case, of the body or of its `generationConfig`.
    """

    name = "gemini"

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
        omit = frozenset(_path(name) for name in vendor.omits | omit)
        renames = {_path(old): _path(new) for old, new in {**vendor.renames, **renames}.items()}
        body = _body(request, vendor)
        config = named(body.pop("generationConfig"), omit, renames, required=())
        body = named(body, omit, renames, required=("contents",))
        if config and "generationConfig" not in omit:
            body["generationConfig"] = config
        return HTTPCall(
            url=_url(vendor, base_url, request.model),
            headers=call_headers(vendor, key, request.extra_headers),
            body=encoded(merged(body, request.extra_body), provider=vendor.name),
        )

    def decoder(self, *, vendor: Vendor, content_type: str) -> Decoder:
        """A decoder for one response; see `providers.base.Wire.decoder`. The body tells its own type."""
        del content_type
        return GeminiDecoder(vendor.name)


def _url(vendor: Vendor, base_url: str, model: str) -> str:
    collection, _, name = model.rpartition("/")
    if collection not in {"models", "tunedModels"}:
        collection, name = "models", model
    base_url = base_url.strip()
    version = "" if _VERSIONED.search(urlsplit(base_url).path) else "/v1beta"
    separator = "&" if "?" in base_url else "?"
    return call_url(
        vendor,
        f"{base_url}{separator}alt=sse",
        name,
        default_path=f"{version}/{collection}/{{model}}:streamGenerateContent",
    )


def _path(name: str) -> str:
    """A field's path as the body has it; refusals quote protobuf's spelling (`generation_config.thinking_level`)."""
    spelled = re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name).removeprefix("generationConfig.")
    return _PATHS.get(spelled, spelled)


def _body(request: LLMRequest, vendor: Vendor) -> _JSON:
    generation = _generation(request.model)
    system = encoded_system(request.messages)
    declarations, tools = _tools(request, vendor)
    config = _sampling(request, generation)
    format_ = request.response_format
    if format_ is not None and declarations and generation < (3, 0):
        # Up to Gemini 2.5 the API refuses a JSON media type together with function calling.
        system.append({"text": _in_words(format_, vendor)})
    elif format_ is not None:
        config["responseMimeType"] = "application/json"
        if isinstance(format_, JSONSchema):
            config["responseJsonSchema"] = narrowed(format_.schema, GEMINI)
    thinking = thinking_config(request.reasoning_effort, request.model)
    if thinking:
        config["thinkingConfig"] = thinking
    body: _JSON = {
        "contents": encoded_contents(request.messages, vendor, is_signed=generation >= (3, 0)),
        "generationConfig": config,
    }
    if system:
        body["systemInstruction"] = {"parts": system}
    if tools:
        body["tools"] = tools
    calling = _calling(request) if declarations else None
    if calling:
        body["toolConfig"] = {"functionCallingConfig": calling}
    return body


def _generation(model: str) -> tuple[int, int]:
    """The version in a model's name; without one `gemini-flash-latest` is the newest, and `gemma-…` has no thoughts."""
    found = _GENERATION.search(model.lower())
    if found is not None:
        return int(found[1]), int(found[2] or 0)
    return (99, 0) if "gemini" in model.lower() else (2, 0)


def _sampling(request: LLMRequest, generation: tuple[int, int]) -> _JSON:
    settings = {
        "maxOutputTokens": request.max_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
        "stopSequences": list(request.stop) or None,
        "seed": request.seed,
    }
    if generation < (2, 5):  # "Penalty is not enabled for this model", say all others
        settings |= {"presencePenalty": request.presence_penalty, "frequencyPenalty": request.frequency_penalty}
    return {name: value for name, value in settings.items() if value is not None}


def _tools(request: LLMRequest, vendor: Vendor) -> tuple[list[_JSON], list[_JSON]]:
    """The function declarations, and all tools with them."""
    declarations = [_declaration(tool) for tool in request.tools if isinstance(tool, Tool)]
    tools: list[_JSON] = [{"functionDeclarations": declarations}] if declarations else []
    tools += [
        dict(tool.spec)
        for tool in request.tools
        if isinstance(tool, BuiltinTool) and tool.origin in {"gemini", vendor.name}
    ]
    return declarations, tools


def _declaration(tool: Tool) -> _JSON:
    found: _JSON = {"name": tool.name}
    if tool.description:
        found["description"] = tool.description
    if tool.parameters.get("properties") or "$ref" in tool.parameters:
        found["parametersJsonSchema"] = narrowed({"type": "object", **tool.parameters}, GEMINI)
    return found


def _calling(request: LLMRequest) -> _JSON | None:
    choice = request.tool_choice
    if isinstance(choice, NamedTool):
        return {"mode": "ANY", "allowedFunctionNames": [choice.name]}
    return None if choice is None else {"mode": {"auto": "AUTO", "none": "NONE", "required": "ANY"}[choice]}


def _in_words(format_: ResponseFormat, vendor: Vendor) -> str:
    words = "Answer with one JSON object and nothing else: no prose before or after it, no code fence."
    if isinstance(format_, JSONSchema):
        words += f" It follows this JSON Schema:\n{encoded(format_.schema, provider=vendor.name).decode()}"
    return words


def thinking_config(effort: str | None, model: str) -> _JSON | None:
    """`thinkingConfig`: a level from Gemini 3 on, a budget of tokens at 2.5, nothing before."""
    generation = _generation(model)
    if effort is None or generation < (2, 5):
        return None
    is_flash = "flash" in model
    config: _JSON = {} if effort == "none" else {"includeThoughts": True}
    if generation < (3, 0):
        least = 0 if is_flash else 128  # 2.5 Pro cannot be kept from thinking
        return config | {"thinkingBudget": least if effort == "none" else _BUDGETS.get(effort, _BUDGETS["medium"])}
    level = _LEVELS.get(effort, effort)
    if not is_flash and level == "minimal":
        level = "low"  # Pro models know no less
    if not is_flash and level == "medium" and generation == (3, 0):
        level = "high"  # the one model with two levels
    return config | {"thinkingLevel": level}
