"""Going on with an answer that broke in the middle: whether that is allowed, and how the next target is asked.

Owns the two decisions before the new answer comes; how the two texts are put together is `join`'s. Pure; it knows no
target: whether one goes on from a trailing assistant turn natively (`prefill`) is for its caller to say.

Invariants: the request is always made from what the caller asked for and from *all* text that was shown, however many
targets that took. An answer in which a machine reads every character (tools, JSON) is never continued.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

from shared_core.join import LINE_OVERLAP, is_telling, open_fence, weight
from shared_core.messages import Message, Text, ToolCall
from shared_core.request import LLMRequest

__all__ = ["Course", "anchor", "continue_request", "course"]

_TOOL_FIELDS = frozenset({"tools", "functions", "toolConfig", "tool_config", "web_search_options"})
_FORM_FIELDS = frozenset(
    {
        *("response_format", "format", "output_format", "json_schema", "json_object", "structured_outputs", "grammar"),
        *("responseMimeType", "response_mime_type", "responseSchema", "response_schema", "responseJsonSchema"),
        *("guided_json", "guided_regex", "guided_choice", "guided_grammar"),
    }
)
"""Fields of a request's body, or of an object in it, that ask for a form of the answer, on any wire."""

_LEAST_TOKENS = 256
"""A rest shorter than this would often be cut again, by an estimate that may be wrong."""
_LETTERS_PER_TOKEN = 5.0
"""By weight, white space left out: more than prose and code have, so that the estimate is rather too low."""
_LONGEST_ANCHOR = 80
_BLIND_ANCHOR = 40
_WORD_START = re.compile(r"(?<!\S)\S")

_ASK = (
    "Your last message was cut off before its end. Write the part that is missing and nothing else: no greeting, no "
    "apology, no remark about the interruption, and do not begin again from the start. Keep the language, the tone and "
    "the format, and finish what is unfinished, even in the middle of a word."
)
_ASK_ANCHOR = (
    "So that the two parts fit together, begin by copying exactly the last characters of your message, go straight on "
    "from there, and repeat nothing else. Its last characters are:\n\n{anchor}"
)
_ASK_PLAIN = "Go on exactly where it stopped, and repeat nothing of it."
_ASK_CODE = "It stopped inside a code block that is still open: do not open it again."


class Course(Enum):
    """What can be done about an answer that broke after some of it was shown; the value says why."""

    CONTINUE = "the text can be continued"
    AFRESH = "no text was shown, only reasoning at most, so that another answer can begin anew"
    HAS_TOOL_CALL = "a tool call was shown in part"
    HAS_REFUSAL = "a refusal was shown"
    WANTS_TOOLS = "the request has tools"
    WANTS_FORM = "the request wants JSON or another fixed form"

    @property
    def is_open(self) -> bool:
        """Another target may go on, in one of the two ways."""
        return self in {Course.CONTINUE, Course.AFRESH}


def course(request: LLMRequest, *, text: str, has_tool_call: bool = False, has_refusal: bool = False) -> Course:
    """What can be done about an answer that broke.

    Args:
        request: What the caller asked for.
        text: All text that was shown; white space alone counts for none.
        has_tool_call: A piece of a tool call was shown.
        has_refusal: A piece of a refusal was shown.

    Returns:
        `Course.AFRESH` also where tools or JSON are wanted: reasoning is no part of either, so that a second answer
        is whole by itself. The two reasonings are two blocks.
    """
    if has_tool_call:
        return Course.HAS_TOOL_CALL
    if has_refusal:
        return Course.HAS_REFUSAL
    if not text.strip():
        return Course.AFRESH
    fields = frozenset(_fields(request.extra_body))
    if request.tools or fields & _TOOL_FIELDS:
        return Course.WANTS_TOOLS
    if request.response_format is not None or fields & _FORM_FIELDS:
        return Course.WANTS_FORM
    return Course.CONTINUE


def _fields(body: Mapping[str, Any]) -> Iterator[str]:
    """Names of the fields that are set, and of those one level below (`generationConfig`, `text`, `output_config`)."""
    for name, value in body.items():
        if value is not None:
            yield name
        if isinstance(value, Mapping):
            yield from value


def continue_request(request: LLMRequest, partial: str, *, prefill: bool) -> LLMRequest:
    """The request that asks another target to go on.

    The partial stands in an assistant's turn at the end (in the caller's own, if the conversation ends in one). With
    `prefill` that is all: white space at its end is left out, since Anthropic refuses it and it splits tokens badly
    everywhere, and `Join` knows of it. Reasoning is not asked for then: it would have to stand before the text.

    Otherwise a user's turn asks for the rest, and for the last words to be repeated in front of it: a model's turn
    hardly ever begins with a space or in the middle of a word, and the overlap shows `Join` where the texts meet.

    `max_tokens` is lowered by an estimate of what was shown, on the low side, and is never below 256 (or what the
    caller asked for, if that is less): an answer that is a little too long is better than one that is cut again.

    Args:
        request: What the caller asked for, not a continuation of it.
        partial: All text that was shown so far, not blank.
        prefill: The target goes on from a trailing assistant's turn.
    """
    *before, last = request.messages or (Message("assistant"),)
    if last.role != "assistant" or any(isinstance(block, ToolCall) for block in last.content):
        before, last = [*before, last], Message("assistant")
    shown = partial.rstrip() if prefill else partial
    messages = [*before, replace(last, content=(*last.content, Text(shown)))]
    copied = "" if prefill else anchor(partial)
    if not prefill:
        messages.append(Message.of("user", _asked(partial, copied)))
    return replace(
        request,
        messages=tuple(messages),
        max_tokens=_tokens_left(request.max_tokens, weight(partial) - weight(copied)),
        reasoning_effort=None if prefill else request.reasoning_effort,
    )


def _tokens_left(limit: int | None, used: int) -> int | None:
    if limit is None:
        return None
    return max(limit - int(used / _LETTERS_PER_TOKEN), min(limit, _LEAST_TOKENS))


def _asked(partial: str, copied: str) -> str:
    how = _ASK_ANCHOR.format(anchor=copied) if copied else _ASK_PLAIN
    parts = [_ASK, _ASK_CODE, how] if open_fence(partial) else [_ASK, how]
    return "\n\n".join(parts)


def anchor(partial: str) -> str:
    """The end of `partial`, from a word's beginning, whose repetition `Join` tells from chance; "" if there is none."""
    text = partial.strip()
    if weight(text) <= LINE_OVERLAP:
        return text
    starts = [found.start() for found in _WORD_START.finditer(text, max(0, len(text) - _LONGEST_ANCHOR))]
    # A language without spaces, or a long word, is cut anywhere but in front of a combining character.
    anywhere = len(text) - min(len(text), _BLIND_ANCHOR)
    while anywhere and unicodedata.combining(text[anywhere]):
        anywhere -= 1
    return next((text[at:] for at in (*reversed(starts), anywhere) if is_telling(text[at:], LINE_OVERLAP)), "")
