"""Where one answer goes on in another, and what may not be joined."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from shared_core import ConfigurationError, ErrorKind, FailoverManager, FailoverPolicy, LLMRequest, Message
from shared_core.chain import merge_models
from shared_core.cooldown import Cooldowns, Scoped
from shared_core.errors import ProviderError, RequestRejectedError
from shared_core.events import Failed, Finish, MemberChunk, ReasoningDelta, TextDelta, Usage, WireEvent
from shared_core.join import Join
from shared_core.seam import Seam

SHOWN = "The capital of France is Par"
ANCHOR = "of France is Par"
STOP = Finish("stop", "stop")


def seam() -> Seam:
    return Seam(Join(SHOWN, prefill=False, anchor=ANCHOR))


def text(events: Any) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_what_was_asked_to_be_copied_is_dropped_exactly() -> None:
    """A longer overlap would be chance: rows that are alike keep all their words."""
    rows = "row 1 is full\nrow 1 is full\n"
    join = Join(rows, prefill=False, anchor="row 1 is full")
    assert join.feed("row 1 is full\nrow 1 is full\nrow 2") + join.end() == "row 1 is full\nrow 2"


def test_reasoning_of_a_continuation_shows_nothing() -> None:
    """It is about going on, not about the question; it counts as progress."""
    assert seam().through([ReasoningDelta("I go on")]) == [TextDelta("")]


def test_a_members_chunk_is_cut_to_what_is_new() -> None:
    """Its text, usage and finish reach the caller as events of their own."""
    usage = Usage(1, 2, 3)
    chunk = MemberChunk(object(), text="of France is Paris.", has_content=True, finish=STOP, usage=usage)
    out = seam().through([chunk])
    assert text(out) == "is."
    assert out[-2:] == [usage, STOP]


def test_a_members_chunks_may_come_one_by_one() -> None:
    """Most bear text alone."""
    join = seam()
    out = [*join.through([MemberChunk(object(), text="of France is Paris", has_content=True)])]
    out += join.through([MemberChunk(object(), text=".", has_content=True)])
    assert text(out) == "is."


def test_what_is_long_over_is_swept() -> None:
    """An entry goes when its memory ends, whoever looks next."""
    cooldowns = Cooldowns(memory=10.0)
    policy = FailoverPolicy()
    error = ProviderError("no", kind=ErrorKind.AUTH)
    cooldowns.shut(Scoped("a", "main"), error, policy, now=0.0)
    cooldowns.shut(Scoped("b", "main"), error, policy, now=1000.0)
    assert [scope.provider for scope, _ in cooldowns] == ["b"]


@pytest.mark.parametrize("events", [[TextDelta("of France"), STOP], [TextDelta("The capital of Spain is"), STOP]])
def test_a_copy_without_a_rest_and_another_text_break_the_attempt(events: list[WireEvent]) -> None:
    """Neither is part of the answer: nothing of it is shown, and the next target is asked."""
    out = seam().through(events)
    assert text(out) == ""
    assert isinstance(out[-1], Failed)
    assert out[-1].error.code == "not_accepted"


def test_an_answer_that_broke_gives_nothing_back() -> None:
    """What is held when the provider says that it failed is no part of an answer."""
    failed = Finish("error", "network_error")
    assert seam().through([TextDelta("of France is Par"), failed]) == [TextDelta(""), failed]


@pytest.mark.parametrize("models", ["gpt-4.1", [None], [5]])
def test_a_chain_is_a_list_of_strings(models: Any) -> None:
    """A string would become a chain of letters."""
    with pytest.raises(ConfigurationError, match="list of model strings"):
        merge_models(models)


@pytest.mark.parametrize("deadline", [0, -1, float("nan"), float("inf")])
def test_a_deadline_is_a_time_to_come(deadline: float) -> None:
    """Anything else is refused where it is said."""
    with pytest.raises(ConfigurationError, match="deadline"):
        LLMRequest(deadline=deadline)


@pytest.mark.parametrize("tokens", [0, True, 1.5, "9"])
def test_max_tokens_is_a_whole_number(tokens: Any) -> None:
    """Anything else is refused where it is said."""
    with pytest.raises(ConfigurationError, match="max_tokens"):
        LLMRequest(max_tokens=tokens)


def test_profiles_under_two_names_of_one_provider_are_refused() -> None:
    """None of them is lost in silence."""
    with pytest.raises(ConfigurationError, match="under two names"):
        FailoverManager(profiles={"gemini": {"a": "key-a"}, "google": {"b": "key-b"}})


def ask(**settings: Any) -> RequestRejectedError:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.InvalidURL("no such place")

    client = httpx.Client(transport=httpx.MockTransport(answer))
    policy = FailoverPolicy(transient_backoffs=(), actions={"unknown": "raise", "transient": "raise"})
    request = LLMRequest(model="local/x", messages=(Message.of("user", "Hi"),), **settings)
    with client, FailoverManager(base_urls={"local": "http://local"}, http_client=client, policy=policy) as manager:
        with pytest.raises(RequestRejectedError) as caught:
            manager.complete(request)
        assert all(model.state == "open" or model.kind is ErrorKind.TRANSIENT for model in manager.health().models)
    return caught.value


def test_a_header_that_cannot_be_sent_is_the_callers_mistake() -> None:
    """It is refused before it is sent, its value is not quoted, and no target is blamed."""
    error = ask(extra_headers={"x-tenant": "hush\n"})
    assert error.kind is ErrorKind.BAD_REQUEST
    assert "hush" not in str(error)


def test_what_httpx_cannot_use_is_classified() -> None:
    """An error of httpx that belongs to no request is an attempt's failure like any other."""
    assert isinstance(ask().errors[0].__cause__, httpx.InvalidURL)
