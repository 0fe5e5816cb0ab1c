"""Packages whose names are imported when they are first asked for."""

from __future__ import annotations

import ast
import importlib
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("shared_core", "langchain_failover", "llamaindex_failover")


def told_to_checkers(package: str) -> dict[str, str]:
    """The module of each name, as type checkers read it."""
    tree = ast.parse((ROOT / package / "__init__.py").read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    found = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in found for alias in node.names}


@pytest.mark.parametrize("package", PACKAGES)
def test_names_are_where_checkers_look_for_them(package: str) -> None:
    """What `__all__` offers, what checkers read and what is imported are the same names of the same modules."""
    module = importlib.import_module(package)
    told = told_to_checkers(package)
    assert sorted(told) == sorted(module.__all__)
    assert set(told) <= set(dir(module))
    for name, room in told.items():
        assert getattr(module, name) is getattr(importlib.import_module(room), name)


@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_name(package: str) -> None:
    """It is missing in the usual way."""
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nonsense'"):
        _ = importlib.import_module(package).nonsense


def test_pickles_do_not_care() -> None:
    """What is pickled names the module that it was defined in."""
    core = importlib.import_module("shared_core")
    assert pickle.loads(pickle.dumps(core.FailoverPolicy)) is core.FailoverPolicy  # noqa: S301  # it is our own


def test_importing_a_package_imports_nothing_else() -> None:
    """Neither a framework nor an HTTP client is loaded for a program that only names us; threads may ask together."""
    program = textwrap.dedent("""
        import sys, threading
        import shared_core, langchain_failover, llamaindex_failover
        heavy = {"httpx", "aiohttp", "pydantic", "langchain_core", "llama_index"} & set(sys.modules)
        found = []
        asking = [threading.Thread(target=lambda: found.append(shared_core.FailoverManager)) for _ in range(8)]
        [each.start() for each in asking]
        [each.join() for each in asking]
        print(sorted(heavy), len(found), len(set(found)), "aiohttp" in sys.modules)
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["[]", "8", "1", "False"]
