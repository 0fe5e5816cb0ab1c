"""What codes, fields and pages say by themselves, where no sentence helps."""

from __future__ import annotations

from typing import Any

import pytest

from shared_core import ClassifierRule, classify_response
from shared_core.classify.body import dig, is_status
from shared_core.classify.codes import deciding_kind, status_of_code
from shared_core.classify.limits import Refusal, read_limits, read_refusal
from shared_core.classify.retry_after import read_duration, retry_after
from shared_core.errors import ErrorKind

K = ErrorKind

NUMBERS = {
    ("zhipu", K.AUTH): "1000",
    ("zhipu", K.BALANCE): "1113",
    ("zhipu", K.BAD_REQUEST): "1210",
    ("zhipu", K.MODEL_MISSING): "1211",
    ("zhipu", K.CONTEXT_EXCEEDED): "1261",
    ("zhipu", K.CONTENT_FILTER): "1300",
    ("zhipu", K.RATE_LIMIT): "1302",
    ("zhipu", K.TRANSIENT): "1120",
    ("minimax", K.TRANSIENT): "1000",
    ("minimax", K.RATE_LIMIT): "1002",
    ("minimax", K.AUTH): "1004",
    ("minimax", K.BALANCE): "1008",
    ("minimax", K.CONTENT_FILTER): "1026",
    ("minimax", K.BAD_REQUEST): "1042",
    ("minimax", K.MODEL_MISSING): "2061",
    ("baidu", K.TRANSIENT): "1",
    ("baidu", K.RATE_LIMIT): "4",
    ("baidu", K.AUTH): "6",
    ("baidu", K.BALANCE): "19",
    ("baidu", K.MODEL_MISSING): "3",
    ("baidu", K.BAD_REQUEST): "336001",
    ("baidu", K.CONTEXT_EXCEEDED): "336007",
    ("baidu", K.CONTENT_FILTER): "336117",
    ("iflytek", K.RATE_LIMIT): "10006",
    ("iflytek", K.TRANSIENT): "10008",
    ("iflytek", K.BAD_REQUEST): "10009",
    ("iflytek", K.AUTH): "10005",
    ("iflytek", K.CONTENT_FILTER): "10013",
    ("iflytek", K.CONTEXT_EXCEEDED): "10907",
    ("mistral", K.RATE_LIMIT): "1300",
    ("mistral", K.MODEL_MISSING): "1500",
    ("mistral", K.TRANSIENT): "3000",
}


@pytest.mark.parametrize(("vendor", "kind"), NUMBERS, ids=str)
def test_a_vendors_number_means_what_the_vendor_says(vendor: str, kind: ErrorKind) -> None:
    """And nothing of the sort elsewhere."""
    body = {"error": {"code": NUMBERS[vendor, kind], "message": "出错", "type": "odd"}}
    assert classify_response(None, body, provider=vendor).kind is kind
    assert classify_response(None, body, provider="acme").kind is K.UNKNOWN


@pytest.mark.parametrize(
    ("name", "vendor"),
    [
        *((name, "zhipu") for name in ("zai", "zhipuai", "bigmodel", "glm", "chatglm", "Zhipu-AI")),
        ("minimaxi", "minimax"),
        *((name, "baidu") for name in ("qianfan", "ernie", "wenxin", "baidu_qianfan")),
        *((name, "iflytek") for name in ("spark", "xfyun")),
        ("mistralai", "mistral"),
    ],
)
def test_a_vendor_is_known_by_its_other_names(name: str, vendor: str) -> None:
    """As people write them."""
    kind, number = next((kind, number) for (whose, kind), number in NUMBERS.items() if whose == vendor)
    body = {"error": {"code": number, "message": "出错", "type": "odd"}}
    assert classify_response(None, body, provider=name).kind is kind


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"base_resp": {"status_code": 1008, "status_msg": "x"}}, K.BALANCE),
        ({"error_code": 19, "error_msg": "x"}, K.BALANCE),
        ({"header": {"code": 10907, "sid": "x"}}, K.CONTEXT_EXCEEDED),
        ({"error": {"code": "1113", "message": "x"}}, K.BALANCE),
        ({"error": {"code": "1113", "message": "x"}, "object": "error"}, K.UNKNOWN),
        ({"error": {"code": "1113", "message": "x", "type": "odd"}}, K.UNKNOWN),
        ({"error": {"code": "1113", "message": "x", "status": "odd"}}, K.UNKNOWN),
    ],
)
def test_a_vendor_is_known_by_the_shape_of_its_body(body: object, kind: ErrorKind) -> None:
    """Where it is unmistakable."""
    assert classify_response(None, body).kind is kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("insufficient_quota", K.BALANCE),
        ("invalid_api_key", K.AUTH),
        ("model_not_found", K.MODEL_MISSING),
        ("content_filter", K.CONTENT_FILTER),
        ("context_length_exceeded", K.CONTEXT_EXCEEDED),
        ("overloaded_error", K.TRANSIENT),
        ("unsupported_parameter", K.BAD_REQUEST),
    ],
)
def test_a_code_that_decides_needs_no_status(code: str, kind: ErrorKind) -> None:
    """However it is spelt: as a word, in capitals, as an exception's name, in a namespace."""
    camel = "".join(part.title() for part in code.split("_"))
    for spelt in (code, code.upper(), f"{camel}Exception", f"com.acme#{camel}:http://acme", f"{code}.more"):
        assert deciding_kind(spelt) is kind, spelt
        assert classify_response(None, {"error": {"code": spelt}}).kind is kind, spelt


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("rate_limit_error", 429, K.RATE_LIMIT),
        ("authentication_error", 401, K.AUTH),
        ("permission_error", 403, K.AUTH),
        ("not_found_error", 404, K.UNKNOWN),
        ("invalid_request_error", 400, K.BAD_REQUEST),
        ("api_error", 500, K.TRANSIENT),
        ("ServiceUnavailable", 503, K.TRANSIENT),
        ("DEADLINE_EXCEEDED", 504, K.TRANSIENT),
    ],
)
def test_a_code_that_stands_for_a_status_is_judged_like_it(code: str, status: int, kind: ErrorKind) -> None:
    """A time-out is one, whether a status or a code says so."""
    assert status_of_code(code) == status
    error = classify_response(None, {"type": code})
    assert (error.kind, error.is_timeout) == (kind, status == 504)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, K.BAD_REQUEST) for status in (400, 406, 418, 422)),
        *((status, K.AUTH) for status in (401, 403, 434, 451)),
        *((status, K.BALANCE) for status in (402, 412)),
        *((status, K.UNKNOWN) for status in (404, 405)),
        *((status, K.TRANSIENT) for status in (408, 409, 423, 424, 425, 498, 499, 500, 502, 503, 504, 520, 529, 599)),
        *((status, kind) for status, kind in ((410, K.MODEL_MISSING), (413, K.CONTEXT_EXCEEDED))),
        *((status, kind) for status, kind in ((429, K.RATE_LIMIT), (446, K.CONTENT_FILTER), (302, K.UNKNOWN))),
    ],
)
def test_a_status_alone_has_its_meaning(status: int, kind: ErrorKind) -> None:
    """With words that say nothing; only four of them are a timer's."""
    error = classify_response(status, {"error": {"message": "Hm."}})
    assert error.kind is kind
    assert error.is_timeout == (status in {408, 504, 522, 524})


@pytest.mark.parametrize(
    "sign", ["Just a moment", "Attention required", "Checking your browser", "captcha", "enable JavaScript"]
)
def test_a_challenge_says_nothing_of_the_provider(sign: str) -> None:
    """Only a person can answer it; with another status it is the page of a gateway."""
    page = f"<html><head><title>x</title></head><body>{sign}</body></html>"
    assert [classify_response(status, page).kind for status in (403, 503, 502)] == [K.UNKNOWN, K.UNKNOWN, K.TRANSIENT]
    assert classify_response(403, sign).kind is K.AUTH


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"status": 429, "error": {"code": 7}}, 429),
        ({"status": 429, "error": {"code": "7"}}, 429),
        ({"status": 429, "error": {"code": 503}}, 503),
        ({"status": "429"}, 429),
        ({"status": 399}, None),
        ({"status": 600}, None),
        ({"status": True}, None),
        ({"count": 429}, None),
        (429, 429),
        (7, None),
        ([429], None),
    ],
)
def test_a_status_in_a_body_is_a_status(body: object, status: int | None) -> None:
    """The most deeply nested one counts, and no other number is taken for one."""
    assert dig(body).status == status


def test_a_parameter_is_blamed_by_a_field_of_its_own() -> None:
    """Under any of its names; an empty one takes nothing away."""
    assert dig({"error": {"param": "seed"}}).parameter == "seed"
    assert dig({"parameter": "seed", "error": {"param": ""}}).parameter == "seed"
    assert dig({"detail": [{"loc": ["body", "top_p"]}]}).parameter == "top_p"
    assert dig({"param": "seed", "detail": [{"loc": []}]}).parameter == "seed"
    assert dig("it said param='seed' and param=null").parameter == "seed"
    assert dig("it said param=null").parameter is None


@pytest.mark.parametrize("words", ["not supported", "unsupported", "extra inputs", "not permitted"])
def test_a_blamed_parameter_was_refused_if_the_text_says_so(words: str) -> None:
    """Otherwise its value was wrong, and leaving it out would hide that."""
    body = {"error": {"param": "seed", "message": f"This is {words} here."}}
    assert read_refusal(dig(body)) == Refusal("seed")
    assert read_refusal(dig({"error": {"param": "seed", "message": "This is too small."}})) == Refusal()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("250 milliseconds", 0.25),
        ("26s", 26.0),
        ("1m30.5s", 90.5),
        ("2h", 7_200.0),
        ("1d", 86_400.0),
        ("1 week", 604_800.0),
        ("1 hour and 5 minutes", 3_900.0),
        ("1 hour, 5 minutes.", 3_900.0),
        ("3秒", 3.0),
        ("3分钟", 180.0),
        ("3小时", 10_800.0),
        ("3天", 259_200.0),
        ("3毫秒", 0.003),
        ("7", 7.0),
        ("400d", 34_560_000.0),
        ("401d", None),
        ("5 apples", None),
        ("soon 5s", None),
        ("5s soon", None),
        ("", None),
    ],
)
def test_a_duration_is_read_in_every_unit(text: str, seconds: float | None) -> None:
    """Whole or in parts; what is not quite one is none, and nothing is longer than 400 days."""
    assert read_duration(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("12.5", 12.5),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1000000000", 0.0),
        ("1000000060", 60.0),
        ("999999999", None),
        ("1000000000000", 0.0),
        ("1000000060000", 60.0),
        ("34560000", 34_560_000.0),
        ("34560001", None),
        ("Sun, 09 Sep 20010000000000 01:47:40 GMT", None),
        ("2001-09-09 01:47:40 +00:00", 60.0),
        ("Sun, 09 Sep 2001 01:47:40 GMT", 60.0),
        ("2001-09-09T01:47:40Z", 60.0),
        ("2001-09-09 01:47:40", 60.0),
        ("2001-09-09T03:47:40+02:00", 60.0),
        ("2001-09-09T01:45:40Z", None),
        ("tomorrow", None),
    ],
)
def test_retry_after_is_a_number_an_epoch_or_a_date(value: str, seconds: float | None) -> None:
    """The clock stands at one billion seconds."""
    assert retry_after(dig(None), {"retry-after": value}, now=lambda: 1e9) == seconds


def test_milliseconds_come_before_seconds() -> None:
    """They are the more exact; what cannot be read leaves the word to the other."""
    headers = {"retry-after-ms": "1500", "x-ms-retry-after-ms": "2500", "retry-after": "9"}
    assert retry_after(dig(None), headers) == 1.5
    assert retry_after(dig(None), {**headers, "retry-after-ms": "?"}) == 2.5
    assert retry_after(dig({"retryAfterMs": 1500}), {}) == 1.5
    assert retry_after(dig({"retryAfter": 1500}), {}) == 1_500


@pytest.mark.parametrize(
    "key",
    [
        *(
            "code",
            "reason",
            "error_code",
            "errcode",
            "subcode",
            "type",
            "error_type",
            "exception_type",
            "status",
            "error",
        ),
        *("name", "blockReason", "finish_reason", "status_code", "http_status_code", "http_status", "raw_status_code"),
        "x-amzn-ErrorType",
    ],
)
def test_a_code_is_found_under_every_key_for_codes(key: str) -> None:
    """As a word; a sentence under it is text."""
    assert dig({"a": {key: "overloaded_error"}}).codes == ("overloaded_error",)
    assert dig({"a": {key: "it is overloaded"}}).codes == ()
    assert dig({"a": {"colour": "overloaded_error"}}).codes == ()


@pytest.mark.parametrize(
    "key", ["code", "status", "status_code", "http_status_code", "http_status", "raw_status_code", "error_code"]
)
def test_a_status_is_found_under_every_key_for_one(key: str) -> None:
    """As a number or in digits."""
    assert dig({"a": {key: 429}}).status == dig({"a": {key: "429"}}).status == 429


@pytest.mark.parametrize(
    "key",
    [
        *("message", "msg", "error_msg", "error_message", "detail", "error_description", "status_msg", "error", "raw"),
        "title",
    ],
)
def test_a_message_is_found_under_every_key_for_one(key: str) -> None:
    """Before any other sentence of the body, however much longer that is."""
    assert dig({"a": {key: "It broke."}, "remark": "Somebody has said a lot more than that."}).message == "It broke."


@pytest.mark.parametrize(
    "key",
    [
        *("input", "messages", "prompt", "tools", "request", "ctx", "stack", "traceback", "body", "instructions"),
        *("tool_output", "output", "content"),
    ],
)
def test_what_a_provider_echoes_says_nothing(key: str) -> None:
    """The caller's own words are not the error's."""
    body = {"message": "It broke.", key: [{"code": "invalid_api_key", "message": "You are out of quota."}]}
    assert (dig(body).codes, dig(body).prose) == ((), "It broke.")


@pytest.mark.parametrize("key", ["headers", "http_headers"])
def test_upstream_headers_are_kept_apart(key: str) -> None:
    """A gateway puts them into its body."""
    assert dig({"a": {key: {"Retry-After": "7"}}}).headers == {"retry-after": "7"}
    assert classify_response(429, {"a": {key: {"Retry-After": "7"}}}).retry_after == 7


@pytest.mark.parametrize(
    "key",
    [
        *("retryDelay", "retry_after", "retry_after_seconds", "resets_in_seconds", "resets_at", "reset_at"),
        *("reset_after", "resets_in", "reset_in", "next_reset_time", "estimated_time"),
    ],
)
def test_a_wait_is_found_under_every_key_for_one(key: str) -> None:
    """In seconds, as a number or in words."""
    assert [classify_response(429, {"a": {key: value}}).retry_after for value in (7, "7s", "7", True)][:3] == [7.0] * 3


@pytest.mark.parametrize("number", [399, 600, 4290, True, "429", None, 429.0])
def test_no_other_number_is_a_status(number: object) -> None:
    """From 400 to 599, whole."""
    assert not is_status(number)
    assert is_status(400)
    assert is_status(599)


@pytest.mark.parametrize("code", ["error", "none", "null", "object", "failed", "failure", "fail", "false", "exception"])
def test_words_that_every_error_has_are_no_code(code: str) -> None:
    """A number says more."""
    assert classify_response(400, {"error": {"type": code, "code": 77}}).code == "77"


@pytest.mark.parametrize(
    ("condition", "other"),
    [
        ({"provider": "ACME"}, {"provider": "other"}),
        ({"status": 400}, {"status": 401}),
        ({"status": (400, 409)}, {"status": ()}),
        ({"code": "ODD"}, {"code": "even"}),
        ({"pattern": "THE moon"}, {"pattern": "the sun"}),
        ({"when": lambda error: error.status == 400}, {"when": lambda error: error.status == 401}),
    ],
)
def test_any_condition_of_a_rule_is_enough(condition: dict[str, Any], other: dict[str, Any]) -> None:
    """And with several, each must hold."""

    def kind(**conditions: Any) -> ErrorKind:
        rules = [ClassifierRule(kind=K.CONTENT_FILTER, **conditions)]
        body = {"error": {"code": "odd", "message": "Under the moon."}}
        return classify_response(400, body, provider="acme", rules=rules).kind

    assert kind(**condition) is K.CONTENT_FILTER
    assert kind(**other) is K.BAD_REQUEST
    both = {"provider": "acme", "status": 400, "code": "odd", "pattern": "moon", "when": lambda _: True}
    assert kind(**{**both, **condition}) is K.CONTENT_FILTER
    assert kind(**{**both, **other}) is K.BAD_REQUEST


def test_curly_quotes_and_frames_are_read_as_plain_ones() -> None:
    """So that one pattern serves all who write them."""
    assert dig("\u2018a\u2019 \u201cb\u201d `c`\u00a0d\uff0ce\u3002f \u2502 g").prose == "'a' \"b\" 'c' d,e. f g"


@pytest.mark.parametrize(
    "name", ["resource_exhausted", "generativelanguage", "ai.google.dev", "aliyun", "alibaba", "RESOURCE_EXHAUSTED"]
)
def test_some_vendors_word_a_throttle_like_an_empty_account(name: str) -> None:
    """They are known by what their text names; with anybody else the account is empty."""
    words = "You exceeded your current quota, please check your plan and billing details"
    assert classify_response(429, f"{words}. {name}").kind is K.RATE_LIMIT
    assert classify_response(429, words).kind is K.BALANCE
    assert classify_response(402, f"{words}. {name}").kind is K.BALANCE


@pytest.mark.parametrize(
    "provider",
    [
        *("gemini", "google", "google_ai", "vertex", "vertex-ai", "google-vertex", "google_genai", "gemini-cli"),
        *("qwen", "dashscope", "alibaba", "aliyun", "bailian", "ModelStudio"),
    ],
)
def test_or_by_their_own_name(provider: str) -> None:
    """A code for an empty account is not believed of them either."""
    body = {"error": {"code": "insufficient_quota", "message": "Please check your plan and billing details."}}
    assert classify_response(429, body, provider=provider).kind is K.RATE_LIMIT
    assert classify_response(429, body, provider="acme").kind is K.BALANCE


@pytest.mark.parametrize(
    ("remaining", "reset"),
    [
        *((f"x-ratelimit-remaining-{what}", f"x-ratelimit-reset-{what}") for what in ("requests", "tokens")),
        ("x-ratelimit-remaining-tokens-minute", "x-ratelimit-reset-tokens-minute"),
        ("x-ratelimit-remaining-requests-day", "x-ratelimit-reset-requests-day"),
        *((f"x-rate-limit-remaining-{what}", f"x-rate-limit-reset-{what}") for what in ("requests", "tokens")),
        *(
            (f"anthropic-ratelimit-{what}-remaining", f"anthropic-ratelimit-{what}-reset")
            for what in ("requests", "tokens", "input-tokens", "output-tokens", "unified")
        ),
        ("x-ratelimit-remaining", "x-ratelimit-reset"),
        ("x-rate-limit-remaining", "x-rate-limit-reset"),
        ("ratelimit-remaining", "ratelimit-reset"),
    ],
)
def test_a_window_that_is_used_up_says_when_it_is_full_again(remaining: str, reset: str) -> None:
    """One with something left did not cause the refusal; one that does not tell counts if no other does."""
    used_up = {remaining: "0", reset: "7s"}
    assert retry_after(dig(None), used_up) == 7
    assert retry_after(dig(None), {**used_up, remaining: "0.0"}) == 7
    assert retry_after(dig(None), {**used_up, remaining: "1"}) is None
    assert retry_after(dig(None), {reset: "7s"}) == 7
    assert retry_after(dig(None), {reset: "0"}) is None
    assert retry_after(dig(None), {"retry-after": "3", **used_up}) == 3


def test_a_wait_in_seconds_comes_before_a_moment() -> None:
    """It needs no clock."""
    for moment in ("next_reset_time", "resets_at", "reset_at"):
        assert retry_after(dig({moment: 1_000_000_060, "retry_after": 7}), {}, now=lambda: 1e9) == 7


def test_a_lone_word_under_error_is_message_and_code() -> None:
    """Under other keys for codes it is a code alone, and no truth value is one."""
    assert (dig({"error": "overloaded_error"}).codes, dig({"error": "overloaded_error"}).message) == (
        ("overloaded_error",),
        "overloaded_error",
    )
    assert dig({"code": "overloaded_error"}).message == ""
    assert dig({"code": True}).codes == ()


@pytest.mark.parametrize(
    ("text", "ceiling"),
    [
        ("the token limit is 4096", 4096),
        ("the token limit is 4,096", 4096),
        ("the token limit is 32k", 32_000),
        ("the token limit is 100000000", 100_000_000),
        ("the token limit is 100000001", None),
        ("the token limit is 0", None),
        ("fewer than 4096", 4096),
    ],
)
def test_a_window_is_a_number_that_can_be_one(text: str, ceiling: int | None) -> None:
    """Of tokens, above nothing, and not larger than any window."""
    assert read_limits(K.CONTEXT_EXCEEDED, text).ceiling == ceiling
