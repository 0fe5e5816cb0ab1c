"""Vendors that differ in what a history may look like."""

from __future__ import annotations

import pytest

from shared_core.providers.base import Vendor

VENDORS = {
    vendor.name: vendor
    for vendor in (
        Vendor(name="openai", tool_id=r".{1,40}"),
        Vendor(name="oai-responses", wire="responses", tool_id=r".{1,64}"),
        Vendor(
            name="anthropic",
            wire="anthropic",
            tool_id=r"[a-zA-Z0-9_-]+",
            understands_marks=frozenset({"cache_control"}),
        ),
        Vendor(name="gemini", wire="gemini"),
        Vendor(name="mistral", tool_id=r"[a-zA-Z0-9]{9}", alternates=True),
        Vendor(name="odd", tool_id=r"[a-z][a-zA-Z0-9]{11}"),
        Vendor(name="impossible", tool_id=r"x?"),
    )
}


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    """Each vendor in turn."""
    return VENDORS[request.param]
