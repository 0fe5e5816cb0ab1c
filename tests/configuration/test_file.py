"""What a configuration file gives: values, variables, keys that are read late, requests and managers."""

from __future__ import annotations

import copy
import doctest
import pickle
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from shared_core import configuration
from shared_core.configuration import Configuration, forms, mistakes, places, variables
from shared_core.credentials import EnvironmentKey
from shared_core.errors import ChainExhaustedError, ConfigurationError
from shared_core.messages import Message
from shared_core.policy import FailoverPolicy, RetryConfig
from shared_core.providers.base import Vendor
from shared_core.providers.models import ModelInfo
from shared_core.providers.vendors import VENDORS
from shared_core.request import LLMRequest
from shared_core.simulator import Simulator

WHOLE = """
[chain]
model = "fast"
fallbacks = ["openai/gpt-4.1", "gateway/large", "my-server/llama-3.3-70b"]

[request]
temperature = 0.2
max_tokens = "${MAX_TOKENS:-500}"
stop = "END"
extra_headers = { x-team = "a" }
extra_body = { logit_bias = {}, tags = ["$$5", 1, true] }

[profiles.openai]
main = "${OPENAI_MAIN}"
backup = "${OPENAI_BACKUP}"

[profiles.claude]
only = "${CLAUDE_KEY}"

[order]
openai = ["backup", "main"]

[base_urls]
my-server = "${SERVER:-http://127.0.0.1:8000}/v1"

[aliases]
fast = "groq/llama-3.3-70b-versatile"

[vendors.openai]
max_tokens_field = "max_tokens"

[vendors.gateway]
wire = "anthropic"
base_url = "https://gateway.example/v1"
key_env = ["GATEWAY_KEY", "OTHER_KEY"]
headers = { Authorization = "Bearer ${GATEWAY_TOKEN}" }
omits = ["seed"]
tool_id = '[a-z]+$'
needs_key = false

[models."my-server/llama-3.3-70b"]
context_window = 8192
efforts = ["low"]
refuses = ["temperature"]

[models.fast]
max_output_tokens = 1000

[policy]
deadline = 60
transient_backoffs = [0.5]
fail_fast = true
actions = { content_filter = "next_model" }
model_cooldowns.auth = 5

[policy.retry]
attempts = 4
"""

ENVIRON = {"OPENAI_MAIN": "key-main", "GATEWAY_TOKEN": "token-1", "CLAUDE_KEY": "  "}

CHAIN = '[chain]\nmodel = "one/any"\n[base_urls]\none = "http://127.0.0.1:1"\n'


def test_every_table_has_its_place() -> None:
    """Names as in the Python interface, in the order of the file."""
    found = Configuration.parse(WHOLE, environ=ENVIRON)
    assert (found.model, found.provider_style) == ("fast", None)
    assert found.fallbacks == ("openai/gpt-4.1", "gateway/large", "my-server/llama-3.3-70b")
    assert found.settings == {
        "temperature": 0.2,
        "max_tokens": 500,
        "stop": ("END",),
        "extra_headers": {"x-team": "a"},
        "extra_body": {"logit_bias": {}, "tags": ["$5", 1, True]},
    }
    assert [(provider, list(keys)) for provider, keys in found.profiles.items()] == [
        ("openai", ["main", "backup"]),
        ("anthropic", ["only"]),
    ]
    assert found.order == {"openai": ("backup", "main")}
    assert found.base_urls == {"my-server": "http://127.0.0.1:8000/v1"}
    assert found.aliases == {"fast": "groq/llama-3.3-70b-versatile"}
    assert found.policy == FailoverPolicy(
        deadline=60,
        transient_backoffs=(0.5,),
        fail_fast=True,
        actions={"content_filter": "next_model"},
        model_cooldowns={"auth": 5},
        retry=RetryConfig(attempts=4),
    )


def test_what_is_known_of_vendors_and_models_stays_unless_the_file_says_otherwise() -> None:
    """A table changes a row that is there, and makes one that is not."""
    found = Configuration.parse(WHOLE, environ=ENVIRON)
    openai, gateway = found.vendors
    assert (openai.max_tokens_field, openai.key_env, openai.base_url) == (
        "max_tokens",
        VENDORS["openai"].key_env,
        VENDORS["openai"].base_url,
    )
    assert gateway == Vendor(
        name="gateway",
        wire="anthropic",
        base_url="https://gateway.example/v1",
        key_env=("GATEWAY_KEY", "OTHER_KEY"),
        headers={"Authorization": "Bearer token-1"},
        omits=frozenset({"seed"}),
        tool_id="[a-z]+$",
        needs_key=False,
    )
    own, fast = found.models["my-server/llama-3.3-70b"], found.models["groq/llama-3.3-70b-versatile"]
    assert own == ModelInfo(
        context_window=8192,
        tool_calling=True,
        reasoning=False,
        image_inputs=False,
        efforts=("low",),
        refuses=frozenset({"temperature"}),
    )
    assert (fast.context_window, fast.max_output_tokens) == (131_072, 1000)


def test_a_file_may_be_small(tmp_path: Path) -> None:
    """A model is all that it must have; a mark that an editor put before the text is no part of it."""
    path = tmp_path / "failover.toml"
    path.write_text('[chain]\nmodel = "gpt-4.1"\n', encoding="utf-8-sig")
    found = Configuration.load(path)
    assert (found.model, found.fallbacks, found.settings, found.policy) == ("gpt-4.1", (), {}, FailoverPolicy())
    assert found.source == str(path)
    assert found.arguments() == {"model": "gpt-4.1", "fallbacks": ()}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${NAME}", "held"),
        ("a ${NAME} b ${NAME}", "a held b held"),
        ("${MISSING:-text}", "text"),
        ("${EMPTY:-text}", "text"),
        ("${NAME:-text}", "held"),
        ("x${MISSING:-}", "x"),
        ("$${NAME}", "${NAME}"),
        ("$NAME costs 5$", "$NAME costs 5$"),
        ("${DOLLARS}", "$${NAME}"),
    ],
)
def test_variables_in_strings(text: str, value: str) -> None:
    """In the manner of a shell, with one escape; what a variable holds is not looked into again."""
    environ = {"NAME": "held", "EMPTY": "", "DOLLARS": "$${NAME}"}
    found = Configuration.parse(f'{CHAIN}[request]\nuser = "{text}"\n', environ=environ)
    assert found.settings == {"user": value}


def test_a_key_is_read_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not set is a target that is skipped with the reason; one that is set later is seen."""
    monkeypatch.delenv("MY_TEST_KEY", raising=False)
    with Simulator() as sim:
        found = Configuration.parse(
            f'[chain]\nmodel = "openai/x"\n[base_urls]\nopenai = "{sim.base_url}"\n'
            '[profiles.openai]\nmain = " ${MY_TEST_KEY} "\n'
        )
        with found.manager() as manager:
            with pytest.raises(
                ChainExhaustedError, match="no API key: the environment variable MY_TEST_KEY is not set"
            ):
                manager.complete(found.request("Hi"))
            assert sim.requests == []
            monkeypatch.setenv("MY_TEST_KEY", " key-now \n")
            assert manager.complete(found.request("Hi")).report.profile == "main"
        assert [request.key for request in sim.requests] == ["key-now"]


def test_requests_and_managers_take_overrides() -> None:
    """Each in place of what the file says."""
    found = Configuration.parse(WHOLE, environ=ENVIRON)
    turns = (Message.of("user", "Hi"),)
    request = found.request("Hi", temperature=0, fallback_models=())
    assert request == LLMRequest(**{**found.settings, "messages": turns, "model": "fast", "temperature": 0})
    assert found.request(list(turns)).fallback_models == found.fallbacks
    with found.manager(policy=FailoverPolicy(), base_urls={"my-server": "http://127.0.0.1:9"}) as manager:
        names = [(each.model, each.profile, each.skip) for each in manager.explain(request).candidates]
        everything = manager.explain(found.request()).candidates
    assert names == [("groq/llama-3.3-70b-versatile", "default", everything[0].skip)]
    assert [(each.model, each.profile, each.skip is None) for each in everything[1:]] == [
        ("openai/gpt-4.1", "backup", False),
        ("openai/gpt-4.1", "main", True),
        ("gateway/large", "default", True),
        ("my-server/llama-3.3-70b", "default", True),
    ]


def test_model_strings_of_langchain_are_for_its_face_alone() -> None:
    """They are not looked into, and no request of the engine's own is made with them."""
    found = Configuration.parse('[chain]\nmodel = "google_vertexai:x"\nprovider_style = "langchain"\n', source="f.toml")
    assert found.provider_style == "langchain"
    with pytest.raises(ConfigurationError, match=r"f\.toml: chain\.provider_style: only ChatFailover"):
        found.request("Hi")


def test_it_shows_and_gives_away_no_key() -> None:
    """Not in its repr, not in a pickle; copies are itself, for it cannot change."""
    found = Configuration.parse(WHOLE, environ=ENVIRON)
    assert not any(secret in repr(found) for secret in ("key-main", "token-1"))
    with pytest.raises(TypeError, match="load the file where it is needed"):
        pickle.dumps(found)
    assert copy.copy(found) is found
    assert copy.deepcopy({"chain": found})["chain"] is found


def test_a_key_in_a_variable_is_no_key_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """It travels as a name, and reads the environment of the process that it came to."""
    monkeypatch.setenv("NAME", "key-there")
    key = EnvironmentKey("NAME", {"NAME": "key-here"})
    there = pickle.loads(pickle.dumps(key))  # noqa: S301  # made a line above
    assert (key(), there(), repr(there)) == ("key-here", "key-there", "EnvironmentKey(variable='NAME')")
    assert b"key-here" not in pickle.dumps(key)


def test_the_forms_follow_the_engine() -> None:
    """Every field of a vendor and of a model is a setting; those of a request, unless they belong to one call."""
    of_one_call = {"messages", "model", "fallback_models", "tools", "tool_choice", "parallel_tool_calls", "native"}
    known: list[tuple[Any, Any, set[str]]] = [
        (forms.VENDOR, Vendor, {"name"}),
        (forms.MODEL, ModelInfo, set()),
        (forms.REQUEST, LLMRequest, of_one_call | {"response_format", "deadline"}),
    ]
    for form, row, others in known:
        assert set(form.model_fields) == {field.name for field in fields(row)} - others


@pytest.mark.parametrize("module", [configuration, mistakes, places, variables])
def test_the_examples_run(module: Any) -> None:
    """Each of them gives what it says."""
    outcome = doctest.testmod(module)
    assert outcome.attempted > 0
    assert outcome.failed == 0
