"""LangChain's own conformance suites for chat models, set up for a `ChatFailover` whose providers are all local.

`StandardUnit` and `StandardIntegration` are what the suites need for any chain; a subclass says which one, and what its
provider lacks. Everything that is not declared missing there is switched on here.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from pytest_benchmark.fixture import BenchmarkFixture
from vcr import VCR
from vcr.cassette import Cassette

from langchain_failover import ChatFailover
from shared_core.simulator import Reply, Simulator
from shared_core.simulator.recorder import RequestRecord

__all__ = ["StandardIntegration", "StandardUnit", "as_a_model_would"]

IGNORED = [
    # The suites call what LangChain itself deprecated or calls beta.
    pytest.mark.filterwarnings("ignore:The function `load` is in beta"),
    pytest.mark.filterwarnings("ignore::langchain_core._api.deprecation.LangChainDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning"),
    pytest.mark.filterwarnings("ignore:LANGCHAIN_TESTS_USER_AGENT"),
]


def as_a_model_would(record: RequestRecord) -> Reply:
    """Calls the tools that the question is about, and gives JSON the keys that it names; the rest is the simulator's.

    A tool is called for what its last word says: `get_weather` for a question about the weather.
    """
    asked = record.asked
    assert asked is not None
    if "JSON" in asked.prompt:
        return Reply(json.dumps(dict.fromkeys(re.findall(r"'(\w+)'", asked.prompt), "Because.")))
    fitting = [tool for tool in asked.tools if tool.name.rpartition("_")[2] in asked.prompt]
    if fitting and asked.results is None:
        return Reply(tool_calls=[tool.call(asked.prompt) for tool in fitting])
    return Reply()


class _Standard:
    """What both suites have in common."""

    pytestmark = IGNORED

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatFailover

    @pytest.fixture
    def benchmark(self, benchmark: BenchmarkFixture) -> BenchmarkFixture:
        """Once is enough to show that it works; how fast it is, the benchmarks measure side by side with others."""
        benchmark.disabled = True
        return benchmark


class StandardUnit(_Standard, ChatModelUnitTests):
    """The suite that needs no provider."""

    model_name: ClassVar[str]
    key_name: ClassVar[str]

    @pytest.fixture(autouse=True)
    def _trusted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # `load` revives LangChain's own partner packages only; an application names any other with
        # `allowed_objects=[ChatFailover]`, which the suite has no place for.
        loading = importlib.import_module("langchain_core.load.load")
        known = loading._get_default_allowed_class_paths("all")
        ours = ("langchain_failover", "ChatFailover")
        monkeypatch.setitem(loading._default_class_paths_cache, "all", {*known, ours})

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": self.model_name, "fallbacks": ["groq/llama-3.3-70b-versatile"]}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {self.key_name: "key-main"}, {"model": self.model_name}, {"model": self.model_name}


class StandardIntegration(_Standard, ChatModelIntegrationTests):
    """The suite that needs a provider: here the first model is down, and the second one answers everything."""

    provider: ClassVar[str]
    wire: ClassVar[str]
    sim: ClassVar[Simulator]
    client: ClassVar[httpx.Client]

    supports_json_mode = True
    supports_image_inputs = True
    supports_image_urls = True
    supports_pdf_inputs = True
    supports_audio_inputs = True
    supports_anthropic_inputs = True
    supports_image_tool_message = True
    supports_pdf_tool_message = True
    supports_model_override = True
    model_override_value = "other"
    enable_vcr_tests = True
    structured_output_kwargs: ClassVar[dict[str, Any]] = {}
    usage_details: ClassVar[tuple[str, ...]]

    @property
    def supported_usage_metadata_details(self) -> dict[str, tuple[str, ...]]:
        return {"invoke": self.usage_details, "stream": self.usage_details}

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _provider(cls) -> Iterator[None]:
        # One client for all the models that the tests make, since none of them is closed.
        with Simulator() as cls.sim, httpx.Client() as cls.client:
            yield

    @pytest.fixture(autouse=True)
    def _script(self, _provider: None) -> Iterator[None]:
        self.sim.clear()
        self.sim.script("down", "503")
        self.sim.script("*", as_a_model_would)
        yield
        assert {record.wire for record in self.sim.requests} <= {self.wire}

    @pytest.fixture(autouse=True)
    def _no_download(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # The suite fetches its pictures and recordings from the web; any bytes will do.
        response = httpx.Response(200, content=b"bytes", request=httpx.Request("GET", "http://x"))
        monkeypatch.setattr(httpx, "get", lambda *_args, **_kwargs: response)

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "model": f"{self.provider}/down",
            "fallbacks": [f"{self.provider}/up"],
            "aliases": {"other": f"{self.provider}/other"},
            "profiles": {self.provider: {"main": "key-main"}},
            "base_urls": {self.provider: self.sim.base_url if "openai" in self.provider else self.sim.url},
            "http_client": self.client,
            "max_retries": 0,
        }

    @pytest.fixture
    def vcr(self, request: pytest.FixtureRequest, _script: None, tmp_path: Path) -> Iterator[Cassette | None]:
        """For the one test that wants it, a recording of the answer that it will ask for, and nobody to ask."""
        if request.node.get_closest_marker("vcr") is None:
            yield None
            return
        model: BaseChatModel = request.getfixturevalue("model")
        recorder = VCR(match_on=("method", "uri", "body"))
        with recorder.use_cassette(tmp_path / "story.yaml", record_mode="once"):
            assert list(model.stream("Write a story about a cat."))
        seen = len(self.sim.requests)
        with recorder.use_cassette(
            tmp_path / "story.yaml", record_mode="none", allow_playback_repeats=True
        ) as cassette:
            yield cassette
        assert cassette.play_count > 0
        assert len(self.sim.requests) == seen

    async def test_structured_output_in_the_providers_own_way(self, model: BaseChatModel) -> None:
        """The suite's tests once more, with a JSON schema in place of a tool."""
        self.structured_output_kwargs = {"method": "json_schema"}  # type: ignore[misc]
        self.test_structured_output(model, "pydantic")
        self.test_structured_output(model, "json_schema")
        await self.test_structured_output_async(model, "typeddict")
        self.test_structured_output_pydantic_2_v1(model)
        self.test_structured_output_optional_param(model)

    def invoke_with_audio_input(self, *, stream: bool = False) -> AIMessage:
        return self._answer(Reply(usage={"input": 90, "audio": 60}), stream=stream)

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        return self._answer(Reply("It is.", reasoning="Is it?"), stream=stream)

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        return self._answer(Reply(usage={"input": 90, "cached": 60}), stream=stream)

    def invoke_with_cache_creation_input(self, *, stream: bool = False) -> AIMessage:
        return self._answer(Reply(usage={"input": 90, "cache_written": 60}), stream=stream)

    def _answer(self, reply: Reply, *, stream: bool) -> AIMessage:
        self.sim.script("*", reply)
        model = self.chat_model_class(**self.chat_model_params)
        if not stream:
            return model.invoke("Is it?")
        first, *rest = model.stream("Is it?")
        whole: AIMessageChunk = first + rest
        return whole
