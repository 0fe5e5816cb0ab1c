"""The examples in the package's docstrings run and say the truth."""

from __future__ import annotations

import doctest
import pkgutil
from collections.abc import Iterator
from importlib import import_module

import pytest
from llama_index.core import Settings

import llamaindex_failover

MODULES = [
    "llamaindex_failover",
    *(f"llamaindex_failover.{module.name}" for module in pkgutil.iter_modules(llamaindex_failover.__path__)),
]


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    """Gives back the global settings that an example may set."""
    before = Settings._llm
    yield
    Settings._llm = before


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    """Each example gives what it shows."""
    assert doctest.testmod(import_module(name)).failed == 0
