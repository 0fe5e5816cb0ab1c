"""`llm-failover ask`: one question to a chain of real providers; the answer on stdout, the trail on stderr."""

from __future__ import annotations

import io
import sys
from argparse import Namespace
from contextlib import closing

from shared_core.answer import Answer
from shared_core.cli.chains import configured, make_manager, make_request, say
from shared_core.cli.results import CallError, CallFailure, answered, failed, print_json
from shared_core.cli.screen import choose_screen
from shared_core.cli.trail import Trail
from shared_core.errors import ConfigurationError
from shared_core.events import RefusalDelta, StreamEvent, TextDelta
from shared_core.manager import FailoverManager
from shared_core.request import LLMRequest

__all__ = ["run"]


def run(options: Namespace) -> int:
    """Asks.

    Returns:
        0 if it was answered, 1 if not, 2 if a setting is wrong.
    """
    trail = Trail(choose_screen(io.StringIO() if options.quiet else sys.stderr))
    try:
        chain = configured(options)
        question = _read(options.question)
        with make_manager(chain, trail.hooks) as manager:
            request = make_request(
                chain,
                question,
                options.system,
                max_tokens=options.max_tokens,
                temperature=options.temperature,
                deadline=options.deadline,
            )
            answer = _ask(manager, request, trail, is_shown=not (options.json or options.no_stream))
    except ConfigurationError as error:
        say(error)
        return 2
    except CallError as error:
        _report(error, is_json=options.json, is_traced=not options.quiet)
        return 1
    if options.json:
        print_json(answered(answer))
    elif options.no_stream:
        print(answer.text or answer.refusal, flush=True)
    return 0


def _read(question: str) -> str:
    if question == "-":
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(encoding="utf-8", errors="replace")
        question = sys.stdin.read()
    if not question.strip():
        raise ConfigurationError("the question is empty")
    return question


def _ask(manager: FailoverManager, request: LLMRequest, trail: Trail, *, is_shown: bool) -> Answer:
    with trail.follow(manager, request):
        answer = _show(manager, request, trail) if is_shown else manager.complete(request)
        trail.served(answer.report)
    return answer


def _show(manager: FailoverManager, request: LLMRequest, trail: Trail) -> Answer:
    events: list[StreamEvent] = []
    has_text = False
    try:
        with closing(manager.stream(request)) as stream:
            for event in stream:
                events.append(event)
                if isinstance(event, TextDelta | RefusalDelta) and event.text:
                    has_text = True
                    trail.rest()
                    print(event.text, end="", flush=True)
    finally:
        if has_text:
            print(flush=True)
    return Answer.collect(events)


def _report(error: CallFailure, *, is_json: bool, is_traced: bool) -> None:
    """The trail's lines are not said twice: where they were drawn, the message's first line is enough."""
    if is_json:
        print_json(failed(error))
    say(str(error).partition("\n")[0] if is_traced else error)
