"""The provider of a soak: the simulator, in a process of its own, that behaves by chance and answers by rule.

How a request is treated depends on the seed, the case, the model, the key and how often that was asked, so that a run
can be repeated as far as timing allows. What a healthy answer says is told by `cases`. An answer that is to be
continued is continued in one of the ways in which models do it.
"""

from __future__ import annotations

import multiprocessing
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from shared_core.simulator import Behaviour, Ceiling, Fault, Reply, Simulator, ToolCall
from shared_core.simulator.catalogue import CATALOGUE
from shared_core.simulator.recorder import RequestRecord
from tests.soak.cases import TOOL, Case, asked_in, pieces

__all__ = ["Provider"]

_ANCHOR = "Its last characters are:\n\n"
_KEPT = 500
"""Requests that the simulator remembers."""


def _after(rng: random.Random) -> int:
    return rng.choice((0, 1, 1, 2, 3, 5, 8))


_FAULTS: Mapping[str, Callable[[random.Random, Reply], Behaviour]] = {
    "status": lambda rng, _: Fault.status(rng.choice((400, 401, 402, 403, 404, 408, 429, 500, 502, 503, 504, 529))),
    "late status": lambda rng, _: Fault.status(503, delay=rng.choice((0.05, 0.3))),
    "reset": lambda rng, reply: Fault.reset(rng.choice((None, 0, 1, 2, 5)), reply=reply),
    "close": lambda *_: Fault.close(),
    "cut": lambda rng, reply: Fault.cut(
        _after(rng), where=rng.choice(("event", "mid_event", "mid_character")), reply=reply
    ),
    "silent": lambda rng, reply: Fault.silent(rng.choice((None, 0.1, 0.5)), reply=reply),
    "stall": lambda rng, reply: Fault.stall(_after(rng), rng.choice((None, 0.1, 0.5)), reply=reply),
    "keepalive": lambda rng, reply: Fault.keepalive(rng.choice((None, 0.2, 0.5)), after=_after(rng), reply=reply),
    "truncated": lambda rng, reply: Fault.truncated(rng.choice((None, 0, 1, 3, 6)), reply=reply),
    "no_done": lambda _, reply: Fault.no_done(reply=reply),
    "malformed": lambda rng, reply: Fault.malformed(_after(rng), reply=reply),
    "garbage": lambda rng, _: Fault.garbage(after=0, opening=rng.random() < 0.5),
    "error_event": lambda rng, reply: Fault.error_event(
        rng.choice((None, "openai.rate_limit", "anthropic.overloaded", "gemini.server_error")), _after(rng), reply=reply
    ),
    "empty": lambda *_: Fault.empty(),
    "only_done": lambda *_: Fault.only_done(),
    "whole": lambda _, reply: Fault.whole(reply=reply),
    "content_type": lambda rng, reply: Fault.content_type(
        rng.choice(("text/plain", "application/octet-stream", "text/event-stream")), reply=reply
    ),
    "html": lambda rng, _: Fault.html(rng.choice((200, 403, 502))),
    "redirect": lambda *_: Fault.redirect("http://127.0.0.1:9/login"),
    "slow": lambda rng, reply: replace(reply, delay_first=rng.choice((0.2, 0.6))),
    "trickle": lambda rng, reply: replace(reply, delay_chunk=rng.choice((0.005, 0.02))),
    "split": lambda rng, reply: replace(reply, split=rng.choice((7, 64, 300))),
    "one chunk": lambda _, reply: replace(reply, chunks=("".join(reply.chunks or ()),)),
    "late headers": lambda rng, reply: replace(reply, delay_headers=rng.choice((0.1, 0.4))),
    "reasoning": lambda _, reply: replace(reply, reasoning="Let me think about that first. "),
    "ceiling": lambda rng, reply: Ceiling(
        rng.choice((600, 2000)), status=rng.choice((400, 429)), refuse_any=rng.random() < 0.2, then=reply
    ),
    "named": lambda rng, _: _named(rng),
}
"""Everything that the simulator can be told, by name. Each name of the catalogue of errors is met as well."""


def _named(rng: random.Random) -> Fault:
    name = rng.choice(sorted(CATALOGUE))
    return Fault.named(name, **({"retry_after": 0.05} if "rate_limit" in name else {}))


class _Chance:
    """Chooses the behaviour of each request."""

    def __init__(self, seed: int, health: float) -> None:
        self._seed = seed
        self._health = health
        self._asked: Counter[tuple[int, str, str]] = Counter()
        self.requests: Counter[str] = Counter()
        self.met: Counter[str] = Counter()
        self.keyless = 0
        self.latest: dict[int, tuple[str, int]] = {}

    def __call__(self, record: RequestRecord) -> Behaviour:
        case = asked_in(record.raw.decode("utf-8", "replace"))
        model, key = record.model or "", record.key or ""
        self.requests[model] += 1
        self.keyless += not key
        self.latest[record.connection] = (model, case.number)
        place = (case.number, model, key)
        self._asked[place] += 1
        rng = random.Random(f"{self._seed} {place} {self._asked[place]}")
        reply = _reply(case, model, record.body, rng)
        if rng.random() < self._health:
            self.met["none"] += 1
            return reply
        name = rng.choice(list(_FAULTS))
        made = _FAULTS[name](rng, reply)
        self.met[made.name if isinstance(made, Fault) and made.name else name] += 1
        return made


def _reply(case: Case, model: str, body: Any, rng: random.Random) -> Reply:
    if case.form == "tool":
        return Reply("", tool_calls=(ToolCall(TOOL, case.arguments(model)),))
    whole = case.answer(model)
    partial, asked = _partial(body)
    return Reply(chunks=tuple(pieces(_rest(whole, partial, asked, rng) if partial else whole, rng)))


def _rest(whole: str, partial: str, asked: str, rng: random.Random) -> str:
    """How a model goes on from `partial`, which it is asked in `asked` to do, or by the conversation's end alone."""
    rest = whole[len(partial) :]
    if not asked:
        return rest
    _, is_anchored, anchor = asked.partition(_ANCHOR)
    match rng.randrange(5):
        case 0:
            return whole  # from the start again
        case 1 if len(partial) > 200:
            return f"{partial[: len(partial) // 2 + 60]} and now for something else."
        case 2:
            return rest  # without the words that it was to copy
        case _:
            return anchor + partial[len(partial.rstrip()) :] + rest if is_anchored else rest


def _partial(body: Any) -> tuple[str, str]:
    """The assistant's turn to go on from, and the user's turn behind it; both are empty where there is none."""
    turns = [
        (turn.get("role"), _text(turn.get("content", turn.get("parts"))))
        for turn in body.get("messages") or body.get("contents") or body.get("input") or ()
    ]
    if turns[-1][0] in {"assistant", "model"}:
        return turns[-1][1], ""
    if len(turns) > 1 and turns[-2][0] in {"assistant", "model"}:
        return turns[-2][1], turns[-1][1]
    return "", ""


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content or ())


class Provider:
    """The provider, and what it saw.

    Args:
        seed: Of its chances.
        health: Share of requests that are answered without a fault.
        is_own_process: In a process of its own, else in a thread.
    """

    def __init__(self, seed: int, *, health: float = 0.5, is_own_process: bool = True) -> None:
        self._seed, self._health = seed, health
        self._is_own_process = is_own_process
        self.url = ""

    def __enter__(self) -> Self:
        ours, theirs = multiprocessing.Pipe()
        self._pipe = ours
        arguments = (theirs, self._seed, self._health)
        if self._is_own_process:
            self._process: Any = multiprocessing.get_context("spawn").Process(target=_serve, args=arguments)
        else:
            self._process = threading.Thread(target=_serve, args=arguments, name="provider")
        self._process.start()
        if self._is_own_process:
            theirs.close()  # so that its death is noticed here
        self.url = ours.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.send(None)
        self._process.join(20)
        self._pipe.close()

    def seen(self) -> dict[str, Any]:
        """Requests by model, faults by name, requests without a key, and what open connections were last used for."""
        self._pipe.send("seen")
        found: dict[str, Any] = self._pipe.recv()
        return found


def _serve(pipe: Connection, seed: int, health: float) -> None:
    chance = _Chance(seed, health)

    def choose(record: RequestRecord) -> Behaviour:
        if record.number > _KEPT:
            simulator._desk.recorder.clear()
        return chance(record)

    with Simulator() as simulator:
        simulator.script("*", choose)
        pipe.send(simulator.url)
        while pipe.recv() is not None:
            pipe.send(
                {
                    "requests": Counter(chance.requests),
                    "met": Counter(chance.met),
                    "keyless": chance.keyless,
                    "open": [
                        chance.latest.get(connection._number, ("", 0))
                        for connection in simulator._desk.connections.copy()
                    ],
                }
            )
    pipe.close()
