"""`python -m shared_core.simulator`."""

from __future__ import annotations

import logging
import runpy
import threading
from pathlib import Path

import httpx
import pytest

from shared_core.simulator import __main__ as command_line

QUESTION = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


class Interrupted(threading.Event):
    """Ctrl-C instead of a wait."""

    def wait(self, timeout: float | None = None) -> bool:
        raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def _quiet_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    # basicConfig would leave a handler on the root logger behind.
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)


def test_it_serves_a_scenario_until_it_is_told_to_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints where it listens, and answers as the file says."""
    script = tmp_path / "scenario.json"
    script.write_text('{"models": {"m": "503,ok"}}', "utf-8")
    until, result = threading.Event(), []
    arguments = ["--port", "0", "--script", str(script)]
    thread = threading.Thread(target=lambda: result.append(command_line.main(arguments, until=until)))
    thread.start()
    said = ""
    while "\n" not in said:
        said += capsys.readouterr().out
    url = said.split()[-1] + "/chat/completions"
    assert [httpx.post(url, json=QUESTION).status_code for _ in range(2)] == [503, 200]
    until.set()
    thread.join(5)
    assert result == [0]


def test_ctrl_c_is_a_normal_end() -> None:
    """It is how the server is stopped by hand."""
    assert command_line.main(["--port", "0", "--quiet"], until=Interrupted()) == 0


@pytest.mark.parametrize("text", [None, "{", '{"models": {"m": "nonsense"}}'])
def test_a_scenario_that_cannot_be_read_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None
) -> None:
    """The message names the file."""
    script = tmp_path / "scenario.json"
    if text is not None:
        script.write_text(text, "utf-8")
    assert command_line.main(["--script", str(script)]) == 2
    assert "scenario.json" in capsys.readouterr().err


def test_it_runs_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` says what it takes."""
    monkeypatch.setattr("sys.argv", ["simulator", "--help"])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(command_line.__file__), run_name="__main__")
    assert caught.value.code == 0
    assert "--script" in capsys.readouterr().out
