"""Keys are in one header of one request and nowhere else, whatever a provider makes of them."""

from __future__ import annotations

import asyncio
import logging
import pickle
import traceback
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from shared_core.errors import ChainExhaustedError, ErrorKind, FailoverError
from shared_core.hooks import Hooks, Notice
from shared_core.manager import FailoverManager
from shared_core.providers.base import Vendor
from shared_core.request import LLMRequest
from shared_core.simulator import Fault, Simulator
from tests.http.conftest import Maker, asking

ODD = "kestrel hedgerow marzipan"
"""A key without any shape that could be known."""
SHAPED = "gsk_0123456789abcdef"

ECHOES = {
    "JSON error": Fault.status(401, {"error": {"message": f"the key {ODD} and {SHAPED} is wrong", "code": ODD}}),
    "text": Fault.status(403, f"forbidden for {ODD} {SHAPED}"),
    "web page": Fault.status(502, f"<html><body>no upstream for {ODD} {SHAPED}</body></html>"),
    "error event": Fault.error_event({"error": {"message": f"Bearer {ODD} is overloaded", "type": "server_error"}}),
    "error event after content": Fault.error_event({"error": {"message": f"{ODD} is overloaded"}}, after=1),
    "garbage": Fault.garbage(f"what is {ODD}?".encode()),
    "cut inside the key": Fault.status(500, {"error": {"message": "x" * 180 + " " + ODD + " " + "y" * 50}}),
    "cut behind a letter of it": Fault.status(500, {"error": {"message": "x" * 194 + ODD + "y" * 50}}),
}


def leaks(text: str) -> list[str]:
    """The pieces of a key in `text`."""
    return [piece for piece in (ODD, ODD[:6], ODD[-8:], SHAPED, SHAPED[:10]) if piece in text]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> list[Any]:
    """What hooks are told; all loggers are heard."""
    for name in (None, "httpx", "httpcore", "llm_failover"):
        caplog.set_level(logging.DEBUG, name)
    return []


@pytest.mark.parametrize("name", ECHOES)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_an_echo_is_scrubbed(
    name: str, is_async: bool, sim: Simulator, make: Maker, told: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A provider that says the key back leaves no trace of it: errors, causes, trail, logs, hooks, health, pickles."""
    sim.script("first", ECHOES[name])
    hooks = Hooks(on_attempt=told.append, on_failover=told.append, on_cooldown=told.append)
    manager = make(profiles={"a": {"main": SecretStr(ODD)}}, hooks=hooks)
    request = asking()
    ask = _asked_in_a_loop if is_async else FailoverManager.complete
    with pytest.raises(FailoverError) as caught:
        ask(manager, request)
    error = caught.value
    seen = "\n".join(
        [
            *traceback.format_exception(error),
            repr(error),
            repr([repr(one) + str(one) + repr(vars(one)) for one in error.errors]),
            repr(error.report.as_dict()),
            repr(manager.health()),
            str(manager.health()),
            repr(manager),
            repr(manager._credentials),
            str(manager.explain(request)),
            repr(told) + "".join(str(notice) for notice in told),
            caplog.text,
            repr([vars(record) for record in caplog.records]),
            pickle.dumps(error).decode("latin-1"),
        ]
    )
    assert leaks(seen) == []
    assert sim.requests[0].headers["authorization"] == f"Bearer {ODD}"


def _asked_in_a_loop(manager: FailoverManager, request: LLMRequest) -> None:
    async def ask() -> None:
        await manager.acomplete(request)

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("wire", "header", "auth"),
    [
        ("openai", "authorization", "bearer"),
        ("responses", "authorization", "bearer"),
        ("anthropic", "x-api-key", "x-api-key"),
        ("gemini", "x-goog-api-key", "x-goog-api-key"),
    ],
)
def test_it_travels_in_one_header(wire: str, header: str, auth: Any, sim: Simulator, make: Maker) -> None:
    """The key is in the vendor's header, and in no URL, body or other header."""
    vendor = Vendor(name="a", wire=wire, auth=auth, base_url=sim.base_url if wire != "gemini" else sim.url)
    make(base_urls={}, vendors=[vendor], profiles={"a": {"main": SHAPED}}).complete(asking())
    (record,) = sim.requests
    assert record.headers[header].endswith(SHAPED)
    rest = [value for name, value in record.headers.items() if name != header]
    assert leaks(f"{rest} {record.path} {record.query} {record.raw!r}") == []


@pytest.mark.parametrize("key", ["key-with-é", "key\nwith-a-line", "key\x7f"])
def test_one_that_no_header_can_carry(key: str, sim: Simulator, make: Maker) -> None:
    """A key that was pasted wrongly fails over, and the errors of those who could not send it do not quote it."""
    manager = make(profiles={"a": {"main": key}})
    with pytest.raises(ChainExhaustedError) as caught:
        manager.complete(asking())
    assert caught.value.kind is ErrorKind.AUTH
    assert caught.value.errors[0].code == "unsendable_key"
    assert b"key" not in pickle.dumps(caught.value).replace(b"unsendable_key", b"").replace(b"API key", b"")
    assert not sim.requests


def test_a_broken_transport_that_quotes_it(make: Maker) -> None:
    """What a transport of the user's says in its error is scrubbed as well."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"no way for {request.headers['authorization']}", request=request)

    with httpx.Client(transport=httpx.MockTransport(refuse)) as client:
        manager = make(http_client=client, profiles={"a": {"main": ODD}})
        with pytest.raises(ChainExhaustedError) as caught:
            manager.complete(asking())
    error = caught.value
    assert leaks(str(error) + repr(error.errors) + pickle.dumps(error).decode("latin-1")) == []


def test_a_key_that_vanished_between_two_looks(sim: Simulator, make: Maker) -> None:
    """A key function that fails when the call is made fails that target, and the walk goes on."""
    keys = ["key-main"]
    manager = make(profiles={"a": {"main": keys.pop}})
    answer = manager.complete(asking("a/first", "b/second"))
    assert answer.report.model == "b/second"
    assert answer.report.attempts[0].kind is ErrorKind.AUTH
    assert answer.report.attempts[0].code == "no_key"


def test_the_same_async(sim: Simulator, make: Maker) -> None:
    """The same, async."""
    keys = ["key-main"]
    manager = make(profiles={"a": {"main": keys.pop}})

    async def ask() -> Any:
        return await manager.acomplete(asking("a/first", "b/second"))

    assert asyncio.run(ask()).report.attempts[0].code == "no_key"


def test_a_notice_holds_no_content(sim: Simulator, make: Maker) -> None:
    """Hooks are told who and why, never what was asked or answered."""
    told: list[Notice] = []
    make(hooks=Hooks(on_attempt=told.append)).complete(asking())
    assert "What stands first" not in repr(told)
