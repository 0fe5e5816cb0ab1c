"""What can be written on the command line, and the help that explains it. It imports no engine.

Invariants: no option takes a key, and no message repeats what was given where a key might have been pasted by mistake.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NoReturn

from shared_core.scrub import scrub

__all__ = ["KeySource", "parse", "read_version"]

KeySource = tuple[str, str, str]
"""Where a key comes from: provider, profile, environment variable."""

_DESCRIPTION = """\
Asks a chain of models, and fails over to the next API key or model when one
cannot answer.

A target is a model under one API key (its profile). A chain is walked in
order; what failed is left alone for a while, and every attempt, wait and skip
is told."""

_EXAMPLES = """\
examples:
  llm-failover demo
      Six scenes against a simulator on this machine. Needs no key, no network.

  llm-failover ask "Why is the sky blue?" \\
      --model openai/gpt-4.1 --fallback groq/llama-3.3-70b-versatile
      Asks OpenAI; if it cannot answer, Groq does. Keys come from
      OPENAI_API_KEY and GROQ_API_KEY.

  git diff | llm-failover ask - --system "Review this." \\
      --model anthropic/claude-sonnet-4-5 --fallback openai/gpt-4.1
      Reads the question from standard input.

  llm-failover explain --model openai/gpt-4.1 --fallback ollama/llama3.2
      Says what would be tried and why not, asking nobody.

  llm-failover check failover.toml --ping
      Checks a configuration file, and asks each target of its chain.

  llm-failover drill failover.toml
      Plays that chain through outages, asking nobody.

exit codes:
    0  answered
    1  no answer: chain exhausted, request refused, or stream broken off
    2  wrong usage or settings
  130  interrupted"""

_CHAIN_EPILOG = """\
Keys are read from environment variables, never from the command line, where
other users of the machine could see them: from the provider's usual one
(OPENAI_API_KEY, ANTHROPIC_API_KEY, …), or from those named by --key-env and
--profile."""

_ASK_EPILOG = (
    _CHAIN_EPILOG
    + """

The answer goes to standard output as it comes, the trail of attempts to
standard error.

A stream that breaks after some of it was shown ends in an error, for what was
shown cannot be taken back. With --no-stream or --json nothing is shown early,
so that a broken stream fails over as well."""
)

_EXPLAIN_EPILOG = (
    _CHAIN_EPILOG
    + """

The exit code is 0 if some target would be tried, 1 if none would."""
)

_CHECK_EPILOG = """\
Without --ping nobody is asked. A ping is a real request with the file's own
settings and at most 16 tokens of answer, to one model under one key, without
failing over; all targets are asked at once.

exit codes: 0 all targets are well, 1 some target has no key or does not
answer, 2 the file is wrong"""

_DRILL_DESCRIPTION = """\
Plays your own chain (same models, profile names and policy) through outages
against a simulator on this machine, and shows what your users would have seen:
answered by whom, after how long, and how many requests each target got.

No key is read and nothing leaves this machine. Waits are skipped, not slept:
all times are the drill's own."""

_DRILL_EPILOG = """\
exit codes:
    0  every call was answered, but where an error may be right (everything
       down, content filter, …) or a stream broke off after words were shown
       and mid_stream is "raise"
    1  some call was not answered
    2  wrong usage or settings"""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints hold no key."""

    def error(self, message: str) -> NoReturn:
        super().error(scrub(message))


class _RefuseKey(argparse.Action):
    """Catches what people try first, before argparse repeats the key in its complaint."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        """Ends the program."""
        parser.error("a key is never given on the command line; name its environment variable: --key-env NAME=VARIABLE")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of one command line.

    Raises:
        SystemExit: It is wrong (2), or help was asked for (0).
    """
    parser = _Parser(
        prog="llm-failover",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    _add_demo(commands)
    _add_ask(commands)
    _add_explain(commands)
    _add_check(commands)
    _add_drill(commands)
    options = parser.parse_args(arguments)
    if "config" in options and not (options.config or options.model):
        parser.error("give --model, or --config with a file that has one")
    if options.command == "drill" and not options.list and (options.file is None) == (options.model is None):
        parser.error("give a configuration file, or --model, to drill")
    if options.command is None and not options.version:
        parser.print_help()
        parser.exit(0)
    return options


def read_version() -> str:
    """The version of the installed distribution."""
    try:
        return version("failoverchain")
    except PackageNotFoundError:
        return "(from a source tree that is not installed)"


def _add_demo(commands: Any) -> None:
    parser = commands.add_parser(
        "demo",
        help="six scenes of failing over, live, without keys or network",
        description="Plays six scenes of failing over against a simulator on this machine, in about 15 seconds.",
        allow_abbrev=False,
    )
    parser.add_argument("--scene", type=int, choices=range(1, 7), metavar="N", help="play scene N (1 to 6) alone")
    parser.add_argument(
        "--speed", type=_speed, default=1.0, metavar="X", help="make all scripted waits X times shorter (default: 1)"
    )
    parser.add_argument("--plain", action="store_true", help="plain text, without colours")
    parser.add_argument("--json", action="store_true", help="print the results as one JSON object instead")


def _add_ask(commands: Any) -> None:
    parser = commands.add_parser(
        "ask",
        help="ask a question of a chain of real models",
        description="Asks a question; the first target of the chain that can answers it.",
        epilog=_ASK_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("question", help="the question; - reads it from standard input")
    _add_chain(parser)
    parser.add_argument("--system", metavar="TEXT", help="system message")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="longest answer, in tokens")
    parser.add_argument("--temperature", type=float, metavar="T", help="sampling temperature")
    parser.add_argument("--deadline", type=_positive, metavar="SECONDS", help="longest time for the whole call")
    parser.add_argument("--no-stream", action="store_true", help="print the answer when it is whole")
    parser.add_argument("--json", action="store_true", help="print answer and report as one JSON object when whole")
    parser.add_argument("-q", "--quiet", action="store_true", help="no trail on standard error")


def _add_explain(commands: Any) -> None:
    parser = commands.add_parser(
        "explain",
        help="say what a chain would try and what it would skip, asking nobody",
        description="Says what would be tried, in what order, and what would be skipped and why. Asks nobody.",
        epilog=_EXPLAIN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_chain(parser)
    parser.add_argument("--json", action="store_true", help="print it as one JSON object")


def _add_check(commands: Any) -> None:
    parser = commands.add_parser(
        "check",
        help="check a configuration file, and ask each target of its chain",
        description="Checks a configuration file and lists the targets of its chain; with --ping it asks each of them.",
        epilog=_CHECK_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("file", help="the file, in TOML")
    parser.add_argument("--ping", action="store_true", help="send each target a tiny request of its own")
    parser.add_argument(
        "--timeout", type=_positive, default=30.0, metavar="SECONDS", help="longest time for a ping (default: 30)"
    )
    parser.add_argument("--json", action="store_true", help="print it as one JSON object")


def _add_drill(commands: Any) -> None:
    parser = commands.add_parser(
        "drill",
        help="play your own chain through outages, without keys or network",
        description=_DRILL_DESCRIPTION,
        epilog=_DRILL_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("file", nargs="?", help="configuration file (TOML) with the chain and its policy")
    parser.add_argument("--model", metavar="MODEL", help="first model, instead of a file")
    parser.add_argument("--fallback", action="append", default=[], metavar="MODEL", help="next model behind --model")
    parser.add_argument(
        "--scenario", action="append", metavar="NAME", help="play this scenario; may be given several times"
    )
    parser.add_argument("--list", action="store_true", help="list the scenarios and exit")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    parser.add_argument("--picture", metavar="FILE", help="draw a timeline: FILE.svg, or FILE.png with matplotlib")
    parser.add_argument("--plain", action="store_true", help="plain text, without colours")


def _add_chain(parser: argparse.ArgumentParser) -> None:
    chain = parser.add_argument_group("chain")
    chain.add_argument("--config", metavar="FILE", help="configuration file (TOML), beneath the other options")
    chain.add_argument("--model", metavar="MODEL", help="first model, as provider/model")
    chain.add_argument(
        "--fallback", action="append", default=[], metavar="MODEL", help="next model; may be given several times"
    )
    chain.add_argument(
        "--base-url",
        action="append",
        default=[],
        type=_base_url,
        metavar="NAME=URL",
        help="address of a provider; a new name becomes a provider that speaks the OpenAI protocol",
    )
    chain.add_argument(
        "--key-env",
        action="append",
        default=[],
        dest="keys",
        type=_key_env,
        metavar="NAME=VARIABLE",
        help="environment variable that holds a provider's key",
    )
    chain.add_argument(
        "--profile",
        action="append",
        dest="keys",
        type=_profile,
        metavar="NAME:PROFILE=VARIABLE",
        help="one of several keys of a provider; they are tried in the order given",
    )
    chain.add_argument("--api-key", "--key", action=_RefuseKey, help=argparse.SUPPRESS)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError("must be a number above 0")
    return value


def _speed(text: str) -> float:
    value = _positive(text)
    if value < 0.5:
        # Slower still, the wait that is meant to be short would outlast the engine's patience.
        raise argparse.ArgumentTypeError("must be 0.5 or more")
    return value


def _base_url(text: str) -> tuple[str, str]:
    name, _, url = text.partition("=")
    if not name.strip() or not url.strip():
        raise argparse.ArgumentTypeError("must be NAME=URL, for example local=http://127.0.0.1:8080/v1")
    return name.strip(), url.strip()


def _key_env(text: str) -> KeySource:
    provider, _, variable = text.partition("=")
    if not provider.strip() or _VARIABLE.fullmatch(variable) is None:
        raise argparse.ArgumentTypeError(
            "must be NAME=VARIABLE, for example openai=WORK_OPENAI_KEY: the variable's name, never the key itself"
        )
    return provider.strip(), "default", variable


def _profile(text: str) -> KeySource:
    target, _, variable = text.partition("=")
    provider, _, profile = target.partition(":")
    if not provider.strip() or not profile.strip() or _VARIABLE.fullmatch(variable) is None:
        raise argparse.ArgumentTypeError(
            "must be NAME:PROFILE=VARIABLE, for example openai:backup=OPENAI_BACKUP_KEY: the variable's name, never "
            "the key itself"
        )
    return provider.strip(), profile.strip(), variable
