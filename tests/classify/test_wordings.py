"""Each wording means its kind by itself: one sentence for every way in which providers are known to say it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from shared_core import classify_response
from shared_core.errors import ErrorKind

WORDINGS: Mapping[ErrorKind, str] = {
    ErrorKind.BALANCE: """
        It needs more of them: you need more credits.
        You have run out of it.
        It exhausted its free ones.
        余额没有了
        Your access was suspended possibly due to an open bill.
        There are unpaid invoices.
        You can only afford 120 of them.
        Extra usage is required for this.
        You have not enough funds.
        It has a negative balance.
        You used all included credits.
        It requires at least 5 credits of yours.
        You exceeded your current quota, so wait.
        You exceeded your free daily allowance.
        All of the monthly included credits are gone.
        A payment method failed to be charged.
        The budget has been exceeded.
        Your trial has expired.
        There is no active subscription.
        The free trial of this month has ended.
        It must be an account in good standing.
        The quota is used up.
        It reached its usage limit. You may wait.
        免费额度耗尽
        免费额度都用了
        Your credits have been depleted.
    """,
    ErrorKind.AUTH: """
        You are unauthorized.
        Access is denied.
        You are not authenticated.
        The token is invalid.
        The security token included.
        身份验证出错
        未提供令牌
        密钥过期
        Please check your API key.
        The authentication fails.
        The account was flagged by our team.
        This is a violation of provider terms.
        The account is inactive.
        账号已被封
        A bearer token was used that somebody has leaked.
        We couldn't find a secret for it.
        Could not validate it.
        The signature does not match.
        Unable to locate credentials.
        Sorry, country, region or territory unknown.
        It is unavailable in your region.
        This location is not supported.
        I see that your location is not on the list.
        It is not supported in this country.
        The API has not been used in project 42 before.
        This API is not enabled.
        An organization header is wanted.
        鉴权出错
        未登录
        That is forbidden.
        Authorization failed.
        You do not have access.
        您没有权限
    """,
    ErrorKind.CONTENT_FILTER: """
        It is prohibited_content.
        It was considered high-risk
        The content policy says no.
        The response was filtered due to something.
        It was blocked by our safety people.
        See our page on responsible AI.
        Some content has been blocked.
        Your words were flagged.
        Our safety settings say no.
        It has objectionable material.
        The data inspection says no.
        Its finish_reason: recitation
        See block_reason.
        It is considered high risk.
        It did not pass moderation.
        A guardrail said no.
        包含敏感词
    """,
    ErrorKind.BAD_REQUEST: """
        This is a bad request.
        There is a missing field.
        It is not allowed.
        The value does not match.
        A tool_result is absent.
        参数有误
        Unexpected keyword 'foo' was given.
        There are unsupported fields.
        'top_p' is not supported with it.
        Argument not supported: seed
        This one does not support images or vision: does not support vision
        A validation exception was raised.
        We failed to decode it.
        A required property is absent.
        The value should match it.
        The value cannot be empty.
        We found at most 1 image.
        格式错误
        It expected a list.
        It is an invalid schema.
        The roles must alternate.
    """,
    ErrorKind.CONTEXT_EXCEEDED: """
        See max_total_tokens.
        The range of input length is 1.
        上下文太多
        prompt超长
        It is too large for model with 8192 context.
        The context limit is too low.
        Your words exceed the context.
        It is longer than our context.
        Please reduce the length of the prompt.
        Your words exceed the maximum of 100 tokens.
        It exceeds the maximum size.
        Request entity too large
        Token count exceeds it.
        超出最大长度
        内容过长
    """,
    ErrorKind.OUTPUT_LIMIT: """
        The model output limit was reached.
        It has a maximum number of output tokens.
        max_new_tokens is too large.
        We write at most 4096 completion tokens.
        max_tokens: 5000 > 4096
        The range of max_tokens is from 1.
        8193 is not less or equal to 8192
        You went over our max_tokens
        It has an output token limit.
        See the maximum output length.
        max_tokens 参数太多
        An invalid max_tokens value.
    """,
    ErrorKind.RATE_LIMIT: """
        The rate exceeded ours.
        The limit exceeded is ours.
        There is a request limit.
        The QPS is too high.
        请求过于多
        The limit was hit.
        You exceed our own rate limit today.
        We take ten images a day.
        It is metered per minute.
        There were too many concurrent requests.
        已达到请求上限
        It exceeds the token rate.
        You exceeded your allowance.
        You are out of quota.
        You have reached your limit.
        The daily quota is gone.
        You are limited to 5.
        There is a rate limit.
        Resource has been exhausted
        Its quota was reached.
        The concurrency is too high.
    """,
    ErrorKind.TRANSIENT: """
        We are in overload.
        Please retry your request.
        This is an internal_error.
        It had an error.
        A connection error happened.
        We cannot reach the server.
        EOF occurred.
        The load failed.
        It was premature.
        RST_STREAM
        An incomplete chunk came.
        SSL says no.
        The name or service not known.
        It was unloaded.
        Not enough system memory.
        It is starting up.
        服务繁忙
        We are at capacity
        The model x is currently experiencing it.
        It is temporarily down.
        And try again.
        Something went wrong.
        We could not connect.
        We are unable to reach it.
        There is no connection.
        ECONNRESET
        A broken pipe.
        The peer closed it.
        GOAWAY
        The answer was cut off.
        A certificate expired.
        We could not resolve host.
        CUDA says no.
        The machine is restarting.
        Another one is being processed.
        The system encountered it.
        There was an empty response.
        It was a malformed response.
        稍后再试
        服务异常
        A backend fault happened.
        We did not reach the host.
        There is no capacity.
        Bad gateway
        You may retry your request.
    """,
    ErrorKind.MODEL_MISSING: """
        It needs on-demand throughput.
        You have not activated the model.
        It is not a chat model.
        It is not supported by any provider.
        未找到这个模型
        There is no deployment by that name.
        You have no access to these models.
        You are not subscribed to a plan for this model.
        The model is gated.
        There are no healthy backends.
        It needs an inference profile.
        The endpoint is closed.
        See your data policy.
        The endpoint foo does not exist.
        模型不存在
        无效的模型
    """,
}


@pytest.mark.parametrize("kind", WORDINGS, ids=str)
def test_a_wording_alone_says_its_kind(kind: ErrorKind) -> None:
    """Without a status or a code."""
    said = {line.strip(): classify_response(None, line.strip()).kind for line in WORDINGS[kind].strip().splitlines()}
    assert said == dict.fromkeys(said, kind)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("This would exceed your organization's rate limit. Add a payment method to raise it.", ErrorKind.RATE_LIMIT),
        ("Too many requests. Add a payment method for more.", ErrorKind.RATE_LIMIT),
        ("The number of concurrent ones is too high. Add a payment method for more.", ErrorKind.RATE_LIMIT),
        ("Too many tokens per minute: the input is too long.", ErrorKind.RATE_LIMIT),
        ("Your account has been suspended. It violates our policies.", ErrorKind.AUTH),
        ("You can only afford 100 of the max_tokens, which exceed it.", ErrorKind.BALANCE),
        ("The model does not exist, or it is overloaded.", ErrorKind.TRANSIENT),
    ],
)
def test_of_two_wordings_the_more_telling_one_counts(text: str, kind: ErrorKind) -> None:
    """What is offered, or mentioned besides, is not what happened."""
    assert classify_response(None, text).kind is kind


@pytest.mark.parametrize(
    "text",
    [
        "There are unsupported fields.",
        "'top_p' is not supported with it.",
        "Argument not supported: seed",
        "It does not support vision.",
    ],
)
def test_a_refused_parameter_is_no_refused_key(text: str) -> None:
    """Some providers answer 403 to it; the telling wording counts more, where a looser one would not."""
    assert classify_response(403, text).kind is ErrorKind.BAD_REQUEST
    assert classify_response(403, "This is not supported.").kind is ErrorKind.AUTH
