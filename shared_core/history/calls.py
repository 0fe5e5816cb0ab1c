"""Tool calls and their results: who answers whom, under which id, and where.

Owns the pairing. A result belongs to the call with its id (the latest one that is still open, because some providers
use ids again); without ids, to the open call of that name in the latest turn. Then every call gets exactly one result,
directly behind the call's message and in the order of the calls:

- a call without a result gets an error result that says so. Dropping the call would hide from the model what it did;
- a result without a call becomes text of the user, at its place, so that what it says is not lost;
- a second result of one call is dropped if it says the same, and becomes text if not.

Ids that the target refuses, that are missing or used twice are replaced by a hash of what they were.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TypeAlias

from shared_core.history.blocks import is_same
from shared_core.history.families import accepted_ids
from shared_core.messages import Block, Message, Text, ToolCall, ToolResult
from shared_core.providers.base import Vendor
from shared_core.records import record

__all__ = ["NO_RESULT", "paired"]

NO_RESULT = "No result was recorded for this tool call."
"""Text of the error result that a call gets which has none."""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHAPES = (("call_", 24), *(("", length) for length in range(9, 41)))
"""Forms of a new id, prefix and length of the hash: the usual one first, then the shortest that cannot collide."""
_PROBES = 16
"""Ids tried to find out whether a form fits a pattern; one that wants a letter first refuses some of them."""

_Place: TypeAlias = tuple[int, int]
"""Index of a message, index of a block in it."""


@record(slots=True, eq=False)
class _Call:
    """One call: the message that it stands in, its new id, its result and the message that the result came in."""

    block: ToolCall
    turn: int
    id: str = ""
    result: ToolResult | None = None
    source: int | None = None


def paired(messages: Sequence[Message], vendor: Vendor, *, model: str = "") -> list[Message]:
    """The messages with every call answered once, directly behind it; unchanged messages are the same objects."""
    calls = [
        _Call(block, turn)
        for turn, message in enumerate(messages)
        for block in message.content
        if isinstance(block, ToolCall)
    ]
    by_turn = {turn: list(group) for turn, group in itertools.groupby(calls, key=lambda call: call.turn)}
    orphans = _assign(messages, by_turn)
    _identify(calls, vendor.tool_id or accepted_ids(model))
    out: list[Message] = []
    for turn, message in enumerate(messages):
        if turn in by_turn:
            out.append(_renamed(message, by_turn[turn]))
            out += _answers(by_turn[turn], messages, names_results=vendor.wire == "gemini")
        elif message.role == "tool" or any(isinstance(block, ToolResult) for block in message.content):
            out += _remainder(message, turn, orphans)
        else:
            out.append(message)
    return out


def _assign(messages: Sequence[Message], by_turn: dict[int, list[_Call]]) -> set[_Place]:
    """Gives each call its result; returns where the results stand that belong to no call."""
    orphans: set[_Place] = set()
    known: dict[str, list[_Call]] = {}
    latest: list[_Call] = []
    for turn, message in enumerate(messages):
        for place, block in enumerate(message.content):
            if not isinstance(block, ToolResult):
                continue
            namesakes = known.get(block.call_id, []) if block.call_id else []
            if call := _open_call(block, namesakes, latest):
                call.result, call.source = block, turn
            elif not any(_says_the_same(call.result, block) for call in namesakes):
                orphans.add((turn, place))
        if turn in by_turn:
            latest = by_turn[turn]
            for call in latest:
                known.setdefault(call.block.id, []).append(call)
    return orphans


def _open_call(result: ToolResult, namesakes: list[_Call], latest: list[_Call]) -> _Call | None:
    if namesakes:
        unanswered = [call for call in namesakes if call.result is None]
        return next((call for call in unanswered if call.turn == unanswered[-1].turn), None)
    # Gemini's dialects name the function where others have an id, in either of the two fields.
    label = result.name or result.call_id
    for call in latest:
        is_nameless = not (call.block.id and result.call_id)
        if call.result is None and is_nameless and label in {"", call.block.name}:
            return call
    return None


def _says_the_same(one: ToolResult | None, other: ToolResult) -> bool:
    return one is not None and (one.content, one.is_error) == (other.content, other.is_error)


def _identify(calls: list[_Call], pattern: str | None) -> None:
    """Gives each call its id: its own where that can stay, else one made from it."""
    shape = _shape(pattern)
    if shape is None:  # nothing that we could make fits, so an id that is there is the better one
        pattern, shape = None, _SHAPES[0]
    taken: set[str] = set()
    for call in calls:
        if call.block.id not in taken and _fits(call.block.id, pattern):
            call.id = call.block.id
            taken.add(call.id)
    tries: dict[str, Iterator[int]] = {}
    for call in calls:
        seed = call.block.id or f"{call.block.name}({call.block.arguments})"
        while not call.id:
            new = _coined(seed, next(tries.setdefault(seed, itertools.count())), *shape)
            if new not in taken and _fits(new, pattern):
                call.id = new
                taken.add(new)


def _fits(call_id: str, pattern: str | None) -> bool:
    return bool(call_id and (pattern is None or re.fullmatch(pattern, call_id)))


@lru_cache(maxsize=64)
def _shape(pattern: str | None) -> tuple[str, int] | None:
    for prefix, length in _SHAPES:
        if any(_fits(_coined("", probe, prefix, length), pattern) for probe in range(_PROBES)):
            return prefix, length
    return None


def _coined(seed: str, number: int, prefix: str, length: int) -> str:
    value = int.from_bytes(hashlib.sha256(f"{number}:{seed}".encode("utf-8", "surrogatepass")).digest())
    digits = []
    for _ in range(length):
        value, digit = divmod(value, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return prefix + "".join(digits)


def _renamed(message: Message, calls: list[_Call]) -> Message:
    if all(call.id == call.block.id for call in calls):
        return message
    ids = iter(calls)
    content = (replace(block, id=next(ids).id) if isinstance(block, ToolCall) else block for block in message.content)
    return replace(message, content=tuple(content))


def _answers(calls: list[_Call], messages: Sequence[Message], *, names_results: bool) -> Iterator[Message]:
    """The results of one turn's calls in their order, in the messages that they came in as far as these last."""
    for source, group in itertools.groupby(calls, key=lambda call: call.source):
        content = tuple(_answer(call, names_results=names_results) for call in group)
        old = messages[source] if source is not None else None
        if old is None or old.role != "tool":
            yield Message("tool", content)
        elif is_same(content, old.content):
            yield old
        else:
            yield replace(old, content=content)


def _answer(call: _Call, *, names_results: bool) -> ToolResult:
    result = call.result
    if result is None:
        return ToolResult(call.id, (Text(NO_RESULT),), name=call.block.name, is_error=True)
    # A Gemini result is sent under the function's name, whatever else it is known by.
    name = call.block.name if names_results else result.name
    return result if (result.call_id, result.name) == (call.id, name) else replace(result, call_id=call.id, name=name)


def _remainder(message: Message, turn: int, orphans: set[_Place]) -> Iterator[Message]:
    """What is left of a message when its results have gone to their calls: the user's, if anything."""
    content: list[Block] = []
    for place, block in enumerate(message.content):
        if not isinstance(block, ToolResult):
            content.append(block)
        elif (turn, place) in orphans:
            content += _spoken(block)
    if content:
        yield replace(message, role="user", content=tuple(content))


def _spoken(result: ToolResult) -> Iterator[Block]:
    """A result as something that the user says."""
    label = " ".join(
        filter(None, ("Error" if result.is_error else "Result", "of tool call", result.name, result.call_id))
    )
    match result.content:
        case (Text() as first, *others):
            yield replace(first, text=f"{label}:\n{first.text}")
            yield from others
        case others:
            yield Text(f"{label}:" if others else f"{label}: (nothing)")
            yield from others
