"""The Python examples of the README, the recipes and the migration guide run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = {
    f"{name}, example {number}": example
    for name in ("README.md", "RECIPES.md", "MIGRATION.md")
    for number, example in enumerate(
        re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL), start=1
    )
}


@pytest.fixture
def _own_settings() -> object:
    """LlamaIndex's global settings are as before when the example is done."""
    from llama_index.core import Settings  # noqa: PLC0415 - only the examples need it

    before = Settings._llm
    yield
    Settings._llm = before


@pytest.fixture
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example runs beside the README's configuration file, where it leaves nothing behind."""
    (table,) = re.findall(r"```toml\n(.*?)```", README, flags=re.DOTALL)
    (tmp_path / "failover.toml").write_text(table, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_own_settings", "_own_folder")
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It runs from top to bottom, and what its comments say is printed."""
    exec(compile(EXAMPLES[name], name, "exec"), {"__name__": "example"})  # noqa: S102
    said = re.findall(r"print\(.*?\)  # (.+)", EXAMPLES[name])
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
