"""LangChain's conformance suites pass where a chat model of LangChain's is the first link of the chain, and answers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar
from uuid import UUID

import pytest
import pytest_asyncio
import requests
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import chat_models as suite

from tests.langchain.standard import IGNORED, StandardIntegration, StandardUnit

OF_MEMBERS = [
    # What is opened in an event loop is closed in it, and the clients of a member are opened once for a class.
    pytest.mark.asyncio(loop_scope="class"),
    pytest.mark.filterwarnings("ignore:.*is marked with '@pytest.mark.asyncio' but it is not an async function"),
    # What integrations say to themselves, and to who sends a file without a name.
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
    pytest.mark.filterwarnings("ignore:OpenAI may require a filename"),
]


class OutermostRuns(suite._TestCallbackHandler):
    """Counts the calls of the chain; each attempt on a member is told as well, as a child run of the call's."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[UUID | None] = set()

    def on_chat_model_start(self, *args: Any, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any) -> None:
        if parent_run_id not in self._seen:
            super().on_chat_model_start(*args, **kwargs)
        self._seen.add(run_id)


class MemberUnit(StandardUnit):
    """The chain is made of what `init_chat_model` understands."""

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        # The key is the member's own business.
        return {name: value for name, value in super().standard_chat_model_params.items() if name != "api_key"}

    @pytest.fixture(autouse=True)
    def _key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(self.key_name, "key-main")
        monkeypatch.setenv("OPENAI_API_KEY", "key-main")

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": self.model_name, "fallbacks": ["openai:gpt-4.1-mini"], "provider_style": "langchain"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        variables, params, expected = super().init_from_env_params
        return variables, {**params, "provider_style": "langchain"}, expected


class MemberIntegration(StandardIntegration):
    """The member answers everything, and the model behind it nothing."""

    pytestmark: ClassVar = [*IGNORED, *OF_MEMBERS]
    member: ClassVar[BaseChatModel]

    @classmethod
    @abstractmethod
    def make_member(cls) -> BaseChatModel: ...

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _member(cls, _provider: None) -> None:
        cls.member = cls.make_member()

    @pytest.fixture(autouse=True)
    def _nobody_else(self, _script: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setattr(suite, "_TestCallbackHandler", OutermostRuns)
        yield
        assert self.sim.requests_for("up") == []

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**super().chat_model_params, "model": self.member}


class TestChatOpenAIUnit(MemberUnit):
    """`langchain-openai`."""

    model_name = "openai:gpt-4.1"
    key_name = "OPENAI_API_KEY"


class TestChatAnthropicUnit(MemberUnit):
    """`langchain-anthropic`."""

    model_name = "anthropic:claude-sonnet-4-5"
    key_name = "ANTHROPIC_API_KEY"


class TestChatGoogleUnit(MemberUnit):
    """`langchain-google-genai`."""

    model_name = "google_genai:gemini-2.5-flash"
    key_name = "GOOGLE_API_KEY"


class TestChatOpenAI(MemberIntegration):
    """On Chat Completions."""

    provider = wire = "openai"
    usage_details = ("audio_input", "reasoning_output", "cache_read_input", "cache_creation_input")

    @classmethod
    def make_member(cls) -> BaseChatModel:
        return ChatOpenAI(
            model="first", base_url=cls.sim.base_url, api_key="key-main", max_retries=0, stream_usage=True
        )


class TestChatOpenAIResponses(MemberIntegration):
    """On Responses."""

    provider, wire = "openai-responses", "responses"
    usage_details = ("reasoning_output", "cache_read_input")

    @classmethod
    def make_member(cls) -> BaseChatModel:
        return ChatOpenAI(
            model="first", base_url=cls.sim.base_url, api_key="key-main", max_retries=0, use_responses_api=True
        )


class TestChatAnthropic(MemberIntegration):
    """`ChatAnthropic`."""

    provider = wire = "anthropic"
    supports_audio_inputs = False  # Claude hears nothing
    usage_details = ("cache_read_input", "cache_creation_input")

    @classmethod
    def make_member(cls) -> BaseChatModel:
        return ChatAnthropic(model="first", base_url=cls.sim.url, api_key="key-main", max_retries=0)


class TestChatGoogle(MemberIntegration):
    """`ChatGoogleGenerativeAI`."""

    provider = wire = "gemini"
    usage_details = ("reasoning_output", "cache_read_input")

    @classmethod
    def make_member(cls) -> BaseChatModel:
        return ChatGoogleGenerativeAI(model="first", base_url=cls.sim.url, api_key="key-main", max_retries=0)

    @pytest_asyncio.fixture(autouse=True, scope="class", loop_scope="class")
    @classmethod
    async def _closed(cls, _member: None) -> AsyncIterator[None]:
        yield
        await cls.member.aclose()

    @pytest.fixture(autouse=True)
    def _no_download_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # This integration fetches pictures by itself.
        response = requests.Response()
        response.status_code, response._content = 200, b"bytes"
        monkeypatch.setattr(requests, "get", lambda *_args, **_kwargs: response)
