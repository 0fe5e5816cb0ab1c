"""What the local provider can be told to do: healthy replies, faults, and rules that choose between the two.

A behaviour is a frozen value without any wire in it: the same `Fault.cut(after=2)` breaks an OpenAI stream, an
Anthropic stream and a Gemini stream, each in its own bytes. Everything here turns into plain JSON and back
(`notation`), but for `Reply.answer`, which is code.

Invariants: durations are seconds; `after` counts chunks that bear content; nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from shared_core.errors import ConfigurationError

__all__ = ["Behaviour", "Ceiling", "Cut", "Fault", "FaultKind", "Flap", "RateLimit", "Reply", "ToolCall"]

Cut = Literal["event", "mid_event", "mid_character"]
"""Where a stream is cut: between two events, inside one, or inside a UTF-8 sequence."""

FaultKind = Literal[
    "status",
    "named",
    "reset",
    "close",
    "cut",
    "silent",
    "stall",
    "keepalive",
    "truncated",
    "no_done",
    "malformed",
    "garbage",
    "error_event",
    "empty",
    "only_done",
    "whole",
    "content_type",
]

_EMPTY: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call that a reply makes. `arguments` is an object, or the raw text where it should be broken JSON."""

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A healthy answer.

    It obeys the request: `max_tokens` (one chunk counts as one token), `stop`, `stream`, `tools` with `tool_choice`,
    `response_format`. What is set here is said as it is; what is left out is made up from the request, always in
    the same way.

    Attributes:
        text: The answer. None: the last user message is echoed, a required tool is called, asked-for JSON is made.
        chunks: The answer in exactly these pieces, instead of `text` cut at words.
        reasoning: Thoughts sent before the answer, in the wire's own form.
        tool_calls: Tool calls after the text.
        refusal: The model's refusal, where the wire has a place for it; else sent as text.
        finish: "stop", "length", "tool_calls", "content_filter", or any raw word; None: what follows from the answer.
        usage: `input`, `output`, `cached`, `cache_written`, `reasoning`, `audio` token counts; what is left out is
            counted in words, or none.
        model: Model name that the answer states; None: the one that was asked for.
        delay_headers: Wait before the response head.
        delay_first: Wait between the head (and the opening event) and the first content.
        delay_chunk: Wait before each further chunk.
        split: Send the body in TCP segments of this many bytes.
        answer: Called with the request's body; returns the reply to give. For scripted agents.
    """

    text: str | None = None
    chunks: Sequence[str] | None = None
    reasoning: str | None = None
    tool_calls: Sequence[ToolCall] = ()
    refusal: str | None = None
    finish: str | None = None
    usage: Mapping[str, int] | None = None
    model: str | None = None
    delay_headers: float = 0.0
    delay_first: float = 0.0
    delay_chunk: float = 0.0
    split: int | None = None
    answer: Callable[[Any], Reply] | None = None

    def __post_init__(self) -> None:
        if self.split is not None and self.split < 1:
            raise ConfigurationError(f"split must be at least 1 byte, got {self.split}")


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to misbehave. Made by its class methods, which say what each kind does.

    `reply` is the healthy answer around the fault: the chunks before it, and after it where something follows.
    `opening=False` leaves out the event that opens a stream (OpenAI's role-only chunk, Anthropic's `message_start`).
    """

    kind: FaultKind
    http_status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    after: int | None = None
    where: Cut = "event"
    seconds: float | None = None
    interval: float = 0.05
    data: str | None = None
    opening: bool = True
    reply: Reply = field(default_factory=Reply)

    def __post_init__(self) -> None:
        if self.interval <= 0 or (self.after is not None and self.after < 0):
            raise ConfigurationError(
                f"interval must be above 0 and after at least 0, got {self.interval}, {self.after}"
            )

    @classmethod
    def status(cls, status: int, body: Any = None, headers: Mapping[str, str] = _EMPTY, *, delay: float = 0.0) -> Fault:
        """A whole HTTP response: any status, any body (JSON value or text) and headers.

        Without a body it gets the error that the wire's provider would send.
        """
        return cls("status", http_status=status, body=body, headers=headers, seconds=delay)

    @classmethod
    def named(cls, name: str, headers: Mapping[str, str] = _EMPTY, **values: Any) -> Fault:
        """A provider's documented error by its name, see `shared_core.simulator.catalogue`.

        `headers` come on top of its own; `values` fill its text (`retry_after=0.2`, `limit=16384`).
        """
        return cls("named", name=name, headers=headers, values=values)

    @classmethod
    def reset(cls, after: int | None = None, *, opening: bool = True, reply: Reply | None = None) -> Fault:
        """The connection is reset (RST): before the head, or after the head and `after` chunks."""
        return cls("reset", after=after, opening=opening, reply=reply or Reply())

    @classmethod
    def close(cls) -> Fault:
        """The connection is closed in good form (FIN) before any byte of the response."""
        return cls("close")

    @classmethod
    def cut(cls, after: int = 1, *, where: Cut = "event", opening: bool = True, reply: Reply | None = None) -> Fault:
        """The connection is closed in the body, after `after` chunks; the chunked encoding stays unfinished.

        "mid_character" cuts in the first non-ASCII character from there on; without one it is "mid_event".
        """
        return cls("cut", after=after, where=where, opening=opening, reply=reply or Reply())

    @classmethod
    def silent(cls, seconds: float | None = None, *, reply: Reply | None = None) -> Fault:
        """No byte of a response, for ever or for some seconds before the reply."""
        return cls("silent", seconds=seconds, reply=reply or Reply())

    @classmethod
    def stall(
        cls, after: int = 1, seconds: float | None = None, *, opening: bool = True, reply: Reply | None = None
    ) -> Fault:
        """Silence after `after` chunks, for ever or for some seconds before the rest."""
        return cls("stall", after=after, seconds=seconds, opening=opening, reply=reply or Reply())

    @classmethod
    def keepalive(
        cls,
        seconds: float | None = None,
        *,
        interval: float = 0.05,
        after: int = 0,
        opening: bool = True,
        comment: str | None = None,
        reply: Reply | None = None,
    ) -> Fault:
        """Only keepalives from `after` chunks on, for ever or for some seconds before the rest.

        They are the wire's own (a comment `: ping`, Anthropic's ping event, empty lines in a whole JSON answer) or
        `comment`.
        """
        return cls(
            "keepalive",
            seconds=seconds,
            interval=interval,
            after=after,
            opening=opening,
            data=comment,
            reply=reply or Reply(),
        )

    @classmethod
    def truncated(cls, after: int | None = None, *, opening: bool = True, reply: Reply | None = None) -> Fault:
        """A clean end of the body without the protocol's own: after `after` chunks, or after all of the text.

        `after=0` is a role-only stream.
        """
        return cls("truncated", after=after, opening=opening, reply=reply or Reply())

    @classmethod
    def no_done(cls, *, reply: Reply | None = None) -> Fault:
        """All of the answer with its finish reason, but not the mark after it (`[DONE]`, `message_stop`)."""
        return cls("no_done", reply=reply or Reply())

    @classmethod
    def malformed(cls, after: int = 1, data: str | None = None, *, reply: Reply | None = None) -> Fault:
        """One event whose data is broken JSON (`data`) in place of a chunk; the rest follows."""
        return cls("malformed", after=after, data=data, reply=reply or Reply())

    @classmethod
    def garbage(cls, data: bytes = b"\x00\xff\xfe garbage \x80", after: int = 0, *, opening: bool = False) -> Fault:
        """Bytes that are no protocol at all, then a clean end."""
        return cls("garbage", after=after, data=data.decode("utf-8", "surrogateescape"), opening=opening)

    @classmethod
    def error_event(
        cls, error: Any = None, after: int = 0, *, opening: bool = True, reply: Reply | None = None
    ) -> Fault:
        """An error inside a 200: after the opening event and `after` chunks. Then a clean end.

        `error` is a name of the catalogue, a whole error body, or None for the wire's own overload error.
        """
        return cls("error_event", body=error, after=after, opening=opening, reply=reply or Reply())

    @classmethod
    def empty(cls) -> Fault:
        """A 200 with the right content type and no byte of body."""
        return cls("empty")

    @classmethod
    def only_done(cls) -> Fault:
        """A stream that holds nothing but the mark of its end."""
        return cls("only_done")

    @classmethod
    def whole(cls, *, reply: Reply | None = None) -> Fault:
        """A whole JSON answer although a stream was asked for."""
        return cls("whole", reply=reply or Reply())

    @classmethod
    def content_type(cls, value: str, *, reply: Reply | None = None) -> Fault:
        """The right body under the wrong content type."""
        return cls("content_type", data=value, reply=reply or Reply())

    @classmethod
    def html(cls, status: int = 200, title: str = "Welcome") -> Fault:
        """A web page, as captive portals and broken gateways send it."""
        page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
        return cls.status(status, page, {"content-type": "text/html; charset=utf-8"})

    @classmethod
    def redirect(cls, location: str, status: int = 307) -> Fault:
        """A redirect, as to a login page."""
        return cls.status(status, "", {"location": location, "content-type": "text/plain"})

    @classmethod
    def slow(cls, seconds: float, *, text: str | None = None) -> Reply:
        """A healthy reply whose first content is late."""
        return Reply(text, delay_first=seconds)

    @classmethod
    def split(cls, size: int = 1, *, text: str | None = None) -> Reply:
        """A healthy reply in TCP segments of `size` bytes, which split events, lines and UTF-8 sequences."""
        return Reply(text, split=size)

    @classmethod
    def huge_line(cls, size: int = 1_000_000) -> Reply:
        """A healthy reply in one event of about `size` bytes."""
        return Reply(chunks=("x" * size,))


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Refuses a request whose `max_tokens` is above `limit`, in the words of the wire's provider; else `then`.

    `status=429` sends it as gateways do that meter by tier: a ceiling in a rate limit's clothes. `refuse_any` refuses
    every request that states a `max_tokens` at all.
    """

    limit: int
    status: int = 400
    refuse_any: bool = False
    then: Reply | Fault = field(default_factory=Reply)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `requests` in any `window` seconds, per key or per key and model; else a 429 with Retry-After."""

    requests: int
    window: float
    per: Literal["key", "key_and_model"] = "key_and_model"
    then: Reply | Fault = field(default_factory=Reply)


@dataclass(frozen=True, slots=True)
class Flap:
    """Healthy (`then`) for `up`, faulty for `down`, over and over: seconds since its first request, or requests."""

    up: float
    down: float
    by: Literal["seconds", "requests"] = "seconds"
    first: Literal["up", "down"] = "up"
    fault: Fault = field(default_factory=lambda: Fault.status(503))
    then: Reply = field(default_factory=Reply)

    def __post_init__(self) -> None:
        if self.up < 0 or self.down < 0 or self.up + self.down <= 0:
            raise ConfigurationError(f"up and down must be at least 0 and not both 0, got {self.up} and {self.down}")


Behaviour: TypeAlias = Reply | Fault | Ceiling | RateLimit | Flap
"""One answer to one request."""
