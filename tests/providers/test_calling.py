"""URLs and headers of calls."""

import importlib.metadata
from collections.abc import Iterator

import pytest

from shared_core.errors import ErrorKind, ProviderError
from shared_core.providers import calling
from shared_core.providers.base import Auth, Vendor
from shared_core.providers.calling import call_headers, call_url

PATH = "/chat/completions"
AZURE = Vendor(name="a", path="/openai/deployments/{model}/chat/completions", query={"api-version": "1"})


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://h/v1", "https://h/v1/chat/completions"),
        (" https://h/v1/ ", "https://h/v1/chat/completions"),
        ("https://h", "https://h/chat/completions"),
        ("https://h/v1/chat/completions", "https://h/v1/chat/completions"),
        ("http://h:8080/v1?x=1&y=a%20b", "http://h:8080/v1/chat/completions?x=1&y=a+b"),
    ],
)
def test_a_base_url_is_taken_as_users_write_it(base_url: str, url: str) -> None:
    """With a slash at the end, a query, or the whole path already there."""
    assert call_url(Vendor(name="a"), base_url, "m", default_path=PATH) == url


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://h", "https://h/openai/deployments/m%2F1/chat/completions?api-version=1"),
        ("https://h?api-version=2", "https://h/openai/deployments/m%2F1/chat/completions?api-version=2"),
        ("https://h/openai/v1/", "https://h/openai/v1/chat/completions"),
        (
            "https://h/openai/deployments/d/chat/completions?api-version=3",
            "https://h/openai/deployments/d/chat/completions?api-version=3",
        ),
    ],
)
def test_a_path_per_model_gives_way_to_what_the_user_says(base_url: str, url: str) -> None:
    """The user's version wins; a versioned root has one path for all models."""
    assert call_url(AZURE, base_url, "m/1", default_path=PATH) == url


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ("bearer", "authorization", "Bearer key-main"),
        ("api-key", "api-key", "key-main"),
        ("x-api-key", "x-api-key", "key-main"),
        ("x-goog-api-key", "x-goog-api-key", "key-main"),
        ("none", None, None),
    ],
)
def test_the_key_goes_where_the_vendor_wants_it(auth: Auth, header: str | None, value: str | None) -> None:
    """In that header and nowhere else; white space around it is not part of it."""
    headers = call_headers(Vendor(name="a", auth=auth), " key-main\n", {})
    assert {name: found for name, found in headers.items() if "key-main" in found} == (
        {header: value} if header is not None else {}
    )


def test_without_a_key_no_header_speaks_of_one() -> None:
    """Local servers take none."""
    for key in (None, "", " "):
        assert "authorization" not in call_headers(Vendor(name="a"), key, {})


def test_a_callers_header_replaces_ours_in_any_spelling() -> None:
    """Header names have no case; the vendor's come before the caller's."""
    vendor = Vendor(name="a", headers={"X-Version": "1", "X-Other": "2"})
    headers = call_headers(vendor, "k", {"USER-AGENT": "me", "x-version": "3"}, accept="application/json")
    assert headers["user-agent"] == "me"
    assert (headers["x-version"], headers["x-other"]) == ("3", "2")
    assert headers["accept"] == "application/json"


@pytest.mark.parametrize("key", ["key\nmain", "kéy", "key\0", "key\x7f"])
def test_a_key_that_no_header_may_hold_is_a_bad_key(key: str) -> None:
    """It fails as authentication does, and without showing the key."""
    with pytest.raises(ProviderError) as caught:
        call_headers(Vendor(name="a"), key, {})
    assert caught.value.kind is ErrorKind.AUTH
    assert key not in str(caught.value)


@pytest.fixture
def uncached() -> Iterator[None]:
    calling._user_agent.cache_clear()
    yield
    calling._user_agent.cache_clear()


@pytest.mark.usefixtures("uncached")
@pytest.mark.parametrize("is_installed", [True, False])
def test_the_user_agent_names_the_version_if_there_is_one(monkeypatch: pytest.MonkeyPatch, is_installed: bool) -> None:
    """A source tree that is not installed has none."""

    def version(name: str) -> str:
        if is_installed:
            return "1.2"
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(calling, "version", version)
    expected = "failoverchain/1.2" if is_installed else "failoverchain"
    assert call_headers(Vendor(name="a"), "k", {})["user-agent"] == expected
