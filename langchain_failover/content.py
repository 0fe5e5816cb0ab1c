"""Content blocks of LangChain messages, in every form that users and other chat models write them, as core blocks.

Read are LangChain's standard blocks (v1), the older ones (`source_type`), and what OpenAI, Anthropic, Google and
Bedrock integrations leave in a message's content. Nothing is changed in place, and nothing that a person wrote is
dropped in silence: a block that cannot be read is an error. What only its maker understands goes through as `Opaque`.

Tool calls are not made here but by `messages`, which knows the message's own list of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from langchain_failover.google import to_part
from shared_core.errors import ConfigurationError
from shared_core.messages import Audio, Block, Document, Image, Opaque, Reasoning, Text

__all__ = ["REASONING_TYPES", "TOOL_CALL_TYPES", "marks_of", "to_block"]

_Raw: TypeAlias = Mapping[str, Any]

_MARKS = ("cache_control", "prompt_cache_breakpoint")
_DOCUMENT_MARKS = (*_MARKS, "citations", "context")
_DATA_URI = re.compile(r"data:(?P<mime>[^;,]+)(?:;[^;,]+)*;base64,(?P<data>.*)", re.DOTALL)

TOOL_CALL_TYPES = frozenset(
    {
        "tool_call",
        "tool_use",
        "function_call",
        "tool_call_chunk",
        "invalid_tool_call",
        "input_json_delta",
    }
)
"""Blocks that are a tool call, whole or in pieces."""

_MAKERS = {"thinking": "anthropic", "redacted_thinking": "anthropic", "search_result": "anthropic"}
"""Who makes a block of this type, where the message does not say who made it."""


def to_block(raw: str | _Raw, *, origin: str | None, is_model_made: bool) -> Block | None:
    """One block of a message's content.

    Args:
        raw: The block.
        origin: Provider that made it, if known.
        is_model_made: It comes from a model: what is not understood goes back to `origin` as it is.

    Returns:
        The core's block; None for a model-made one that nobody could use again.

    Raises:
        ConfigurationError: A block that a person wrote cannot be read.
    """
    if isinstance(raw, str):
        return Text(raw)
    kind = raw.get("type")
    if kind == "non_standard" and isinstance(raw.get("value"), Mapping):
        return to_block(raw["value"], origin=origin, is_model_made=is_model_made)
    origin = origin or _MAKERS.get(str(kind))
    if kind in _REASONING:
        return _REASONING[kind](raw, origin)
    if kind is None and isinstance(raw.get("text"), str):
        return Text(raw["text"])
    if kind == "text":
        extras = _extras(raw)
        signature = raw.get("signature") or extras.get("signature")
        return Text(raw.get("text") or "", signature=signature, origin=origin, marks=marks_of(raw))
    if kind == "refusal":
        return Text(raw.get("refusal") or "", origin=origin)
    block = _MEDIA[kind](raw) if kind in _MEDIA else None
    if block is not None:
        return block
    if origin == "gemini":
        part = raw if kind is None else to_part(raw)
        return None if part is None else Opaque(part, origin)
    if origin is not None:
        return Opaque(raw, origin)
    if is_model_made:
        return None
    raise ConfigurationError(f"a content block of type {kind!r} with fields {sorted(map(str, raw))} cannot be read")


def marks_of(raw: _Raw, names: tuple[str, ...] = _MARKS) -> Mapping[str, Any] | None:
    """Provider-specific markers on a block, or None."""
    extras = _extras(raw)
    found = {name: source[name] for source in (extras, raw) for name in names if source.get(name) is not None}
    return found or None


def _extras(raw: _Raw) -> _Raw:
    extras = raw.get("extras")
    return extras if isinstance(extras, Mapping) else {}


def _reasoning(raw: _Raw, origin: str | None) -> Reasoning:
    extras = _extras(raw)
    summary = raw.get("summary")
    text = raw.get("reasoning")
    if text is None and isinstance(summary, list):  # OpenAI Responses
        text = "\n\n".join(part.get("text", "") for part in summary if isinstance(part, Mapping))
    data = raw.get("encrypted_content") or extras.get("encrypted_content") or extras.get("data")
    return Reasoning(
        text=text or "",
        signature=extras.get("signature") or raw.get("signature"),
        data=data,
        id=raw.get("id"),
        origin=extras.get("origin") or origin,
    )


def _thinking(raw: _Raw, origin: str | None) -> Reasoning:
    text = raw.get("thinking")
    return Reasoning(text=text if isinstance(text, str) else "", signature=raw.get("signature"), origin=origin)


def _redacted(raw: _Raw, origin: str | None) -> Reasoning:
    return Reasoning(data=raw.get("data"), origin=origin)


def _bedrock_reasoning(raw: _Raw, origin: str | None) -> Reasoning:
    inner = raw.get("reasoning_content")
    inner = inner if isinstance(inner, Mapping) else {}
    return Reasoning(text=inner.get("text") or "", signature=inner.get("signature"), origin=origin)


def _source(raw: _Raw) -> dict[str, Any]:
    """Where the data of a block is, in the terms of the core: `url`, `data`, `file_id`, `text`, `mime_type`."""
    found: dict[str, Any] = {"mime_type": raw.get("mime_type") or raw.get("media_type")}
    source = raw.get("source")
    if isinstance(source, Mapping):  # Anthropic
        found["mime_type"] = source.get("media_type") or found["mime_type"]
        key = {"base64": "data", "url": "url", "file": "file_id", "text": "text"}.get(str(source.get("type")))
        if key is not None:
            found[key] = source.get("data") if key == "text" else source.get(key)
        return found
    how = raw.get("source_type")  # LangChain v0
    found["url"] = raw.get("url") or raw.get("file_uri")
    found["data"] = raw.get("base64") or raw.get("data")
    found["file_id"] = raw.get("file_id") or (raw.get("id") if how == "id" else None)
    found["text"] = raw.get("text")
    return _split_data_uri(found)


def _split_data_uri(found: dict[str, Any]) -> dict[str, Any]:
    """Moves the data of a `data:` URL where data belongs."""
    for key in ("url", "data"):
        if isinstance(found.get(key), str) and (match := _DATA_URI.fullmatch(found[key])):
            found.update(url=None, data=match["data"], mime_type=match["mime"])
    return found


def _image(raw: _Raw) -> Image | None:
    source = _source(raw)
    detail = raw.get("detail") or _extras(raw).get("detail")
    return _image_of(source, detail=detail, marks=marks_of(raw))


def _image_of(source: _Raw, *, detail: Any, marks: Mapping[str, Any] | None) -> Image | None:
    if source.get("data"):
        mime = source.get("mime_type") or "image/png"
        return Image(data=source["data"], mime_type=mime, detail=detail, marks=marks)
    if source.get("url"):
        return Image(url=source["url"], mime_type=source.get("mime_type"), detail=detail, marks=marks)
    return None


def _image_url(raw: _Raw) -> Image | None:
    given = raw.get("image_url")
    inner = {"url": given} if isinstance(given, str) else given
    if not isinstance(inner, Mapping):
        return None
    source = _split_data_uri({"url": inner.get("url"), "mime_type": None})
    return _image_of(source, detail=inner.get("detail") or raw.get("detail"), marks=marks_of(raw))


def _audio(raw: _Raw) -> Audio | None:
    source = _source(raw)
    inner = raw.get("input_audio")
    if isinstance(inner, Mapping):
        source = {"data": inner.get("data"), "mime_type": f"audio/{inner.get('format', 'wav')}"}
    if not source.get("data") and not source.get("url"):
        return None
    return Audio(
        data=source.get("data"),
        url=None if source.get("data") else source.get("url"),
        mime_type=source.get("mime_type"),
        marks=marks_of(raw),
    )


def _document(raw: _Raw) -> Document | None:
    nested = raw.get("file")
    inner = nested if isinstance(nested, Mapping) else raw
    source = _source(inner)
    if inner.get("file_data"):
        source = _split_data_uri({**source, "data": inner["file_data"]})
    if inner.get("file_url"):
        source["url"] = inner["file_url"]
    if not any(source.get(key) for key in ("data", "url", "file_id", "text")):
        return None
    extras = _extras(raw)
    name = inner.get("filename") or extras.get("filename") or inner.get("title") or inner.get("name")
    has_data = bool(source.get("data"))
    return Document(
        data=source.get("data"),
        url=None if has_data else source.get("url"),
        file_id=source.get("file_id"),
        text=None if has_data else source.get("text"),
        mime_type=source.get("mime_type") or ("text/plain" if source.get("text") and not has_data else None),
        name=name,
        marks=marks_of(raw, _DOCUMENT_MARKS),
    )


def _by_mime_type(raw: _Raw) -> Image | Audio | Document | None:
    mime = str(raw.get("mime_type") or "")
    if mime.startswith("image/"):
        return _image(raw)
    return _audio(raw) if mime.startswith("audio/") else _document(raw)


_REASONING: dict[Any, Callable[[_Raw, str | None], Reasoning]] = {
    "reasoning": _reasoning,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "reasoning_content": _bedrock_reasoning,
}

REASONING_TYPES = frozenset(_REASONING)
"""Blocks that hold reasoning."""

_MEDIA: dict[Any, Callable[[_Raw], Block | None]] = {
    "image": _image,
    "image_url": _image_url,
    "input_image": _image_url,
    "audio": _audio,
    "input_audio": _audio,
    "file": _document,
    "input_file": _document,
    "document": _document,
    "text-plain": _document,
    "video": _document,
    "media": _by_mime_type,
}
