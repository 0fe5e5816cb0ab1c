"""The examples in the docstrings are true."""

from __future__ import annotations

import doctest

from shared_core.cli import advice


def test_the_examples_run() -> None:
    """Each of them gives what it says."""
    outcome = doctest.testmod(advice)
    assert outcome.attempted > 0
    assert outcome.failed == 0
