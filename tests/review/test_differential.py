"""Random faults against the scripts that they were made from: no answer is doubled, torn, mixed or made up.

Every call ends in exactly one target's whole answer, in one seamless continuation, or in a typed error whose partial is
the beginning of an answer.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from shared_core import (
    ChainExhaustedError,
    FailoverManager,
    LLMRequest,
    Report,
    RequestRejectedError,
    StreamInterruptedError,
)
from shared_core.errors import ErrorKind
from shared_core.events import Details, End, Failed, Finish, Restart, StreamEvent, TextDelta, Usage
from shared_core.providers.base import Attempted
from tests.review.faked import STOP, Step, down, engine, request

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"]
HEALTHY = {"whole", "late"}
FAULTS = ("whole", "whole", "late", "before", "raised", "raised", "ended", "event", "finish")
KINDS = (ErrorKind.TRANSIENT, ErrorKind.UNKNOWN, ErrorKind.RATE_LIMIT, ErrorKind.MODEL_MISSING)


@dataclass
class Target:
    """What a target would answer, and how it fails at that."""

    full: str
    fault: str
    kind: ErrorKind
    at: int
    seed: int

    def __call__(self, attempted: Attempted) -> Iterator[Step]:
        rng = random.Random(self.seed)
        pieces = cut(self.full if len(attempted.request.messages) == 1 else self.rest(attempted.request), rng)
        error = down("broken", self.kind)
        yield Details({"id": "1"})
        if self.fault == "before":
            raise error
        for index, piece in enumerate([*pieces, ""]):
            if index == min(self.at, len(pieces)):
                if self.fault == "raised":
                    raise error
                if self.fault in {"ended", "event", "finish"}:
                    said = [TextDelta(piece)] if piece else []
                    ends = {"ended": [], "event": [*said, Failed(error)], "finish": [*said, Finish("error", "error")]}
                    yield ends[self.fault]
                    return
            if piece:
                yield [TextDelta(piece), Usage(1, 1, 2)]
        yield STOP
        if self.fault == "late":
            raise error

    def rest(self, asked: LLMRequest) -> str:
        """What a model that does as it is told says: the words that it shall begin with, and what is missing."""
        partial, instruction = asked.messages[1].content[-1].text, asked.messages[-1].content[0].text
        _, asks_for_overlap, overlap = instruction.partition("Its last characters are:\n\n")
        if not asks_for_overlap:
            return self.full[len(partial) :]
        return overlap + partial[len(partial.rstrip()) :] + self.full[len(partial) :]


@dataclass
class Seen:
    """What the caller got."""

    text: str = ""
    report: Report | None = None
    restarts: int = 0
    error: Exception | None = None
    events: list[StreamEvent] = field(default_factory=list)

    def take(self, event: StreamEvent) -> None:
        assert self.report is None, "End comes last"
        match event:
            case TextDelta():
                self.text += event.text
            case Restart():
                self.text, self.restarts = "", self.restarts + 1
            case End():
                self.report = event.report
            case _:
                self.events.append(event)


def cut(text: str, rng: random.Random) -> list[str]:
    pieces = []
    while text:
        size = rng.randrange(1, 9)
        pieces.append(text[:size])
        text = text[size:]
    return pieces


def ask(manager: FailoverManager, asked: LLMRequest, *, hold: bool, is_async: bool) -> Seen:
    seen = Seen()

    async def read() -> None:
        async for event in manager.astream(asked, hold=hold):
            seen.take(event)

    try:
        if is_async:
            asyncio.run(read())
        else:
            for event in manager.stream(asked, hold=hold):
                seen.take(event)
    except (ChainExhaustedError, RequestRejectedError, StreamInterruptedError) as error:
        seen.error, seen.report = error, error.report
    return seen


@pytest.mark.parametrize("mid_stream", ["raise", "continue", "restart"])
@pytest.mark.parametrize("first_seed", range(0, 300, 100))
def test_what_the_caller_gets_is_what_some_target_said(mid_stream: str, first_seed: int) -> None:
    """A hundred random chains at a time: whole answers, seamless continuations, honest partials, nothing else."""
    for seed in range(first_seed, first_seed + 100):
        rng = random.Random(f"{mid_stream} {seed}")
        names = "abcd"[: rng.randrange(1, 5)]
        # Only targets that would say the same can go on from each other in a way that is known beforehand.
        same = " ".join(f"{rng.choice(WORDS)}{rng.randrange(100)}" for _ in range(rng.randrange(1, 14))) + "."
        targets = {
            name: Target(
                same if mid_stream == "continue" else f"{name}: {same}",
                rng.choice(FAULTS),
                rng.choice(KINDS),
                rng.randrange(12),
                seed,
            )
            for name in names
        }
        hold = rng.random() < 0.3
        policy = {"mid_stream": mid_stream, "patience": 0, "transient_backoffs": rng.choice([(), (0.0,)])}
        manager, provider = engine(targets, policy=policy)
        seen = ask(manager, request(*names), hold=hold, is_async=rng.random() < 0.3)
        check(seen, targets, hold=hold, context=f"{mid_stream} {seed}")
        assert len(provider.opened) == len(provider.closed)


def check(seen: Seen, targets: dict[str, Target], *, hold: bool, context: str) -> None:
    report = seen.report
    assert report is not None, context
    outcomes = [attempt.outcome for attempt in report.attempts]
    if seen.error is None:
        assert seen.text == targets[str(report.model).removeprefix("fake/")].full, context
        assert outcomes == ["failed"] * (len(outcomes) - 1) + ["succeeded"], context
        return
    assert outcomes == ["failed"] * len(outcomes), context
    assert len(seen.error.errors) == len(outcomes), context
    if isinstance(seen.error, StreamInterruptedError):
        assert not hold, context
        assert seen.error.partial == seen.text, context
        assert any(target.full.startswith(seen.text) for target in targets.values()), context
    else:
        assert not seen.text, context
        # Nobody who would have answered was left out.
        assert not any(target.fault in HEALTHY for target in targets.values()), context
