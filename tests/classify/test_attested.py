"""Error responses as providers, gateways and local servers send them, each with what it means.

`attested.jsonl` holds one response a line. The bodies are those of public error references and bug reports, with ids
and keys left out or made up.
"""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest

from shared_core import classify_response

ROWS: list[dict[str, Any]] = [
    json.loads(line)
    for line in pathlib.Path(__file__).with_name("attested.jsonl").read_text(encoding="utf-8").splitlines()
]

STRUCTURED = [row for row in ROWS if isinstance(row["body"], dict | list)]


def name(row: dict[str, Any]) -> str:
    return f"{row['provider']}-{row['status']}-{row['kind']}"


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_a_provider_s_error_is_judged_as_what_it_is(row: dict[str, Any]) -> None:
    """Each attested body gets its kind, decoded or as JSON in text or bytes."""
    body = row["body"]
    shapes = [body, json.dumps(body), json.dumps(body).encode()] if isinstance(body, dict | list) else [body]
    for shape in shapes:
        assert classify_response(row["status"], shape, provider=row["provider"]).kind == row["kind"]


@pytest.mark.parametrize("row", [row for row in STRUCTURED if row["status"] not in {None, 200}], ids=name)
def test_an_sdk_s_text_around_a_body_does_not_change_its_meaning(row: dict[str, Any]) -> None:
    """The same body inside an exception's text, as Python's repr, is still understood."""
    error = classify_response(None, f"Error code: {row['status']} - {row['body']!r}", provider=row["provider"])
    assert error.kind == row["kind"]
    assert error.status is None
