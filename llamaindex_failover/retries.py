"""A member's own retries, switched off for the attempts of a chain: there is one owner of retries, the engine.

LLM classes keep `max_retries` as a field, which their own decorators read, and hand it to the SDK's client when that is
made. So it takes both: a copy with another field, and clients that ask once. The SDKs of OpenAI, Anthropic, Groq and
others are generated alike: `with_options` gives a client that shares the connections of the first.

Invariants: the caller's object is never changed; what the copy shares with it (connections, tools, prompts) is shared,
not copied; clients that a copy makes when first used are kept for the next copy.
"""

from __future__ import annotations

from typing import Any

from llama_index.core.llms.llm import LLM

__all__ = ["Quiet"]

_SETTING = "max_retries"


class Quiet:
    """Makes copies of an LLM that do not retry.

    Args:
        llm: The LLM; its settings are read anew for each copy.
    """

    def __init__(self, llm: LLM) -> None:
        self._llm = llm
        self._once: dict[str, tuple[Any, Any]] = {}
        self._has_setting = _SETTING in type(llm).model_fields

    @property
    def is_certain(self) -> bool:
        """Whether its attempts are certain not to be repeated: it has no retries, or they can be switched off."""
        if not self._has_setting or getattr(self._llm, _SETTING) == 0:
            return True
        return all(_has_options(client) for client in _clients(self._llm).values())

    def copy(self) -> LLM:
        """A copy for one attempt, and to be given back to `keep`."""
        # Not `model_copy`: classes of the framework override it, and it may run their checks.
        made = self._llm.__copy__()
        if self._has_setting:
            made.__dict__[_SETTING] = 0
        private = made.__pydantic_private__
        for name, client in _clients(made).items():
            if not _has_options(client):
                continue
            known, once = self._once.get(name, (None, None))
            if known is not client:
                once = client if getattr(client, _SETTING) == 0 else client.with_options(max_retries=0)
                self._once[name] = (client, once)
            if private is not None and name in private:
                private[name] = once
            else:
                made.__dict__[name] = once
        if private is not None:
            for name, (client, once) in self._once.items():
                if client is None and private.get(name) is None:
                    private[name] = once
        return made

    def keep(self, made: LLM) -> None:
        """Remembers the clients that a copy made for itself, so that their connections are used again."""
        for name, client in _clients(made).items():
            if name not in self._once and _has_options(client) and name not in _clients(self._llm):
                self._once[name] = (None, client)


def _clients(llm: LLM) -> dict[str, Any]:
    """What an LLM talks to a provider with; `http_client` is what a client sends with, and does not retry."""
    return {
        name: value
        for held in (vars(llm), llm.__pydantic_private__ or {})
        for name, value in held.items()
        if "client" in name and "http" not in name and value is not None and not isinstance(value, str | int | dict)
    }


def _has_options(client: Any) -> bool:
    return callable(getattr(client, "with_options", None)) and hasattr(client, _SETTING)
