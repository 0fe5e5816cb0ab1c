"""Going on with a broken answer: when, how it is asked for, and how the two texts meet."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared_core.continuation import Course, continue_request, course
from shared_core.join import Join, is_telling, open_fence, weight
from shared_core.messages import Message, Reasoning, Text, ToolCall
from shared_core.request import BuiltinTool, JSONObject, JSONSchema, LLMRequest, Tool

QUESTION = Message.of("user", "Tell me about Paris.")
PLAIN = LLMRequest(messages=(QUESTION,))
PARIS = "The capital of France is Paris. It lies on the Sei"


def joined(partial: str, pieces: Iterable[str], *, prefill: bool = False) -> str | None:
    """What is shown behind `partial`; None if it cannot be joined."""
    join = Join(partial, prefill=prefill)
    shown = "".join([join.feed(piece) for piece in pieces] + [join.end()])
    if join.has_diverged:
        assert not shown
        assert not join.feed("and more")
        return None
    return shown


# ------------------------------------------------------------------------------------------------ when


@pytest.mark.parametrize(
    ("request_", "shown", "wanted"),
    [
        (PLAIN, {"text": "Paris is"}, Course.CONTINUE),
        (LLMRequest(extra_body={"top_k": 5, "text": {"verbosity": "low"}}), {"text": "a"}, Course.CONTINUE),
        (LLMRequest(extra_body={"tools": None}), {"text": "a"}, Course.CONTINUE),
        (PLAIN, {"text": ""}, Course.AFRESH),
        (PLAIN, {"text": "\n\n"}, Course.AFRESH),
        (LLMRequest(tools=(Tool("f"),)), {"text": ""}, Course.AFRESH),
        (LLMRequest(tools=(Tool("f"),)), {"text": "a"}, Course.WANTS_TOOLS),
        (LLMRequest(tools=(BuiltinTool({}, "openai"),), tool_choice="none"), {"text": "a"}, Course.WANTS_TOOLS),
        (LLMRequest(extra_body={"functions": []}), {"text": "a"}, Course.WANTS_TOOLS),
        (LLMRequest(response_format=JSONObject()), {"text": "{"}, Course.WANTS_FORM),
        (LLMRequest(response_format=JSONSchema("x", {})), {"text": "{"}, Course.WANTS_FORM),
        (LLMRequest(extra_body={"response_format": {"type": "json_object"}}), {"text": "{"}, Course.WANTS_FORM),
        (LLMRequest(extra_body={"text": {"format": {}}}), {"text": "{"}, Course.WANTS_FORM),
        (LLMRequest(extra_body={"generationConfig": {"responseSchema": {}}}), {"text": "{"}, Course.WANTS_FORM),
        (PLAIN, {"text": "", "has_tool_call": True}, Course.HAS_TOOL_CALL),
        (PLAIN, {"text": "", "has_refusal": True}, Course.HAS_REFUSAL),
    ],
)
def test_only_plain_text_is_continued(request_: LLMRequest, shown: dict[str, object], wanted: Course) -> None:
    """Tools, JSON, a tool call or a refusal forbid it, and without text the next target begins anew."""
    found = course(request_, **shown)
    assert found is wanted
    assert found.is_open == (wanted in {Course.CONTINUE, Course.AFRESH})


# ------------------------------------------------------------------------------------------------ asking


def test_a_prefill_ends_in_the_partial_without_its_trailing_white_space() -> None:
    """Anthropic refuses a last turn that ends in white space; reasoning would have to stand before the text."""
    request = LLMRequest(messages=(QUESTION,), reasoning_effort="high", temperature=0.5, max_tokens=100)
    made = continue_request(request, "Paris is \n", prefill=True)
    assert made.messages == (QUESTION, Message.of("assistant", "Paris is"))
    assert made.reasoning_effort is None
    assert made.temperature == 0.5
    assert made.max_tokens == 100


def test_a_target_without_prefill_is_asked_to_repeat_the_last_words() -> None:
    """The words come from the partial's end, and their repetition is long enough to be recognised."""
    request = LLMRequest(messages=(QUESTION,), reasoning_effort="high")
    made = continue_request(request, PARIS + " \n", prefill=False)
    assert made.messages[:2] == (QUESTION, Message.of("assistant", PARIS + " \n"))
    assert made.messages[2].role == "user"
    anchor = made.messages[2].text.rpartition(":\n\n")[2]
    assert anchor == "France is Paris. It lies on the Sei"[-len(anchor) :]
    assert joined(PARIS, [anchor + "ne."]) == "ne."
    assert made.reasoning_effort == "high"
    assert "code block" not in made.messages[2].text


@pytest.mark.parametrize(
    ("partial", "anchor"),
    [
        ("The capi", "The capi"),
        ("東京は日本の首都であり" * 20, ("東京は日本の首都であり" * 20)[-40:]),
        ("x" * 90 + "e\u0301" * 6 + "abcdefghijk" + "lmnopqrstuvwxyzabcdefghijklm", None),
        ("- one\n- two\n" * 9, "- one\n- two\n- one\n- two\n- one\n- two"),
    ],
)
def test_an_anchor_is_found_in_any_script(partial: str, anchor: str | None) -> None:
    """Short partials are their own anchor; without spaces it begins anywhere but at a combining character."""
    asked = continue_request(PLAIN, partial, prefill=False).messages[-1].text
    found = asked.rpartition(":\n\n")[2]
    assert partial.strip().endswith(found)
    assert found.startswith("e\u0301") if anchor is None else found == anchor


def test_where_nothing_tells_one_place_from_another_no_repetition_is_asked_for() -> None:
    """A ruler would be repeated a little too long or too short, and nobody could say."""
    asked = continue_request(PLAIN, "Table\n" + "-" * 200, prefill=False).messages[-1].text
    assert "-----" not in asked
    assert "exactly where it stopped" in asked


def test_an_open_code_block_is_named() -> None:
    """Chat models like to open it again."""
    asked = continue_request(PLAIN, "Look:\n```python\nx = 1\n", prefill=False)
    assert "code block" in asked.messages[-1].text


def test_the_callers_own_prefill_is_gone_on_with() -> None:
    """The partial belongs to the turn that the caller began; reasoning in it stays where it is."""
    begun = Message("assistant", (Reasoning("hm", origin="deepseek"), Text("Well,")))
    made = continue_request(LLMRequest(messages=(QUESTION, begun)), " yes", prefill=True)
    assert made.messages == (QUESTION, Message("assistant", (*begun.content, Text(" yes"))))


def test_a_turn_that_calls_tools_is_left_alone() -> None:
    """Text behind a call would tear the call from its result."""
    calling = Message("assistant", (ToolCall("call_1", "f"),))
    made = continue_request(LLMRequest(messages=(QUESTION, calling)), "yes", prefill=True)
    assert made.messages == (QUESTION, calling, Message.of("assistant", "yes"))


def test_a_request_without_messages_gets_the_partial_alone() -> None:
    """Nothing is made up around it."""
    assert continue_request(LLMRequest(), "yes", prefill=True).messages == (Message.of("assistant", "yes"),)


@pytest.mark.parametrize(
    ("limit", "characters", "left"),
    [(None, 5_000, None), (4_000, 5_000, 3_000), (1_000, 5_000, 256), (100, 5_000, 100), (300, 0, 300)],
)
def test_max_tokens_is_lowered_by_what_was_shown_but_not_to_nothing(
    limit: int | None, characters: int, left: int | None
) -> None:
    """The estimate is on the low side, and 256 tokens are left unless the caller wanted less."""
    request = LLMRequest(messages=(QUESTION,), max_tokens=limit)
    assert continue_request(request, "a b" * (characters // 2), prefill=True).max_tokens == left


def test_what_is_repeated_on_demand_costs_nothing_of_max_tokens() -> None:
    """The last words come twice, and only once from what the caller allowed."""
    made = continue_request(LLMRequest(max_tokens=1_000), "word " * 4, prefill=False)
    assert made.max_tokens == 1_000


# ------------------------------------------------------------------------------------------------ joining

CASES = {
    "it goes on": (PARIS, "ne, in the north.", "ne, in the north."),
    "it goes on with a space": ("Hello", " world", " world"),
    "it starts over": (PARIS, PARIS + "ne, in the north.", "ne, in the north."),
    "it starts over with other white space": (
        "# Paris\n\n\nIt lies  on",
        "# Paris\n\nIt lies on the Seine",
        " the Seine",
    ),
    "it starts over behind an empty line": ("It lies on", "\n\nIt lies on the Seine", " the Seine"),
    "it starts over and has no more to say": ("It lies on the Seine.", "It lies on the Seine.", ""),
    "it starts over, however short the beginning": ("I", "I am", " am"),
    "it repeats the last words": (PARIS, "lies on the Seine.", "ne."),
    "it repeats the last words behind a space": ("The quick brown fox", " brown fox jumps", " jumps"),
    "it repeats the last words behind an ellipsis": (PARIS, "...lies on the Seine.", "ne."),
    "it repeats the last words behind one character of ellipsis": (PARIS, "… lies on the Seine.", "ne."),
    "it repeats the last words and ends": (PARIS, "It lies on the Sei", ""),
    "it repeats the last sentence": ("One. Two is more than one.", "Two is more than one. Three", " Three"),
    "it begins the cut line again": ("1. Paris\n2. Lyon", "2. Lyon\n3. Nice", "\n3. Nice"),
    "it begins the cut line again, indented": ("def f(x):\n    return x", "    return x + 1", " + 1"),
    "it begins the cut line again, without its indentation": ("def f(x):\n    return x ", "return x + 1", "+ 1"),
    "it cries twice in a line": ("He said:\nHelp!", " Help!", " Help!"),
    "it has the same line twice": ("1. Paris\n2. Lyon\n", "2. Lyon\n", "2. Lyon\n"),
    "it laughs": ("He said:\nhahaha", "hahaha!", "hahaha!"),
    "it repeats a long last line": (
        "def total(items):\n    return sum(item.price for item in items)\n",
        "    return sum(item.price for item in items)\n\n\ndef main():",
        "\n\ndef main():",
    ),
    "it finishes the cut word": ("The capi", "tal of France", "tal of France"),
    "it says the cut word again in full": ("In France the capi", "capital is Paris", "tal is Paris"),
    "it repeats the last word without finishing it": ("It was very", "very good", "very good"),
    "it begins like the last word by chance": ("They were lost in", "interesting", "interesting"),
    "its first word has the last word in it": ("An unhappi", "happiness", "happiness"),
    "it repeats one letter by chance": ("The c", "cat", "cat"),
    "it repeats three letters by chance": ("I saw the", "theatre", "theatre"),
    "it repeats seven letters inside a line by chance": ("I love New York", "New York is", "New York is"),
    "it begins with two marks": ("I thought", "......no", "......no"),
    "it has eight letters of the opening in common": ("My answer is", "My answer has", None),
    "it emphasises": ("It was really", " really good", " really good"),
    "it repeats Chinese words": ("我们住在日本的首都东京", "日本的首都东京、很大", "、很大"),
    "it goes on in Chinese": ("我们住在东", "京、很大", "京、很大"),
    "it repeats one Chinese word by chance": ("他说谢谢", "谢谢大家", "谢谢大家"),
    "it goes on with a list": ("Items:\n- item\n- item\n", "- item\n- item\n", "- item\n- item\n"),
    "it goes on with short lines of code": ("x()\n    close()\n", "    close()\n", "    close()\n"),
    "it goes on with a ruler": ("Name\n------------", "------------\n", "------------\n"),
    "it goes on with a row of zeros": ("[0, 0, 0, 0, 0, 0", ", 0, 0, 0, 0, 0]", ", 0, 0, 0, 0, 0]"),
    "its beginning resembles the opening": (
        "The first planet is Mercury, the smallest one.\n",
        "The first planet has no moon.",
        "The first planet has no moon.",
    ),
    "it quotes from the middle and ends": ("One two three four five. Six", "two three four", "two three four"),
    "a space is doubled": ("Hello ", " world", "world"),
    "an indentation is doubled": ("if x:\n    ", "    return", "return"),
    "a paragraph ends": ("One.\n", "\nTwo.", "\nTwo."),
    "a paragraph ends behind a space": ("One. ", "\n\nTwo.", "\n\nTwo."),
    "the repeated line end is there already": ("A line of words\n", "A line of words\n\nNext", "\nNext"),
    "the line end that was shown stands for a space": ("A line of words\n", "A line of words and more", "and more"),
    "a sentence begins without its space": ("It is big.", "It has", " It has"),
    "a sentence goes on without a space": ("It is big,", "and old", "and old"),
    "an attribute goes on": ("Use `window.", "Location`", "Location`"),
    "code goes on": ("```js\nlet x = window.", "Location", "Location"),
    "a host name goes on": ("See https://www.python.", "Org", "Org"),
    "a number goes on": ("It costs 3.", "14", "14"),
    "it begins with an ellipsis of its own": ("I thought", "... maybe not", "... maybe not"),
    "it begins with a point": ("I thought", ". Then", ". Then"),
    "it ends within an ellipsis": ("I thought", "..", ".."),
    "it says nothing": ("I thought", "", ""),
    "it says nothing but white space": ("I thought ", " \n", "\n"),
    "it opens the open code block again": ("```python\nx = 1\n", "```python\ny = 2\n```", "y = 2\n```"),
    "it closes the code block": ("```python\nx = 1\n", "```\nDone.", "```\nDone."),
    "it opens an open code block without a name": ("```\nx = 1\n", "```\ny = 2", "```\ny = 2"),
    "it opens the code block again and repeats a line": (
        "Look:\n```python\na = 1\nbest_of_all = compute(numbers",
        "```python\nbest_of_all = compute(numbers, a)",
        ", a)",
    ),
    "it starts over and differs": (PARIS, "The capital of France is Paris. It is old.", None),
    "it starts over and ends too early": (PARIS, "The capital of France is Paris.", None),
    "it starts a short answer over and differs": ("The answer is", "The answer depends", None),
    "it starts a short answer over behind a comma and differs": ("The answer is,", "The answer depends", None),
    "its sentence begins like the one before": (
        "The answer is clear.",
        "The answer is long.",
        " The answer is long.",
    ),
    "it has half of a short answer in common": ("The answer is a castle", "The answer depends", None),
    "it has less than half of an answer in common": (
        "The answer is a journey",
        "The answer depends",
        "The answer depends",
    ),
    "it starts a long answer over in the middle of a sentence": (
        "The answer to your question is long" + " and winding" * 9,
        "The answer to your question is short",
        None,
    ),
    "it starts a long answer over and differs": ("abcdefghij" * 50 + ".\n", "abcdefghij" * 10 + "!", None),
    "it begins like a long answer": (
        "abcdefghij" * 50 + ".\n",
        "abcdefghij" * 9 + "abcdefghi!",
        "abcdefghij" * 9 + "abcdefghi!",
    ),
    "it starts over behind an ellipsis and differs": (PARIS, "...The capital of France is Paris. Not", None),
    "an accent comes late": ("He drinks cafe", "drinks cafe\u0301 au lait", "\u0301 au lait"),
    "nothing was shown": (" \n", " \nHello", " \nHello"),
}


@pytest.mark.parametrize(("partial", "new", "rest"), CASES.values(), ids=CASES)
def test_an_answer_that_was_asked_for_is_joined(partial: str, new: str, rest: str | None) -> None:
    """Repetitions go, everything else stays, in one piece as in single characters."""
    assert joined(partial, [new]) == rest
    assert joined(partial, new) == rest


PREFILL_CASES = {
    "it goes on": (PARIS, "ne.", "ne."),
    "a space that was cut off comes again": ("Hello ", " world", "world"),
    "a line end that was cut off comes again": ("One.\n", "\n\nTwo", "\nTwo"),
    "a space comes where a line end was shown": ("One.\n", " Two", "Two"),
    "an indentation comes where a line end was shown": ("One:\n", "  Two", "  Two"),
    "the space does not come": ("Hello ", "world", "world"),
    "repeated words are meant": (PARIS, "lies on the Sei", "lies on the Sei"),
    "an ellipsis is meant": (PARIS, "...lies on the Sei", "...lies on the Sei"),
    "a sentence is meant to begin at once": ("It is big.", "It", "It"),
    "the target repeats the prefill": (PARIS, PARIS + "ne.", "ne."),
    "a short beginning is meant twice": ("10", "100", "100"),
    "a short common beginning is meant": ("The answer is", "The answer depends", "The answer depends"),
    "the target starts over": (PARIS, "The capital of France is Paris. It is old.", None),
}


@pytest.mark.parametrize(("partial", "new", "rest"), PREFILL_CASES.values(), ids=PREFILL_CASES)
def test_a_prefill_is_trusted(partial: str, new: str, rest: str | None) -> None:
    """Only white space that was cut off, and a target that starts over, are looked for."""
    assert joined(partial, [new], prefill=True) == rest
    assert joined(partial, new, prefill=True) == rest


def test_nothing_is_held_back_once_the_text_is_known_to_be_new() -> None:
    """The first piece that stands nowhere in the partial is shown with all that was held."""
    join = Join(PARIS, prefill=False)
    assert join.feed("The") == ""
    assert join.feed(" riv") == "The riv"
    assert join.feed("er") == "er"
    assert join.end() == ""
    assert join.dropped == 0


def test_a_prefill_shows_its_first_piece_at_once() -> None:
    """Unless it begins like the whole partial."""
    assert Join(PARIS, prefill=True).feed("on the") == "on the"


def test_dropped_characters_are_counted() -> None:
    """White space and a mark in front included."""
    join = Join(PARIS, prefill=False)
    assert join.feed("... lies on the Seine") == "ne"
    assert join.dropped == len("... lies on the Sei")


def test_endless_white_space_is_not_held_for_ever() -> None:
    """At most twice the partial and a little is held, whatever comes."""
    join = Join("Hello", prefill=False)
    shown = [join.feed(" ") for _ in range(1_000)]
    assert sum(map(len, shown)) == 1_000
    assert shown.index("") == 0
    assert len(next(filter(None, shown))) <= 2 * len("Hello") + 64


def test_a_periodic_text_takes_linear_time() -> None:
    """Twenty thousand equal characters are judged well within the time of a test."""
    assert joined("a" * 20_000 + "b", ["a" * 19_999 + "c"]) is None
    assert joined("b" + "a" * 20_000, ["a" * 19_999 + "c"]) == "a" * 19_999 + "c"


def test_a_character_of_a_dense_script_weighs_two() -> None:
    """Han, kana and Hangul say about twice as much as a letter; white space says nothing."""
    assert [weight(text) for text in ("ab", "é ß", "東", "か", "한", "")] == [2, 2, 2, 2, 2, 0]


def test_few_different_characters_tell_nothing() -> None:
    """Five letters, or three of a dense script, are the least."""
    assert is_telling("abcdeabc", 8)
    assert not is_telling("abcdabcd", 8)
    assert not is_telling("abcdeab", 8)
    assert is_telling("東京都東", 8)
    assert not is_telling("東京東京", 8)


@pytest.mark.parametrize(
    ("text", "fence"),
    [
        ("plain", None),
        ("```", "```"),
        ("```py\nx\n```\n", None),
        ("```py\nx\n~~~\n", "```py"),
        ("````\n```\n", "````"),
        ("~~~ sh\n~~~ x", "~~~ sh"),
        ("    ```\n", None),
    ],
)
def test_open_code_blocks_are_seen(text: str, fence: str | None) -> None:
    """A block is closed by a fence of its own kind, at least as long, with nothing behind it."""
    assert open_fence(text) == fence


# ------------------------------------------------------------------------------------------------ for any text

any_text = settings(max_examples=60, deadline=None)  # a busy machine is no failure

WORDS = st.lists(
    st.sampled_from(
        ["the", "of", "item", "-", "Paris", "Seine.", "capital\n", "東京", "...", "```py\n", "e\u0301", "\U0001f600"]
    )
)
TEXTS = st.one_of(
    st.text(max_size=40),
    st.text("ab \n.", max_size=40),
    st.tuples(WORDS, st.sampled_from(["", " ", "\n"])).map(lambda made: made[1].join(made[0])),
)


@st.composite
def broken(draw: st.DrawFn) -> tuple[str, str]:
    """A partial and a new answer that often has to do with it."""
    partial = draw(TEXTS)
    start = draw(st.integers(0, len(partial)))
    stop = draw(st.one_of(st.just(len(partial)), st.integers(start, len(partial))))
    new = draw(st.sampled_from(["", " ", "\n", "...", "…", "```py\n"])) + partial[start:stop] + draw(TEXTS)
    return partial, new


@any_text
@given(broken(), st.lists(st.integers(1, 9)), st.booleans())
def test_how_the_new_text_is_cut_makes_no_difference(texts: tuple[str, str], sizes: list[int], prefill: bool) -> None:
    """In one piece, in any pieces, in single characters."""
    partial, new = texts
    pieces, rest = [], new
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    whole = joined(partial, [new], prefill=prefill)
    assert joined(partial, [*pieces, rest], prefill=prefill) == whole
    assert joined(partial, new, prefill=prefill) == whole


@any_text
@given(TEXTS, TEXTS, st.booleans())
def test_after_a_repetition_of_everything_the_rest_is_shown_exactly(partial: str, rest: str, prefill: bool) -> None:
    """However short the partial is, unless a prefill says that the repetition may be meant."""
    assume(weight(partial) >= (8 if prefill else 1))
    assert joined(partial, [partial + rest], prefill=prefill) == rest


LOWER = st.text("abcdefghijklmnop \n", min_size=1, max_size=120)
OTHER = st.text("QRSTUVWXYZ0123456789 \n", max_size=60)


@any_text
@given(LOWER, st.text("abcdefghijklmnop \n", min_size=30), OTHER)
def test_after_a_telling_overlap_the_rest_is_shown_exactly(partial: str, suffix: str, rest: str) -> None:
    """Whatever follows, down to its white space."""
    assume(is_telling(suffix, 24))
    assert joined(partial + suffix, suffix + rest) == rest


@any_text
@given(LOWER, OTHER)
def test_a_text_that_has_nothing_in_common_is_shown_exactly(partial: str, new: str) -> None:
    """Except for white space that stands at the seam already."""
    assume(partial.strip() and not (partial[-1].isspace() and new[:1].isspace()))
    assert joined(partial, [new]) == new


def bare(text: str) -> str:
    return "".join(text.split())


def unmarked(text: str) -> tuple[str, ...]:
    """`text` without white space, as it is and without each mark that may stand in front."""
    return tuple(bare(text).removeprefix(mark) for mark in ("", "...", "…", "```py"))


@any_text
@given(broken(), st.booleans())
def test_nothing_is_lost_but_a_repetition(texts: tuple[str, str], prefill: bool) -> None:
    """What is shown is an end of the new text, and the rest repeats an end of the partial, but for spaces and marks."""
    partial, new = texts
    join = Join(partial, prefill=prefill)
    shown = join.feed(new) + join.end()
    if join.has_diverged:
        assert any(bare(partial).startswith(text[:4]) for text in unmarked(new))
        return
    if shown not in new:
        assert shown[0] == " "
        assert not partial[-1].isspace()
        shown = shown[1:]
    assert new.endswith(shown)
    lost = new[: len(new) - len(shown)]
    assert join.dropped == len(lost)
    assert bare(partial).endswith(unmarked(lost))


@any_text
@given(broken(), st.booleans())
def test_no_more_is_held_than_the_partial_and_a_little(texts: tuple[str, str], prefill: bool) -> None:
    """After each character."""
    partial, new = texts
    join = Join(partial, prefill=prefill)
    shown = 0
    for taken, char in enumerate(new, 1):
        shown += len(join.feed(char))
        held = taken - shown - join.dropped
        assert join.has_diverged or held <= 2 * len(partial) + 64
