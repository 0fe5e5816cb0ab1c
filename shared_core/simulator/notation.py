"""Behaviours as text: a short notation for people, JSON for files.

The notation is a comma-separated sequence; each request takes the next step, the last one repeats:

    503*2,ok            two outages, then healthy
    openai.rate_limit   an error of the catalogue
    cut@3               a fault and its main number: chunks before it, or seconds (silent, slow, keepalive), or bytes
    stall@1,reset,ok    and so on

It is used wherever a behaviour is expected, after a tilde in a model's name (`gpt-4.1~503*2,ok`), and in the request
header `x-simulate`, which may hold JSON as well.

JSON: a string is the notation; an object is one behaviour, its class under "behaviour" (left out for a reply) and its
fields as they are called; a list is a sequence. `Fault`s are written with "fault" for their kind.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from shared_core.errors import ConfigurationError
from shared_core.simulator.behaviours import Behaviour, Ceiling, Fault, Flap, RateLimit, Reply, ToolCall
from shared_core.simulator.catalogue import CATALOGUE, error_named

__all__ = ["from_json", "parse", "to_json"]

_STEP = re.compile(r"(?P<word>[A-Za-z_.]+|\d{3})(?:@(?P<number>\d+(?:\.\d+)?))?(?:\*(?P<times>\d+))?")
_RULES: Mapping[str, type[Ceiling | RateLimit | Flap]] = {"ceiling": Ceiling, "rate_limit": RateLimit, "flap": Flap}

_WORDS: Mapping[str, Callable[[float | None], Behaviour]] = {
    "ok": lambda _: Reply(),
    "reset": lambda number: Fault.reset(_count(number)),
    "close": lambda _: Fault.close(),
    "cut": lambda number: Fault.cut(_count(number, 1)),
    "silent": Fault.silent,
    "slow": lambda number: Fault.slow(1.0 if number is None else number),
    "stall": lambda number: Fault.stall(_count(number, 1)),
    "keepalive": Fault.keepalive,
    "truncated": lambda number: Fault.truncated(_count(number)),
    "no_done": lambda _: Fault.no_done(),
    "malformed": lambda number: Fault.malformed(_count(number, 1)),
    "garbage": lambda number: Fault.garbage(after=_count(number, 0)),
    "error_event": lambda number: Fault.error_event(after=_count(number, 0)),
    "empty": lambda _: Fault.empty(),
    "only_done": lambda _: Fault.only_done(),
    "whole": lambda _: Fault.whole(),
    "html": lambda _: Fault.html(),
    "split": lambda number: Fault.split(_count(number, 1)),
    "ceiling": lambda number: Ceiling(_count(number, 16384)),
}


def _count(number: float | None, usual: int | None = None) -> Any:
    return usual if number is None else int(number)


def parse(text: str) -> tuple[Behaviour, ...]:
    """The sequence that `text` writes.

    Raises:
        ConfigurationError: A step is not known; the message lists what is.
    """
    found: list[Behaviour] = []
    for step in text.split(","):
        match = _STEP.fullmatch(step.strip())
        if match is None:
            raise ConfigurationError(f"cannot read {step.strip()!r} in {text!r}; write steps like 503*2,cut@3,ok")
        number = None if match["number"] is None else float(match["number"])
        found += [_step(match["word"], number)] * int(match["times"] or 1)
    if not found:
        raise ConfigurationError(f"no step in {text!r}")
    return tuple(found)


def _step(word: str, number: float | None) -> Behaviour:
    if word.isdigit():
        return Fault.status(int(word))
    if word in CATALOGUE:
        return Fault.named(word) if number is None else Fault.named(word, retry_after=number, limit=int(number))
    made = _WORDS.get(word)
    if made is None:
        raise ConfigurationError(
            f"no behaviour is called {word!r}; there are {', '.join(_WORDS)}, any status, and {', '.join(CATALOGUE)}"
        )
    return made(number)


def from_json(value: Any) -> tuple[Behaviour, ...]:
    """The sequence that a decoded JSON value describes.

    Raises:
        ConfigurationError: It describes none; the message says where.
    """
    match value:
        case str():
            return parse(value)
        case list():
            return tuple(one for item in value for one in from_json(item))
        case Mapping():
            return (_behaviour(value),)
        case _:
            raise ConfigurationError(f"a behaviour is a string, an object or a list, got {json.dumps(value)}")


def _behaviour(value: Mapping[str, Any]) -> Behaviour:
    fields = dict(value)
    for name in ("then", "reply", "fault"):
        if isinstance(fields.get(name), Mapping):
            fields[name] = _behaviour(fields[name])
    rule = fields.pop("behaviour", None)
    if rule is not None:
        if rule not in _RULES:
            raise ConfigurationError(f'"behaviour" is one of {", ".join(_RULES)}, got {rule!r}')
        made: Behaviour = _made(_RULES[rule], fields)
        return made
    if "fault" in fields:
        fields["kind"] = fields.pop("fault")
        fault: Fault = _made(Fault, fields)
        _check(fault)
        return fault
    if "tool_calls" in fields:
        fields["tool_calls"] = tuple(_made(ToolCall, call) for call in fields["tool_calls"])
    reply: Reply = _made(Reply, fields)
    return reply


def _check(fault: Fault) -> None:
    if fault.kind == "named":
        error_named(fault.name or "", {})
    elif fault.kind not in {*_WORDS, "status", "content_type"}:
        raise ConfigurationError(f"no fault is called {fault.kind!r}")


def _made(cls: Any, fields: Mapping[str, Any]) -> Any:
    known = {field.name for field in dataclasses.fields(cls)}
    for name in fields:
        if name not in known:
            raise ConfigurationError(f"{cls.__name__} has no field {name!r}; it has {', '.join(sorted(known))}")
    try:
        return cls(**fields)
    except TypeError as error:
        raise ConfigurationError(f"{cls.__name__}: {error}") from error


def to_json(behaviour: Behaviour) -> dict[str, Any]:
    """`behaviour` as a JSON value that `from_json` reads back; fields that have their default are left out.

    Raises:
        ConfigurationError: It holds code (`Reply.answer`).
    """
    found: dict[str, Any] = {}
    for name, rule in _RULES.items():
        if isinstance(behaviour, rule):
            found["behaviour"] = name
    for field in dataclasses.fields(behaviour):
        value = getattr(behaviour, field.name)
        is_default = field.default_factory is not dataclasses.MISSING and value == field.default_factory()
        if is_default or value == field.default:
            continue
        name = "fault" if isinstance(behaviour, Fault) and field.name == "kind" else field.name
        found[name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    match value:
        case Reply() | Fault() | Ceiling() | RateLimit() | Flap():
            return to_json(value)
        case ToolCall():
            return {key: one for key, one in dataclasses.asdict(value).items() if one is not None}
        case tuple() | list():
            return [_plain(one) for one in value]
        case Mapping():
            return {key: _plain(one) for key, one in value.items()}
        case None | str() | int() | float():
            return value
        case _:
            raise ConfigurationError("a reply with answer=… is code and has no JSON form")
