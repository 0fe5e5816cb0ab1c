"""The seam between an answer that broke and the one that goes on from it.

Owns which part of the new answer repeats what was shown, and the white space at the seam. Pure; it sees text alone.
Invariants: the same for every way of cutting the new text in pieces. Nothing is dropped but a repetition of the end of
what was shown (all of it, if the new answer starts over), equal but for white space, with a mark directly in front of
it; a fence that opens an open code block again; and white space that stands at the seam already. At most twice the
partial's length and a little are held back, and that only while the new text goes on like a part of the partial.

What cannot be joined is refused, not guessed: an answer that starts over and then says something else would be shown
twice if it were kept, and a torn sentence if its beginning were dropped. `Join.has_diverged` says so.

A space that is missing between two words cannot be told from a word that was cut ("Hello" + "world", "wor" + "ld"), so
none is put in but behind the end of a sentence; the request for a continuation asks for an overlap instead. A remark
in front of the new text ("Sure, here is the rest:") is text like any other.
"""

from __future__ import annotations

import re
from itertools import islice

__all__ = ["LINE_OVERLAP", "Join", "is_telling", "open_fence", "weight"]

LINE_OVERLAP = 24
"""Weight from which an overlap that ends at a line's end is a repetition: lists and code repeat short lines."""
_OVERLAP = 8
"""The same inside a line, about two words: an exact repetition right there is hardly ever meant."""
_FRAGMENT = 4
"""Letters of a cut word, from which it is taken for the beginning of the word that follows ("capi", "capital"); "in"
and "the" begin too many words by chance."""
_VARIETY = 5
"""Weight of the different characters of an overlap: a ruler or a row of zeros tells nothing. It is enough for a line
that was cut: "2. Lyon" right behind "2. Lyon", in the same line, is never meant."""
_LONG_RESTART = 100
"""Weight from which a common beginning is a restart, however small a part of the partial it is."""
_SLACK = 64
"""What may be held back behind a very short partial: a fence line, some empty lines."""

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_ELLIPSES = ("...", "…")


def weight(text: str) -> int:
    """How much `text` says, in Latin letters: a Han character, a kana or a Hangul syllable counts for two.

    >>> weight("東京 Tokyo")
    9
    """
    return sum(2 if char >= "\u2e80" else 1 for char in text if not char.isspace())


def is_telling(text: str, least: int) -> bool:
    """Whether finding `text` again is no accident: it weighs at least `least` and is not a few characters repeated."""
    return weight(text) >= least and weight("".join(set(text))) >= _VARIETY


def open_fence(text: str) -> str | None:
    r"""The line that opened the Markdown code block in which `text` ends, without indentation; None outside of one.

    >>> open_fence("Look:\n```python\nx = 1")
    '```python'
    """
    opened: str | None = None
    fence = ""
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if found is None:
            continue
        if opened is None:
            opened, fence = line.strip(), found[1]
        elif found[1].startswith(fence) and not found[2].strip():
            opened = None
    return opened


class Join:
    """Gives of a new answer what may be shown behind a partial one.

    Args:
        partial: All text that was shown so far.
        prefill: The new answer goes on from `partial` without its trailing white space, natively: it is trusted to the
            letter, except that a target that repeats the whole partial or starts over is noticed.
        anchor: The end of `partial` that the target was asked to copy in front of the rest.

    Attributes:
        dropped: Characters of the new answer that repeated what was shown, and were dropped.
        has_diverged: The new answer starts over and is another text than the partial (or ends before it got there), so
            that it cannot be joined; nothing of it was let through, and nothing will be.

    Example:
        >>> join = Join("The capital of France is Par", prefill=False)
        >>> "".join(map(join.feed, ["of France ", "is Paris,", " on the Seine."])) + join.end()
        'is, on the Seine.'
    """

    __slots__ = (
        "_anchor",
        "_at",
        "_fence",
        "_held",
        "_is_mid_sentence",
        "_is_new",
        "_is_open",
        "_lead",
        "_marks",
        "_new",
        "_partial",
        "_prefill",
        "_room",
        "_shown",
        "_tail",
        "dropped",
        "has_diverged",
    )

    def __init__(self, partial: str, *, prefill: bool, anchor: str = "") -> None:
        self.dropped = 0
        self.has_diverged = False
        self._partial = partial
        self._prefill = prefill
        self._shown = _squeezed(partial)
        self._anchor = _squeezed(anchor)
        self._tail = partial[len(partial.rstrip()) :]
        last = self._shown[-1:]
        self._is_mid_sentence = "\n" not in self._tail and (last.isalnum() or last == ",")
        fence = None if prefill else open_fence(partial)
        # A closing fence has no info string, so one that has can only open the block again.
        self._fence = f"{fence}\n" if fence and fence.strip("`~") else None
        self._marks = () if prefill else (*_ELLIPSES, self._fence) if self._fence else _ELLIPSES
        self._lead = ""  # a mark that was taken off, to look for a repetition behind it
        self._is_new = False  # nothing is repeated, and it is no prefill: nothing says that it fits to the letter
        self._held = ""
        self._new = ""  # `_held` without white space
        self._at = 0  # where `_new` stands in `_shown`: the leftmost place, -1 if nowhere
        self._room = 2 * len(partial) + _SLACK
        self._is_open = not self._shown  # decided; what comes is let through

    def feed(self, piece: str) -> str:
        """Takes the next piece of the new answer; what of it, and of what was held back, may be shown now."""
        if self._is_open:
            return "" if self.has_diverged else piece
        taken, rest = piece[: self._room], piece[self._room :]
        self._room -= len(taken)
        self._held += taken
        self._follow(_squeezed(taken))
        shown = self._advance(is_final=not self._room)
        return "" if self.has_diverged else shown + rest

    def end(self) -> str:
        """The new answer is complete; what was held back and may be shown after all."""
        if self._is_open:
            return ""
        if len(self._new) < len(self._anchor) and self._anchor.startswith(self._new):
            # It copied what it was asked to copy, and broke off before it came to anything new.
            self._held, self.has_diverged, self._is_open = "", True, True
            return ""
        return self._advance(is_final=True)

    def _advance(self, *, is_final: bool) -> str:
        while is_final or not self._may_repeat_more():
            self._is_open = self._judge()
            if self._is_open:
                return self._past_seam()
        return ""

    def _follow(self, more: str) -> None:
        """Follows what was shown for as long as the new text stands in it."""
        was = len(self._new)
        self._new += more
        if self._at >= 0 and not self._shown.startswith(more, self._at + was):
            self._at = -1 if self._prefill else self._shown.find(self._new, self._at + 1)

    def _may_repeat_more(self) -> bool:
        if self._anchor and self._new.startswith(self._anchor):
            # One more, since the white space behind it may have been shown as well.
            return len(self._new) == len(self._anchor)
        if self._at >= 0:
            return True
        start = self._held.lstrip()
        return not self._lead and any(mark.startswith(start) and mark != start for mark in self._marks)

    def _judge(self) -> bool:
        """Drops the repetition, now that a longer one is ruled out; False to look again, behind a mark."""
        repeated = self._repeated()
        if repeated:
            self._drop(_end_of(self._held, repeated))
        elif self._starts_over():
            self._held, self.has_diverged = "", True
        elif not self._lead and self._take_mark_off():
            return False
        else:
            self._is_new = not self._prefill
            if self._lead.lstrip() != self._fence:
                self.dropped -= len(self._lead)
                self._held = self._lead + self._held
        return True

    def _repeated(self) -> int:
        """Characters (without white space) at the beginning of the new text that repeat what was shown."""
        shown, new = self._shown, self._new
        if self._anchor and new.startswith(self._anchor):
            # It did as it was asked. A longer overlap is chance: in rows that are alike it would eat one.
            return len(self._anchor)
        if self._prefill:
            return len(shown) if new.startswith(shown) and weight(shown) >= _OVERLAP else 0
        size = _overlap(shown, new)
        text = shown[len(shown) - size :]
        if size == len(shown) or is_telling(text, LINE_OVERLAP):
            return size
        if "\n" in self._tail:
            return 0
        least = _VARIETY if self._is_line(text) else _OVERLAP
        return size if is_telling(text, least) or self._is_fragment(text) else 0

    def _is_line(self, text: str) -> bool:
        """Whether `text` is the whole line that was cut, and the new text begins with it."""
        line = self._partial.rstrip().rpartition("\n")[2]
        return text == _squeezed(line) and self._held.startswith((line, line.lstrip()))

    def _is_fragment(self, text: str) -> bool:
        """Whether `text` is the cut word at the end of the partial, and the new text begins with the whole word."""
        return (
            len(text) >= _FRAGMENT
            and text.isalpha()
            and self._partial.endswith(text)
            and not self._partial[-len(text) - 1].isalpha()
            and self._held.startswith(text)
            and self._held[len(text) : len(text) + 1].isalpha()
        )

    def _starts_over(self) -> bool:
        """Whether the new text has much of what was shown, from its beginning, and then another text or nothing."""
        common = _common(self._shown, self._new)
        said = weight(self._shown[:common])
        # In the middle of a sentence nobody goes on with the opening words; behind one it is a figure of speech.
        is_torn = self._is_mid_sentence and not self._prefill
        half, any_part = (_OVERLAP, LINE_OVERLAP) if is_torn else (LINE_OVERLAP, _LONG_RESTART)
        return said >= any_part or (said >= half and 2 * common >= len(self._shown))

    def _take_mark_off(self) -> bool:
        start = len(self._held) - len(self._held.lstrip())
        mark = next((mark for mark in self._marks if self._held.startswith(mark, start)), None)
        if mark is None:
            return False
        self._lead = self._held[: start + len(mark)]
        self._drop(len(self._lead))
        self._new, self._at = "", 0
        self._follow(_squeezed(self._held))
        return True

    def _past_seam(self) -> str:
        """What was held, without the white space that stands at the seam already."""
        text, tail = self._held, self._tail
        if self._is_new:
            # A line end in front of a new text is a paragraph's end as often as a repetition; a doubled space is not.
            tail = tail[len(tail.rstrip(" \t")) :]
        double = _common(tail, text)
        if tail and not double and not self._is_new and text[:1] == " " and not text[1:2].isspace():
            double = 1  # the space between two words, for which a line's end was shown
        self._drop(double)
        space = " " if self._is_new and not self._lead and _begins_sentence(self._partial, text) else ""
        text, self._held = space + self._held, ""
        return text

    def _drop(self, count: int) -> None:
        self._held = self._held[count:]
        self.dropped += count


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _end_of(text: str, count: int) -> int:
    """Where the first `count` characters of `text` that are no white space end."""
    places = (index for index, char in enumerate(text) if not char.isspace())
    return next(islice(places, count - 1, None)) + 1


def _common(one: str, other: str) -> int:
    """Length of the common beginning."""
    size = min(len(one), len(other))
    return next((index for index in range(size) if one[index] != other[index]), size)


def _overlap(shown: str, new: str) -> int:
    """Length of the longest end of `shown` that begins `new`, in linear time (Knuth, Morris, Pratt)."""
    size = min(len(shown), len(new))
    row = [*new[:size], None, *shown[len(shown) - size :]]
    borders = [0] * len(row)
    for index in range(1, len(row)):
        border = borders[index - 1]
        while border and row[index] != row[border]:
            border = borders[border - 1]
        borders[index] = border + (row[index] == row[border])
    return borders[-1]


def _begins_sentence(partial: str, text: str) -> bool:
    """Whether a space is missing: a sentence ended, in prose, and `text` begins the next one."""
    word = partial[-_LONG_RESTART:].rpartition(" ")[2]
    return (
        partial[-1] in ".!?"
        and len(word) >= _FRAGMENT
        and word[:-1].isalpha()
        and word.islower()
        and text[:1].isupper()
        and partial.rpartition("\n")[2].count("`") % 2 == 0
        and open_fence(partial) is None
    )
