"""The chain of one call: its links in order, each with the profiles under which it may be asked.

A link that cannot be asked at all (an unknown provider, no key) stays in the chain with its reason, so that the walk
can report it. Building a chain is pure; who knows providers and keys (`manager`) supplies the links.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shared_core.errors import ConfigurationError

__all__ = ["Link", "Profile", "Target", "merge_models"]


@dataclass(frozen=True, slots=True)
class Profile:
    """One API key by name.

    Attributes:
        name: The profile's name; the key itself is not here.
        fingerprint: Changes when the key's value changes.
        unavailable: Why it cannot be used, if it cannot.
    """

    name: str
    fingerprint: str = ""
    unavailable: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """One model of the chain.

    Attributes:
        provider: Provider's name.
        model: Model id as the provider knows it.
        profiles: Profiles in the order in which they are tried.
        unavailable: Why it cannot be asked at all, if it cannot.
        thinks_silently: It may take long before its first token.
        window: Context window in tokens, if known.
        is_part: It has some of its model's profiles only, so that their failing says little of the model.
    """

    provider: str
    model: str
    profiles: tuple[Profile, ...] = (Profile("default"),)
    unavailable: str | None = None
    thinks_silently: bool = False
    window: int | None = None
    is_part: bool = False

    @property
    def name(self) -> str:
        """Canonical model string."""
        return f"{self.provider}/{self.model}"

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """What identifies the API keys under which it can be asked: names and fingerprints."""
        return tuple((each.name, each.fingerprint) for each in self.profiles if each.unavailable is None)


@dataclass(frozen=True, slots=True)
class Target:
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
        found = () if isinstance(source, str) else tuple(source)
        if isinstance(source, str) or not all(isinstance(text, str) for text in found):
            raise ConfigurationError(f"models must be a list of model strings, got {source!r}")
        names.update(dict.fromkeys(text.strip() for text in found))
    return tuple(name for name in names if name)
