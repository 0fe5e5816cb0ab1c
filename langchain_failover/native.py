"""One call in LangChain's own objects, for members: the caller's messages and tools rather than a conversion of them.

It travels in `LLMRequest.native`. The request itself stays the truth: where the engine has changed it (a broken answer
that is to go on, a tool left out), what follows from the change is converted, and only what is unchanged is taken from
here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from langchain_failover.messages import convert, is_ours
from langchain_failover.outgoing import to_langchain
from langchain_failover.runs import ParentRun
from shared_core.history import prepare
from shared_core.messages import Message
from shared_core.providers.base import Vendor
from shared_core.records import record
from shared_core.request import BuiltinTool, LLMRequest, Tool

__all__ = ["Native", "converted"]


@record(frozen=True, slots=True)
class Native:
    """What the caller gave.

    Attributes:
        originals: The caller's messages, by the identity of the one turn that each became, which the request holds.
        tools: The caller's tools, in the order of the request's.
        strict: Whether arguments must follow the tools' schemas.
        options: Keywords of the call that are no settings of ours.
        parent: The run under which attempts appear.
        is_collected: The answer is shown when it is whole.
        is_watched: Its pace is to be watched, which only a stream shows.
    """

    originals: Mapping[int, BaseMessage] = field(default_factory=dict)
    tools: tuple[Any, ...] = ()
    strict: bool | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    parent: ParentRun = field(default_factory=ParentRun)
    is_collected: bool = False
    is_watched: bool = False

    @classmethod
    def of(cls, request: LLMRequest) -> Native:
        """The call behind a request; an empty one if it was not made by `ChatFailover`."""
        return request.native if isinstance(request.native, cls) else cls()

    def history(self, request: LLMRequest, vendor: Vendor, providers: frozenset[str], model: str) -> list[BaseMessage]:
        """The conversation, valid for a member.

        Args:
            request: What is asked.
            vendor: Whose rules hold.
            providers: What the member's integration writes into `model_provider`.
            model: The model's name.
        """
        if (plain := self._question(request)) is not None:
            return plain
        found: list[BaseMessage] = []
        for turn in prepare(request.messages, vendor, model=model):
            original = self.originals.get(id(turn))
            if original is not None and _is_readable(original, providers):
                found.append(original)
            else:
                found.extend(to_langchain(turn, vendor))
        return found

    def _question(self, request: LLMRequest) -> list[BaseMessage] | None:
        """The conversation, if it is but a user's text, behind the system's perhaps: valid for everyone as it is."""
        turns = request.messages
        if len(turns) > 2:
            return None
        found: list[BaseMessage] = []
        for place, turn in enumerate(turns, start=1):
            original = self.originals.get(id(turn))
            # The exact class: `isinstance` asks pydantic, and takes longer than all that this is to spare.
            if type(original) is not (HumanMessage if place == len(turns) else SystemMessage):
                return None
            if type(original.content) is not str or not original.content.strip():
                return None
            found.append(original)
        return found or None

    def tools_for(self, request: LLMRequest, vendor: Vendor) -> list[Any]:
        """The tools that a member gets, as the caller gave them; those that another provider runs are left out."""
        raw = self.tools if len(self.tools) == len(request.tools) else [_as_openai(tool) for tool in request.tools]
        homes = {vendor.name, vendor.wire}
        return [
            given
            for given, tool in zip(raw, request.tools, strict=True)
            if not isinstance(tool, BuiltinTool) or tool.origin in homes
        ]


def converted(messages: Sequence[BaseMessage]) -> tuple[tuple[Message, ...], dict[int, BaseMessage]]:
    """The conversation in the core's form, and the message behind each turn that stands for exactly one.

    Raises:
        ConfigurationError: A message or one of its blocks cannot be read.
    """
    turns: list[Message] = []
    originals: dict[int, BaseMessage] = {}
    for message in messages:
        made = tuple(convert(message))
        turns += made
        if len(made) == 1:
            originals[id(made[0])] = message
    return tuple(turns), originals


def _is_readable(message: BaseMessage, providers: frozenset[str]) -> bool:
    """Whether a member's integration reads a message as it is: what it made itself, and what anybody could have."""
    if not isinstance(message, AIMessage):
        return True
    made_by = message.response_metadata.get("model_provider")
    if made_by is None or (made_by in providers and not is_ours(message)):
        return True
    return isinstance(message.content, str) and not message.additional_kwargs


def _as_openai(tool: Tool | BuiltinTool) -> dict[str, Any]:
    if isinstance(tool, BuiltinTool):
        return dict(tool.spec)
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function if tool.strict is None else {**function, "strict": tool.strict}}
