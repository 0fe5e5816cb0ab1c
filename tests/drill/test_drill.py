"""What can be rehearsed, by whom, and what a drill never does."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from langchain_failover import ChatFailover
from llamaindex_failover import FailoverLLM
from shared_core.configuration import Configuration
from shared_core.drill import Scenario, Trouble, drill
from shared_core.drill import cast as cast_room
from shared_core.drill.cast import Cast
from shared_core.drill.clock import played
from shared_core.drill.player import play
from shared_core.errors import ConfigurationError
from shared_core.events import MemberChunk
from shared_core.hooks import Hooks
from shared_core.manager import FailoverManager
from shared_core.policy import FailoverPolicy
from shared_core.providers.base import Vendor
from shared_core.providers.models import ModelInfo
from shared_core.request import LLMRequest
from shared_core.simulator import Reply

CHAIN = ("openai/gpt-4.1", "anthropic/claude-sonnet-4-5")
SHORT = Scenario("short", "the primary is down", [Trouble("overloaded")], calls=2)
FILE = """
[chain]
model = "swift"
fallbacks = ["home/llama", "anthropic/claude-sonnet-4-5"]

[aliases]
swift = "openai/gpt-4.1"

[base_urls]
home = "http://10.0.0.7:8080/v1"

[profiles.openai]
main = "${DRILL_MAIN_KEY}"
spare = "${DRILL_SPARE_KEY}"

[policy]
fail_fast = true
deadline = 40
"""


def names(cast: Cast) -> list[str]:
    return [role.name for role in cast.roles]


# Sources


def test_a_configuration_is_rehearsed_without_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its aliases, addresses, profiles and policy count; its variables need not be set."""
    monkeypatch.delenv("DRILL_MAIN_KEY", raising=False)
    configuration = Configuration.parse(FILE, environ={})
    cast = Cast.of(configuration)
    assert names(cast) == [
        "openai/gpt-4.1 [main]",
        "openai/gpt-4.1 [spare]",
        "home/llama [default]",
        "anthropic/claude-sonnet-4-5 [default]",
    ]
    assert (cast.policy.fail_fast, cast.policy.deadline) == (True, 40)
    result = drill(configuration, [SHORT])["short"]
    assert [call.role and call.role.model for call in result.calls] == ["home/llama"] * 2
    assert result.longest_delay == pytest.approx(0.2)


def test_models_of_the_faces_are_rehearsed_with_their_policy() -> None:
    """The settings that were given to the model itself count, and a shared manager's fallbacks come last."""
    manager = FailoverManager(fallbacks=["groq/llama-3.3-70b-versatile"], policy=FailoverPolicy(deadline=50))
    chat = ChatFailover(CHAIN[0], fallbacks=[CHAIN[1]], manager=manager, mid_stream="restart")
    llm = FailoverLLM(CHAIN[0], fallbacks=[CHAIN[1]], mid_stream="continue", max_retries=0)
    casts = Cast.of(chat), Cast.of(llm)
    assert names(casts[0]) == [f"{name} [default]" for name in (*CHAIN, "groq/llama-3.3-70b-versatile")]
    assert (casts[0].policy.mid_stream, casts[0].policy.deadline) == ("restart", 50)
    assert names(casts[1]) == [f"{name} [default]" for name in CHAIN]
    assert (casts[1].policy.mid_stream, casts[1].policy.transient_backoffs) == ("continue", ())
    restarted, continued = (drill(model, ["broken-late"])["broken-late"] for model in (chat, llm))
    assert restarted.verdict == "your users saw an answer begin anew in 2 of 6 calls"
    assert restarted.calls[0].restarts == 1
    assert continued.verdict == "your users saw nothing"
    assert continued.calls[0].report.continued
    assert all(call.is_whole for call in (*restarted.calls, *continued.calls))


def test_a_policy_of_ones_own_is_tried_out() -> None:
    """Before it is set: the same chain, other settings."""
    slow = drill(CHAIN, ["slow"], policy=FailoverPolicy(hedge_after=2.0))
    assert slow["slow"].first_words == pytest.approx((2.4, 8.8))  # two hedges, then their budget is spent
    assert slow["slow"].served == {slow.roles[0]: 4, slow.roles[1]: 2}
    assert slow["slow"].calls[0].attempts[0].outcome == "abandoned"
    assert "hedge_after" not in " ".join(slow.advice)
    stalled = drill(CHAIN, ["stalled"], policy=FailoverPolicy(first_token_timeout=3.0))
    assert stalled["stalled"].longest_delay == pytest.approx(3.0)


@dataclass(frozen=True)
class Homemade:
    """A model object of some framework."""

    kind: str = "OpenAI"
    model: str = "gpt-4.1"
    vendor: str | None = "gemini"
    info: ModelInfo | None = None
    tells_finish: bool = True

    def stream(self, request: LLMRequest) -> Generator[MemberChunk]:
        raise AssertionError("a member's own code never runs in a drill")
        yield

    async def astream(self, request: LLMRequest) -> AsyncGenerator[MemberChunk]:
        raise AssertionError("a member's own code never runs in a drill")
        yield


def test_a_model_object_is_played_by_a_stand_in() -> None:
    """Under its own name, beside a vendor whose name differs by case alone, and in the words of its own vendor."""
    manager = FailoverManager()
    known, unknown = manager.registry.enrol(Homemade()), manager.registry.enrol(Homemade("Chat", "own", None))
    report = drill(
        manager, [Scenario("rate", "", [Trouble("rate_limit@20")], calls=1)], models=[known, "openai/gpt-4.1"]
    )
    assert [role.name for role in report.roles] == ["OpenAI (object)/gpt-4.1 [default]", "openai/gpt-4.1 [default]"]
    attempt = report["rate"].calls[0].attempts[0]
    assert attempt.message is not None
    assert attempt.message.startswith("You exceeded your current quota")  # Gemini's words
    assert report.notes == ("OpenAI is an object of its own: a stand-in plays it, in the words of gemini",)
    cast = Cast.of(manager, [unknown])
    assert (names(cast), cast.vendors["Chat"].wire) == (["Chat/own [default]"], "openai")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ([], "there is no chain to rehearse"),
        (FailoverManager(), "there is no chain to rehearse"),
        (["nowhere/model"], "provider 'nowhere' is not known"),
        ("openai/", "is not a model string"),
        (7, "got int"),
    ],
)
def test_what_holds_no_chain_is_refused(source: Any, words: str) -> None:
    """With the reason."""
    with pytest.raises(ConfigurationError, match=words):
        drill(source, ["healthy"])


# Scenarios of one's own


def test_troubles_have_places_and_times() -> None:
    """A provider, a model, a key, a target by name; the first trouble that is on counts."""
    manager = FailoverManager(
        fallbacks=[CHAIN[0], "openai/gpt-4.1-mini", CHAIN[1]], profiles={"openai": {"main": "key-1", "spare": "key-2"}}
    )
    late = Scenario(
        "late",
        "",
        [
            Trouble("invalid_key", "openai [main]", since=5),
            Trouble("model_not_found", "openai/gpt-4.1 [spare]", since=5),
            Trouble("500", "everything", since=1e3),
            Trouble("no_credit", "anthropic"),
        ],
        calls=3,
        pause=3.0,
    )
    calls = drill(manager, [late])["late"].calls
    assert [[(each.model, each.profile) for each in call.attempts] for call in calls] == [
        [(CHAIN[0], "main")],
        [(CHAIN[0], "main")],
        [(CHAIN[0], "main"), (CHAIN[0], "spare"), ("openai/gpt-4.1-mini", "spare")],
    ]


def test_a_refused_connection_is_the_whole_providers() -> None:
    """Whatever is asked of it; attempts that nobody accepted are counted as requests."""
    refused = Scenario("refused-here", "", [Trouble("refused", "openai/gpt-4.1")], calls=1)
    report = drill([CHAIN[0], "openai/gpt-4.1-mini", CHAIN[1]], [refused])
    assert list(report["refused-here"].requests.values()) == [3, 3, 1]
    assert {str(each.kind) for each in report["refused-here"].calls[0].attempts[:-1]} == {"transient"}


def test_a_text_that_is_not_whole_is_told() -> None:
    """An answer with words doubled or cut is no clean one, unless the troubles bring texts of their own."""
    result = drill(CHAIN, [Scenario("s", calls=1)])["s"]
    (call,) = result.calls
    torn = replace(call, is_whole=False)
    assert replace(result, calls=(torn,)).verdict == "your users got a text that was doubled or cut each time"
    own = replace(result.scenario, troubles=[Trouble(Reply("Bonjour."))])
    assert replace(result, calls=(torn,), scenario=own).verdict == "your users saw nothing"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Scenario("  "), "needs a name"),
        (lambda: Scenario("x", "", Trouble("503")), "list of Trouble"),
        (lambda: Scenario("x", "", ["503"]), "list of Trouble"),
        (lambda: Scenario("x", calls=0), "1 to 1000 calls"),
        (lambda: Scenario("x", together=0), "together at least 1"),
        (lambda: Scenario("x", pause=math.inf), "pause"),
        (lambda: Scenario("x", mode="loud"), "mode"),
        (lambda: Trouble("503", since=5, until=5), "before its end"),
        (lambda: Trouble("refused", until=5), "whole scenario"),
        (lambda: drill(CHAIN, ["tsunami"]), "no scenario is called 'tsunami'"),
        (lambda: drill(CHAIN, ["healthy", "Healthy"]), "given twice"),
        (lambda: drill(CHAIN, []), "at least one scenario"),
        (lambda: drill(CHAIN, [Scenario("x", "", [Trouble("503", "moon")])]), "no target of this chain is 'moon'"),
    ],
)
def test_what_cannot_be_played_is_refused(make: Callable[[], object], words: str) -> None:
    """Where it is made, or before anything is played."""
    with pytest.raises(ConfigurationError, match=words):
        make()


# What a drill never does


def test_no_key_is_read_and_no_secret_taken_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither functions nor variables; headers and paths of a vendor's row stay behind, and so do the user's hooks."""
    read: list[str] = []
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-the-environment")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")

    def key() -> str:
        read.append("key")
        return "key-rotated"

    own = Vendor(
        name="house",
        base_url="https://house.invalid",
        path="/secret/{model}",
        headers={"x-secret": "key-in-a-header"},
        query={"token": "key-in-a-query"},
        auth="none",
    )
    manager = FailoverManager(
        fallbacks=["openai/gpt-4.1", "house/one"],
        profiles={"house": {"main": key}},
        vendors=[own],
        hooks=Hooks(on_failover=lambda notice: read.append("hook")),
    )
    sent: list[bytes] = []
    original = socket.socket.send

    def send(self: socket.socket, data: bytes, *rest: Any) -> int:
        sent.append(bytes(data))
        return original(self, data, *rest)

    monkeypatch.setattr(socket.socket, "send", send)
    report = drill(manager, [SHORT])
    assert report.survived
    assert read == []
    said = b"".join(sent)
    assert b"rehearsal-" in said
    assert b"key-" not in said
    assert b"secret" not in said


async def test_it_may_be_called_in_a_running_loop_and_leaves_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """No thread, no socket (a warning would fail the test), and no word in the log of an outage that was none."""
    before = threading.active_count()
    with caplog.at_level(logging.DEBUG, "llm_failover"), caplog.at_level(logging.INFO, "httpx"):
        report = drill(CHAIN, [SHORT])
        logging.getLogger("llm_failover").warning("of this thread")
    assert report["short"].answered
    assert [record.message for record in caplog.records if record.name in {"llm_failover", "httpx"}] == [
        "of this thread"
    ]
    assert threading.active_count() == before
    await asyncio.sleep(0)


def test_no_span_is_made_of_an_outage_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twin is never traced, wherever the program sends its spans."""
    traced: list[object] = []

    class Watched(FailoverManager):
        def __init__(self, **settings: Any) -> None:
            traced.append(settings["telemetry"])
            super().__init__(**settings)

    monkeypatch.setattr(cast_room, "FailoverManager", Watched)
    cast = Cast.of(Watched(fallbacks=CHAIN, telemetry=None))
    traced.clear()
    played(lambda: play(cast, [SHORT]), limit=20)
    assert traced == [False]


def test_it_gives_the_same_figures_each_time() -> None:
    """To the last digit."""
    one, other = (drill(CHAIN, ["primary-down"]).as_dict() for _ in range(2))
    assert one == other


# Time


def test_time_is_skipped() -> None:
    """Months of the loop's time pass in a moment, and in order."""

    async def wait() -> list[float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(asyncio.sleep(1e7), asyncio.sleep(0.5))
        return [began, loop.time()]

    assert played(wait, limit=20) == pytest.approx([0.0, 1e7])


@pytest.mark.parametrize("seconds", [None, 0.01])
def test_what_never_ends_is_ended(seconds: float | None) -> None:
    """By the bound of real time, whether timers are due or nothing is; tasks are cancelled in order."""
    ended: list[str] = []

    async def wait_for_ever() -> None:
        try:
            while True:
                await (asyncio.get_running_loop().create_future() if seconds is None else asyncio.sleep(seconds))
        finally:
            ended.append("in order")

    with pytest.raises(TimeoutError, match="ended before it was over"):
        played(wait_for_ever, limit=0.05)
    assert ended == ["in order"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("llm-failover-drill")]
