"""What the walk can decide: a closed union, for the drivers to match without a remainder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from shared_core.chain import Link, Target
from shared_core.errors import FailoverError

__all__ = ["Attempt", "Decision", "GiveUp", "Hedge", "Wait"]


class Attempt(NamedTuple):
    """Ask `target` now.

    Attributes:
        target: What to ask.
        max_tokens: What to send for it; None leaves it out.
        omit: Body fields to leave out.
        renames: Body fields to send under another name.
        connect_timeout: Seconds for the connection.
        first_token_timeout: Seconds from now until the first content.
        idle_timeout: Seconds between two pieces of content.
        deadline: Instant at which the whole call ends.
        shown: What an attempt before this one had shown when it broke; None if nothing was shown yet.
        is_cut: The deadline left it far less time than the policy grants: running out of it is not the target's fault.
    """

    target: Target
    max_tokens: int | None
    omit: frozenset[str]
    renames: Mapping[str, str]
    connect_timeout: float
    first_token_timeout: float
    idle_timeout: float
    deadline: float | None
    is_cut: bool
    shown: str | None = None


class Wait(NamedTuple):
    """Sleep for `seconds`, then ask again what to do."""

    seconds: float
    reason: str


class Hedge(NamedTuple):
    """Walk `chain` as well, with a walk made by `Walk.rival`, while the running attempt goes on."""

    chain: tuple[Link, ...]


class GiveUp(NamedTuple):
    """Raise `error`; nothing follows."""

    error: FailoverError


Decision: TypeAlias = Attempt | Wait | GiveUp
