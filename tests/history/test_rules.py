"""Each rule of history hygiene, told by an example."""

from __future__ import annotations

import re

import pytest

from shared_core.history import prepare
from shared_core.history.blocks import MADE
from shared_core.history.calls import NO_RESULT
from shared_core.history.turns import ACKNOWLEDGED, OPENING
from shared_core.messages import Audio, Block, Document, Image, Message, Opaque, Reasoning, Text, ToolCall, ToolResult
from shared_core.providers.base import Vendor

OPENAI = Vendor(name="openai", tool_id=r".{1,40}")
ANTHROPIC = Vendor(
    name="anthropic", wire="anthropic", tool_id=r"[a-zA-Z0-9_-]+", understands_marks=frozenset({"cache_control"})
)
GEMINI = Vendor(name="gemini", wire="gemini")
MISTRAL = Vendor(name="mistral", tool_id=r"[a-zA-Z0-9]{9}", alternates=True)
RESPONSES = Vendor(name="openai", wire="responses")

USER = Message.of("user", "Weather in Rome and Oslo?")


def calling(*calls: ToolCall) -> Message:
    return Message("assistant", calls)


def answering(*results: ToolResult) -> Message:
    return Message("tool", results)


def result(call_id: str, text: str = "sunny", **more: object) -> ToolResult:
    return ToolResult(call_id, (Text(text),), **more)


ROME, OSLO = ToolCall("call_1", "weather", '{"city":"Rome"}'), ToolCall("call_2", "weather", '{"city":"Oslo"}')


def roles(messages: tuple[Message, ...]) -> list[str]:
    return [message.role for message in messages]


def blocks(messages: tuple[Message, ...], kind: type[Block]) -> list[Block]:
    return [block for message in messages for block in message.content if isinstance(block, kind)]


class TestUntouched:
    def test_valid_history_comes_back_as_the_same_object(self, vendor: Vendor) -> None:
        """Nothing is copied when nothing needs changing."""
        call = ToolCall("a12345678", "weather", "{}")
        history = (
            Message.of("system", "Be brief."),
            USER,
            calling(call),
            answering(ToolResult("a12345678", (Text("sunny"),), name="weather")),
            Message.of("assistant", "Sunny."),
        )
        if vendor.name == "odd":
            history = history[:2]
        assert prepare(history, vendor) is history

    def test_unchanged_messages_of_a_changed_history_are_the_same_objects(self) -> None:
        """A repair at one place leaves the others alone."""
        history = (USER, Message.of("assistant", ""), Message.of("assistant", "Sunny."))
        out = prepare(history, OPENAI)
        assert [id(message) for message in out] == [id(history[0]), id(history[2])]

    def test_nothing_stays_nothing(self, vendor: Vendor) -> None:
        """An empty history is the caller's business."""
        assert prepare((), vendor) == ()

    def test_trailing_assistant_message_stays(self, vendor: Vendor) -> None:
        """Whether a target continues a partial answer is not decided here."""
        history = (USER, Message.of("assistant", "The weather in"))
        assert prepare(history, vendor) is history


class TestIds:
    def test_accepted_ids_stay(self) -> None:
        """An id that the target accepts is not rewritten."""
        history = (USER, calling(ROME, OSLO), answering(result("call_1"), result("call_2")))
        assert prepare(history, ANTHROPIC) is history

    @pytest.mark.parametrize("old", ["call_1", "toolu_01A", "functions.weather:0", "x" * 90, "ä", "\ud800"])
    def test_rewritten_id_fits_and_is_the_same_on_both_sides(self, old: str) -> None:
        """Call and result keep together under the new id."""
        out = prepare((USER, calling(ToolCall(old, "f")), answering(result(old))), MISTRAL)
        (call,), (answer,) = blocks(out, ToolCall), blocks(out, ToolResult)
        assert re.fullmatch(r"[a-zA-Z0-9]{9}", call.id)
        assert answer.call_id == call.id

    def test_rewritten_id_does_not_change_when_the_history_grows(self) -> None:
        """The prefix of a prompt stays the same from turn to turn."""
        history = (USER, calling(ROME, OSLO), answering(result("call_1"), result("call_2")))
        grown = (*history, Message.of("assistant", "Sunny."), USER, calling(ToolCall("call_3", "f")))
        assert prepare(grown, MISTRAL)[:2] == prepare(history, MISTRAL)[:2]

    def test_new_id_avoids_an_id_that_is_there(self) -> None:
        """A hash that is taken is not given twice."""
        first = prepare((USER, calling(ROME)), MISTRAL)
        taken = blocks(first, ToolCall)[0].id
        out = prepare((USER, calling(ROME), answering(result("call_1")), calling(ToolCall(taken, "f"))), MISTRAL)
        ids = [call.id for call in blocks(out, ToolCall)]
        assert ids[1] == taken
        assert len(set(ids)) == 2

    def test_ids_used_in_two_turns_are_told_apart(self) -> None:
        """Each turn's result goes to that turn's call."""
        history = (
            USER,
            calling(ToolCall("weather", "weather")),
            answering(result("weather", "sunny")),
            calling(ToolCall("weather", "weather")),
            answering(result("weather", "rain")),
        )
        out = prepare(history, OPENAI)
        first, second = blocks(out, ToolCall)
        assert first.id == "weather" != second.id
        assert [(r.call_id, r.content[0].text) for r in blocks(out, ToolResult)] == [
            ("weather", "sunny"),
            (second.id, "rain"),
        ]

    def test_result_belongs_to_the_latest_open_call_of_its_id(self) -> None:
        """An older call under the same id that was never answered does not take the newer one's result."""
        again = calling(ToolCall("weather", "weather"))
        out = prepare((USER, again, USER, again, answering(result("weather", "rain"))), OPENAI)
        assert [r.content[0].text for r in blocks(out, ToolResult)] == [NO_RESULT, "rain"]

    def test_ids_used_twice_in_one_turn_are_answered_in_order(self) -> None:
        """Parallel calls under one id take the results as they come."""
        history = (
            USER,
            calling(ToolCall("f", "f", '{"a":1}'), ToolCall("f", "f", '{"a":2}')),
            answering(result("f", "1"), result("f", "2")),
        )
        out = prepare(history, OPENAI)
        assert [r.call_id for r in blocks(out, ToolResult)] == [c.id for c in blocks(out, ToolCall)]
        assert [r.content[0].text for r in blocks(out, ToolResult)] == ["1", "2"]
        assert len({c.id for c in blocks(out, ToolCall)}) == 2

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (ToolResult("", (Text("o"),), name="oslo"), ToolResult("", (Text("r"),), name="rome")),
            (ToolResult("oslo", (Text("o"),)), ToolResult("rome", (Text("r"),))),
        ],
    )
    def test_calls_without_ids_are_answered_by_name(self, first: ToolResult, second: ToolResult) -> None:
        """Gemini's dialects name the function where others have an id."""
        out = prepare((USER, calling(ToolCall("", "rome"), ToolCall("", "oslo")), answering(first, second)), OPENAI)
        assert [r.content[0].text for r in blocks(out, ToolResult)] == ["r", "o"]
        assert [r.call_id for r in blocks(out, ToolResult)] == [c.id for c in blocks(out, ToolCall)]
        assert all(call.id for call in blocks(out, ToolCall))

    def test_results_without_id_or_name_are_taken_in_order(self) -> None:
        """Position is all that is left to go by."""
        out = prepare((USER, calling(ROME, OSLO), answering(result("", "r"), result("", "o"))), OPENAI)
        assert blocks(out, ToolResult) == [result("call_1", "r"), result("call_2", "o")]

    def test_same_calls_without_ids_get_different_ones(self) -> None:
        """Two equal calls are two calls."""
        out = prepare((USER, calling(ToolCall("", "f"), ToolCall("", "f"))), OPENAI)
        assert len({call.id for call in blocks(out, ToolCall)}) == 2

    @pytest.mark.parametrize(
        ("model", "pattern"),
        [
            ("mistralai/mistral-large", "[a-zA-Z0-9]{9}"),
            ("Mixtral-8x7B", "[a-zA-Z0-9]{9}"),
            ("anthropic/claude-sonnet-4", "[a-zA-Z0-9_-]{1,64}"),
            ("llama-3.3-70b", r"functions\.f:0"),
        ],
    )
    def test_model_family_counts_where_the_vendor_takes_any_id(self, model: str, pattern: str) -> None:
        """A gateway passes ids through to a model that checks them."""
        gateway = Vendor(name="openrouter")
        out = prepare((USER, calling(ToolCall("functions.f:0", "f"))), gateway, model=model)
        assert re.fullmatch(pattern, blocks(out, ToolCall)[0].id)

    def test_pattern_that_nothing_fits_leaves_ids_alone(self) -> None:
        """An impossible pattern does not make ids worse."""
        vendor = Vendor(name="impossible", tool_id="x?")
        history = (USER, calling(ROME), answering(result("call_1")))
        assert prepare(history, vendor) is history


class TestPairing:
    def test_call_without_result_gets_an_error_result(self) -> None:
        """The model learns that nothing came back."""
        out = prepare((USER, calling(ROME, OSLO), answering(result("call_2")), USER), OPENAI)
        assert roles(out) == ["user", "assistant", "tool", "tool", "user"]
        assert out[2] == answering(ToolResult("call_1", (Text(NO_RESULT),), name="weather", is_error=True))
        assert out[3] == answering(result("call_2"))

    def test_open_calls_of_the_last_turn_are_answered_too(self, vendor: Vendor) -> None:
        """A request that ends with open calls is refused by every provider."""
        out = prepare((USER, calling(ROME, OSLO)), vendor)
        assert roles(out) == ["user", "assistant", "tool"]
        assert [r.is_error for r in blocks(out, ToolResult)] == [True, True]

    def test_result_without_call_becomes_text_of_the_user(self) -> None:
        """What an orphan says is not lost."""
        image = Image(url="https://example.org/map.png")
        orphan = ToolResult("call_9", (Text("sunny"), image), name="weather")
        out = prepare((USER, answering(orphan), Message.of("assistant", "Sunny.")), OPENAI)
        assert out[1] == Message("user", (Text("Result of tool call weather call_9:\nsunny"), image))

    @pytest.mark.parametrize(
        ("content", "text"),
        [((), "Error of tool call call_9: (nothing)"), ((Image(data="aa"),), "Error of tool call call_9:")],
    )
    def test_orphan_without_text_is_announced(self, content: tuple[Image, ...], text: str) -> None:
        """An image alone does not say where it comes from."""
        out = prepare((USER, answering(ToolResult("call_9", content, is_error=True))), OPENAI)
        assert out[1] == Message("user", (Text(text), *content))

    def test_result_before_its_call_is_an_orphan(self) -> None:
        """Nobody answers what has not been asked."""
        out = prepare((USER, answering(result("call_1")), calling(ROME)), OPENAI)
        assert roles(out) == ["user", "user", "assistant", "tool"]
        assert out[3].content[0].is_error

    def test_result_under_an_unknown_id_is_an_orphan(self) -> None:
        """The function's name does not make up for an id that says something else."""
        out = prepare((USER, calling(ROME), answering(result("call_9", name="weather"))), OPENAI)
        assert roles(out) == ["user", "assistant", "tool", "user"]
        assert out[2].content[0].is_error

    def test_late_results_move_behind_their_call_in_its_order(self) -> None:
        """Results stand directly behind their calls, in the order of the calls."""
        late = (USER, calling(ROME, OSLO), Message.of("user", "Hurry!"), answering(result("call_2"), result("call_1")))
        out = prepare(late, OPENAI)
        assert roles(out) == ["user", "assistant", "tool", "user"]
        assert [r.call_id for r in out[2].content] == ["call_1", "call_2"]

    def test_results_in_separate_messages_stay_separate(self) -> None:
        """Where roles need not alternate, the messages stay as they came."""
        history = (USER, calling(ROME, OSLO), answering(result("call_1")), answering(result("call_2")))
        assert prepare(history, OPENAI) is history
        assert roles(prepare(history, ANTHROPIC)) == ["user", "assistant", "tool"]

    def test_same_result_again_is_dropped(self) -> None:
        """A repetition says nothing new."""
        history = (USER, calling(ROME), answering(result("call_1")), answering(result("call_1")))
        assert prepare(history, OPENAI) == history[:3]

    def test_other_result_of_an_answered_call_becomes_text(self) -> None:
        """Two different results cannot both be the result."""
        history = (USER, calling(ROME), answering(result("call_1")), answering(result("call_1", "rain")))
        out = prepare(history, OPENAI)
        assert out[:3] == history[:3]
        assert out[3] == Message.of("user", "Result of tool call call_1:\nrain")

    def test_results_inside_a_user_message_get_their_own(self) -> None:
        """Anthropic's own form, results and text in one user message, is understood."""
        history = (USER, calling(ROME), Message("user", (result("call_1"), Text("And Oslo?"))))
        assert prepare(history, OPENAI) == (
            USER,
            calling(ROME),
            answering(result("call_1")),
            Message.of("user", "And Oslo?"),
        )

    def test_results_inside_the_models_turn_get_their_own(self) -> None:
        """A turn that holds calls and results is taken apart."""
        both = Message("assistant", (ROME, result("call_1"), Text("Sunny.")))
        out = prepare((USER, both), OPENAI)
        assert out == (USER, Message("assistant", (ROME, Text("Sunny."))), answering(result("call_1")))

    def test_text_in_a_tool_message_becomes_the_users(self) -> None:
        """Only results may stand in a message of role "tool"."""
        history = (USER, calling(ROME), Message("tool", (result("call_1"), Text("note"))), Message.of("tool", "bare"))
        out = prepare(history, OPENAI)
        assert out[2:] == (answering(result("call_1")), Message.of("user", "note"), Message.of("user", "bare"))

    def test_call_in_the_users_mouth_is_dropped(self) -> None:
        """No wire has a form for it; its result stays readable."""
        out = prepare((Message("user", (Text("Hi"), ROME)), answering(result("call_1"))), OPENAI)
        assert not blocks(out, ToolCall)
        assert "sunny" in out[1].text

    def test_gemini_results_carry_the_functions_name(self) -> None:
        """A Gemini result is sent under the function's name."""
        out = prepare((USER, calling(ROME), answering(result("call_1"))), GEMINI)
        assert blocks(out, ToolResult)[0].name == "weather"


class TestBlocks:
    def test_reasoning_and_signatures_go_home_only(self, vendor: Vendor) -> None:
        """What `origin` made is kept for it, and for nobody else."""
        thought = Reasoning("hm", signature="sig", origin="anthropic")
        call = ToolCall("a12345678", "f", signature="sig", origin="anthropic")
        turn = Message("assistant", (thought, Text("Well.", signature="sig", origin="anthropic"), call))
        out = prepare((USER, turn, answering(ToolResult("a12345678", (Text("1"),), name="f"))), vendor)
        is_home = vendor.name == "anthropic"
        assert bool(blocks(out, Reasoning)) == is_home
        assert (blocks(out, ToolCall)[0].signature == "sig") == is_home
        assert (out[1].content[-2].signature == "sig") == is_home

    def test_signature_without_origin_is_foreign(self, vendor: Vendor) -> None:
        """A signature that nobody vouches for is not sent."""
        turn = Message("assistant", (Reasoning("hm", signature="s"), Text("Well.", signature="s")))
        assert prepare((USER, turn), vendor) == (USER, Message.of("assistant", "Well."))

    def test_opaque_blocks_go_home_only(self) -> None:
        """A provider's own block is readable for that provider alone."""
        search = Opaque({"type": "server_tool_use"}, origin="anthropic")
        history = (USER, Message("assistant", (search, Text("Found."))))
        assert prepare(history, ANTHROPIC) is history
        assert prepare(history, OPENAI)[1] == Message.of("assistant", "Found.")

    @pytest.mark.parametrize("thought", [Reasoning(origin="anthropic"), Reasoning(id="rs_1", origin="anthropic")])
    def test_reasoning_that_says_nothing_is_dropped(self, thought: Reasoning) -> None:
        """An id alone is no reasoning."""
        out = prepare((USER, Message("assistant", (thought, Text("Well.")))), ANTHROPIC)
        assert out == (USER, Message.of("assistant", "Well."))

    def test_reasoning_alone_is_no_message(self) -> None:
        """A turn of nothing but thought is refused."""
        thought = Message("assistant", (Reasoning("hm", signature="s", origin="anthropic"),))
        assert prepare((USER, thought), ANTHROPIC) == (USER,)

    @pytest.mark.parametrize(("vendor", "kept"), [(ANTHROPIC, 0), (RESPONSES, 0), (GEMINI, 1)])
    def test_reasoning_at_the_end_of_a_turn(self, vendor: Vendor, kept: int) -> None:
        """Some wires refuse reasoning that nothing follows."""
        turn = Message("assistant", (Text("Well."), Reasoning("hm", data="x", origin=vendor.name)))
        assert len(blocks(prepare((USER, turn), vendor), Reasoning)) == kept

    def test_marks_are_kept_where_they_are_understood(self) -> None:
        """Marks travel key by key; the caller's mapping is not touched."""
        marks = {"cache_control": {"type": "ephemeral"}, "other": 1}
        marked = Message("user", (Text("Hi", marks=marks), Image(url="https://example.org/x.png", marks=marks)))
        out = prepare((marked,), ANTHROPIC)
        assert [block.marks for block in out[0].content] == [{"cache_control": {"type": "ephemeral"}}] * 2
        assert [block.marks for block in prepare((marked,), OPENAI)[0].content] == [None, None]
        assert prepare(out, ANTHROPIC) is out
        assert set(marks) == {"cache_control", "other"}

    def test_marks_of_calls_results_and_their_parts(self) -> None:
        """Marks are stripped at every depth."""
        marks = {"cache_control": {}}
        history = (
            USER,
            calling(ToolCall("c", "f", marks=marks)),
            answering(ToolResult("c", (Text("1", marks=marks), Text("")), marks=marks)),
        )
        assert prepare(history, OPENAI) == (USER, calling(ToolCall("c", "f")), answering(result("c", "1")))

    @pytest.mark.parametrize("empty", [Text(""), Image(), Audio(), Document(), Image(mime_type="image/png")])
    def test_empty_blocks_are_dropped(self, empty: Text | Image | Audio | Document, vendor: Vendor) -> None:
        """A block that says nothing is refused by some and missed by none."""
        assert prepare((Message("user", (Text("Hi"), empty)),), vendor) == (Message.of("user", "Hi"),)

    @pytest.mark.parametrize(
        "full", [Image(data="aa"), Audio(url="https://example.org/a.mp3"), Document(text="x"), Document(file_id="f")]
    )
    def test_full_blocks_stay(self, full: Image | Audio | Document, vendor: Vendor) -> None:
        """One source is enough."""
        history = (Message("user", (full,)),)
        assert prepare(history, vendor) is history

    def test_images_that_the_model_made_become_the_users(self, vendor: Vendor) -> None:
        """Only Gemini takes them in the model's turn; calls of that turn still get their results first."""
        image = Image(data="aa")
        call = ToolCall("a12345678abc"[: 12 if vendor.name == "odd" else 9], "f")
        turn = Message("assistant", (Text("Here:"), image, call))
        answer = answering(ToolResult(call.id, (Text("1"),), name="f"))
        out = prepare((USER, turn, answer), vendor)
        if vendor.wire == "gemini":
            assert out == (USER, turn, answer)
        else:
            assert out[1:3] == (Message("assistant", (Text("Here:"), call)), answer)
            assert out[-1] == Message("user", (Text(MADE), image))
        alone = prepare((USER, Message("assistant", (image,))), vendor)
        assert blocks(alone, Image) == [image]

    def test_white_space_alone_is_empty_for_anthropic(self) -> None:
        """Elsewhere it may be the line between two blocks."""
        history = (Message("user", (Text("a"), Text("\n"), Text("b"))),)
        assert prepare(history, OPENAI) is history
        assert prepare(history, ANTHROPIC) == (Message("user", (Text("a"), Text("b"))),)

    def test_empty_text_with_a_signature_stays_at_home(self) -> None:
        """Gemini signs an empty part at the end of a turn."""
        history = (USER, Message("assistant", (Text("Hi"), Text("", signature="s", origin="gemini"))))
        assert prepare(history, GEMINI) is history
        assert prepare(history, OPENAI) == (USER, Message.of("assistant", "Hi"))

    def test_empty_message_goes_and_calls_keep_theirs(self) -> None:
        """An assistant's empty text beside calls goes; the calls stay."""
        turn = Message("assistant", (Text(""), ROME))
        out = prepare((USER, turn, answering(result("call_1")), Message.of("assistant", "")), OPENAI)
        assert out == (USER, calling(ROME), answering(result("call_1")))

    def test_call_without_a_name_is_dropped(self) -> None:
        """Nobody can make it; what is said beside it stays."""
        turn = Message("assistant", (Text("Let me see."), ToolCall("c", "")))
        assert prepare((USER, turn), OPENAI) == (USER, Message.of("assistant", "Let me see."))

    def test_missing_arguments_are_an_empty_object(self) -> None:
        """Calls without arguments come as an empty string from some providers."""
        assert prepare((USER, calling(ToolCall("c", "f", ""))), OPENAI)[1] == calling(ToolCall("c", "f", "{}"))

    def test_nothing_left_becomes_an_opening(self, vendor: Vendor) -> None:
        """A conversation does not become empty."""
        assert prepare((Message("user"),), vendor) == (Message.of("user", OPENING),)


class TestRoles:
    @pytest.mark.parametrize("strict", [ANTHROPIC, GEMINI, MISTRAL])
    def test_turns_of_one_role_are_merged(self, strict: Vendor) -> None:
        """Blocks stay blocks; the roles alternate."""
        history = (
            USER,
            Message.of("user", "Quick!"),
            Message.of("assistant", "Sunny,"),
            Message.of("assistant", "warm."),
        )
        out = prepare(history, strict)
        assert roles(out) == ["user", "assistant"]
        assert out[0].content == (USER.content[0], Text("Quick!"))
        assert prepare(history, OPENAI) is history

    def test_merged_turns_of_two_speakers_have_no_name(self) -> None:
        """A name that is true of half a message is not true."""
        ann, bob = Message("user", (Text("a"),), name="ann"), Message("user", (Text("b"),), name="bob")
        assert prepare((ann, bob), ANTHROPIC)[0].name is None
        assert prepare((ann, ann), ANTHROPIC)[0].name == "ann"

    @pytest.mark.parametrize("strict", [ANTHROPIC, GEMINI, MISTRAL])
    def test_later_system_message_becomes_text_at_its_place(self, strict: Vendor) -> None:
        """Leading system messages stay, later ones keep their place."""
        chart = Image(url="https://example.org/c.png")
        late = Message("system", (Text("In French."), chart))
        history = (Message.of("system", "Be brief."), USER, Message.of("assistant", "Sunny."), late)
        out = prepare(history, strict)
        assert out[:3] == history[:3]
        assert out[3] == Message("user", (Text("<system>\nIn French.\n</system>"), chart))
        assert prepare(history, OPENAI) is history

    @pytest.mark.parametrize("strict", [ANTHROPIC, GEMINI, MISTRAL])
    def test_conversation_that_the_assistant_begins_is_opened(self, strict: Vendor) -> None:
        """The first turn is the user's."""
        history = (Message.of("system", "Be brief."), Message.of("assistant", "Hello!"), USER)
        assert prepare(history, strict) == (history[0], Message.of("user", OPENING), *history[1:])

    @pytest.mark.parametrize("strict", [ANTHROPIC, GEMINI, MISTRAL])
    def test_system_message_alone_is_followed_by_an_opening(self, strict: Vendor) -> None:
        """Instructions alone are no conversation."""
        history = (Message.of("system", "Write a haiku."),)
        assert prepare(history, strict) == (*history, Message.of("user", OPENING))
        assert prepare(history, OPENAI) is history

    def test_template_gets_a_turn_between_result_and_user(self) -> None:
        """Chat templates refuse a user's turn right behind a tool's result."""
        history = (USER, calling(ToolCall("a12345678", "f")), answering(result("a12345678")), USER)
        assert prepare(history, MISTRAL) == (*history[:3], Message.of("assistant", ACKNOWLEDGED), USER)
        for wire in ("anthropic", "gemini"):
            joining = Vendor(name=wire, wire=wire, alternates=True)
            assert roles(prepare(history, joining)) == ["user", "assistant", "tool", "user"]
        named = (*history[:2], answering(result("a12345678", name="f")), USER)
        assert prepare(named, GEMINI) is named

    def test_templates_rule_counts_wherever_the_model_is_served(self) -> None:
        """A gateway passes the roles through to a template that checks them."""
        gateway = Vendor(name="openrouter")
        history = (USER, calling(ToolCall("a12345678", "f")), answering(result("a12345678")), USER)
        assert prepare(history, gateway, model="mistralai/devstral-medium") == prepare(history, MISTRAL)
        assert prepare(history, gateway, model="openai/gpt-4.1") is history
