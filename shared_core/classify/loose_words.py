"""Words that also stand in messages about something else, as data.

Owns the second look at a text: "unavailable", "not supported", "timeout" or "permission" count only where no telling
sentence was found and no code or status forbids it. The form of rules and patterns is that of `sentences`.
"""

from __future__ import annotations

from typing import Final

from shared_core.classify.sentences import SentenceRule
from shared_core.errors import ErrorKind

__all__ = ["LOOSE_RULES"]

LOOSE_RULES: Final = (
    SentenceRule(
        ErrorKind.RATE_LIMIT,
        (
            r"rate[ _-]?limit|too[ _]many[ _]requests|throttl|rate increased|slow down",
            r"\brate exceeded|exceeds? (?:the )?(?:\w+ )?rate\b",
            r"quota (?:has been |is |was )?(?:exceeded|exhausted|reached)",
            r"exceed\w*(?: \S{1,20}){0,5} (?:quota|usage|limits?|allowance)|quota_exceeded",
            r"out of quota",
            r"resource (?:has been )?exhausted|resource_exhausted|usage limit",
            r"limit (?:exceeded|exhausted|reached)|(?:reached|hit)(?: \S{1,20}){0,6} limit",
            r"(?:daily|weekly|monthly|hourly) (?:\w+ )?(?:limit|quota|usage)|limit will reset",
            r"request limit|limited to \d+",
            r"concurren(?:cy|t)",
            r"\bqps\b|\brpm\b|\btpm\b|使用上限|配额|额度.{0,12}(?:重置|恢复)|限额|频繁",
        ),
    ),
    SentenceRule(
        ErrorKind.AUTH,
        (
            r"unauthorized|not authorized|not authorised|forbidden|permission",
            r"access (?:is |was )?denied|not allowed to|authorization failed",
            r"(?:do not|don't|does not) have access|service unavailable for account|not licensed",
            r"权限|无权",
        ),
    ),
    SentenceRule(
        ErrorKind.TRANSIENT,
        (
            r"overload|at capacity|try again later|(?:please|and) (?:try again|retry)",
            r"retry your request|unavailable",
            r"""
                (?:internal|server|gateway|upstream|backend|unexpected|unknown|network|connection|transport|
                stream|socket|proxy|api|system) ?(?:server )?(?:is )?(?:connection )?(?:error|failure|
                fault|failed|issue)
            """,
            r"bad gateway|gateway time|time[sd]?[- ]?out|deadline exceeded",
            r"had an error|something went wrong|unexpected (?:error|eof|end)",
            r"""
                connection (?:was |is |has been |has )?(?:reset|refused|closed|aborted|lost|broken|terminated|
                timed|dropped|interrupted|unexpectedly|failed|prematurely)
            """,
            r"could not connect",
            r"(?:failed|unable|cannot|can't) (?:to )?(?:connect|fetch|reach)|cannot connect",
            r"reach the (?:server|host)|no connection",
            r"""
                \be(?:connreset|connrefused|connaborted|timedout|notfound|ai_again|pipe|hostunreach|netunreach|
                proto)\b
            """,
            r"\beof\b|broken pipe|socket|fetch failed|failed to fetch|networkerror",
            r"load failed|terminated|disconnect|hang up",
            r"premature|incomplete (?:chunked )?read|peer closed|remoteprotocolerror|protocol_error",
            r"rst_stream|goaway|unexpectedly|stream (?:ended|closed|was)|chunked encoding",
            r"incomplete chunk|stream error|stream disconnected|cut off",
            r"\bssl\b|\btls\b|certificate|handshake|\bdns\b|name resolution|getaddrinfo",
            r"name or service not known|nodename|resolve host",
            r"unloaded|is loading|currently loading|warming up|crashed|out of memory|cuda",
            r"system memory|no healthy upstream|no available (?:capacity|server|worker)|not ready",
            r"starting up|cold start|worker|restarting|maintenance|busy|operation was cancelled",
            r"being processed",
            r"system encountered|processing (?:your|the) request|not complete",
            r"empty (?:response|stream)|no (?:response|content) (?:from|was)|invalid response",
            r"malformed response",
            r"""
                服务.{0,8}(?:繁忙|不可用|异常|错误|超时)|系统(?:繁忙|异常|错误)|稍后.{0,4}试|超时|网络(?:错误|
                异常)|内部错误|请求失败|繁忙|上游
            """,
        ),
    ),
    SentenceRule(
        ErrorKind.BAD_REQUEST,
        (
            r"""
                invalid[ _](?:request|argument|param|value|type|json|schema|format|input|image|message|
                tool|function|role|base64|url|body|content)
            """,
            r"bad request|malformed|validation (?:error|failed|exception)|unprocessable",
            r"failed to (?:parse|deserialize|decode)|could not parse|json (?:parse|decode)",
            r"missing (?:required|field|parameter|1 required)|is required",
            r"required (?:property|field|parameter)|must be (?:a |an |one |of )",
            r"expected (?:a |an |one |last|role)|not supported|unsupported|not permitted",
            r"not allowed|should (?:be|match)",
            r"must (?:alternate|contain|be followed|not be|have|include|provide|start|end)",
            r"does not (?:match|support)|cannot be (?:empty|both|used)|tool_call|tool_use",
            r"tool_result|at most \d+ image",
            r"参数|格式错误|非法|不合法|不能为空|缺少",
        ),
    ),
)
