"""History hygiene: a conversation begun by any provider, made valid for the next one.

Three rooms, one after the other: `blocks` decides what of each block may travel, `calls` pairs tool calls with their
results and gives them ids that the target accepts, `turns` sees to the order of the roles; `families` knows the rules
that a model brings along. This package owns the shape of a history. It refuses to encode it (the wires do), to count or
cut it, and to decide about a trailing assistant message: whether a target continues one (`Vendor.takes_prefill`) is the
engine's question.

Invariants: pure; the caller's objects are never changed; `prepare(prepare(x)) == prepare(x)`; what is valid already
comes back as the same object; what is not empty does not become empty. Ids are derived from what is there, never
drawn, so that the same history always gives the same bytes (providers cache prompts by prefix).
"""

from __future__ import annotations

from shared_core.history.blocks import is_same, kept_for
from shared_core.history.calls import paired
from shared_core.history.turns import seated
from shared_core.messages import Message
from shared_core.providers.base import Vendor

__all__ = ["prepare"]


def prepare(messages: tuple[Message, ...], vendor: Vendor, *, model: str = "") -> tuple[Message, ...]:
    """The same conversation, valid for `vendor`.

    Args:
        messages: A history by any providers, in any state of repair.
        vendor: Who gets it.
        model: The provider's model id; some model families bring rules of their own to whoever serves them.

    Returns:
        `messages` itself if nothing needs changing, else a new tuple in which unchanged messages are the same objects.
        It satisfies: each tool call has a unique id that the target accepts, exactly one result, and that directly
        behind the call's message; no result without a call; no empty block or message; no signature, reasoning,
        opaque block or mark that the target does not know; and, where the target wants it, alternating roles that
        begin with the user.

    >>> prepare((Message.of("assistant", "Hi!"),), Vendor(name="anthropic", wire="anthropic"))[0].text
    'Begin.'
    """
    if not messages:
        return messages
    out = seated(paired(kept_for(messages, vendor), vendor, model=model), vendor, model=model)
    return messages if is_same(out, messages) else tuple(out)
