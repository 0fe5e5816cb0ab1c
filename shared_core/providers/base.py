"""What a provider and a wire owe the engine.

A *wire* is a protocol without I/O: it encodes a request into one HTTP call and decodes the bytes that come back into
events. A *provider* performs that over a transport, or wraps a framework's own model object. A *vendor* is a row of
data: a base URL, a wire and its quirks.

Invariants: a decoder never raises; what is wrong with a stream is its last event, `Failed`. It is never told about
time. Nothing here retries.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from dataclasses import field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import SecretStr

from shared_core.events import WireEvent
from shared_core.records import record
from shared_core.request import LLMRequest

__all__ = ["Attempted", "Auth", "Decoder", "Guard", "HTTPCall", "Provider", "Vendor", "Wire"]

Auth = Literal["bearer", "api-key", "x-api-key", "x-goog-api-key", "none"]
"""Where the key travels: `Authorization: Bearer`, or the header of that name. Never in a URL."""


@record(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One provider as data.

    Attributes:
        name: Provider's name, the part before the slash in a model string.
        wire: Name of its protocol: "openai", "anthropic", "gemini", "responses".
        base_url: Where it lives, without the wire's own path; None if the user must say.
        base_url_env: Environment variable that overrides `base_url`, if the vendor documents one.
        key_env: Environment variables that hold its key, first found wins.
        needs_key: False for local servers that take any key or none.
        auth: How the key is sent.
        path: Path of the call below `base_url`; None for the wire's own. May contain `{model}`.
        query: Query parameters of every call.
        headers: Headers of every call.
        aliases: Other names under which users know it.
        max_tokens_field: Body field for `max_tokens`.
        system_role: Role that carries system messages.
        streams_usage: Send `stream_options: {"include_usage": true}`.
        omits: Body fields that it refuses; they are left out.
        renames: Body fields that it knows under another name.
        tool_id: Regular expression (full match) of the tool-call ids that it accepts; None for any.
        takes_prefill: It continues a trailing assistant message.
        alternates: It refuses two turns of one role in a row, a user's turn right behind a tool's result, and system
            messages but the first.
        understands_marks: Keys of `marks` that it understands; others are not sent.
        reasoning_field: Field of an assistant message in which it wants its own reasoning back, in conversations with
            tool calls; None if it wants none.
        demands_reasoning: It refuses turns of such a conversation that lack that field.
        ends_with_done: Its streams may end in `[DONE]` without a finish reason, so that this alone is an end.
        takes_json_schema: It takes `response_format` of type "json_schema"; else the schema is told in words.
        thinks_silently: Regular expression of models that may be silent for long before their first token.
        docs: Public page that this row was checked against.
    """

    name: str
    wire: str = "openai"
    base_url: str | None = None
    base_url_env: str | None = None
    key_env: tuple[str, ...] = ()
    needs_key: bool = True
    auth: Auth = "bearer"
    path: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    max_tokens_field: str = "max_tokens"
    system_role: str = "system"
    streams_usage: bool = True
    omits: frozenset[str] = frozenset()
    renames: Mapping[str, str] = field(default_factory=dict)
    tool_id: str | None = None
    takes_prefill: bool = False
    alternates: bool = False
    understands_marks: frozenset[str] = frozenset()
    reasoning_field: str | None = None
    demands_reasoning: bool = False
    ends_with_done: bool = False
    takes_json_schema: bool = True
    thinks_silently: str | None = None
    docs: str = ""


@record(frozen=True, slots=True)
class HTTPCall:
    """One HTTP POST, ready to send. Its repr shows no header, since one of them holds the key."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Decoder(Protocol):
    """Turns the body of one successful (2xx) response into events; made anew for each response."""

    @property
    def is_complete(self) -> bool:
        """The protocol says that nothing of interest follows; the rest is read only to reuse the connection."""

    def feed(self, data: bytes) -> list[WireEvent]:
        """Events in `data`, which may begin and end anywhere. Never raises; a broken stream ends in `Failed`."""

    def end(self) -> list[WireEvent]:
        """Events at the end of the body: `Failed` (transient, code "truncated") unless the protocol had ended."""


class Wire(Protocol):
    """A protocol, without I/O."""

    @property
    def name(self) -> str:
        """The wire's name, as vendors refer to it."""

    def encode(
        self,
        request: LLMRequest,
        *,
        vendor: Vendor,
        base_url: str,
        key: str | None,
        omit: frozenset[str] = frozenset(),
        renames: Mapping[str, str] = MappingProxyType({}),
    ) -> HTTPCall:
        """One streaming call. `request.model` is the model id as the provider knows it.

        `omit` and `renames` are body fields learnt from this model's refusals, on top of the vendor's own.
        """

    def decoder(self, *, vendor: Vendor, content_type: str) -> Decoder:
        """A decoder for one response; `content_type` tells a stream from a whole JSON answer."""


class Guard(Protocol):
    """How the engine reaches into a call that blocks: it calls `interrupt` when a timer runs out."""

    def on_interrupt(self, interrupt: Any) -> None:
        """Registers a callable, safe to call from another thread, that makes the blocked read fail at once."""


class Attempted(NamedTuple):
    """All that a provider needs for one attempt.

    Attributes:
        request: The request as this target gets it; `request.model` is the provider's model id.
        profile: Name of the profile.
        key: Its key, or None where none is needed.
        connect_timeout: Seconds for the connection.
        read_timeout: Seconds that one read may take; a backstop behind the engine's own timers.
        omit: Body fields to leave out.
        renames: Body fields to send under another name.
        head_timeout: Seconds that one read may take before the response's head is there; None for `read_timeout`.
    """

    request: LLMRequest
    profile: str
    key: SecretStr | None
    connect_timeout: float
    read_timeout: float
    omit: frozenset[str] = frozenset()
    renames: Mapping[str, str] = MappingProxyType({})
    head_timeout: float | None = None


class Provider(Protocol):
    """Something that can be asked."""

    @property
    def name(self) -> str:
        """Provider's name, as in model strings."""

    def stream(self, attempted: Attempted, guard: Guard) -> Generator[Sequence[WireEvent], None, None]:
        """The answer as batches of events, one batch a network read; an empty batch shows life without content.

        Raises:
            ProviderError: Whatever went wrong; already classified.
        """

    def astream(self, attempted: Attempted) -> AsyncGenerator[Sequence[WireEvent], None]:
        """The same, natively async. Timers act by cancelling the read."""
