"""`llm-failover check`: whether a configuration file is sound, who its chain asks, and on request whether each answers.

A ping is a real call with the file's own settings, to one target alone: no failing over, no repeating, a deadline of
its own, and a memory of its own, so that no target's failure colours another's.

Invariants: a mistake in the file ends it before anybody is asked; nobody is asked without `--ping`; keys are named by
their variables.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from shared_core.chain import Link, Profile
from shared_core.cli.advice import in_file
from shared_core.cli.chains import say
from shared_core.cli.results import CallError, CallFailure, print_json
from shared_core.cli.screen import Screen, Style, choose_screen
from shared_core.cli.trail import target_name
from shared_core.configuration import Configuration, ConfigurationFileError
from shared_core.credentials import EnvironmentKey
from shared_core.errors import ConfigurationError
from shared_core.manager import FailoverManager

__all__ = ["run"]

_QUESTION = "Reply with the word OK."

_MAX_TOKENS = 16
"""The least that every provider takes; an answer that it cuts short is an answer."""


@dataclass(frozen=True, slots=True)
class _Ping:
    """What came of asking a target. `kind`, `status` and `message` tell a failure."""

    is_ok: bool
    seconds: float
    kind: str | None = None
    status: int | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class _Target:
    """A target of the chain. `profile` is None for a whole model, `variable` where no key is needed."""

    model: str
    profile: str | None
    variable: str | None
    skip: str | None
    window: int | None
    ping: _Ping | None = None

    @property
    def is_good(self) -> bool:
        return self.skip is None and (self.ping is None or self.ping.is_ok)


def run(options: Namespace) -> int:
    """Checks a file.

    Returns:
        0 if all is well, 1 if some target has no key or does not answer, 2 if the file is wrong.
    """
    try:
        configuration = Configuration.load(options.file)
        targets = list(_targets(configuration))
    except ConfigurationError as error:
        if options.json:
            mistakes = error.mistakes if isinstance(error, ConfigurationFileError) else ()
            print_json({"file": options.file, "error": str(error), "mistakes": [asdict(each) for each in mistakes]})
        say(error)
        return 2
    screen = None if options.json else choose_screen(sys.stdout)
    done = asyncio.run(_checked(configuration, targets, options, screen))
    if screen is None:
        print_json({"file": options.file, "error": None, "targets": [asdict(target) for target in done]})
    else:
        _sum_up(screen, options, done)
    return 0 if all(target.is_good for target in done) else 1


def _targets(configuration: Configuration) -> Iterator[_Target]:
    with configuration.manager() as manager:
        for link in manager.chain(configuration.request()):
            if link.unavailable is not None:
                yield _Target(link.name, None, None, in_file(link.unavailable), link.window)
                continue
            for profile in link.profiles:
                variable = _variable(configuration, manager, link, profile)
                skip = None if profile.unavailable is None else in_file(profile.unavailable)
                yield _Target(link.name, profile.name, variable, skip, link.window)


def _variable(configuration: Configuration, manager: FailoverManager, link: Link, profile: Profile) -> str | None:
    """Name of the variable that holds a target's key, if one does."""
    key = configuration.profiles.get(link.provider, {}).get(profile.name)
    if isinstance(key, EnvironmentKey):
        return key.variable
    vendor = manager.registry.vendor(link.provider)
    names = () if vendor is None else vendor.key_env
    return next((name for name in names if os.environ.get(name, "").strip()), None)


async def _checked(
    configuration: Configuration, targets: Sequence[_Target], options: Namespace, screen: Screen | None
) -> list[_Target]:
    """The targets with what came of asking them, drawn in their order; all of them are asked at once."""
    pings = [
        asyncio.create_task(_ping(configuration, target, options.timeout))
        if options.ping and target.skip is None
        else None
        for target in targets
    ]
    done = []
    width = max(len(target_name(target.model, target.profile)) for target in targets)
    for target, ping in zip(targets, pings, strict=True):
        done.append(target if ping is None else replace(target, ping=await ping))
        if screen is not None:
            _draw(screen, len(done), done[-1], width)
    return done


async def _ping(configuration: Configuration, target: _Target, seconds: float) -> _Ping:
    """Asks one target."""
    provider = target.model.partition("/")[0]
    asked = min(configuration.settings.get("max_tokens", _MAX_TOKENS), _MAX_TOKENS)
    request = configuration.request(_QUESTION, model=target.model, fallback_models=(), max_tokens=asked)
    policy = configuration.policy.replace(deadline=seconds, transient_backoffs=(), patience=0, hedge_after=None)
    began = time.monotonic()
    async with configuration.manager(policy=policy, order={provider: [target.profile]}, aliases={}) as manager:
        try:
            await manager.acomplete(request)
        except CallError as error:
            return _failure(error, time.monotonic() - began)
    return _Ping(is_ok=True, seconds=time.monotonic() - began)


def _failure(error: CallFailure, seconds: float) -> _Ping:
    if not error.errors:  # it was not even asked
        reasons = [skip.reason for skip in error.report.skips] or [str(error)]
        return _Ping(is_ok=False, seconds=seconds, kind="skipped", message=in_file(reasons[-1]))
    last = error.errors[-1]
    return _Ping(is_ok=False, seconds=seconds, kind=str(last.kind), status=last.status, message=last.message)


def _draw(screen: Screen, number: int, target: _Target, width: int) -> None:
    mark, style, verdict = _verdict(screen, target)
    details = ["needs no key" if target.variable is None else f"key from {target.variable}"]
    details += [] if target.window is None else [f"window {target.window:,}"]
    screen.show(
        (f"{number:>3}  ", "dim"),
        (f"{mark}  ", style),
        (target_name(target.model, target.profile).ljust(width + 2), "dim" if target.skip else "target"),
        (verdict, style),
        ("" if target.skip else f"  ({', '.join(details)})", "dim"),
        hang=8,
    )


def _verdict(screen: Screen, target: _Target) -> tuple[str, Style, str]:
    """The sign, the style and the words for a target."""
    ping = target.ping
    if target.skip is not None:
        return screen.marks.skip, "wait", f"skipped: {target.skip}"
    if ping is None:
        return screen.marks.ask, "good", "would be tried"
    if ping.is_ok:
        return screen.marks.serve, "good", f"answered in {ping.seconds:.2f} s"
    status = "" if ping.status is None else f" (HTTP {ping.status})"
    return screen.marks.fail, "bad", f"{ping.kind}{status} after {ping.seconds:.2f} s: {ping.message}"


def _sum_up(screen: Screen, options: Namespace, done: Sequence[_Target]) -> None:
    good = sum(target.is_good for target in done)
    what = "answer" if options.ping else "would be tried"
    screen.show((f"{options.file} is sound; {good} of {len(done)} targets {what}", "bold"))
