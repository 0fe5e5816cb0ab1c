"""Records the cassettes again: against a mock server of others, started here, or against a real provider.

See `README.md` in this folder. What is recorded replaces what was there; a cassette that would hold the key is deleted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from shared_core.errors import FailoverError
from shared_core.manager import FailoverManager
from shared_core.policy import FailoverPolicy
from tests.cassettes.conversations import CONVERSATIONS, RECORDER, WIRES, asking

HERE = Path(__file__).parent
SERVER = ("npx", "--yes", "--package", "@copilotkit/aimock@1.43.0", "llmock")


@contextlib.contextmanager
def mock_server() -> Iterator[str]:
    """The mock server on a free port; its base URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*SERVER, "--port", str(port), "--fixtures", str(HERE / "provider.json"), "--strict"]
    # A session of its own: the command only starts the server, which would outlive it.
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as server:
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, signal.SIGTERM)


def _wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise TimeoutError(f"nobody listens on port {port}")


def record(wire: str, name: str, base_url: str, model: str, key: str) -> None:
    """Records one cassette."""
    path = HERE / wire / f"{name}.yaml"
    path.unlink(missing_ok=True)
    if name == "error" and "127.0.0.1" not in base_url:
        model = "no-such-model"
    provider = WIRES[wire].provider
    with (
        RECORDER.use_cassette(f"{wire}/{name}", record_mode="once"),
        FailoverManager(
            base_urls={provider: base_url},
            profiles={provider: {"main": key}},
            policy=FailoverPolicy(transient_backoffs=(), patience=0),
        ) as manager,
    ):
        try:
            answer = manager.complete(asking(wire, name, model))
            print(f"{wire} {name}: {answer.text or answer.tool_calls}")  # noqa: T201 - a command line prints
        except FailoverError as error:
            print(f"{wire} {name}: {error}")  # noqa: T201 - a command line prints
    if key in path.read_text("utf-8"):
        path.unlink()
        sys.exit(f"{path.name} held the key and was deleted")


def main() -> None:
    """Records the cassettes of all wires against the mock server, or those of one against a real provider."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wire", choices=WIRES, help="record the cassettes of this wire alone")
    parser.add_argument("--base-url", help="a real provider of that wire; without it, the mock server is started")
    parser.add_argument("--model", help="model to ask")
    given = parser.parse_args()
    if given.base_url and not given.wire:
        parser.error("--base-url needs --wire")
    with contextlib.nullcontext(given.base_url) if given.base_url else mock_server() as base_url:
        for wire, recorded in WIRES.items() if not given.wire else [(given.wire, WIRES[given.wire])]:
            url = base_url if given.base_url else base_url + recorded.path
            key = (os.environ.get(recorded.key_env) if given.base_url else None) or "key-of-nobody"
            for name in CONVERSATIONS:
                record(wire, name, url, given.model or recorded.model, key)


if __name__ == "__main__":
    main()
