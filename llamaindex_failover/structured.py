"""Structured output: asking for an object of a pydantic class, and reading it from a finished or a growing answer.

Function calling is the default, because every provider of a chain is more likely to take a tool than a JSON schema; a
setting asks for the schema instead. Either way the answer is accepted in both forms: a target that ignores a required
tool and writes the JSON as text has still answered. Other modes of the framework (`pydantic_program_mode`), and
chains that cannot call functions, are left to the framework's programs.

Invariants: the last object of a stream is an instance of the class, or an error says why not; what comes before may be
partial, and then is an instance of a class with the same fields, all optional.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import aclosing, closing
from typing import Any, Generic, Literal

from llama_index.core.base.llms.types import ChatResponse
from llama_index.core.instrumentation.events.llm import LLMStructuredPredictEndEvent, LLMStructuredPredictStartEvent
from llama_index.core.output_parsers.utils import extract_json_str
from llama_index.core.program.function_program import get_function_tool
from llama_index.core.program.utils import FlexibleModel, create_flexible_model
from llama_index.core.prompts import PromptTemplate
from llama_index.core.types import Model, PydanticProgramMode
from llama_index_instrumentation import get_dispatcher
from pydantic import BaseModel, Field, ValidationError

from llamaindex_failover.messages import tool_calls_of
from llamaindex_failover.settings import ConfiguredLLM
from llamaindex_failover.tools import arguments_of, parsed

__all__ = ["StructuredPrediction"]

_dispatcher = get_dispatcher(__name__)


class StructuredPrediction(ConfiguredLLM):
    """The structured methods of an LLM; see `FailoverLLM`."""

    structured_output: Literal["function_calling", "json_schema"] = Field(
        default="function_calling", description="How an object of a pydantic class is asked for."
    )

    def structured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """An object of `output_cls`, made from the prompt.

        Raises:
            ValueError: The answer holds no object, or one that does not fit the class.
        """
        if not self._predicts_itself():
            made: Model = super().structured_predict(output_cls, prompt, llm_kwargs, **prompt_args)
            return made
        _announce(output_cls, prompt, prompt_args)
        found = _read(self.chat(**self._asking_for(output_cls, prompt, llm_kwargs, prompt_args)), output_cls)
        _dispatcher.event(LLMStructuredPredictEndEvent(output=found))
        return found

    async def astructured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """An object of `output_cls`, made from the prompt; natively async.

        Raises:
            ValueError: The answer holds no object, or one that does not fit the class.
        """
        if not self._predicts_itself():
            made: Model = await super().astructured_predict(output_cls, prompt, llm_kwargs, **prompt_args)
            return made
        _announce(output_cls, prompt, prompt_args)
        found = _read(await self.achat(**self._asking_for(output_cls, prompt, llm_kwargs, prompt_args)), output_cls)
        _dispatcher.event(LLMStructuredPredictEndEvent(output=found))
        return found

    def _structured_stream_call(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Model | list[Model] | FlexibleModel | list[FlexibleModel], None, None]:
        if not self._predicts_itself():
            yield from super()._structured_stream_call(output_cls, prompt, llm_kwargs, **prompt_args)
            return
        partials = _Partials(output_cls)
        with closing(self.stream_chat(**self._asking_for(output_cls, prompt, llm_kwargs, prompt_args))) as responses:
            for response in responses:
                yield _read(response, output_cls) if _is_last(response) else partials.read(response)

    async def _structured_astream_call(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Model | list[Model] | FlexibleModel | list[FlexibleModel], None]:
        if not self._predicts_itself():
            return await super()._structured_astream_call(output_cls, prompt, llm_kwargs, **prompt_args)
        asked = self._asking_for(output_cls, prompt, llm_kwargs, prompt_args)

        async def objects() -> AsyncGenerator[Model | list[Model] | FlexibleModel | list[FlexibleModel], None]:
            partials = _Partials(output_cls)
            async with aclosing(await self.astream_chat(**asked)) as responses:
                async for response in responses:
                    yield _read(response, output_cls) if _is_last(response) else partials.read(response)

        return objects()

    def _predicts_itself(self) -> bool:
        is_default = self.pydantic_program_mode == PydanticProgramMode.DEFAULT
        return is_default and (self.structured_output == "json_schema" or self.metadata.is_function_calling_model)

    def _asking_for(
        self,
        output_cls: type[BaseModel],
        prompt: PromptTemplate,
        llm_kwargs: Mapping[str, Any] | None,
        prompt_args: Mapping[str, Any],
    ) -> dict[str, Any]:
        """The keyword arguments of the chat call that asks for an object."""
        messages = self._extend_messages(prompt.format_messages(llm=self, **prompt_args))
        given = dict(llm_kwargs or {})
        if self.structured_output == "json_schema":
            return {**given, "messages": messages, "response_format": output_cls}
        given = {"tool_required": True, "allow_parallel_tool_calls": False, **given}
        return self._prepare_chat_with_tools([get_function_tool(output_cls)], chat_history=messages, **given)


class _Partials(Generic[Model]):
    """Reads a growing answer again and again; one for each stream."""

    def __init__(self, output_cls: type[Model]) -> None:
        self._output_cls = output_cls
        self._flexible_cls = create_flexible_model(output_cls)

    def read(self, response: ChatResponse) -> Model | FlexibleModel:
        """The object so far: of the class itself as soon as what has come fits it."""
        if calls := tool_calls_of(response.message):
            values: Any = arguments_of(calls[0])
        else:
            _, brace, rest = (response.message.content or "").partition("{")
            values = parsed(brace + rest)
        if not isinstance(values, dict):
            values = {}
        try:
            return self._output_cls.model_validate(values)
        except ValidationError:
            return self._flexible_cls.model_validate(values)


def _is_last(response: ChatResponse) -> bool:
    return "failover" in response.additional_kwargs


def _announce(output_cls: type[Model], prompt: PromptTemplate, prompt_args: dict[str, Any]) -> None:
    _dispatcher.event(LLMStructuredPredictStartEvent(output_cls=output_cls, template=prompt, template_args=prompt_args))


def _read(response: ChatResponse, output_cls: type[Model]) -> Model:
    """The object that a finished answer holds."""
    if calls := tool_calls_of(response.message):
        return output_cls.model_validate(arguments_of(calls[0]))
    text = response.message.content or ""
    try:
        found = extract_json_str(text)
    except ValueError as error:
        raise ValueError(f"expected a {output_cls.__name__}, but the answer is plain text: {text[:200]!r}") from error
    return output_cls.model_validate_json(found)
