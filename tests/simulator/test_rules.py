"""Which behaviour a request gets: scripts, rules with memory, notations that the request carries."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from shared_core.errors import ConfigurationError
from shared_core.simulator import Ceiling, Fault, Flap, RateLimit, Reply, RequestRecord, Simulator
from shared_core.simulator.asked import Asked
from shared_core.simulator.script import Script
from shared_core.simulator.wires import route


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Stage:
    """A script under a clock of our own, asked without a server."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.script = Script(self.clock)
        found = route("/v1/chat/completions")
        assert found is not None
        self.wire = found.wire

    def ask(
        self, model: str = "m", *, key: str | None = None, max_tokens: int | None = None, simulate: str | None = None
    ) -> Reply | Fault:
        headers = {} if simulate is None else {"x-simulate": simulate}
        record = RequestRecord(
            number=1,
            wire="openai",
            method="POST",
            path="/",
            query={},
            headers=headers,
            body={},
            raw=b"",
            model=model,
            key=key,
            time=0.0,
            connection=1,
        )
        return self.script.choose(record, Asked(model=model, max_tokens=max_tokens), self.wire)

    def statuses(self, count: int, **more: Any) -> list[int]:
        return [one.http_status if isinstance(one := self.ask(**more), Fault) else 200 for _ in range(count)]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_steps_are_taken_in_turn_and_the_last_repeats(stage: Stage) -> None:
    """Notation and behaviours mix in one script."""
    stage.script.set("m", ["503*2,429", Reply("x")])
    assert stage.statuses(6) == [503, 503, 429, 200, 200, 200]


def test_a_script_may_be_for_once(stage: Stage) -> None:
    """After its last step it is forgotten, and what stands behind it counts again."""
    stage.script.set("*", ["500"])
    stage.script.set("m", ["503,429"], once=True)
    assert stage.statuses(4) == [503, 429, 500, 500]


def test_the_closest_script_counts(stage: Stage) -> None:
    """Model and key before key, before model, before all."""
    stage.script.set(None, ["500"])
    stage.script.set("m", ["501"])
    stage.script.set("*", ["502"], key="key-a")
    stage.script.set("m", ["503"], key="key-a")
    found = [stage.statuses(1, model=model, key=key)[0] for model in ("m", "n") for key in ("key-a", "key-b", None)]
    assert found == [503, 501, 501, 502, 500, 500]
    assert stage.script.models == ("m",)
    stage.script.clear()
    assert stage.statuses(1) == [200]


def test_a_request_may_carry_its_behaviour(stage: Stage) -> None:
    """In the model's name or in a header, which goes first; a sequence goes on over requests."""
    stage.script.set("*", ["500"])
    assert stage.statuses(3, model="m~503,ok") == [503, 200, 200]
    assert stage.statuses(2, model="m~503", simulate="429,ok") == [429, 200]
    assert stage.statuses(1, simulate='{"fault": "status", "http_status": 418}') == [418]


@pytest.mark.parametrize("text", ["[]", "[1]", "{", "nonsense", '{"fault": "nonsense"}'])
def test_a_carried_behaviour_that_cannot_be_read_is_a_400(sim: Simulator, client: httpx.Client, text: str) -> None:
    """The answer says what is wrong."""
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    answer = client.post(sim.base_url + "/chat/completions", json=body, headers={"x-simulate": text})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_a_callable_decides_for_each_request(sim: Simulator, client: httpx.Client, tongue: Any) -> None:
    """It sees the record, and returns a behaviour or its notation; if it fails, the answer is a 500 that says so."""

    def choose(record: RequestRecord) -> Reply | str:
        if record.number == 3:
            raise KeyError("oops")
        return "503" if record.number == 1 else Reply(f"for {record.key}")

    sim.script("m", choose)
    answers = [client.post(tongue.url(sim), json=tongue.body()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 200, 500]
    assert tongue.streamed_text(answers[1].content) == "for key-main"
    assert "KeyError: 'oops'" in answers[2].text


@pytest.mark.parametrize(
    ("rule", "given", "status"),
    [
        (Ceiling(100), None, 200),
        (Ceiling(100), 100, 200),
        (Ceiling(100), 101, 400),
        (Ceiling(100, status=422), 101, 422),
        (Ceiling(100, refuse_any=True), 1, 400),
        (Ceiling(100, refuse_any=True), None, 200),
        (Ceiling(100, then=Fault.status(503)), 1, 503),
    ],
)
def test_a_ceiling_refuses_what_is_above_it(stage: Stage, rule: Ceiling, given: int | None, status: int) -> None:
    """And nothing else."""
    stage.script.set("m", [rule])
    assert stage.statuses(1, max_tokens=given) == [status]


@pytest.mark.parametrize("status", [400, 429])
def test_a_ceiling_states_its_number(sim: Simulator, client: httpx.Client, tongue: Any, status: int) -> None:
    """In the words of the provider, or in a gateway's rate-limit clothes."""
    sim.script("m", Ceiling(4095, status=status))
    limit = {
        "openai": {"max_tokens": 5000},
        "anthropic": {"max_tokens": 5000},
        "responses": {"max_output_tokens": 5000},
        "gemini": {"generationConfig": {"maxOutputTokens": 5000}},
    }[tongue.name]
    answer = client.post(tongue.url(sim), json=tongue.body() | limit)
    message = answer.json()["error"]["message"]
    assert answer.status_code == status
    assert "5000" in message
    assert ("4096 (exclusive)" if tongue.name == "gemini" and status == 400 else "4095") in message


def test_a_rate_limit_slides(stage: Stage) -> None:
    """Per key and model, with the wait until the oldest request leaves the window."""
    stage.script.set("*", [RateLimit(2, 10)])
    assert stage.statuses(2, key="key-a") == [200, 200]
    stage.clock.now += 4
    limited = stage.ask(key="key-a")
    assert isinstance(limited, Fault)
    assert (limited.http_status, limited.headers) == (429, {"retry-after": "6.000"})
    assert stage.statuses(1, key="key-b") == [200]
    assert stage.statuses(1, key="key-a", model="n") == [200]
    stage.clock.now += 6
    assert stage.statuses(3, key="key-a") == [200, 200, 429]


def test_a_rate_limit_may_span_models(stage: Stage) -> None:
    """`per="key"` meters the account; a limit of nothing refuses everything."""
    stage.script.set("*", [RateLimit(1, 10, per="key")])
    assert stage.statuses(1, key="key-a") + stage.statuses(1, key="key-a", model="n") == [200, 429]
    stage.script.set("*", [RateLimit(0, 5)])
    assert stage.statuses(1) == [429]


@pytest.mark.parametrize(("first", "expected"), [("up", [200, 200, 503, 200]), ("down", [503, 200, 200, 503])])
def test_flapping_goes_by_requests(stage: Stage, first: Any, expected: list[int]) -> None:
    """Two up, one down, over and over."""
    stage.script.set("m", [Flap(2, 1, by="requests", first=first)])
    assert stage.statuses(4) == expected


def test_flapping_goes_by_time(stage: Stage) -> None:
    """The time begins with the first request."""
    stage.script.set("m", [Flap(2, 1)])
    found = []
    for _ in range(5):
        found += stage.statuses(1)
        stage.clock.now += 1
    assert found == [200, 200, 503, 200, 200]


@pytest.mark.parametrize(("up", "down"), [(0, 0), (-1, 2), (2, -1)])
def test_flapping_needs_a_period(up: float, down: float) -> None:
    """Nothing flaps in no time."""
    with pytest.raises(ConfigurationError, match="up and down"):
        Flap(up, down)


def test_a_script_needs_a_step(stage: Stage) -> None:
    """An empty script would say nothing."""
    with pytest.raises(ConfigurationError, match="at least one step"):
        stage.script.set("m", [])


def test_a_scenario_is_loaded(stage: Stage) -> None:
    """Models, keys and a default, each in any form that JSON has."""
    scenario = {"models": {"m": "503,ok", "n": [{"text": "hi"}]}, "keys": {"key-dead": "401"}, "default": "500"}
    stage.script.load(json.loads(json.dumps(scenario)))
    assert stage.statuses(2) == [503, 200]
    assert stage.ask("n") == Reply("hi")
    assert stage.statuses(1, key="key-dead") == [401]
    assert stage.statuses(1, model="other") == [500]
    stage.script.load({})
    with pytest.raises(ConfigurationError, match=r"got model$"):
        stage.script.load({"model": {}})
