"""A framework's own model object as a link of the chain, in sync and async code, under timers."""

from __future__ import annotations

import asyncio
import contextvars
import json
import pickle
import threading
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from typing import Any

import pytest

from shared_core.errors import ChainExhaustedError, ConfigurationError, ErrorKind, ProviderError, StreamInterruptedError
from shared_core.events import End, Finish, MemberChunk
from shared_core.manager import FailoverManager
from shared_core.messages import Message
from shared_core.policy import FailoverPolicy
from shared_core.providers.members import MemberProvider
from shared_core.providers.models import ModelInfo
from shared_core.request import LLMRequest

COLOUR = contextvars.ContextVar("colour", default="none")
STOP = Finish("stop", "stop")
ASK = LLMRequest(messages=(Message.of("user", "Hello"),))
AT_ONCE = FailoverPolicy(transient_backoffs=())


def piece(text: str, finish: Finish | None = None) -> MemberChunk:
    return MemberChunk(object(), text, bool(text), finish=finish)


class Scripted:
    """A member that plays a script: chunks are given, numbers are slept, events are waited for, errors are raised."""

    def __init__(self, *script: Any, model: str = "first", tells_finish: bool = False) -> None:
        self.script = script
        self.kind = "Scripted"
        self.model = model
        self.vendor: str | None = None
        self.info: ModelInfo | None = ModelInfo(context_window=1000)
        self.tells_finish = tells_finish
        self.given: list[MemberChunk] = []
        self.closed = threading.Event()
        self.thread: threading.Thread | None = None
        self.colour = ""

    def stream(self, request: LLMRequest) -> Generator[MemberChunk, None, None]:
        self.thread = threading.current_thread()
        self.colour = COLOUR.get()
        try:
            for step in self.script:
                match step:
                    case MemberChunk():
                        self.given.append(step)
                        yield step
                    case BaseException():
                        raise step
                    case threading.Event():
                        step.wait(10)
                    case _:
                        time.sleep(step)
        finally:
            self.closed.set()

    async def astream(self, request: LLMRequest) -> AsyncGenerator[MemberChunk, None]:
        self.colour = COLOUR.get()
        try:
            for step in self.script:
                match step:
                    case MemberChunk():
                        self.given.append(step)
                        yield step
                    case BaseException():
                        raise step
                    case threading.Event():
                        await asyncio.sleep(10)
                    case _:
                        await asyncio.sleep(step)
        finally:
            self.closed.set()


def ask(*members: Scripted, is_async: bool, hold: bool = False, policy: FailoverPolicy = AT_ONCE) -> list[Any]:
    """All events of one call through a chain of `members`."""
    manager = FailoverManager(policy=policy)
    names = [manager.registry.enrol(member) for member in members]
    request = LLMRequest(messages=ASK.messages, model=names[0], fallback_models=tuple(names[1:]))
    if not is_async:
        return list(manager.stream(request, hold=hold))

    async def collected() -> list[Any]:
        return [event async for event in manager.astream(request, hold=hold)]

    return asyncio.run(collected())


both = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


@both
def test_chunks_pass_as_the_same_objects(is_async: bool) -> None:
    """In order, and the report names the member."""
    member = Scripted(piece("One. "), piece("Two."), piece("", STOP))
    *shown, end = ask(member, is_async=is_async)
    assert shown == member.given
    assert all(one is other for one, other in zip(shown, member.given, strict=True))
    assert (end.report.model, end.report.provider, end.finish) == ("Scripted/first", "Scripted", STOP)
    assert member.closed.is_set()


@both
def test_a_failure_before_content_fails_over(is_async: bool) -> None:
    """Whatever a member raises is classified, and its empty chunks are thrown away."""
    broken = Scripted(piece(""), TimeoutError("slow"))
    *shown, end = ask(broken, Scripted(piece("Yes.", STOP), model="second"), is_async=is_async)
    assert [event.text for event in shown] == ["Yes."]
    failed = end.report.attempts[0]
    assert (failed.model, failed.kind, failed.outcome) == ("Scripted/first", ErrorKind.TRANSIENT, "failed")
    assert end.report.model == "Scripted#2/second"


@both
def test_a_failure_after_content_was_shown_is_told(is_async: bool) -> None:
    """The partial text is what the member gave before it broke."""
    member = Scripted(piece("Half"), ConnectionResetError("gone"))
    with pytest.raises(StreamInterruptedError) as caught:
        ask(member, Scripted(piece("Whole.", STOP)), is_async=is_async)
    assert caught.value.partial == "Half"


@both
def test_a_half_answer_that_nobody_saw_is_asked_for_elsewhere(is_async: bool) -> None:
    """Where the answer is shown whole, a break fails over."""
    member = Scripted(piece("Half"), ConnectionResetError("gone"))
    *shown, end = ask(member, Scripted(piece("Whole.", STOP)), is_async=is_async, hold=True)
    assert [event.text for event in shown] == ["Whole."]
    assert end.report.provider == "Scripted#2"


@both
def test_an_end_without_a_finish_reason_is_an_end(is_async: bool) -> None:
    """Many models say nothing about how they ended."""
    *shown, end = ask(Scripted(piece("All of it.")), is_async=is_async)
    assert isinstance(end, End)
    assert end.finish == Finish("other", "")
    assert shown[0].text == "All of it."


@both
def test_a_member_that_always_tells_has_not_ended_without(is_async: bool) -> None:
    """Its silence about the end is a truncation, never a shorter answer."""
    cut = Scripted(piece("Half of"), tells_finish=True)
    *shown, _ = ask(cut, Scripted(piece("Whole.", STOP)), is_async=is_async, hold=True)
    assert [event.text for event in shown] == ["Whole."]
    with pytest.raises(StreamInterruptedError, match="without a finish reason"):
        ask(Scripted(piece("Half of"), tells_finish=True), is_async=is_async)


@both
def test_an_empty_end_is_a_broken_stream(is_async: bool) -> None:
    """Neither content nor a finish: nothing was answered."""
    with pytest.raises(ChainExhaustedError) as caught:
        ask(Scripted(), is_async=is_async)
    assert caught.value.errors[0].code == "truncated"


@both
def test_timers_hold_around_a_member_that_blocks(is_async: bool) -> None:
    """The first token is late: the next target is asked while the member still hangs."""
    release = threading.Event()
    member = Scripted(release, piece("Late."))
    policy = FailoverPolicy(first_token_timeout=0.05, transient_backoffs=())
    began = time.monotonic()
    *_, end = ask(member, Scripted(piece("Yes.", STOP)), is_async=is_async, policy=policy)
    assert time.monotonic() - began < 5
    assert end.report.attempts[0].code == "first_token_timeout"
    release.set()
    assert member.closed.wait(5)
    if member.thread is not None:
        member.thread.join(5)
        assert not member.thread.is_alive()


@both
def test_silence_between_chunks_is_noticed(is_async: bool) -> None:
    """What came before it was shown is told as the partial."""
    release = threading.Event()
    member = Scripted(piece("Half"), release, piece("Late."))
    policy = FailoverPolicy(idle_timeout=0.05, transient_backoffs=())
    with pytest.raises(StreamInterruptedError) as caught:
        ask(member, is_async=is_async, policy=policy)
    assert caught.value.errors[-1].code == "idle_timeout"
    release.set()
    assert member.closed.wait(5)


def test_an_abandoned_member_is_closed_and_blamed_for_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Its thread ends with its next chunk, whatever it does then."""
    release = threading.Event()
    member = Scripted(piece("One."), release, piece("Two."), piece("Three."))
    manager = FailoverManager(policy=AT_ONCE)
    name = manager.registry.enrol(member)
    stream = manager.stream(LLMRequest(messages=ASK.messages, model=name))
    assert next(stream) is member.given[0]
    stream.close()
    release.set()
    assert member.closed.wait(5)
    assert member.thread is not None
    member.thread.join(5)
    assert not member.thread.is_alive()
    assert len(member.given) == 2
    (health,) = manager.health().models
    assert health.kind is None
    assert not caplog.records


def test_a_stream_that_is_never_read_starts_no_thread() -> None:
    """The member is asked with the first read."""
    member = Scripted(piece("One.", STOP))
    manager = FailoverManager()
    request = LLMRequest(messages=ASK.messages, model=manager.registry.enrol(member))
    manager.stream(request).close()
    assert member.thread is None


def test_no_thread_is_left_behind() -> None:
    """Hundreds of calls, whole and abandoned, leave as many threads as there were."""
    manager = FailoverManager()
    name = manager.registry.enrol(Scripted(piece("One."), piece("Two."), piece("", STOP)))
    request = LLMRequest(messages=ASK.messages, model=name)
    for number in range(300):
        stream = manager.stream(request)
        next(stream)
        if number % 2:
            list(stream)
        stream.close()
    deadline = time.monotonic() + 5
    while any(thread.name == "llm-failover-member" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.001)


@both
def test_the_callers_context_is_the_members(is_async: bool) -> None:
    """Tracing and request ids live in context variables."""
    member = Scripted(piece("Yes.", STOP))
    token = COLOUR.set("red")
    try:
        ask(member, is_async=is_async)
    finally:
        COLOUR.reset(token)
    assert member.colour == "red"


@both
def test_an_exception_that_is_no_error_reaches_the_caller(is_async: bool) -> None:
    """A member that wants the program to end is no failed target."""
    with pytest.raises(SystemExit):
        ask(Scripted(SystemExit(3)), Scripted(piece("Never.", STOP)), is_async=is_async)


@both
def test_a_chain_in_the_chain_fails_as_one_target(is_async: bool) -> None:
    """Its own errors are failed attempts of the outer chain, with their kind."""
    inner = ChainExhaustedError("all down\n  1. …", report=End(None, None, None, {}).report, kind=ErrorKind.RATE_LIMIT)  # type: ignore[arg-type]
    *_, end = ask(Scripted(inner), Scripted(piece("Yes.", STOP)), is_async=is_async)
    failed = end.report.attempts[0]
    assert (failed.kind, failed.message) == (ErrorKind.RATE_LIMIT, "all down")


def test_a_wrong_setting_inside_is_a_bad_request() -> None:
    """What a member refuses before it asks would be refused anywhere."""
    provider = MemberProvider(Scripted(), "Scripted")
    found = provider._judged(ConfigurationError("no such block"))
    assert (found.kind, found.message) == (ErrorKind.BAD_REQUEST, "no such block")


def test_a_classified_error_stays_itself() -> None:
    """A member may know better than the classifier."""
    error = ProviderError("cannot", kind=ErrorKind.MODEL_MISSING)
    assert MemberProvider(Scripted(), "Scripted")._judged(error) is error


def test_chunks_that_are_there_come_in_one_batch() -> None:
    """A reader that was away catches up at once, and the end comes behind them."""

    class Quiet:
        def on_interrupt(self, interrupt: Any) -> None:
            self.interrupt = interrupt

    provider = MemberProvider(Scripted(piece("a"), piece("b"), piece("c"), ValueError("d")), "Scripted")
    stream = provider.stream(_attempted(), Quiet())
    first = next(stream)
    deadline = time.monotonic() + 5
    while len(provider.member.given) < 3:  # type: ignore[attr-defined]
        assert time.monotonic() < deadline
    batches = [first]
    with pytest.raises(ProviderError, match="d"):
        batches += stream
    assert "".join(chunk.text for batch in batches for chunk in batch) == "abc"  # type: ignore[union-attr]


def _attempted() -> Any:
    from shared_core.providers.base import Attempted  # noqa: PLC0415

    return Attempted(request=ASK, profile="default", key=None, connect_timeout=1, read_timeout=1)


def test_members_get_names_of_their_own() -> None:
    """One object one name; a second of its class has a key, and so a provider, of its own."""
    registry = FailoverManager().registry
    one, other = Scripted(model="m"), Scripted(model="m")
    assert registry.enrol(one) == "Scripted/m"
    assert registry.enrol(other) == "Scripted#2/m"
    assert registry.enrol(one) == "Scripted/m"
    assert registry.member("Scripted#2") is other
    assert registry.member("openai") is None
    assert registry.info("Scripted", "m") == ModelInfo(context_window=1000)
    named_like_a_vendor = Scripted(model="m")
    named_like_a_vendor.kind = "OpenAI"
    assert registry.enrol(named_like_a_vendor) == "OpenAI/m"
    assert registry.resolve_model("OpenAI/m") == ("OpenAI", "m")
    assert registry.resolve_model("openai/m") == ("openai", "m")


@pytest.mark.parametrize("is_async", [False, True])
def test_an_error_of_ours_that_a_member_raises_is_not_its_own_cause(is_async: bool) -> None:
    """Whoever follows causes must come to an end."""
    error = ProviderError("half of it", kind=ErrorKind.TRANSIENT, code="truncated")
    with pytest.raises(ChainExhaustedError) as caught:
        ask(Scripted(error), is_async=is_async, policy=AT_ONCE)
    assert caught.value.errors[0] is error
    assert error.__cause__ is None


def test_a_document_that_could_not_be_read_is_not_sent_to_another_process() -> None:
    """A decoder's error holds all of it, and there may be a key in it."""
    with pytest.raises(ChainExhaustedError) as caught:
        ask(Scripted(json.JSONDecodeError("Unterminated string", '{"key": "key-main', 8)), is_async=False)
    assert isinstance(caught.value.errors[0].__cause__, json.JSONDecodeError)
    assert b"key-main" not in pickle.dumps(caught.value)


def test_a_model_string_means_the_member_that_took_its_name() -> None:
    """What a string stood for before the member was there is not remembered: another provider would be asked."""
    manager = FailoverManager(profiles={"openai": {"main": "k"}})
    request = LLMRequest(model="OpenAI/m")
    assert [link.name for link in manager.chain(request)] == ["openai/m"]
    member = Scripted(piece("Mine.", STOP), model="m")
    member.kind = "OpenAI"
    manager.registry.enrol(member)
    assert [link.name for link in manager.chain(request)] == ["OpenAI/m"]
    assert manager.complete(replace(ASK, model="OpenAI/m")).text == "Mine."


def test_a_dead_key_of_one_member_is_not_its_siblings() -> None:
    """Two objects of one class may have two accounts."""
    error = ProviderError("bad key", kind=ErrorKind.AUTH)
    *_, end = ask(Scripted(error), Scripted(piece("Yes.", STOP)), is_async=False)
    assert end.report.provider == "Scripted#2"
