"""What is dug out of a body: which words are the message, what is a code, and how far it is looked at."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared_core import classify_response
from shared_core.classify.body import BODY_LIMIT, TEXT_LIMIT, dig, lower_headers, safe_text
from shared_core.errors import ErrorKind

K = ErrorKind


# Messages


def test_the_deepest_message_is_the_providers_own() -> None:
    """What stands around it was added on the way."""
    body = {"message": "Our gateway could not do what it was asked for.", "error": {"message": "Too busy."}}
    assert classify_response(502, body).message == "Too busy."


def test_of_two_messages_side_by_side_the_longer_one_is_told() -> None:
    """It says more, whichever comes first."""
    body = {"error": {"message": "Zero.", "detail": "A worker of ours has crashed."}}
    assert classify_response(500, body).message == "A worker of ours has crashed."
    assert classify_response(500, {"error": dict(reversed(body["error"].items()))}).message == (
        "A worker of ours has crashed."
    )


def test_a_sentence_under_any_other_key_is_no_message() -> None:
    """It is read, but not told while there is a message."""
    body = {"message": "It broke.", "details": {"remark": "Somebody has said more than that."}}
    assert classify_response(500, body).message == "It broke."
    assert dig(body).prose == "It broke. | Somebody has said more than that."
    assert dig({"message": "It broke.", "details": ["Somebody has said more than that."]}).message == "It broke."


def test_a_body_that_is_a_text_is_the_message() -> None:
    """As it was written: an address is not cut short in it, though its path does not speak."""
    evidence = dig("Your balance? See https://acme.example/out-of-credits now.")
    assert evidence.message == "Your balance? See https://acme.example/out-of-credits now."
    assert evidence.prose == "Your balance? See acme.example now."


def test_the_message_of_json_that_was_cut_is_found() -> None:
    """A log or a proxy keeps only the first characters of a body."""
    whole = json.dumps({"error": {"message": "Please slow down a little.", "param": None, "type": "requests"}})
    assert classify_response(429, whole[:70]).message == "Please slow down a little."


def test_a_message_inside_a_message_is_the_deeper_of_the_two() -> None:
    """Also where the inner body was cut, and beside longer words."""
    cut = 'upstream: {"message": "Too busy.", "co'
    body = {"message": cut, "detail": "Our gateway could not do what it was asked for."}
    assert classify_response(502, body).message == "Too busy."
    whole = 'Our gateway got this from the provider: {"message": "Too busy."}'
    assert classify_response(502, whole).message == "Too busy."


def test_what_stands_around_a_document_is_read_as_well() -> None:
    """A client's text holds the status, and then the body."""
    assert dig('Error code: 429 - {"message": "Hm."} was said').prose == "Hm. | Error code: 429 - was said"
    assert classify_response(None, 'Error code: 429 - {"message": "Hm."}').kind is K.RATE_LIMIT
    assert dig('one {"a": 1} two {"b": 2} three').prose == "one two three"


def test_json_that_was_encoded_twice_is_decoded_twice() -> None:
    """With the quotes inside of its message."""
    inner = json.dumps({"error": {"message": 'The word "now" is wrong.', "input": {"message": "invalid api key"}}})
    text = f"upstream said: {json.dumps(inner)[1:-1]}"
    evidence = dig(text)
    assert evidence.message == 'The word "now" is wrong.'
    assert evidence.prose == 'The word "now" is wrong. | upstream said:'


def test_escapes_of_a_text_that_is_no_json_are_taken_off() -> None:
    """So that patterns need not know of them."""
    assert dig(r"He said \"no\", it\'s over\nand C\D").prose == 'He said "no", it\'s over and CD'


def test_json_in_a_text_leaves_nothing_of_itself() -> None:
    """Neither its brackets nor an empty sentence; line breaks inside of its strings are allowed."""
    assert dig('{"message": "It broke."}').prose == "It broke."
    assert dig('[{"message": "It broke."}, {"message": "Twice."}]').prose == "It broke. | Twice."
    assert dig('{"message": "It\nbroke.", "colour": "dark red"}').prose == "It broke. | dark red"


# Codes


@pytest.mark.parametrize("body", [{"code": ""}, {"code": "x" * 101}, {"code": '{"a":1}'}, {"code": "[{}]"}])
def test_what_cannot_be_a_code_is_none(body: dict[str, str]) -> None:
    """Nothing, a text without spaces that is too long, and JSON."""
    assert dig({**body, "message": "It broke."}).codes == ()


def test_a_code_may_be_long_or_odd() -> None:
    """Up to a hundred characters; databases say XX000."""
    assert dig({"code": "x" * 100}).codes == ("x" * 100,)
    assert dig({"code": "XX000"}).codes == ("XX000",)


def test_a_number_is_a_code_if_it_is_none_of_a_clock() -> None:
    """Nine digits, of either sign; ten are an instant."""
    assert [dig({"code": number}).codes for number in (999_999_999, -999_999_999)] == [("999999999",), ("-999999999",)]
    assert [dig({"code": number}).codes for number in (1_000_000_000, -1_000_000_000)] == [(), ()]


@pytest.mark.parametrize("digits", ["42912345", "000000429", "4290", "42"])
def test_digits_that_begin_like_a_status_are_none(digits: str) -> None:
    """A status has three of them."""
    assert dig({"status": digits}).status is None
    assert dig(f"it said status={digits}").status is None
    assert dig("it said status=429").status == 429


def test_the_deepest_code_says_most_and_then_the_key() -> None:
    """`code` says more than `type`; among equals the first counts."""
    assert dig({"type": "alpha", "code": "omega"}).codes == ("omega", "alpha")
    assert dig({"code": "omega", "error": {"type": "alpha"}}).codes == ("alpha", "omega")
    assert dig({"a": {"code": "beta"}, "b": {"code": "alpha"}}).codes == ("beta", "alpha")


def test_a_list_is_one_level_like_any_other() -> None:
    """So what stands in it is not deeper than what stands in as many mappings."""
    body = {"cause": {"inner": {"code": "first"}}, "details": [{"code": "second"}]}
    assert dig(body).codes == ("first", "second")


def test_a_status_in_a_text_is_deeper_than_the_field_that_holds_the_text() -> None:
    """As a code is: both are what the text tells of."""
    body = {"error": {"message": "provider said: {status=429, type=odd_one", "code": 503, "type": "even_one"}}
    evidence = dig(body)
    assert evidence.status == 429
    assert evidence.codes == ("odd_one", "503", "even_one")


def test_a_key_that_is_no_text_is_passed_over() -> None:
    """YAML and pickles have such."""
    assert dig({7: "overloaded_error", "message": "It broke."}).prose == "It broke."


def test_headers_that_are_no_mapping_say_nothing() -> None:
    """Neither as headers nor as words."""
    for key in ("headers", "http_headers"):
        body = {"message": "It broke.", key: [{"code": "invalid_api_key", "message": "You are out of quota."}]}
        assert (dig(body).codes, dig(body).prose, dig(body).headers) == ((), "It broke.", {})
        assert dig({"message": "It broke.", key: "server: out of quota"}).prose == "It broke."


def test_a_window_in_a_field_is_told_in_words() -> None:
    """llama.cpp's `n_ctx`."""
    assert dig({"n_ctx": 4096}).prose == "n_ctx: 4096"


def test_null_says_nothing() -> None:
    """Many bodies have `"error": null`."""
    assert dig({"error": None, "message": "It broke."}).prose == "It broke."


def test_a_word_under_any_other_key_is_no_text() -> None:
    """It is an id, a model, a region."""
    assert dig({"request_id": "overloaded", "message": "It broke."}).prose == "It broke."


def test_a_place_that_is_no_list_blames_no_parameter() -> None:
    """Only its last part is one."""
    assert dig({"loc": "top_p"}).parameter is None


def test_a_wait_that_holds_more_is_looked_into() -> None:
    """It may be an error itself."""
    assert dig({"retry_after": {"message": "It broke."}}).message == "It broke."


def test_headers_may_be_a_list_of_pairs() -> None:
    """As some clients have them."""
    headers: Any = [("Retry-After", "7"), (b"X-Request-Id", b"1")]
    assert lower_headers(headers) == {"retry-after": "7", "x-request-id": "1"}
    assert [lower_headers(odd) for odd in (None, 7, "Retry-After: 7", [("Retry-After",)])] == [{}] * 4


# Pages


@pytest.mark.parametrize(
    "page",
    [
        "<html><body>Bad gateway</body></html>",
        "<!DOCTYPE html>\n<title>Bad gateway</title>",
        "<head><title>502</title></head>\n<center>Bad gateway</center>",
    ],
)
def test_a_page_is_known_by_its_head(page: str) -> None:
    """However incomplete it is; none of its markup is read."""
    evidence = dig(page)
    assert evidence.is_html
    assert "<" not in evidence.prose
    assert "Bad gateway" in evidence.prose


@pytest.mark.parametrize("text", ["Unexpected <title> in the answer", "No <head> found"])
def test_a_tag_makes_no_page(text: str) -> None:
    """It may be quoted."""
    assert not dig(text).is_html


def test_what_a_page_does_not_show_is_not_read() -> None:
    """Scripts, styles and comments, in capitals as well."""
    hidden = "<STYLE>quota</STYLE><script>credits</script><!-- balance -->"
    assert dig(f"<HTML>{hidden}<BODY>Bad&nbsp;gateway &amp; more</BODY></HTML>").prose == "Bad gateway & more"


# Characters


def test_frames_of_a_terminal_are_blanks() -> None:
    """From the first of the line-drawing characters to the last of the blocks."""
    assert dig("\u2500a\u259fb\u00a0c \u24ff\u25a0").prose == "a b c \u24ff\u25a0"


def test_what_is_no_unicode_is_replaced() -> None:
    """Half a pair of surrogates and bytes of another encoding would break logs and JSON later on."""
    assert dig("a\ud800b").prose == "a?b"
    assert dig(b"a\xffb").prose == "a\ufffdb"


def test_of_a_long_text_the_beginning_and_the_end_are_read() -> None:
    """In the middle lies what was echoed; all of it is at most 8 KB."""
    prose = dig("out of " + "x " * 5_000 + "credits").prose
    assert prose.startswith("out of x")
    assert prose.endswith("x credits")
    assert len(prose) <= TEXT_LIMIT


def test_of_a_huge_body_64_kb_are_read() -> None:
    """Whether it is text or bytes."""
    assert safe_text("x" * BODY_LIMIT + "y") == "x" * 65_536
    assert safe_text(b"x" * BODY_LIMIT + b"y") == "x" * 65_536


def test_nesting_has_an_end() -> None:
    """A body that holds itself, many times over, and JSON that opens ten thousand braces."""
    body: list[Any] = ["It broke."]
    body.extend([body] * 40)
    assert dig(body).prose == "It broke."
    assert classify_response(500, '{"a":' * 10_000 + '"x').message.startswith('{"a":')


def test_what_lies_too_deep_is_not_read() -> None:
    """Nobody wraps an error twenty times."""

    def wrapped(times: int) -> Any:
        body: Any = {"code": "overloaded_error", "message": "It broke."}
        for _ in range(times):
            body = {"error": body}
        return body

    assert dig(wrapped(10)).codes == ("overloaded_error",)
    assert (dig(wrapped(20)).codes, dig(wrapped(20)).message) == ((), "")
