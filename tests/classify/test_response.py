"""What `classify_response` makes of a response besides its kind, and the misuses that it must see through."""

from __future__ import annotations

import copy
import json
from typing import Any, ClassVar

import pytest

from shared_core import classify_response
from shared_core.errors import ErrorKind, ProviderError


def kind(status: int | None, body: Any, **more: Any) -> ErrorKind:
    return classify_response(status, body, **more).kind


class TestSeed:
    """Behaviour that the ported system asserts."""

    TIER = (
        'turn failed 429 Too Many Requests: {"error":{"type":"quota_exceeded","message":"max_tokens=30000 exceeds tier '
        '\\"vip-3\\" ceiling (16384). Lower max_tokens or upgrade tier."}}'
    )

    @pytest.mark.parametrize("status", [429, None])
    def test_a_tier_s_ceiling_sent_as_429_is_no_rate_limit(self, status: int | None) -> None:
        """The text names `max_tokens` and its ceiling, so lowering helps and waiting does not."""
        error = classify_response(status, self.TIER)
        assert (error.kind, error.ceiling) == (ErrorKind.OUTPUT_LIMIT, 16_384)

    def test_openai_s_context_length_is_context_exceeded(self) -> None:
        """The window is the ceiling; the number that was asked for is not."""
        error = classify_response(
            None, "This model's maximum context length is 16385 tokens, however you requested 30000"
        )
        assert (error.kind, error.ceiling) == (ErrorKind.CONTEXT_EXCEEDED, 16_385)

    def test_the_code_alone_is_enough(self) -> None:
        """`context_length_exceeded` decides wherever it stands."""
        assert kind(None, "error code: context_length_exceeded") is ErrorKind.CONTEXT_EXCEEDED

    def test_anthropic_s_max_tokens_is_output_limit(self) -> None:
        """The number behind the comparison is the ceiling."""
        error = classify_response(None, "max_tokens: 30000 > 8192, which is the maximum allowed for this model")
        assert (error.kind, error.ceiling) == (ErrorKind.OUTPUT_LIMIT, 8_192)

    def test_a_genuine_rate_limit_stays_one(self) -> None:
        """With the wait that it states."""
        error = classify_response(None, "429 Too Many Requests: rate limit exceeded, please retry after 1s")
        assert (error.kind, error.retry_after) == (ErrorKind.RATE_LIMIT, 1.0)

    def test_an_auth_error_is_auth(self) -> None:
        """It has nothing to do with tokens that are counted."""
        assert kind(None, "401 Unauthorized: invalid api key") is ErrorKind.AUTH


class TestDigits:
    """Digits that look like a status decide nothing."""

    @pytest.mark.parametrize(
        "text",
        [
            "request 14290 done",
            "id 4012345",
            "took 1,429 ms",
            "port 11429",
            "version 0.429.1",
            "req_401429",
            "value 429.5",
            "the answer was 429 characters long",
        ],
    )
    def test_a_number_in_a_text_is_no_status(self, text: str) -> None:
        """Neither inside another number nor by itself in the middle of a sentence."""
        assert kind(None, text) is ErrorKind.UNKNOWN

    def test_a_status_that_a_client_announces_counts(self) -> None:
        """At the front, behind a word that announces it, or before its reason phrase."""
        for text in ("429 - slow", "Error code: 429 - x", "status code 429", "upstream said 429 Too Many Requests"):
            assert kind(None, text) is ErrorKind.RATE_LIMIT, text


class TestShapes:
    """Bodies in all the ways in which they come."""

    INNER: ClassVar[dict[str, Any]] = {
        "error": {"type": "insufficient_quota", "message": "You exceeded your current quota."}
    }

    def test_json_in_json_in_json(self) -> None:
        """The innermost code and message count."""
        body = {"error": {"message": json.dumps({"error": {"message": json.dumps(self.INNER), "code": 500}})}}
        error = classify_response(500, body)
        assert (error.kind, error.code) == (ErrorKind.BALANCE, "insufficient_quota")
        assert error.message == "You exceeded your current quota."

    def test_an_event_stream_s_frame(self) -> None:
        """As text, with its field names."""
        frame = f"event: error\ndata: {json.dumps(self.INNER)}\n\n"
        assert kind(None, frame) is ErrorKind.BALANCE

    def test_json_that_was_cut(self) -> None:
        """Codes are found although nothing can be decoded."""
        assert kind(400, json.dumps(self.INNER)[:60]) is ErrorKind.BALANCE

    def test_a_fragment_with_escaped_quotes(self) -> None:
        """One level of encoding is taken off a fragment of doubly encoded JSON."""
        text = 'upstream: {\\"error\\": {\\"type\\": \\"overloaded_error\\", \\"message\\": \\"Overloaded\\"}}'
        error = classify_response(400, text)
        assert (error.kind, error.message) == (ErrorKind.TRANSIENT, "Overloaded")

    def test_many_documents_in_one_text(self) -> None:
        """The first few are read; the rest is prose."""
        assert kind(None, '{"a": 1} ' * 6 + "overloaded") is ErrorKind.TRANSIENT

    def test_fields_of_a_text_that_is_no_json(self) -> None:
        """A parameter that is null names nothing."""
        text = "unsupported: {{'code': 'x', 'param': {}}}"
        assert classify_response(400, text.format("None")).parameter is None
        assert classify_response(400, text.format("'seed'")).parameter == "seed"

    def test_python_s_repr_of_bytes(self) -> None:
        """As SDKs put them into their texts."""
        assert kind(None, f"SomeException - {json.dumps(self.INNER).encode()!r}") is ErrorKind.BALANCE

    def test_boto_s_response(self) -> None:
        """`Error.Code` and the status in `ResponseMetadata`."""
        body = {
            "Error": {"Code": "ServiceUnavailableException", "Message": "Bedrock is unable to process your request."},
            "ResponseMetadata": {"HTTPStatusCode": 503, "HTTPHeaders": {"retry-after": "3"}},
        }
        error = classify_response(None, body)
        assert (error.kind, error.code, error.retry_after) == (
            ErrorKind.TRANSIENT,
            "ServiceUnavailableException",
            3.0,
        )

    def test_the_request_that_a_server_echoes_does_not_speak(self) -> None:
        """What stands under `input` or `messages` is the caller's, not the provider's."""
        echo = {"detail": [{"msg": "field required", "loc": ["body", "model"], "input": {"x": "invalid api key"}}]}
        assert kind(422, echo) is ErrorKind.BAD_REQUEST

    def test_an_empty_refusal_says_nothing(self) -> None:
        """A 400 without a word is unknown, not the caller's fault."""
        for body in (None, "", b"", {}, []):
            assert kind(400, body) is ErrorKind.UNKNOWN

    def test_a_number_as_body_is_a_status(self) -> None:
        """Some streams send nothing else."""
        assert kind(None, 503) is ErrorKind.TRANSIENT


class TestStatuses:
    """What a status means by itself."""

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (400, "unknown"),
            (401, "auth"),
            (402, "balance"),
            (403, "auth"),
            (404, "unknown"),
            (405, "unknown"),
            (408, "transient"),
            (409, "transient"),
            (410, "model_missing"),
            (412, "balance"),
            (413, "context_exceeded"),
            (415, "unknown"),
            (422, "unknown"),
            (423, "transient"),
            (424, "transient"),
            (425, "transient"),
            (429, "rate_limit"),
            (434, "auth"),
            (451, "auth"),
            (498, "transient"),
            (499, "transient"),
            (500, "transient"),
            (502, "transient"),
            (503, "transient"),
            (504, "transient"),
            (520, "transient"),
            (524, "transient"),
            (529, "transient"),
            (200, "unknown"),
            (302, "unknown"),
            (None, "unknown"),
            (-7, "unknown"),
            (700, "unknown"),
        ],
    )
    def test_a_bare_status(self, status: int | None, expected: str) -> None:
        """Without a body."""
        error = classify_response(status, None)
        assert (error.kind, error.status) == (expected, status)

    def test_the_telling_status_of_two(self) -> None:
        """A gateway's 500 around a provider's 401 is the provider's 401."""
        assert kind(500, {"error": {"message": "upstream", "code": 401}}) is ErrorKind.AUTH

    @pytest.mark.parametrize("status", [408, 504, 522, 524])
    def test_a_provider_s_timer_is_a_timeout(self, status: int) -> None:
        """By status."""
        assert classify_response(status, None).is_timeout

    def test_a_timeout_by_words_or_code(self) -> None:
        """And by nothing else."""
        assert classify_response(500, "upstream request timeout").is_timeout
        assert classify_response(500, {"error": {"status": "DEADLINE_EXCEEDED"}}).is_timeout
        assert classify_response(None, {"error": {"code": 504}}).is_timeout
        assert not classify_response(500, "Internal server error").is_timeout
        assert not classify_response(400, "timeout must be a number").is_timeout


class TestFields:
    """What an error carries."""

    def test_a_refused_parameter_and_its_replacement(self) -> None:
        """Both as the request spells them."""
        error = classify_response(
            400,
            "Unsupported parameter: 'max_tokens' is not supported here. Use 'max_completion_tokens' instead.",
        )
        assert (error.kind, error.parameter, error.replacement) == (
            ErrorKind.BAD_REQUEST,
            "max_tokens",
            "max_completion_tokens",
        )

    @pytest.mark.parametrize(
        ("body", "parameter"),
        [
            ("Argument not supported on this model: presencePenalty", "presencePenalty"),
            ("Unrecognized request argument supplied: reasoning_effort", "reasoning_effort"),
            ("Unknown parameter: 'input[0].cache_control'.", "input"),
            ("'temperature' is not supported with this model.", "temperature"),
            ("this model does not support parameter top_k", "top_k"),
            ("This model does not support the parameter 'top_k'.", "top_k"),
            ("The parameter seed is not supported.", "seed"),
            ("This model does not support reasoningEffort", "reasoningEffort"),
            ("thinking.budget: Extra inputs are not permitted", "thinking.budget"),
            (
                {
                    "detail": [
                        {"type": "extra_forbidden", "loc": ["body", "store"], "msg": "Extra inputs are not permitted"}
                    ]
                },
                "store",
            ),
            ({"error": {"message": "Unsupported value", "param": "verbosity"}}, "verbosity"),
            ({"error": {"message": "messages must alternate", "param": "messages"}}, None),
        ],
    )
    def test_a_refused_parameter_is_named(self, body: Any, parameter: str | None) -> None:
        """From the sentence, or from the field that blames one."""
        assert classify_response(400, body).parameter == parameter

    @pytest.mark.parametrize(
        ("text", "scope"),
        [
            ("Rate limit exceeded: free-models-per-day. Add 10 credits", "account"),
            ("The usage limit has been reached", "account"),
            ("Your account org-1 request reached organization max RPM: 3", "account"),
            ("您的账户已达到速率限制", "account"),
            ("Rate limit reached for gpt-4o in organization org-1 on tokens per min (TPM)", "model"),
            ("Too many requests", "model"),
        ],
    )
    def test_a_rate_limit_s_scope(self, text: str, scope: str) -> None:
        """The whole account only if the text says so."""
        error = classify_response(429, text)
        assert (error.kind, error.scope) == (ErrorKind.RATE_LIMIT, scope)

    def test_a_message_is_short_scrubbed_and_on_one_line(self) -> None:
        """And the headers are not in it."""
        error = classify_response(
            500, f"boom\n\n at key=abcd1234efgh {'long ' * 100}", headers={"x-secret": "hidden-value"}
        )
        assert len(error.message) == 200
        assert error.message.startswith("boom at key=[secret] long")
        assert "hidden" not in repr(vars(error))

    def test_an_upstream_s_rate_limit_headers_in_the_body_are_read(self) -> None:
        """OpenRouter hands them on in `metadata.headers`."""
        body = {"error": {"code": 429, "message": "x", "metadata": {"headers": {"Retry-After": "7"}}}}
        assert classify_response(429, body).retry_after == 7.0

    def test_an_unknown_code_tells_by_its_words(self) -> None:
        """Where no table knows it."""
        body = {"error": {"code": 400, "message": "Bad.", "details": [{"reason": "PUBLIC_ERROR_UNSAFE_GENERATION"}]}}
        assert kind(400, body) is ErrorKind.CONTENT_FILTER

    def test_a_code_without_words_is_kept_as_it_is(self) -> None:
        """A bare number, or nothing."""
        assert classify_response(400, {"error": {"code": 20_015, "message": "?"}}).code == "20015"
        assert classify_response(400, {"error": {"message": "?"}}).code is None


class TestVendors:
    """What only the provider's name or shape can tell."""

    QUOTA = "You exceeded your current quota, please check your plan and billing details."

    def test_the_same_sentence_of_two_vendors(self) -> None:
        """Google and Alibaba word a throttle as OpenAI words an empty account."""
        assert kind(429, self.QUOTA, provider="openai") is ErrorKind.BALANCE
        assert kind(429, self.QUOTA, provider="gemini") is ErrorKind.RATE_LIMIT
        assert kind(None, self.QUOTA, provider="dashscope") is ErrorKind.RATE_LIMIT
        assert (
            kind(429, {"error": {"code": "insufficient_quota", "message": self.QUOTA}}, provider="qwen") == "rate_limit"
        )

    def test_a_number_means_what_its_vendor_says(self) -> None:
        """1300 blocks a prompt at Zhipu and throttles at Mistral."""
        assert kind(400, {"error": {"code": "1300", "message": "?"}}, provider="zhipu") is ErrorKind.CONTENT_FILTER
        assert kind(None, {"object": "error", "code": "1300", "message": "?"}, provider="mistral") == "rate_limit"
        assert kind(None, {"code": "1300", "message": "?"}) is ErrorKind.UNKNOWN

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"base_resp": {"status_code": 1_008, "status_msg": "?"}}, "balance"),
            ({"error_code": 336_007, "error_msg": "?"}, "context_exceeded"),
            ({"header": {"code": 10_907, "sid": "x"}}, "context_exceeded"),
            ({"error": {"code": "1113", "message": "?"}}, "balance"),
        ],
    )
    def test_a_vendor_is_recognised_by_its_shape(self, body: Any, expected: str) -> None:
        """Where nobody says who it is."""
        assert kind(200, body) == expected

    def test_a_challenge_page_is_not_the_provider_s(self) -> None:
        """A plain 403 page is."""
        page = "<html><head><title>{}</title></head><body></body></html>"
        assert kind(403, page.format("Just a moment...")) is ErrorKind.UNKNOWN
        assert kind(403, page.format("403 Forbidden")) is ErrorKind.AUTH


def test_an_error_survives_copying() -> None:
    """By the protocol of pickle, like every error of the library."""
    error = classify_response(429, "slow down", headers={"retry-after": "3"}, provider="x")
    twin = copy.deepcopy(error)
    assert isinstance(twin, ProviderError)
    assert vars(twin) == vars(error)
