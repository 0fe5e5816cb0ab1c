"""Structured output: a model that answers with objects of a schema, by one of three methods.

`function_calling` makes the schema the one tool that must be called, which nearly every provider can do; `json_schema`
constrains the answer's text; `json_mode` asks for any JSON object, so the prompt must describe it. The results are
those of LangChain's own chat models: an instance of a pydantic class, otherwise a dict.

A refusal is no badly formed answer: where the model declined, `ModelRefusalError` is raised. (An answer that a filter
cut off is a failure of the call, which the engine raises.)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from operator import itemgetter
from typing import Any, Literal, TypeAlias

from langchain_core.exceptions import ModelRefusalError
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser, PydanticToolsParser
from langchain_core.runnables import Runnable, RunnableGenerator, RunnableLambda, RunnableMap, RunnablePassthrough
from langchain_core.utils.pydantic import is_basemodel_subclass

from langchain_failover.formats import schema_format
from langchain_failover.tools import as_openai

__all__ = ["Method", "structured"]

Method: TypeAlias = Literal["function_calling", "json_mode", "json_schema"]


def structured(
    model: BaseChatModel,
    schema: Any,
    *,
    method: Method,
    include_raw: bool,
    strict: bool | None,
    **kwargs: Any,
) -> Runnable[LanguageModelInput, Any]:
    """`model` with its output parsed by `schema`; see `ChatFailover.with_structured_output`.

    Raises:
        ValueError: The method is unknown, needs a schema, or knows no `strict`.
    """
    if method not in {"function_calling", "json_mode", "json_schema"}:
        raise ValueError(f"method must be 'function_calling', 'json_mode' or 'json_schema', got {method!r}")
    if schema is None and method != "json_mode":
        raise ValueError(f"method {method!r} needs a schema")
    if strict is not None and method == "json_mode":
        raise ValueError("JSON mode follows no schema, so `strict` means nothing to it")
    if method == "function_calling":
        bound, parser = _by_function(model, schema, strict, kwargs)
    else:
        bound, parser = _by_format(model, schema, method, strict, kwargs)
    checked = RunnableGenerator(_refusals, _arefusals) | parser
    if not include_raw:
        return bound | checked
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | checked, parsing_error=lambda _: None)
    unparsed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=bound) | parsed.with_fallbacks([unparsed], exception_key="parsing_error")


def _by_function(
    model: BaseChatModel, schema: Any, strict: bool | None, kwargs: dict[str, Any]
) -> tuple[Runnable[LanguageModelInput, Any], Runnable[Any, Any]]:
    name = as_openai(schema)["function"]["name"]
    options = {"tool_choice": name, "parallel_tool_calls": False, "strict": strict, **kwargs}
    bound = model.bind_tools([schema], **options, **_traced("function_calling", schema, strict))
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        return bound, PydanticToolsParser(tools=[schema], first_tool_only=True)
    return bound, JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)


def _by_format(
    model: BaseChatModel, schema: Any, method: Method, strict: bool | None, kwargs: dict[str, Any]
) -> tuple[Runnable[LanguageModelInput, Any], Runnable[Any, Any]]:
    form = {"type": "json_object"} if method == "json_mode" else schema_format(schema, strict=strict)
    bound = model.bind(response_format=form, **kwargs, **_traced(method, schema, strict))
    is_pydantic = isinstance(schema, type) and is_basemodel_subclass(schema)
    parser: Runnable[Any, Any] = PydanticOutputParser(pydantic_object=schema) if is_pydantic else JsonOutputParser()
    if kwargs.get("tools"):
        # The model may call a tool instead of answering; the raw message then has the calls.
        text_parser = parser
        parser = RunnableLambda(lambda message: None if message.tool_calls else text_parser.invoke(message))
    return bound, parser


def _traced(method: Method, schema: Any, strict: bool | None) -> dict[str, Any]:
    """What LangSmith shows of the schema; LangChain takes it off before the call."""
    options = {"method": method} if method == "json_mode" else {"method": method, "strict": strict}
    return {"ls_structured_output_format": {"kwargs": options, "schema": schema}}


class _Refusal:
    """Watches the messages of an answer, whole or in pieces, for a refusal."""

    def __init__(self) -> None:
        self._text = ""
        self._message: BaseMessage | None = None

    def sees(self, message: BaseMessage) -> bool:
        """Whether the answer is a refusal so far; if so, its pieces are of no use to a parser."""
        text = _refusal_text(message)
        is_refused = message.response_metadata.get("finish_reason") == "refusal"
        self._text += text or ""
        if text is None and not is_refused and self._message is None:
            return False
        self._message = message if self._message is None else self._message + message  # type: ignore[assignment]  # chunks add up to a chunk
        return True

    def end(self) -> None:
        """Raises `ModelRefusalError` if there was a refusal."""
        if self._message is None:
            return
        message = "Model refused to produce the requested output"
        raise ModelRefusalError(f"{message}: {self._text}" if self._text else message, raw_message=self._message)


def _refusal_text(message: BaseMessage) -> str | None:
    refusal = message.additional_kwargs.get("refusal")
    if isinstance(refusal, str):
        return refusal
    if isinstance(message, AIMessage) and not isinstance(message.content, str):
        for block in message.content:
            if isinstance(block, Mapping) and block.get("type") == "refusal":
                return str(block.get("refusal") or "")
    return None


def _refusals(messages: Iterator[BaseMessage]) -> Iterator[BaseMessage]:
    refusal = _Refusal()
    for message in messages:
        if not refusal.sees(message):
            yield message
    refusal.end()


async def _arefusals(messages: AsyncIterator[BaseMessage]) -> AsyncIterator[BaseMessage]:
    refusal = _Refusal()
    async for message in messages:
        if not refusal.sees(message):
            yield message
    refusal.end()
