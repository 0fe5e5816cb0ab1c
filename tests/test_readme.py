"""The README's Python examples run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture
def _own_settings() -> object:
    """LlamaIndex's global settings are as before when the example is done."""
    from llama_index.core import Settings  # noqa: PLC0415 - only the examples need it

    before = Settings._llm
    yield
    Settings._llm = before


@pytest.mark.usefixtures("_own_settings")
@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    """It runs from top to bottom, and what its comments say is printed."""
    exec(compile(EXAMPLES[number], f"README example {number}", "exec"), {"__name__": "example"})  # noqa: S102
    said = re.findall(r"print\(.*?\)  # (.+)", EXAMPLES[number])
    printed = capsys.readouterr().out
    for line in said:
        assert line in printed


def test_every_setting_of_the_policy_is_in_the_table() -> None:
    """The README's table of settings is complete and its defaults are the real ones."""
    from shared_core import FailoverPolicy  # noqa: PLC0415

    table = README[README.index("## Settings") : README.index("## Errors")]
    missing = [name for name in FailoverPolicy.model_fields if f"`{name}`" not in table]
    assert not missing
    for name in ("connect_timeout", "idle_timeout", "patience", "balance_cooldown", "failure_memory", "quick_failure"):
        default = FailoverPolicy.model_fields[name].default
        assert re.search(rf"\| `{name}` \| {default:g} \|", table), name
