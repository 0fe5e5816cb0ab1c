"""Which of several voices counts: the response's status, a body's, a vendor's number, a code, the words."""

from __future__ import annotations

from typing import Any, cast

import pytest

from shared_core import classify_response
from shared_core.classify.judge import classify_stray
from shared_core.errors import ErrorKind

K = ErrorKind

SAYS_NOTHING = "Hm."
EMPTY_ACCOUNT = "You have insufficient balance."


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, K.AUTH),
        (402, K.BALANCE),
        (403, K.AUTH),
        (404, K.UNKNOWN),
        (410, K.MODEL_MISSING),
        (413, K.CONTEXT_EXCEEDED),
        (429, K.RATE_LIMIT),
        (503, K.TRANSIENT),
        (504, K.TRANSIENT),
        (529, K.TRANSIENT),
    ],
)
def test_a_telling_status_in_the_body_counts_more_than_a_gateways_own(status: int, kind: ErrorKind) -> None:
    """Gateways answer 400 or 500 to whatever went wrong behind them."""
    body = {"error": {"message": SAYS_NOTHING, "code": status}}
    assert [classify_response(general, body).kind for general in (400, 500)] == [kind, kind]


def test_the_response_s_own_telling_status_counts_more_than_the_bodys() -> None:
    """It is the one that was answered."""
    assert classify_response(402, {"error": {"message": SAYS_NOTHING, "code": 401}}).kind is K.BALANCE
    assert classify_response(401, {"error": {"message": SAYS_NOTHING, "type": "payment_issue", "code": 402}}).kind is (
        K.AUTH
    )


def test_a_general_status_of_the_response_counts_more_than_a_general_one_of_the_body() -> None:
    """Where neither tells anything."""
    assert classify_response(400, {"error": {"message": SAYS_NOTHING, "code": 500}}).kind is K.BAD_REQUEST
    assert classify_response(500, {"error": {"message": SAYS_NOTHING, "code": 400}}).kind is K.TRANSIENT


def test_a_code_that_stands_for_a_telling_status_counts_more_than_a_general_status() -> None:
    """Also behind a code that stands for a general one."""
    assert classify_response(500, {"error": {"type": "authentication_error", "message": SAYS_NOTHING}}).kind is K.AUTH
    both = {"error": {"code": "invalid_request_error", "type": "rate_limit_error", "message": SAYS_NOTHING}}
    assert classify_response(400, both).kind is K.RATE_LIMIT


def test_a_vendors_number_counts_more_than_the_response_s_status() -> None:
    """Zhipu answers a throttle with 1302, whatever the status."""
    body = {"error": {"code": "1302", "message": "出错", "type": "odd"}}
    assert classify_response(400, body, provider="zhipu").kind is K.RATE_LIMIT
    assert classify_response(401, body, provider="zhipu").kind is K.RATE_LIMIT
    assert classify_response(400, body, provider="acme").kind is K.BAD_REQUEST


@pytest.mark.parametrize("status", [None, 200])
def test_where_the_response_tells_no_error_the_body_does(status: int | None) -> None:
    """An error inside of a success: by its status, by a code, or by a status in its words."""
    assert classify_response(status, {"error": {"message": SAYS_NOTHING, "code": 502}}).kind is K.TRANSIENT
    assert classify_response(status, {"error": {"message": SAYS_NOTHING, "type": "api_error"}}).kind is K.TRANSIENT
    assert classify_response(status, {"error": {"message": SAYS_NOTHING, "type": "invalid_value"}}).kind is (
        K.BAD_REQUEST
    )
    assert classify_response(status, "Error code: 502 - hm").kind is K.TRANSIENT


@pytest.mark.parametrize("status", [408, 425, 499, 504, 529])
def test_a_server_s_own_trouble_is_passing_whatever_the_words(status: int) -> None:
    """Nothing of the request or the account was looked at."""
    assert classify_response(status, EMPTY_ACCOUNT).kind is K.TRANSIENT


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, EMPTY_ACCOUNT, K.BALANCE),
        (401, EMPTY_ACCOUNT, K.BALANCE),
        (401, "The model gpt-9 does not exist.", K.MODEL_MISSING),
        (401, "You exceed our own rate limit today.", K.AUTH),
        (401, "Invalid API key: the model gpt-9 does not exist.", K.AUTH),
        (402, "The model gpt-9 does not exist.", K.MODEL_MISSING),
        (402, "You have insufficient balance: the model gpt-9 does not exist.", K.BALANCE),
        (402, "The prompt is too long.", K.BALANCE),
        (403, "The prompt is too long.", K.CONTEXT_EXCEEDED),
        (403, "The server is overloaded.", K.AUTH),
        (404, "The server is overloaded.", K.UNKNOWN),
        (405, "The server is overloaded.", K.UNKNOWN),
        (409, "Extra inputs are not permitted", K.TRANSIENT),
        (409, EMPTY_ACCOUNT, K.BALANCE),
        (410, EMPTY_ACCOUNT, K.MODEL_MISSING),
        (412, "Extra inputs are not permitted", K.BALANCE),
        (412, "The model gpt-9 does not exist.", K.MODEL_MISSING),
        (413, "It is metered in tokens per minute.", K.RATE_LIMIT),
        (413, "max_new_tokens is too large.", K.OUTPUT_LIMIT),
        (413, EMPTY_ACCOUNT, K.CONTEXT_EXCEEDED),
        (429, "Extra inputs are not permitted", K.RATE_LIMIT),
        (429, "It did not pass moderation.", K.RATE_LIMIT),
        (429, EMPTY_ACCOUNT, K.BALANCE),
        (434, EMPTY_ACCOUNT, K.BALANCE),
        (446, EMPTY_ACCOUNT, K.CONTENT_FILTER),
        (451, EMPTY_ACCOUNT, K.BALANCE),
        (498, "It did not pass moderation.", K.CONTENT_FILTER),
        (498, EMPTY_ACCOUNT, K.TRANSIENT),
        (500, EMPTY_ACCOUNT, K.BALANCE),
        (500, "Extra inputs are not permitted", K.TRANSIENT),
    ],
)
def test_words_refine_a_status_within_what_it_can_mean(status: int, text: str, kind: ErrorKind) -> None:
    """A telling sentence is believed where the status leaves room for it."""
    assert classify_response(status, text).kind is kind


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, "There are concurrent ones.", K.RATE_LIMIT),
        (400, "That is forbidden.", K.AUTH),
        (400, "The machine is restarting.", K.BAD_REQUEST),
        (401, "There are concurrent ones.", K.AUTH),
        (402, "There are concurrent ones.", K.BALANCE),
        (403, "There are concurrent ones.", K.RATE_LIMIT),
        (403, "A validation exception was raised.", K.AUTH),
        (500, "There are concurrent ones.", K.RATE_LIMIT),
        (500, "That is forbidden.", K.TRANSIENT),
        (None, "The machine is restarting.", K.TRANSIENT),
        (None, "That is forbidden.", K.AUTH),
    ],
)
def test_loose_words_refine_it_less(status: int | None, text: str, kind: ErrorKind) -> None:
    """They stand in messages about something else, too."""
    assert classify_response(status, text).kind is kind


def test_a_404_that_speaks_of_a_model_is_about_the_model() -> None:
    """Any other may be a wrong address."""
    assert classify_response(404, {"error": {"message": "The model gpt-9 is gone."}}).kind is K.MODEL_MISSING
    assert classify_response(404, {"error": {"message": "The page is gone."}}).kind is K.UNKNOWN
    assert classify_response(400, {"error": {"message": "The model gpt-9 is odd."}}).kind is K.BAD_REQUEST


@pytest.mark.parametrize("words", ["You exceeded your current quota.", "Please check your plan and billing details."])
def test_google_words_a_throttle_like_an_empty_account(words: str) -> None:
    """Each of the two halves of its sentence alone."""
    assert classify_response(429, words, provider="gemini").kind is K.RATE_LIMIT
    assert classify_response(429, words, provider="acme").kind is K.BALANCE
    by_status = {"error": {"status": "RESOURCE_EXHAUSTED", "message": words}}
    assert classify_response(429, by_status).kind is K.RATE_LIMIT


def test_codes_that_clients_spell_out_are_read() -> None:
    """A word with capitals inside or with underscores is a code; with a full stop behind it as well."""
    assert classify_response(None, "Said UnrecognizedClientException.").kind is K.AUTH
    assert classify_response(None, "Said ModelNotOpen to it").kind is K.MODEL_MISSING
    assert classify_response(None, "Said AWSServiceNotOpen ServiceNotOpen").kind is K.BALANCE
    assert classify_response(None, "Said model_price_error.").kind is K.MODEL_MISSING
    assert classify_response(None, "Said AuthenticationFailed.").kind is K.AUTH
    assert classify_response(None, "Said AllocationQuota.FreeTierOnly to it").kind is K.BALANCE


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("PUBLIC_ERROR_UNSAFE_GENERATION", K.CONTENT_FILTER),
        ("UnsafeContentGiven", K.CONTENT_FILTER),
        ("no-remaining-credits", K.BALANCE),
        ("insufficient_points", K.BAD_REQUEST),
    ],
)
def test_an_unknown_code_of_three_words_is_read_as_words(code: str, kind: ErrorKind) -> None:
    """Two may mean anything."""
    assert classify_response(400, {"error": {"code": code, "message": SAYS_NOTHING}}).kind is kind


def test_a_known_code_is_not_read_as_words() -> None:
    """It would speak of a model here, where the key is meant."""
    body = {"error": {"type": "ModelPermissionDeniedError", "message": SAYS_NOTHING}}
    assert classify_response(None, body).kind is K.AUTH


def test_a_vendors_shape_needs_all_of_its_keys() -> None:
    """One of them alone is anybody's."""
    assert classify_response(None, {"error_code": 19, "message": SAYS_NOTHING}).kind is K.UNKNOWN
    assert classify_response(None, {"sid": "x", "code": 10_907, "message": SAYS_NOTHING}).kind is K.UNKNOWN
    assert classify_response(None, {"header": {"code": 10_907, "message": SAYS_NOTHING}}).kind is K.UNKNOWN
    assert classify_response(None, {"error": {"code": "1113"}}).kind is K.UNKNOWN


def test_a_page_without_a_status_may_still_name_one() -> None:
    """A gateway's page inside of a stream."""
    page = "<html><head><title>502 Bad Gateway</title></head><body></body></html>"
    assert classify_response(None, page).kind is K.TRANSIENT
    assert classify_response(200, page).kind is K.UNKNOWN


# What is told besides the kind


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (504, None),
        (500, {"error": {"message": SAYS_NOTHING, "code": 504}}),
        (502, {"error": {"message": SAYS_NOTHING, "code": 408}}),
        (None, {"error": {"message": SAYS_NOTHING, "code": 524}}),
        (500, {"error": {"message": SAYS_NOTHING, "type": "com.acme#TimeoutException:http://acme"}}),
        (500, "The request timed out."),
        (500, "Upstream: time-out"),
        (500, "context deadline exceeded"),
        (400, 'Post "https://acme.example/v1": context deadline exceeded (while awaiting headers)'),
        (500, "请求超时"),
    ],
)
def test_a_provider_s_timer_ran_out(status: int | None, body: Any) -> None:
    """By the response's status, by the body's behind a gateway's own, by a code, or in words."""
    error = classify_response(status, body)
    assert (error.kind, error.is_timeout) == (K.TRANSIENT, True)


def test_only_what_passes_can_be_a_timer() -> None:
    """A refused request may speak of one."""
    assert not classify_response(400, "timeout must be a number").is_timeout
    assert not classify_response(401, {"error": {"message": SAYS_NOTHING, "code": 504}}).is_timeout
    assert not classify_response(500, {"error": {"message": SAYS_NOTHING, "code": 503}}).is_timeout


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": "odd_word", "type": "insufficient_quota"}, "insufficient_quota"),
        ({"code": "odd_word", "type": "other_word"}, "odd_word"),
        ({"code": 429, "type": "odd_word"}, "odd_word"),
        ({"code": 77, "type": "error"}, "77"),
        ({"code": "x" * 90}, "x" * 80),
        ({"message": "Your max_tokens are odd."}, None),
        ({"message": "Said AuthenticationFailed, with max_tokens."}, "AuthenticationFailed"),
        ({}, None),
    ],
)
def test_the_code_that_is_told(error: dict[str, Any], code: str | None) -> None:
    """The one that decides, else the first word, else a number; at most 80 characters of it."""
    assert classify_response(429, {"error": {"message": SAYS_NOTHING, **error}}).code == code


def test_where_nothing_is_a_message_all_words_are_told() -> None:
    """Under whatever keys they stand."""
    error = classify_response(500, {"remark": "The pump is broken.", "hints": ["Ask for Bob."]})
    assert error.message == "The pump is broken. | Ask for Bob."


def test_only_a_refused_request_names_a_refused_parameter() -> None:
    """With any other kind, leaving it out would not help."""
    text = "Sorry, 'seed' is not supported."
    assert classify_response(400, text).parameter == "seed"
    assert classify_response(401, text).parameter is None


def test_only_a_rate_limit_covers_an_account() -> None:
    """An empty account is empty for all models anyway."""
    assert classify_response(429, "Your account has hit its daily limit.").scope == "account"
    assert classify_response(401, "Your account has hit its daily limit.").scope == "model"


class Unreadable:
    """An object that raises when it is asked for its class."""

    @property
    def __class__(self) -> type:
        raise RuntimeError("class")


def test_what_cannot_be_read_at_all_is_judged_by_its_status() -> None:
    """And says so."""
    error = classify_response(429, Unreadable(), provider="acme")
    assert (error.kind, error.status, error.provider) == (K.RATE_LIMIT, 429, "acme")
    assert error.message == "unreadable error response"


def test_what_is_no_status_and_no_name_is_none() -> None:
    """Callers without a type checker hand on whatever they have."""
    assert classify_response(True, SAYS_NOTHING).status is None
    assert classify_response(cast("int", "429"), SAYS_NOTHING).status is None
    assert classify_response(429, SAYS_NOTHING, provider=cast("str", 7)).provider is None


def test_a_success_without_an_answer_is_transient_unless_it_says_why() -> None:
    """A portal's page in place of the provider's answer."""
    portal = classify_stray("<html><body>Welcome to our hotel</body></html>", provider="acme")
    assert (portal.kind, portal.code, portal.provider) == (K.TRANSIENT, "stray", "acme")
    told = classify_stray("You have insufficient balance.")
    assert (told.kind, told.code) == (K.BALANCE, None)
    assert classify_stray('{"code": "hotel_portal"}').code == "hotel_portal"
