"""Rules of the user in front of the library's own."""

from __future__ import annotations

import pytest

from shared_core import ClassifierRule, classify_error, classify_response
from shared_core.errors import ConfigurationError, ErrorKind


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (ClassifierRule(kind="balance", provider="ACME"), "balance"),
        (ClassifierRule(kind="balance", provider="other"), "auth"),
        (ClassifierRule(kind="balance", status=403), "balance"),
        (ClassifierRule(kind="balance", status=[400, 403]), "balance"),
        (ClassifierRule(kind="balance", status={400}), "auth"),
        (ClassifierRule(kind="balance", code="a-17"), "balance"),
        (ClassifierRule(kind="balance", code="a-18"), "auth"),
        (ClassifierRule(kind="balance", pattern="seat.*taken"), "balance"),
        (ClassifierRule(kind="balance", pattern="seat free"), "auth"),
        (ClassifierRule(kind="balance", when=lambda error: error.kind is ErrorKind.AUTH), "balance"),
        (ClassifierRule(kind="balance", when=lambda error: error.kind is ErrorKind.UNKNOWN), "auth"),
        (ClassifierRule(kind="balance", when=lambda error: error.nonsense), "auth"),
        (ClassifierRule(kind=ErrorKind.BALANCE, provider="acme", status=403, code="A-17", pattern="Seat"), "balance"),
        (ClassifierRule(kind="balance", provider="acme", status=403, code="A-17", pattern="nope"), "auth"),
    ],
)
def test_all_conditions_of_a_rule_must_hold(rule: ClassifierRule, expected: str) -> None:
    """One that does not hold leaves the library's verdict."""
    body = {"error": {"code": "A-17", "message": "Your seat is taken."}}
    assert classify_response(403, body, provider="acme", rules=[rule]).kind == expected


def test_a_rule_for_a_provider_or_a_code_does_not_hold_where_there_is_none() -> None:
    """And the response is read all the same."""
    rules = [ClassifierRule(kind="balance", provider="acme"), ClassifierRule(kind="balance", code="A-17")]
    error = classify_response(403, "Your seat is taken.", rules=rules)
    assert (error.kind, error.message) == (ErrorKind.AUTH, "Your seat is taken.")


def test_the_first_rule_that_matches_wins() -> None:
    """And its kind decides which numbers are read."""
    rules = [ClassifierRule(kind="output_limit", status=429), ClassifierRule(kind="balance", status=429)]
    error = classify_response(429, "at most 100 tokens", rules=rules)
    assert (error.kind, error.ceiling) == (ErrorKind.OUTPUT_LIMIT, 100)


def test_a_rule_fills_in_a_wait_but_does_not_overrule_one() -> None:
    """The provider knows better."""
    rules = [ClassifierRule(kind="rate_limit", status=429, retry_after=30)]
    assert classify_response(429, "x", rules=rules).retry_after == 30
    assert classify_response(429, "x", headers={"Retry-After": "2"}, rules=rules).retry_after == 2


def test_rules_hold_for_exceptions_too() -> None:
    """By the text of the exception."""
    rules = [ClassifierRule(kind="transient", pattern="moon")]
    assert classify_error(ValueError("full moon"), rules=rules).kind is ErrorKind.TRANSIENT


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kind": "balance"}, "at least one condition"),
        ({"kind": "empty", "status": 400}, "expected one of rate_limit, balance"),
        ({"kind": "balance", "pattern": "("}, "does not compile"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(settings: dict[str, str], words: str) -> None:
    """At construction, with the reason."""
    with pytest.raises(ConfigurationError, match=words):
        ClassifierRule(**settings)
