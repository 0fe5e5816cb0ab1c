"""The command line `llm-failover`: `demo` shows failing over, `ask` does it, `explain` and `check` say what would be.

`drill` rehearses outages of the user's own chain.

It owns what a terminal needs: options, lines, colours, exit codes. It decides nothing about failing over: every line
that it draws comes from the engine's hooks, events and report.

Exit codes: 0 answered (or nothing to answer), 1 no answer: the chain is exhausted, the request was refused, or the
stream broke off, 2 wrong usage or settings, 130 interrupted. A reader that closes the pipe early is a quiet 0.

Invariants: a key is read from the environment only and printed nowhere; no failure of a call shows a traceback; the
engine is imported only by the command that needs it.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module

from shared_core.cli.options import parse, read_version

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: Command line without the program's name; None for the process's own.

    Returns:
        The exit code; see the module.

    Raises:
        SystemExit: The command line is wrong (2), or help was asked for (0).
    """
    _tolerate_narrow_encodings()
    try:
        options = parse(arguments)
        if options.version:
            print(f"llm-failover {read_version()}", flush=True)
            return 0
        with _quiet_log():
            return int(import_module(f"shared_core.cli.{options.command}").run(options))
    except BrokenPipeError:
        _let_go()
        return 0
    except KeyboardInterrupt:
        print("\nllm-failover: interrupted", file=sys.stderr)
        return 130


def _tolerate_narrow_encodings() -> None:
    """An answer in letters that the terminal lacks is shown with `?`, not as a UnicodeEncodeError."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextlib.contextmanager
def _quiet_log() -> Iterator[None]:
    """The trail says what the log would say; without a handler Python would print warnings between its lines."""
    logger, handler = logging.getLogger("llm_failover"), logging.NullHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _let_go() -> None:
    """What is still buffered for a reader that went away is dropped; else Python would complain at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
