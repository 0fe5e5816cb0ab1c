"""The examples in the docstrings of every module run, and show what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from types import ModuleType

import pytest

PACKAGES = ("shared_core", "langchain_failover", "llamaindex_failover")


def modules() -> list[str]:
    """Every module but the entry points, which act when they are imported."""
    found = []
    for package in PACKAGES:
        walked = pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
        found += [package, *(info.name for info in walked if not info.name.endswith(".__main__"))]
    return found


def examples(module: ModuleType) -> list[doctest.DocTest]:
    """The module's examples, which may use what its package offers."""
    package = importlib.import_module(module.__name__.rpartition(".")[0] or module.__name__)
    found = doctest.DocTestFinder(exclude_empty=True).find(module, globs={**vars(package), **vars(module)})
    return [test for test in found if test.examples]


@pytest.mark.parametrize("name", modules())
def test_examples_run(name: str) -> None:
    """A module without examples has nothing to prove here."""
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    failures: list[str] = []
    for test in examples(module):
        runner.run(test, out=failures.append)
    assert not failures, "".join(failures)


def test_there_are_examples() -> None:
    """The front door, the settings and the names all show how they are used."""
    for name in ("shared_core.manager", "shared_core.policy", "shared_core.registry", "shared_core.chain"):
        assert examples(importlib.import_module(name)), name
