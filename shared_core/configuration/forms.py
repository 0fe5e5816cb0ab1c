"""The tables of a file as forms: which keys each may have, and of what kind their values are.

The forms are made of the engine's own types (`Vendor`, `ModelInfo`, `LLMRequest`, `FailoverPolicy`), so that a field
that is new there is a key here. Pydantic checks; this room puts what it says into the words of someone who writes TOML.

Invariant: no message repeats a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from shared_core.configuration.mistakes import Mistakes, suggestion
from shared_core.configuration.places import Place
from shared_core.policy import FailoverPolicy
from shared_core.providers.base import Vendor
from shared_core.providers.models import ModelInfo
from shared_core.request import LLMRequest

__all__ = ["CHAIN", "MODEL", "POLICY", "REQUEST", "VENDOR", "Chain", "check", "check_names", "given", "strings"]

_Form = TypeVar("_Form", bound=BaseModel)

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


class Chain(BaseModel):
    """The table `[chain]`."""

    model_config = _STRICT

    model: Annotated[str, Field(min_length=1)]
    fallbacks: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    provider_style: Literal["langchain", "llamaindex"] | None = None


def _form_of(row: type[Any], names: Iterable[str], **bounds: Any) -> type[BaseModel]:
    """A form with some fields of a dataclass; none of them must be there."""
    hints: dict[str, Any] = {**get_type_hints(row), **bounds}
    found: dict[str, Any] = {name: (hints[name], None) for name in names}
    return create_model(row.__name__, __config__=_STRICT, **found)


CHAIN = Chain

REQUEST = _form_of(
    LLMRequest,
    (
        "max_tokens",
        "temperature",
        "top_p",
        "stop",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "reasoning_effort",
        "user",
        "extra_body",
        "extra_headers",
    ),
    # The bounds that both faces have.
    max_tokens=Annotated[int, Field(ge=1)],
    temperature=Annotated[float, Field(ge=0)],
    top_p=Annotated[float, Field(gt=0, le=1)],
)
"""What makes sense for every call; both faces have it under the same names."""

VENDOR = _form_of(Vendor, (field.name for field in fields(Vendor) if field.name != "name"))

MODEL = _form_of(
    ModelInfo,
    (field.name for field in fields(ModelInfo)),
    context_window=Annotated[int, Field(ge=1)],
    max_output_tokens=Annotated[int, Field(ge=1)],
)

POLICY = FailoverPolicy

_HOMES: Mapping[str, str] = MappingProxyType(
    {
        name: section
        for section, form in (("request", REQUEST), ("policy", POLICY), ("chain", CHAIN))
        for name in form.model_fields
    }
)
"""In which table a setting stands."""

_EXPECTED: Mapping[str, str] = MappingProxyType(
    {
        "string_type": "a string",
        "int_type": "a whole number",
        "int_parsing": "a whole number",
        "int_from_float": "a whole number",
        "float_type": "a number",
        "float_parsing": "a number",
        "bool_type": "true or false",
        "bool_parsing": "true or false",
        "tuple_type": "an array",
        "frozen_set_type": "an array",
        "dict_type": "a table",
        "mapping_type": "a table",
        "model_type": "a table",
        "string_too_short": "a string that is not empty",
    }
)
"""Pydantic's kinds of errors whose own words are Python's."""

_BOUNDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "greater_than": ("more than {:g}", "gt"),
        "greater_than_equal": ("{:g} or more", "ge"),
        "less_than_equal": ("{:g} or less", "le"),
    }
)
"""Kinds of errors about bounds: the words, and the name of the bound."""

_DOTTED = '; a name with a dot is written in "quotes"'
"""What is behind most tables in the wrong place: TOML splits `gpt-4.1` at its dot."""


def check(form: type[_Form], table: Mapping[str, Any], place: Place, mistakes: Mistakes) -> _Form | None:
    """The table as a filled form; None if there were mistakes, which are noted."""
    try:
        made = form.model_validate(table)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        for problem in problems:
            loc = problem["loc"]
            is_name = loc[-1:] == ("[key]",)
            mistakes.add((*place, *(loc[:-1] if is_name else loc)), _words(form, problem, place))
        wrong = {problem["loc"][:1] for problem in problems}
        sound = {name: value for name, value in table.items() if (name,) not in wrong}
        if sound and len(sound) < len(table):
            check(form, sound, place, mistakes)  # for truth values among the rest
        return None
    truths = list(_truths(table, made))
    for inner in truths:
        mistakes.add((*place, *inner), "expected a number")
    return None if truths else made


def check_names(table: Mapping[str, Any], known: Sequence[str], place: Place, mistakes: Mistakes) -> None:
    """Notes every key of `table` that is not known."""
    for name in table:
        if name not in known:
            mistakes.add((*place, name), _unknown(name, known, place))


def strings(table: Mapping[str, Any], place: Place, mistakes: Mistakes) -> dict[str, str]:
    """The entries of a table that holds strings alone."""
    found = {}
    for name, value in table.items():
        if isinstance(value, str) and value.strip():
            found[name] = value
        else:
            mistakes.add((*place, name), f"expected a string{_DOTTED if isinstance(value, Mapping) else ''}")
    return found


def given(form: BaseModel) -> dict[str, Any]:
    """What was filled in."""
    return {name: getattr(form, name) for name in type(form).model_fields if name in form.model_fields_set}


def _truths(table: Any, made: Any) -> Iterator[Place]:
    """Where a truth value was taken for a number, which Python allows."""
    if isinstance(table, bool) and not isinstance(made, bool):
        yield ()
    elif isinstance(table, Mapping):
        for name, value in table.items():
            inner = getattr(made, name) if isinstance(made, BaseModel) else made[name]
            yield from ((name, *place) for place in _truths(value, inner))
    elif isinstance(table, list) and isinstance(made, Sequence):
        for number, (value, inner) in enumerate(zip(table, made, strict=True)):
            yield from ((number, *place) for place in _truths(value, inner))


def _words(form: type[BaseModel], problem: Mapping[str, Any], place: Place) -> str:
    """What pydantic found, as advice to the writer of the file."""
    kind, loc, value = problem["type"], problem["loc"], problem["input"]
    if kind == "extra_forbidden":
        if isinstance(value, Mapping):
            return f"unknown setting{_DOTTED}"
        return _unknown(str(loc[-1]), _fields(form, loc[:-1]), (*place, *loc[:-1]))
    if kind == "missing":
        return "missing"
    if kind == "value_error":
        return str(problem["ctx"]["error"])
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"expected {words.format(problem['ctx'][bound])}"
    if kind in {"literal_error", "enum"}:
        choices = str(problem["ctx"]["expected"])
        near = suggestion(value, re.findall(r"'([^']+)'", choices)) if isinstance(value, str) else ""
        return f"expected {choices}{near}"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}{_DOTTED if isinstance(value, Mapping) else ''}"
    return str(problem["msg"]).replace("Input should be", "expected", 1)


def _fields(form: type[BaseModel], loc: Iterable[int | str]) -> Sequence[str]:
    """Names of the fields of the form inside of `form` at `loc`."""
    known: Mapping[str, Any] = form.model_fields
    for name in loc:
        known = known[str(name)].annotation.model_fields
    return list(known)


def _unknown(name: str, known: Iterable[str], place: Place) -> str:
    home = _HOMES.get(name)
    if home is not None and (home,) != place:
        return f"belongs in the table [{home}]"
    what = "setting" if place else "table"
    return f"unknown {what}" + (suggestion(name, known) or f"; known are {', '.join(known)}")
