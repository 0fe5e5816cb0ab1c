"""`llm-failover demo`: six scenes of failing over, played by the real engine against a simulator on loopback.

A scene is played as any program would: a `FailoverManager`, requests, real HTTP. What is drawn comes from the
engine's hooks, events, reports and health, and from the simulator's own record of what it was asked.

Invariants: no key and no environment is read, no proxy used, nothing leaves this machine; the exit code is 0 whatever
happens inside a scene, for errors are part of the play.
"""

from __future__ import annotations

import io
import sys
import time
from argparse import Namespace
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import httpx

from shared_core.answer import Answer
from shared_core.cli.results import CallError, CallFailure, answered, failed, print_json
from shared_core.cli.scenes import SCENES, Call, Scene
from shared_core.cli.screen import Screen, Span, choose_screen
from shared_core.cli.trail import Trail, target_name
from shared_core.errors import ErrorKind, StreamInterruptedError
from shared_core.events import StreamEvent, TextDelta
from shared_core.manager import FailoverManager
from shared_core.messages import Message
from shared_core.request import LLMRequest
from shared_core.simulator import Simulator
from shared_core.views import HealthSnapshot

__all__ = ["run"]

_LABEL = 11
"""Columns of the labels before a scene's description."""

_BREATH = 0.3
"""Seconds between two scenes on a terminal, so that one is read before the next begins."""


def run(options: Namespace) -> int:
    """Plays one scene, or all.

    Returns:
        0.
    """
    screen = choose_screen(io.StringIO() if options.json else sys.stdout, plain=options.plain)
    numbers = [options.scene] if options.scene else range(1, len(SCENES) + 1)
    pause = _BREATH / options.speed if sys.stdout.isatty() and not options.json else 0.0
    # Without the environment's proxies, which would not know the way to this machine's loopback.
    with Simulator() as simulator, httpx.Client(trust_env=False) as client:
        _introduce(screen, simulator)
        played: list[dict[str, Any]] = []
        for number in numbers:
            time.sleep(pause if played else 0.0)
            stage = Stage(SCENES[number - 1], options.speed, simulator, client, screen)
            played.append({"number": number, **stage.play(number)})
    _conclude(screen, played)
    if options.json:
        print_json({"scenes": played})
    return 0


@dataclass(slots=True)
class Stage:
    """Where one scene is played."""

    scene: Scene
    speed: float
    simulator: Simulator
    client: httpx.Client
    screen: Screen
    answers: dict[tuple[str, str | None], int] = field(default_factory=dict)

    def play(self, number: int) -> dict[str, Any]:
        """Plays the scene; what came of it, as plain JSON values."""
        self._describe(number)
        self._script()
        trail = Trail(self.screen)
        providers = {model.partition("/")[0]: profiles for model, profiles in self.scene.chain.items()}
        with FailoverManager(
            profiles={
                name: {profile: _key(name, profile) for profile in profiles} for name, profiles in providers.items()
            },
            base_urls=dict.fromkeys(providers, self.simulator.url),
            policy=self.scene.policy(self.speed),
            hooks=trail.hooks,
            http_client=self.client,
        ) as manager:
            calls = [self._call(manager, trail, call, number) for number, call in enumerate(self.scene.calls, 1)]
            targets = self._targets(manager.health())
        self._draw_targets(targets)
        return {"title": self.scene.title, "trouble": self.scene.trouble, "calls": calls, "targets": targets}

    def _describe(self, number: int) -> None:
        screen = self.screen
        chain = " then ".join(f"{model} [{', '.join(profiles)}]" for model, profiles in self.scene.chain.items())
        screen.show()
        screen.rule(f"{number}  {self.scene.title}")
        screen.show()
        screen.show(("  trouble  ", "dim"), (self.scene.trouble, "plain"), hang=_LABEL)
        screen.show(("  chain    ", "dim"), (chain, "target"), hang=_LABEL)

    def _script(self) -> None:
        self.simulator.clear()
        for (model, profile), behaviours in self.scene.script(self.speed).items():
            provider, _, name = model.partition("/")
            key = None if profile is None else _key(provider, profile)
            self.simulator.script(name, *behaviours, key=key)

    def _call(self, manager: FailoverManager, trail: Trail, call: Call, number: int) -> dict[str, Any]:
        first, *others = self.scene.chain
        request = LLMRequest(
            messages=(Message.of("user", call.question),),
            model=first,
            fallback_models=tuple(others),
            max_tokens=call.max_tokens,
        )
        self.screen.show()
        self.screen.show((f"  call {number}   ", "dim"), (call.note, "dim"), hang=_LABEL)
        if call.is_fresh:
            manager.reset()
            self.screen.show((" " * _LABEL + "(the engine's memory was cleared, so that openai is asked)", "dim"))
        self.screen.show((" " * _LABEL, "plain"), (f'"{call.question}"', "bold"), hang=_LABEL)
        try:
            with trail.follow(manager, request):
                answer = _ask(manager, request, trail, hold=call.hold)
                trail.served(answer.report)
        except CallError as error:
            self._draw_error(error)
            result = failed(error)
        else:
            served = (answer.report.model or "", answer.report.profile)
            self.answers[served] = self.answers.get(served, 0) + 1
            result = answered(answer)
        return {"question": call.question, "streamed": not call.hold, **result}

    def _draw_error(self, error: CallFailure) -> None:
        hang = _LABEL + 2
        self.screen.show((f"{'raises':>{_LABEL - 1}}   ", "bad"), (type(error).__name__, "bad"))
        first, *trail = str(error).splitlines()
        self.screen.show((" " * hang + first, "plain"), hang=hang)
        for line in trail:
            self.screen.show((" " * hang + line.strip(), "dim"), hang=hang + 3)
        if isinstance(error, StreamInterruptedError):
            self.screen.show((" " * hang + "partial: ", "dim"), (f'"{error.partial}"', "plain"), hang=hang)

    def _targets(self, health: HealthSnapshot) -> list[dict[str, Any]]:
        """What each target of the chain got and gave, and how the engine sees it now."""
        found = []
        for model, profiles in self.scene.chain.items():
            provider, _, name = model.partition("/")
            for profile in profiles:
                key = _key(provider, profile)
                found.append(
                    {
                        "model": model,
                        "profile": profile,
                        "requests": sum(one.key == key for one in self.simulator.requests_for(name)),
                        "answers": self.answers.get((model, profile), 0),
                        **_health_of(health, model, profile),
                    }
                )
        return found

    def _draw_targets(self, targets: list[dict[str, Any]]) -> None:
        rows: list[tuple[Span, ...]] = []
        for target in targets:
            if target["state"] == "open":
                state: Span = ("ready", "good")
            else:
                state = (f"{target['kind']}, {target['retry_after']:.0f} s left", "wait")
            name = target_name(target["model"], target["profile"])
            rows.append(
                ((name, "target"), (str(target["requests"]), "plain"), (str(target["answers"]), "plain"), state)
            )
        self.screen.show()
        self.screen.table(("target", "requests", "answers", "health"), rows, indent=2)


def _key(provider: str, profile: str) -> str:
    """A made-up key, by which the simulator tells profiles apart."""
    return f"key-{provider}-{profile}"


def _ask(manager: FailoverManager, request: LLMRequest, trail: Trail, *, hold: bool) -> Answer:
    events: list[StreamEvent] = []
    with closing(manager.stream(request, hold=hold)) as stream:
        for event in stream:
            events.append(event)
            if isinstance(event, TextDelta):
                trail.text(event.text)
    return Answer.collect(events)


def _health_of(health: HealthSnapshot, model: str, profile: str) -> dict[str, Any]:
    """The longest of what keeps a target from being asked."""
    provider, _, name = model.partition("/")
    entries: list[tuple[float, str, ErrorKind | None]] = [
        (one.retry_after, one.state, one.kind)
        for one in health.profiles
        if (one.provider, one.profile) == (provider, profile) and one.model in {None, name}
    ]
    entries += [(one.retry_after, one.state, one.kind) for one in health.models if one.model == model]
    retry_after, state, kind = max(entries, key=lambda entry: entry[0])
    return {"state": state, "retry_after": round(retry_after, 1), "kind": None if state == "open" else str(kind)}


def _introduce(screen: Screen, simulator: Simulator) -> None:
    marks = screen.marks
    screen.show()
    screen.show(("llm-failover: ", "title"), ("when one target cannot answer, the next one does.", "bold"))
    screen.show()
    about = (
        "A target is a model under one of your API keys, called a profile. Each scene breaks something, asks, and "
        "shows what the engine does about it: attempts, failures, waits, and the answer as it streams. "
        f"All of it happens now, over HTTP, against a simulator at {simulator.url}: no key of yours is read, and "
        "nothing leaves this machine."
    )
    screen.show((about, "plain"))
    screen.show()
    legend = (
        f"{marks.ask} asks  {marks.fail} fails  {marks.wait} waits  {marks.again} again  {marks.over} fails over",
        f"{marks.skip} skips  {marks.text} text  {marks.serve} answers",
    )
    screen.show(("  ".join(legend), "dim"))


def _conclude(screen: Screen, played: list[dict[str, Any]]) -> None:
    calls = [call for scene in played for call in scene["calls"]]
    errors = sum(call["error"] is not None for call in calls)
    requests = sum(target["requests"] for scene in played for target in scene["targets"])
    screen.show()
    screen.rule("Done")
    screen.show()
    counts = (("call", len(calls)), ("request", requests), ("answer", len(calls) - errors), ("error", errors))
    screen.show((", ".join(f"{count} {word}{'s' * (count != 1)}" for word, count in counts), "bold"))
    screen.show(("With your own keys: ", "dim"), ("llm-failover ask --help", "bold"))
