"""What holds for every history, however broken, at every vendor."""

from __future__ import annotations

import copy
import itertools
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from shared_core.history import prepare
from shared_core.messages import Audio, Block, Document, Image, Message, Opaque, Reasoning, Text, ToolCall, ToolResult
from shared_core.providers.base import Vendor

VENDORS = (
    Vendor(name="openai", tool_id=r".{1,40}"),
    Vendor(
        name="anthropic", wire="anthropic", tool_id=r"[a-zA-Z0-9_-]+", understands_marks=frozenset({"cache_control"})
    ),
    Vendor(name="gemini", wire="gemini"),
    Vendor(name="responses", wire="responses", tool_id=r".{1,64}"),
    Vendor(name="mistral", tool_id=r"[a-zA-Z0-9]{9}", alternates=True),
    Vendor(name="odd", tool_id=r"[a-z][a-zA-Z0-9]{11}"),
)
STRICT = {"anthropic", "gemini", "mistral"}

texts = st.sampled_from(["", " ", "hello", "<system>"])
origins = st.sampled_from([None, "openai", "anthropic", "gemini"])
signatures = st.sampled_from([None, "", "sig"])
marks = st.sampled_from([None, {}, {"cache_control": {}}, {"cache_control": {}, "other": 1}])
ids = st.sampled_from(["", "a", "b", "f", "call_1", "functions.f:0", "abcdefghi", "x" * 50])
names = st.sampled_from(["f", "g", ""])
text_blocks = st.builds(Text, texts, signatures, origins, marks)
media = st.one_of(
    st.builds(Image, url=st.sampled_from([None, "https://example.org/i.png"]), marks=marks),
    st.builds(Audio, data=st.sampled_from([None, "aa"])),
    st.builds(Document, file_id=st.sampled_from([None, "file"])),
)
parts = st.lists(st.one_of(text_blocks, media), max_size=2).map(tuple)
blocks = st.one_of(
    text_blocks,
    media,
    st.builds(Reasoning, texts, signatures, signatures, origin=origins),
    st.builds(ToolCall, ids, names, st.sampled_from(["", "{}"]), signatures, origins, marks),
    st.builds(ToolResult, ids, parts, st.one_of(st.none(), names), st.booleans(), marks),
    st.builds(Opaque, st.just({"type": "x"}), st.sampled_from(["openai", "anthropic"])),
)
messages = st.builds(
    Message,
    st.sampled_from(["system", "user", "assistant", "assistant", "tool", "tool"]),
    st.lists(blocks, max_size=4).map(tuple),
    st.sampled_from([None, "ann"]),
)
histories = st.lists(messages, max_size=8).map(tuple)
vendors = st.sampled_from(VENDORS)


def _is_empty(block: Block, vendor: Vendor) -> bool:
    match block:
        case Text():
            return not block.signature and not (block.text.strip() if vendor.wire == "anthropic" else block.text)
        case Image() | Audio():
            return not (block.url or block.data)
        case Document():
            return not (block.url or block.data or block.text or block.file_id)
        case ToolResult():
            return any(_is_empty(part, vendor) for part in block.content)
        case _:
            return False


@given(histories, vendors)
@settings(deadline=None)
def test_calls_and_results_are_paired(history: tuple[Message, ...], vendor: Vendor) -> None:
    """Ids fit and are unique; each turn's results follow at once, one a call, in order; no orphan is left."""
    out = prepare(history, vendor)
    seen: set[str] = set()
    expected: list[str] = []
    for message in out:
        answered = [block.call_id for block in message.content if isinstance(block, ToolResult)]
        called = [block.id for block in message.content if isinstance(block, ToolCall)]
        assert (message.role == "tool") == bool(answered) == bool(expected)
        assert len(answered) == len(message.content) or not answered
        assert answered == expected[: len(answered)]
        expected = expected[len(answered) :]
        assert not called or message.role == "assistant"
        assert all(re.fullmatch(vendor.tool_id or ".+", call_id) for call_id in called)
        assert len({*called} | seen) == len(called) + len(seen)
        seen |= set(called)
        expected += called
    assert not expected


@given(histories, vendors)
@settings(deadline=None)
def test_everything_sent_says_something_to_its_reader(history: tuple[Message, ...], vendor: Vendor) -> None:
    """No empty message or block; nothing foreign; no mark that is not understood."""
    out = prepare(history, vendor)
    assert bool(out) == bool(history)
    for message in out:
        assert any(not isinstance(block, Reasoning) for block in message.content)
        for block in message.content:
            assert not _is_empty(block, vendor)
            if isinstance(block, Reasoning | Opaque) or getattr(block, "signature", None) is not None:
                assert block.origin == vendor.name
            assert set(getattr(block, "marks", None) or ()) <= vendor.understands_marks
            assert not isinstance(block, ToolCall) or (block.name and block.arguments)
        if message.role == "assistant" and vendor.wire != "gemini":
            assert not any(isinstance(block, Image | Audio | Document) for block in message.content)
        if vendor.wire in {"anthropic", "responses"}:
            assert not isinstance(message.content[-1], Reasoning)


@given(histories, vendors)
@settings(deadline=None)
def test_roles_alternate_where_they_must(history: tuple[Message, ...], vendor: Vendor) -> None:
    """System messages first, then the user, then no role twice in a row; no template sees tool and user in a row."""
    out = prepare(history, vendor)
    if vendor.name not in STRICT or not out:
        return
    roles = [message.role for message in out]
    turns = roles[1:] if roles[0] == "system" else roles
    assert turns[0] == "user"
    assert "system" not in turns
    pairs = list(itertools.pairwise(turns))
    assert all(one != other for one, other in pairs)
    assert vendor.name != "mistral" or ("tool", "user") not in pairs


@given(histories, vendors)
@settings(deadline=None)
def test_preparing_twice_is_preparing_once(history: tuple[Message, ...], vendor: Vendor) -> None:
    """What has been prepared comes back as the same object."""
    once = prepare(history, vendor)
    assert prepare(once, vendor) is once


@given(histories, vendors, vendors)
@settings(deadline=None)
def test_callers_objects_are_never_changed(history: tuple[Message, ...], one: Vendor, other: Vendor) -> None:
    """Preparing for one vendor leaves nothing behind for the next."""
    before = copy.deepcopy(history)
    first = prepare(history, one)
    prepare(history, other)
    assert history == before
    assert prepare(history, one) == first


@given(histories, vendors)
@settings(deadline=None)
def test_no_text_is_lost(history: tuple[Message, ...], vendor: Vendor) -> None:
    """Whatever somebody said or a tool returned is still there somewhere, repeated results aside."""
    numbered = tuple(
        Message(m.role, tuple(Text(f"text {i}.{j}") if isinstance(b, Text) else b for j, b in enumerate(m.content)))
        for i, m in enumerate(history)
    )
    said = {block.text for message in numbered for block in message.content if isinstance(block, Text)}
    out = "\n".join(message.text for message in prepare(numbered, vendor))
    assert all(text in out for text in said)
