"""Digs what an error says out of any body.

Owns the reading of error bodies: JSON in all nestings (arrays, JSON inside strings, JSON inside JSON inside SDK texts,
Python's `repr` of a dict, server-sent event frames, broken or cut JSON) and HTML pages become one flat `Evidence`.
It judges nothing: no kind of error is known here.

Invariants: never raises; looks at 64 KB of a body and at a bounded number of nodes, whatever it is given.
"""

from __future__ import annotations

import contextlib
import html
import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeGuard

from shared_core.classify.patterns import compiled
from shared_core.records import record

__all__ = ["Evidence", "dig", "is_status", "lower_headers", "plain", "safe_text"]

BODY_LIMIT: Final = 64 * 1024
"""Characters of a body that are read. The longest real error bodies (HTML pages) have about 20 KB."""
TEXT_LIMIT: Final = 8 * 1024
"""Characters of text that rules are searched in: it bounds the time of one classification."""
_DEPTH_LIMIT: Final = 14
_NODE_LIMIT: Final = 2_000
_DOCUMENTS_PER_STRING: Final = 4

# In order of rank: of two codes at one depth, the one under the earlier key says more.
_CODE_KEYS: Final = (
    "code",
    "reason",
    "errorcode",
    "errcode",
    "subcode",
    "type",
    "errortype",
    "exceptiontype",
    "status",
    "error",
    "name",
    "blockreason",
    "finishreason",
    "statuscode",
    "httpstatuscode",
    "httpstatus",
    "rawstatuscode",
    "xamznerrortype",
)
_STATUS_KEYS: Final = frozenset(
    {"code", "status", "statuscode", "httpstatuscode", "httpstatus", "rawstatuscode", "errorcode"}
)
_MESSAGE_KEYS: Final = frozenset(
    {"message", "msg", "errormsg", "errormessage", "detail", "errordescription", "statusmsg", "error", "raw", "title"}
)
# What the provider echoes of the request, and what only repeats transport details.
_ECHO_KEYS: Final = frozenset(
    {"input", "messages", "prompt", "tools", "request", "headers", "httpheaders", "ctx", "stack", "traceback", "body"}
    | {"instructions", "tooloutput", "output", "content"}
)
_WAIT_KEYS: Final = frozenset(
    {"retrydelay", "retryafter", "retryafterms", "retryafterseconds", "resetsinseconds", "resetsat", "resetat"}
    | {"resetafter", "resetsin", "resetin", "nextresettime", "estimatedtime"}
)


@record(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a body says, flat.

    Attributes:
        message: The most specific sentence meant for people.
        prose: All readable text: one line, straight quotes, URLs reduced to their hosts, at most 8 KB.
        text: `prose` in lower case: what rules are searched in.
        codes: Machine-readable codes, types and reasons, the most deeply nested first.
        status: HTTP status that the body itself names, or None.
        parameter: Request parameter that a field of its own blames, or None.
        waits: Fields that tell when to come back, by normalised key.
        headers: Upstream headers that a gateway put into the body, by lower-case name.
        keys: Every normalised key met; some providers are recognised by them.
        is_html: The body is a web page, so it comes from something in front of the provider.
    """

    message: str
    prose: str
    text: str
    codes: tuple[str, ...]
    status: int | None
    parameter: str | None
    waits: Mapping[str, Any]
    headers: Mapping[str, str]
    keys: frozenset[str]
    is_html: bool

    def with_codes(self, codes: tuple[str, ...]) -> Evidence:
        """Return the same evidence with further, weaker codes behind its own."""
        return replace(self, codes=self.codes + codes)


def is_status(value: object) -> TypeGuard[int]:
    """Whether `value` is an HTTP status of an error."""
    return isinstance(value, int) and 400 <= value <= 599


def plain(key: str) -> str:
    """Return a key or code in the form in which it is compared: lower case, letters and digits alone."""
    return "".join(char for char in key[:120].lower() if char.isalnum())


def safe_text(value: object) -> str:
    """Return `value` as text, at most 64 KB of it, or an empty string if it cannot be had."""
    if isinstance(value, str):
        # Lone surrogates would break logs and JSON later on.
        return value[:BODY_LIMIT].encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value[:BODY_LIMIT]).decode("utf-8", "replace")
    with contextlib.suppress(Exception):
        return safe_text(str(value))
    return ""


def lower_headers(headers: object) -> dict[str, str]:
    """Return headers by lower-case name, whatever kind of mapping they come in; what is no header is left out."""
    with contextlib.suppress(Exception):
        items: Any = headers.items() if isinstance(headers, Mapping) else headers
        pairs = list(itertools.islice(items, 200))
        return {safe_text(name).strip().lower(): safe_text(value).strip()[:500] for name, value in pairs}
    return {}


def dig(body: object) -> Evidence:
    """Return what `body` says.

    Args:
        body: A decoded JSON value, text, bytes, None, or anything else.
    """
    digger = _Digger()
    if body is not None:
        digger.read(body, depth=0)
    return digger.evidence()


# "code": "x" | 'type': 'x' | \"status\": 429 | reason=x, wherever decoding was not possible.
_FIELD: Final = r"""
    ["'\\]{0,4}\b(code|type|status|reason|error_code|errorCode|status_code|statusCode|error_type|__type|Code|param|
    retryDelay|retry_after|retryAfter|resets_in_seconds|resets_at)\b["'\\]{0,4}\s?[:=]\s?["'\\]{0,4}([\w.\-]{1,80})
"""
_SENTENCE: Final = r"""["']message["']\s?:\s?["']((?:[^"\\]|\\.){1,2000})"""
_MARKUP: Final = r"<(script|style)\b[^<]{0,8000}</\1>|<!--[^>]{0,400}-->|<[^<>]{0,500}>"
_URL: Final = r"https?://([\w.\-]{1,100})[^\s\"'<>,)]{0,500}"

_DECODER: Final = json.JSONDecoder(strict=False)


def _status_in(digits: str) -> int | None:
    number = int(digits) if len(digits) == 3 and digits.isdecimal() else None
    return number if is_status(number) else None


def _decode(text: str, start: int) -> tuple[Any, int] | None:
    try:
        return _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None


class _Digger:
    def __init__(self) -> None:
        self._nodes = 0
        self._codes: list[tuple[int, int, str]] = []
        self._statuses: list[tuple[int, int]] = []
        self._messages: list[tuple[int, str]] = []
        self._prose: list[str] = []
        self._waits: dict[str, Any] = {}
        self._headers: dict[str, str] = {}
        self._keys: set[str] = set()
        self._parameter: str | None = None
        self._is_html = False

    def read(self, value: object, *, depth: int) -> None:
        self._nodes += 1
        if depth > _DEPTH_LIMIT or self._nodes > _NODE_LIMIT:
            return
        if isinstance(value, Mapping):
            self._read_mapping(value, depth)
        elif isinstance(value, list | tuple | set | frozenset):
            for item in list(value)[:50]:
                self.read(item, depth=depth + 1)
        elif isinstance(value, int | float):
            if depth == 0 and is_status(value):
                self._statuses.append((depth, int(value)))
        else:
            self._read_text(safe_text(value), depth)

    def _read_mapping(self, mapping: Mapping[Any, Any], depth: int) -> None:
        items: list[tuple[Any, Any]] = []
        with contextlib.suppress(Exception):
            items = list(itertools.islice(mapping.items(), 200))
        for raw_key, value in items:
            if not isinstance(raw_key, str):
                continue
            key = plain(raw_key)
            self._keys.add(key)
            if key in _WAIT_KEYS and isinstance(value, str | int | float):
                self._waits.setdefault(key, value)
            elif key in {"headers", "httpheaders"} and isinstance(value, Mapping):
                self._headers |= lower_headers(value)
            elif key in _ECHO_KEYS:
                pass
            elif key in {"param", "parameter"} and isinstance(value, str):
                self._parameter = value[:80] or self._parameter
            elif key == "loc" and isinstance(value, list):
                self._parameter = safe_text(value[-1])[:80] if value else self._parameter
            elif isinstance(value, str | bytes):
                self._read_field(key, safe_text(value), depth)
            elif isinstance(value, int) and not isinstance(value, bool):
                self._note_number(key, value, depth)
            elif value is not None:
                self.read(value, depth=depth + 1)

    def _note_number(self, key: str, value: int, depth: int) -> None:
        if key == "nctx":
            # llama.cpp states its window in a field of its own.
            self._prose.append(f"n_ctx: {value}")
        if key in _STATUS_KEYS and is_status(value):
            self._statuses.append((depth, value))
        if key in _CODE_KEYS and abs(value) < 10**9:
            self._codes.append((depth, _CODE_KEYS.index(key), str(value)))

    def _read_field(self, key: str, value: str, depth: int) -> None:
        value = value.strip()
        is_word = 0 < len(value) <= 100 and not any(char.isspace() for char in value)
        if key in _CODE_KEYS and is_word and value[0] not in "{[":
            if key in _STATUS_KEYS and (status := _status_in(value)):
                self._statuses.append((depth, status))
            self._codes.append((depth, _CODE_KEYS.index(key), value))
        if key in _MESSAGE_KEYS or any(char.isspace() for char in value[:500]):
            self._read_text(value, depth + 1, is_message=key in _MESSAGE_KEYS)

    def _read_text(self, text: str, depth: int, *, is_message: bool = False) -> None:
        if _looks_like_html(text):
            self._is_html = True
            text = _page_text(text)
        rest = self._read_documents(text, depth)
        if not rest.strip():
            return
        rest = rest.replace("\\n", " ").replace("\\", "")
        rest = " ".join(rest[:BODY_LIMIT].split())
        self._scrape(rest, depth)
        self._prose.append(rest)
        found = compiled(_SENTENCE).search(rest)
        if found:
            self._messages.append((depth + 1, found[1]))
        elif is_message or depth == 0:
            self._messages.append((depth, rest))

    def _read_documents(self, text: str, depth: int) -> str:
        """Read JSON that stands in a text; return the text around it."""
        around: list[str] = []
        position = 0
        for _ in range(_DOCUMENTS_PER_STRING):
            starts = [i for i in (text.find("{", position), text.find("[{", position)) if i >= 0]
            if not starts:
                break
            start = min(starts)
            found = _decode(text, start)
            if found is None:
                # It may be a fragment of doubly encoded JSON: one level of escapes is taken off.
                text = text[:start] + text[start:].replace('\\"', '"').replace("\\\\", "\\")
                found = _decode(text, start)
            if found is None:
                break
            around.append(text[position:start])
            self.read(found[0], depth=depth + 1)
            position = found[1]
        around.append(text[position:])
        return " ".join(around)

    def _scrape(self, text: str, depth: int) -> None:
        for match in list(compiled(_FIELD).finditer(text[:TEXT_LIMIT]))[:40]:
            key, value = plain(match[1]), match[2]
            if key in _WAIT_KEYS:
                self._waits.setdefault(key, value)
            elif key == "param":
                self._parameter = self._parameter or (None if value.lower() in {"null", "none"} else value)
            elif status := _status_in(value):
                self._statuses.append((depth + 1, status))
            else:
                self._codes.append((depth + 1, _CODE_KEYS.index(key), value))

    def evidence(self) -> Evidence:
        prose = _normalise(" | ".join(dict.fromkeys(self._prose)))
        # Sorting is stable: among equals the first met stays first.
        codes = [code for _, _, code in sorted(self._codes, key=lambda item: (-item[0], item[1]))]
        return Evidence(
            message=max(self._messages, key=lambda item: (item[0], len(item[1])))[1] if self._messages else "",
            prose=prose,
            text=prose.lower(),
            codes=tuple(dict.fromkeys(codes)),
            status=max(self._statuses)[1] if self._statuses else None,
            parameter=self._parameter,
            waits=self._waits,
            headers=self._headers,
            keys=frozenset(self._keys),
            is_html=self._is_html,
        )


def _looks_like_html(text: str) -> bool:
    head = text[:2_000].lower()
    return "<html" in head or "<!doctype html" in head or ("<head>" in head and "<title" in head)


def _page_text(page: str) -> str:
    return html.unescape(compiled(_MARKUP, ignore_case=True).sub(" ", page[:16_384]))[:2_000]


_STRAIGHT: Final = str.maketrans(
    # Curly quotes, backticks, the Chinese comma and full stop.
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "`": "'",
        "\uff0c": ",",
        "\u3002": ". ",
    }
    # Frames that terminals draw around what is pasted from them.
    | dict.fromkeys(map(chr, range(0x2500, 0x25A0)), " ")
)


def _normalise(text: str) -> str:
    # A path such as /account/rate-limits or /settings/credits would otherwise speak as if it were the message.
    line = compiled(_URL).sub(r"\1 ", text[: TEXT_LIMIT * 2].translate(_STRAIGHT))
    line = " ".join(line.split())
    if len(line) > TEXT_LIMIT:
        line = line[: TEXT_LIMIT - 2_048] + " | " + line[-2_000:]
    return line
