"""What each generation of Claude takes in a request of the Messages API.

Owns the differences between models that a request must respect: thinking, effort, sampling parameters, forced tools,
prefill, native structured outputs. Data, read from a model's name; knows no message and no HTTP.

Invariants: every name has traits. A name that is not Claude's is a model of a compatible vendor and gets the oldest
protocol features that all of them copy; a Claude that is newer than this table gets the traits of the newest one.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import Literal

from shared_core.records import record

__all__ = ["ClaudeTraits", "claude_traits"]

Thinking = Literal["none", "budget", "adaptive"]
ThinkingOff = Literal["omit", "disabled", "between_tools", "never"]
Sampling = Literal["both", "one", "none"]


@record(frozen=True, slots=True)
class ClaudeTraits:
    """What a model takes.

    Attributes:
        thinking: How thinking is asked for: not at all, with a token budget, or as "adaptive".
        off: How it is turned off: by leaving it out, with a `thinking.type`, or never.
        efforts: Values of `output_config.effort`, weakest first; empty where there is no such field.
        hides_thinking: Thinking comes without text unless `display` asks for it.
        binds_thinking: Thinking that is sent back is checked against the conversation before it.
        sampling: Whether temperature and top_p may be set together, one of them only, or not at all.
        takes_forced_tool: `tool_choice` may force a call (never while the model thinks).
        takes_prefill: The conversation may end with an assistant's message.
        is_structured: `output_config.format` and strict tools exist.
        max_tokens: Highest `max_tokens`.
    """

    thinking: Thinking = "budget"
    off: ThinkingOff = "omit"
    efforts: tuple[str, ...] = ()
    hides_thinking: bool = False
    binds_thinking: bool = False
    sampling: Sampling = "both"
    takes_forced_tool: bool = True
    takes_prefill: bool = True
    is_structured: bool = False
    max_tokens: int = 8_192


_EFFORTS = ("low", "medium", "high", "max")
_ALL_EFFORTS = ("low", "medium", "high", "xhigh", "max")

_CLAUDE_4_6 = ClaudeTraits(
    thinking="adaptive",
    efforts=_EFFORTS,
    sampling="one",
    takes_prefill=False,
    is_structured=True,
    max_tokens=128_000,
)
_CLAUDE_4_7 = replace(_CLAUDE_4_6, efforts=_ALL_EFFORTS, hides_thinking=True, sampling="none")
_CLAUDE_5 = replace(_CLAUDE_4_7, off="disabled")
_CLAUDE_5_5 = replace(_CLAUDE_5, off="never", binds_thinking=True, takes_forced_tool=False)

_NAME = re.compile(
    r"claude-?(?:(?P<old>\d(?:[.-]\d{1,2})?)-)?(?P<family>[a-z]+)?(?:-(?P<new>\d(?:[.-]\d{1,2})?))?(?!\d)"
)


@lru_cache(maxsize=256)
def claude_traits(model: str) -> ClaudeTraits:
    """What `model` takes.

    Sources: platform.claude.com, "Thinking", "Effort", "Structured outputs", the pages of the single models and their
    migration guides (November 2026).

    >>> claude_traits("claude-opus-4-6").thinking
    'adaptive'
    """
    found = _NAME.search(model.lower())
    if found is None:
        return ClaudeTraits()
    family = found["family"] or ""
    version = tuple(int(part) for part in re.split(r"[.-]", found["new"] or found["old"] or "") if part)
    version = (*version, 0)[:2]
    if family in {"fable", "mythos"}:
        return _CLAUDE_5_5 if version >= (5, 1) else replace(_CLAUDE_5_5, binds_thinking=False, takes_forced_tool=True)
    if version >= (5, 5):
        if family == "haiku":
            return replace(_CLAUDE_5, binds_thinking=True)
        return replace(_CLAUDE_5_5, off="between_tools") if family == "sonnet" else _CLAUDE_5_5
    if version >= (5, 0):
        return _CLAUDE_5
    if version >= (4, 7):
        return _CLAUDE_4_7
    if version >= (4, 6):
        return _CLAUDE_4_6
    if version >= (4, 5):
        return ClaudeTraits(sampling="one", is_structured=True, max_tokens=64_000)
    if version >= (4, 0):
        sampling: Sampling = "one" if version == (4, 1) else "both"
        return ClaudeTraits(sampling=sampling, max_tokens=32_000 if family == "opus" else 64_000)
    if version >= (3, 7):
        return ClaudeTraits(max_tokens=64_000)
    if version >= (3, 5) or not version[0]:
        return ClaudeTraits(thinking="none")
    return ClaudeTraits(thinking="none", max_tokens=4_096)
