"""The table of vendors."""

import re
from urllib.parse import urlsplit

import pytest

from shared_core.providers.base import Vendor
from shared_core.providers.vendors import VENDORS, find, infer_provider

ROWS = [pytest.param(row, id=row.name) for row in VENDORS.values()]


def test_no_two_rows_share_a_name_or_an_alias() -> None:
    """Each name means one vendor."""
    names = [name for row in VENDORS.values() for name in (row.name, *row.aliases)]
    assert len(names) == len(set(names))
    assert all(name == name.strip().lower() for name in names)
    assert all("/" not in name and ":" not in name for name in names)


@pytest.mark.parametrize("row", ROWS)
def test_rows_are_sound(row: Vendor) -> None:
    """URLs, patterns, key variables and documentation have the form that others rely on."""
    assert VENDORS[row.name] is row
    assert row.wire in {"openai", "anthropic", "gemini", "responses"}
    if row.base_url is None:
        assert row.base_url_env
    else:
        parts = urlsplit(row.base_url)
        assert parts.scheme == ("https" if row.needs_key else "http")
        assert parts.netloc
        assert not parts.query
        assert not row.base_url.endswith("/")
    assert row.key_env
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", name) for name in row.key_env)
    assert urlsplit(row.docs).scheme == "https"
    for pattern in (row.tool_id, row.thinks_silently):
        assert pattern is None or re.compile(pattern)
    assert not row.omits & row.renames.keys()


@pytest.mark.parametrize(
    ("name", "vendor"),
    [
        ("openai", "openai"),
        ("OpenAI", "openai"),
        (" azure-openai ", "azure"),
        ("google", "gemini"),
        ("moonshot", "kimi"),
        ("volcengine", "doubao"),
        ("ark", "doubao"),
        ("dashscope", "qwen"),
        ("glm", "zhipu"),
        ("z.ai", "zai"),
        ("baidu", "qianfan"),
        ("llama.cpp", "llamacpp"),
        ("lm-studio", "lmstudio"),
        ("github-models", "github"),
    ],
)
def test_vendors_are_found_by_name_or_alias(name: str, vendor: str) -> None:
    """In any case, with white space around it."""
    found = find(name)
    assert found is not None
    assert found.name == vendor


def test_an_unknown_name_finds_nothing() -> None:
    """Nobody is silently replaced by another."""
    assert find("acme") is None
    assert find("") is None


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("claude-sonnet-4-5", "anthropic"),
        ("gemini-2.5-pro", "gemini"),
        ("deepseek-chat", "deepseek"),
        ("qwen-plus", "qwen"),
        ("Qwen3-32B", "qwen"),
        ("glm-4.6", "zhipu"),
        ("chatglm_turbo", "zhipu"),
        ("moonshot-v1-8k", "kimi"),
        ("kimi-k2.5", "kimi"),
        ("step-2-16k", "stepfun"),
        ("grok-4", "xai"),
        ("gpt-4.1", "openai"),
        ("o3", "openai"),
        ("my-claude", "openai"),
        ("", "openai"),
    ],
)
def test_a_bare_model_name_means_its_maker(model: str, provider: str) -> None:
    """Whoever makes models that are called so; all others are asked of OpenAI."""
    assert infer_provider(model) == provider
    assert find(provider) is VENDORS[provider]


def test_tool_ids_are_the_vendors() -> None:
    """Mistral takes nine letters and digits, OpenAI at most forty characters."""
    mistral, openai = (re.compile(VENDORS[name].tool_id or "") for name in ("mistral", "openai"))
    assert mistral.fullmatch("abc123XYZ")
    assert not mistral.fullmatch("call_abc123XYZ")
    assert openai.fullmatch("call_" + "x" * 24)
    assert not openai.fullmatch("x" * 41)


@pytest.mark.parametrize(
    ("model", "is_silent"), [("o3", True), ("gpt-5.1", True), ("gpt-4o", False), ("gpt-4.1", False)]
)
def test_models_that_think_in_silence_are_known(model: str, is_silent: bool) -> None:
    """OpenAI's reasoning models show nothing before the first word."""
    pattern = re.compile(VENDORS["openai"].thinks_silently or "")
    assert bool(pattern.fullmatch(model)) is bool(pattern.match(model)) is is_silent
