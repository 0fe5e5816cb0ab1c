"""Reads the numbers and names that make a refusal repairable.

Owns ceilings ("at most 4096 completion tokens"), the room that is left in a window, whether a text blames the sum of
input and `max_tokens`, and the parameter that was refused with the one to use instead. It judges no kind: it is told.

Invariants: ceilings and rooms are positive and at most `LARGEST`; a request's own numbers are never taken for a ceiling
when the text states one.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from shared_core.classify.body import Evidence
from shared_core.classify.patterns import compiled
from shared_core.errors import ErrorKind

__all__ = ["Limits", "Refusal", "read_limits", "read_refusal"]

LARGEST: Final = 100_000_000
"""No model has a window of a hundred million tokens; a larger number is an id or a date."""

_N: Final = r"(?P<n>\d{1,3}(?:,\d{3})+|\d{1,9})(?P<k>k\b)?(?![\d,]*\d)(?!\.\d)"
_MAX: Final = (
    r"max_?(?:completion_|output_|new_)?tokens(?:_to_sample)?|maxoutputtokens|"
    r"max(?:imum)?[ -](?:output |completion )?tokens"
)

# Of a balance, only the affordable remainder is a ceiling; other numbers are money.
_AFFORDABLE: Final = (rf"can only afford {_N}",)

_OUTPUT: Final = (
    *_AFFORDABLE,
    rf"is not less or equal to {_N}",
    rf"(?:{_MAX})\W{{1,4}}\d[\d,]* ?> ?{_N}",
    rf"[\[(] ?\d+ ?, ?{_N} ?\]",
    rf"[\[(] ?\d+ ?, ?{_N} ?(?P<exclusive>\))",
    rf"(?:to|and) {_N} ?(?P<exclusive>\(exclusive\))",
    rf"(?:to|and) {_N} ?\(inclusive\)",
    rf"(?:between|from) \d+ (?:and|to) {_N}",
    rf"""
        (?:<=|≤|less than or equal to|no (?:more|greater|larger) than|not (?:be )?(?:exceed|greater than|
        larger than|more than)|cannot exceed|at most) ?{_N}
    """,
    rf"(?:supports?|allows?|up to|a maximum of)(?: at most| up to| a maximum of| only)* {_N}",
    rf"""
        (?:ceiling|limit|maximum|max(?! ?_?tokens))(?: allowed)?(?: value| number| output)?
        (?:(?: of output)? tokens)?(?: is| of|:| for \S{{1,60}}(?: is)?)*(?: only)? ?[(\[]?{_N}
    """,
    rf"(?P<exclusive>(?:less|lower|smaller|fewer) than) {_N}",
    rf"> ?{_N}",
    rf"(?:最大|上限|不能超过|不超过|小于等于|小于或等于)(?:值|为|是|\uff1a|:)* ?{_N}",
)

_WINDOW: Final = (
    rf"limit\W{{1,3}}\d+ ?/ ?{_N}",
    rf"maximum context length(?: is| of|:| for \S{{1,80}} is)* ?(?:only )?{_N}",
    rf"with {_N} maximum context",
    rf"> ?{_N}(?: maximum| tokens)?",
    rf"max_seq_len \(?{_N}",
    rf"context (?:window|length|size|limit)(?: (?:is|of|only|limit|size))*(?: tokens)?(?: is| of|:)* ?\(?{_N}",
    rf"{_N}[- ]tokens? context",
    rf"(?:maximum|max) number of (?:input )?tokens(?: allowed)?(?: is| of|:)* ?\(?{_N}",
    rf"""
        (?:maximum|max\.?)(?: allowed| input| prompt| model| total| request)*
        (?: length| tokens?| size| limit)?(?: allowed)?(?: is| of|:| for \S{{1,60}} is)* ?\(?{_N}
    """,
    rf"maxlength: ?{_N}",
    rf"\[ ?\d+ ?, ?{_N} ?\]",
    rf"(?:less|fewer) than {_N}",
    rf"n_ctx\W{{1,3}}{_N}",
    rf"(?:<=|≤|less than or equal to|no more than|cannot exceed|must not exceed|at most|up to) ?{_N}",
    rf"\blimit(?: is| of|:)* ?\(?{_N}",
    rf"(?:最大|上限|不能超过|不超过|超过)\D{{0,12}}{_N}",
)

_INPUT: Final = (
    rf"{_N} (?:tokens )?(?:in|from|of) (?:the |your )?(?:input |text )?(?:messages|prompt|input)",
    rf"{_N} ?\+ ?\d+ ?>",
    rf"(?:request|prompt|messages?) (?:has|contains?|have)(?: at least)? {_N} (?:input )?tokens",
    rf"(?:passed|at least|given:?) {_N} '?(?:input|prompt)",
    rf"{_N} (?:input|prompt|text) tokens",
)

_IS_SUM: Final = (
    r"in (?:the |your )?(?:messages|prompt)\b[^.]{0,60}(?:in|for) the completion|\d+ ?\+ ?\d+ ?>|"
    r"max_?(?:new_|completion_|output_)?tokens|"
    r"output tokens|max_total_tokens|messages or completion|input and output|input \+ output|"
    r"prompt or completion|completion length"
)

_REFUSED: Final = (
    r"""
        (?:unsupported|unknown|unrecognized|unexpected)(?: request)? (?:parameter|argument|field|
        value|keyword argument)s?(?: supplied| name)?\W{1,4}(?P<name>[A-Za-z_][\w.]{1,60})
    """,
    r"""
        ['\"](?P<name>[A-Za-z_][\w.]{1,60})['\"] (?:is|are) (?:not supported|unsupported|not permitted|
        deprecated|not allowed)
    """,
    r"""
        (?:parameter|argument|field)s? ['\"]?(?P<name>[A-Za-z_][\w.]{1,60})['\"]? (?:is|are) (?:not supported|
        unsupported|not allowed|deprecated|not available)
    """,
    r"""
        (?:argument|parameter) not supported(?: on| for| by)?(?: this| the)? ?(?:model)?: ?
        (?P<name>[A-Za-z_][\w.]{1,60})
    """,
    r"does(?: not|n't) support (?:the )?(?:parameters?:? )?['\"](?P<name>[A-Za-z_][\w.]{1,60})['\"]",
    r"does(?: not|n't) support (?:the )?parameters?:? (?P<name>[A-Za-z_][\w.]{1,60})",
    r"does(?: not|n't) support (?:the )?(?P<name>[a-z]+[A-Z_][\w.]{1,60})",
    r"(?P<name>[A-Za-z_][\w.]{1,60}): (?:extra inputs are not permitted|property .{1,60} is unsupported)",
)

_REPLACEMENT: Final = r"""
    (?:use|try|replaced by|in favou?r of|instead use)(?: the)?
    (?: parameter)? ['\"](?P<name>[A-Za-z_][\w.]{1,60})['\"]
"""


class Limits(NamedTuple):
    """Numbers of a refusal; see the attributes of the same names of `ProviderError`."""

    ceiling: int | None = None
    room: int | None = None
    is_sum: bool = False


class Refusal(NamedTuple):
    """A request parameter that was refused, and what to use instead."""

    parameter: str | None = None
    replacement: str | None = None


def _first_number(text: str, patterns: tuple[str, ...]) -> int | None:
    for pattern in patterns:
        for match in compiled(pattern).finditer(text):
            number = int(match["n"].replace(",", "")) * (1_000 if match["k"] else 1)
            number -= bool(match.groupdict().get("exclusive"))
            if 0 < number <= LARGEST:
                return number
    return None


def read_limits(kind: ErrorKind, text: str) -> Limits:
    """Return what `text` says of ceilings.

    Args:
        kind: The judged kind: "limit 8192" is an output ceiling in one and a context window in another.
        text: `Evidence.text`.
    """
    if kind in {ErrorKind.OUTPUT_LIMIT, ErrorKind.BALANCE}:
        return Limits(_first_number(text, _OUTPUT if kind is ErrorKind.OUTPUT_LIMIT else _AFFORDABLE))
    if kind is not ErrorKind.CONTEXT_EXCEEDED:
        return Limits()
    ceiling = _first_number(text, _WINDOW)
    is_sum = compiled(_IS_SUM).search(text) is not None
    taken = _first_number(text, _INPUT) if is_sum else None
    room = ceiling - taken if ceiling is not None and taken is not None and taken < ceiling else None
    return Limits(ceiling, room, is_sum)


def read_refusal(evidence: Evidence) -> Refusal:
    """Return the parameter that was refused as unsupported, and its replacement, if the body names them."""
    match = next((found for p in _REFUSED if (found := compiled(p, ignore_case=True).search(evidence.prose))), None)
    if match is None:
        is_refusal = any(
            word in evidence.text for word in ("not supported", "unsupported", "extra inputs", "not permitted")
        )
        return Refusal(evidence.parameter if is_refusal else None)
    replacement = compiled(_REPLACEMENT, ignore_case=True).search(evidence.prose, match.end())
    return Refusal(match["name"].rstrip("."), replacement["name"] if replacement else None)
