"""One file for LangChain, LlamaIndex and the command line."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.load import dumps

from langchain_failover import ChatFailover
from llamaindex_failover import FailoverLLM
from shared_core.cli import main
from shared_core.configuration import Configuration
from shared_core.errors import ConfigurationError
from shared_core.policy import FailoverPolicy
from shared_core.simulator import Simulator

FILE = """
[chain]
model = "openai/broken"
fallbacks = ["gateway/sound"]

[request]
max_tokens = 300
temperature = 0.5
stop = ["END"]
extra_headers = { X-Trace = "${TRACE_TOKEN}" }

[profiles.openai]
first = "${FIRST_KEY}"
second = "${SECOND_KEY}"

[vendors.gateway]
base_url = "${GATEWAY_URL}"
needs_key = false
headers = { X-Gateway = "${GATEWAY_TOKEN}" }

[base_urls]
openai = "${GATEWAY_URL}"

[models."gateway/sound"]
context_window = 5000
refuses = ["temperature"]

[policy]
transient_backoffs = []
deadline = 20
"""

SECRETS = {"FIRST_KEY": "key-1st", "SECOND_KEY": "key-2nd", "TRACE_TOKEN": "token-tr", "GATEWAY_TOKEN": "token-gw"}


@pytest.fixture
def sim(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    with Simulator() as running:
        running.script("broken", "503")
        for name, value in {**SECRETS, "GATEWAY_URL": running.base_url}.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def path(sim: Simulator, tmp_path: Path) -> Path:
    found = tmp_path / "failover.toml"
    found.write_text(FILE, encoding="utf-8")
    return found


def ask_langchain(path: Path, **overrides: Any) -> dict[str, Any]:
    llm = ChatFailover.from_config(path, **overrides)
    answer = llm.invoke("Hi")
    llm.manager.close()
    return dict(answer.response_metadata["failover"])


def ask_llamaindex(path: Path, **overrides: Any) -> dict[str, Any]:
    llm = FailoverLLM.from_config(path, **overrides)
    answer = llm.complete("Hi")
    llm.manager.close()
    return dict(answer.additional_kwargs["failover"])


@pytest.mark.parametrize("ask", [ask_langchain, ask_llamaindex])
def test_both_faces_walk_the_chain_of_the_file(ask: Any, path: Path, sim: Simulator) -> None:
    """With its keys, addresses, headers, defaults, models and policy."""
    report = ask(path)
    assert [(step["model"], step["profile"], step.get("outcome")) for step in report["trail"]] == [
        ("openai/broken", "first", "failed"),
        ("openai/broken", "second", None),
        ("gateway/sound", "default", "succeeded"),
    ]
    broken, sound = sim.requests
    assert (broken.key, broken.body["max_completion_tokens"], broken.body["temperature"]) == ("key-1st", 300, 0.5)
    assert (sound.key, sound.body["max_tokens"], sound.body["stop"]) == (None, 300, ["END"])
    assert "temperature" not in sound.body
    assert (sound.headers["x-gateway"], sound.headers["x-trace"]) == ("token-gw", "token-tr")


def test_the_command_line_walks_it_too(path: Path, sim: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """`ask --config`; what else is on the command line goes over the file."""
    assert main(["ask", "Hi", "--config", str(path)]) == 0
    assert main(["ask", "Hi", "--config", str(path), "--model", "gateway/other", "--max-tokens", "7"]) == 0
    said = capsys.readouterr()
    assert "gateway/sound answered after 1 failed attempt" in " ".join(said.err.replace("[default] ", "").split())
    assert [(request.model, request.asked.max_tokens) for request in sim.requests] == [
        ("broken", 300),
        ("sound", 300),
        ("other", 7),
    ]


@pytest.mark.parametrize("ask", [ask_langchain, ask_llamaindex])
def test_overrides_stand_in_place_of_the_file(ask: Any, path: Path, sim: Simulator) -> None:
    """Under the names that each face has for them."""
    report = ask(path, model="gateway/other", fallbacks=["gateway/sound"], timeout=5, max_tokens=9)
    assert report["model"] == "gateway/other"
    assert [request.body["max_tokens"] for request in sim.requests] == [9]


def test_faces_may_share_the_memory_of_what_is_down(path: Path, sim: Simulator) -> None:
    """A manager of the file has its keys, addresses, vendors and models; what was asked once is known to both."""
    with Configuration.load(path).manager() as manager:
        chat = ChatFailover.from_config(path, manager=manager, max_completion_tokens=5)
        llm = FailoverLLM.from_config(path, manager=manager, policy=FailoverPolicy(deadline=7))
        chat.invoke("Hi")
        assert llm.complete("Hi").additional_kwargs["failover"]["trail"][0]["step"] == "skip"
    assert [request.model for request in sim.requests] == ["broken", "sound", "sound"]
    assert sim.requests[1].body["max_tokens"] == 5


@pytest.mark.usefixtures("sim")
def test_what_leaves_the_process_holds_no_key(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of profiles nor of headers; the rest of the file comes along."""
    chat, llm = ChatFailover.from_config(path), FailoverLLM.from_config(path)
    pickled = [pickle.dumps(chat), pickle.dumps(llm)]
    gone = [str(pickled), dumps(chat), repr(chat), str(chat._identifying_params), str(chat._get_invocation_params())]
    gone += [str(llm.to_dict()), llm.to_json(), repr(llm), str(llm.to_payload())]
    assert not [secret for secret in SECRETS.values() for text in gone if secret in text]
    monkeypatch.setenv("OPENAI_API_KEY", "key-usual")
    there, there_too = (pickle.loads(made) for made in pickled)  # noqa: S301  # made above
    assert there.profile["max_input_tokens"] == there_too.metadata.context_window == 5000
    assert there.policy == there_too.policy == chat.policy
    assert there.models == there_too.models == chat.models
    assert [link.name for link in there.chain] == ["openai/broken", "gateway/sound"]
    for made in (chat, llm, there, there_too):
        made.manager.close()


def test_models_in_the_style_of_langchain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its face makes chat models of them; the others say that they cannot."""
    monkeypatch.setenv("OPENAI_API_KEY", "key-main")
    path = tmp_path / "failover.toml"
    path.write_text('[chain]\nmodel = "openai:gpt-4.1"\nprovider_style = "langchain"\n', encoding="utf-8")
    assert ChatFailover.from_config(path).names == ("ChatOpenAI/gpt-4.1",)
    assert ChatFailover.from_config(path, provider_style=None).names == ("openai:gpt-4.1",)
    with pytest.raises(ConfigurationError, match="only ChatFailover understands"):
        FailoverLLM.from_config(path)
    assert main(["explain", "--config", str(path)]) == 2


def test_models_in_the_style_of_llamaindex(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other way round."""
    monkeypatch.setenv("OPENAI_API_KEY", "key-main")
    path = tmp_path / "failover.toml"
    path.write_text('[chain]\nmodel = "openai/gpt-4.1"\nprovider_style = "llamaindex"\n', encoding="utf-8")
    llm = FailoverLLM.from_config(path)
    assert llm._chain() == ("OpenAI/gpt-4.1",)
    assert FailoverLLM.from_config(path, provider_style=None)._chain() == ("openai/gpt-4.1",)
    with pytest.raises(ConfigurationError, match="only FailoverLLM understands"):
        ChatFailover.from_config(path)


@pytest.mark.parametrize("face", [ChatFailover, FailoverLLM])
def test_a_wrong_file_or_override_is_told(face: Any, path: Path) -> None:
    """Before anything is made of it."""
    with pytest.raises(ConfigurationError, match="colour"):
        face.from_config(path, colour="red")
    path.write_text("[chain]\nmodle = 'x'\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"failover\.toml: 2 mistakes\n.*chain\.model: missing\n.*'model'\?"):
        face.from_config(path)
