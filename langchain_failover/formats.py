"""Response formats: from what LangChain users write to JSON mode or a JSON schema of the core.

A pydantic class asks for exact adherence ("strict") wherever its schema can be followed exactly: OpenAI then demands
that every object lists all its properties as required and allows no others, so such a schema is completed here, on a
copy. A schema with free-form objects cannot be strict and is sent as a hint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.utils.function_calling import convert_to_openai_function
from langchain_core.utils.pydantic import is_basemodel_subclass

from shared_core.errors import ConfigurationError
from shared_core.request import JSONObject, JSONSchema, ResponseFormat

__all__ = ["schema_format", "to_response_format"]

_NESTED = ("items", "anyOf", "oneOf", "allOf", "prefixItems")
_NESTED_BY_NAME = ("properties", "$defs", "definitions")


def to_response_format(given: Any, *, strict: bool | None = None) -> ResponseFormat | None:
    """The form that the answer must have.

    Args:
        given: OpenAI's `response_format` dict, a pydantic class, a `TypedDict`, or a JSON schema; None for none.
        strict: Whether the schema is followed exactly; None lets `given` say, or its kind: a pydantic class is strict
            if it can be, anything else is not.

    Returns:
        JSON mode, a JSON schema, or None for plain text.

    Raises:
        ConfigurationError: It cannot be read, or contradicts `strict`.
    """
    if given is None:
        return None
    if isinstance(given, Mapping):
        kind = given.get("type")
        if kind == "text":
            return None
        if kind == "json_object":
            return JSONObject()
        if kind == "json_schema" and isinstance(given.get("json_schema"), Mapping):
            return _from_openai(given["json_schema"], strict)
        if "name" in given and "schema" in given:
            return _from_openai(given, strict)
    return _from_schema(given, strict)


def schema_format(schema: Any, *, strict: bool | None = None) -> dict[str, Any]:
    """`schema` as OpenAI's `response_format` dict, which reads back as the same format.

    Raises:
        ConfigurationError: It is no schema, or contradicts `strict`.
    """
    form = to_response_format(schema, strict=strict)
    if not isinstance(form, JSONSchema):
        raise ConfigurationError(f"a schema is needed, got {schema!r}")
    described = {"name": form.name, "description": form.description, "schema": form.schema, "strict": form.strict}
    return {"type": "json_schema", "json_schema": {k: v for k, v in described.items() if v is not None}}


def _from_openai(given: Mapping[str, Any], strict: bool | None) -> JSONSchema:
    schema = given.get("schema")
    if not isinstance(schema, Mapping):
        raise ConfigurationError("response_format of type json_schema needs a `schema` object")
    stated = given.get("strict")
    if strict is not None and stated is not None and stated is not strict:
        raise ConfigurationError(f"the schema says strict={stated}, the call says strict={strict}")
    return JSONSchema(
        name=given.get("name") or schema.get("title") or "response",
        schema=schema,
        strict=strict if stated is None else stated,
        description=given.get("description"),
    )


def _from_schema(given: Any, strict: bool | None) -> JSONSchema:
    stated = given.get("strict") if isinstance(given, Mapping) else None
    try:
        function = convert_to_openai_function(given)
    except (AttributeError, TypeError, ValueError) as error:
        raise ConfigurationError(f"response_format cannot be read: {given!r}") from error
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    if strict is None and isinstance(stated, bool):
        strict = stated
    if strict is None:
        strict = isinstance(given, type) and is_basemodel_subclass(given) and _can_be_strict(schema)
    return JSONSchema(
        name=function["name"],
        schema=_completed(schema) if strict else schema,
        strict=strict,
        description=function.get("description"),
    )


def _can_be_strict(schema: Any) -> bool:
    """Whether every object in the schema names its properties."""
    if isinstance(schema, list):
        return all(_can_be_strict(part) for part in schema)
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" and ("properties" not in schema or schema.get("additionalProperties")):
        return False
    return all(_can_be_strict(schema[key]) for key in _NESTED if key in schema) and all(
        _can_be_strict(part) for key in _NESTED_BY_NAME for part in schema.get(key, {}).values()
    )


def _completed(schema: Any) -> Any:
    """A copy in which every object requires all its properties and allows no others."""
    if isinstance(schema, list):
        return [_completed(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {key: value for key, value in schema.items() if key != "default"}  # nothing that is required has one
    for key in _NESTED:
        if key in made:
            made[key] = _completed(made[key])
    for key in _NESTED_BY_NAME:
        if key in made:
            made[key] = {name: _completed(part) for name, part in made[key].items()}
    if "properties" in made:
        made["required"] = list(made["properties"])
        made["additionalProperties"] = False
    return made
