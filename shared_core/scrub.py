"""Takes keys out of text before it is kept, logged or shown.

Owns one rule: nothing that looks like a credential leaves this library. It errs on the side of removing: a word that
has the shape of a key goes even when it is none. Model names, request ids and ordinary sentences stay readable, since
an error that says nothing helps nobody.

Invariants: never raises, runs in time linear in the text, and scrubbing twice changes nothing more.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

__all__ = ["MASK", "cut", "scrub"]

MASK = "[secret]"
"""What stands where a key stood."""

MESSAGE_LENGTH = 200
"""Characters of a provider's text that are kept: enough for its sentence, too few for an echoed prompt."""

_SHORTEST_SECRET = 4
"""A shorter literal would take ordinary words and digits with it."""

# Characters that a key, also a partially masked one ("sk-ab***xyz", "sk-…abcd"), is made of.
_BODY = r"[\w*.•…\-]"

_SHAPES = (
    # JSON Web Tokens: three base64url parts, the first always opening with '{"'.
    r"\beyJ[\w-]{8,}(?:\.[\w*-]*){0,2}",
    # OpenAI, Anthropic, OpenRouter, DeepSeek, Moonshot, DashScope and most compatible services.
    rf"\b[sp]k-(?:(?=\S{{0,200}}[\d*•…_-]){_BODY}{{6,}}|[A-Za-z]{{16,}})",
    # Google API keys and OAuth access tokens.
    rf"\bAIza{_BODY}{{6,}}",
    r"\bya29\.[\w-]{6,}",
    # Groq, xAI, Hugging Face, Replicate, GitHub, NVIDIA, Perplexity, Fireworks, Cerebras, Tavily.
    rf"\b(?:gsk_|xai-|hf_|r8_|gh[pousr]_|github_pat_|nvapi-|pplx-|fw_|csk-|tvly-|tgp_v1_){_BODY}{{6,}}",
    # AWS access key ids.
    r"\b(?:AKIA|ASIA|ABSK)[A-Z0-9*+/=]{8,}",
    # Zhipu: 32 hexadecimal digits, a dot, the secret.
    r"\b[0-9a-f]{32}\.[0-9A-Za-z]{8,}\b",
)

_QUOTE = r"[\"'\\]{0,4}"
_NAMES = (
    r"(?:x-|openai-|anthropic-|azure-|goog-|google-)*api[-_ ]?key|apikey|key|token|"
    r"(?:access|auth|refresh|id|session|security|bearer)[-_]?token|access[-_]?key(?:[-_]?id)?|"
    r"secret(?:[-_]?(?:access[-_]?)?key)?|client[-_]?secret|password|passwd|x-goog-api-key|"
    r"(?:ocp-apim-)?subscription-key|signature|x-amz-(?:signature|credential|security-token)"
)

_BEARER = rf"(?P<lead>\b(?:bearer|basic)\s+{_QUOTE})(?P<value>[\w*.+/=~•…\-]{{6,}})"
_AUTHORIZATION = (
    rf"(?P<lead>\bauthorization{_QUOTE}\s*[:=]\s*{_QUOTE})"
    r"(?P<value>(?!bearer\b|basic\b|\[)[^\s\"'\\,;{}]{4,})"
)
# In URLs and forms after "=", in JSON and headers after ":".
_NAMED = (
    rf"(?P<lead>(?:\b|_)(?:{_NAMES}){_QUOTE}\s*(?:=|:(?!//))\s*{_QUOTE})"
    r"(?P<value>(?!\[|(?:none|null|true|false|bearer|basic)\b)[^\s\"'\\,;&<>{}()]{4,})"
)
# "Incorrect API key provided: …", "Your api key: … is invalid", "API key … is not valid", the key often half masked.
_QUOTED_BACK = (
    rf"(?P<lead>\bapi[-_ ]?key(?:\s+provided)?\s*[:=]?\s+{_QUOTE})(?P<value>(?=\S{{0,200}}[\d*•…])[\w*.•…\-]{{6,}})"
)
_USERINFO = r"(?P<lead>\b[a-z][a-z0-9+.\-]{1,20}://)(?P<value>[^\s/@:]{1,100}:[^\s/@]{1,200}(?=@))"

_ASSIGNMENTS = (_BEARER, _AUTHORIZATION, _NAMED, _QUOTED_BACK, _USERINFO)


@functools.cache
def _shapes() -> re.Pattern[str]:
    return re.compile("|".join(_SHAPES))


@functools.cache
def _assignments() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in _ASSIGNMENTS)


def _keep_lead(match: re.Match[str]) -> str:
    value: str = match["value"]
    # "token: expected" is prose, and "OPENAI_API_KEY" is a variable's name: neither is a key.
    word = value.rstrip(".").replace("_", "")
    if word.isalpha() and len(value) < 30 and (word.islower() or word.isupper()):
        return match[0]
    return match["lead"] + MASK


def scrub(text: str, secrets: Iterable[str] = ()) -> str:
    """Return `text` without anything that looks like a key.

    Args:
        text: Any text: a provider's message, a URL, a header dump, a traceback line.
        secrets: Literal values that must not appear in it, whatever they look like.

    Returns:
        The text with each key replaced by `MASK`.

    Example:
        >>> scrub("GET /v1beta/models?key=abc123def&alt=sse failed for gemini-2.5-flash")
        'GET /v1beta/models?key=[secret]&alt=sse failed for gemini-2.5-flash'
        >>> scrub("the value hunter2! is wrong", ["hunter2!"])
        'the value [secret] is wrong'
    """
    for secret in sorted({s for s in secrets if len(s) >= _SHORTEST_SECRET}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _shapes().sub(MASK, text)
    for pattern in _assignments():
        text = pattern.sub(_keep_lead, text)
    return text


def cut(text: str, length: int = MESSAGE_LENGTH) -> str:
    """Return `text` on one line and no longer than `length` characters, marked with an ellipsis where it was cut."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"
