"""`python -m shared_core.cli`, the same as `llm-failover`."""

from __future__ import annotations

from shared_core.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
