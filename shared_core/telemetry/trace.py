"""The spans and figures of one call.

The call's span is a child of whatever span was current where the call was made, and each attempt's span a child of the
call's. Neither is ever current in the caller's code: an attempt's is current only while its provider or member runs
(see `following`), so that spans of an instrumented SDK or HTTP client nest below it. Tokens are on the attempts' spans
alone, so that nothing is counted twice.

Invariants: every span ends exactly once; one that belongs to an abandoned attempt or call has no status. Threads: a
hedged call's attempts are told by two threads, each of them about its own.
"""

from __future__ import annotations

import contextlib
import logging
import time
from typing import Any

from opentelemetry.context import Context, get_current
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode, set_span_in_context

from shared_core.decisions import Attempt
from shared_core.errors import ErrorKind
from shared_core.events import End
from shared_core.journey import Journey
from shared_core.notices import Notice
from shared_core.registry import ProviderRegistry
from shared_core.report import AttemptRecord
from shared_core.scrub import cut, scrub
from shared_core.telemetry.attributes import Attributes, addressed, answered, asked, ended, happened, named, reported
from shared_core.telemetry.instruments import Instruments

__all__ = ["Trace"]

logger = logging.getLogger("llm_failover")

_METERED = ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "server.address", "server.port")
"""Attributes that measurements share with the span: few values each, or backends would drown."""


class _Harmless(contextlib.AbstractContextManager[None]):
    """Logs what an exporter or a processor of somebody else's raises."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        logger.warning("telemetry failed", exc_info=error)
        return True


_HARMLESS = _Harmless()


class Trace:
    """One call under observation. Its methods never raise.

    Args:
        journey: The call.
        instruments: Where to write to.
        registry: Knows the providers.
    """

    def __init__(self, journey: Journey, instruments: Instruments, registry: ProviderRegistry) -> None:
        self._request = journey.request
        self._first = journey.walk.chain[0]
        self._report = journey.walk.report
        self._instruments = instruments
        self._registry = registry
        self._context = get_current()
        self._span: Span = INVALID_SPAN
        self._began = 0.0
        self._metered: Attributes = {}
        self._is_over = False
        self._running: dict[tuple[str, str | None], tuple[Span, Attributes]] = {}
        self._last: Span = INVALID_SPAN

    def begin(self) -> None:
        """The call begins, if it has not."""
        if self._began:
            return
        self._began = time.perf_counter()
        with _HARMLESS:
            found = asked(self._request) | addressed(self._first.provider, self._first.model, self._registry)
            self._metered = _metered(found)
            span = self._span = self._instruments.tracer.start_span(
                f"failover {self._first.model}", self._context, SpanKind.INTERNAL, found
            )
            self._context = set_span_in_context(span, self._context)

    def context(self, attempt: Attempt) -> Context:
        """The context in which an attempt's provider runs."""
        running = self._running.get((attempt.target.link.name, attempt.target.profile.name))
        return self._context if running is None else set_span_in_context(running[0], self._context)

    def hear(self, notice: Notice) -> None:
        """Something happened."""
        with _HARMLESS:
            match notice:
                case Notice(event="attempt", record=AttemptRecord() as record):
                    self._start(record)
                case Notice(event="success" | "failure" | "abandoned", record=AttemptRecord() as record):
                    self._stop(record)
                case _:
                    self._note(notice)

    def answered(self, end: End) -> None:
        """The call has its answer."""
        with _HARMLESS:
            self._report = end.report
            found = answered(end)
            self._last.set_attributes(found)
            self._span.set_attributes(found | named(end.report.provider or "", self._registry))
        self._end("answered")

    def broke(self, error: BaseException) -> None:
        """The call ends without an answer, or its caller has gone."""
        if not isinstance(error, Exception):  # a closed generator, a cancellation, Ctrl-C
            self.leave()
            return
        with _HARMLESS:
            self._report = getattr(error, "report", self._report)
            self._span.set_attribute("error.type", type(error).__qualname__)
            self._span.set_attribute("failover.kind", str(getattr(error, "kind", ErrorKind.UNKNOWN)))
            self._span.set_status(Status(StatusCode.ERROR, cut(scrub(str(error).partition("\n")[0]))))
        self._end("failed", type(error).__qualname__)

    def leave(self) -> None:
        """The call is over, one way or another; abandoned, if it has no end yet."""
        self._end("abandoned")

    def __del__(self) -> None:
        self.leave()  # the stream was dropped where no event loop is left to close it

    def _start(self, record: AttemptRecord) -> None:
        model = record.model.partition("/")[2]
        found = asked(self._request) | addressed(record.provider, model, self._registry)
        if record.max_tokens == "dropped":
            found.pop("gen_ai.request.max_tokens", None)
        elif record.max_tokens is not None:
            found["gen_ai.request.max_tokens"] = record.max_tokens
        found |= {"failover.attempt": record.number, "failover.profile": record.profile}
        if self._running:
            found["failover.hedge"] = True
        if record.is_probe:
            found["failover.probe"] = True
        if record.resumed_at is not None:
            found["failover.resumed_at"] = record.resumed_at
        span = self._instruments.tracer.start_span(f"chat {model}", self._context, SpanKind.CLIENT, found)
        self._running[record.model, record.profile] = span, {**_metered(found), "failover.profile": record.profile}

    def _stop(self, record: AttemptRecord) -> None:
        span, metered = self._running.pop((record.model, record.profile))
        span.set_attributes(ended(record))
        if record.outcome == "succeeded":
            self._last = span  # what its answer was is told with the call's end, a moment later
        else:
            if record.outcome == "failed":
                span.set_status(Status(StatusCode.ERROR, record.message))
            span.end()
        if record.kind is not None:
            metered["error.type"] = record.kind.value
        self._measure(record, metered)

    def _measure(self, record: AttemptRecord, metered: Attributes) -> None:
        to, outcome = self._instruments, {"failover.outcome": record.outcome}
        to.attempts.add(1, metered | outcome, self._context)
        to.duration.record((record.ended or record.started) - record.started, metered | outcome, self._context)
        if record.first_token is not None:
            to.first_token.record(record.first_token - record.started, metered, self._context)
        if record.usage is not None:
            for kind, count in (("input", record.usage.input_tokens), ("output", record.usage.output_tokens)):
                to.tokens.record(count, {**metered, "gen_ai.token.type": kind}, self._context)

    def _note(self, notice: Notice) -> None:
        self._span.add_event(f"failover.{notice.event}", happened(notice))
        counter = {"failover": self._instruments.failovers, "cooldown": self._instruments.cooldowns}.get(notice.event)
        if counter is None:
            return
        found = addressed(notice.provider, notice.model.partition("/")[2], self._registry)
        metered = _metered(found)
        told: dict[str, Any] = {"error.type": notice.kind, "failover.profile": notice.profile}
        if notice.event == "failover":
            told["failover.next_model"] = notice.next_model
        counter.add(1, metered | {name: str(value) for name, value in told.items() if value is not None}, self._context)

    def _end(self, outcome: str, error: str | None = None) -> None:
        if self._is_over or not self._began:
            return
        self._is_over = True
        with _HARMLESS:
            for span, _ in self._running.values():
                span.set_attribute("failover.outcome", "abandoned")
                span.end()
            self._running.clear()
            self._last.end()
            self._span.set_attributes({**reported(self._report), "failover.outcome": outcome})
            self._span.end()
            metered = {**self._metered, "failover.outcome": outcome}
            if error is not None:
                metered["error.type"] = error
            self._instruments.call_duration.record(time.perf_counter() - self._began, metered, self._context)
            first = next((step.first_token for step in self._report.attempts if step.outcome == "succeeded"), None)
            if first is not None:
                self._instruments.call_first_token.record(first, metered, self._context)


def _metered(found: Attributes) -> Attributes:
    return {name: found[name] for name in _METERED if name in found}
