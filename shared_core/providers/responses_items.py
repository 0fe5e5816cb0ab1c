"""The output items of one Responses answer, told piece by piece.

Owns what has been told of each item: deltas are counted, and whatever a whole item holds beyond its deltas is told when
it comes. So a whole never repeats and never leaves out, whether all, some or none of its deltas came.

Invariants: total, whatever the types; indices of calls and thoughts are 0, 1, 2 … in the order of their first event;
encrypted reasoning, which says nothing to a reader, does not come before the next content or the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shared_core.events import ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta, WireEvent
from shared_core.providers.responses_reading import PARAGRAPH, joined

__all__ = ["DELTAS", "OutputItems"]

DELTAS: Mapping[str, str] = MappingProxyType(
    {
        "response.output_text.delta": "message",
        "response.refusal.delta": "message",
        "response.reasoning_summary_text.delta": "reasoning",
        "response.reasoning_text.delta": "reasoning",
        "response.function_call_arguments.delta": "function_call",
    }
)
"""Events that carry content, with the type of the item that each belongs to. All other deltas belong to tools that the
provider runs itself."""


class _Item:
    """One output item: its number among the calls or thoughts, and how many characters of it have been told."""

    __slots__ = ("arguments", "is_told", "part", "refusal", "slot", "summary", "text", "thought")

    def __init__(self) -> None:
        self.slot = -1
        self.part: Any = None  # the summary part that the last delta belonged to
        self.is_told = False  # what comes once has come: a call's id and name, a thought's data, a text's annotations
        self.text = self.refusal = self.arguments = self.summary = self.thought = 0


class OutputItems:
    """All items of one answer.

    Attributes:
        answer_id: Id of the answer, for calls that come without one.
        annotations: Annotations of the texts, so far.
        others: Items of tools that the provider ran itself, as they are.
    """

    __slots__ = ("_calls", "_held", "_items", "_thoughts", "annotations", "answer_id", "others")

    def __init__(self) -> None:
        self.answer_id = ""
        self.annotations: list[Any] = []
        self.others: list[Any] = []
        self._items: dict[tuple[int | str, str], _Item] = {}
        self._calls = 0
        self._thoughts = 0
        self._held: list[WireEvent] = []

    def __bool__(self) -> bool:
        return bool(self._items)

    @property
    def has_calls(self) -> bool:
        """The model wants calls made."""
        return self._calls > 0

    @property
    def has_refusal(self) -> bool:
        """The model refused."""
        return any(item.refusal for item in self._items.values())

    @property
    def is_callable(self) -> bool:
        """Every call has its name."""
        return all(item.is_told for (_, kind), item in self._items.items() if kind == "function_call")

    def fits(self, output: list[Any]) -> bool:
        """Whether every item that has begun has a place in `output`."""
        kinds = [value.get("type") if type(value) is dict else None for value in output]
        return all(type(key) is int and kind in kinds[key : key + 1] for key, kind in self._items)

    def delta(self, kind: str, payload: Mapping[str, Any], delta: str, out: list[WireEvent]) -> None:
        """Tells the text of one of `DELTAS`."""
        item = self._item(payload, DELTAS[kind])
        if kind == "response.output_text.delta":
            self._text(item, delta, out)
        elif kind == "response.function_call_arguments.delta":
            self._arguments(item, delta, out)
        elif kind == "response.refusal.delta":
            self._refusal(item, delta, out)
        elif kind == "response.reasoning_text.delta":
            self._thought(item, delta, out)
        else:
            part = payload.get("summary_index")
            is_next = item.summary and part != item.part
            item.part = part
            self._summary(item, PARAGRAPH + delta if is_next else delta, out)

    def begin(self, payload: Mapping[str, Any], value: dict[str, Any], out: list[WireEvent]) -> None:
        """Tells what is known of an item at its beginning: whom a call is for."""
        if value.get("type") == "function_call":
            item = self._item(payload, "function_call")
            self._open(item, value, out)
            arguments = value.get("arguments")
            if type(arguments) is str:
                self._arguments(item, arguments[item.arguments :], out)

    def whole(self, payload: Mapping[str, Any], value: dict[str, Any], out: list[WireEvent]) -> bool:
        """Tells what a whole item holds beyond its deltas; False if it has no form that the protocol knows."""
        kind = value.get("type")
        if type(kind) is not str:
            return False
        item = self._item(payload, kind)
        if kind == "message":
            return self._whole_message(item, value.get("content"), out)
        if kind == "reasoning":
            return self._whole_reasoning(item, value, out)
        if kind == "function_call":
            arguments = value.get("arguments")
            self._open(item, value, out)
            if type(arguments) is not str:
                return False
            self._arguments(item, arguments[item.arguments :], out)
            return item.is_told
        if not item.is_told:  # a tool that the provider ran itself
            item.is_told = True
            self.others.append(value)
        return True

    def end(self, out: list[WireEvent]) -> None:
        """Tells what was held back."""
        out += self._held
        self._held = []

    def _item(self, payload: Mapping[str, Any], kind: str) -> _Item:
        # By index, since some gateways make up a new id for every event, and by type, since some count from 0 for each.
        index, name = payload.get("output_index"), payload.get("item_id")
        key = (index if type(index) is int else name if type(name) is str else -1), kind
        item = self._items.get(key)
        if item is None:
            item = self._items[key] = _Item()
        return item

    def _whole_message(self, item: _Item, content: Any, out: list[WireEvent]) -> bool:
        text, refusal = joined(content, "output_text", "text"), joined(content, "refusal", "refusal")
        if text is None or refusal is None:
            return False
        self._text(item, text[item.text :], out)
        self._refusal(item, refusal[item.refusal :], out)
        if not item.is_told:
            item.is_told = True
            for part in content or ():
                annotations = part.get("annotations")
                if type(annotations) is list:
                    self.annotations += annotations
        return True

    def _whole_reasoning(self, item: _Item, value: dict[str, Any], out: list[WireEvent]) -> bool:
        summary = joined(value.get("summary"), "summary_text", "text", PARAGRAPH)
        thought = joined(value.get("content"), "reasoning_text", "text")
        if summary is None or thought is None:
            return False
        self._summary(item, summary[item.summary :], out)
        self._thought(item, thought[item.thought :], out)
        data, name = value.get("encrypted_content"), value.get("id")
        if type(data) is str and data and not item.is_told:
            item.is_told = True
            identifier = name if type(name) is str and name else None
            self._held.append(ReasoningDelta(index=self._thought_slot(item), data=data, id=identifier))
        return True

    def _tell(self, event: WireEvent, out: list[WireEvent]) -> None:
        if self._held:
            out += self._held
            self._held = []
        out.append(event)

    def _text(self, item: _Item, text: str, out: list[WireEvent]) -> None:
        if text:
            item.text += len(text)
            self._tell(TextDelta(text), out)

    def _refusal(self, item: _Item, text: str, out: list[WireEvent]) -> None:
        if text:
            item.refusal += len(text)
            self._tell(RefusalDelta(text), out)

    def _summary(self, item: _Item, text: str, out: list[WireEvent]) -> None:
        if text:
            item.summary += len(text)
            self._tell(ReasoningDelta(text, index=self._thought_slot(item)), out)

    def _thought(self, item: _Item, text: str, out: list[WireEvent]) -> None:
        if text:
            lead = PARAGRAPH if item.summary and not item.thought else ""
            item.thought += len(text)
            self._tell(ReasoningDelta(lead + text, index=self._thought_slot(item)), out)

    def _thought_slot(self, item: _Item) -> int:
        if item.slot < 0:
            item.slot = self._thoughts
            self._thoughts += 1
        return item.slot

    def _arguments(self, item: _Item, text: str, out: list[WireEvent]) -> None:
        if text:
            item.arguments += len(text)
            self._tell(ToolCallDelta(self._call_slot(item), arguments=text), out)

    def _call_slot(self, item: _Item) -> int:
        if item.slot < 0:
            item.slot = self._calls
            self._calls += 1
        return item.slot

    def _open(self, item: _Item, value: dict[str, Any], out: list[WireEvent]) -> None:
        """Tells a call's id and name, once they are known."""
        name = value.get("name")
        if item.is_told or type(name) is not str or not name:
            return
        item.is_told = True
        slot = self._call_slot(item)
        named = (given for given in (value.get("call_id"), value.get("id")) if type(given) is str and given)
        identifier = next(named, f"call_{self.answer_id}_{slot}")
        self._tell(ToolCallDelta(slot, id=identifier, name=name), out)
