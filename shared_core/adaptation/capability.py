"""The capability gate: what a request needs, and which target is known not to have it.

Owns `needs`, found once a call whatever the target, and `unfit`, asked once a link. Refuses to guess: what is not known
of a target is no reason to skip it, for a wrong "no" wastes a good target, and a wrong "yes" one refusal.

Invariants: nothing is changed; no I/O; a window is too small only if even the fewest tokens that the text can make do
not fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import cached_property
from typing import Any

from shared_core.messages import Audio, Document, Image, Text, ToolCall, ToolResult
from shared_core.providers.base import Vendor
from shared_core.providers.models import ModelInfo
from shared_core.records import record
from shared_core.request import BuiltinTool, JSONObject, JSONSchema, LLMRequest, NamedTool, Tool, ToolChoice

__all__ = ["Needs", "has_builtin", "name_of_builtin", "needs", "unfit"]

_IDEOGRAPHS = r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
"""Scripts without spaces in which a token holds at most about three characters, averaged over a text. Most programs
never meet one, so `re` compiles it for those that do, once."""


@record(frozen=True)
class Needs:
    """What a target must be able to do for a request.

    Attributes:
        images: The conversation shows images.
        audio: It holds audio.
        documents: It holds PDF files, or what may be one.
        functions: Names of the functions that may be called.
        builtin_tools: Tools that a provider runs itself.
        forced: The tool choice, if it forces a call.
        json_schema: The answer must follow a schema.
        json_object: The answer must be JSON.
        texts: The text of the conversation, piece by piece.
        characters: Their length together.
        betas: The `anthropic-beta` header of the call.
    """

    images: bool = False
    audio: bool = False
    documents: bool = False
    functions: tuple[str, ...] = ()
    builtin_tools: tuple[BuiltinTool, ...] = ()
    forced: ToolChoice | None = None
    json_schema: bool = False
    json_object: bool = False
    texts: tuple[str, ...] = field(default=(), repr=False)
    characters: int = 0
    betas: str = ""

    @cached_property
    def least_tokens(self) -> int:
        """A number of tokens that no tokenizer gets below: one a word, as none makes a token of two words.

        Media and schemas are not counted. English prose has about half as many tokens again, code twice as many.
        """
        return sum(map(_least_tokens, self.texts))


def _least_tokens(text: str) -> int:
    if text.isascii():
        return len(text.split())
    rest, runs = re.subn(_IDEOGRAPHS, " ", text)
    return len(rest.split()) + (len(text) - len(rest) + runs) // 3


def needs(request: LLMRequest) -> Needs:
    """What `request` needs of whoever answers it, whatever the target.

    >>> needs(LLMRequest(response_format=JSONObject())).json_object
    True
    """
    texts: list[str] = []
    kinds: set[type] = set()
    for message in request.messages:
        _look(message.content, texts, kinds)
    forced = request.tool_choice
    wanted = request.response_format
    return Needs(
        images=Image in kinds,
        audio=Audio in kinds,
        documents=Document in kinds,
        functions=tuple(tool.name for tool in request.tools if isinstance(tool, Tool)) if request.tools else (),
        builtin_tools=tuple(tool for tool in request.tools if isinstance(tool, BuiltinTool)) if request.tools else (),
        forced=forced if forced == "required" or isinstance(forced, NamedTool) else None,
        json_schema=isinstance(wanted, JSONSchema),
        json_object=isinstance(wanted, JSONObject),
        texts=tuple(texts),
        characters=sum(map(len, texts)),
        betas=_betas(request.extra_headers),
    )


def _look(content: Iterable[Any], texts: list[str], kinds: set[type]) -> None:
    """Adds the texts of `content`, and what else is in it."""
    for block in content:
        match block:
            case Text():
                texts.append(block.text)
            case ToolCall():
                texts.append(block.arguments)
            case ToolResult():
                _look(block.content, texts, kinds)
            case Document(text=str(text)):
                texts.append(text)
            case Document(mime_type=kind) if kind is None or "pdf" in kind:
                kinds.add(Document)
            case Image() | Audio():
                kinds.add(type(block))
            case _:  # other files are read by some providers as text; thoughts and opaque blocks go home only
                pass


def _betas(headers: Mapping[str, str]) -> str:
    return next((value for name, value in headers.items() if name.lower() == "anthropic-beta"), "") if headers else ""


def unfit(needs: Needs, vendor: Vendor | None, info: ModelInfo | None, window: int | None) -> str | None:
    """Why a target cannot do what is needed; None if it can, or if that is not known.

    A schema is never a reason: where there is none, it is told in words.

    Args:
        needs: What the request needs.
        vendor: The target's vendor; None for a framework's own model object.
        info: What is known of its model.
        window: Its context window in tokens, if known.

    >>> unfit(Needs(images=True), None, ModelInfo(image_inputs=False), None)
    'does not read images'
    """
    if info is not None:
        if needs.images and info.image_inputs is False:
            return "does not read images"
        if needs.audio and info.audio_inputs is False:
            return "does not hear audio"
        if needs.documents and info.pdf_inputs is False:
            return "does not read PDF files"
        if needs.functions and info.tool_calling is False:
            return "does not call tools"
    if vendor is not None:
        if needs.audio and vendor.wire == "anthropic":
            return "does not hear audio"  # the protocol has no form for it
        if needs.builtin_tools and needs.forced is not None and (name := _forced_foreign(needs, vendor)):
            return f"does not have the built-in tool {name}, which must be called"
    if window is not None and needs.characters > window and needs.least_tokens > window:
        # Claude Sonnet 4 and 4.5 have five times their usual window with this beta header.
        if vendor is not None and "context-1m" in f"{needs.betas},{_betas(vendor.headers)}":
            return None
        return f"window of {window} tokens is too small for at least {needs.least_tokens}"
    return None


def _forced_foreign(needs: Needs, vendor: Vendor) -> str | None:
    """Name of the built-in tool that must be called and that `vendor` does not have."""
    foreign = [tool for tool in needs.builtin_tools if not has_builtin(vendor, tool)]
    own = {*needs.functions, *(name_of_builtin(tool) for tool in needs.builtin_tools if has_builtin(vendor, tool))}
    if isinstance(needs.forced, NamedTool):
        name = needs.forced.name
        return name if name not in own and name in map(name_of_builtin, foreign) else None
    return name_of_builtin(foreign[0]) if foreign and not own else None


def has_builtin(vendor: Vendor, tool: BuiltinTool) -> bool:
    """Whether `vendor` runs `tool` itself: it is of its wire, or its own."""
    return tool.origin in {vendor.wire, vendor.name}


def name_of_builtin(tool: BuiltinTool) -> str:
    """What a built-in tool is called: by its name, its type, or its only key (Gemini)."""
    return str(tool.spec.get("name") or tool.spec.get("type") or next(iter(tool.spec), "without a name"))
