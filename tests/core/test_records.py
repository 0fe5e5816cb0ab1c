"""Records are dataclasses, only cheaper to define: what they do is what a dataclass of the same fields does."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_core.records import record


@record(frozen=True, slots=True)
class Frozen:
    """A frozen record."""

    name: str
    number: int = 0
    unshown: str = field(default="", repr=False)
    uncounted: object = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class PlainFrozen:
    """The same as the library makes it."""

    name: str
    number: int = 0
    unshown: str = field(default="", repr=False)
    uncounted: object = field(default=None, compare=False)


@record(slots=True)
class Open:
    """A record that may change."""

    items: list[Any] = field(default_factory=list)
    number: int = 0


@dataclass(slots=True)
class PlainOpen:
    """The same as the library makes it."""

    items: list[Any] = field(default_factory=list)
    number: int = 0


@record(frozen=True, slots=True, kw_only=True)
class Keyed:
    """A record of keywords."""

    name: str
    number: int = 0


@record(slots=True, eq=False)
class Alone:
    """A record that equals only itself."""

    number: int = 0


@record(slots=True, repr=False)
class Silent:
    """A record that does not show what it holds."""

    key: str


values = st.tuples(st.sampled_from("ab"), st.integers(0, 1), st.sampled_from("xy"), st.integers(0, 1))


@given(values, values)
def test_frozen_records_behave_as_dataclasses_do(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    """They compare, are hashed and show themselves by the fields that count for it."""
    assert (Frozen(*one) == Frozen(*other)) is (PlainFrozen(*one) == PlainFrozen(*other))
    assert hash(Frozen(*one)) == hash(PlainFrozen(*one))
    assert f"Plain{Frozen(*one)!r}" == repr(PlainFrozen(*one))


@given(st.lists(st.integers(0, 1), max_size=2), st.lists(st.integers(0, 1), max_size=2))
def test_open_records_behave_as_dataclasses_do(one: list[int], other: list[int]) -> None:
    """The same, but they have no hash."""
    assert (Open(one) == Open(other)) is (PlainOpen(one) == PlainOpen(other))
    assert f"Plain{Open(one)!r}" == repr(PlainOpen(one))
    with pytest.raises(TypeError, match="unhashable"):
        hash(Open(one))


def test_they_are_dataclasses() -> None:
    """With fields, copies that change one, dicts, slots, and what a pattern matches."""
    made = Frozen("a", 1, uncounted="u")
    assert [each.name for each in dataclasses.fields(made)] == ["name", "number", "unshown", "uncounted"]
    assert dataclasses.replace(made, number=2) == Frozen("a", 2)
    assert dataclasses.asdict(made) == {"name": "a", "number": 1, "unshown": "", "uncounted": "u"}
    assert not hasattr(made, "__dict__")
    match made:
        case Frozen("a", number):
            assert number == 1
        case _:
            pytest.fail("the pattern does not match")


def test_frozen_ones_cannot_be_changed() -> None:
    """Neither set nor deleted; an open one can."""
    made = Frozen("a")
    with pytest.raises(FrozenInstanceError):
        made.name = "b"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del made.name
    opened = Open()
    opened.number = 2
    assert opened == Open(number=2)


def test_they_can_be_copied_and_pickled() -> None:
    """And are equal to what they were made of."""
    for made in (Frozen("a", 1, "x", 2), Open([1], 2)):
        assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301  # it is our own
        assert copy.deepcopy(made) == copy.copy(made) == made


def test_others_are_not_equal() -> None:
    """A record of another class has other fields, whatever they hold; the other may know better."""
    assert Frozen("a") != PlainFrozen("a")
    assert Frozen("a") != ("a", 0, "")
    assert Frozen("a").__eq__("a") is NotImplemented

    class Anything:
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            return True

    assert Frozen("a") == Anything()


def test_a_record_in_itself() -> None:
    """Its repr ends."""
    made = Open()
    made.items.append(made)
    assert repr(made) == "Open(items=[...], number=0)"


def test_options() -> None:
    """Keywords alone, no comparison, no repr: as they say."""
    with pytest.raises(TypeError):
        Keyed("a")  # type: ignore[misc]
    assert Keyed(name="a") == Keyed(name="a", number=0)
    alone = Alone()
    assert alone == alone  # noqa: PLR0124  # that is the question
    assert alone != Alone()
    assert {alone}
    assert "secret" not in repr(Silent("secret"))
