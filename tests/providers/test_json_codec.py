"""JSON in and out, with and without the fast parser."""

import importlib.util
import sys
from types import MappingProxyType, ModuleType
from typing import Any

import pytest

from shared_core.providers import json_codec


def without_orjson(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A second copy of the module, loaded where `orjson` cannot be imported."""
    monkeypatch.setitem(sys.modules, "orjson", None)
    spec = importlib.util.spec_from_file_location("json_codec_without_orjson", json_codec.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["with orjson", "without orjson"])
def codec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return json_codec if request.param == "with orjson" else without_orjson(monkeypatch)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(b"[" * 200_000 + b"]" * 200_000, id="nested arrays"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="nested objects"),
        b"NaN",
        b"[Infinity]",
        b'"\xff"',
        rb'"\ud83d"',
        b"9" * 5000,
        b"",
        b"{",
        b'{"a": 1} x',
        b"[DONE]",
        b"'a'",
    ],
)
def test_what_is_no_json_is_a_value_error(codec: ModuleType, document: bytes) -> None:
    """Depth, NaN, half a character, bad UTF-8 and prose all end the same way."""
    with pytest.raises(ValueError):  # noqa: PT011 - the message is the parser's own
        codec.loads(document)


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, True, "é🙂"]}, [], "x", 0, {"": {}}])
def test_plain_values_survive(codec: ModuleType, value: Any) -> None:
    """What goes out comes back."""
    assert codec.loads(codec.dumps(value)) == value


def test_mappings_tuples_and_odd_values_have_a_form(codec: ModuleType) -> None:
    """Read-only mappings are objects, tuples arrays, number keys words, big integers digits."""
    value = MappingProxyType({"a": (1, MappingProxyType({2: None}))})
    assert codec.dumps(value) == b'{"a":[1,{"2":null}]}'
    assert codec.dumps({"big": 10**30}) == b'{"big":' + b"1" + b"0" * 30 + b"}"
    assert codec.dumps("\ud800") == rb'"\ud800"'


@pytest.mark.parametrize("value", [float("nan"), {"a": float("inf")}, object(), {"a": {1}}, b"x"])
def test_what_has_no_form_in_json_is_a_value_error(codec: ModuleType, value: Any) -> None:
    """Nothing is replaced in silence."""
    with pytest.raises(ValueError, match="JSON"):
        codec.dumps(value)


def test_endless_values_are_a_value_error(codec: ModuleType) -> None:
    """A list that holds itself, and one nested too deep, are refused."""
    loop: list[Any] = []
    loop.append(loop)
    deep: list[Any] = []
    for _ in range(200_000):
        deep = [deep]
    for value in (loop, deep):
        with pytest.raises(ValueError):  # noqa: PT011 - the message is the encoder's own
            codec.dumps(value)
    while deep:  # taken apart from outside: freeing it at once would nest as deep
        deep = deep[0]
