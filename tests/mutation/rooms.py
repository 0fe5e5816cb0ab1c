"""Which tests are to notice the faults of a room: the fastest first, the state machines last.

Left out are tests of hostile input and of time, which would tell little for what they cost.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ROOMS"]

_WALK = (
    "tests/core/test_policy.py",
    "tests/core/test_small_rooms.py",
    "tests/core/test_verdict.py",
    "tests/core/test_blame.py",
    "tests/core/test_farewell.py",
    "tests/core/test_logbook.py",
    "tests/core/test_seam.py",
    "tests/core/test_walk_table.py",
    "tests/core/test_walk_in_place.py",
    "tests/core/test_walk_ends.py",
    "tests/core/test_walk_cooldowns.py",
    "tests/core/test_walk_hedge.py",
    "tests/core/test_boundaries.py",
    "tests/core/test_errors.py",
    "tests/core/test_seed.py",
    "tests/core/test_machines.py",
)
_SEAM = ("tests/core/test_seam_edges.py", "tests/core/test_seam.py", "tests/core/test_continuation.py")
_CLASSIFY = (
    "tests/classify/test_rules.py",
    "tests/classify/test_wordings.py",
    "tests/classify/test_evidence.py",
    "tests/classify/test_limits.py",
    "tests/classify/test_retry_after.py",
    "tests/classify/test_response.py",
    "tests/classify/test_ranks.py",
    "tests/classify/test_digging.py",
    "tests/classify/test_attested.py",
    "tests/classify/test_documentation.py",
)

ROOMS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("walk", "policy", "health", "cooldown", "budget"), _WALK),
    **dict.fromkeys(("gate", "verdict", "mending", "blame", "cursor", "farewell", "logbook"), _WALK),
    **dict.fromkeys(("continuation", "join", "seam"), _SEAM),
    **dict.fromkeys(
        (
            *("classify/judge", "classify/rules", "classify/text", "classify/patterns"),
            *("classify/retry_after", "classify/body", "classify/codes", "classify/limits"),
            *("classify/loose_words", "classify/sentences"),
        ),
        _CLASSIFY,
    ),
    # Importing the providers' SDKs takes longer than all the other tests.
    "classify/exceptions": ("tests/classify/test_exceptions.py", "tests/classify/test_documentation.py"),
}
"""Test files by room; a room is a module of `shared_core`."""
