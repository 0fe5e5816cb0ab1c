"""URL and headers of a call, the same on every wire.

Owns where the key travels: in the one header that the vendor's row names, never in a URL. Header names are lower
case, so that a caller's own header replaces ours whatever its spelling.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from shared_core.errors import ErrorKind, ProviderError
from shared_core.providers.base import Vendor

__all__ = ["call_headers", "call_url"]


@cache
def _user_agent() -> str:
    try:
        return f"failoverchain/{version('failoverchain')}"
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "failoverchain"


def call_url(vendor: Vendor, base_url: str, model: str, *, default_path: str) -> str:
    """The URL of one call.

    A base URL may have a query of its own, may be the full URL of the call, and may be a versioned root
    (`…/openai/v1` at Azure), under which a per-model `vendor.path` does not exist.

    >>> call_url(Vendor(name="x"), "https://api.example.com/v1/", "m", default_path="/chat/completions")
    'https://api.example.com/v1/chat/completions'
    """
    return _url(base_url, vendor.path, tuple(vendor.query.items()), model, default_path)


@lru_cache(maxsize=1024)
def _url(
    base_url: str, own_path: str | None, own_query: tuple[tuple[str, str], ...], model: str, default_path: str
) -> str:
    parts = urlsplit(base_url.strip())
    root = parts.path.rstrip("/")
    path, query = own_path or default_path, dict(own_query)
    if "{model}" in path and root.endswith("/v1"):
        path, query = default_path, {}
    path = "" if root.endswith(default_path) else path.replace("{model}", quote(model, safe=""))
    query |= parse_qsl(parts.query)
    return urlunsplit((parts.scheme, parts.netloc, f"{root}{path}", urlencode(query), ""))


def call_headers(
    vendor: Vendor, key: str | None, extra: Mapping[str, str], *, accept: str = "text/event-stream"
) -> dict[str, str]:
    """Headers of one call; the key goes where `vendor.auth` says.

    Raises:
        ProviderError: The key (kind `auth`) holds characters that no header may hold. HTTP libraries would say so
            with the key in their message.
    """
    headers = {
        "content-type": "application/json",
        "accept": accept,
        "accept-encoding": "identity",  # a compressed stream arrives in lumps
        "user-agent": _user_agent(),
    }
    headers |= {name.lower(): value for name, value in vendor.headers.items()}
    key = key.strip() if key else ""
    if key and vendor.auth != "none":
        if not (key.isascii() and key.isprintable()):
            raise ProviderError(
                "the key holds characters that no HTTP header may hold",
                kind=ErrorKind.AUTH,
                code="malformed_key",
                provider=vendor.name,
            )
        if vendor.auth == "bearer":
            headers["authorization"] = f"Bearer {key}"
        else:
            headers[vendor.auth] = key
    return headers | {name.lower(): value for name, value in extra.items()}
