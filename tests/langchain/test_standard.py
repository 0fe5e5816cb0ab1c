"""LangChain's own conformance suites for chat models: without a network, and against the local provider."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_failover import ChatFailover
from shared_core.simulator import Reply, Simulator, ToolCall

IGNORED = [
    # The suites call what LangChain itself deprecated or calls beta.
    pytest.mark.filterwarnings("ignore:The function `load` is in beta"),
    pytest.mark.filterwarnings("ignore::langchain_core._api.deprecation.LangChainDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning"),
    pytest.mark.filterwarnings("ignore:LANGCHAIN_TESTS_USER_AGENT"),
]


class TestUnit(ChatModelUnitTests):
    """The suite that needs no provider."""

    pytestmark = IGNORED

    @pytest.fixture(autouse=True)
    def _trusted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # `load` revives LangChain's own partner packages only; an application names any other with
        # `allowed_objects=[ChatFailover]`, which the suite has no place for.
        loading = importlib.import_module("langchain_core.load.load")
        known = loading._get_default_allowed_class_paths("all")
        ours = ("langchain_failover", "ChatFailover")
        monkeypatch.setitem(loading._default_class_paths_cache, "all", {*known, ours})

    @property
    def chat_model_class(self) -> type[ChatFailover]:
        return ChatFailover

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "openai/gpt-4.1", "fallbacks": ["groq/llama-3.3-70b-versatile"]}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"OPENAI_API_KEY": "key-main"}, {"model": "openai/gpt-4.1"}, {"model": "openai/gpt-4.1"}


def as_a_model_would(body: dict[str, Any]) -> Reply:
    """Calls the tool that the question is about; everything else is the simulator's own answer."""
    last = body["messages"][-1]
    tools = {tool["function"]["name"] for tool in body.get("tools", [])}
    text = last["content"] if isinstance(last["content"], str) else json.dumps(last["content"])
    if last["role"] == "tool":
        return Reply("Done.")
    if "magic_function" in tools and "magic_function(3)" in text:
        return Reply(tool_calls=[ToolCall("magic_function", {"input": 3})])
    if "get_weather" in tools and "weather" in text:
        return Reply(tool_calls=[ToolCall("get_weather", {"location": "San Francisco, CA"})])
    if "unicode_customer" in tools and (quoted := re.search(r"'(.+?)'", text)):
        return Reply(tool_calls=[ToolCall("unicode_customer", {"customer_name": quoted[1], "description": "new"})])
    if "color_picker" in tools:
        return Reply("Purple.")
    if body.get("response_format", {}).get("type") == "json_object":
        return Reply('{"setup": "Why?", "punchline": "Because."}')
    return Reply()


class TestIntegration(ChatModelIntegrationTests):
    """The suite that needs a provider: here the first model is down, and the second one answers everything."""

    pytestmark = IGNORED

    base_url = ""
    client: httpx.Client | None = None

    @pytest.fixture(autouse=True)
    def _provider(self) -> Iterator[None]:
        # One client for all the models that a test makes, since none of them is closed.
        with Simulator() as sim, httpx.Client() as self.client:
            sim.script("down", "503")
            sim.script("*", Reply(answer=as_a_model_would))
            self.base_url = sim.base_url
            yield

    @pytest.fixture(autouse=True)
    def _no_download(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # The suite fetches its pictures and recordings from the web; any bytes will do.
        response = httpx.Response(200, content=b"bytes", request=httpx.Request("GET", "http://x"))
        monkeypatch.setattr(httpx, "get", lambda *_args, **_kwargs: response)

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatFailover

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "model": "openai/down",
            "fallbacks": ["openai/up"],
            "profiles": {"openai": {"main": "key-main"}},
            "base_urls": {"openai": self.base_url},
            "http_client": self.client,
            "max_retries": 0,
        }

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {**super().standard_chat_model_params, "max_retries": 0}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_image_urls(self) -> bool:
        return True

    @property
    def supports_pdf_inputs(self) -> bool:
        return True

    @property
    def supports_audio_inputs(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    def supports_pdf_tool_message(self) -> bool:
        return True

    @property
    def supports_model_override(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "other"
