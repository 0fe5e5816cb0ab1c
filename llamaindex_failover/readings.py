"""What the engine needs to see of a member's responses: content, tool calls, the finish, the usage.

Owns the places where LlamaIndex's LLM classes keep these: each its own, mostly in `raw` and in `additional_kwargs`.
Refuses to change a response. Total: an odd shape says nothing, and never raises.

Invariants: a response counts as content only for what is new in it, so that one that merely repeats is no progress.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Mapping
from typing import Any

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse, TextBlock, ThinkingBlock, ToolCallBlock

from llamaindex_failover.growing import Response, Said
from shared_core.events import Finish, MemberChunk, Usage
from shared_core.providers.openai_reading import finish_reason

__all__ = ["Reading"]

_FINISH = ("finish_reason", "stop_reason", "done_reason", "stopReason")
_INPUT = ("prompt_tokens", "input_tokens", "prompt_token_count", "inputTokens")
_OUTPUT = ("completion_tokens", "output_tokens", "candidates_token_count", "outputTokens")


class Reading:
    """Reads the responses of one attempt, in order.

    How the answer ended and what it took stands on one of the last responses, so that it is looked for only at the
    end: this is done for each piece of each answer.

    Args:
        origin: Name of the vendor that makes them, if known.
    """

    __slots__ = ("_calls", "_last", "_length", "_origin", "_others", "_thoughts")

    def __init__(self, origin: str | None) -> None:
        self._origin = origin
        self._last: deque[Response] = deque(maxlen=4)
        self._length = 0
        self._thoughts = 0
        self._calls: list[Any] = []
        self._others = 0

    def of(self, response: Response) -> MemberChunk:
        """One response of a stream, with what is new in it."""
        self._last.append(response)
        text = self._new_text(response)
        has_other = has_call = False
        if not text and isinstance(response, ChatResponse):
            has_other, has_call = self._look(response)
        return MemberChunk(Said(response, self._origin), text, bool(text) or has_other or has_call, has_call)

    def end(self) -> MemberChunk:
        """The end of a stream: how it ended and what it took, with no response of its own."""
        finish = usage = None
        has_call = False
        for response in reversed(self._last):
            with contextlib.suppress(Exception):  # `raw` is anything at all
                finish = finish or _finish(response)
                usage = usage or _usage(response)
        if self._last and isinstance(last := self._last[-1], ChatResponse):
            has_call = self._look(last)[1]
        return MemberChunk(None, has_content=has_call, has_tool_call=has_call, finish=finish, usage=usage)

    def whole(self, response: Response) -> MemberChunk:
        """A whole answer."""
        self._last.append(response)
        text = _text(response)
        has_other, has_call = self._look(response) if isinstance(response, ChatResponse) else (False, False)
        end = self.end()
        # Without a word of how it ended, nothing of a whole answer can be missing all the same.
        finish = end.finish or Finish("other", "")
        said = Said(response, self._origin)
        return MemberChunk(said, text, bool(text) or has_other or has_call, has_call, finish, end.usage)

    def _new_text(self, response: Response) -> str:
        """What is new of the text; classes that give no deltas give the text so far."""
        if response.delta is not None:
            return response.delta
        whole = _text(response)
        seen, self._length = self._length, max(self._length, len(whole))
        return whole[seen:]

    def _look(self, response: ChatResponse) -> tuple[bool, bool]:
        """Whether there is new content beside the text, and whether it is a tool call."""
        message = response.message
        thoughts = others = 0
        calls: list[Any] = []
        for block in message.blocks:
            if isinstance(block, TextBlock):
                continue
            if isinstance(block, ToolCallBlock):
                calls.append(block.tool_kwargs)
            elif isinstance(block, ThinkingBlock):
                thoughts += len(block.content or "")
            else:
                others += 1
        extra = message.additional_kwargs
        if not calls and extra:
            calls = list(extra.get("tool_calls") or ())
        has_thought = bool(response.additional_kwargs.get("thinking_delta") or extra.get("thinking_delta"))
        is_new = has_thought or thoughts > self._thoughts or others > self._others
        has_call = bool(calls) and calls != self._calls
        self._thoughts, self._others = max(thoughts, self._thoughts), max(others, self._others)
        # Some classes go on changing the arguments that they gave, so that the copy must be one.
        self._calls = [dict(call) if isinstance(call, dict) else call for call in calls] if has_call else self._calls
        return is_new, has_call


def _text(response: Response) -> str:
    return response.text if isinstance(response, CompletionResponse) else response.message.content or ""


def _finish(response: Response) -> Finish | None:
    raw = response.raw
    for holder in (*_answers(raw), raw, _get(raw, "delta"), *_extras(response)):
        if holder is None:
            continue
        for name in _FINISH:
            word = _get(holder, name)
            if word is not None and not isinstance(word, bool):
                text = str(getattr(word, "name", None) or word)  # Google's are enumerations
                return Finish(finish_reason(text), text) if text else None
    return None


def _answers(raw: Any) -> tuple[Any, ...]:
    """The first answer in `raw`, where there may be several."""
    for name in ("choices", "candidates"):
        found = _get(raw, name)
        if isinstance(found, list | tuple) and found:
            return (found[0],)
    return ()


def _usage(response: Response) -> Usage | None:
    raw = response.raw
    for holder in (_get(raw, "usage"), _get(raw, "usage_metadata"), *_extras(response)):
        if holder is None:
            continue
        given, made = _first(holder, _INPUT), _first(holder, _OUTPUT)
        if given is None and made is None:
            continue
        total = _first(holder, ("total_tokens", "total_token_count", "totalTokens"))
        known, said = given or 0, made or 0
        return Usage(known, said, total or known + said)
    return None


def _extras(response: Response) -> tuple[Any, ...]:
    extra = response.additional_kwargs
    if isinstance(response, CompletionResponse):
        return (extra,)
    own = response.message.additional_kwargs
    return (extra, own, own.get("usage")) if own else (extra,)


def _first(holder: Any, names: tuple[str, ...]) -> int | None:
    for name in names:
        found = _get(holder, name)
        if isinstance(found, int) and not isinstance(found, bool):
            return found
    return None


def _get(holder: Any, name: str) -> Any:
    # The usual class first: `Mapping` asks each object's class whether it looks like one.
    if type(holder) is dict or isinstance(holder, Mapping):
        return holder.get(name)
    return getattr(holder, name, None)
