"""What to change, read off the chain and off what its rehearsal showed; every sentence names the fact it rests on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from shared_core.blame import FAIR_TRY
from shared_core.drill.cast import Cast
from shared_core.drill.results import Result, spoken_seconds

__all__ = ["advise"]

_LONG_WAIT = 8.0
"""Seconds after which people leave a page that does nothing."""

_PAUSE = 2.0
"""Seconds that are worth a word."""


def advise(cast: Cast, results: Sequence[Result]) -> tuple[str, ...]:
    """Advice, the most urgent first; empty if there is none."""
    by_name = {result.name: result for result in results}
    return (
        *_on_the_chain(cast),
        *_on_streams(cast, results),
        *_on_windows(cast, by_name),
        *_on_waits(cast, by_name),
    )


def _on_the_chain(cast: Cast) -> Iterator[str]:
    models = list(dict.fromkeys(role.model for role in cast.roles))
    if len(cast.roles) == 1:
        yield f"The chain is a single target: whatever takes {cast.first.name} down is an outage of yours. Add a model."
    elif len(cast.vendors) == 1:
        yield f"All targets are {cast.first.provider}'s: when it is down, nobody answers. Add another provider's model."
    elif len({role.provider for role in cast.roles if role.model in models[:2]}) == 1:
        yield (
            f"The first two models are both {cast.first.provider}'s: when it is down, users wait for two failures. "
            "Put another provider's model second."
        )
    keyed = [name for name, vendor in cast.vendors.items() if vendor.needs_key]
    lonely = [name for name in keyed if len({role.profile for role in cast.roles if role.provider == name}) == 1]
    if lonely:
        yield (
            f"There is one key for {_listed(lonely)}: when it is refused or at its limit, the models behind it are "
            "gone. A second profile keeps them in use."
        )


def _on_streams(cast: Cast, results: Sequence[Result]) -> Iterator[str]:
    broken = [result.name for result in results if any(call.outcome == "broke off" for call in result.calls)]
    if broken and cast.policy.mid_stream == "raise" and len(cast.roles) > 1:
        yield (
            f'Answers broke off after words were shown ({_listed(broken)}), for mid_stream is "raise". "continue" lets '
            'the next target go on from there, "restart" begins anew.'
        )


def _on_windows(cast: Cast, results: Mapping[str, Result]) -> Iterator[str]:
    result = results.get("context-exceeded")
    if result is not None and not result.answered and len(cast.roles) > 1:
        yield (
            f"An input that is too long for {cast.first.model} ends in an error (context-exceeded), for no further "
            "model is known to take more. Add one with a larger window."
        )


def _on_waits(cast: Cast, results: Mapping[str, Result]) -> Iterator[str]:
    policy = cast.policy
    longest, where = max(((_longest(result), name) for name, result in results.items()), default=(0.0, ""))
    if policy.deadline is None and longest >= _LONG_WAIT:
        yield f"No deadline is set, and a call took {spoken_seconds(longest)} ({where}). deadline=… bounds every call."
    if len(cast.roles) == 1:
        return
    slow = results.get("slow")
    if slow is not None and policy.hedge_after is None and slow.longest_delay >= _PAUSE:
        yield (
            f"A slow primary is waited for ({spoken_seconds(slow.longest_delay)} longer in slow). hedge_after=2 asks "
            "the next target as well when the first word is late; it costs tokens."
        )
    yield from _on_silence(cast, [results[name] for name in ("stalled", "keepalives") if name in results])
    down = results.get("primary-down")
    if down is not None and not policy.fail_fast and down.longest_delay >= _PAUSE:
        yield (
            f"A primary that is down is asked again before the next target is ({spoken_seconds(down.longest_delay)} "
            "longer in primary-down). fail_fast=True goes on at once, also where a blip would have been over."
        )


def _on_silence(cast: Cast, results: Sequence[Result]) -> Iterator[str]:
    late = [result for result in results if result.longest_delay >= _PAUSE]
    if not late:
        return
    policy, names = cast.policy, _listed([result.name for result in late])
    timer = "silent_first_token_timeout" if _thinks(cast) else "first_token_timeout"
    timeout, seconds = getattr(policy, timer), spoken_seconds(max(result.longest_delay for result in late))
    share = None if policy.deadline is None else policy.deadline / len(cast.roles)
    if share is not None and share < timeout * FAIR_TRY:
        yield (
            f"Each of {len(cast.roles)} targets gets its share of deadline={policy.deadline:g}, less than a third of "
            f"{timer}={timeout:g}. A silent primary that is cut short so is not remembered as down: users waited "
            f"{seconds} longer ({names}), again and again. Set {timer} to {share:.3g} or less."
        )
    elif timeout >= _LONG_WAIT:
        yield (
            f"A silent primary is given up after {timer}={timeout:g} seconds: users waited {seconds} longer ({names}). "
            "Where people wait, 5 to 10 are enough for models that do not think first."
        )


def _longest(result: Result) -> float:
    return max(call.seconds for call in result.calls)


def _thinks(cast: Cast) -> bool:
    """Whether the primary may be silent for long before its first word."""
    pattern = cast.vendors[cast.first.provider].thinks_silently
    model = cast.first.model.partition("/")[2]
    return pattern is not None and re.search(pattern, model) is not None


def _listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
