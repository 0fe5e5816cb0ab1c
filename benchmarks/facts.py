"""What a reader must know of the machine: its processor, its Python, its packages; nothing that names it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from pathlib import Path

from benchmarks.processes import ROOT, environment

__all__ = ["machine", "packages"]


def machine(python: str) -> str:
    """The processor, the number of cores, the system and the Python of the clients."""
    program = "import platform; print(platform.python_implementation(), platform.python_version())"
    version = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    cores = os.cpu_count()
    return f"{_processor()}, {cores} cores; {platform.system()} {platform.machine()}; {version}"


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def packages(python: str) -> str:
    """Versions of the packages that bear on the figures."""
    command = [python, "-m", "benchmarks.client", "versions"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment())
    found: dict[str, str | None] = json.loads(done.stdout)
    return ", ".join(f"{name} {version}" if version else f"{name} not installed" for name, version in found.items())
