"""Tool calls as they arrive, piece by piece, in the dialects of the OpenAI wire.

Owns the question which call a piece belongs to. The standard says it by `index`, gives `id` and `name` once and grows
`arguments`; servers leave out the index or the id, repeat id and name in every piece, give every parallel call index
0, make a new id for each piece, send whole calls at once, or arguments as an object.

Invariants: indices in the events are 0, 1, 2 …; each call's id and name are told once; every call has an id at the end.
"""

from __future__ import annotations

from hashlib import blake2s
from typing import Any

from shared_core.events import ToolCallDelta
from shared_core.providers import json_codec
from shared_core.records import record

__all__ = ["ToolCalls"]


@record(slots=True)
class _Call:
    """One call, as far as it has come."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""  # kept only where nothing but their completeness tells one call from the next


class ToolCalls:
    """The tool calls of one answer."""

    __slots__ = ("_by_id", "_by_index", "_calls")

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def piece(self, value: Any) -> ToolCallDelta | None:
        """The event that one entry of `tool_calls` makes; None if it says nothing new."""
        if type(value) is not dict:
            return None
        function = value.get("function")
        if type(function) is not dict:
            function = {}
        raw = value.get("index")
        index = raw if type(raw) is int else None
        id_, name = _text(value.get("id")), _text(function.get("name"))
        arguments = function.get("arguments")
        if arguments is None:
            arguments = ""
        elif type(arguments) is not str:
            arguments = json_codec.dumps(arguments).decode()
        call = self._call_of(index, id_, name)
        if index is None:
            call.arguments += arguments
        news = ToolCallDelta(call.index, arguments=arguments)
        if id_ is not None and call.id is None:
            call.id = news.id = id_
            self._by_id[id_] = call
        if name is not None and call.name is None:
            call.name = news.name = name
        return news if news.arguments or news.id or news.name else None

    def end(self, answer_id: str) -> list[ToolCallDelta]:
        """Ids for the calls that came without one, made from the id of the answer so that they are repeatable."""
        nameless = [call for call in self._calls if call.id is None]
        for call in nameless:
            seed = f"{answer_id}\0{call.index}\0{call.name}\0{call.arguments}"
            call.id = f"call_{blake2s(seed.encode('utf-8', 'replace'), digest_size=12).hexdigest()}"
        return [ToolCallDelta(call.index, id=call.id) for call in nameless]

    def _call_of(self, index: int | None, id_: str | None, name: str | None) -> _Call:
        known = self._by_id.get(id_) if id_ is not None else None
        if known is not None:
            return known
        last = self._calls[-1] if self._calls else None
        there = last if index is None else self._by_index.get(index)
        if there is None or self._begins_another(there, index, id_, name):
            there = _Call(len(self._calls))
            self._calls.append(there)
            if index is not None:
                self._by_index[index] = there
        return there

    @staticmethod
    def _begins_another(call: _Call, index: int | None, id_: str | None, name: str | None) -> bool:
        """Whether a piece that points at `call`, or at nothing, is the first of a further call."""
        if name is None:
            return False
        if id_ is not None and call.id is not None:
            return True  # an id that is not known, with a name: the same index was given to two calls
        if index is not None or call.name is None:
            return False
        return name != call.name or _is_whole(call.arguments)


def _text(value: Any) -> str | None:
    return value if type(value) is str and value else None


def _is_whole(arguments: str) -> bool:
    try:
        json_codec.loads(arguments.encode("utf-8", "surrogatepass"))
    except ValueError:
        return False
    return True
