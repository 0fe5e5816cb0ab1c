"""What the Anthropic wire changes by itself about a request's settings, by what each Claude takes.

Owns the notes about it. The wire decides the same from the same traits when it writes the body; where it only leaves
something out, that is done here already, and where it spells something in its own way, the request stays as it is.
"""

from __future__ import annotations

from shared_core.adaptation.draft import Draft
from shared_core.providers.anthropic_content import encoded_turns, is_mid_call_without_thinking
from shared_core.providers.anthropic_models import ClaudeTraits, claude_traits
from shared_core.providers.base import Vendor
from shared_core.request import JSONSchema, LLMRequest, NamedTool

__all__ = ["suit_claude"]

_LOWEST_THOUGHT = 2_048
"""With a lower `max_tokens` there is no room for the least thinking budget, half of it being left for the answer."""

_VERSION_WITHOUT_SAMPLING = "2026-10-21"
"""From this version of the API on there are no sampling settings."""


def suit_claude(draft: Draft, vendor: Vendor) -> None:
    """What the Anthropic wire changes by what each Claude takes."""
    request, traits = draft.request, claude_traits(draft.request.model)
    choice, effort = request.tool_choice, request.reasoning_effort
    is_forced = (choice == "required" or isinstance(choice, NamedTool)) and bool(draft.get("tools"))
    if is_forced and not traits.takes_forced_tool:
        name = choice.name if isinstance(choice, NamedTool) else choice
        draft.put("tool_choice", "auto", f"tool_choice {name} sent as auto")
    # A schema is answered through a forced tool where there are no structured outputs.
    is_forced |= not traits.is_structured and isinstance(request.response_format, JSONSchema)
    is_forced &= traits.takes_forced_tool
    is_thinking = "thinking" in request.extra_body
    if effort is not None:
        is_thinking |= _suit_claude_effort(draft, effort, traits, vendor, is_forced=is_forced)
    if request.stop and any(not stop.strip() for stop in request.stop):
        draft.put("stop", tuple(stop for stop in request.stop if stop.strip()), "left out blank stop sequences")
    _suit_sampling(draft, traits, vendor, is_thinking=is_thinking)


def _suit_sampling(draft: Draft, traits: ClaudeTraits, vendor: Vendor, *, is_thinking: bool) -> None:
    temperature, top_p = draft.get("temperature"), draft.get("top_p")
    if temperature is None and top_p is None:
        return
    takes_none = is_thinking or traits.sampling == "none" or _version(draft, vendor) >= _VERSION_WITHOUT_SAMPLING
    takes_one = traits.sampling == "one" and temperature is not None
    if temperature is not None and takes_none:
        draft.leave_out("temperature")
    elif temperature is not None and not 0 <= temperature <= 1:  # OpenAI's scale ends at 2, Anthropic's at 1
        sent = min(max(temperature, 0.0), 1.0)
        draft.put("temperature", sent, f"temperature {temperature} sent as {sent}")
    if top_p is not None and (takes_none or takes_one):
        draft.leave_out("top_p")


def _version(draft: Draft, vendor: Vendor) -> str:
    for headers in (draft.request.extra_headers, vendor.headers):
        for name, value in headers.items():
            if name.lower() == "anthropic-version":
                return value
    return ""


def _suit_claude_effort(draft: Draft, effort: str, traits: ClaudeTraits, vendor: Vendor, *, is_forced: bool) -> bool:
    """Says how the wire sends an effort, and whether the model thinks then."""
    if not traits.efforts:
        limit = draft.get("max_tokens")
        is_thinking = (
            effort != "none"
            and traits.thinking == "budget"
            and not is_forced
            and (limit is None or limit >= _LOWEST_THOUGHT)
            and "thinking" not in draft.request.extra_body
            and not _answers_call_without_thinking(draft.request, vendor)
        )
        if effort != "none" and not is_thinking:
            draft.leave_out("reasoning_effort")
        return is_thinking
    sent = effort
    if effort == "none" and traits.off != "never":
        return False
    if effort in {"none", "minimal"}:
        sent = traits.efforts[0]
    elif is_forced and traits.off in {"disabled", "between_tools"} and effort in {"xhigh", "max"}:
        sent = "high"  # the highest effort that goes without thinking, which a forced call rules out
    elif effort == "xhigh" and effort not in traits.efforts:
        sent = "high"
    if sent != effort:
        draft.notes.append(f"reasoning_effort {effort} sent as {sent}")
    return not is_forced and effort != "none"


def _answers_call_without_thinking(request: LLMRequest, vendor: Vendor) -> bool:
    """The wire does not ask for thinking behind a call that another provider's model made."""
    start = len(request.messages)
    while start and request.messages[start - 1].role != "assistant":
        start -= 1
    while start and request.messages[start - 1].role in {"assistant", "system"}:
        start -= 1
    return is_mid_call_without_thinking(encoded_turns(request.messages[start:], vendor, takes_prefill=True))
