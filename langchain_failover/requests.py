"""One call: the model's settings and what the caller added, as a request to the engine.

What is given for a call wins over what the model was made with. A keyword that is no setting of ours is a field of the
provider's own API and goes into the request's body, as in `ChatOpenAI`; nothing is lost in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage

from langchain_failover.formats import to_response_format
from langchain_failover.native import Native, converted
from langchain_failover.runs import RUN, ParentRun
from langchain_failover.settings import POLICY_SETTINGS, FailoverSettings, under_own_names
from langchain_failover.tools import to_tool, to_tool_choice
from shared_core.errors import ConfigurationError
from shared_core.policy import FailoverPolicy
from shared_core.records import record
from shared_core.request import LLMRequest

__all__ = ["Call", "prepare"]

_SAMPLING = (
    "max_tokens",
    "temperature",
    "top_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "user",
)
"""Fields of the request that the model and the call have under the same name."""

_LANGCHAIN_OWN = frozenset({"stream", "stream_usage", "ls_structured_output_format", "structured_output_format"})
"""Keywords that steer LangChain and mean nothing to a provider: usage always comes, streams always stream."""

_WATCHING = ("first_token_timeout", "idle_timeout", "hedge_after", "deadline")
"""Settings that look at the pace of an answer, or share out a time by it. Only a stream has a pace."""


@record(frozen=True, slots=True)
class Call:
    """A request, and the policy to make it under; None for the manager's own."""

    request: LLMRequest
    policy: FailoverPolicy | None


def prepare(
    settings: FailoverSettings,
    messages: Sequence[BaseMessage],
    stop: Sequence[str] | None,
    options: Mapping[str, Any],
    *,
    parent: ParentRun | None = None,
    is_collected: bool = False,
) -> Call:
    """The call that LangChain asks for.

    Args:
        settings: The model.
        messages: The conversation.
        stop: Stop sequences of this call; None for the model's own.
        options: All other keywords of the call.
        parent: The run of this call, for members' attempts.
        is_collected: The answer is shown when it is whole.

    Raises:
        ConfigurationError: An option cannot be read.
    """
    given = {
        name: value
        for name, value in under_own_names(options).items()
        if name not in _LANGCHAIN_OWN and value is not None
    }
    parent = given.pop(RUN, parent)
    count = given.pop("n", None)
    if count not in {None, 1}:
        raise ConfigurationError(f"n must be 1, got {count}: a chain gives one answer; use batch for several")
    # `stop=` of a call and a bound `stop` both arrive as the named argument, under its other name as an option.
    stop = _first(_first(stop, given.pop("stop", None)), settings.stop)
    sampling = {name: _first(given.pop(name, None), getattr(settings, name)) for name in _SAMPLING}
    policy = _policy(settings, given)
    headers = given.pop("extra_headers", None) or {}
    model = given.pop("model", None) or settings.names[0]
    if not isinstance(model, str):
        raise ConfigurationError("a chat model becomes a link of the chain when ChatFailover is made, not for one call")
    fallbacks = _names(given.pop("fallback_models", None))
    raw_tools, strict = tuple(given.get("tools") or ()), given.get("strict")
    tools = _tools(settings, given)
    body = given.pop("extra_body", None) or {}
    turns, originals = converted(messages)
    request = LLMRequest(
        messages=turns,
        model=model,
        fallback_models=(*fallbacks, *settings.names[1:]),
        native=Native(
            originals,
            raw_tools,
            strict,
            given,
            parent or ParentRun(),
            is_collected,
            is_watched=is_collected and _is_watched(settings, policy),
        ),
        stop=_names(stop),
        extra_headers={**settings.extra_headers, **headers},
        extra_body={**settings.extra_body, **given, **body},
        **sampling,
        **tools,
    )
    return Call(request, policy)


def _is_watched(settings: FailoverSettings, policy: FailoverPolicy | None) -> bool:
    held = policy or (None if settings.manager is None else settings.manager.policy)
    return held is not None and any(
        name in held.model_fields_set and getattr(held, name) is not None for name in _WATCHING
    )


def _first(value: Any, default: Any) -> Any:
    return default if value is None else value


def _names(given: Sequence[str] | str | None) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given or ())


def _policy(settings: FailoverSettings, given: dict[str, Any]) -> FailoverPolicy | None:
    """The policy of the call: its own or the model's, with what was given directly laid over it."""
    base = given.pop("policy", None) or settings.policy
    retries = given.pop("max_retries", None)
    changes = {name: given.pop(name, None) for name in POLICY_SETTINGS}
    return settings.laid_over(base, changes, retries)


def _tools(settings: FailoverSettings, given: dict[str, Any]) -> dict[str, Any]:
    """The fields of the request that concern tools and the form of the answer."""
    parallel = _first(given.pop("parallel_tool_calls", None), settings.parallel_tool_calls)
    strict = given.pop("strict", None)
    raw_tools = given.pop("tools", None) or ()
    tools = tuple(to_tool(tool, strict=strict) for tool in raw_tools)
    # `strict` is about the tools; a format says for itself whether it is.
    response_format = to_response_format(given.pop("response_format", None))
    tool_choice = to_tool_choice(given.pop("tool_choice", None), tools)
    return {
        "tools": tools,
        "tool_choice": tool_choice,
        "parallel_tool_calls": parallel if tools else None,  # refused where there are no tools
        "response_format": response_format,
    }
