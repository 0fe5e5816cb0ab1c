"""Errors that providers are known to send, by name: status, headers and body as users met them.

Bodies follow the providers' published error references and public bug reports. `$model`, `$given`, `$limit` and
`$retry_after` are filled in when the error is sent. No name here is a judgement: what an error means is for the
reader of it to find out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Template
from typing import Any

from shared_core.errors import ConfigurationError

__all__ = ["CATALOGUE", "NamedError", "error_named"]


@dataclass(frozen=True, slots=True)
class NamedError:
    """One HTTP error. `usual` are the values that its text has unless the caller says otherwise."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    usual: Mapping[str, Any] = field(default_factory=dict)


def _openai(message: str, kind: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _anthropic(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_simulated"}


def _google(code: int, status: str, message: str, *details: Mapping[str, Any]) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message, "status": status}
    if details:
        error["details"] = list(details)
    return {"error": error}


_BAD = "invalid_request_error"
_RPC = "type.googleapis.com/google.rpc."
_HTML_502 = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    "<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
)
_OPENAI_WAIT = {"retry-after": "$retry_after", "x-ratelimit-remaining-requests": "0"}

CATALOGUE: Mapping[str, NamedError] = {
    "openai.invalid_key": NamedError(
        401,
        _openai(
            "Incorrect API key provided: key-****. You can find your API key at "
            "https://platform.openai.com/account/api-keys.",
            _BAD,
            "invalid_api_key",
        ),
    ),
    "openai.insufficient_quota": NamedError(
        429,
        _openai(
            "You exceeded your current quota, please check your plan and billing details. For more information on this "
            "error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
            "insufficient_quota",
            "insufficient_quota",
        ),
    ),
    "openai.rate_limit": NamedError(
        429,
        _openai(
            "Rate limit reached for $model in organization org-simulated on requests per min (RPM): Limit 3, Used 3, "
            "Requested 1. Please try again in ${retry_after}s. Visit "
            "https://platform.openai.com/account/rate-limits to learn more.",
            "requests",
            "rate_limit_exceeded",
        ),
        _OPENAI_WAIT,
        {"retry_after": 20},
    ),
    "openai.tokens_rate_limit": NamedError(
        429,
        _openai(
            "Rate limit reached for $model in organization org-simulated on tokens per min (TPM): Limit 30000, Used "
            "29937, Requested 385. Please try again in ${retry_after}s. Visit "
            "https://platform.openai.com/account/rate-limits to learn more.",
            "tokens",
            "rate_limit_exceeded",
        ),
        {"x-ratelimit-remaining-tokens": "63", "x-ratelimit-reset-tokens": "${retry_after}s"},
        {"retry_after": 0.644},
    ),
    "openai.model_not_found": NamedError(
        404,
        _openai("The model `$model` does not exist or you do not have access to it.", _BAD, "model_not_found"),
    ),
    "openai.max_tokens": NamedError(
        400,
        _openai(
            "max_tokens is too large: $given. This model supports at most $limit completion tokens, whereas you "
            "provided $given.",
            _BAD,
            "invalid_value",
            "max_tokens",
        ),
        usual={"limit": 16384},
    ),
    "openai.context_length": NamedError(
        400,
        _openai(
            "This model's maximum context length is $limit tokens. However, your messages resulted in $used tokens. "
            "Please reduce the length of the messages.",
            _BAD,
            "context_length_exceeded",
            "messages",
        ),
        usual={"limit": 8192, "used": 8227},
    ),
    "openai.context_length_sum": NamedError(
        400,
        _openai(
            "This model's maximum context length is $limit tokens. However, you requested $sum tokens ($used in the "
            "messages, $completion in the completion). Please reduce the length of the messages or completion.",
            _BAD,
            "context_length_exceeded",
            "messages",
        ),
        usual={"limit": 4096, "used": 3118, "completion": 1000, "sum": 4118},
    ),
    "openai.content_filter": NamedError(
        400,
        _openai(
            "Your request was rejected as a result of our safety system. Your prompt may contain text that is not "
            "allowed by our safety system.",
            _BAD,
            "content_policy_violation",
        ),
    ),
    "openai.unsupported_max_tokens": NamedError(
        400,
        _openai(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
            "instead.",
            _BAD,
            "unsupported_parameter",
            "max_tokens",
        ),
    ),
    "openai.unsupported_temperature": NamedError(
        400,
        _openai(
            "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is "
            "supported.",
            _BAD,
            "unsupported_value",
            "temperature",
        ),
    ),
    "openai.bad_request": NamedError(
        400,
        _openai("Invalid type for 'messages[0].content': expected a string.", _BAD, "invalid_type", "messages"),
    ),
    "openai.region": NamedError(
        403,
        _openai(
            "Country, region, or territory not supported", "request_forbidden", "unsupported_country_region_territory"
        ),
    ),
    "openai.server_error": NamedError(
        500,
        _openai(
            "The server had an error while processing your request. Sorry about that!", "server_error", "server_error"
        ),
    ),
    "openai.overloaded": NamedError(
        503,
        _openai("The engine is currently overloaded, please try again later", "server_error", "service_unavailable"),
    ),
    "azure.content_filter": NamedError(
        400,
        {
            "error": {
                "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management "
                "policy. Please modify your prompt and retry.",
                "type": None,
                "param": "prompt",
                "code": "content_filter",
                "status": 400,
                "innererror": {
                    "code": "ResponsibleAIPolicyViolation",
                    "content_filter_result": {"violence": {"filtered": True, "severity": "medium"}},
                },
            }
        },
    ),
    "azure.deployment_not_found": NamedError(
        404,
        {
            "error": {
                "code": "DeploymentNotFound",
                "message": "The API deployment for this resource does not exist. If you created the deployment within "
                "the last 5 minutes, please wait a moment and try again.",
            }
        },
    ),
    "anthropic.invalid_key": NamedError(401, _anthropic("authentication_error", "invalid x-api-key")),
    "anthropic.low_credit": NamedError(
        400,
        _anthropic(
            _BAD,
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or "
            "purchase credits.",
        ),
    ),
    "anthropic.rate_limit": NamedError(
        429,
        _anthropic(
            "rate_limit_error",
            "This request would exceed the rate limit for your organization of 20,000 input tokens per minute.",
        ),
        {"retry-after": "$retry_after", "anthropic-ratelimit-requests-remaining": "0"},
        {"retry_after": 20},
    ),
    "anthropic.model_not_found": NamedError(404, _anthropic("not_found_error", "model: $model")),
    "anthropic.max_tokens": NamedError(
        400,
        _anthropic(
            _BAD, "max_tokens: $given > $limit, which is the maximum allowed number of output tokens for $model"
        ),
        usual={"limit": 8192},
    ),
    "anthropic.context_length": NamedError(
        400,
        _anthropic(_BAD, "prompt is too long: $used tokens > $limit maximum"),
        usual={"limit": 200_000, "used": 208_310},
    ),
    "anthropic.content_filter": NamedError(400, _anthropic(_BAD, "Output blocked by content filtering policy")),
    "anthropic.server_error": NamedError(500, _anthropic("api_error", "Internal server error")),
    "anthropic.overloaded": NamedError(529, _anthropic("overloaded_error", "Overloaded")),
    "gemini.invalid_key": NamedError(
        400,
        _google(
            400,
            "INVALID_ARGUMENT",
            "API key not valid. Please pass a valid API key.",
            {"@type": _RPC + "ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"},
        ),
    ),
    "gemini.rate_limit": NamedError(
        429,
        _google(
            429,
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota, please check your plan and billing details. Please retry in "
            "${retry_after}s.",
            {
                "@type": _RPC + "QuotaFailure",
                "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel", "quotaValue": "10"}],
            },
            {"@type": _RPC + "RetryInfo", "retryDelay": "${retry_after}s"},
        ),
        usual={"retry_after": 20},
    ),
    "gemini.model_not_found": NamedError(
        404,
        _google(
            404,
            "NOT_FOUND",
            "models/$model is not found for API version v1beta, or is not supported for generateContent. Call "
            "ListModels to see the list of available models and their supported methods.",
        ),
    ),
    "gemini.max_tokens": NamedError(
        400,
        _google(
            400,
            "INVALID_ARGUMENT",
            "Unable to submit request because it has a maxOutputTokens value of $given but the supported range is from "
            "1 (inclusive) to $exclusive (exclusive). Update the value and try again.",
        ),
        usual={"limit": 8192},
    ),
    "gemini.context_length": NamedError(
        400,
        _google(400, "INVALID_ARGUMENT", "The input token count exceeds the maximum number of tokens allowed $limit."),
        usual={"limit": 1_048_576},
    ),
    "gemini.server_error": NamedError(
        500, _google(500, "INTERNAL", "An internal error has occurred. Please retry or report.")
    ),
    "gemini.overloaded": NamedError(
        503, _google(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
    ),
    "deepseek.balance": NamedError(402, _openai("Insufficient Balance", "unknown_error", _BAD)),
    "openrouter.credits": NamedError(
        402,
        {
            "error": {
                "message": "Insufficient credits. Add more using https://openrouter.ai/settings/credits",
                "code": 402,
            }
        },
    ),
    "gateway.tier_ceiling": NamedError(
        429,
        {
            "error": {
                "code": "quota_exceeded",
                "message": 'max_tokens=$given exceeds tier "basic" ceiling ($limit). Lower max_tokens or upgrade tier.',
            }
        },
        usual={"limit": 16384},
    ),
    "gateway.bad_gateway": NamedError(502, _HTML_502, {"content-type": "text/html"}),
    "gateway.unavailable": NamedError(503, "upstream connect error or disconnect/reset before headers", {}),
    "gateway.timeout": NamedError(504, "<html><head><title>504 Gateway Time-out</title></head></html>"),
}
"""Every named error."""


def error_named(name: str, values: Mapping[str, Any]) -> NamedError:
    """The error called `name`, with `values` filled in.

    Raises:
        ConfigurationError: There is no such name.
    """
    found = CATALOGUE.get(name)
    if found is None:
        raise ConfigurationError(f"no error is called {name!r}; there are {', '.join(sorted(CATALOGUE))}")
    given = {key: value for key, value in values.items() if value is not None}
    words = {"given": "null", **found.usual, **given}
    words["exclusive"] = words.get("limit", 0) + 1  # Google states ranges without their end
    headers = {key: Template(value).safe_substitute(words) for key, value in found.headers.items()}
    return NamedError(found.status, _filled(found.body, words), headers, words)


def _filled(value: Any, words: Mapping[str, Any]) -> Any:
    match value:
        case str():
            return Template(value).safe_substitute(words)
        case Mapping():
            return {key: _filled(one, words) for key, one in value.items()}
        case list():
            return [_filled(one, words) for one in value]
        case _:
            return value
