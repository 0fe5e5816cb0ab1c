"""The examples in the docstrings do what they say."""

from __future__ import annotations

import doctest

import pytest

from shared_core import drill as room


@pytest.mark.parametrize("thing", [room, room.drill], ids=["package", "drill"])
def test_examples_run(thing: object) -> None:
    """As they are printed."""
    finder = doctest.DocTestFinder(recurse=False)
    examples = finder.find(thing, name="example", module=False, globs={**vars(room)})
    results = [doctest.DocTestRunner().run(example) for example in examples]
    assert sum(result.attempted for result in results) > 0
    assert sum(result.failed for result in results) == 0
