"""Links: what they are called, under which keys they are asked, and that only a changed key makes them anew."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from shared_core.chain import Link, Profile, merge_models
from shared_core.errors import ConfigurationError
from shared_core.manager import FailoverManager
from shared_core.request import LLMRequest

MAIN, BACKUP = Profile("main", "1f"), Profile("backup", "2e")
DEAD = Profile("dead", unavailable="no API key")


def test_a_link_knows_its_name_and_its_usable_keys() -> None:
    """Profiles without a key identify none."""
    link = Link("openai", "gpt-4.1", (MAIN, DEAD, BACKUP))
    assert link.name == "openai/gpt-4.1"
    assert link.keys == (("main", "1f"), ("backup", "2e"))


def test_a_changed_link_has_a_name_and_keys_of_its_own() -> None:
    """A rival gets some of its model's profiles, and other links another model."""
    link = replace(Link("openai", "gpt-4.1", (MAIN, BACKUP)), model="gpt-4.1-mini", profiles=(BACKUP,))
    assert (link.name, link.keys) == ("openai/gpt-4.1-mini", (("backup", "2e"),))


def test_links_are_equal_by_what_they_are_made_of_and_survive_copying() -> None:
    """The name and the keys follow from the rest."""
    link = Link("openai", "gpt-4.1", (MAIN,), window=1000)
    assert link == Link("openai", "gpt-4.1", (MAIN,), window=1000)
    assert link != Link("openai", "gpt-4.1", (BACKUP,), window=1000)
    copied = copy.deepcopy(link)
    assert (copied, copied.name, copied.keys) == (link, link.name, link.keys)


def test_calls_share_a_link_until_a_key_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in the environment is read by every call; the link is made anew when it is another one, or gone."""
    manager = FailoverManager(fallbacks=["openai/gpt-4.1"])
    monkeypatch.setenv("OPENAI_API_KEY", "one")
    (first,), (second,) = manager.chain(LLMRequest()), manager.chain(LLMRequest())
    assert first is second
    monkeypatch.setenv("OPENAI_API_KEY", "two")
    (third,) = manager.chain(LLMRequest())
    assert third.keys != first.keys
    monkeypatch.delenv("OPENAI_API_KEY")
    (fourth,) = manager.chain(LLMRequest())
    assert fourth.keys == ()
    assert "OPENAI_API_KEY" in str(fourth.profiles[0].unavailable)
    monkeypatch.setenv("OPENAI_API_KEY", "one")
    assert manager.chain(LLMRequest()) == (first,)


def test_a_provider_that_is_taken_out_and_let_in_again() -> None:
    """The reason stands in the link only as long as it holds."""
    manager = FailoverManager(fallbacks=["local/m"], base_urls={"local": "http://127.0.0.1:9"})
    (before,) = manager.chain(LLMRequest())
    manager.registry.disable("local", "maintenance")
    (meanwhile,) = manager.chain(LLMRequest())
    assert "maintenance" in str(meanwhile.unavailable)
    manager.registry.enable("local")
    assert manager.chain(LLMRequest()) == (before,)


@pytest.mark.parametrize("source", ["openai/gpt-4.1", ["openai/gpt-4.1", 7], [b"openai/gpt-4.1"]])
def test_a_list_of_models_holds_model_strings_alone(source: object) -> None:
    """A string is a list of letters, which is never what is meant."""
    with pytest.raises(ConfigurationError, match="must be a list of model strings"):
        merge_models([], source)  # type: ignore[arg-type]  # what a caller might do
