"""An answer as it grows from the engine's events into LlamaIndex messages.

Owns what an answer looks like to a LlamaIndex program: blocks in the order thinking, text, tool calls; the message so
far for each event of a stream; usage in the keys that the framework's token counter reads; the trail. A member's
responses are shown as they are; the last one is repeated, without its delta, to bear the trail.

Invariants: at most one text block a message, since `ChatMessage.content` would put line breaks between several;
messages of one stream share the blocks that did not change between them, and the finished one shares none; what
`additional_kwargs` hold is plain JSON, so that chat stores can keep it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    ContentBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from llamaindex_failover.messages import SIGNED_BY
from llamaindex_failover.trusted import assistant_message, chat_response, text_response
from shared_core.events import (
    End,
    MemberChunk,
    ReasoningDelta,
    RefusalDelta,
    Restart,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from shared_core.records import record

__all__ = ["RESTART", "Growing", "Response", "Said"]

RESTART = "failover_restart"
"""Key in `additional_kwargs`: what was shown before is void, and this model's answer follows."""

Response: TypeAlias = ChatResponse | CompletionResponse
"""What a program gets; a completion only where a member was asked for one."""


@record(slots=True)
class Said:
    """One response of a member: what its chunks hold.

    Attributes:
        response: The response, as the member made it.
        origin: Name of the vendor that made it, if known.
    """

    response: Response
    origin: str | None


@record(slots=True)
class _Thought:
    """One block of reasoning so far."""

    text: str = ""
    signature: str | None = None
    data: str | None = None
    id: str | None = None

    def block(self, origin: str | None = None) -> ThinkingBlock:
        known = {"signature": self.signature, "data": self.data, "id": self.id, "origin": origin}
        information = {key: value for key, value in known.items() if value is not None}
        return ThinkingBlock(content=self.text, additional_information=information)


@record(slots=True)
class _Call:
    """One tool call so far; every call has an id at the end of its stream."""

    id: str = ""
    name: str = ""
    arguments: str = ""
    signature: str | None = None

    def block(self) -> ToolCallBlock:
        return ToolCallBlock(tool_call_id=self.id, tool_name=self.name, tool_kwargs=self.arguments)


class Growing:
    """One answer, from its first event to its end."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._said: Said | None = None
        self._is_shown = False
        self._text = ""
        self._refusal = ""
        self._text_signature: str | None = None
        self._thoughts: dict[int, _Thought] = {}
        self._calls: dict[int, _Call] = {}
        self._thinking: dict[int, ThinkingBlock] = {}
        self._calling: dict[int, ToolCallBlock] = {}

    def take(self, event: StreamEvent) -> None:
        """Adds what the event says."""
        match event:
            case TextDelta():
                self._text += event.text
                self._text_signature = event.signature or self._text_signature
            case RefusalDelta():
                # The framework has no place for a refusal; as text, it is at least seen.
                self._text += event.text
                self._refusal += event.text
            case ReasoningDelta():
                self._think(event)
            case ToolCallDelta():
                self._call(event)
            case MemberChunk():
                self._text += event.text
                self._said = event.chunk or self._said
                return
            case Restart():
                self._begin()
                return
            case _:
                # The rest bears no content of its own: what counts of it comes again with `End`.
                return
        self._own(event)

    def shown(self, event: StreamEvent) -> Response | None:
        """Adds what the event says; the answer so far, if the event has something to show."""
        if type(event) is TextDelta and event.text and not (self._thinking or self._calls or self._said):
            # Nearly every event is just this, and each of them would pay for the questions below.
            delta = event.text
            text = self._text = self._text + delta
            self._text_signature = event.signature or self._text_signature
            self._is_shown = True
            return text_response(text, {"type": "text", "text": delta}, delta)
        self.take(event)
        self._is_shown = True
        match event:
            case End():
                return self.finished(event)
            case MemberChunk(chunk=Said(response=response)):
                return self._behind_thoughts(response)
            case TextDelta(text=text) | RefusalDelta(text=text) if text:
                return self._response({"type": "text", "text": text}, delta=text)
            case ReasoningDelta(text=text, index=index) if text:
                self._thinking[index] = self._thoughts[index].block()
                # The key is the one that the framework's agents read.
                return self._response({"type": "reasoning", "text": text}, thinking_delta=text)
            case Restart(model=model):
                # What was shown is void: the message is empty again, and grows to the second answer alone.
                return self._response({"type": "restart", "model": model}, **{RESTART: model})
            case ToolCallDelta(index=index):
                self._calling[index] = self._calls[index].block()
                return self._response({"type": "tool_call", "index": index, "arguments": event.arguments})
            case _:
                return None

    def finished(self, end: End) -> Response:
        """The whole answer, with its usage and trail."""
        if self._said is not None:
            return self._said_last(self._said, end)
        origin = end.report.provider
        thinking = [thought.block(origin) for thought in self._thoughts.values()]
        calls = [call.block() for call in self._calls.values()]
        message = self._message(thinking, calls)
        if signatures := self._signatures():
            message.additional_kwargs[SIGNED_BY] = {"origin": origin, "signatures": signatures}
        usage = end.usage
        counts = {} if usage is None else _counts(usage)
        raw: dict[str, Any] = {**end.details, "usage": None if usage is None else counts | _finer_counts(usage)}
        if end.finish is not None:
            raw["finish_reason"] = end.finish.reason
            raw["provider_finish_reason"] = end.finish.raw
        extra: dict[str, Any] = {**counts, "failover": end.report.as_dict()}
        if self._refusal:
            extra["refusal"] = self._refusal
        return chat_response(message, "", raw, extra)

    def _own(self, event: StreamEvent) -> None:
        """An event that is no member's: from here on the answer is told in our words."""
        if self._said is None or (isinstance(event, TextDelta) and not event.text):
            return
        said, self._said = self._said.response, None
        if isinstance(said, ChatResponse):
            kept = [block for block in said.message.blocks if isinstance(block, ThinkingBlock)]
            self._thinking = {-len(kept) + place: block for place, block in enumerate(kept)} | self._thinking

    def _behind_thoughts(self, response: Response) -> Response:
        """A member's response; behind the reasoning of the target that it took over from, if there was one."""
        if not self._thinking or not isinstance(response, ChatResponse):
            return response
        message = response.message
        blocks = [*self._thinking.values(), *message.blocks]
        return response.model_copy(update={"message": message.model_copy(update={"blocks": blocks})})

    def _said_last(self, said: Said, end: End) -> Response:
        """The member's last response once more, with the trail, and with the maker's name on its reasoning."""
        response = self._behind_thoughts(said.response)
        extra = {key: value for key, value in response.additional_kwargs.items() if key != "thinking_delta"}
        update: dict[str, Any] = {"additional_kwargs": {**extra, "failover": end.report.as_dict()}}
        if self._is_shown:
            update["delta"] = ""
        if isinstance(response, ChatResponse):
            update["message"] = _signed(response.message, said.origin)
        return response.model_copy(update=update)

    def _response(self, raw: dict[str, Any], delta: str = "", **extra: str) -> ChatResponse:
        message = self._message(self._thinking.values(), self._calling.values())
        return chat_response(message, delta, raw, extra)

    def _message(self, thinking: Iterable[ThinkingBlock], calls: Iterable[ToolCallBlock]) -> ChatMessage:
        blocks: list[ContentBlock] = [*thinking]
        extra: dict[str, Any] = {}
        if self._text or not (self._thoughts or self._calls):
            blocks.append(TextBlock(text=self._text))
        if self._calls:
            blocks += calls
            # Programs and memories of the framework still look here for whether a tool is called.
            extra["tool_calls"] = [_in_older_form(call) for call in self._calls.values()]
        return assistant_message(blocks, extra)

    def _think(self, event: ReasoningDelta) -> None:
        thought = self._thoughts.setdefault(event.index, _Thought())
        thought.text += event.text
        thought.signature = event.signature or thought.signature
        thought.data = event.data or thought.data
        thought.id = event.id or thought.id

    def _call(self, event: ToolCallDelta) -> None:
        call = self._calls.get(event.index)
        if call is None:
            call = self._calls[event.index] = _Call()
        call.id = event.id or call.id
        call.name = event.name or call.name
        call.arguments += event.arguments
        call.signature = event.signature or call.signature

    def _signatures(self) -> dict[str, str]:
        found = {call.id: call.signature for call in self._calls.values() if call.signature}
        return {"text": self._text_signature, **found} if self._text_signature else found


def _signed(message: ChatMessage, origin: str | None) -> ChatMessage:
    """The message, its reasoning marked with who made it, so that it goes back to nobody else."""
    if origin is None or not any(isinstance(block, ThinkingBlock) for block in message.blocks):
        return message
    blocks = [
        block.model_copy(update={"additional_information": {"origin": origin, **block.additional_information}})
        if isinstance(block, ThinkingBlock)
        else block
        for block in message.blocks
    ]
    extra = message.additional_kwargs
    if extra.get("thinking_delta"):
        extra = {key: value for key, value in extra.items() if key != "thinking_delta"}
    return message.model_copy(update={"blocks": blocks, "additional_kwargs": extra})


def _in_older_form(call: _Call) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _counts(usage: Usage) -> dict[str, Any]:
    """Token counts under the names that the framework's token counter looks for."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }


def _finer_counts(usage: Usage) -> dict[str, Any]:
    """The details, in the form that OpenAI gives them."""
    found: dict[str, Any] = {}
    prompt = {"cached_tokens": usage.cache_read_tokens, "cache_write_tokens": usage.cache_write_tokens}
    if known := {key: value for key, value in prompt.items() if value is not None}:
        found["prompt_tokens_details"] = known
    if usage.reasoning_tokens is not None:
        found["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return found
