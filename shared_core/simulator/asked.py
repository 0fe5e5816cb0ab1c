"""What a request asks for and what is answered, in a form that belongs to no wire.

A wire reads a body into `Asked`; `compose` makes an `Answer` of a `Reply` for it; the wire turns that into bytes.
`compose` is pure and deterministic: the same reply to the same request is the same answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared_core.simulator.behaviours import Reply, ToolCall
from shared_core.simulator.schema import example

__all__ = ["Answer", "Asked", "AskedTool", "Call", "Tokens", "compose", "words"]

_WORDS = re.compile(r"\s*\S+|\s+\Z")


@dataclass(frozen=True, slots=True)
class AskedTool:
    """A tool that the request offers."""

    name: str
    schema: Mapping[str, Any]

    def call(self, prompt: str = "") -> ToolCall:
        """A call of it, with arguments made from `prompt` as far as its schema lets them be."""
        return ToolCall(self.name, example({"type": "object", **self.schema}, prompt))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asks for.

    Attributes:
        model: The model as the caller named it.
        prompt: Text of the last user message.
        all_text: All text of the request, for counting tokens.
        images: How many images it holds.
        results: Text of the tool results that end the conversation; None if it does not end with any.
        max_tokens: The caller's limit.
        stop: Stop sequences.
        tools: Tools that may be called.
        tool_choice: "auto", "none", "required", or the name of a tool.
        parallel: Several calls may be made at once.
        json_schema: Schema of the JSON that the answer must be; an empty one for JSON mode; None for text.
        stream: A stream of events, not a whole JSON answer.
        include_usage: The stream is to state token usage.
        problem: Why the provider would refuse the request as malformed.
        complaint: Why it would refuse the conversation (see `wires.conversation`).
    """

    model: str
    prompt: str = ""
    all_text: str = ""
    images: int = 0
    results: str | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    tools: tuple[AskedTool, ...] = ()
    tool_choice: str = "auto"
    parallel: bool = True
    json_schema: Mapping[str, Any] | None = None
    stream: bool = False
    include_usage: bool = False
    problem: str | None = None
    complaint: str | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token counts. `input` includes what was read from a cache, and `audio`; `output` includes `reasoning`."""

    input: int
    output: int
    cached: int = 0
    cache_written: int = 0
    reasoning: int = 0
    audio: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call as it is sent; `arguments` is JSON text. Each wire makes ids of its own form of `serial`."""

    serial: str
    name: str
    arguments: str
    stated_id: str | None = None

    def id(self, prefix: str) -> str:
        """The id that the reply states, or one with the wire's `prefix`."""
        return self.stated_id or prefix + self.serial


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered: `finish` is "stop", "length", "tool_calls", "content_filter" or a raw word.

    `number` makes the ids of one server's answers differ; `stopped_by` is the stop sequence that ended
    it; `states_usage` says whether a stream tells its tokens, where that is the caller's choice.
    """

    number: int
    model: str
    chunks: tuple[str, ...]
    reasoning: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    refusal: str | None = None
    finish: str = "stop"
    stopped_by: str | None = None
    states_usage: bool = True
    tokens: Tokens = field(default_factory=lambda: Tokens(0, 0))

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.chunks)


def words(text: str) -> tuple[str, ...]:
    """`text` cut before each word, so that the pieces join to it again."""
    return tuple(_WORDS.findall(text))


def compose(reply: Reply, asked: Asked, number: int) -> Answer:
    """The answer that `reply` gives to `asked`. `reply.answer` has been called already."""
    calls = tuple(_call(call, number, index) for index, call in enumerate(reply.tool_calls))
    is_open = reply.text is None and reply.chunks is None and not calls and reply.refusal is None
    if is_open:
        calls = _wanted_calls(asked, number)
    pieces = _pieces(reply, asked, has_calls=bool(calls))
    pieces, stopped_by = _stop(pieces, asked.stop)
    finish = reply.finish or ("tool_calls" if calls else "stop")
    if asked.max_tokens is not None and len(pieces) > asked.max_tokens:
        pieces, calls, finish, stopped_by = pieces[: asked.max_tokens], (), "length", None
    elif stopped_by is not None:
        calls, finish = (), "stop"
    answer = Answer(
        number=number,
        model=reply.model or asked.model.partition("~")[0],
        chunks=pieces,
        reasoning=words(reply.reasoning or ""),
        calls=calls,
        refusal=reply.refusal,
        finish=finish,
        stopped_by=stopped_by,
        states_usage=asked.include_usage,
    )
    return replace(answer, tokens=_tokens(answer, asked, reply.usage))


def _pieces(reply: Reply, asked: Asked, *, has_calls: bool) -> tuple[str, ...]:
    if reply.chunks is not None:
        return tuple(reply.chunks)
    if reply.text is not None:
        return words(reply.text)
    if has_calls or reply.refusal is not None:
        return ()
    if asked.json_schema is not None:
        made = example(asked.json_schema, asked.prompt) if asked.json_schema else {"answer": asked.prompt}
        return words(json.dumps(made, ensure_ascii=False))
    if asked.results is not None:
        return words(f"The tools said: {asked.results}")
    return words(f"You said: {asked.prompt}" if asked.prompt else "Hello.")


def _stop(pieces: tuple[str, ...], sequences: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    text = "".join(pieces)
    found = [(text.index(sequence), sequence) for sequence in sequences if sequence and sequence in text]
    if not found:
        return pieces, None
    end, sequence = min(found)
    kept: list[str] = []
    for piece in pieces:
        if end <= 0:
            break
        kept.append(piece[:end])
        end -= len(piece)
    return tuple(kept), sequence


def _call(call: ToolCall, number: int, index: int) -> Call:
    text = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments, ensure_ascii=False)
    return Call(f"{number:06d}{index:02d}", call.name, text, call.id)


def _wanted_calls(asked: Asked, number: int) -> tuple[Call, ...]:
    """Calls that the request makes plain: a forced tool, or one whose name the user mentions."""
    if not asked.tools or asked.tool_choice == "none":
        return ()
    named = [tool for tool in asked.tools if tool.name == asked.tool_choice]
    if not named and asked.results is None:
        named = [tool for tool in asked.tools if tool.name in asked.prompt]
    if not named and asked.tool_choice == "required":
        named = [asked.tools[0]]
    if not asked.parallel:
        named = named[:1]
    return tuple(_call(tool.call(asked.prompt), number, index) for index, tool in enumerate(named))


def _tokens(answer: Answer, asked: Asked, stated: Mapping[str, int] | None) -> Tokens:
    given = stated or {}
    thought = len(answer.reasoning)
    spoken = len(answer.chunks) + sum(len(call.arguments.split()) + 1 for call in answer.calls)
    return Tokens(
        input=given.get("input", len(asked.all_text.split()) + 85 * asked.images),
        output=given.get("output", spoken + thought + len((answer.refusal or "").split())),
        cached=given.get("cached", 0),
        cache_written=given.get("cache_written", 0),
        reasoning=given.get("reasoning", thought),
        audio=given.get("audio", 0),
    )
