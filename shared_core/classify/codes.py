"""Machine-readable codes, types, reasons and exception names: what each of them says, as data.

Owns the vocabulary of all providers' codes. A code either decides (`DECIDING`) or stands for an HTTP status
(`AS_STATUS`), which the text may still refine; numeric codes mean something only for the provider that sends them
(`NUMERIC`). Nothing here looks at prose.

Codes are compared by their letters and digits, without a closing "Error" or "Exception": `rate_limit_error`,
`RateLimitError` and `rateLimit` are one. Dotted codes are tried whole, then without their last part.

Sources: the public error references of OpenAI, Azure OpenAI, Anthropic, Google (google.rpc.Code, ErrorInfo reasons),
Amazon Bedrock, Mistral, Groq, OpenRouter, Fireworks, LiteLLM, DashScope, Zhipu, MiniMax, Moonshot, Volcengine Ark,
Baidu Qianfan and iFlytek.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Final

from shared_core.classify.body import Evidence, plain
from shared_core.classify.patterns import compiled
from shared_core.errors import ErrorKind

__all__ = ["codes_in_prose", "deciding_kind", "is_timeout_code", "numeric_kind", "status_of_code", "worded"]

_DECIDING: Final[Mapping[ErrorKind, str]] = {
    ErrorKind.BALANCE: """
        insufficient_quota insufficient_balance insufficient_user_quota insufficient_credits insufficient_funds
        pre_consume_token_quota_failed billing_error billing_hard_limit_reached billing_not_active payment_required
        CreditsError exceeded_current_quota_error Arrearage AccountOverdueError ServiceOverdue ServiceNotOpen
        budget_exceeded BILLING_DISABLED INSUFFICIENT_G1_CREDITS_BALANCE AllocationQuota.FreeTierOnly
        PrepaidBillOverdue PostpaidBillOverdue CommodityNotPurchased SetLimitExceeded InvalidSubscription
        subscription_expired spend_limit_reached spending_limit_exceeded out_of_credits credit_balance_exhausted
        organization_usage_limit_exceeded organization_spend_limit_exceeded project_spend_limit_exceeded
        enforced_spend_limit_reached insufficient_credit reject_no_credit quote_exceeded usage_not_included
        request_quota_exhausted credit_balance_too_low free_tier_exhausted personal-team-blocked:spending-limit
    """,
    ErrorKind.AUTH: """
        invalid_api_key API_KEY_INVALID incorrect_api_key_error invalid_authentication_error API_KEY_SERVICE_BLOCKED
        API_KEY_HTTP_REFERRER_BLOCKED API_KEY_IP_ADDRESS_BLOCKED API_KEY_EXPIRED SERVICE_DISABLED accessNotConfigured
        ACCESS_TOKEN_EXPIRED ACCESS_TOKEN_SCOPE_INSUFFICIENT ACCESS_TOKEN_TYPE_UNSUPPORTED CREDENTIALS_MISSING
        CONSUMER_SUSPENDED CONSUMER_INVALID IAM_PERMISSION_DENIED USER_PROJECT_DENIED UNAUTHENTICATED
        unsupported_country_region_territory unsupported_country mismatched_organization ExpiredToken
        UnrecognizedClientException InvalidClientTokenId InvalidSignatureException SignatureDoesNotMatch
        MissingAuthenticationToken IncompleteSignature OptInRequired account_deactivated account_suspended
        ip_not_authorized invalid_iam_token invalid_token token_expired missing_api_key no_api_key NoCredentialsError
        PartialCredentialsError DefaultCredentialsError RefreshError TokenRetrievalError UnauthorizedSSOTokenError
        CredentialsError
    """,
    ErrorKind.MODEL_MISSING: """
        model_not_found ModelNotOpen InvalidEndpointOrModel InvalidEndpoint DeploymentNotFound model_not_supported
        model_decommissioned model_deprecated model_not_available model_not_exist unknown_model unsupported_model
        invalid_model no_model_permission model_terms_required model_permission_blocked_org
        model_permission_blocked_project model_access_denied AccessDenied.Unpurchased no_provider_available
        get_channel_failed model_price_error OperationNotSupported NoSuchModelError
    """,
    ErrorKind.CONTENT_FILTER: """
        content_filter content_policy_violation ResponsibleAIPolicyViolation DataInspectionFailed content_filtered
        content_moderation moderation_blocked sensitive_words_detected prompt_blocked prohibited_content SAFETY
        BLOCKLIST RECITATION SPII safety_check_failed content_violation cyber_policy_violation guardrail_intervened
        ModelRefusalError ContentFilterFinishReasonError BlockedPromptException StopCandidateException
        ResponseBlockedError content_security_error content_blocked censorship_blocked SensitiveContentDetected
        InputTextSensitiveContentDetected InputImageSensitiveContentDetected InputVideoSensitiveContentDetected
        InputAudioSensitiveContentDetected OutputTextSensitiveContentDetected OutputImageSensitiveContentDetected
        RiskControl
    """,
    ErrorKind.CONTEXT_EXCEEDED: """
        context_length_exceeded context_window_exceeded ContextOverflowError model_context_window_exceeded
        exceed_context_size_error request_too_large tokens_limit_reached prompt_too_long input_too_long
        model_max_prompt_tokens_exceeded context_too_large
    """,
    ErrorKind.TRANSIENT: """
        overloaded_error ServerOverloaded engine_overloaded_error slow_down ModelNotReadyException model_loading
        model_cold_start MODEL_CAPACITY_EXHAUSTED ConnectError ReadError WriteError CloseError
        RemoteProtocolError ProxyError NetworkError TransportError ClientConnectionError ClientConnectorError
        ClientOSError ClientPayloadError ServerDisconnectedError EndpointConnectionError ConnectionClosedError
        HTTPClientError ProtocolError IncompleteRead ChunkedEncodingError ConnectionError
        APIResponseValidationError UnknownApiResponseError StreamConsumed DECODE_ERROR
        HttpProcessingError
    """,
    ErrorKind.BAD_REQUEST: """
        unsupported_parameter unknown_parameter missing_required_parameter json_validate_failed tool_use_failed
        invalid_image_format invalid_base64 invalid_json extra_forbidden OperationDenied MissingParameter
        invalid_function_parameters UnsupportedParamsError InvalidURL UnsupportedOperation
    """,
}

_AS_STATUS: Final[Mapping[int, str]] = {
    429: """
        rate_limit_error rate_limit_exceeded rate_limit_reached_error rate_limited TooManyRequests ThrottlingException
        Throttled requestThrottled RequestLimitExceeded limit_requests limit_burst_rate RESOURCE_EXHAUSTED
        quota_exceeded ServiceQuotaExceededException LimitExceeded daily_limit_exceeded userRateLimitExceeded
        rpm_rate_limit_exceeded tpm_rate_limit_exceeded preemptible_rpm_rate_limit_exceeded
        preemptible_tpm_rate_limit_exceeded usage_limit_reached ModelRateLimitError InferenceLimitExceeded
        tokens_rate_limit FreeUsageLimitError service_tier_capacity_exceeded concurrency_limit_exceeded
    """,
    401: """
        authentication_error Unauthorized AuthenticationFailed ModelAuthenticationError AuthenticationRequired
        OAuthError
    """,
    403: """
        permission_error permission_denied AccessDenied Forbidden AuthorizationError request_forbidden
        ModelPermissionDeniedError
    """,
    404: "not_found_error resource_not_found_error",
    400: """
        invalid_request_error BadRequest ValidationException INVALID_ARGUMENT InvalidParameter FAILED_PRECONDITION
        OUT_OF_RANGE UnprocessableEntity invalid_value invalid_type ModelInvalidRequestError bad_response_status_code
        integer_above_max_value string_above_max_length invalid_prompt ParamValidationError
    """,
    500: """
        api_error server_error InternalServerError INTERNAL InternalFailure UNKNOWN upstream_error provider_error
        ModelAPIError ModelErrorException ModelStreamErrorException one_api_error new_api_error
    """,
    503: """
        ServiceUnavailable UNAVAILABLE ABORTED CANCELLED bad_gateway backendError APIConnectionError
        ModelConnectionError
    """,
    504: """
        DEADLINE_EXCEEDED timeout RequestTimeout gateway_timeout cf_gateway_timeout APITimeoutError ConnectTimeout
        ReadTimeout WriteTimeout PoolTimeout ModelTimeoutError ServerTimeoutError ConnectionTimeoutError
        SocketTimeoutError
    """,
}

_NUMERIC_TABLES: Final[Mapping[str, Mapping[ErrorKind | int, str]]] = {
    # docs.z.ai / open.bigmodel.cn: business codes, strings of four digits.
    "zhipu": {
        ErrorKind.AUTH: "1000 1001 1002 1003 1004 1100 1110 1111 1112 1121 1220",
        ErrorKind.BALANCE: "1113 1309",
        400: "1210 1212 1213 1214 1215",
        ErrorKind.MODEL_MISSING: "1211 1221 1222 1311",
        ErrorKind.CONTEXT_EXCEEDED: "1261",
        ErrorKind.CONTENT_FILTER: "1300 1301",
        429: "1302 1303 1304 1308 1310 1313",
        ErrorKind.TRANSIENT: "1120 1200 1230 1231 1234 1305 1312",
    },
    # base_resp.status_code, and in brackets at the end of newer messages.
    "minimax": {
        500: "1000 1001 1013 1024 1033",
        429: "1002 1039 1041 2045 2056",
        ErrorKind.AUTH: "1004 2049",
        ErrorKind.BALANCE: "1008",
        ErrorKind.CONTENT_FILTER: "1026 1027",
        400: "1042 1043 1044 2013 20132",
        ErrorKind.MODEL_MISSING: "2061",
    },
    # error_code of the Qianfan v1 API.
    "baidu": {
        500: "1 2 336000 336100 336200",
        429: "4 17 18 336501 336502 336503",
        ErrorKind.AUTH: "6 13 14 15 100 110 111 336004",
        ErrorKind.BALANCE: "19",
        ErrorKind.MODEL_MISSING: "3 336005",
        400: "336001 336002 336003 336006 336101 336102 336104 336105",
        ErrorKind.CONTEXT_EXCEEDED: "336007 336103",
        ErrorKind.CONTENT_FILTER: "336117 336118",
    },
    # header.code of the Spark API.
    "iflytek": {
        429: "10006 10007 11201 11202 11203",
        500: "10008 10010 10012 10110 10222 10223",
        400: "10009 10163",
        ErrorKind.AUTH: "10005 11200",
        ErrorKind.CONTENT_FILTER: "10013 10014 10019",
        ErrorKind.CONTEXT_EXCEEDED: "10907",
    },
    # The "code" beside "object": "error".
    "mistral": {
        429: "1300 3505",
        ErrorKind.MODEL_MISSING: "1500",
        ErrorKind.TRANSIENT: "3000",
    },
}

_PROVIDER_ALIASES: Final[Mapping[str, str]] = {
    "zai": "zhipu",
    "zhipuai": "zhipu",
    "bigmodel": "zhipu",
    "glm": "zhipu",
    "chatglm": "zhipu",
    "minimaxi": "minimax",
    "qianfan": "baidu",
    "ernie": "baidu",
    "wenxin": "baidu",
    "baiduqianfan": "baidu",
    "spark": "iflytek",
    "xfyun": "iflytek",
    "mistralai": "mistral",
}


def _fold(code: str) -> str:
    """Return the form under which a code is looked up."""
    return plain(code).removesuffix("exception").removesuffix("error")


@functools.cache
def _deciding() -> dict[str, ErrorKind]:
    return {_fold(code): kind for kind, codes in _DECIDING.items() for code in codes.split()}


@functools.cache
def _as_status() -> dict[str, int]:
    return {_fold(code): status for status, codes in _AS_STATUS.items() for code in codes.split()}


@functools.cache
def _numeric() -> dict[tuple[str, str], ErrorKind | int]:
    return {
        (vendor, code): meaning
        for vendor, table in _NUMERIC_TABLES.items()
        for meaning, codes in table.items()
        for code in codes.split()
    }


TIMEOUT_CODES: Final = frozenset(_fold(code) for code in _AS_STATUS[504].split())
"""Folded codes and exception names that say that a timer ran out."""


def _forms(code: str) -> list[str]:
    """Return the folded forms of a code, the most specific first."""
    # AWS writes "namespace#Code:http://…".
    code = code.rpartition("#")[2]
    forms = [_fold(code)]
    code = code.partition(":")[0]
    while code:
        forms.append(_fold(code))
        code = code.rpartition(".")[0]
    return forms


def deciding_kind(code: str) -> ErrorKind | None:
    """Return the kind that `code` decides by itself, or None."""
    return next((_deciding()[form] for form in _forms(code) if form in _deciding()), None)


def status_of_code(code: str) -> int | None:
    """Return the HTTP status that `code` stands for, or None."""
    return next((_as_status()[form] for form in _forms(code) if form in _as_status()), None)


def is_timeout_code(code: str) -> bool:
    """Whether `code` says that a timer ran out."""
    return any(form in TIMEOUT_CODES for form in _forms(code))


# CamelCase and snake_case words, with dotted parts behind: single words would be prose.
_SPELLED: Final = (
    r"\b(?:[A-Z][a-z]+(?:[A-Z]+[a-z]+)+|[A-Z]{2,5}(?:[A-Z][a-z]+){2,}|"
    r"[A-Za-z]+(?:_[A-Za-z]+)+)(?:\.[A-Z]\w{1,40}){0,2}\b"
)


def codes_in_prose(prose: str) -> tuple[str, ...]:
    """Return the known codes and exception names that a sentence spells out, as clients' texts do."""
    words = dict.fromkeys(match[0] for match in list(compiled(_SPELLED).finditer(prose))[:60])
    return tuple(word for word in words if deciding_kind(word) or status_of_code(word))


def worded(codes: Iterable[str]) -> str:
    """Return unknown codes of three words and more as prose: PUBLIC_ERROR_UNSAFE_GENERATION tells by its words."""
    unknown = (code for code in codes if not status_of_code(code))
    phrases = (re.sub(r"(?<=[a-z])(?=[A-Z])|[_.\-]+", " ", code).lower() for code in unknown)
    return " | ".join(phrase for phrase in phrases if phrase.count(" ") >= 2)


def _vendor(evidence: Evidence, provider: str | None) -> str:
    """Return whose numeric codes the body may hold, by the provider's name or by the body's unmistakable shape.

    Nobody's are those of the empty name.
    """
    name = plain(provider or "")
    name = _PROVIDER_ALIASES.get(name, name)
    if name in _NUMERIC_TABLES:
        return name
    if "baseresp" in evidence.keys:
        return "minimax"
    if {"errorcode", "errormsg"} <= evidence.keys:
        return "baidu"
    if {"header", "sid"} <= evidence.keys:
        return "iflytek"
    if {"error", "code", "message"} <= evidence.keys and not {"object", "type", "status"} & evidence.keys:
        # Nobody else sends a lone four-digit string as error.code.
        return "zhipu"
    return ""


def numeric_kind(evidence: Evidence, provider: str | None) -> ErrorKind | int | None:
    """Return what the provider's own numeric code means: a kind, a status that it stands for, or None."""
    vendor = _vendor(evidence, provider)
    return next((_numeric()[vendor, code] for code in evidence.codes if (vendor, code) in _numeric()), None)
