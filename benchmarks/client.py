"""One cell in a process of its own: `python -m benchmarks.client '{"peer": …, "load": …, …}'`.

The last line of its output is the result as JSON: `{"figures": …}`, or `{"skipped": why}`.
"""

from __future__ import annotations

import json
import resource
import sys
import warnings
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.loads import Run, run
from benchmarks.peers import PEERS, Unavailable
from benchmarks.profiler import Sampler

__all__ = ["PACKAGES", "main"]

PACKAGES = (
    "httpx",
    "httpcore",
    "h11",
    "aiohttp",
    "httpx-aiohttp",
    "orjson",
    "pydantic",
    "openai",
    "langchain-core",
    "langchain-openai",
    "litellm",
    "langchain-litellm",
    "llama-index-core",
    "llama-index-llms-openai",
    "llama-index-llms-openai-like",
)
"""Whose versions bear on the figures."""


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _measure(cell: dict[str, Any]) -> dict[str, Any]:
    sampler = Sampler() if cell.get("profile") else None
    setting = Run(cell["mode"], cell["port"], cell["budget"], cell["chunks"], sampler)
    try:
        figures = run(cell["load"], PEERS[cell["peer"]], setting)
    except Unavailable as reason:
        return {"skipped": str(reason)}
    found: dict[str, Any] = {"figures": figures}
    if sampler is not None:
        found["profile"] = {"owners": sampler.owners(), "functions": sampler.functions()}
    return found


def main() -> None:
    """Measures, or with `versions` says what is installed."""
    if sys.argv[1] == "versions":
        print(json.dumps({package: _version(package) for package in PACKAGES}))
        return
    warnings.simplefilter("ignore")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(json.dumps(_measure(json.loads(sys.argv[1]))), flush=True)


if __name__ == "__main__":
    main()
