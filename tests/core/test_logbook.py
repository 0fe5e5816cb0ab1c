"""What is written down of a call: records, skips, waits and notices, in plain calls."""

from __future__ import annotations

from typing import Any

from shared_core.chain import Profile, Target
from shared_core.decisions import Attempt, Wait
from shared_core.errors import ErrorKind, ProviderError
from shared_core.events import Usage
from shared_core.logbook import Logbook
from shared_core.notices import Notice
from shared_core.report import AttemptRecord, SkipRecord, WaitRecord
from shared_core.verdict import Verdict
from tests.core.player import link

K = ErrorKind


def attempt(model: str = "a/x", **more: Any) -> Attempt:
    settings: dict[str, Any] = {
        "target": Target(link(model), Profile("main")),
        "max_tokens": 100,
        "omit": frozenset(),
        "renames": {},
        "connect_timeout": 10.0,
        "first_token_timeout": 30.0,
        "idle_timeout": 30.0,
        "deadline": None,
        "is_cut": False,
    }
    return Attempt(**{**settings, **more})


def begun(book: Logbook, now: float = 12.0, *, is_probe: bool = False, **more: Any) -> AttemptRecord:
    book.begin(attempt(**more), now, is_probe=is_probe)
    assert book.newest is not None
    return book.newest


def test_an_attempt_is_recorded_from_its_beginning() -> None:
    """Times count from the call's."""
    book = Logbook(10.0, 100)
    assert (book.newest, book.has_content, book.report.steps, book.notices) == (None, False, [], [])
    record = begun(book)
    assert record == AttemptRecord("a/x", "a", "main", 2.0, number=1)
    assert book.report.steps == [record]
    assert [notice.event for notice in book.notices] == ["attempt"]
    assert not book.has_content
    book.answered(record, 12.5)
    assert (record.first_token, book.has_content) == (2.5, True)


def test_what_is_peculiar_to_an_attempt_is_recorded() -> None:
    """A probe, a text to go on from, another `max_tokens`, other names of fields."""
    book = Logbook(10.0, 100)
    assert begun(book, is_probe=True).is_probe
    assert begun(book, shown="Hello").resumed_at == 5
    assert begun(book, shown="").resumed_at == 0
    assert [begun(book, max_tokens=sent).max_tokens for sent in (100, 50, None)] == [None, 50, "dropped"]
    assert begun(Logbook(10.0, None), max_tokens=None).max_tokens is None
    record = begun(book, renames={"max_tokens": "max_completion_tokens"})
    assert record.notes == ("sent max_tokens as max_completion_tokens",)
    book.note(record, ["left out seed", "left out top_k"])
    assert record.notes == ("sent max_tokens as max_completion_tokens", "left out seed", "left out top_k")


def test_attempts_are_numbered_and_the_second_says_where_it_comes_from() -> None:
    """A failover tells of both targets."""
    book = Logbook(10.0, 100)
    first = begun(book)
    book.end(first, "failed", 13.0, error=ProviderError("no", kind=K.AUTH))
    second = begun(book, model="b/y")
    assert (first.number, second.number) == (1, 2)
    assert book.report.steps == [first, second]
    (failover,) = [notice for notice in book.notices if notice.event == "failover"]
    assert (failover.model, failover.next_model) == ("a/x", "b/y")


def test_an_end_is_recorded_with_its_reason() -> None:
    """And told."""
    book = Logbook(10.0, 100)
    record = begun(book)
    error = ProviderError("no", kind=K.RATE_LIMIT, status=429, code="slow_down", retry_after=7)
    book.end(record, "failed", 13.0, error=error, usage=Usage(1, 2))
    assert (record.outcome, record.ended, record.usage) == ("failed", 3.0, Usage(1, 2))
    assert (record.kind, record.status, record.code) == (K.RATE_LIMIT, 429, "slow_down")
    assert (record.message, record.retry_after) == ("no", 7)
    assert [notice.event for notice in book.notices] == ["attempt", "failure"]
    well = begun(book)
    book.end(well, "succeeded", 14.0)
    assert (well.outcome, well.ended, well.usage, well.kind, well.message) == ("succeeded", 4.0, None, None, None)
    gone = begun(book)
    book.end(gone, "abandoned", 15.0)
    assert [notice.event for notice in book.notices[-2:]] == ["attempt", "abandoned"]


def test_a_repetition_is_told_with_its_pause() -> None:
    """Besides the failure."""
    book = Logbook(10.0, 100)
    record = begun(book)
    book.end(record, "failed", 13.0, error=ProviderError("down", kind=K.TRANSIENT))
    book.repeats(record, 0.5)
    assert [(notice.event, notice.seconds) for notice in book.notices] == [
        ("attempt", None),
        ("failure", 1.0),
        ("retry", 0.5),
    ]


def test_anything_else_is_told_if_there_is_anything() -> None:
    """None is nothing."""
    book = Logbook(10.0, 100)
    notice = Notice("recovery", "a/x", "a")
    book.tell(None)
    book.tell(notice)
    assert book.notices == [notice]


def test_waits_and_skips_are_steps() -> None:
    """A skip says for how long from now on; one that is judged anew is forgotten, the rest stays."""
    book = Logbook(10.0, 100)
    record = begun(book)
    book.wait(Wait(0.5, "it said so"))
    book.skip(link("a/x"), "main", Verdict("cooling", 20.0, K.AUTH), 12.0)
    book.skip(link("b/y"), None, Verdict("gone"), 12.0)
    book.skip(link("c/z"), None, Verdict("free again", 11.0), 12.0)
    assert book.report.steps == [
        record,
        WaitRecord(0.5, "it said so"),
        SkipRecord("a/x", "a", "main", "cooling", 8.0),
        SkipRecord("b/y", "b", None, "gone"),
        SkipRecord("c/z", "c", None, "free again", 0.0),
    ]
    steps = book.report.steps
    book.forget_skips()
    assert steps == book.report.steps == [record, WaitRecord(0.5, "it said so")]
