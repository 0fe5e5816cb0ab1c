"""Answers of the OpenAI Responses API, decoded.

Owns the protocol's order: a response is created, output items are added, grow by deltas and are done, and the response
is completed, incomplete or failed. A done item says again all that its deltas said, and the last event all that the
items said; what is new in them is for `responses_items` to tell.

That is how a lost event is made good. An event that is not JSON, a delta of the wrong type or a gap in the sequence
numbers *tears* the stream: from then on deltas are passed over and only wholes are told, so that text never has a hole.
A torn stream is a success if its last event says all of it, and broken ("malformed") if not.

Invariants: those of `payload_decoder`; a success comes from the response's own end alone; text is never told twice and
never with a hole. Refuses to judge an answer: one of no items, or a refusal, is a finish.
"""

from __future__ import annotations

from typing import Any

from shared_core.events import Details, Finish, FinishReason, WireEvent
from shared_core.providers.payload_decoder import PayloadDecoder
from shared_core.providers.responses_items import DELTAS, OutputItems
from shared_core.providers.responses_reading import details_in, error_body, incomplete_reason, status_of, usage_in

__all__ = ["ResponsesDecoder"]

_FIRST = frozenset({"response.created", "response.queued", "response.in_progress"})
_LAST = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done"}
)
_LOST = "an event of the stream was lost or garbled, and nothing after it says what it held"


class ResponsesDecoder(PayloadDecoder):
    """Decodes one response of `POST /responses`; see `providers.base.Decoder`."""

    __slots__ = ("_details", "_has_begun", "_is_torn", "_items", "_number")

    def __init__(self, provider: str) -> None:
        super().__init__(provider)
        self._items = OutputItems()
        self._details: dict[str, Any] = {}
        self._number: int | None = None
        self._has_begun = False  # an event of this protocol has come
        self._is_torn = False

    @property
    def is_complete(self) -> bool:
        """The response is over, well or not: nothing of interest follows."""
        return self._has_ended or self._is_broken

    def _take(self, payload: dict[str, Any], out: list[WireEvent]) -> None:
        kind = payload.get("type")
        if type(kind) is not str:
            if payload.get("error"):
                self._fail_with(out, error_body(payload))
            elif not self._has_ended:
                self._fail(out, "malformed", "an event of the stream has no type")
        elif kind in {"error", "response.error"}:
            self._fail_with(out, error_body(payload))
        elif not self._has_ended:
            self._has_begun = True
            self._count(payload.get("sequence_number"))
            self._on_event(kind, payload, out)

    def _count(self, number: Any) -> None:
        if type(number) is int:
            if self._number is not None and number > self._number + 1:
                self._is_torn = True
            self._number = number

    def _on_event(self, kind: str, payload: dict[str, Any], out: list[WireEvent]) -> None:
        if kind in DELTAS:
            delta = payload.get("delta")
            if self._is_torn or not delta:
                return
            if type(delta) is str:
                self._items.delta(kind, payload, delta, out)
            else:
                self._fail(out, "malformed", "a delta holds something else than text")
        elif kind in {"response.output_item.added", "response.output_item.done"}:
            value = payload.get("item")
            if type(value) is not dict:
                self._fail(out, "malformed", "an output item is not an object")
            elif kind == "response.output_item.done":
                self._items.whole(payload, value, out)
            elif not self._is_torn:
                self._items.begin(payload, value, out)
        elif kind in _FIRST or kind in _LAST:
            response = payload.get("response")
            response = response if type(response) is dict else {}
            self._describe(response, out)
            if kind in _LAST:
                self._conclude(status_of(response, kind.removeprefix("response.")), response, out)

    def _take_whole(self, document: dict[str, Any], out: list[WireEvent]) -> None:
        error = document.get("error")
        if error or document.get("type") == "error":
            self._fail_with(out, {"error": error} if error else error_body(document))
        elif type(document.get("output")) is list:
            self._describe(document, out)
            status = status_of(document, "" if document.get("status") else "completed")
            if status:  # an answer that is still in progress is not whole
                self._conclude(status, document, out)

    def _fail(self, out: list[WireEvent], code: str, message: str) -> None:
        if code == "malformed" and self._has_begun:
            self._is_torn = True  # what comes may still say all of it
        elif self._is_torn:
            super()._fail(out, "malformed", _LOST)
        else:
            super()._fail(out, code, message)

    def _describe(self, response: dict[str, Any], out: list[WireEvent]) -> None:
        news = {name: value for name, value in details_in(response).items() if self._details.get(name) != value}
        if news:
            self._details |= news
            self._items.answer_id = str(self._details.get("id", ""))
            out.append(Details(news))

    def _conclude(self, status: str, response: dict[str, Any], out: list[WireEvent]) -> None:
        usage = usage_in(response)
        if usage is not None:
            out.append(usage)
        if status in {"failed", "cancelled"}:
            error = response.get("error") or {"code": status, "message": f"the response ended as {status}"}
            self._fail_with(out, {"error": error})
            return
        if not self._is_sound(response.get("output"), out):
            super()._fail(out, "malformed", _LOST)
            return
        self._items.end(out)
        extras = {"annotations": self._items.annotations, "output_items": self._items.others}
        if filled := {name: values for name, values in extras.items() if values}:
            out.append(Details(filled))
        self._has_ended = True
        reason: FinishReason = "stop"
        raw = status
        if status == "incomplete":
            reason, raw = incomplete_reason(response)
        elif self._items.has_calls:
            reason = "tool_calls"
        elif self._items.has_refusal:
            reason = "refusal"
        out.append(Finish(reason, raw))

    def _is_sound(self, output: Any, out: list[WireEvent]) -> bool:
        """Tells what is missing, and says whether all of it is there then."""
        if self._is_torn or not self._items:
            values = output if type(output) is list else []
            if self._is_torn and not (values and self._items.fits(values)):
                return False
            told: list[WireEvent] = []
            for index, value in enumerate(values):
                if type(value) is not dict or not self._items.whole({"output_index": index}, value, told):
                    return False
            out += told
        return self._items.is_callable
