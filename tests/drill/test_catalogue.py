"""The catalogue, played once by a chain of two providers and three keys: the drill's own time makes figures exact."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from shared_core.drill import SCENARIOS, DrillReport, drill
from shared_core.drill.report import row
from shared_core.manager import FailoverManager

FOUND = """
healthy             | 6/6   | A6          | 0.4-1.2 s  | A6       | saw nothing
one-blip            | 6/6   | A6          | 0.4-1.2 s  | A7       | saw nothing
primary-down        | 6/6   | C6          | 0.4-3.5 s  | A6 C6    | waited 3.1 s longer in 2 of 6 calls
provider-down       | 6/6   | C6          | 0.4-3.5 s  | A6 C6    | waited 3.1 s longer in 2 of 6 calls
refused             | 6/6   | C6          | 0.4-2.9 s  | A6 C6    | waited 2.5 s longer in 2 of 6 calls
outage-and-recovery | 28/28 | A15 C13     | 0.4-3.5 s  | A26 C13  | waited 3.1 s longer in 4 of 28 calls
everything-down     | 0/6   | -           | -          | A9 C9    | saw an error each time: transient, \
after 8.1 s at worst, to come back in 37 s at most
short-rate-limit    | 6/6   | A5 B1       | 0.4-1.8 s  | A6 B2    | waited 1.4 s longer in 1 of 6 calls
long-rate-limit     | 6/6   | A2 C4       | 0.4-1.2 s  | A3 B1 C4 | saw nothing
first-key-limited   | 6/6   | B6          | 0.4-1.2 s  | A1 B6    | saw nothing
first-key-dead      | 6/6   | B6          | 0.6-1.4 s  | A5 B6    | saw nothing
all-keys-dead       | 6/6   | C6          | 0.4-1.2 s  | A1 B1 C6 | saw nothing
account-empty       | 6/6   | C6          | 0.4-1.2 s  | A1 B1 C6 | saw nothing
model-retired       | 6/6   | C6          | 0.4-1.2 s  | A1 C6    | saw nothing
slow                | 6/6   | A6          | 8.0-8.8 s  | A6       | waited 7.6 s longer each time
stalled             | 6/6   | C6          | 0.4-30.4 s | A2 C6    | waited 30 s longer in 2 of 6 calls
keepalives          | 6/6   | C6          | 0.4-30.4 s | A2 C6    | waited 30 s longer in 2 of 6 calls
broken-early        | 6/6   | C6          | 0.4-4.1 s  | A6 C6    | waited 3.7 s longer in 2 of 6 calls
broken-late         | 4/6   | C4          | 0.4-1.2 s  | A2 C4    | saw an answer break off in 2 of 6 calls
stalled-late        | 4/6   | C4          | 0.4-1.2 s  | A2 C4    | saw an answer break off in 2 of 6 calls, \
after 31 s at worst
unfinished          | 4/6   | C4          | 0.4-1.2 s  | A2 C4    | saw an answer break off in 2 of 6 calls
error-event         | 6/6   | C6          | 0.4-4.1 s  | A6 C6    | waited 3.7 s longer in 2 of 6 calls
garbage               | 6/6   | C6          | 0.4-2.9 s  | A6 C6    | waited 2.5 s longer in 2 of 6 calls
max-tokens          | 6/6   | A6          | 0.4-1.2 s  | A7       | saw nothing
context-exceeded    | 6/6   | C6          | 0.6-1.4 s  | A6 C6    | saw nothing
content-filter      | 0/6   | -           | -          | A6       | saw an error each time: content_filter
"""
"""What each scenario shows: answered, by whom, first words, requests, verdict."""

EXPECTED = {line.split("|")[0].strip(): [cell.strip() for cell in line.split("|")] for line in FOUND.splitlines()[1:]}


@pytest.fixture(scope="module")
def report() -> DrillReport:
    """The whole catalogue, played once."""
    manager = FailoverManager(
        fallbacks=["openai/gpt-4.1", "anthropic/claude-sonnet-4-5"],
        profiles={"openai": {"main": "key-main", "spare": "key-spare"}, "anthropic": {"only": "key-only"}},
    )
    return drill(manager)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_shows_what_the_engine_does(report: DrillReport, name: str) -> None:
    """Who answered, after how long, and how many requests each target got."""
    assert list(row(report[name])) == EXPECTED[name]


def test_nothing_was_left_out(report: DrillReport) -> None:
    """Every scenario is there, in order, and the chain survived what can be survived."""
    assert list(report) == list(SCENARIOS) == list(EXPECTED)
    assert len(report) == 26
    assert report.survived
    assert not report.failures
    assert report["Primary down"].answered
    assert not report["content_filter"].answered
    assert report["broken-late"].survived
    with pytest.raises(KeyError, match="'tsunami' was not played; there are healthy"):
        report["tsunami"]


def test_users_of_whole_answers_see_no_break(report: DrillReport) -> None:
    """A stream that breaks after its first words is an error for those who watched it, and nothing for the others."""
    broken = report["broken-late"].calls
    assert {call.outcome for call in broken if not call.is_streamed} == {"answered"}
    assert [call.shown for call in broken if call.outcome == "broke off"] == [len("Paris, on the Seine,")] * 2


def test_an_outage_is_probed_and_left_behind(report: DrillReport) -> None:
    """One call of two probes, the other goes to the next target; after the outage both are the primary's again."""
    result = report["outage-and-recovery"]
    probes = [attempt for call in result.calls for attempt in call.attempts if attempt.is_probe]
    assert {probe.model for probe in probes} == {"openai/gpt-4.1"}
    assert [call.role.letter for call in result.calls if call.role is not None][-12:] == ["A"] * 12
    pairs = zip(result.calls[::2], result.calls[1::2], strict=True)
    assert all(not any(attempt.is_probe for attempt in other.attempts) for _, other in pairs)
    assert [round(each.seconds) for each in result.cooldowns if each.profile is None][:1] == [10]


def test_a_refused_key_cools_for_all_models(report: DrillReport) -> None:
    """A rate limit cools one model under its key, a key that is refused is out for every model of its provider."""
    (limited, *_), (dead, *_) = report["first-key-limited"].cooldowns, report["first-key-dead"].cooldowns
    main, spare, other = report.roles
    sibling = replace(main, model="openai/gpt-4.1-mini")
    assert [limited.covers(role) for role in (main, spare, other, sibling)] == [True, False, False, False]
    assert [dead.covers(role) for role in (main, spare, other, sibling)] == [True, False, False, True]


def test_an_exhausted_chain_says_when_to_come_back(report: DrillReport) -> None:
    """The error that the user sees has its kind, its words, and a time."""
    call = report["everything-down"].calls[0]
    assert call.outcome == "error"
    assert str(call.kind) == "transient"
    assert call.message is not None
    assert call.message.startswith("LLM chain exhausted")
    assert call.retry_after is not None
    assert 0 < call.retry_after < 60
    assert call.first_word is None


def test_it_prints_and_shows_itself(report: DrillReport) -> None:
    """As a table with the chain, a summary and advice; short in a repr; with the same cells in HTML."""
    text = str(report)
    assert "  B  openai/gpt-4.1 [spare]" in text
    assert "  A6 C6" in text
    assert "Times are the drill's own: waits were skipped, not slept." in text
    assert repr(report) == (
        "<DrillReport: answered in full: 21 of 26 scenarios; broken off, as mid_stream says: broken-late, "
        "stalled-late, unfinished; an error, which may be right: everything-down, content-filter>"
    )
    assert repr(report["healthy"]) == "<Result of healthy: your users saw nothing>"
    shown = report._repr_mimebundle_()
    assert shown["text/plain"] == text
    assert "<td style='text-align:left'>waited 3.1 s longer in 2 of 6 calls</td>" in shown["text/html"]
    assert shown["text/html"].count("✓") == 21


def test_it_is_json(report: DrillReport) -> None:
    """All of it, without a key."""
    said = json.loads(json.dumps(report.as_dict()))
    assert said["survived"] is True
    assert said["targets"][1] == {"letter": "B", "model": "openai/gpt-4.1", "profile": "spare"}
    down = next(one for one in said["scenarios"] if one["scenario"] == "primary-down")
    assert down["requests"] == {"A": 6, "B": 0, "C": 6}
    assert down["calls"][0]["failover"]["trail"][0]["status"] == 503
    assert down["calls"][0]["first_word"] == 3.5
    assert down["cooldowns"][0]["kind"] == "transient"
    assert "rehearsal-" not in json.dumps(said)


def test_the_advice_rests_on_what_was_seen(report: DrillReport) -> None:
    """Each sentence names a fact of this chain or of its rehearsal."""
    told = " ".join(report.advice)
    assert "There is one key for anthropic:" in told
    assert "(broken-late, stalled-late and unfinished)" in told
    assert "No deadline is set, and a call took 31 s" in told
    assert "(7.6 s longer in slow)" in told
    assert "first_token_timeout=30 seconds: users waited 30 s longer (stalled and keepalives)" in told
    assert "(3.1 s longer in primary-down)" in told


def test_the_timeline_is_a_picture_of_all(report: DrillReport, parsed: Any) -> None:
    """One SVG, whole and well-formed, with every scenario and every target, and hints where a pointer rests."""
    assert repr(report.timeline("Slow", "stalled")) == "<Timeline: slow, stalled>"
    text = report.timeline()._repr_svg_()
    root = parsed(text)
    labels = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert [label for label in labels if label in SCENARIOS] == list(SCENARIOS)
    assert "openai/gpt-4.1 [spare]" in labels
    hints = {node.text for node in root.iter("{http://www.w3.org/2000/svg}title")}
    assert "call 1 (streamed): answered by anthropic/claude-sonnet-4-5 [only], 4.3 s" in hints
    assert "failed: rate_limit, 0.2 s" in hints
