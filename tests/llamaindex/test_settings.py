"""How a `FailoverLLM` is made, checked, dumped, pickled, copied and shown."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_index.core.constants import DEFAULT_CONTEXT_WINDOW, DEFAULT_NUM_OUTPUTS
from llama_index.core.llms import MockLLM
from llama_index.core.rate_limiter import TokenBucketRateLimiter

from llamaindex_failover import FailoverLLM
from shared_core.classify import ClassifierRule
from shared_core.errors import ConfigurationError
from shared_core.manager import FailoverManager
from shared_core.policy import FailoverPolicy, RetryConfig
from shared_core.providers.base import Vendor
from shared_core.simulator import Fault, Reply, Simulator

PROFILES = {"openai": {"main": "key-main", "backup": "key-backup"}}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "no model resolved"),
        ({"model": "  "}, "no model resolved"),
        ({"model": "nowhere/nothing"}, "provider 'nowhere' is not known"),
        ({"model": "openai/a", "fallbacks": ["openai/"]}, "'openai/' is not a model string"),
        ({"model": "openai/a", "fallback": ["openai/b"]}, "'fallback'; did you mean 'fallbacks'"),
        ({"model": "openai/a", "zzz": 1}, "unknown setting 'zzz'$"),
        ({"model": "openai/a", "api_key": "key-main"}, "use profiles="),
        ({"model": "openai/a", "api_base": "http://localhost"}, "use base_urls="),
        ({"model": "openai/a", "temperature": "hot"}, "temperature: Input should be a valid number"),
        ({"model": "openai/a", "max_tokens": 0}, "max_tokens"),
        ({"model": 5}, "model: .*expected a model string or an LLM, got int"),
        ({"model": "openai/a", "fallbacks": [5]}, "fallbacks: .*expected a model string or an LLM, got int"),
        ({"model": "openai/a", "deadline": 0}, "deadline"),
        ({"model": "openai/a", "deadline": 5, "timeout": 5}, "deadline is given twice"),
        ({"model": "openai/a", "mid_stream": "hope"}, "mid_stream"),
        ({"model": "openai/a", "max_retries": -1}, "max_retries"),
        ({"model": "openai/a", "structured_output": "prayer"}, "structured_output"),
    ],
    ids=str,
)
def test_wrong_settings_fail_at_once(settings: dict[str, Any], message: str) -> None:
    """A wrong setting is named when the LLM is made, not by its first call."""
    with pytest.raises(ConfigurationError, match=message):
        FailoverLLM(**settings)


def test_an_error_shows_no_value() -> None:
    """A key in the wrong place is not repeated by the error that complains about it."""
    with pytest.raises(ConfigurationError) as caught:
        FailoverLLM("openai/a", temperature="key-main", max_tokens="key-main")
    assert "key-main" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_manager_has_its_own_settings() -> None:
    """Keys and URLs beside a manager would be ignored, so they are refused."""
    with pytest.raises(ConfigurationError, match="profiles, base_urls"):
        FailoverLLM("openai/a", manager=FailoverManager(), profiles=PROFILES, base_urls={"openai": "http://localhost"})


def test_a_manager_may_bring_the_chain() -> None:
    """Without models of its own, an LLM asks its manager's."""
    llm = FailoverLLM(manager=FailoverManager(fallbacks=["openai/gpt-4.1"]))
    assert (llm.metadata.context_window, llm.metadata.model_name) == (1_047_576, "openai/gpt-4.1")


def test_a_single_string_is_one_model() -> None:
    """A string for a list is one entry and not its letters."""
    llm = FailoverLLM("openai/a", "openai/b", stop="END")
    assert (llm.fallbacks, llm.stop) == (["openai/b"], ["END"])


@pytest.mark.parametrize(
    ("settings", "window"),
    [
        ({"model": "openai/gpt-4.1"}, 1_047_576),
        ({"model": "openai/gpt-4.1", "fallbacks": ["anthropic/claude-sonnet-4-5"]}, 200_000),
        ({"model": "openai/gpt-4.1", "fallbacks": ["ollama/nobody-knows"]}, 1_047_576),
        ({"model": "ollama/nobody-knows"}, DEFAULT_CONTEXT_WINDOW),
        ({"model": "openai/gpt-4.1", "context_window": 5000}, 5000),
    ],
    ids=str,
)
def test_the_window_is_the_chains_smallest(settings: dict[str, Any], window: int) -> None:
    """Prompts are planned for the smallest known window, unless a setting says otherwise."""
    assert FailoverLLM(**settings).metadata.context_window == window


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, DEFAULT_NUM_OUTPUTS), ({"max_tokens": 900}, 900), ({"max_tokens": 900, "num_output": 300}, 300)],
)
def test_room_is_kept_for_the_answer(settings: dict[str, Any], expected: int) -> None:
    """`num_output` follows `max_tokens`, unless it is given."""
    assert FailoverLLM("openai/gpt-4.1", **settings).metadata.num_output == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"model": "openai/gpt-4.1"}, True),
        ({"model": "ollama/nobody-knows"}, True),
        ({"model": MockLLM()}, False),
        ({"model": MockLLM(), "fallbacks": ["openai/gpt-4.1"]}, True),
        ({"model": "openai/gpt-4.1", "is_function_calling_model": False}, False),
    ],
    ids=["model", "unknown model", "member", "member and model", "told"],
)
def test_functions_are_called_where_the_chain_can(settings: dict[str, Any], expected: bool) -> None:
    """A chain calls functions unless all of its models are known not to."""
    assert FailoverLLM(**settings).metadata.is_function_calling_model is expected


def full() -> FailoverLLM:
    """An LLM with everything that a dump must keep or leave out."""
    return FailoverLLM(
        "openai/gpt-4.1",
        ["mine/model"],
        profiles=PROFILES,
        order={"openai": ["backup", "main"]},
        base_urls={"openai": "http://user:key-url@localhost:1/v1?api-version=1&key=key-query"},
        vendors=[
            Vendor(
                name="mine",
                base_url="http://localhost:2",
                headers={"x": "key-header"},
                omits=frozenset({"seed"}),
                query={"v": "1", "apikey": "key-query"},
            ),
            Vendor(name="yours", base_url_env="YOURS_URL", needs_key=False),
        ],
        aliases={"fast": "mine/model"},
        policy=FailoverPolicy(retry=RetryConfig(attempts=2), patience=1.0, actions={"context_exceeded": "raise"}),
        extra_headers={"authorization": "key-header"},
        deadline=30,
        max_retries=3,
        temperature=0.5,
        stop=["END"],
        system_prompt="Be brief.",
    )


def same(one: FailoverLLM, other: FailoverLLM) -> None:
    assert other.to_dict() == one.to_dict()
    assert other.policy == one.policy
    ours, theirs = ([replace(row, headers={}, query={}) for row in llm.vendors] for llm in (one, other))
    assert theirs == ours


def test_a_dump_makes_the_same_llm_without_keys() -> None:
    """Settings travel, keys do not: neither those of profiles nor those in headers and URLs."""
    llm = full()
    text = llm.to_json()
    assert "key-" not in text
    same(llm, FailoverLLM.from_json(text))
    same(llm, FailoverLLM.from_dict(llm.to_dict()))
    assert llm.to_dict()["vendors"][0]["query"] == {"v": "1"}
    assert llm.to_dict()["base_urls"] == {"openai": "http://localhost:1/v1?api-version=1"}


def test_keys_can_be_given_again() -> None:
    """What a dump leaves out can be added where it is loaded."""
    loaded = FailoverLLM.from_dict(full().to_dict(), profiles=PROFILES)
    assert loaded.model == "openai/gpt-4.1"


def test_a_pickle_makes_the_same_llm_without_keys() -> None:
    """A pickle builds a manager of its own and holds no key."""
    llm = full()
    data = pickle.dumps(llm)
    assert b"key-" not in data
    loaded = pickle.loads(data)  # noqa: S301 - made here
    same(llm, loaded)
    assert loaded.manager is not llm.manager


def test_pickling_leaves_the_llm_as_it_is() -> None:
    """What cannot be pickled is left out of the pickle and not taken from the LLM."""
    manager = CallbackManager([LlamaDebugHandler(print_trace_on_end=False)])
    limiter = TokenBucketRateLimiter(requests_per_minute=1000)
    llm = FailoverLLM(
        "openai/gpt-4.1",
        callback_manager=manager,
        rate_limiter=limiter,
        completion_to_prompt=lambda prompt: prompt,
    )
    loaded = pickle.loads(pickle.dumps(llm))  # noqa: S301 - made here
    assert loaded.completion_to_prompt("x") == "x"
    assert (llm.callback_manager, llm.rate_limiter) == (manager, limiter)


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, FailoverLLM.model_copy, lambda llm: llm.model_copy(deep=True)]
)
def test_copies_share_what_is_known(copied: Callable[[FailoverLLM], FailoverLLM]) -> None:
    """A copy inside the process has the same manager, and settings of its own."""
    llm = full()
    other = copied(llm)
    same(llm, other)
    assert other.manager is llm.manager
    other.temperature = 0.9
    assert llm.temperature == 0.5


def test_a_changed_copy_asks_for_what_was_changed() -> None:
    """Settings of the policy that are changed on a copy hold for its calls alone."""
    llm = full()
    other = llm.model_copy(update={"deadline": 5.0, "max_retries": None})
    assert llm._call_policy().deadline == 30
    assert other._call_policy().deadline == 5
    assert len(llm._call_policy().transient_backoffs) == 3
    assert other._call_policy().transient_backoffs == FailoverPolicy().transient_backoffs
    assert other._call_policy().patience == 1.0


def test_without_settings_of_its_own_the_managers_policy_holds() -> None:
    """An LLM that says nothing about the policy leaves it to the manager; what it says lies over the manager's."""
    manager = FailoverManager(policy=FailoverPolicy(patience=0.5))
    assert FailoverLLM("openai/a", manager=manager)._call_policy() is None
    over = FailoverLLM("openai/a", manager=manager, deadline=9)._call_policy()
    assert (over.patience, over.deadline) == (0.5, 9)


def test_a_repr_is_short_and_shows_no_key() -> None:
    """A repr says what is asked, and nothing that is secret or by default."""
    assert repr(full()) == (
        "FailoverLLM(model='openai/gpt-4.1', fallbacks=['mine/model'], temperature=0.5, system_prompt='Be brief.')"
    )
    assert "key-" not in str(full())


def test_subclasses_may_have_settings_of_their_own() -> None:
    """A subclass with a further field takes it, dumps it and loads it."""

    class Mine(FailoverLLM):
        motto: str = ""

        @classmethod
        def class_name(cls) -> str:
            return "mine"

    llm = Mine("openai/gpt-4.1", motto="onwards")
    assert Mine.from_dict(llm.to_dict()).motto == "onwards"
    assert repr(llm).startswith("Mine(")


def test_answers_and_errors_may_be_judged_by_the_caller() -> None:
    """A predicate and a rule, given to the model itself; neither leaves the process with it."""
    with Simulator() as sim:
        sim.script("odd", Fault.status(418, "short and stout"))
        sim.script("small", Reply("n/a"))
        llm = FailoverLLM(
            model="a/odd",
            fallbacks=["b/small", "c/large"],
            base_urls=dict.fromkeys("abc", sim.base_url),
            rules=[ClassifierRule(kind="balance", pattern="stout")],
            accept=lambda answer: answer.text != "n/a",
        )
        assert llm.complete("Hello").text == "You said: Hello"
        assert str(llm.manager.health().models[0].kind) == "balance"
        assert pickle.loads(pickle.dumps(llm)).model == "a/odd"  # noqa: S301 - made two lines above
