"""What the engine does when a stream breaks after its content was shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from shared_core import FailoverManager, FailoverPolicy, LLMRequest, Message, StreamInterruptedError, Tool, Vendor
from shared_core.events import Finish, ReasoningDelta, Restart, StreamEvent, TextDelta
from shared_core.request import JSONObject
from shared_core.simulator import Fault, Reply, Simulator

WHOLE = "The capital of France is Paris, and it lies on the Seine, a river that flows to the sea."
SHOWN = "The capital of France is Paris, and it"
REST = WHOLE[len(SHOWN) :]
FLAVOURS = ("sync", "async")
PREFILL_REFUSED = {
    "error": {"message": "This model does not support assistant message prefill.", "type": "invalid_request_error"}
}


@pytest.fixture
def provider() -> Iterator[Simulator]:
    with Simulator() as simulator:
        simulator.script("broken", Fault.cut(8, reply=Reply(WHOLE)))
        yield simulator


def manager(provider: Simulator, **settings: Any) -> FailoverManager:
    native = Vendor(name="native", base_url=provider.base_url, needs_key=False, takes_prefill=True)
    given = {"transient_backoffs": (), "mid_stream": "continue", **settings}
    return FailoverManager(
        base_urls=dict.fromkeys("abc", provider.base_url), vendors=[native], policy=FailoverPolicy(**given)
    )


def request(*models: str, **settings: Any) -> LLMRequest:
    question = (Message.of("user", "Where?"),)
    return LLMRequest(model=models[0], fallback_models=models[1:], messages=question, **settings)


async def events(engine: FailoverManager, asked: LLMRequest, flavour: str) -> list[StreamEvent]:
    if flavour == "sync":
        return list(engine.stream(asked))
    found = [event async for event in engine.astream(asked)]
    await engine.aclose()
    return found


def text(found: list[StreamEvent]) -> str:
    return "".join(event.text for event in found if isinstance(event, TextDelta))


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize(
    "second",
    [REST, WHOLE, "France is Paris, and it" + REST, "... France is Paris, and it" + REST],
    ids=["goes on", "starts over", "repeats the last words", "with dots"],
)
async def test_the_joined_text_is_seamless(provider: Simulator, flavour: str, second: str) -> None:
    """However the next target goes on, what is shown is the whole answer, once."""
    provider.script("second", Reply(second, chunks=[second[at : at + 5] for at in range(0, len(second), 5)]))
    with manager(provider) as engine:
        found = await events(engine, request("a/broken", "b/second"), flavour)
    assert text(found) == WHOLE
    assert [event.raw for event in found if isinstance(event, Finish)] == ["stop"]
    assert found[-1].report.continued
    assert [step.resumed_at for step in found[-1].report.attempts] == [None, len(SHOWN)]


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_a_target_that_breaks_again_is_followed_by_the_next(provider: Simulator, flavour: str) -> None:
    """Three targets make one answer, and each is asked with all that was shown before it."""
    provider.script("second", Fault.cut(5, reply=Reply("Paris, and it" + REST)))
    provider.script("third", Reply("and it lies on the Seine, a river that flows to the sea."))
    with manager(provider) as engine:
        found = await events(engine, request("a/broken", "b/second", "c/third"), flavour)
    assert text(found) == WHOLE
    resumed = [step.resumed_at for step in found[-1].report.attempts]
    assert resumed == [None, len(SHOWN), len("The capital of France is Paris, and it lies on")]


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_another_answer_is_not_glued_on(provider: Simulator, flavour: str) -> None:
    """A target that starts over with other words is left for the next one, and nothing of it is shown."""
    provider.script(
        "second", Reply("The capital of France is Lyon, as everybody knows who has ever been there at all.")
    )
    provider.script("third", Reply("is Paris, and it" + REST))
    with manager(provider) as engine:
        found = await events(engine, request("a/broken", "b/second", "c/third"), flavour)
    assert text(found) == WHOLE
    assert found[-1].report.model == "c/third"
    assert [model.failures for model in engine.health().models] == [1, 0, 0]


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_nobody_left_raises_with_the_partial(provider: Simulator, flavour: str) -> None:
    """Without another target the caller gets what was shown, in the error."""
    with manager(provider) as engine:
        with pytest.raises(StreamInterruptedError) as caught:
            await events(engine, request("a/broken", "b/broken"), flavour)
        await engine.aclose()
    assert caught.value.partial.startswith(SHOWN)
    assert len(caught.value.errors) == 2


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize(
    "settings",
    [{"tools": (Tool("add"),)}, {"response_format": JSONObject()}, {"extra_body": {"guided_regex": "x"}}],
    ids=["tools", "JSON", "a form"],
)
async def test_a_machine_s_text_is_never_continued(provider: Simulator, flavour: str, settings: dict[str, Any]) -> None:
    """With tools, JSON or a fixed form in the request a broken answer raises."""
    with manager(provider) as engine:
        with pytest.raises(StreamInterruptedError):
            await events(engine, request("a/broken", "b/second", **settings), flavour)
        await engine.aclose()
    assert provider.requests_for("second") == []


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_a_known_target_goes_on_natively(provider: Simulator, flavour: str) -> None:
    """Where the vendor takes a trailing assistant's turn, that is all that it gets."""
    provider.script("second", Reply(REST))
    with manager(provider) as engine:
        found = await events(engine, request("a/broken", "native/second"), flavour)
    assert text(found) == WHOLE
    assert provider.requests_for("second")[0].body["messages"][-1] == {"role": "assistant", "content": SHOWN}


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_a_refused_prefill_is_learnt(provider: Simulator, flavour: str) -> None:
    """A target that refuses it is asked in words at once, and from then on."""
    provider.script("second", Fault.status(400, PREFILL_REFUSED), Reply("is Paris, and it" + REST))
    with manager(provider) as engine:
        for _ in range(2):
            found = await events(engine, request("a/broken", "native/second"), flavour)
            assert text(found) == WHOLE
            engine._memory.health.reset()
    roles = [record.body["messages"][-1]["role"] for record in provider.requests_for("second")]
    assert roles == ["assistant", "user", "user"]


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_after_reasoning_alone_the_next_target_starts_afresh(provider: Simulator, flavour: str) -> None:
    """Reasoning is not continued: the second answer is whole, and its reasoning is a block of its own."""
    provider.script("thinker", Fault.cut(3, reply=Reply(WHOLE, reasoning="Let me think about it for long")))
    provider.script("second", Reply("It is Paris.", reasoning="Easy"))
    with manager(provider) as engine:
        found = await events(engine, request("a/thinker", "b/second"), flavour)
    assert text(found) == "It is Paris."
    blocks: dict[int, str] = {}
    for event in found:
        if isinstance(event, ReasoningDelta):
            blocks[event.index] = blocks.get(event.index, "") + event.text
    assert len(blocks) == 2
    assert blocks[max(blocks)] == "Easy"


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_a_restart_is_marked(provider: Simulator, flavour: str) -> None:
    """What follows the mark is one whole answer."""
    provider.script("second", Reply("It is Paris."))
    with manager(provider, mid_stream="restart") as engine:
        found = await events(engine, request("a/broken", "b/second"), flavour)
    marks = [number for number, event in enumerate(found) if isinstance(event, Restart)]
    assert len(marks) == 1
    assert text(found[: marks[0]]) == SHOWN
    assert text(found[marks[0] :]) == "It is Paris."


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_usage_adds_up(provider: Simulator, flavour: str) -> None:
    """What the broken part said of its tokens counts as well."""
    counts = {"input": 10, "output": 3}
    provider.script(
        "counting", Fault.error_event("openai.server_error", after=3, reply=Reply("One two three four", usage=counts))
    )
    provider.script("second", Reply("two three four", usage={"input": 20, "output": 5}))
    with manager(provider) as engine:
        found = await events(engine, request("a/counting", "b/second"), flavour)
    spent = [step.usage.output_tokens for step in found[-1].report.attempts if step.usage is not None]
    assert found[-1].usage.output_tokens == sum(spent)


async def test_a_held_call_is_asked_anew(provider: Simulator) -> None:
    """Nothing was shown to the caller of `complete`, so nothing needs to be continued."""
    provider.script("second", Reply("It is Paris."))
    with manager(provider) as engine:
        answer = engine.complete(request("a/broken", "b/second"))
    assert answer.text == "It is Paris."
    assert not answer.report.continued


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_an_answer_that_is_not_accepted_is_asked_for_elsewhere(provider: Simulator, flavour: str) -> None:
    """`accept` judges whole answers; the target that gave one is not blamed."""
    provider.script("first", Reply("I do not know."))
    provider.script("second", Reply("It is Paris."))
    engine = FailoverManager(
        base_urls=dict.fromkeys("ab", provider.base_url), accept=lambda answer: "not know" not in answer.text
    )
    asked = request("a/first", "b/second")
    answer = engine.complete(asked) if flavour == "sync" else await engine.acomplete(asked)
    assert answer.text == "It is Paris."
    assert [step.code for step in answer.report.attempts] == ["not_accepted", None]
    assert [model.failures for model in engine.health().models] == [0, 0]
    await engine.aclose()
