"""LLM objects made from strings."""

from __future__ import annotations

import copy
import sys
from types import ModuleType
from typing import Any

import pytest
from llama_index.core.llms import MockLLM
from llama_index.llms.openai import OpenAI

from llamaindex_failover import FailoverLLM
from llamaindex_failover.packages import made
from shared_core.errors import ConfigurationError
from shared_core.simulator import Simulator


@pytest.fixture
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key-main")


@pytest.mark.usefixtures("_key")
@pytest.mark.parametrize("text", ["openai/gpt-4.1", "openai:gpt-4.1", "OpenAI/gpt-4.1"])
def test_the_package_of_a_provider_makes_its_llm(text: str) -> None:
    """Its main class, of the two that this one offers."""
    llm = made(text)
    assert type(llm) is OpenAI
    assert llm.model == "gpt-4.1"


def test_a_key_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the package that reads it."""
    monkeypatch.setenv("OPENAI_API_KEY", "key-main")
    llm = made("openai/gpt-4.1")
    assert isinstance(llm, OpenAI)
    assert llm.api_key == "key-main"


class Oddly(MockLLM):
    """Calls its model by another name."""

    model_name: str = ""

    def __init__(self, model_name: str) -> None:
        super().__init__()
        self.model_name = model_name


def refuse(**_: Any) -> None:
    raise ValueError("no such model; your key is sk-1234567890abcdef")


class Refusing(MockLLM):
    """Cannot be made."""

    model: str = ""

    def __init__(self, **given: Any) -> None:
        refuse(**given)


def package(monkeypatch: pytest.MonkeyPatch, name: str, **offered: Any) -> None:
    """A package of LlamaIndex's that is not installed here."""
    module = ModuleType(f"llama_index.llms.{name}")
    vars(module).update(offered)
    monkeypatch.setitem(sys.modules, module.__name__, module)


def test_the_first_class_stands_for_a_package_without_one_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the model may be called `model_name` there."""
    package(monkeypatch, "odd_host", Helper=dict, Oddly=Oddly, Other=MockLLM)
    llm = made("odd-host/meta/llama-3.3:free")
    assert isinstance(llm, Oddly)
    assert llm.model_name == "meta/llama-3.3:free"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gpt-4.1", "like 'openai/gpt-4.1'"),
        ("nobody/m", "needs the package llama-index-llms-nobody"),
        ("empty/m", "offers no LLM"),
        ("mock/m", "takes no model"),
        ("refusing/m", "no LLM can be made of 'refusing/m': no such model"),
    ],
)
def test_what_cannot_be_made_is_explained(monkeypatch: pytest.MonkeyPatch, text: str, said: str) -> None:
    """In words, and without a key."""
    package(monkeypatch, "empty", __all__=["Helper"], Helper=dict)
    package(monkeypatch, "mock", __all__=["MockLLM"], MockLLM=MockLLM)
    package(monkeypatch, "refusing", __all__=["Refusing"], Refusing=Refusing)
    with pytest.raises(ConfigurationError, match=said) as caught:
        made(text)
    assert "1234567890" not in str(caught.value)


def test_strings_of_a_chain_become_members(monkeypatch: pytest.MonkeyPatch) -> None:
    """They fail over like any other, keep one object each, and are strings again in a dump."""
    monkeypatch.setenv("OPENAI_API_KEY", "key-main")
    with Simulator() as sim:
        monkeypatch.setenv("OPENAI_API_BASE", sim.base_url)
        sim.script("gpt-4.1", "openai.insufficient_quota")
        llm = FailoverLLM(
            model="openai/gpt-4.1", fallbacks=["openai:gpt-4.1-mini"], provider_style="llamaindex", max_retries=0
        )
        answer = llm.complete("Hello")
        assert answer.additional_kwargs["failover"]["model"] == "OpenAI#2/gpt-4.1-mini"
        assert answer.text == "You said: Hello"
        assert len(llm.manager.health().models) == 2
        again = FailoverLLM.from_dict(llm.to_dict())
        assert (again.model, again.fallbacks) == ("openai/gpt-4.1", ["openai:gpt-4.1-mini"])
        assert again.provider_style == "llamaindex"
        assert copy.deepcopy(llm).complete("Hello").text == "You said: Hello"


def test_a_string_without_a_package_is_told_when_the_model_is_made() -> None:
    """Not by the first call."""
    with pytest.raises(ConfigurationError, match="llama-index-llms-nobody"):
        FailoverLLM(model="nobody/m", provider_style="llamaindex")
