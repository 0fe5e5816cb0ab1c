"""The rules of the house that a reader of ARCHITECTURE.md relies on."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FRAMEWORKS = {"langchain", "langchain_core", "langgraph", "llama_index"}
FACES = {"langchain_failover", "llamaindex_failover"}
PURE = (
    "walk",
    "cursor",
    "blame",
    "decisions",
    "seam",
    "join",
    "continuation",
    "mending",
    "verdict",
    "gate",
    "cooldown",
    "health",
    "figures",
    "budget",
    "learnt",
    "intake",
    "notices",
    "farewell",
    "chain",
)
ACTING = {"asyncio", "threading", "time", "socket", "httpx", "random", "logging"}


def imports(package: str, *, pattern: str = "**/*.py") -> Iterator[tuple[Path, str]]:
    """Every module that a file of `package` imports, anywhere in it."""
    for path in sorted((ROOT / package).glob(pattern)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield path, node.module


def roots(package: str) -> set[str]:
    return {module.partition(".")[0] for _, module in imports(package)}


def test_the_core_imports_no_framework_and_no_face() -> None:
    """`shared_core` can be used without LangChain and LlamaIndex."""
    assert not roots("shared_core") & (FRAMEWORKS | FACES)


@pytest.mark.parametrize(("face", "others"), [
    ("langchain_failover", {"llama_index", "llamaindex_failover"}),
    ("llamaindex_failover", {"langchain", "langchain_core", "langgraph", "langchain_failover"}),
])  # fmt: skip
def test_the_faces_never_import_each_other(face: str, others: set[str]) -> None:
    """Each face needs its own framework alone."""
    assert not roots(face) & others


@pytest.mark.parametrize("room", PURE)
def test_rooms_that_decide_do_not_act(room: str) -> None:
    """A pure room imports nothing that waits, calls out, reads a clock or draws a random number."""
    found = {module.partition(".")[0] for _, module in imports("shared_core", pattern=f"{room}.py")}
    assert not found & ACTING


def test_the_core_can_be_imported_alone() -> None:
    """Importing the core loads no framework, not even by a detour."""
    program = f"from shared_core import *; import sys; print(sorted({FRAMEWORKS | FACES!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
