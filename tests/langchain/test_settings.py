"""How a model is made, copied, stored and shown: wrong settings fail at once, and no key gets out."""

from __future__ import annotations

import copy
import json
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from langchain_core.load import dumpd, dumps, load
from langchain_core.runnables import ConfigurableField
from pydantic import BaseModel, SecretStr

from langchain_failover import ChatFailover
from shared_core.classify import ClassifierRule
from shared_core.errors import ConfigurationError
from shared_core.manager import FailoverManager
from shared_core.policy import FailoverPolicy
from shared_core.providers.base import Vendor
from shared_core.simulator import Fault, Reply, Simulator

SECRET = "key-secret"


class Answer(BaseModel):
    """An answer."""

    text: str


MINE = Vendor(name="mine", base_url="http://127.0.0.1:1/v1", key_env=("MINE_KEY",), omits=frozenset({"seed", "stop"}))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "no model"),
        ({"model": "  ", "fallbacks": [""]}, "no model"),
        ({"model": "openai/a", "fallback": ["b"]}, "fallback"),
        ({"model": "openai/a", "temperature": SECRET}, "temperature"),
        ({"model": "openai/a", "max_tokens": 0}, "max_tokens"),
        ({"model": "openai/a", "deadline": -1}, "deadline"),
        ({"model": "openai/a", "first_token_timeout": 0}, "first_token_timeout"),
        ({"model": "openai/a", "mid_stream": "pray"}, "mid_stream"),
        ({"model": "openai/a", "timeout": 3, "deadline": 4}, "deadline"),
        ({"model": "openai/a", "max_retries": -1}, "max_retries"),
        ({"model": "openai/a", "policy": {"patient": 1}}, "patient"),
        ({"model": "openai/a", "profiles": {"openai": {"main": " "}}}, "'main' of 'openai' has no key"),
        ({"model": "openai/a", "profiles": {"openai": {"main": SecretStr("")}}}, "'main' of 'openai' has no key"),
        ({"model": "openai/a", "profiles": {"openai": {"main": [SECRET]}}}, "'main' of 'openai' has no key"),
        ({"model": "openai/a", "profiles": {"openai": SECRET}}, "profiles of 'openai'"),
        ({"model": "openai/a", "profiles": {"openai": {}}}, "profiles of 'openai'"),
        ({"model": "openai/a", "profiles": [SECRET]}, "profiles"),
        ({"model": "openai/a", "vendors": [{"nom": "x"}]}, "vendor"),
        ({"model": "openai/a", "api_key": SECRET, "profiles": {"openai": {"main": SECRET}}}, "profiles"),
        ({"model": "openai/a", "api_key": ""}, "'default' of 'openai' has no key"),
        ({"api_key": SECRET}, "first model"),
        ({"model": "nowhere/a"}, "nowhere"),
        ({"model": "openai/a", "fallbacks": ["nowhere/a"]}, "nowhere"),
    ],
)
def test_a_wrong_setting_fails_at_once_and_is_named(settings: dict[str, Any], expected: str) -> None:
    """The message names the setting, and shows no value that may be a key."""
    with pytest.raises(ConfigurationError, match=expected) as caught:
        ChatFailover(**settings)
    assert SECRET not in repr(caught.value)


def test_the_model_may_come_first() -> None:
    """Positional or by name, but not two models."""
    assert ChatFailover("openai/a").model == ChatFailover(model="openai/a").model == "openai/a"
    assert ChatFailover("openai/a", model_name="openai/a").model == "openai/a"
    assert ChatFailover(model="openai/a", model_name=None).model == "openai/a"
    with pytest.raises(ConfigurationError, match="model"):
        ChatFailover("openai/a", model="openai/b")


def test_names_from_other_chat_models_are_understood() -> None:
    """What users of `ChatOpenAI` write means what they expect."""
    llm = ChatFailover(
        model_name="gpt-4.1",
        max_completion_tokens=9,
        stop_sequences="END",
        timeout=30,
        max_retries=3,
        default_headers={"X-Team": "a"},
        model_kwargs={"logit_bias": {}},
        fallbacks="groq/llama",
        api_key="key-main",
        base_url="http://127.0.0.1:1/v1",
        profiles=None,
    )
    assert (llm.model, llm.max_tokens, llm.stop, llm.fallbacks) == ("gpt-4.1", 9, ("END",), ("groq/llama",))
    assert (llm.extra_headers, llm.extra_body) == ({"X-Team": "a"}, {"logit_bias": {}})
    assert llm.base_urls == {"openai": "http://127.0.0.1:1/v1"}
    assert llm.profiles == {"openai": {"default": SecretStr("key-main")}}
    assert llm.manager is not None
    assert (llm.manager.policy.deadline, llm.manager.policy.transient_backoffs) == (30, (0.5, 2.0, 2.0))
    assert llm.laid_over(None) is None
    shorter = llm.laid_over(None, {"deadline": 5}, 0)
    assert shorter is not None
    assert (shorter.deadline, shorter.transient_backoffs) == (5, ())


def test_a_shared_manager_has_its_own_settings() -> None:
    """Settings of an engine beside a manager would be ignored, so they are refused."""
    manager = FailoverManager(fallbacks=["openai/c"], policy=FailoverPolicy(patience=1))
    first = ChatFailover("openai/a", manager=manager, deadline=5)
    second = ChatFailover(manager=manager)
    assert first.manager is second.manager is manager
    policy = first.laid_over(None)
    assert policy is not None
    assert (policy.patience, policy.deadline) == (1, 5)
    assert second.laid_over(None) is None
    assert [link.name for link in second.chain] == ["openai/c"]
    for settings in ({"profiles": {"openai": {"main": SECRET}}}, {"vendors": [MINE]}, {"order": {"openai": ["main"]}}):
        with pytest.raises(ConfigurationError, match=next(iter(settings))):
            ChatFailover("openai/a", manager=manager, **settings)


def test_a_model_that_was_not_made_properly_says_so() -> None:
    """Pydantic can make one without any check, which has no engine."""
    with pytest.raises(ConfigurationError, match="no manager"):
        ChatFailover.model_construct(model="openai/a").invoke("x")


def test_copies_share_the_manager() -> None:
    """One memory of what is down, and one set of connections, whatever is changed on the copy."""
    llm = ChatFailover("openai/a", profiles={"openai": {"main": SECRET}}, http_client=httpx.Client())
    copies = [copy.copy(llm), copy.deepcopy(llm), llm.model_copy(), llm.model_copy(update={"temperature": 1})]
    assert all(one.manager is llm.manager for one in copies)
    assert all(one.http_client is llm.http_client for one in copies)
    assert llm.http_client is not None
    llm.http_client.close()


def test_configurable_fields_keep_the_manager() -> None:
    """LangChain makes a new model for each configuration; it is the same engine unless its settings change."""
    llm = ChatFailover("openai/a", profiles={"openai": {"main": SECRET}}, deadline=9)
    configurable = llm.configurable_fields(
        temperature=ConfigurableField(id="t"), base_urls=ConfigurableField(id="urls"), model=ConfigurableField(id="m")
    )

    def configured(**values: Any) -> ChatFailover:
        made, _ = configurable.with_config(configurable=values).prepare()  # type: ignore[attr-defined]
        assert isinstance(made, ChatFailover)
        return made

    warm = configured(t=0.7, m="openai/b")
    assert (warm.temperature, warm.model, warm.manager) == (0.7, "openai/b", llm.manager)
    assert not warm._streaming_disabled()
    elsewhere = configured(urls={"openai": "http://127.0.0.1:1/v1"})
    assert elsewhere.manager is not llm.manager


def full() -> ChatFailover:
    return ChatFailover(
        "openai/a",
        fallbacks=["mine/b"],
        profiles={"openai": {"main": SECRET, "backup": lambda: SECRET}},
        order={"openai": ["backup", "main"]},
        vendors=[MINE],
        policy=FailoverPolicy(patience=1, actions={"context_exceeded": "raise"}, retry={"jitter": 0}),
        deadline=20,
        temperature=0,
        stop=["END"],
        extra_headers={"X-Key": SECRET},
        http_client=httpx.Client(),
    )


def settings_of(llm: ChatFailover) -> dict[str, Any]:
    return {**llm.asdict(), "policy": llm.policy, "vendors": llm.vendors, "stop": llm.stop, "deadline": llm.deadline}


def test_a_dump_has_everything_but_keys() -> None:
    """Loading it makes the same model, which takes its keys from the environment."""
    llm = full()
    text = dumps(llm)
    assert SECRET not in text
    assert json.loads(text)["id"] == ["langchain_failover", "ChatFailover"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `load` is in beta
        loaded = load(dumpd(llm), allowed_objects=[ChatFailover], valid_namespaces=["langchain_failover"])
    assert settings_of(loaded) == settings_of(llm)
    assert loaded.profiles == {}
    assert loaded.extra_headers == {}
    assert "not_implemented" not in text
    llm.http_client.close()  # type: ignore[union-attr]


def test_a_pickle_has_everything_but_keys() -> None:
    """It is rebuilt with a manager of its own, and streams like the original."""
    llm = full()
    data = pickle.dumps(llm)
    assert SECRET.encode() not in data
    loaded = pickle.loads(data)  # noqa: S301
    assert settings_of(loaded) == settings_of(llm)
    assert loaded.profiles == {}
    assert loaded.manager is not None
    assert not loaded._streaming_disabled()
    llm.http_client.close()  # type: ignore[union-attr]


def test_no_key_is_shown() -> None:
    """Not in the repr, not in what traces and caches are told."""
    llm = full()
    shown = [
        repr(llm),
        str(llm),
        str(llm.asdict()),
        str(llm._get_invocation_params(extra_headers={"X-Key": SECRET})),
        str(llm._get_ls_params()),
        llm._get_llm_string(extra_headers={"X-Key": SECRET}),
        repr(llm.own_engine),
        repr(llm.__getstate__()),
    ]
    assert not [text for text in shown if SECRET in text]
    llm.http_client.close()  # type: ignore[union-attr]


def test_a_credential_in_a_providers_own_tool_is_not_traced() -> None:
    """OpenAI's MCP tool carries one for the server that OpenAI calls."""
    tool = {"type": "mcp", "server_url": "http://x", "authorization": SECRET, "headers": {"X-Key": SECRET}}
    params = ChatFailover("openai/a")._get_invocation_params(tools=[tool])
    assert params["tools"][0]["server_url"] == "http://x"
    assert SECRET not in str(params)


def test_what_changes_an_answer_changes_the_cache_key() -> None:
    """The chain, settings and options of the call; a copy does not inherit the original's key."""
    llm = ChatFailover("openai/a")
    first = llm._get_llm_string()
    others = [
        llm._get_llm_string(stop=["x"]),
        llm._get_llm_string(tools=[{"name": "f"}]),
        llm._get_llm_string(response_format=Answer),
        llm.model_copy(update={"temperature": 1.0})._get_llm_string(),
        llm.model_copy(update={"model": "openai/b"})._get_llm_string(),
        llm.model_copy(update={"extra_body": {"top_k": 1}})._get_llm_string(),
    ]
    assert len({first, *others}) == 7


def test_equal_tools_have_an_equal_cache_key() -> None:
    """Tools are compared by their schema, not by where they lie in memory."""

    def tools() -> list[Callable[..., Any]]:
        def add(a: int) -> int:
            """Add."""
            return a

        return [add]

    llm = ChatFailover("openai/a")
    assert llm._get_llm_string(tools=tools()) == llm._get_llm_string(tools=tools())


def test_tracing_is_told_who_is_asked_first() -> None:
    """LangSmith's parameters name the first model, or that of the call."""
    llm = ChatFailover("groq/llama", temperature=0.5, max_tokens=7, stop=["x"])
    assert llm._get_ls_params() == {
        "ls_provider": "groq",
        "ls_model_name": "llama",
        "ls_model_type": "chat",
        "ls_temperature": 0.5,
        "ls_max_tokens": 7,
        "ls_stop": ["x"],
    }
    params = llm._get_ls_params(model="claude-x", max_completion_tokens=8, temperature=1, stop=["y"])
    assert (params["ls_provider"], params["ls_model_name"]) == ("anthropic", "claude-x")
    assert (params["ls_max_tokens"], params["ls_temperature"], params["ls_stop"]) == (8, 1, ["y"])


def test_the_profile_holds_for_the_whole_chain() -> None:
    """The smallest window, and what all models can do; a window of the user's own comes first."""
    profile = ChatFailover("openai/gpt-4.1", fallbacks=["openai/gpt-4o"]).profile
    assert profile is not None
    assert profile["max_input_tokens"] == 128_000
    assert profile["tool_calling"] is True
    unknown = ChatFailover("openai/gpt-4.1", fallbacks=["ollama/something-new"]).profile
    assert unknown is not None
    assert unknown["max_input_tokens"] == 1_047_576
    assert "tool_calling" not in unknown
    assert ChatFailover("ollama/something-new").profile is None
    given = ChatFailover("openai/gpt-4.1", profile={"max_input_tokens": 9}).profile
    assert given == {"max_input_tokens": 9}
    own = ChatFailover("ollama/something-new", context_window=4096).profile
    assert own == {"text_inputs": True, "text_outputs": True, "max_input_tokens": 4096}


def test_a_key_from_a_function_is_fetched_for_the_call(sim: Simulator, make: Callable[..., ChatFailover]) -> None:
    """A rotated key needs no new model."""
    key = "key-1"
    llm = make(profiles={"openai": {"main": lambda: key}})
    llm.invoke("x")
    key = "key-2"
    llm.invoke("x")
    assert [request.key for request in sim.requests] == ["key-1", "key-2"]


def test_a_call_can_be_explained_before_it_is_made() -> None:
    """What would be tried and what skipped, for the chain of the call; nobody is asked."""
    llm = ChatFailover("openai/a", fallbacks=["ollama/b"], profiles={"openai": {"main": SECRET}})
    llm.manager.disable("openai/a", "too expensive")  # type: ignore[union-attr]
    found = llm.explain(model="openai/c", fallback_models=["openai/a"]).candidates
    assert [(candidate.model, candidate.profile) for candidate in found] == [
        ("openai/c", "main"),
        ("openai/a", None),
        ("ollama/b", "default"),
    ]
    assert "too expensive" in str(found[1].skip)
    assert found[0].skip is None
    assert SECRET not in str(llm.explain("Hello"))


def test_answers_and_errors_may_be_judged_by_the_caller() -> None:
    """A predicate and a rule, given to the model itself; neither leaves the process with it."""
    with Simulator() as sim:
        sim.script("odd", Fault.status(418, "short and stout"))
        sim.script("small", Reply("n/a"))
        llm = ChatFailover(
            model="a/odd",
            fallbacks=["b/small", "c/large"],
            base_urls=dict.fromkeys("abc", sim.base_url),
            rules=[ClassifierRule(kind="balance", pattern="stout")],
            accept=lambda answer: answer.text != "n/a",
        )
        assert llm.invoke("Hello").content == "You said: Hello"
        assert str(llm.manager.health().models[0].kind) == "balance"
        assert pickle.loads(pickle.dumps(llm)).model == "a/odd"  # noqa: S301 - made two lines above
