"""The mutation tests themselves: that faults are made, that one is noticed, and that a room's tests exist."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation.mutants import mutants
from tests.mutation.rooms import ROOMS

ROOT = Path(__file__).parents[2]

SOURCE = '''
"""Docstring."""
LIMIT: Annotated[int, Field(ge=1)] = 3
NAMES = ("a", "b")

def chosen(items: list[Literal["x"]], *, least=0) -> int:
    """Docstring."""
    if least < LIMIT and not items:
        raise ValueError("no " + "item")
    items.sort(key=len)
    return max(items) + 1
'''


def test_every_operator_makes_its_fault() -> None:
    """What is left out, turned round or moved by one; nothing of docstrings, types and the wording of errors."""
    found = mutants(ast.parse(SOURCE))
    assert sorted(mutant.what for mutant in found if mutant.function is None) == [
        "'a': XX in front",
        "'b': XX in front",
        "0: plus one",
        "1: plus one",
        "3: plus one",
        "Field(ge=1): without ge=1",
        "without the element 'a'",
        "without the element 'b'",
    ]
    assert sorted(mutant.what for mutant in found if mutant.function == (6, "chosen")) == [
        "1: plus one",
        "if least < LIMIT and (not items): always",
        "if least < LIMIT and (not items): never",
        "items.sort(key=len): without key=len",
        "least < LIMIT and (not items): and swapped",
        "least < LIMIT and (not items): without least < LIMIT",
        "least < LIMIT and (not items): without not items",
        "least < LIMIT: lt swapped",
        "max(items) + 1: add swapped",
        "max(items): max is min",
        "not items: without not",
        "return max(items) + 1: None",
        "without items.sort(key=len)",
        "without raise ValueError('no ' + 'item')",
    ]


@pytest.mark.parametrize("number", range(20))
def test_every_fault_is_one_and_compiles(number: int) -> None:
    """A changed tree is another program, and still a program."""
    tree = ast.parse(SOURCE)
    mutants(tree)[number].change()
    assert ast.unparse(tree) != ast.unparse(ast.parse(SOURCE))
    compile(ast.fix_missing_locations(tree), "faulty", "exec")


def test_an_obvious_fault_is_killed() -> None:
    """A budget whose reset does nothing fails the budget's tests, and the command says so."""
    source = (ROOT / "shared_core/budget.py").read_text(encoding="utf-8").splitlines()
    line = source.index("        self._tokens = self._reserve") + 1
    arguments = ["budget", "--lines", f"{line}", f"{line}", "--tests", "tests/core/test_small_rooms.py"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutation", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split() == ["all", "1", "1", "0", "100.0%"]


def test_every_room_and_its_tests_exist() -> None:
    """A module that was renamed is not tested by mistake as nothing."""
    for room, files in ROOMS.items():
        assert (ROOT / "shared_core" / f"{room}.py").is_file()
        assert all((ROOT / file).is_file() for file in files)
