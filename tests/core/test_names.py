"""What a model string means, which keys a provider has, and the chain that a call walks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import SecretStr

from shared_core.chain import Profile
from shared_core.credentials import Credentials
from shared_core.errors import ConfigurationError
from shared_core.events import MemberChunk
from shared_core.manager import FailoverManager
from shared_core.providers.base import Vendor
from shared_core.providers.models import ModelInfo, describe
from shared_core.registry import ProviderRegistry, wire
from shared_core.request import LLMRequest

LOCAL = "http://localhost:1/v1"


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of whoever runs the tests does not matter."""
    for variable in ("OPENAI_API_KEY", "GROQ_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_BASE_URL", "OLLAMA_HOST"):
        monkeypatch.delenv(variable, raising=False)


# Model strings


@pytest.mark.parametrize(
    ("model", "provider", "name"),
    [
        ("openai/gpt-4.1", "openai", "gpt-4.1"),
        ("openrouter/meta-llama/llama-3.3-70b", "openrouter", "meta-llama/llama-3.3-70b"),
        ("ollama/llama3.2:1b", "ollama", "llama3.2:1b"),
        ("openai:gpt-4.1", "openai", "gpt-4.1"),
        ("openrouter:meta-llama/llama-3.3-70b", "openrouter", "meta-llama/llama-3.3-70b"),
        ("llama3.2:1b", "openai", "llama3.2:1b"),
        ("claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
        ("gemini-2.5-pro", "gemini", "gemini-2.5-pro"),
        ("deepseek-chat", "deepseek", "deepseek-chat"),
        ("qwen-max", "qwen", "qwen-max"),
        ("glm-4.6", "zhipu", "glm-4.6"),
        ("chatglm3-6b", "zhipu", "chatglm3-6b"),
        ("moonshot-v1-8k", "kimi", "moonshot-v1-8k"),
        ("kimi-k2", "kimi", "kimi-k2"),
        ("step-2-16k", "stepfun", "step-2-16k"),
        ("grok-4", "xai", "grok-4"),
        ("gpt-4.1", "openai", "gpt-4.1"),
        ("something-new", "openai", "something-new"),
        ("  OpenAI/gpt-4.1 ", "openai", "gpt-4.1"),
        ("moonshot/kimi-k2", "kimi", "kimi-k2"),
        ("nobody/x", "nobody", "x"),
    ],
)
def test_a_model_string_means_a_provider_and_a_model(model: str, provider: str, name: str) -> None:
    """Split at the first slash, at a colon behind a known provider, or inferred from the name."""
    assert ProviderRegistry().resolve_model(model) == (provider, name)


@pytest.mark.parametrize("model", ["", "  ", "/", "openai/", "/gpt", "openai:", " / "])
def test_what_is_no_model_string_is_refused(model: str) -> None:
    """With the form that was expected."""
    with pytest.raises(ConfigurationError, match="expected 'provider/model' or a model's name"):
        ProviderRegistry().resolve_model(model)


def test_aliases_come_first() -> None:
    """Even before the split."""
    registry = ProviderRegistry(aliases={"fast": " groq/llama-3.3-70b-versatile ", "openai/gpt-4.1": "azure/gpt"})
    assert registry.resolve_model(" fast ") == ("groq", "llama-3.3-70b-versatile")
    assert registry.resolve_model("openai/gpt-4.1") == ("azure", "gpt")


def test_the_colon_counts_for_vendors_of_the_user_as_well() -> None:
    """And for providers of their own making."""
    registry = ProviderRegistry(base_urls={"mine": LOCAL})
    assert registry.resolve_model("mine:x") == ("mine", "x")

    class Own:
        name = "own"

    registry.add(Own())  # type: ignore[arg-type]
    assert registry.resolve_model("own:x") == ("own", "x")
    assert registry.get("own").name == "own"


# Providers


def test_an_unknown_provider_is_never_replaced() -> None:
    """The message says what to give."""
    with pytest.raises(ConfigurationError, match=r"provider 'nobody' is not known: give base_urls="):
        ProviderRegistry().get("nobody")


def test_a_provider_without_an_address_says_so() -> None:
    """Azure's address is the user's own."""
    registry = ProviderRegistry(vendors=[Vendor(name="mine")])
    with pytest.raises(ConfigurationError, match="provider 'mine' has no address"):
        registry.get("mine")


def test_a_disabled_provider_says_why_until_it_is_enabled() -> None:
    """Under any of its names."""
    registry = ProviderRegistry()
    registry.disable("moonshot", "too slow")
    with pytest.raises(ConfigurationError, match="provider 'kimi' is disabled: too slow"):
        registry.get("kimi")
    registry.enable("kimi")
    registry.enable("kimi")
    assert registry.get("moonshot").name == "kimi"


def test_a_provider_is_made_once() -> None:
    """Its connections are shared."""
    registry = ProviderRegistry()
    assert registry.get("openai") is registry.get("OpenAI")


def test_addresses_come_from_the_user_then_the_environment_then_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this order, without a slash at the end."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://env/v1")
    given = ProviderRegistry(base_urls={"openai": "http://given/v1/"}).get("openai")
    assert given._base_url == "http://given/v1"  # type: ignore[attr-defined]
    assert ProviderRegistry().get("openai")._base_url == "http://env/v1"  # type: ignore[attr-defined]
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert ProviderRegistry().get("openai")._base_url == "https://api.openai.com/v1"  # type: ignore[attr-defined]


def test_an_address_makes_a_provider() -> None:
    """Of the OpenAI wire, without need of a key, but with a variable for one."""
    vendor = ProviderRegistry(base_urls={" My-Server ": LOCAL}).vendor("my-server")
    assert vendor is not None
    assert (vendor.wire, vendor.needs_key, vendor.base_url) == ("openai", False, LOCAL)
    assert len(vendor.key_env) == 1
    assert vendor.key_env[0].strip("_") == "MY_SERVER__API_KEY"


@pytest.mark.parametrize("url", ["localhost:1", "ftp://x", "", None])
def test_an_address_that_is_none_is_refused(url: Any) -> None:
    """At construction."""
    with pytest.raises(ConfigurationError, match="must begin with http:// or https://"):
        ProviderRegistry(base_urls={"openai": url})


def test_a_row_of_the_user_comes_before_ours() -> None:
    """By name and by alias; its wire must exist."""
    mine = Vendor(name="openai", base_url=LOCAL, aliases=("mine",))
    registry = ProviderRegistry(vendors=[mine])
    assert registry.vendor("openai") is mine
    assert registry.canonical("Mine") == "openai"
    with pytest.raises(ConfigurationError, match="unknown wire 'telegraph'; known are openai, responses"):
        ProviderRegistry(vendors=[Vendor(name="x", wire="telegraph")])


@pytest.mark.parametrize("name", ["openai", "responses", "anthropic", "gemini"])
def test_every_wire_can_be_made(name: str) -> None:
    """Once."""
    assert wire(name) is wire(name)


# Members


@dataclass(frozen=True)
class Member:
    """A model object of some framework, as far as names go."""

    kind: str = "ChatOpenAI"
    model: str = "gpt-4.1"
    key: int = 1
    vendor: str | None = "openai"
    info: ModelInfo | None = None
    tells_finish: bool = True

    def stream(self, request: LLMRequest) -> Generator[MemberChunk, None, None]:
        raise NotImplementedError

    def astream(self, request: LLMRequest) -> AsyncGenerator[MemberChunk, None]:
        raise NotImplementedError


def test_a_member_is_a_provider_of_its_own() -> None:
    """Named after its class; the same object keeps its name, another one gets a number."""
    registry = ProviderRegistry()
    assert registry.enrol(Member()) == "ChatOpenAI/gpt-4.1"
    assert registry.enrol(Member()) == "ChatOpenAI/gpt-4.1"
    assert registry.enrol(Member(key=2)) == "ChatOpenAI#2/gpt-4.1"
    assert registry.enrol(Member(key=3)) == "ChatOpenAI#3/gpt-4.1"
    assert registry.resolve_model("ChatOpenAI#2/gpt-4.1") == ("ChatOpenAI#2", "gpt-4.1")
    assert registry.vendor("ChatOpenAI") is None
    assert registry.member("ChatOpenAI#2") == Member(key=2)
    assert registry.member("openai") is None


def test_a_member_that_is_called_like_a_vendor_is_told_apart_by_its_model() -> None:
    """`OpenAI/gpt-4.1` is the object, `OpenAI/gpt-4o` the vendor, in its own spelling."""
    registry = ProviderRegistry()
    assert registry.enrol(Member(kind="OpenAI")) == "OpenAI/gpt-4.1"
    assert registry.resolve_model("OpenAI/gpt-4.1") == ("OpenAI", "gpt-4.1")
    assert registry.resolve_model("OpenAI/gpt-4o") == ("openai", "gpt-4o")
    assert registry.enrol(Member(kind="Mine")) == "Mine/gpt-4.1"
    assert registry.resolve_model("Mine/other") == ("Mine", "other")
    assert registry.enrol(Member(kind="groq")) == "groq#2/gpt-4.1"


def test_a_member_says_itself_what_it_can() -> None:
    """For others the table of models does."""
    info = ModelInfo(context_window=5)
    registry = ProviderRegistry()
    registry.enrol(Member(info=info))
    assert registry.info("ChatOpenAI", "gpt-4.1") is info
    assert registry.info("openai", "gpt-4.1") == describe("openai", "gpt-4.1")


# Keys


def credentials(profiles: Any = None, order: Any = None) -> tuple[Credentials, Callable[[str], Vendor]]:
    registry = ProviderRegistry()

    def vendor(name: str) -> Vendor:
        found = registry.vendor(name)
        assert found is not None
        return found

    return Credentials(profiles, order, registry.canonical), vendor


def names(profiles: tuple[Profile, ...]) -> list[str]:
    return [profile.name for profile in profiles]


def test_profiles_stand_in_the_order_in_which_they_were_given() -> None:
    """Or in the one that was asked for, which may leave some out."""
    keys = {"openai": {"main": "key-main", "backup": "key-backup"}}
    made, vendor = credentials(keys)
    assert names(made.profiles(vendor("openai"))) == ["main", "backup"]
    made, vendor = credentials(keys, {"openai": ["backup", "main", "backup"]})
    assert names(made.profiles(vendor("openai"))) == ["backup", "main"]
    made, vendor = credentials(keys, {"openai": ["backup"]})
    assert names(made.profiles(vendor("openai"))) == ["backup"]


def test_an_alias_means_the_same_provider() -> None:
    """For keys and for their order."""
    made, vendor = credentials({"moonshot": {"one": "k1", "two": "k2"}}, {"KIMI": ["two", "one"]})
    assert names(made.profiles(vendor("kimi"))) == ["two", "one"]


@pytest.mark.parametrize(
    "key",
    ["key-main", " key-main\n", SecretStr("key-main"), SecretStr(" key-main\n"), lambda: " key-main "],
    ids=["text", "text in space", "secret", "secret in space", "function"],
)
def test_a_key_may_be_given_in_three_ways(key: Any) -> None:
    """White space around it, as a file has it, is no part of it."""
    made, vendor = credentials({"openai": {"main": key}})
    read = made.key(vendor("openai"), "main")
    assert read is not None
    assert read.get_secret_value() == "key-main"


def test_a_changed_key_changes_the_fingerprint() -> None:
    """A function is asked anew for each call."""
    value = ["key-one"]
    made, vendor = credentials({"openai": {"main": lambda: value[0]}})
    (before,) = made.profiles(vendor("openai"))
    (same,) = made.profiles(vendor("openai"))
    value[0] = "key-two"
    (after,) = made.profiles(vendor("openai"))
    assert before == same
    assert before.fingerprint != after.fingerprint
    assert "key-one" not in repr(before)


def test_the_environment_is_read_anew_for_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without profiles there is one, "default"; without a key it says which variable to set."""
    made, vendor = credentials()
    (missing,) = made.profiles(vendor("openai"))
    assert missing.name == "default"
    assert missing.unavailable == "no API key: set OPENAI_API_KEY, or give profiles={'openai': {'main': …}}"
    monkeypatch.setenv("OPENAI_API_KEY", " key-env ")
    (found,) = made.profiles(vendor("openai"))
    assert found.unavailable is None
    key = made.key(vendor("openai"), "default")
    assert key is not None
    assert key.get_secret_value() == "key-env"
    monkeypatch.setenv("OPENAI_API_KEY", "  ")
    (missing,) = made.profiles(vendor("openai"))
    assert missing.unavailable is not None


def test_a_provider_may_need_no_key() -> None:
    """A local server is asked without one; one without a variable of its own says what to give."""
    made, vendor = credentials()
    assert made.key(vendor("ollama"), "default") is None
    assert made.profiles(vendor("ollama")) == (Profile("default"),)
    with pytest.raises(ConfigurationError, match=r"^no API key: give profiles="):
        made.key(Vendor(name="mine"), "default")


def test_a_key_function_that_fails_is_a_reason_without_its_words() -> None:
    """They might hold the key."""

    def fails() -> str:
        raise LookupError("key-secret is gone")

    made, vendor = credentials({"openai": {"main": fails, "backup": lambda: "  "}})
    main, backup = made.profiles(vendor("openai"))
    assert main.unavailable == "the key function of profile 'main' raised LookupError"
    assert backup.unavailable == "the key function of profile 'backup' of 'openai' returned no key"


@pytest.mark.parametrize(
    ("profiles", "order", "words"),
    [
        ({"openai": {}}, None, "must map at least one profile name to a key"),
        ({"openai": "key"}, None, "must map at least one profile name to a key"),
        ({"openai": {" ": "key"}}, None, "a profile without a name"),
        ({"openai": {1: "key"}}, None, "a profile without a name"),
        ({"openai": {"main": ""}}, None, "profile 'main' of 'openai' has no key"),
        ({"openai": {"main": SecretStr(" ")}}, None, "profile 'main' of 'openai' has no key"),
        ({"openai": {"main": None}}, None, "profile 'main' of 'openai' has no key"),
        ({"openai": {"main": "key"}}, {"openai": ["other"]}, r"must list profiles of \['main'\]"),
        ({"openai": {"main": "key"}}, {"openai": []}, "must list profiles"),
        ({"openai": {"main": "key"}}, {"openai": "main"}, "must list profiles"),
        (None, {"openai": ["main"]}, r"must list profiles of \['default'\]"),
    ],
    ids=str,
)
def test_wrong_keys_are_refused_at_construction(profiles: Any, order: Any, words: str) -> None:
    """With the setting's name."""
    with pytest.raises(ConfigurationError, match=words):
        credentials(profiles, order)


def test_keys_are_not_shown() -> None:
    """Only the names of profiles are."""
    made, _ = credentials({"openai": {"main": "key-main"}})
    assert repr(made) == "Credentials({'openai': ['main']})"


# The chain


def chain(manager: FailoverManager, model: str = "", *fallbacks: str) -> list[str]:
    return [link.name for link in manager.chain(LLMRequest(model=model, fallback_models=fallbacks))]


def test_the_chain_is_request_then_fallbacks_then_manager() -> None:
    """Each model once, by its canonical name."""
    manager = FailoverManager(fallbacks=[" groq/x", "openai/gpt-4.1 ", ""])
    assert chain(manager, "gpt-4.1", "claude-sonnet-4-5", "openai:gpt-4.1") == [
        "openai/gpt-4.1",
        "anthropic/claude-sonnet-4-5",
        "groq/x",
    ]
    assert chain(manager) == ["groq/x", "openai/gpt-4.1"]


def test_an_empty_chain_is_an_error() -> None:
    """In the words that users know."""
    with pytest.raises(ConfigurationError, match=r"^LLM request has no model resolved$"):
        chain(FailoverManager(), "  ")


def test_what_cannot_be_asked_stays_in_the_chain_with_the_reason() -> None:
    """An unknown provider as a whole, a missing key by its profile."""
    manager = FailoverManager(profiles={"groq": {"main": "key-main"}})
    nobody, openai, groq = manager.chain(LLMRequest(model="nobody/x", fallback_models=("openai/gpt-4.1", "groq/x")))
    assert nobody.unavailable is not None
    assert "'nobody' is not known" in nobody.unavailable
    assert openai.unavailable is None
    assert openai.profiles[0].unavailable is not None
    assert groq.profiles[0].unavailable is None
    assert str(manager.explain(LLMRequest(model="nobody/x", fallback_models=("groq/x",)))).count("would be tried") == 1


def test_a_missing_key_that_appears_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next call has it."""
    manager = FailoverManager()
    request = LLMRequest(model="openai/gpt-4.1")
    assert "would be tried" not in str(manager.explain(request))
    monkeypatch.setenv("OPENAI_API_KEY", "key-env")
    assert "would be tried" in str(manager.explain(request))
