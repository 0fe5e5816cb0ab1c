"""The list of scenarios: what each target does, and what the caller must see. Data alone; `drivers` play it.

A chain is `a/first`, `b/second`: `first` misbehaves, `second` answers "Second answers." unless a scenario says
otherwise. A caller that streams and one that collects see the same, but after content went out: then a broken stream is
an error to the one, and a failover to the other. `Seen.shown` is what stood on the screen, `Seen.asked` what arrived at
the server, in order, each with the name of its key where that is not the usual one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared_core.errors import ChainExhaustedError, ErrorKind, RequestRejectedError, StreamInterruptedError
from shared_core.request import LLMRequest
from shared_core.simulator import Behaviour, Ceiling, Fault, Reply
from shared_core.simulator.recorder import RequestRecord

__all__ = ["SCENARIOS", "WIRES", "Scenario", "Seen"]

WIRES = ("openai", "anthropic", "responses", "gemini")
OPENAI = ("openai",)
FRAGILE = ("openai", "anthropic", "gemini")
"""Wires on which a lost event is lost: the last event of a Responses stream says all of it again."""

ALPHA = Reply("Alpha beta gamma")
# What comes in one read with the fault behind it is not shown: so that it comes in a read of its own.
PACED = replace(ALPHA, delay_chunk=0.05)
SECOND = Reply("Second answers.")
CHINESE = Reply("你好世界 Wie schön: 🌍🌎🌏")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the caller and the server see.

    Attributes:
        shown: The text that the caller got: all of it, or what came before the error.
        error: The error that was raised.
        kind: Its kind.
        by: The target that answered, as `model` or `model[profile]`.
        asked: The requests as they arrived.
        kinds: What became of each attempt: the kind of its failure, or its outcome.
        retry_after: Bounds of the error's `retry_after`; None if it must have none.
    """

    shown: str = ""
    error: type[Exception] | None = None
    kind: ErrorKind | None = None
    by: str | None = None
    asked: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    retry_after: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One story.

    Attributes:
        name: What happens.
        first: How `a/first` answers, request by request.
        second: How `b/second` answers.
        keys: How it answers a key, whatever the model: by profile name.
        profiles: Profiles of `a`.
        policy: Settings that differ from the usual ones.
        request: Fields of the request.
        seen: What a caller sees that collects the answer, and one that streams unless `streamed` says otherwise.
        streamed: What a caller sees that streams.
        wires: The wires over which it is played.
        check: More that must be true of the requests.
    """

    name: str
    first: Sequence[Behaviour | str] = ("ok",)
    second: Sequence[Behaviour | str] = (SECOND,)
    keys: Mapping[str, Sequence[Behaviour | str]] = field(default_factory=dict)
    profiles: tuple[str, ...] = ("main",)
    policy: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    seen: Seen
    streamed: Seen | None = None
    wires: tuple[str, ...] = WIRES
    check: Callable[[Sequence[RequestRecord]], bool] | None = None

    def expected(self, *, streams: bool) -> Seen:
        """What a driver's caller must see."""
        return self.streamed if streams and self.streamed is not None else self.seen

    def made(self, **more: Any) -> LLMRequest:
        """The request."""
        return LLMRequest(model="a/first", fallback_models=("b/second",), **{**self.request, **more})


def _over(kind: str = "transient") -> Seen:
    """The first target fails with `kind`, the second answers, and the caller sees nothing of it."""
    return Seen(shown="Second answers.", by="second", asked=("first", "second"), kinds=(kind, "succeeded"))


def _answered(text: str) -> Seen:
    return Seen(shown=text, by="first", asked=("first",), kinds=("succeeded",))


def _rejected(kind: ErrorKind, *, asked: tuple[str, ...] = ("first",)) -> Seen:
    return Seen(error=RequestRejectedError, kind=kind, asked=asked, kinds=(kind.value,) * len(asked))


def _interrupted(shown: str, kind: ErrorKind = ErrorKind.TRANSIENT) -> Seen:
    return Seen(shown=shown, error=StreamInterruptedError, kind=kind, asked=("first",), kinds=(kind.value,))


OVER = _over()
ALL_OF_IT = _answered("Alpha beta gamma")
SHORT = {"first_token_timeout": 0.2, "idle_timeout": 0.2}


def _breaks(name: str, fault: Fault, shown: str = "Alpha", **more: Any) -> Scenario:
    """A stream that breaks after content."""
    return Scenario(name=name, first=(fault,), seen=OVER, streamed=_interrupted(shown), **more)


def _status(status: int, kind: ErrorKind, **more: Any) -> Scenario:
    return Scenario(name=f"status {status}", first=(str(status),), seen=_over(kind.value), **more)


def _max_tokens(records: Sequence[RequestRecord]) -> list[int | None]:
    names = ("max_tokens", "max_completion_tokens", "max_output_tokens")
    return [
        next((found[name] for name in names if name in found), found.get("generationConfig", {}).get("maxOutputTokens"))
        for found in (record.body for record in records)
    ]


_HEALTHY = (
    Scenario(name="healthy", first=(ALPHA,), seen=ALL_OF_IT),
    Scenario(name="split at every byte", first=(replace(CHINESE, split=1),), seen=_answered(CHINESE.text or "")),
    Scenario(name="split at seven bytes", first=(replace(CHINESE, split=7),), seen=_answered(CHINESE.text or "")),
    Scenario(name="slow first token", first=(Reply("Alpha beta gamma", delay_first=0.1),), seen=ALL_OF_IT),
    Scenario(name="slow headers", first=(Reply("Alpha beta gamma", delay_headers=0.1),), seen=ALL_OF_IT),
    Scenario(
        name="slower than the idle timeout in all, never between two chunks",
        first=(Reply("Alpha beta gamma", delay_chunk=0.15),),
        policy={"idle_timeout": 0.29},
        seen=ALL_OF_IT,
    ),
    Scenario(name="one huge event", first=(Fault.huge_line(200_000),), seen=_answered("x" * 200_000)),
    Scenario(name="no mark after the finish reason", first=(Fault.no_done(reply=ALPHA),), seen=ALL_OF_IT),
    Scenario(name="whole JSON in place of a stream", first=(Fault.whole(reply=ALPHA),), seen=ALL_OF_IT),
    Scenario(
        name="a stream under the content type of JSON",
        first=(Fault.content_type("application/json", reply=ALPHA),),
        seen=ALL_OF_IT,
        wires=OPENAI,
    ),
    Scenario(
        name="ends at max_tokens",
        first=(ALPHA,),
        request={"max_tokens": 2},
        seen=_answered("Alpha beta"),
        wires=FRAGILE,  # the Responses API takes no limit below 16
    ),
    Scenario(name="pauses with keepalives", first=(Fault.keepalive(0.2, reply=ALPHA),), seen=ALL_OF_IT),
)

_STATUSES = (
    _status(500, ErrorKind.TRANSIENT),
    _status(502, ErrorKind.TRANSIENT),
    _status(503, ErrorKind.TRANSIENT),
    _status(504, ErrorKind.TRANSIENT),
    _status(529, ErrorKind.TRANSIENT),
    _status(408, ErrorKind.TRANSIENT),
    _status(401, ErrorKind.AUTH),
    _status(403, ErrorKind.AUTH, wires=OPENAI),
    _status(402, ErrorKind.BALANCE),
    _status(404, ErrorKind.MODEL_MISSING),
    _status(429, ErrorKind.RATE_LIMIT),
    Scenario(name="redirect to a login page", first=(Fault.redirect("/login"),), seen=_over("unknown")),
    Scenario(name="web page with 200", first=("html",), seen=_over("transient")),
    Scenario(name="gateway's web page", first=("gateway.bad_gateway",), seen=OVER),
    Scenario(name="retired model", first=("openai.model_not_found",), seen=_over("model_missing"), wires=OPENAI),
    Scenario(name="empty account", first=("openai.insufficient_quota",), seen=_over("balance"), wires=OPENAI),
    Scenario(name="Anthropic overloaded", first=("anthropic.overloaded",), seen=OVER, wires=("anthropic",)),
    Scenario(name="dead Gemini key as a 400", first=("gemini.invalid_key",), seen=_over("auth"), wires=("gemini",)),
    Scenario(
        name="the caller's mistake",
        first=("openai.bad_request",),
        seen=_rejected(ErrorKind.BAD_REQUEST),
        wires=OPENAI,
    ),
    Scenario(
        name="content filter", first=("openai.content_filter",), seen=_rejected(ErrorKind.CONTENT_FILTER), wires=OPENAI
    ),
    Scenario(
        name="content filter in place of an answer",
        first=(Reply(chunks=(), finish="content_filter"),),
        seen=_rejected(ErrorKind.CONTENT_FILTER),
        wires=OPENAI,
    ),
    Scenario(
        name="an action of the user's",
        first=("openai.bad_request",),
        policy={"actions": {"bad_request": "next_model"}},
        seen=_over("bad_request"),
        wires=OPENAI,
    ),
    Scenario(
        name="context overflow, no larger window known",
        first=("openai.context_length",),
        seen=_over("context_exceeded"),
        wires=OPENAI,
    ),
)

_PATIENCE = (
    Scenario(
        name="a short stated wait is waited for",
        first=(Fault.named("openai.rate_limit", retry_after=0.05), ALPHA),
        seen=Seen(shown="Alpha beta gamma", by="first", asked=("first", "first"), kinds=("rate_limit", "succeeded")),
        wires=OPENAI,
        check=lambda records: records[1].time - records[0].time >= 0.05,
    ),
    Scenario(
        name="a long stated wait fails over",
        first=(Fault.named("openai.rate_limit", retry_after=20), ALPHA),
        seen=_over("rate_limit"),
        wires=OPENAI,
    ),
    Scenario(
        name="a blip is asked again in place",
        first=("503", "reset", ALPHA),
        policy={"transient_backoffs": (0.01, 0.02)},
        seen=Seen(
            shown="Alpha beta gamma",
            by="first",
            asked=("first", "first", "first"),
            kinds=("transient", "transient", "succeeded"),
        ),
    ),
    Scenario(
        name="fail fast",
        first=("503",),
        policy={"transient_backoffs": (0.01, 0.02), "fail_fast": True},
        seen=OVER,
    ),
    Scenario(
        name="a stated wait that ends beyond the deadline is not waited for",
        first=(Fault.named("openai.rate_limit", retry_after=2),),
        request={"deadline": 1.5},
        seen=_over("rate_limit"),
        wires=OPENAI,
    ),
)

_KEYS = (
    Scenario(
        name="dead key with a good second one",
        first=(ALPHA,),
        keys={"main": ("401",)},
        profiles=("main", "backup"),
        seen=Seen(
            shown="Alpha beta gamma",
            by="first[backup]",
            asked=("first", "first[backup]"),
            kinds=("auth", "succeeded"),
        ),
    ),
    Scenario(
        name="rate limit of one key",
        first=(ALPHA,),
        keys={"main": (Fault.status(429, headers={"retry-after": "1"}),)},
        profiles=("main", "backup"),
        seen=Seen(
            shown="Alpha beta gamma",
            by="first[backup]",
            asked=("first", "first[backup]"),
            kinds=("rate_limit", "succeeded"),
        ),
    ),
    Scenario(
        name="both keys dead",
        keys={"main": ("401",), "backup": ("401",)},
        profiles=("main", "backup"),
        seen=Seen(
            shown="Second answers.",
            by="second",
            asked=("first", "first[backup]", "second"),
            kinds=("auth", "auth", "succeeded"),
        ),
    ),
    Scenario(
        name="an outage is no matter of keys",
        first=("503",),
        profiles=("main", "backup"),
        seen=OVER,
    ),
)

_BEFORE_CONTENT = (
    Scenario(name="reset before the headers", first=("reset",), seen=OVER),
    Scenario(name="closed before the headers", first=("close",), seen=OVER),
    Scenario(name="reset behind the headers", first=(Fault.reset(0, opening=False),), seen=OVER),
    Scenario(name="reset behind the opening event", first=(Fault.reset(0),), seen=OVER),
    Scenario(name="cut before content", first=(Fault.cut(0),), seen=OVER),
    Scenario(name="cut inside the first event", first=(Fault.cut(0, where="mid_event", reply=ALPHA),), seen=OVER),
    Scenario(name="empty stream", first=("empty",), seen=OVER),
    Scenario(name="stream with only its mark of the end", first=("only_done",), seen=OVER),
    Scenario(name="role-only stream", first=(Fault.truncated(0),), seen=OVER),
    Scenario(name="role-only chunk, then an error event", first=(Fault.error_event(),), seen=OVER),
    Scenario(name="error event at once", first=(Fault.error_event(opening=False),), seen=OVER),
    Scenario(
        name="rate limit inside a 200",
        first=(Fault.error_event("openai.tokens_rate_limit"),),
        policy={"patience": 0.1},
        seen=_over("rate_limit"),
        wires=OPENAI,
    ),
    Scenario(name="malformed event before content", first=(Fault.malformed(0, reply=ALPHA),), seen=OVER, wires=FRAGILE),
    Scenario(
        name="malformed event made good by the last one",
        first=(Fault.malformed(0, reply=ALPHA),),
        seen=ALL_OF_IT,
        wires=("responses",),
    ),
    # On OpenAI's wire words that are no event are read as an error's text, which here says nothing.
    Scenario(name="garbage", first=("garbage",), seen=_over("transient"), wires=OPENAI),
    Scenario(name="garbage in events", first=("garbage",), seen=OVER, wires=("anthropic", "responses", "gemini")),
    Scenario(name="garbage behind the opening event", first=(Fault.garbage(opening=True),), seen=OVER),
    Scenario(
        name="finish reason error",
        first=(Reply(chunks=(), finish="error"),),
        seen=OVER,
        wires=OPENAI,
    ),
)

_TIMERS = (
    Scenario(name="no answer", first=("silent",), policy=SHORT, seen=OVER),
    Scenario(name="headers, then silence", first=(Fault.stall(0, opening=False),), policy=SHORT, seen=OVER),
    Scenario(name="opening event, then silence", first=(Fault.stall(0),), policy=SHORT, seen=OVER),
    Scenario(
        name="first token too late",
        first=(Reply("Alpha beta gamma", delay_first=5),),
        policy=SHORT,
        seen=OVER,
        wires=OPENAI,
    ),
    Scenario(
        name="only keepalives",
        first=(Fault.keepalive(interval=0.02),),
        policy=SHORT,
        seen=OVER,
    ),
    Scenario(
        name="only keepalives, before the opening event",
        first=(Fault.keepalive(interval=0.02, opening=False),),
        policy=SHORT,
        seen=OVER,
        wires=OPENAI,
    ),
    Scenario(
        name="only keepalives as fast as they go",
        first=(Fault.keepalive(interval=0.001),),
        policy=SHORT,
        seen=OVER,
        wires=OPENAI,
    ),
    Scenario(
        name="a timed-out attempt is not repeated while another target is left",
        first=("silent",),
        policy={**SHORT, "transient_backoffs": (0.01,)},
        seen=OVER,
        wires=OPENAI,
    ),
    _breaks("stalls after content", Fault.stall(1, reply=ALPHA), policy=SHORT),
    _breaks("only keepalives after content", Fault.keepalive(interval=0.02, after=1, reply=ALPHA), policy=SHORT),
    Scenario(
        name="a pause in thought is progress",
        first=(Reply("Alpha beta gamma", reasoning="one two three four five", delay_chunk=0.05),),
        policy={"first_token_timeout": 0.25, "idle_timeout": 0.25},
        seen=ALL_OF_IT,
    ),
    Scenario(
        name="the last target is given longer for its first token",
        first=("503",),
        second=(Reply("Second answers.", delay_first=0.4),),
        policy={"first_token_timeout": 0.15},
        seen=OVER,
        wires=OPENAI,
    ),
    Scenario(
        name="deadline shared out, the rest for the last",
        first=("silent",),
        request={"deadline": 0.8},
        seen=OVER,
        wires=OPENAI,
    ),
    Scenario(
        name="deadline for all",
        first=("silent",),
        second=("silent",),
        request={"deadline": 0.3},
        seen=Seen(
            error=ChainExhaustedError,
            kind=ErrorKind.TRANSIENT,
            asked=("first", "second"),
            kinds=("transient", "transient"),
            retry_after=(0.0, 0.0),
        ),
        wires=OPENAI,
    ),
    Scenario(
        name="deadline in the middle of an answer",
        first=("503",),
        second=(Fault.stall(1, reply=SECOND),),
        request={"deadline": 0.4},
        seen=Seen(
            error=ChainExhaustedError,
            kind=ErrorKind.TRANSIENT,
            asked=("first", "second"),
            kinds=("transient", "transient"),
            retry_after=(0.0, 10.0),
        ),
        streamed=Seen(
            shown="Second",
            error=StreamInterruptedError,
            kind=ErrorKind.TRANSIENT,
            asked=("first", "second"),
            kinds=("transient", "transient"),
        ),
        wires=OPENAI,
    ),
)

_AFTER_CONTENT = (
    _breaks("reset after content", Fault.reset(1, reply=PACED)),
    _breaks("cut after content", Fault.cut(1, reply=PACED)),
    _breaks("cut inside an event", Fault.cut(1, where="mid_event", reply=PACED)),
    _breaks(
        "cut inside a character",
        Fault.cut(1, where="mid_character", reply=Reply(chunks=("Alpha", " schön", " so"), delay_chunk=0.05)),
    ),
    _breaks("clean end without the protocol's own", Fault.truncated(1, reply=PACED)),
    _breaks("all of the text, no finish reason", Fault.truncated(reply=PACED), "Alpha beta gamma"),
    _breaks("malformed event after content", Fault.malformed(1, reply=PACED), wires=FRAGILE),
    Scenario(
        name="malformed event after content made good by the last one",
        first=(Fault.malformed(1, reply=PACED),),
        seen=ALL_OF_IT,
        wires=("responses",),
    ),
    _breaks("error event after content", Fault.error_event(after=1, reply=PACED)),
    Scenario(
        name="finish reason error after content",
        first=(replace(PACED, finish="error"),),
        seen=OVER,
        streamed=_interrupted("Alpha beta gamma"),
        wires=OPENAI,
    ),
    Scenario(
        name="both break after content",
        first=(Fault.cut(1, reply=PACED),),
        second=(Fault.cut(1, reply=SECOND),),
        seen=Seen(
            error=ChainExhaustedError,
            kind=ErrorKind.TRANSIENT,
            asked=("first", "second"),
            kinds=("transient", "transient"),
            retry_after=(5.0, 10.0),
        ),
        streamed=_interrupted("Alpha"),
    ),
    Scenario(
        name="content filter after content",
        first=(Reply("Alpha beta gamma", finish="content_filter", delay_chunk=0.03),),
        seen=_rejected(ErrorKind.CONTENT_FILTER),
        streamed=_interrupted("Alpha beta gamma", ErrorKind.CONTENT_FILTER),
        wires=("openai", "responses", "gemini"),  # Anthropic's own is a refusal of the model's
    ),
    Scenario(
        name="silence behind the finish reason",
        first=(Fault.keepalive(interval=0.02, after=3, reply=PACED),),
        policy=SHORT,
        seen=OVER,
        streamed=_interrupted("Alpha beta gamma"),
    ),
)

_CEILINGS = (
    Scenario(
        name="max_tokens above the ceiling, as a 400",
        first=(Ceiling(100, then=ALPHA),),
        request={"max_tokens": 5000},
        seen=Seen(shown="Alpha beta gamma", by="first", asked=("first", "first"), kinds=("output_limit", "succeeded")),
        check=lambda records: _max_tokens(records) == [5000, 100],
    ),
    Scenario(
        name="max_tokens above the tier's ceiling, as a 429",
        first=(Ceiling(100, status=429, then=ALPHA),),
        request={"max_tokens": 5000},
        seen=Seen(shown="Alpha beta gamma", by="first", asked=("first", "first"), kinds=("output_limit", "succeeded")),
        check=lambda records: _max_tokens(records) == [5000, 100],
    ),
    Scenario(
        name="the lowered max_tokens stays with its target",
        first=(Ceiling(100, then=Fault.status(503)),),
        request={"max_tokens": 5000},
        seen=Seen(
            shown="Second answers.",
            by="second",
            asked=("first", "first", "second"),
            kinds=("output_limit", "transient", "succeeded"),
        ),
        check=lambda records: _max_tokens(records) == [5000, 100, 5000],
    ),
    Scenario(
        name="any max_tokens refused",
        first=(Ceiling(100, refuse_any=True),),
        request={"max_tokens": 5000},
        seen=_rejected(ErrorKind.OUTPUT_LIMIT, asked=("first", "first")),
    ),
    Scenario(
        name="max_tokens goes by another name",
        first=("openai.unsupported_max_tokens", ALPHA),
        request={"max_tokens": 50},
        seen=Seen(shown="Alpha beta gamma", by="first", asked=("first", "first"), kinds=("bad_request", "succeeded")),
        wires=OPENAI,
        check=lambda records: records[1].body.get("max_completion_tokens") == 50,
    ),
    Scenario(
        name="a temperature that is refused is left out",
        first=("openai.unsupported_temperature", ALPHA),
        request={"temperature": 0.0},
        seen=Seen(shown="Alpha beta gamma", by="first", asked=("first", "first"), kinds=("bad_request", "succeeded")),
        wires=OPENAI,
        check=lambda records: "temperature" in records[0].body and "temperature" not in records[1].body,
    ),
)

_ALL_DOWN = (
    Scenario(
        name="all down",
        first=("503",),
        second=("reset",),
        seen=Seen(
            error=ChainExhaustedError,
            kind=ErrorKind.TRANSIENT,
            asked=("first", "second"),
            kinds=("transient", "transient"),
            retry_after=(5.0, 10.0),
        ),
    ),
    Scenario(
        name="all down, each in its own way",
        first=(Fault.status(429, headers={"retry-after": "40"}),),
        second=("401",),
        seen=Seen(
            error=ChainExhaustedError,
            kind=ErrorKind.AUTH,
            asked=("first", "second"),
            kinds=("rate_limit", "auth"),
            retry_after=(4.0, 60.0),
        ),
    ),
    Scenario(
        name="nobody there",
        first=("close",),
        second=("close",),
        seen=Seen(
            error=ChainExhaustedError,
            kind=ErrorKind.TRANSIENT,
            asked=("first", "second"),
            kinds=("transient", "transient"),
            retry_after=(5.0, 10.0),
        ),
    ),
)

SCENARIOS = (
    *_HEALTHY,
    *_STATUSES,
    *_PATIENCE,
    *_KEYS,
    *_BEFORE_CONTENT,
    *_TIMERS,
    *_AFTER_CONTENT,
    *_CEILINGS,
    *_ALL_DOWN,
)
"""Every scenario."""
