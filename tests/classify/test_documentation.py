"""The examples in the docstrings."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "shared_core.scrub",
        "shared_core.classify.judge",
        "shared_core.classify.rules",
        "shared_core.classify.exceptions",
    ],
)
def test_examples_run(module: str) -> None:
    """And show what they say."""
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted
    assert not result.failed
