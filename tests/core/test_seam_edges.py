"""The edges of going on with a broken answer: every field that forbids it, the words of the request, the exact seam."""

from __future__ import annotations

import itertools

import pytest

from shared_core.continuation import Course, anchor, continue_request, course
from shared_core.events import Failed, Finish, MemberChunk, ReasoningDelta, TextDelta, Usage
from shared_core.join import Join, _common, _overlap, weight
from shared_core.request import LLMRequest
from shared_core.seam import Afresh, Seam

ASK = (
    "Your last message was cut off before its end. Write the part that is missing and nothing else: no greeting, no "
    "apology, no remark about the interruption, and do not begin again from the start. Keep the language, the tone and "
    "the format, and finish what is unfinished, even in the middle of a word."
)
OVERLAP = (
    "So that the two parts fit together, begin by copying exactly the last characters of your message, go straight on "
    "from there, and repeat nothing else. Its last characters are:"
)
CODE = "It stopped inside a code block that is still open: do not open it again."


@pytest.mark.parametrize("name", ["tools", "functions", "toolConfig", "tool_config", "web_search_options"])
def test_every_field_that_gives_tools_forbids_a_continuation(name: str) -> None:
    """By the name that any wire has for it, on the body or in an object of it."""
    for body in ({name: [{}]}, {"more": {name: [{}]}}):
        assert course(LLMRequest(extra_body=body), text="a") is Course.WANTS_TOOLS


@pytest.mark.parametrize(
    "name",
    [
        *("response_format", "format", "output_format", "json_schema", "json_object", "structured_outputs", "grammar"),
        *("responseMimeType", "response_mime_type", "responseSchema", "response_schema", "responseJsonSchema"),
        *("guided_json", "guided_regex", "guided_choice", "guided_grammar"),
    ],
)
def test_every_field_that_asks_for_a_form_forbids_a_continuation(name: str) -> None:
    """A machine reads each character of such an answer."""
    for body in ({name: {}}, {"more": {name: {}}}):
        assert course(LLMRequest(extra_body=body), text="a") is Course.WANTS_FORM


@pytest.mark.parametrize(
    ("partial", "words"),
    [
        ("The capi", [ASK, OVERLAP, "The capi"]),
        ("-" * 200, [ASK, "Go on exactly where it stopped, and repeat nothing of it."]),
        ("```python\nx = 1", [ASK, CODE, OVERLAP, "```python\nx = 1"]),
    ],
)
def test_the_rest_is_asked_for_in_these_words(partial: str, words: list[str]) -> None:
    """What to write, what not, where it stopped and, if there is something to copy, what to begin with."""
    assert continue_request(LLMRequest(), partial, prefill=False).messages[-1].text == "\n\n".join(words)


@pytest.mark.parametrize(
    ("partial", "copied", "pieces", "shown"),
    [
        ("It is in Paris ", "It is in Paris", ["It is in Paris", " on"], ["", "on"]),
        ("It is in Paris", "It is in Paris", ["It is in Paris", " on"], ["", " on"]),
        ("It is in Paris", "It is in Paris", ["It is in ", "Paris, on"], ["", ", on"]),
    ],
)
def test_white_space_behind_a_copy_is_awaited(partial: str, copied: str, pieces: list[str], shown: list[str]) -> None:
    """It may have been shown already."""
    join = Join(partial, prefill=False, anchor=copied)
    assert [join.feed(piece) for piece in pieces] == shown


@pytest.mark.parametrize(
    ("partial", "new", "shown"),
    [
        ("It is big.", "It has", " It has"),
        ("Is it big?", "It is", " It is"),
        ("What a day!", "It is", " It is"),
        ("Use Window.", "Location", "Location"),
        ("It is so:", "It is", "It is"),
        ("It is a.", "B is", "B is"),
        ("It is 1st.", "It has", "It has"),
        ("It is big.", "it has", "it has"),
        ("Use `it is big.", "It has", "It has"),
        ("Use `it` if big.", "It has", " It has"),
        ("Use `it.\nIt is big.", "It has", " It has"),
    ],
)
def test_a_space_is_put_in_only_between_sentences(partial: str, new: str, shown: str) -> None:
    """Behind a word in small letters and a full stop, in front of a capital, outside of code."""
    join = Join(partial, prefill=False)
    assert join.feed(new) + join.end() == shown


def test_one_mark_is_looked_behind() -> None:
    """What goes on like another one is not held back."""
    assert Join("I thought", prefill=False).feed("....") == "...."


def test_behind_a_prefill_a_mark_is_text() -> None:
    """A target that goes on natively means what it says."""
    assert Join("I thought", prefill=True).feed("..") == ".."


def test_a_number_is_no_cut_word() -> None:
    """Nobody finishes it by saying it again."""
    join = Join("It costs 1234", prefill=False)
    assert join.feed("1234abc") + join.end() == "1234abc"


def test_an_ellipsis_may_stand_inside_an_open_code_block() -> None:
    """It goes, as anywhere, if a repetition is behind it."""
    join = Join("```python\nbest_of_all = compute(numbers", prefill=False)
    assert join.feed("...best_of_all = compute(numbers, a)") + join.end() == ", a)"


def test_an_answer_that_is_refused_has_no_finish() -> None:
    """The failure takes its place, at the finish as before it."""
    for events in ([TextDelta("of France"), Finish("stop", "stop")], [TextDelta("The capital of Spain is small.")]):
        seam = Seam(Join("The capital of France is Par", prefill=False, anchor="of France is Par"))
        out = seam.through(events)
        assert not any(isinstance(event, Finish) for event in out)
        assert isinstance(out[-1], Failed)
        assert out[-1].error.message == "it began another answer instead of going on"


def test_what_came_before_a_refusal_is_kept() -> None:
    """Tokens that another text cost have been spent."""
    usage = Usage(1, 2, 3)
    chunk = MemberChunk(object(), text="The capital of Spain is small.", has_content=True, usage=usage)
    out = Seam(Join("The capital of France is Par", prefill=False)).through([chunk, TextDelta("Madrid")])
    assert usage in out
    assert not any(isinstance(event, TextDelta) and event.text for event in out)


def test_a_copy_that_broke_off_with_an_error_is_that_error() -> None:
    """What the provider says of its failure counts more than that it had come to nothing new."""
    failed = Finish("error", "network_error")
    seam = Seam(Join("The capital of France is Par", prefill=False, anchor="of France is Par"))
    assert seam.through([TextDelta("of Fran"), failed]) == [TextDelta(""), failed]


def test_reasoning_that_starts_afresh_is_numbered_behind_the_first() -> None:
    """Each block keeps its distance."""
    events = Afresh(3).through([ReasoningDelta("a", index=0), ReasoningDelta("b", index=1), TextDelta("c")])
    assert [getattr(event, "index", None) for event in events] == [3, 4, None]


def test_the_overlap_of_two_texts_is_the_longest() -> None:
    """Compared with the obvious way for all pairs of short texts of two letters."""
    texts = ["".join(letters) for size in range(6) for letters in itertools.product("ab", repeat=size)]
    for shown, new in itertools.product(texts, texts):
        if shown and new:
            longest = max(size for size in range(min(len(shown), len(new)) + 1) if shown.endswith(new[:size]))
            assert _overlap(shown, new) == longest, (shown, new)
        assert _common(shown, new) == max(size for size in range(6) if shown[:size] == new[:size] and size <= len(new))


def test_a_text_of_nothing_but_accents_has_no_anchor() -> None:
    """There is no character in front of which it could be cut."""
    assert anchor("\u0301" * 30) == ""


def test_a_members_chunk_becomes_what_it_holds_and_no_more() -> None:
    """Text alone, or with usage, or with a finish."""
    usage, finish = Usage(1, 2, 3), Finish("stop", "stop")
    for more in ({}, {"usage": usage}, {"finish": finish}, {"usage": usage, "finish": finish}):
        seam = Seam(Join("The capital of France is Par", prefill=False, anchor="of France is Par"))
        out = seam.through([MemberChunk(object(), text="of France is Paris.", has_content=True, **more)])
        assert out == [TextDelta("is."), *more.values()]


def test_what_is_held_at_the_end_comes_before_the_finish() -> None:
    """A text that goes on like the beginning of the partial, and ends there, was meant."""
    usage, finish = Usage(1, 2, 3), Finish("stop", "stop")
    seam = Seam(Join("The capital of France is Par", prefill=False))
    assert seam.through([TextDelta("The"), usage, finish]) == [TextDelta(""), usage, TextDelta("The"), finish]


def test_a_short_partial_is_its_own_anchor_whatever_it_is() -> None:
    """Up to the weight of an overlap that is recognised; more of the same letter tells nothing."""
    assert anchor("-" * 24) == "-" * 24
    assert anchor("-" * 25) == ""


def test_a_short_answer_that_copies_nothing_is_shown() -> None:
    """It was asked to copy, and went straight on."""
    join = Join("The capital of France is Par", prefill=False, anchor="of France is Par")
    assert join.feed("is.") + join.end() == "is."
    assert not join.has_diverged


def test_behind_a_prefill_all_that_was_shown_counts_against_max_tokens() -> None:
    """Nothing of it is asked for again."""
    request = LLMRequest(max_tokens=1000)
    partial = "word " * 180 + "and at the end of it all there is something that tells its place"
    copied = anchor(partial)
    assert copied
    assert continue_request(request, partial, prefill=True).max_tokens == 1000 - int(weight(partial) / 5)
    assert continue_request(request, partial, prefill=False).max_tokens == (
        1000 - int((weight(partial) - weight(copied)) / 5)
    )
