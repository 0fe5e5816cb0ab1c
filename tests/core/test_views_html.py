"""Snapshots show themselves as tables: in print, at IPython's prompt, in a notebook."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pytest
from IPython.core.formatters import DisplayFormatter
from rich.console import Console

from shared_core import ChainExhaustedError, FailoverManager, FailoverPolicy, LLMRequest, Message
from shared_core.simulator import Fault, Simulator

HOSTILE = '<script>alert("1")</script> & more'
REQUEST = LLMRequest(model="a/down", fallback_models=("b/up",), messages=(Message.of("user", "Hi"),))


@pytest.fixture
def manager() -> Iterator[FailoverManager]:
    """A manager that has met one dead key, in words that no page should take over."""
    refusal = {"error": {"message": HOSTILE, "code": "invalid_api_key"}}
    with (
        Simulator({"down": Fault.status(401, refusal)}) as provider,
        FailoverManager(
            base_urls={"a": provider.base_url, "b": provider.base_url},
            profiles={"a": {"main": "key-main"}},
        ) as made,
    ):
        made.complete(REQUEST)
        yield made


def cells(html: str, tag: str) -> list[str]:
    return re.findall(rf"<{tag}>(.*?)</{tag}>", html)


def test_health_is_a_table_in_a_notebook(manager: FailoverManager) -> None:
    """A row for each model and profile under the heads of the printed table, and the provider's words escaped."""
    html = manager.health()._repr_html_()
    assert cells(html, "th") == ["target", "state", "free in", "answered", "first token", "last failure"]
    assert len(cells(html, "tr")) == 5
    assert [cells(row, "td")[:2] for row in cells(html, "tr")[1:]] == [
        ["a/down", "cooling"],
        ["b/up", "open"],
        ["a [main]", "cooling"],
        ["b [default]", "open"],
    ]
    assert [cells(row, "td")[3] for row in cells(html, "tr")[1:]] == ["0/1", "1/1", "0/1", "1/1"]
    assert re.fullmatch(r"\d\d\.\d s", cells(html, "td")[2])
    assert "<script>" not in html
    assert "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; more" in html


def test_an_explanation_is_a_table_in_a_notebook(manager: FailoverManager) -> None:
    """A row for each target, with the reason for which it would be skipped."""
    explanation = manager.explain(REQUEST)
    html = explanation._repr_html_()
    assert cells(html, "th") == ["", "model", "profile", "verdict"]
    assert cells(html, "td")[4:] == ["2", "b/up", "default", "would be tried"]
    assert cells(html, "td")[1] == "a/down"
    assert cells(html, "td")[3] == explanation.candidates[0].skip


def test_ipython_shows_what_print_shows(manager: FailoverManager) -> None:
    """IPython's prompt shows the printed table, a notebook the other one, and neither the repr of a dataclass."""
    for view in (manager.health(), manager.explain(REQUEST)):
        shown, _ = DisplayFormatter().format(view)
        assert shown == {"text/plain": str(view), "text/html": view._repr_html_()}


def test_rich_shows_a_table_in_colours(manager: FailoverManager) -> None:
    """The same cells; a provider's words are no markup."""
    console = Console(width=200, force_terminal=True, color_system="standard", file=io.StringIO())
    console.print(manager.health(), manager.explain(REQUEST))
    shown = console.file.getvalue()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    for row in (*manager.health()._rows(), *manager.explain(REQUEST)._rows()):
        assert row[1] in plain
    assert HOSTILE in plain
    assert "\x1b[33mcooling" in shown
    assert "\x1b[32mwould be tried" in shown


def test_failures_in_a_row_are_counted() -> None:
    """Beside the last one's text."""
    with Simulator({"*": "503"}) as provider:
        policy, moment = FailoverPolicy(transient_backoffs=()), [0.0]
        with FailoverManager(base_urls={"a": provider.base_url}, policy=policy, clock=lambda: moment[0]) as manager:
            for moment[0] in (0.0, 60.0):
                with pytest.raises(ChainExhaustedError):
                    manager.complete(LLMRequest(model="a/x", messages=REQUEST.messages))
            assert "transient (2 in a row): " in str(manager.health())


def test_nothing_known_is_an_empty_table() -> None:
    """A manager that was never used shows the heads alone."""
    with FailoverManager() as manager:
        health = manager.health()
    assert str(health) == "target  state  free in  answered  first token  last failure"
    assert cells(health._repr_html_(), "td") == []


def test_a_table_is_read_after_a_failure_of_the_whole_chain() -> None:
    """What is down can be shown where nobody answered."""
    with Simulator({"*": "503"}) as provider:
        policy = FailoverPolicy(transient_backoffs=())
        urls = {"a": provider.base_url, "b": provider.base_url}
        with FailoverManager(base_urls=urls, policy=policy) as manager:
            with pytest.raises(ChainExhaustedError):
                manager.complete(REQUEST)
            assert cells(manager.health()._repr_html_(), "td").count("cooling") == 2
