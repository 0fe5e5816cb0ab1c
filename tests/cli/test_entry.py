"""The command as a process: version, help, usage errors, pipes and signals."""

from __future__ import annotations

import io
import os
import runpy
import signal
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest

from shared_core.cli import __main__ as entry
from shared_core.cli import main, options
from shared_core.simulator import Simulator

COMMAND = (sys.executable, "-m", "shared_core.cli")
PASTED = "sk-" + "live-0123-pasted"


def test_the_version(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the distribution, if it is installed."""
    assert run("--version").out.startswith("llm-failover ")

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(options, "version", missing)
    assert "not installed" in run("--version").out


@pytest.mark.parametrize("arguments", [(), ("--help",), ("demo", "--help"), ("ask", "--help"), ("explain", "--help")])
def test_help(run: Any, arguments: tuple[str, ...]) -> None:
    """No command at all is a request for help."""
    outcome = run(*arguments)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("usage: llm-failover")
    if not arguments:
        assert "examples:" in outcome.out
        assert "exit codes:" in outcome.out
    if "ask" in arguments:
        assert "never from the command line" in " ".join(outcome.out.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("unknown",),
        ("demo", "--scene", "7"),
        ("demo", "--speed", "0"),
        ("demo", "--speed", "fast"),
        ("demo", "--speed", "0.4"),
        ("ask", "Hi"),
        ("ask", "Hi", "--model", "a/b", "--base-url", "a"),
        ("ask", "Hi", "--model", "a/b", "--deadline", "inf"),
        ("ask", "Hi", "--model", "a/b", "--key-env", f"openai={PASTED}"),
        ("ask", "Hi", "--model", "a/b", "--key-env", PASTED),
        ("ask", "Hi", "--model", "a/b", "--profile", f"openai:main={PASTED}"),
        ("ask", "Hi", "--model", "a/b", "--profile", "openai=BACKUP_KEY"),
        ("ask", "Hi", "--model", "a/b", "--api-key", PASTED),
        ("ask", "Hi", "--model", "a/b", f"--api-key={PASTED}"),
        ("ask", "Hi", "--model", "a/b", "--openai-key", PASTED),
        ("explain", "--model", "a/b", "--key", PASTED),
    ],
)
def test_wrong_usage_is_exit_code_2_and_repeats_no_key(run: Any, arguments: tuple[str, ...]) -> None:
    """Also where a key was pasted by mistake."""
    outcome = run(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("usage: ")
    assert PASTED not in outcome.err


def test_the_module_is_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m shared_core.cli`."""
    monkeypatch.setattr(sys, "argv", ["llm-failover", "--version"])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(entry.__file__), run_name="__main__")
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("llm-failover ")


def test_importing_the_module_runs_nothing() -> None:
    """It only holds the entry."""
    assert runpy.run_path(str(entry.__file__), run_name="imported")["main"] is main


def test_the_demo_in_a_process() -> None:
    """Through a pipe, where Python's own encoding is narrow: no code, no colour, no complaint."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [*COMMAND, "demo", "--scene", "1", "--speed", "50"],
        capture_output=True,
        env=environment,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"answered after 1 failed attempt" in done.stdout
    assert b"\x1b" not in done.stdout


@pytest.mark.parametrize("arguments", [("--scene", "3"), ("--scene", "1", "--json")])
def test_a_reader_that_goes_away_is_no_error(arguments: tuple[str, ...]) -> None:
    """As in `llm-failover demo | head -1`."""
    command = [*COMMAND, "demo", "--speed", "50", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


def test_a_pipe_that_closes_early_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left to write goes nowhere."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(["demo", "--scene", "1", "--speed", "50"]) == 0
        stream.write("more")


def test_ctrl_c_while_a_provider_is_silent(sim: Simulator) -> None:
    """The call is abandoned; no traceback."""
    sim.script("*", "silent")
    command = [*COMMAND, "ask", "Hi", "--model", "local/any", "--base-url", f"local={sim.base_url}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        sim.wait_for(lambda: sim.requests, timeout=30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == b""
    assert b"interrupted" in err
    assert b"Traceback" not in err
    sim.wait_for(lambda: sim.requests[0].state == "aborted")


def test_streams_without_an_encoding_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that calls `main` may have put anything in their place."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(["--version"]) == 0
    assert stream.getvalue().startswith("llm-failover ")
