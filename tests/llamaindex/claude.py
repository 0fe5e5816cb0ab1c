"""The framework's own Anthropic LLM, where it is installed together with an SDK that it works with."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.llms.llm import LLM

from shared_core.simulator import Simulator

CLAUDE = "claude-sonnet-4-5"


def make_claude(sim: Simulator, **settings: Any) -> LLM:
    """An Anthropic LLM that asks the local provider; skips the test where there is none, or none that works."""
    package = pytest.importorskip("llama_index.llms.anthropic", reason="its Anthropic package is not installed")
    utils = pytest.importorskip("llama_index.llms.anthropic.utils")
    made: LLM = package.Anthropic(CLAUDE, api_key="key-claude", base_url=sim.url, **settings)
    try:
        utils.messages_to_anthropic_messages([ChatMessage("Hi")])
    except TypeError:
        pytest.skip("the installed Anthropic package and SDK do not fit together")
    return made
