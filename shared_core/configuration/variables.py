"""`${NAME}` in the strings of a file, and what a file must not hold: keys.

`${NAME}` is an environment variable that must be set, `${NAME:-text}` stands for `text` where it is not set or empty,
and `$$` is a dollar sign; a lone dollar sign is one as well. What a variable holds is taken as it is and not looked
into again.

Invariants: a string that looks like a key is refused wherever it stands in the file; where a setting is shown to
people, so is a variable that holds one; no message repeats a string of the file or what a variable holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from shared_core.configuration.mistakes import Mistakes
from shared_core.configuration.places import Place
from shared_core.records import record
from shared_core.scrub import scrub

__all__ = ["Variables", "expand", "is_name", "is_secret", "variable_of"]

_MAY_HOLD_KEYS = frozenset({"extra_headers", "headers", "query"})
"""Tables whose values travel in requests and are shown nowhere, so that a variable may hold a key for them."""

_TELLING = re.compile(r"(api|access|secret)[-_]?key|secret|password|authorization", re.IGNORECASE)
"""Names of fields of a request's body that hold keys; `eos_token` holds none."""

_NAMES_OF_VARIABLES = frozenset({"key_env", "base_url_env"})
"""Settings that are names of variables themselves."""

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"

_REFERENCE = re.compile(rf"\$(?:(?P<dollar>\$)|\{{(?P<name>{_NAME})(?P<default>:-[^}}]*)?\}}|(?P<broken>\{{))?")
"""A reference, a doubled dollar sign, a lone one, or a brace that opens no reference."""

_KEY = re.compile(rf"\$\{{({_NAME})\}}")


@record(frozen=True, slots=True)
class Variables:
    """Reads the variables in the values of one file.

    Attributes:
        environ: What they hold.
        mistakes: Is told of those that are not set, and of keys.
    """

    environ: Mapping[str, str]
    mistakes: Mistakes

    def read(self, value: Any, place: Place) -> Any:
        """A value of the file, with all strings in it as they are meant."""
        match value:
            case str() if _NAMES_OF_VARIABLES.isdisjoint(place):
                return self._string(value, place)
            case list():
                return [self.read(item, (*place, number)) for number, item in enumerate(value)]
            case dict():
                return {key: self.read(item, (*place, key)) for key, item in value.items()}
        return value

    def _string(self, text: str, place: Place) -> str:
        may_hold_keys, name = not _MAY_HOLD_KEYS.isdisjoint(place), str(place[-1])
        names = (name,) if may_hold_keys or ("extra_body" in place and _TELLING.search(name)) else ()
        if is_secret(names, text):
            self.mistakes.add(place, 'looks like a key, and a key has no place in a file: write "${NAME}"')
            return text
        problems: list[str] = []
        value = expand(text, self.environ, problems.append)
        if problems:
            self.mistakes.add(place, "; ".join(dict.fromkeys(problems)))
        elif not may_hold_keys and is_secret(names, value):
            self.mistakes.add(place, "names a variable that holds a key, and this setting is shown to people")
        return value


def variable_of(text: str) -> str | None:
    """The variable that `text` names, if it is a `${NAME}` and nothing else.

    >>> variable_of("${OPENAI_API_KEY}")
    'OPENAI_API_KEY'
    """
    match = _KEY.fullmatch(text.strip())
    return None if match is None else match[1]


def is_name(text: str) -> bool:
    """Whether `text` can be the name of a variable."""
    return re.fullmatch(_NAME, text) is not None


def expand(text: str, environ: Mapping[str, str], report: Callable[[str], None]) -> str:
    """`text` with what its variables hold.

    Args:
        text: A string of the file.
        environ: The variables.
        report: Is told of each variable that is not set, and of a reference that is none.
    """

    def value(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if match["broken"] is not None:
            report('expected "${NAME}" or "${NAME:-default}"; a dollar sign before a brace is written "$$"')
            return ""
        if name is None:
            return "$"
        held = environ.get(name, "")
        if held or default is not None:
            return held or default.removeprefix(":-")
        report(f"the environment variable {name} is not set; set it, or write a default: ${{{name}:-…}}")
        return ""

    return _REFERENCE.sub(value, text)


def is_secret(names: Iterable[str], text: str) -> bool:
    """Whether a string looks like a key: by its own form, or by the names under which it stands.

    >>> is_secret(["headers", "Authorization"], "Bearer abc123"), is_secret(["Authorization"], "Bearer ${TOKEN}")
    (True, False)
    """
    bare = _REFERENCE.sub(lambda match: (match["default"] or "").removeprefix(":-"), text)
    said = ": ".join([*names, bare])
    return scrub(bare) != bare or scrub(said) != said
