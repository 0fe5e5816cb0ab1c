"""The chain of one call: its links in order, each with the profiles under which it may be asked.

A link that cannot be asked at all (an unknown provider, no key) stays in the chain with its reason, so that the walk
can report it. Building a chain is pure; who knows providers and keys (`manager`) supplies the links.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import NamedTuple

from shared_core.errors import ConfigurationError
from shared_core.records import record

__all__ = ["Link", "Profile", "Target", "merge_models"]


class Profile(NamedTuple):
    """One API key by name.

    Attributes:
        name: The profile's name; the key itself is not here.
        fingerprint: Changes when the key's value changes.
        unavailable: Why it cannot be used, if it cannot.
    """

    name: str
    fingerprint: str = ""
    unavailable: str | None = None


@record(frozen=True, slots=True)
class Link:
    """One model of the chain.

    Attributes:
        provider: Provider's name.
        model: Model id as the provider knows it.
        profiles: Profiles in the order in which they are tried.
        unavailable: Why it cannot be asked at all, if it cannot.
        thinks_silently: It may take long before its first token.
        answers_whole: It says nothing before it has said all.
        window: Context window in tokens, if known.
        is_part: It has some of its model's profiles only, so that their failing says little of the model.
        name: Canonical model string.
        keys: What identifies the API keys under which it can be asked: names and fingerprints.
    """

    provider: str
    model: str
    profiles: tuple[Profile, ...] = (Profile("default"),)
    unavailable: str | None = None
    thinks_silently: bool = False
    answers_whole: bool = False
    window: int | None = None
    is_part: bool = False
    # A link is made once and asked for these by every call.
    name: str = field(init=False, repr=False, compare=False)
    keys: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"{self.provider}/{self.model}")
        keys = tuple((each.name, each.fingerprint) for each in self.profiles if each.unavailable is None)
        object.__setattr__(self, "keys", keys)


class Target(NamedTuple):
    """What an attempt is sent to."""

    link: Link
    profile: Profile


def merge_models(*sources: Iterable[str]) -> tuple[str, ...]:
    """Model strings of all sources in order: trimmed, empty ones dropped, each once.

    >>> merge_models(["openai/gpt-4.1 "], ["", "groq/llama", "openai/gpt-4.1"])
    ('openai/gpt-4.1', 'groq/llama')

    Raises:
        ConfigurationError: A source is itself a string, or holds something else than strings.
    """
    names: dict[str, None] = {}
    for source in sources:
        # A string is an iterable of strings as well, and would become a chain of letters.
        if isinstance(source, str):
            raise ConfigurationError(f"models must be a list of model strings, got {source!r}")
        for text in source:
            if not isinstance(text, str):
                raise ConfigurationError(f"models must be a list of model strings, got {source!r}")
            names[text.strip()] = None
    names.pop("", None)
    return tuple(names)
