"""The command line as its users meet it: arguments in; exit code, standard output and standard error out."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TextIO

import pytest

from shared_core.cli import main
from shared_core.simulator import Simulator

KEYS = {
    "OPENAI_API_KEY": "key-of-openai",
    "ANTHROPIC_API_KEY": "key-of-anthropic",
    "BACKUP_KEY": "key-of-backup",
}


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def told(self) -> str:
        """Standard error as one line, however it was wrapped."""
        return " ".join(self.err.split())


Run = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.endswith(("_API_KEY", "_BASE_URL"))]:
        monkeypatch.delenv(name)
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in this process; no key may be in what it writes."""

    def call(*arguments: str) -> Outcome:
        try:
            code = main(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        assert not any(key in said.out + said.err for key in KEYS.values())
        assert "Traceback" not in said.err
        return Outcome(code, said.out, said.err)

    return call


class Terminal:
    """A real pseudo-terminal; what is written to `stream` is in `text` after `close`."""

    def __init__(self) -> None:
        self._read, write = os.openpty()
        self.stream: TextIO = os.fdopen(write, "w", encoding="utf-8")
        self._bytes = b""
        self._thread = threading.Thread(target=self._drain)
        self._thread.start()

    def _drain(self) -> None:
        while True:
            try:
                found = os.read(self._read, 4096)
            except OSError:  # the other side is closed
                return
            self._bytes += found

    def close(self) -> str:
        self.stream.close()
        self._thread.join(5)
        os.close(self._read)
        return self._bytes.decode()


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()
