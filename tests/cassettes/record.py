"""Records the cassettes again: against a mock server of others, started here, or against a real provider.

See `README.md` in this folder. What is recorded replaces what was there; a cassette that would hold the key is deleted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from shared_core.errors import FailoverError
from shared_core.manager import FailoverManager
from shared_core.policy import FailoverPolicy
from tests.cassettes.conversations import CONVERSATIONS, RECORDER, asking

HERE = Path(__file__).parent
SERVER = ("npx", "--yes", "--package", "@copilotkit/aimock@1.43.0", "llmock")


@contextlib.contextmanager
def mock_server() -> Iterator[str]:
    """The mock server on a free port; its base URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*SERVER, "--port", str(port), "--fixtures", str(HERE / "provider.json"), "--strict"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()


def _wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise TimeoutError(f"nobody listens on port {port}")


def record(name: str, base_url: str, model: str, key: str) -> None:
    """Records one cassette."""
    path = HERE / f"{name}.yaml"
    path.unlink(missing_ok=True)
    if name == "error" and "127.0.0.1" not in base_url:
        model = "no-such-model"
    with (
        RECORDER.use_cassette(name, record_mode="once"),
        FailoverManager(
            base_urls={"openai": base_url},
            profiles={"openai": {"main": key}},
            policy=FailoverPolicy(transient_backoffs=(), patience=0),
        ) as manager,
    ):
        try:
            answer = manager.complete(asking(name, model))
            print(f"{name}: {answer.text or answer.tool_calls}")  # noqa: T201 - a command line prints
        except FailoverError as error:
            print(f"{name}: {error}")  # noqa: T201 - a command line prints
    if key in path.read_text("utf-8"):
        path.unlink()
        sys.exit(f"{path.name} held the key and was deleted")


def main() -> None:
    """Records all cassettes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-url", help="a provider of the OpenAI wire; without it, the mock server is started")
    parser.add_argument("--model", default="gpt-4.1-mini", help="model to ask")
    given = parser.parse_args()
    with contextlib.nullcontext(given.base_url) if given.base_url else mock_server() as base_url:
        for name in CONVERSATIONS:
            record(name, base_url, given.model, os.environ.get("OPENAI_API_KEY") or "key-of-nobody")


if __name__ == "__main__":
    main()
