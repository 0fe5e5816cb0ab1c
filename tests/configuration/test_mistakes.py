"""What is said of a wrong file: all mistakes at once, where they are, what was expected, and no value."""

from __future__ import annotations

import pickle
import re
import traceback
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_core.configuration import Configuration, ConfigurationFileError, Mistake
from shared_core.errors import ConfigurationError

CHAIN = '[chain]\nmodel = "openai/gpt-4.1"\n'

SECRET = "sk-" + "live-0123-pasted"


def told(text: str, **environ: str) -> list[str]:
    """All mistakes of a file, as lines."""
    with pytest.raises(ConfigurationFileError) as caught:
        Configuration.parse(text, source="failover.toml", environ=environ)
    return [str(mistake) for mistake in caught.value.mistakes]


def test_all_mistakes_are_told_at_once() -> None:
    """In the order of their lines, each with its key, what was expected, and what was meant."""
    text = """\
model = "openai/gpt-4.1"

[chain]
model = "opnai/gpt-4.1"
fallbacks = ["groq/llama", "/x", 3]
temperature = 0.2

[profiles]
groq = "${GROQ_KEY}"
[profiles.openai]
main = "pasted"
[profiles.kimi]
a = "${A}"
"" = "${B}"
[profiles.moonshot]
b = "${B}"
[profiles.opnai]
main = "${A:-none}"

[order]
openai = ["mian"]
kimi = ["c"]
groq = "default"

[base_urls]
one = "one.example"
llama.cpp = "http://127.0.0.1"
two = "${NOT_SET}/v1"
three = "${1}"

[aliases]
quick = "nobody/x"
none = ""

[vendors]
five = 5
[vendors.six]
wire = "opneai"
[vendors.seven]
tool_id = "[a"
key_env = ["${OPENAI_API_KEY}"]
base_url = "http://[x"

[models.gpt-4.1]
context_window = 1000
[models."openai/gpt-4.1"]
context_windw = 1000
[models."/"]

[policy]
deadlin = 3
patience = true
transient_backoffs = [0.5, -1, true]
mid_stream = "contine"
retry.attempt = 3
retry.jitter = 3
actions.context_exceded = "raise"
hedge_after = 0
idle_timeout = inf

[request]
max_tokens = 0
deadline = 3
extra_body = { when = 1979-05-27 }

[polcy]
"""
    kinds = (
        "'rate_limit', 'balance', 'auth', 'model_missing', 'transient', 'output_limit', 'context_exceeded', "
        "'content_filter', 'bad_request' or 'unknown'"
    )
    wires = "'openai', 'responses', 'anthropic', 'gemini'"
    unset = "the environment variable NOT_SET is not set; set it, or write a default: ${NOT_SET:-…}"
    reference = 'expected "${NAME}" or "${NAME:-default}"; a dollar sign before a brace is written "$$"'
    dotted = '; a name with a dot is written in "quotes"'
    key = 'expected "${NAME}", an environment variable, and nothing else; a key has no place in a file'
    own = "; one of your own needs a line in [base_urls] or a table in [vendors]"
    assert told(text) == [
        "line 1: model: belongs in the table [chain]",
        "line 4: chain.model: no such provider; did you mean 'openai'?",
        "line 5: chain.fallbacks[1]: expected 'provider/model' or a model's name",
        "line 5: chain.fallbacks[2]: expected a string",
        "line 6: chain.temperature: belongs in the table [request]",
        'line 9: profiles.groq: expected a table of profiles, each with its key: main = "${NAME}"',
        f"line 11: profiles.openai.main: {key}",
        'line 14: profiles.kimi."": expected a name for the profile',
        "line 15: profiles.moonshot: the profiles of 'kimi' are given under another of its names as well",
        "line 17: profiles.opnai: no such provider; did you mean 'openai'?",
        f"line 18: profiles.opnai.main: {key}",
        "line 21: order.openai[0]: no such profile; did you mean 'main'?",
        "line 22: order.kimi[0]: no such profile; known are a, , b",
        "line 23: order.groq: expected an array of profile names",
        "line 26: base_urls.one: expected an address that begins with http:// or https://",
        f"line 27: base_urls.llama: expected a string{dotted}",
        f"line 28: base_urls.two: {unset}",
        f"line 29: base_urls.three: {reference}",
        f"line 32: aliases.quick: no such provider{own}",
        "line 33: aliases.none: expected a string",
        'line 36: vendors.five: expected a table: [vendors."five"]',
        f"line 38: vendors.six.wire: expected one of {wires}; did you mean 'openai'?",
        "line 40: vendors.seven.tool_id: expected a regular expression",
        'line 41: vendors.seven.key_env: expected the name of an environment variable, without "${…}"',
        "line 42: vendors.seven.base_url: expected an address that begins with http:// or https://",
        f"line 44: models.gpt-4.1: unknown setting{dotted}",
        "line 47: models.\"openai/gpt-4.1\".context_windw: unknown setting; did you mean 'context_window'?",
        "line 48: models.\"/\": expected 'provider/model' or a model's name",
        "line 51: policy.deadlin: unknown setting; did you mean 'deadline'?",
        "line 52: policy.patience: expected a number",
        "line 53: policy.transient_backoffs[1]: expected 0 or more",
        "line 54: policy.mid_stream: expected 'raise', 'continue' or 'restart'; did you mean 'continue'?",
        "line 55: policy.retry.attempt: unknown setting; did you mean 'attempts'?",
        "line 56: policy.retry.jitter: expected 1 or less",
        f"line 57: policy.actions.context_exceded: expected {kinds}; did you mean 'context_exceeded'?",
        "line 58: policy.hedge_after: expected more than 0",
        "line 59: policy.idle_timeout: expected a finite number",
        "line 62: request.max_tokens: expected 1 or more",
        "line 63: request.deadline: belongs in the table [policy]",
        "line 64: request.extra_body.when: JSON has no dates, times, infinities and nan",
        "line 66: polcy: unknown table; did you mean 'policy'?",
    ]


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("", ["chain.model: missing"]),
        ("[chain]\n", ["line 1: chain.model: missing"]),
        ('[chain]\nmodel = ""\n', ["line 2: chain.model: expected a string that is not empty"]),
        (
            '[chain]\nmodel = "a"\nprovider_style = "x"',
            ["line 3: chain.provider_style: expected 'langchain' or 'llamaindex'"],
        ),
        (f'{CHAIN}fallbacks = "openai/x"', ["line 3: chain.fallbacks: expected an array"]),
        ("profiles = 3\nvendors = []\n" + CHAIN, [
            "line 1: profiles: expected a table: [profiles.PROVIDER]",
            "line 2: vendors: expected a table: [vendors.PROVIDER]",
        ]),
        (f"{CHAIN}[policy]\nmin_cooldown = 400\n", [
            "line 3: policy: min_cooldown (400.0) is above max_cooldown (300.0)",
        ]),
        (f"{CHAIN}[policy]\ntransient_backoffs = [true]\nretry.attempts = true\nfail_fast = true\n", [
            "line 4: policy.transient_backoffs[0]: expected a number",
            "line 5: policy.retry.attempts: expected a number",
        ]),
        (f"{CHAIN}[policy]\nmodel_cooldowns.auth = true\ndeadline = 'soon'\nretry.x = 1\nactions.x = 1\n", [
            "line 4: policy.model_cooldowns.auth: expected a number",
            "line 5: policy.deadline: expected a number",
            "line 6: policy.retry.x: unknown setting; known are attempts, min_delay_ms, max_delay_ms, jitter",
        ]),
        (f"{CHAIN}[request]\nextra_body = {{ when = 1979-05-27 }}\nstop = 3\nmax_tokens = 1.5\n", [
            "line 4: request.extra_body.when: JSON has no dates, times, infinities and nan",
            "line 5: request.stop: expected an array",
            "line 6: request.max_tokens: expected a whole number",
        ]),
        (f"{CHAIN}[request]\nextra_body = {{ when = 1979-05-27, a = nan }}\n", [
            "line 4: request.extra_body.a: JSON has no dates, times, infinities and nan",
            "line 4: request.extra_body.when: JSON has no dates, times, infinities and nan",
        ]),
        ("[chain", ["line 1: not valid TOML: Expected ']' at the end of a table declaration"]),
        ("a = 1\n\na = 2\n", ["line 3: not valid TOML: Cannot overwrite a value"]),
        ("a = " + "[" * 20_000, ["nested too deeply"]),
    ],
)  # fmt: skip
def test_a_mistake(text: str, mistakes: list[str]) -> None:
    """One file each."""
    found = told(text)
    assert [line for line in found if "actions.x" not in line] == mistakes
    assert len(found) <= len(mistakes) + 1


def test_the_error_names_the_file() -> None:
    """A single mistake is one line; several are a list. It is a `ConfigurationError`, and can be pickled."""
    with pytest.raises(ConfigurationError) as caught:
        Configuration.parse(f"{CHAIN}[polcy]\n", source="a/failover.toml")
    assert str(caught.value) == "a/failover.toml: line 3: polcy: unknown table; did you mean 'policy'?"
    there = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  # made a line above
    assert there.mistakes == (Mistake("polcy", "unknown table; did you mean 'policy'?", 3),)
    with pytest.raises(ConfigurationError, match=r"^configuration: 2 mistakes\n  line 1: x: .*\n  line 2: y: "):
        Configuration.parse(f"x = 1\ny = 1\n{CHAIN}")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """It is named with the reason."""
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, reason in ((tmp_path / "none.toml", "cannot be read: No such file"), (binary, "not UTF-8 text")):
        with pytest.raises(ConfigurationFileError, match=re.escape(f"{path}: {reason}")) as caught:
            Configuration.load(path)
        assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "text",
    [
        f'{CHAIN}[profiles.openai]\nmain = "{SECRET}"',
        f'{CHAIN}[profiles.openai]\nmain = "{SECRET}${{X}}"',
        f'{CHAIN}[profiles.openai]\n"{SECRET}" = "x"',
        f'{CHAIN}[profiles]\nopenai = "{SECRET}"',
        f'{CHAIN}["{SECRET}"]',
        f'{CHAIN}[vendors.x]\nheaders = {{ Authorization = "Bearer {SECRET}" }}',
        f'{CHAIN}[vendors.x]\nkey_env = ["{SECRET}"]',
        f'{CHAIN}[vendors.x]\nkey_env = ["${{HELD}}"]',
        f'{CHAIN}[vendors.x]\nkey_env = "{SECRET}"',
        f'{CHAIN}[base_urls]\nx = "https://user:{SECRET}@host"',
        f'{CHAIN}[base_urls]\nx = "https://host?key=${{X:-{SECRET}}}"',
        f'{CHAIN}[base_urls]\nx = "${{HELD}}"',
        f'{CHAIN}[request]\nextra_body = {{ api_key = "{SECRET}" }}',
        f'{CHAIN}[request]\nextra_body = {{ api_key = "${{HELD}}" }}',
        f'{CHAIN}[request]\nuser = "${{HELD}}"',
        f'{CHAIN}[policy]\ndeadline = "{SECRET}"',
        f'{CHAIN}[policy]\nmid_stream = "{SECRET}"',
        f'[chain]\nmodel = "{SECRET}/x"',
        f'[chain]\nmodel = "openai/x"\n[aliases]\n"{SECRET}" = 3',
        f"{CHAIN}key = {SECRET}",
        f'{CHAIN}key = "{SECRET}',
    ],
)  # fmt: skip
def test_a_key_is_refused_and_repeated_nowhere(text: str) -> None:
    """Wherever it was pasted, and where a variable would put it before people."""
    with pytest.raises(ConfigurationFileError) as caught:
        Configuration.parse(text, environ={"HELD": SECRET})
    said = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(caught.value.mistakes)
    assert SECRET.removeprefix("sk-") not in said


def test_headers_may_hold_what_a_variable_holds() -> None:
    """They are shown nowhere. What only sounds like a key is none."""
    text = '[vendors.x]\nheaders = { Authorization = "Bearer ${HELD}" }\nquery = { key = "${HELD}" }\n'
    (row,) = Configuration.parse(CHAIN + text, environ={"HELD": SECRET}).vendors
    assert (row.headers, row.query) == ({"Authorization": f"Bearer {SECRET}"}, {"key": SECRET})
    body = Configuration.parse(f'{CHAIN}[request]\nextra_body = {{ eos_token = "##END1" }}\n').settings["extra_body"]
    assert body == {"eos_token": "##END1"}


VALUES = st.sampled_from(
    ['"VALUE"', "3", "-1", "1.5", "true", "nan", "1979-05-27", "[]", '["VALUE", 3]', "{}", '{ a = "VALUE" }', "'${X}'"]
)
TABLES = """
chain request policy policy.retry policy.actions profiles profiles.openai order base_urls aliases vendors vendors.openai
vendors.x models models."openai/x" models.x other
"""
NAMES = """
model fallbacks provider_style stop extra_body extra_headers deadline actions retry transient_backoffs auth openai x
main wire key_env tool_id query efforts refuses context_window base_url base_url_env model_cooldowns attempts a.b ""
"""


def any_of(words: str) -> st.SearchStrategy[str]:
    """One of the words."""
    return st.sampled_from(words.split())


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(any_of(TABLES), st.dictionaries(any_of(NAMES), VALUES, max_size=4)), max_size=5), st.booleans()
)
def test_whatever_the_file_holds(tables: list[tuple[str, dict[str, str]]], is_cut: bool) -> None:
    """It is read, or refused in words that repeat no value."""
    text = "\n".join([f"[{name}]\n" + "\n".join(map(" = ".join, table.items())) for name, table in tables])
    text = text[: len(text) // 2] if is_cut else text
    said = ""
    try:
        Configuration.parse(text, environ={}).manager().close()
    except ConfigurationFileError as error:
        said = str(error)
    assert "VALUE" not in said
