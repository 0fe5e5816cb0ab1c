"""Behaviours as text and as JSON, and the catalogue of named errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared_core.errors import ConfigurationError
from shared_core.simulator import Behaviour, Ceiling, Fault, Flap, RateLimit, Reply, ToolCall
from shared_core.simulator.catalogue import CATALOGUE, error_named
from shared_core.simulator.notation import from_json, parse, to_json


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ok", Reply()),
        ("503", Fault.status(503)),
        ("openai.rate_limit", Fault.named("openai.rate_limit")),
        ("openai.rate_limit@0.5", Fault.named("openai.rate_limit", retry_after=0.5, limit=0)),
        ("reset", Fault.reset()),
        ("reset@0", Fault.reset(0)),
        ("close", Fault.close()),
        ("cut", Fault.cut(1)),
        ("cut@3", Fault.cut(3)),
        ("silent", Fault.silent()),
        ("silent@0.2", Fault.silent(0.2)),
        ("slow", Reply(delay_first=1.0)),
        ("slow@0.2", Reply(delay_first=0.2)),
        ("stall@2", Fault.stall(2)),
        ("keepalive@0.2", Fault.keepalive(0.2)),
        ("truncated", Fault.truncated()),
        ("truncated@0", Fault.truncated(0)),
        ("no_done", Fault.no_done()),
        ("malformed", Fault.malformed()),
        ("garbage@1", Fault.garbage(after=1)),
        ("error_event@1", Fault.error_event(after=1)),
        ("empty", Fault.empty()),
        ("only_done", Fault.only_done()),
        ("whole", Fault.whole()),
        ("html", Fault.html()),
        ("split@3", Reply(split=3)),
        ("ceiling@100", Ceiling(100)),
    ],
)
def test_every_word_of_the_notation_means_one_behaviour(text: str, expected: Behaviour) -> None:
    """With its main number after an @."""
    assert parse(text) == (expected,)


def test_a_sequence_repeats_its_steps() -> None:
    """Commas and times, with spaces where people put them."""
    assert parse(" 503*2, ok ") == (Fault.status(503), Fault.status(503), Reply())


@pytest.mark.parametrize("text", ["", "what", "503*0", "ok,,ok", "cut@x", "99", "5034", "ok;ok"])
def test_what_cannot_be_read_is_said(text: str) -> None:
    """The message repeats the step or lists the words."""
    with pytest.raises(ConfigurationError):
        parse(text)


EVERYTHING: list[Behaviour] = [
    Reply(),
    Reply("x", chunks=("a", "b"), reasoning="r", refusal="no", finish="odd", usage={"input": 1}, model="n", split=2),
    Reply(tool_calls=(ToolCall("f", {"a": [1, {"b": None}]}, id="1"), ToolCall("g", "{broken")), delay_first=0.5),
    Fault.status(503, {"a": [1, 2]}, {"retry-after": "1"}, delay=0.1),
    Fault.named("openai.rate_limit", retry_after=2),
    Fault.reset(2, opening=False, reply=Reply("x")),
    Fault.close(),
    Fault.cut(2, where="mid_character"),
    Fault.silent(1.0),
    Fault.stall(1, 2.0),
    Fault.keepalive(1.0, interval=0.5, comment=": x"),
    Fault.truncated(),
    Fault.no_done(),
    Fault.malformed(1, "{"),
    Fault.garbage(b"\x00\xff\x80"),
    Fault.error_event({"error": {}}, 1),
    Fault.empty(),
    Fault.only_done(),
    Fault.whole(),
    Fault.content_type("a/b"),
    Fault.html(),
    Ceiling(5, status=429, refuse_any=True, then=Fault.status(500)),
    RateLimit(1, 2.0, per="key", then=Reply("x")),
    Flap(1, 2, by="requests", first="down", fault=Fault.cut(1), then=Reply("y")),
]


@pytest.mark.parametrize("behaviour", EVERYTHING, ids=lambda one: type(one).__name__)
def test_behaviours_survive_json(behaviour: Behaviour) -> None:
    """To text and back they are the same; fields that have their default are not written."""
    text = json.dumps(to_json(behaviour))
    (again,) = from_json(json.loads(text))
    assert to_json(again) == to_json(behaviour)
    assert type(again) is type(behaviour)
    assert "null" not in text or '"b": null' in text


def test_a_list_is_a_sequence() -> None:
    """Of notations, objects and lists."""
    assert from_json(["503*2", {"text": "x"}, ["ok"]]) == (*parse("503*2"), Reply("x"), Reply())


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        {"behaviour": "what"},
        {"fault": "what"},
        {"fault": "named"},
        {"fault": "named", "name": "what"},
        {"txet": "x"},
        {"behaviour": "ceiling"},
        {"tool_calls": [{"nmae": "f"}]},
    ],
)
def test_json_that_describes_no_behaviour_is_refused(value: Any) -> None:
    """Unknown names and fields are errors, not silence."""
    with pytest.raises(ConfigurationError):
        from_json(value)


def test_code_has_no_json_form() -> None:
    """A reply that is worked out can't be written to a file."""
    with pytest.raises(ConfigurationError, match="no JSON form"):
        to_json(Reply(answer=lambda _: Reply()))


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_named_error_is_complete(name: str) -> None:
    """Once filled in, no placeholder is left, and it is an error."""
    found = error_named(name, {"model": "m", "given": 9})
    text = json.dumps([found.body, dict(found.headers)])
    assert "$" not in text
    assert 400 <= found.status < 600


def test_named_errors_take_values() -> None:
    """Texts and headers say what they are told to; without a number they say so."""
    found = error_named("openai.rate_limit", {"model": "m", "retry_after": 7})
    assert found.headers["retry-after"] == "7"
    assert "try again in 7s" in found.body["error"]["message"]
    assert "too large: null." in error_named("openai.max_tokens", {"given": None}).body["error"]["message"]
    with pytest.raises(ConfigurationError, match=r"openai\.rate_limit"):
        error_named("openai.rate", {})
