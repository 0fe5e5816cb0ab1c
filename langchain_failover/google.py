"""Code that a Gemini model ran, and what came of it: as parts of Google's API, and as LangChain's integration has them.

Other integrations leave their provider's own blocks in a message's content as the API sent them, so that such a block
goes home as it is. Google's renames what it finds, in one way of its own and in LangChain's standard one (v1), and its
API refuses both. Steps of other tools that Google runs cannot be sent back at all, not even by the integration.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["from_part", "to_part"]

_DONE, _FAILED = 1, 2
"""How the integration counts outcomes."""


def to_part(block: Mapping[str, Any]) -> dict[str, Any] | None:
    """The part of the API that a block of a message stands for; None if it is of no use to the model.

    >>> to_part({"type": "executable_code", "executable_code": "1 + 1", "language": "PYTHON"})
    {'executableCode': {'language': 'PYTHON', 'code': '1 + 1'}}
    """
    match block:
        case {"type": "executable_code", "executable_code": code}:
            return _code(code, block.get("language"))
        case {"type": "server_tool_call", "name": "code_interpreter", "args": {"code": code, **more}}:
            return _code(code, more.get("language"))
        case {"type": "code_execution_result", "code_execution_result": output}:
            return _result(output, is_done=block.get("outcome", _DONE) == _DONE)
        case {"type": "server_tool_result", "output": str(output)}:
            return _result(output, is_done=block.get("status", "success") == "success")
    return None


def from_part(part: Mapping[str, Any]) -> dict[str, Any]:
    """The block that the integration makes of such a part; anything else as it is."""
    match part:
        case {"executableCode": {"code": code, **more}}:
            return {"type": "executable_code", "executable_code": code, "language": more.get("language", "PYTHON")}
        case {"codeExecutionResult": {"output": output, **more}}:
            outcome = _DONE if more.get("outcome") == "OUTCOME_OK" else _FAILED
            return {"type": "code_execution_result", "code_execution_result": output, "outcome": outcome}
    return dict(part)


def _code(code: str, language: Any) -> dict[str, Any]:
    name = getattr(language, "value", language) or "PYTHON"  # an enumeration of the SDK's, or a word
    return {"executableCode": {"language": str(name).upper(), "code": code}}


def _result(output: str, *, is_done: bool) -> dict[str, Any]:
    return {"codeExecutionResult": {"outcome": "OUTCOME_OK" if is_done else "OUTCOME_FAILED", "output": output}}
