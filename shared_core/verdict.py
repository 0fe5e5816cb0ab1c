"""Whether a target may be asked now, and if not, why and until when. Reads the memory, changes nothing.

The walk skips by these verdicts, `explain` lists them, and the exhaustion error says from them when to come back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from shared_core.chain import Link, Profile
from shared_core.errors import ErrorKind
from shared_core.gate import Gate
from shared_core.memory import Memory

__all__ = ["PROBE_CHECK", "Verdict", "cooling_kinds", "judge_link", "judge_profile", "soonest"]

PROBE_CHECK = 0.25
"""Seconds after which to look again at a target that another call is probing: nobody knows when that has its answer."""


class Verdict(NamedTuple):
    """Why a target is not asked.

    Attributes:
        reason: In words, for trail and logs.
        until: Instant at which it may be asked; None if time alone will not help.
        kind: Kind of the failure that it cools for.
    """

    reason: str
    until: float | None = None
    kind: ErrorKind | None = None


def judge_link(link: Link, memory: Memory, now: float, holder: object, min_window: int = 0) -> Verdict | None:
    """Why no profile of this model may be asked at `now`; None if they may.

    Args:
        link: The model.
        memory: What is known of targets.
        now: The present instant.
        holder: Who asks; a probe permit that it holds itself is no obstacle.
        min_window: The request is known not to fit into a window of this many tokens.
    """
    if link.unavailable is not None:
        return Verdict(link.unavailable)
    disabled = memory.health.disabled(link.name)
    if disabled is not None:
        return Verdict(f"disabled: {disabled}")
    if min_window:
        window = memory.learnt(link.name).window or link.window
        if window is not None and window <= min_window:
            return Verdict(f"its window of {window} tokens is not larger than the {min_window} that overflowed")
    return _judge_gate(memory.health.gate(link.name, now, link.keys), now, holder, link.name)


def judge_profile(link: Link, profile: Profile, memory: Memory, now: float, holder: object) -> Verdict | None:
    """Why this profile may not be asked for this model at `now`; None if it may."""
    if profile.unavailable is not None:
        return Verdict(profile.unavailable)
    gates = memory.cooldowns.gates(link.provider, profile.name, link.model, profile.fingerprint, now)
    latest: Verdict | None = None
    for scope, gate in gates:
        what = f"profile {profile.name}" if scope.model is None else f"profile {profile.name} for {link.model}"
        verdict = _judge_gate(gate, now, holder, what)
        if verdict is not None and (latest is None or (verdict.until or 0) > (latest.until or 0)):
            latest = verdict
    return latest


def soonest(chain: Sequence[Link], memory: Memory, now: float, holder: object, min_window: int = 0) -> float | None:
    """The first instant at which some target of the chain may be asked; None if time alone will not help."""
    instants = []
    for link in chain:
        verdict = judge_link(link, memory, now, holder, min_window)
        if verdict is not None and verdict.until is None:
            continue
        ready = now if verdict is None else verdict.until or now
        free = list(_instants((judge_profile(link, profile, memory, now, holder) for profile in link.profiles), now))
        if free:
            instants.append(max(ready, min(free)))
    return min(instants, default=None)


def cooling_kinds(chain: Sequence[Link], memory: Memory, now: float, holder: object) -> list[ErrorKind]:
    """The kinds of failure for which models of the chain, or each of their profiles, are left alone."""
    found: list[ErrorKind] = []
    for link in chain:
        whole = judge_link(link, memory, now, holder)
        verdicts = (
            [judge_profile(link, profile, memory, now, holder) for profile in link.profiles]
            if whole is None
            else [whole]
        )
        found += [verdict.kind for verdict in verdicts if verdict is not None and verdict.kind is not None]
    return found


def _instants(verdicts: Iterable[Verdict | None], now: float) -> Iterable[float]:
    for verdict in verdicts:
        if verdict is None:
            yield now
        elif verdict.until is not None:
            yield verdict.until


def _judge_gate(gate: Gate, now: float, holder: object, what: str) -> Verdict | None:
    if gate.admits(now, holder):
        return None
    if gate.state(now) == "probing":
        return Verdict(f"{what} is being probed by another call", now + PROBE_CHECK, gate.kind)
    return Verdict(f"{what} is cooling for {gate.until - now:.1f} s after {gate.kind}", gate.until, gate.kind)
