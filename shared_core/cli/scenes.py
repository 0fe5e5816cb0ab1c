"""The six scenes of the demo as data: what the simulator is told to do, and what is asked.

Nothing here says how a call ends: that is for the engine to show. All waits shrink with the demo's speed; model names
and error texts are those of the providers whose wires the simulator speaks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from shared_core.policy import FailoverPolicy
from shared_core.simulator import Behaviour, Ceiling, Fault, Reply

__all__ = ["SCENES", "Call", "Scene", "Script"]

OPENAI = "openai/gpt-4.1"
ANTHROPIC = "anthropic/claude-sonnet-4-5"
GROQ = "groq/llama-3.3-70b-versatile"

Script = Mapping[tuple[str, str | None], Sequence[Behaviour]]
"""Behaviours by model string and profile; None for any profile."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        note: What it is about.
        question: What is asked.
        max_tokens: Longest answer.
        hold: The whole answer is collected, as by `invoke`; else it is streamed.
        is_fresh: The engine's memory is cleared first.
    """

    note: str
    question: str
    max_tokens: int | None = None
    hold: bool = False
    is_fresh: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """One thing that goes wrong.

    Attributes:
        title: Its name.
        trouble: What the simulator is told to do.
        chain: Model strings in order, each with its profiles.
        script: Makes the behaviours, given the speed.
        calls: What is asked, in order.
        policy: Settings, given the speed.
    """

    title: str
    trouble: str
    chain: Mapping[str, Sequence[str]]
    script: Callable[[float], Script]
    calls: Sequence[Call]
    policy: Callable[[float], FailoverPolicy] = field(
        default=lambda speed: FailoverPolicy(transient_backoffs=(0.5 / speed, 2.0 / speed))
    )


def _says(text: str, speed: float) -> Reply:
    return Reply(text, delay_first=0.15 / speed, delay_chunk=0.04 / speed)


def _fail_fast(speed: float) -> FailoverPolicy:
    return FailoverPolicy(fail_fast=True, transient_backoffs=(0.5 / speed, 2.0 / speed))


def _dead_key(speed: float) -> Script:
    return {
        (OPENAI, "main"): [Fault.named("openai.invalid_key")],
        (OPENAI, "backup"): [_says("The capital of France is Paris.", speed), _says("Madrid.", speed)],
    }


def _rate_limit(speed: float) -> Script:
    return {
        (OPENAI, None): [
            Fault.named("openai.rate_limit", retry_after=round(1 / speed, 3)),
            _says("Sunlight, scattered by air: blue scatters most.", speed),
            Fault.named("openai.rate_limit", retry_after=20),
        ],
        (ANTHROPIC, None): [
            _says("At dusk the light's long way through the air leaves the red.", speed),
            _says("Of water droplets, which scatter all colours alike.", speed),
        ],
    }


def _outage(speed: float) -> Script:
    return {
        (OPENAI, None): [Fault.named("openai.overloaded")],
        (ANTHROPIC, None): [
            _says("A circuit breaker stops asking what keeps failing.", speed),
            _says("Yes: it spares callers the wait, and the provider the load.", speed),
        ],
    }


def _ceiling(speed: float) -> Script:
    return {(OPENAI, None): [Ceiling(16_384, then=_says("Once upon a time, a request asked for too much.", speed))]}


def _broken_stream(speed: float) -> Script:
    recipe = _says("Whisk the eggs, melt the butter, and stir until it sets.", speed)
    return {
        (OPENAI, None): [Fault.cut(0, reply=recipe), Fault.cut(6, reply=recipe)],
        (ANTHROPIC, None): [_says("Beat three eggs, butter the pan, and fold gently.", speed)],
    }


def _everything_down(_: float) -> Script:
    return {
        (OPENAI, None): [Fault.named("openai.overloaded")],
        (ANTHROPIC, None): [Fault.named("anthropic.low_credit")],
        (GROQ, None): [
            Fault.status(
                401,
                {"error": {"message": "Invalid API Key", "type": "invalid_request_error", "code": "invalid_api_key"}},
            )
        ],
    }


SCENES: Sequence[Scene] = (
    Scene(
        "A dead key",
        "openai refuses the first of its two API keys, main, with a 401. The second, backup, is good.",
        {OPENAI: ("main", "backup"), ANTHROPIC: ("main",)},
        _dead_key,
        (
            Call("Nobody knows yet that the key is dead.", "What is the capital of France?"),
            Call("Now it is known.", "And of Spain?"),
        ),
    ),
    Scene(
        "A rate limit",
        "openai answers 429 with a Retry-After: a short one first, a long one later.",
        {OPENAI: ("main",), ANTHROPIC: ("main",)},
        _rate_limit,
        (
            Call("A short wait is worth waiting.", "Why is the sky blue?"),
            Call("A long one is not, while someone else could answer.", "And red at dusk?"),
            Call("Until the stated time is over, openai is left in peace.", "What are clouds made of?"),
        ),
    ),
    Scene(
        "An outage",
        "openai answers every request with a 503.",
        {OPENAI: ("main",), ANTHROPIC: ("main",)},
        _outage,
        (
            Call("Most blips are short, so it is asked again twice.", "What is a circuit breaker?"),
            Call("By now it counts as down.", "Is that useful?"),
        ),
    ),
    Scene(
        "max_tokens above the ceiling",
        "openai refuses any max_tokens above 16384 with a 400; both calls ask for 100000, of which "
        "gpt-4.1 is known to take 32768.",
        {OPENAI: ("main",), ANTHROPIC: ("main",)},
        _ceiling,
        (
            Call("The refusal states the ceiling.", "Tell me a long story.", max_tokens=100_000),
            Call("What was learnt is kept.", "Tell me another one.", max_tokens=100_000),
        ),
    ),
    Scene(
        "A stream that breaks",
        "openai accepts, and then the connection is cut: before the first word, later after six. "
        "Policy: fail_fast, so nobody is asked twice.",
        {OPENAI: ("main",), ANTHROPIC: ("main",)},
        _broken_stream,
        (
            Call("Streamed; cut before the first word, when nothing was shown yet.", "How do I make scrambled eggs?"),
            Call(
                "Streamed; cut after words were shown, which cannot be taken back.",
                "How do I make scrambled eggs?",
                is_fresh=True,
            ),
            Call(
                "Collected, as by invoke; cut after the same words, but nobody saw them.",
                "How do I make scrambled eggs?",
                hold=True,
                is_fresh=True,
            ),
        ),
        _fail_fast,
    ),
    Scene(
        "Everything down",
        "openai is overloaded, anthropic's account is empty, groq's key is dead. Policy: fail_fast.",
        {OPENAI: ("main",), ANTHROPIC: ("main",), GROQ: ("main",)},
        _everything_down,
        (
            Call("Every target is tried, to the end of the chain.", "Is anybody there?"),
            Call("All of them are cooling now.", "Hello?"),
        ),
        _fail_fast,
    ),
)
"""The scenes in order."""
