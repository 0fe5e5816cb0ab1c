"""Lines, and the trail that is written in them, driven by a real manager."""

from __future__ import annotations

import io
import time
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence

import pytest

from shared_core.cli.colour import ColourScreen
from shared_core.cli.screen import Screen, choose_screen
from shared_core.cli.trail import Trail, target_name
from shared_core.errors import ErrorKind, ProviderError
from shared_core.events import Finish, TextDelta, WireEvent
from shared_core.manager import FailoverManager
from shared_core.messages import Message
from shared_core.policy import FailoverPolicy
from shared_core.providers.base import Attempted, Guard
from shared_core.request import LLMRequest
from shared_core.simulator import Simulator


@pytest.fixture
def paper() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def screen(paper: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.setenv("COLUMNS", "20")
    return Screen(paper)


def test_lines_wrap_by_words_under_their_hanging_indent(screen: Screen, paper: io.StringIO) -> None:
    """A word that is too long for any line stands alone."""
    screen.show(("  a  ", "dim"), ("one two three four ", "plain"), ("x" * 25 + " five", "bold"), hang=5)
    assert paper.getvalue() == "  a  one two three\n     four\n     " + "x" * 25 + "\n     five\n"


def test_a_growing_line_is_ended_by_the_next(screen: Screen, paper: io.StringIO) -> None:
    """Its own line feeds keep the indent."""
    screen.grow("one", hang=2)
    screen.grow(" two\nthree", hang=2)
    screen.busy("nothing can be taken back here")
    screen.show(("  four", "plain"))
    screen.end_line()
    assert paper.getvalue() == "one two\n  three\n  four\n"


def test_a_table_has_its_numbers_to_the_right(screen: Screen, paper: io.StringIO) -> None:
    """And no blanks at the end."""
    screen.table(("name", "count"), [(("a", "plain"), ("7", "plain")), (("bcdef", "plain"), ("-", "dim"))], indent=1)
    assert paper.getvalue() == " name   count\n a          7\n bcdef  -\n"


def test_an_encoding_without_the_signs_gets_others() -> None:
    """Every byte of a line can be written."""
    paper = io.TextIOWrapper(io.BytesIO(), "ascii")
    screen = choose_screen(paper)
    screen.rule("Title")
    screen.show((screen.marks.ask + screen.marks.serve, "plain"))
    paper.seek(0)
    assert paper.read().startswith("-- Title ---")


def test_colours_and_the_spinner_are_codes_around_the_same_words(paper: io.StringIO) -> None:
    """The spinner is taken away by the next words."""
    screen = ColourScreen(paper)
    screen.grow("one")
    screen.busy("waiting")
    screen.show(("two", "good"))
    screen.rest()
    text = paper.getvalue()
    assert text.startswith("one\n")
    assert "\x1b[32mtwo\x1b[0m\n" in text
    assert text.index("waiting") < text.index("two")


class Clock:
    """The real clock, and a leap when a test needs one."""

    def __init__(self) -> None:
        self.leap = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.leap


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trail(paper: io.StringIO) -> Trail:
    return Trail(Screen(paper))


@pytest.fixture
def manager(sim: Simulator, trail: Trail, clock: Clock) -> Iterator[FailoverManager]:
    policy = FailoverPolicy(transient_backoffs=(0.05,), last_first_token_timeout=0.15, first_token_timeout=0.15)
    urls = {"one": sim.base_url, "two": sim.base_url}
    with FailoverManager(base_urls=urls, policy=policy, hooks=trail.hooks, clock=clock) as made:
        yield made


def ask(manager: FailoverManager, trail: Trail, request: LLMRequest) -> None:
    with trail.follow(manager, request):
        trail.served(manager.complete(request).report)


QUESTION = (Message.of("user", "Hi"),)
REQUEST = LLMRequest(messages=QUESTION, model="one/broken", fallback_models=("two/sound",))


def test_a_repeated_time_out_is_told(
    sim: Simulator, manager: FailoverManager, trail: Trail, paper: io.StringIO
) -> None:
    """When it happens, and before what follows."""
    sim.script("broken", "silent", "ok")
    ask(manager, trail, LLMRequest(messages=QUESTION, model="one/broken"))
    text = paper.getvalue()
    assert text.index("transient: no content for 0.15 s") < text.index("asks one/broken [default] again")
    assert "answered after 1 failed attempt" in text


def test_a_time_out_is_told_before_what_follows_from_it(
    sim: Simulator, manager: FailoverManager, trail: Trail, paper: io.StringIO
) -> None:
    """First the failure, then the cooldown, then the next target."""
    sim.script("broken", "silent")
    ask(manager, trail, REQUEST)
    text = paper.getvalue()
    places = [text.index(part) for part in ("no content for 0.15 s", "is left alone", "fails over to two/sound")]
    assert places == sorted(places)


def test_a_recovery_is_told(
    sim: Simulator, manager: FailoverManager, trail: Trail, paper: io.StringIO, clock: Clock
) -> None:
    """After the cooldown, when the target answers again."""
    sim.script("broken", "503*2,ok")
    ask(manager, trail, REQUEST)
    assert "all of one/broken is left alone for 10 s" in paper.getvalue()
    clock.leap = 60.0
    ask(manager, trail, REQUEST)
    assert "one/broken [default] is back in use" in paper.getvalue()


def test_a_skip_in_the_middle_of_a_call_is_told_at_its_end(sim: Simulator, paper: io.StringIO) -> None:
    """With the engine's reason: the model itself failed, so its other profile was not asked."""
    trail = Trail(Screen(paper))
    sim.script("gpt-4.1", "openai.model_not_found")
    profiles = {"openai": {"main": "key-main", "backup": "key-backup"}}
    request = LLMRequest(messages=QUESTION, model="openai/gpt-4.1", fallback_models=("two/sound",))
    urls = {"openai": sim.url, "two": sim.url}
    with FailoverManager(base_urls=urls, profiles=profiles, hooks=trail.hooks) as manager:
        ask(manager, trail, request)
    assert "skips openai/gpt-4.1 [backup]: openai/gpt-4.1 failed: model_missing" in paper.getvalue()


class Brittle:
    """A provider of one's own, whose connection breaks behind the answer."""

    name = "own"

    def stream(self, attempted: Attempted, guard: Guard) -> Generator[Sequence[WireEvent], None, None]:
        yield [TextDelta("Hi"), Finish("stop", "stop")]
        raise ProviderError("reset", kind=ErrorKind.TRANSIENT)

    def astream(self, attempted: Attempted) -> AsyncGenerator[Sequence[WireEvent], None]:
        raise NotImplementedError


def test_what_breaks_behind_a_whole_answer_is_no_failure(
    manager: FailoverManager, trail: Trail, paper: io.StringIO
) -> None:
    """Nor does the engine count it as one."""
    manager.registry.add(Brittle())
    ask(manager, trail, LLMRequest(messages=QUESTION, model="own/any"))
    assert "reset" not in paper.getvalue()
    assert paper.getvalue().endswith("own/any [default] answered\n")


def test_a_target_has_one_name() -> None:
    """With the profile, where there is one."""
    assert target_name("openai/gpt-4.1", "main") == "openai/gpt-4.1 [main]"
    assert target_name("openai/gpt-4.1", None) == "openai/gpt-4.1"
