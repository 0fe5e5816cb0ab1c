"""The command line: `python -m shared_core.simulator --port 8080 --script scenario.json`."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from shared_core.simulator.server import Simulator

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None, *, until: threading.Event | None = None) -> int:
    """Serves until interrupted (or `until` is set); returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m shared_core.simulator", description="A local LLM provider that misbehaves on request."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="port; 0 takes a free one (default: %(default)s)")
    parser.add_argument("--script", type=Path, help='JSON file: {"models": {"gpt-4.1": "503*2,ok"}, "keys": {}}')
    parser.add_argument("--quiet", action="store_true", help="do not log requests")
    options = parser.parse_args(arguments)
    simulator = Simulator(host=options.host, port=options.port)
    try:
        if options.script is not None:
            simulator.load(json.loads(options.script.read_text("utf-8")))
        simulator.start()
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{options.script or options.port}: {error}\n")
        return 2
    if not options.quiet:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    sys.stdout.write(f"listening on {simulator.base_url}\n")
    sys.stdout.flush()
    try:
        (until or threading.Event()).wait()
    except KeyboardInterrupt:
        pass
    finally:
        simulator.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
