"""What importing costs: `python -m benchmarks.imports`, or as a part of the whole.

The figure is the CPU time of one import after others that a program has anyway, in an interpreter of its own, with
bytecode cached: `from langchain_failover import ChatFailover` where LangChain and httpx are loaded already.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.processes import ROOT, environment

__all__ = ["IMPORTS", "OURS", "Import", "times"]

Import = tuple[str, str]
"""A statement that imports, and the one that comes before it and is not measured."""

_CORE = "import httpx, pydantic"
_LANGCHAIN = "from langchain_core.language_models import BaseChatModel; import httpx"
_LLAMAINDEX = "import llama_index.core.llms, httpx"

# Packages that load their rooms when a name is first asked for cost next to nothing; what a program pays is the name.
OURS: tuple[Import, ...] = (
    ("import shared_core", _CORE),
    ("from shared_core import FailoverManager", _CORE),
    ("import langchain_failover", _LANGCHAIN),
    ("from langchain_failover import ChatFailover", _LANGCHAIN),
    ("import llamaindex_failover", _LLAMAINDEX),
    ("from llamaindex_failover import FailoverLLM", _LLAMAINDEX),
)

IMPORTS: tuple[Import, ...] = (
    *OURS,
    (_CORE, ""),
    (_LANGCHAIN, ""),
    (_LLAMAINDEX, ""),
    ("from openai import AsyncOpenAI", _CORE),
    ("from langchain_openai import ChatOpenAI", _LANGCHAIN),
    ("from llama_index.llms.openai_like import OpenAILike", _LLAMAINDEX),
    ("from litellm import Router", _CORE),
)

_PROGRAM = """
import time
{before}
begun = time.process_time()
{statement}
print(time.process_time() - begun)
"""


def times(python: str, rounds: int, imports: Sequence[Import] = IMPORTS) -> dict[Import, list[float]]:
    """Milliseconds of each import, once a round, by turns; none for what is not installed."""
    found: dict[Import, list[float]] = {wanted: [] for wanted in imports}
    for turn in range(rounds + 1):
        for statement, before in imports:
            if turn and not found[statement, before]:
                continue
            command = [python, "-c", _PROGRAM.format(statement=statement, before=before)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment())
            if done.returncode == 0:
                found[statement, before].append(float(done.stdout.split()[-1]) * 1e3)
    # The first round has filled the caches.
    return {wanted: figures[1:] for wanted, figures in found.items()}


def _show() -> None:
    for (statement, before), figures in times(sys.executable, 7, OURS).items():
        print(f"{statement}: {statistics.median(figures):.0f} ms, after {before}")


if __name__ == "__main__":
    _show()
