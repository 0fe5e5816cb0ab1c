"""The engine's front door: what a person sets, asks and takes out, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from shared_core.errors import ConfigurationError, ErrorKind, ProviderError, RequestRejectedError
from shared_core.events import Details, Failed, Finish, ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta
from shared_core.intake import Intake
from shared_core.manager import FailoverManager
from shared_core.messages import Image, Message
from shared_core.policy import FailoverPolicy
from shared_core.providers.channels import ClientChannel
from shared_core.providers.clients import Clients, _close_in_own_process
from shared_core.request import LLMRequest
from shared_core.simulator import Reply, Simulator, ToolCall
from tests.http.conftest import Maker, asking

CHAIN = ("a/first", "b/second")


def test_an_empty_chain(manager: FailoverManager) -> None:
    """A request without a model, to a manager without fallbacks, asks nobody."""
    with pytest.raises(ConfigurationError, match="LLM request has no model resolved"):
        manager.complete(LLMRequest())


def test_the_managers_fallbacks_end_the_chain(sim: Simulator, make: Maker) -> None:
    """They come after those of the request, each model once."""
    sim.script("first", "503")
    answer = make(fallbacks=["a/first", " b/second "]).complete(asking("a/first"))
    assert [attempt.model for attempt in answer.report.attempts] == list(CHAIN)


def test_disable_enable_reset(sim: Simulator, manager: FailoverManager) -> None:
    """A person takes a model out and lets it in again; a reset forgets what is held against it."""
    manager.disable("a/first", "under repair")
    assert manager.explain(asking(*CHAIN)).candidates[0].skip == "disabled: under repair"
    assert manager.complete(asking(*CHAIN)).report.model == "b/second"
    manager.enable("a/first")
    sim.script("first", "503", "ok")
    assert manager.complete(asking(*CHAIN)).report.model == "b/second"
    manager.reset("a/first")
    assert manager.complete(asking(*CHAIN)).report.model == "a/first"
    manager.reset()
    assert all(model.state == "open" for model in manager.health().models)


def test_a_policy_for_one_call(sim: Simulator, manager: FailoverManager) -> None:
    """Settings of one call count for it alone."""
    sim.script("first", "400")
    lenient = FailoverPolicy(actions={ErrorKind.BAD_REQUEST: "next_model"})
    assert manager.complete(asking(*CHAIN), policy=lenient).report.model == "b/second"
    with pytest.raises(RequestRejectedError):
        manager.complete(asking(*CHAIN))


def test_a_broken_stream_is_continued(sim: Simulator, make: Maker) -> None:
    """The next target goes on from what was shown, and what it repeats is dropped."""
    sim.script("first", "cut@1")
    sim.script("second", Reply("You said: so"))
    events = list(make(mid_stream="continue").stream(asking(*CHAIN)))
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "You said: so"
    assert len(sim.requests_for("second")) == 1


def test_tool_calls_alone_are_an_answer(sim: Simulator, manager: FailoverManager) -> None:
    """So are a refusal and thoughts with text, each kept apart."""
    sim.script(
        "first",
        Reply(tool_calls=(ToolCall("look", {"at": "it"}),)),
        Reply(refusal="No."),
        Reply("Yes", reasoning="Hm hm"),
    )
    answers = [manager.complete(asking()) for _ in range(3)]
    assert [call.name for call in answers[0].tool_calls] == ["look"]
    assert answers[1].refusal == "No."
    assert (answers[2].text, answers[2].reasoning[0].text) == ("Yes", "Hm hm")


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"extra_headers": {"x-name": "Zoë"}}, "not_encodable"), ({"extra_body": {"odd": object()}}, "not_json")],
    ids=["header", "body"],
)
def test_a_request_that_cannot_be_written(
    fields: dict[str, object], code: str, sim: Simulator, manager: FailoverManager
) -> None:
    """It is the caller's mistake, told as such, and would be wrong anywhere."""
    with pytest.raises(RequestRejectedError) as caught:
        manager.complete(asking(*CHAIN, **fields))
    assert caught.value.errors[0].code == code
    assert not sim.requests


def test_what_follows_the_end_is_read_and_passed_over(make: Maker) -> None:
    """Behind the mark of the end the body is read on, so that its connection can be used again; it says nothing."""
    text = b'data: {"choices":[{"index":0,"delta":{"content":"Alpha"},"finish_reason":"stop"}]}\n\n'
    headers = {"content-type": "text/event-stream"}
    read = []

    def pieces() -> Iterator[bytes]:
        for piece in (text, b"data: [DONE]\n\n", b"data: no JSON\n\n"):
            read.append(piece)
            yield piece

    class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            return pieces()

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in pieces():
                yield piece

    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, stream=Pieces()))
    with httpx.Client(transport=transport) as client:
        assert make(http_client=client).complete(asking()).text == "Alpha"

    async def ask() -> str:
        async with httpx.AsyncClient(transport=transport) as client:
            return (await make(http_async_client=client).acomplete(asking())).text

    assert asyncio.run(ask()) == "Alpha"
    assert len(read) == 6


def test_a_provider_that_cannot_be_asked(sim: Simulator, make: Maker) -> None:
    """A provider that was taken out, and one that was never known, are skipped with the reason."""
    manager = make()
    manager.registry.disable("a", "under repair")
    answer = manager.complete(asking("a/first", "nobody/knows", "b/second"))
    assert [skip.model for skip in answer.report.skips] == ["a/first", "nobody/knows"]
    assert answer.report.skips[0].reason == "provider 'a' is disabled: under repair"


def test_a_model_that_cannot_do_it(sim: Simulator, make: Maker) -> None:
    """A model that is known not to read images is not asked about one, and the trail says so."""
    manager = make(base_urls={"deepseek": sim.base_url, "b": sim.base_url}, profiles={"deepseek": {"main": "key-main"}})
    picture = Message("user", (Image(url="https://pictures.invalid/cat.png"),))
    request = LLMRequest(model="deepseek/deepseek-chat", fallback_models=("b/second",), messages=(picture,))
    answer = manager.complete(request)
    assert answer.report.skips[0].reason == "does not read images"
    assert answer.report.model == "b/second"


class TestIntake:
    def test_nothing_is_shown_before_content(self) -> None:
        """What comes before the first content is held, and shown with it."""
        intake = Intake(hold=False)
        details, text = Details({"id": "1"}), TextDelta("Al")
        assert intake.feed([details]) == ()
        assert not intake.has_content
        assert intake.feed([text]) == [details, text]
        assert (intake.is_shown, intake.text, intake.details) == (True, "Al", {"id": "1"})

    def test_content_in_one_batch_with_a_failure_is_not_shown(self) -> None:
        """The attempt can still be replaced unseen; behind shown content it is shown."""
        failed = Failed(ProviderError("broke", kind=ErrorKind.TRANSIENT))
        assert Intake(hold=False).feed([TextDelta("Al"), failed]) == ()
        intake = Intake(hold=False)
        intake.feed([TextDelta("Al")])
        assert intake.feed([TextDelta("pha"), failed]) == [TextDelta("pha")]

    def test_progress_without_text_shows_nothing(self) -> None:
        """An empty delta moves the timers; one with a signature alone is shown."""
        intake = Intake(hold=False)
        assert not intake.feed([TextDelta("")])
        assert intake.has_moved
        assert not intake.is_shown
        assert intake.feed([TextDelta("", signature="proof")]) == [TextDelta("", signature="proof")]

    def test_held_to_the_end(self) -> None:
        """Where the whole answer is wanted nothing is shown, and all of it is there at the end."""
        intake = Intake(hold=True)
        events = [ReasoningDelta("Hm"), RefusalDelta("No"), ToolCallDelta(0), Finish("stop", "stop")]
        assert intake.feed(events) == ()
        assert list(intake.peek()) == events
        assert intake.rest() == events
        assert (intake.has_tools, intake.finish) == (True, events[-1])

    def test_a_finish_may_be_a_failure(self) -> None:
        """The word "error" always, "content_filter" where nothing was said."""
        for reason, kind in (("error", ErrorKind.TRANSIENT), ("content_filter", ErrorKind.CONTENT_FILTER)):
            intake = Intake(hold=False)
            intake.feed([Finish(reason, "")])
            assert intake.error is not None
            assert intake.error.kind is kind


def test_a_client_of_another_process_is_not_closed_here() -> None:
    """What a child inherits belongs to its parent."""
    with httpx.Client() as client:
        _close_in_own_process(ClientChannel(client), -1)
        assert not client.is_closed


def test_a_client_that_another_thread_just_made_is_taken() -> None:
    """Whoever waited for the lock finds the client of whoever had it."""
    clients = Clients()
    made = ClientChannel(httpx.Client())

    class Lock:
        def __enter__(self) -> None:
            clients._channel = made

        def __exit__(self, *_: object) -> None:
            return

    clients._lock = Lock()
    assert clients.sync() is made
    made.close()
