"""Plays scenarios: a twin of the user's manager asks the local provider, which does what the troubles say.

Both live in one loop whose time jumps (`clock`). Which target a request is for is told by the path (provider), the
made-up key (profile) and the model.

Invariants: every scenario begins with a manager that knows nothing; all sockets are closed when `play` returns; every
call is bounded by the timers of the policy.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, closing

import httpx

from shared_core.drill.cast import Cast, Role
from shared_core.drill.dialects import ANSWER, dressed, spoken
from shared_core.drill.results import PAUSE, CallResult, Cooldown, Outcome, Result, Spell, usual_seconds
from shared_core.drill.scenarios import REFUSED, Scenario, Trouble
from shared_core.errors import ChainExhaustedError, RequestRejectedError, StreamInterruptedError
from shared_core.events import End, Restart, TextDelta
from shared_core.hooks import Hooks, Notice
from shared_core.manager import FailoverManager
from shared_core.messages import Message
from shared_core.report import Report
from shared_core.request import LLMRequest
from shared_core.simulator import Behaviour, Reply, RequestRecord
from shared_core.simulator.connection import Connection
from shared_core.simulator.desk import Desk
from shared_core.simulator.listener import Listener
from shared_core.simulator.script import Script

__all__ = ["play"]

_HOST = "127.0.0.1"
_LARGEST_BODY = 1_000_000
_HEALTHY = dressed(Reply())
_QUESTION = (Message.of("user", "What is the capital of France?"),)


async def play(cast: Cast, scenarios: Sequence[Scenario]) -> tuple[Result, ...]:
    """Plays `scenarios` one after the other, in a skipping loop.

    Raises:
        ConfigurationError: A trouble is in no place of this chain.
    """
    stages = [_Stage(cast, scenario) for scenario in scenarios]  # mistakes show before anything is played
    desk = Desk(_LARGEST_BODY)
    # Without the environment's proxies, which would not know the way to this machine's loopback; without anybody's
    # certificates, for there is no TLS, and reading them takes longer than a scenario.
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with _serving(desk) as url, httpx.AsyncClient(trust_env=False, verify=tls) as client:
        with closing(socket.socket()) as deaf:
            deaf.bind((_HOST, 0))  # and never listens, so that connections to it are refused
            nobody = f"http://{_HOST}:{deaf.getsockname()[1]}"
            return tuple([await stage.play(desk, client, url, nobody) for stage in stages])


@asynccontextmanager
async def _serving(desk: Desk) -> AsyncIterator[str]:
    listener = Listener(_HOST, 0, lambda: Connection(desk))
    try:
        yield f"http://{_HOST}:{listener.port}"
    finally:
        await listener.close()
        for connection in list(desk.connections):
            connection.stop()
            await connection.lost.wait()


class _Stage:
    """One scenario with the cast in its places."""

    def __init__(self, cast: Cast, scenario: Scenario) -> None:
        self._cast = cast
        self._scenario = scenario
        self._troubles = [_Placed(trouble, cast) for trouble in scenario.troubles]
        self._roles = {(role.model, role.key): role for role in cast.roles}
        self._cooldowns: list[Cooldown] = []
        self._clock: Callable[[], float] = float
        self._began = 0.0

    async def play(self, desk: Desk, client: httpx.AsyncClient, url: str, nobody: str) -> Result:
        """Makes the calls, one after the other or some together."""
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()
        desk.script = Script(self._clock)
        desk.script.set(None, [self._choose])
        refused = {role.provider for each in self._troubles if each.what == REFUSED for role in each.roles}
        manager = self._cast.twin(
            {
                provider: nobody if provider in refused else f"{url}/{number}"
                for number, provider in enumerate(self._cast.providers)
            },
            hooks=Hooks(on_cooldown=self._note_cooldown),
            client=client,
            clock=self._clock,
        )
        calls: list[CallResult] = []
        scenario = self._scenario
        for first in range(0, scenario.calls, scenario.together):
            if first:
                await asyncio.sleep(scenario.pause)
            numbers = range(first, min(first + scenario.together, scenario.calls))
            calls += await asyncio.gather(*(self._call(manager, number) for number in numbers))
        return Result(
            scenario=scenario,
            roles=self._cast.roles,
            calls=tuple(calls),
            cooldowns=tuple(self._cooldowns),
            spells=tuple(each.spell for each in self._troubles),
            mid_stream=self._cast.policy.mid_stream,
        )

    def _now(self) -> float:
        return self._clock() - self._began

    def _note_cooldown(self, notice: Notice) -> None:
        self._cooldowns.append(
            Cooldown(notice.model, notice.provider, notice.profile, self._now(), notice.seconds or 0.0, notice.kind)
        )

    def _choose(self, record: RequestRecord) -> Behaviour:
        """What the local provider does with a request."""
        provider = self._cast.providers[int(record.path.split("/")[1])]
        role = self._roles[f"{provider}/{record.model}", record.key or ""]
        for trouble in self._troubles:
            if role in trouble.roles and trouble.trouble.is_on(self._now()):
                return trouble.step(role)
        return _HEALTHY

    async def _call(self, manager: FailoverManager, number: int) -> CallResult:
        mode = self._scenario.mode
        is_streamed = mode == "streamed" or (mode == "both" and number % 2 == 0)
        request = LLMRequest(messages=_QUESTION, max_tokens=self._scenario.max_tokens)
        witness = _Witness(self._now())
        try:
            async with aclosing(manager.astream(request, hold=not is_streamed)) as events:
                async for event in events:
                    witness.see(event, self._now())
        except (ChainExhaustedError, RequestRejectedError, StreamInterruptedError) as error:
            witness.met(error)
        return witness.result(number, self._now(), self._cast, is_streamed=is_streamed)


class _Placed:
    """A trouble in its place."""

    def __init__(self, trouble: Trouble, cast: Cast) -> None:
        self.trouble = trouble
        self.what = trouble.what
        self.roles = cast.where(trouble.where)
        if self.what == REFUSED:  # a connection is the provider's, whatever is asked of it
            self.roles = tuple(
                role for role in cast.roles if role.provider in {refused.provider for refused in self.roles}
            )
        providers = {role.provider for role in self.roles}
        self._steps = (
            {}
            if self.what == REFUSED
            else {provider: spoken(self.what, cast.vendors[provider]) for provider in providers}
        )
        self._taken = dict.fromkeys(self.roles, 0)

    @property
    def spell(self) -> Spell:
        """When and for whom it is wrong."""
        return Spell(self.roles, self.trouble.since, self.trouble.until)

    def step(self, role: Role) -> Behaviour:
        """The next step for `role`; the last one repeats."""
        steps, taken = self._steps[role.provider], self._taken[role]
        self._taken[role] += 1
        return steps[min(taken, len(steps) - 1)]


class _Witness:
    """What the user of one call sees."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._words: list[tuple[float, float]] = []
        self._text = ""
        self._restarts = 0
        self._report = Report()
        self._error: ChainExhaustedError | RequestRejectedError | StreamInterruptedError | None = None
        self._outcome: Outcome = "answered"

    def see(self, event: object, now: float) -> None:
        """An event reached the user."""
        match event:
            case TextDelta():
                self._text += event.text
                self._heard(now - self._began)
            case Restart():
                self._text = ""
                self._restarts += 1
            case End():
                self._report = event.report

    def _heard(self, seconds: float) -> None:
        if self._words and seconds - self._words[-1][1] < PAUSE:
            self._words[-1] = self._words[-1][0], seconds
        else:
            self._words.append((seconds, seconds))

    def met(self, error: ChainExhaustedError | RequestRejectedError | StreamInterruptedError) -> None:
        """The call ended in an error."""
        self._error = error
        self._report = error.report
        self._outcome = "broke off" if isinstance(error, StreamInterruptedError) else "error"

    def result(self, number: int, now: float, cast: Cast, *, is_streamed: bool) -> CallResult:
        """All of it."""
        error, report = self._error, self._report
        served = next((r for r in cast.roles if (r.model, r.profile) == (report.model, report.profile)), None)
        return CallResult(
            number=number + 1,
            began=self._began,
            seconds=now - self._began,
            is_streamed=is_streamed,
            words=tuple(self._words),
            usual=usual_seconds(self._text),
            outcome=self._outcome,
            role=served,
            shown=len(self._text),
            restarts=self._restarts,
            is_whole=self._text == ANSWER,
            kind=None if error is None else error.kind,
            message=None if error is None else str(error).partition("\n")[0],
            retry_after=error.retry_after if isinstance(error, ChainExhaustedError) else None,
            report=report,
        )
