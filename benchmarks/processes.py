"""What every measured process has in common: where it runs, and in what environment."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["ROOT", "environment"]

ROOT = Path(__file__).parent.parent

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")

_SET = {
    "NO_PROXY": "*",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "AIOHTTP_CONNECTOR_LIMIT_PER_HOST": "0",  # LiteLLM's; its cap of 500 would keep half of 1000 streams waiting
}


def environment() -> dict[str, str]:
    """No proxies, no tracing, nothing looked up elsewhere, no settings of anyone's, and bytecode is cached."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | _SET
