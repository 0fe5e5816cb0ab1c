"""What is asked in a soak, and what may be answered: every answer is known to the letter beforehand.

A question is a line like `soak 17 12 signed`: the number of the case, how many words the answer has, and whether each
target signs it. An answer that is to be continued by another target is unsigned, so that all targets would say the
same; any other begins with the name of the target that gives it. Everything is a function of the seed.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["Case", "asked_in", "pieces", "text_of"]

Form = Literal["signed", "plain", "tool"]

_WORDS = ("alpha", "beta", "gärtner", "delta", "日本", "zeta", "eta", "théta", "iota", "kappa", "лямбда", "mu", "nu")
_QUESTION = re.compile(r"soak (\d+) (\d+) (signed|plain|tool)")
TOOL = "look_up"


@dataclass(frozen=True, slots=True)
class Case:
    """One question.

    Attributes:
        number: Its number in the soak.
        words: Words of the answer.
        form: "signed" by the target, "plain" for an answer that anyone may continue, "tool" for a call of `TOOL`.
    """

    number: int
    words: int
    form: Form

    @property
    def question(self) -> str:
        """The user's message."""
        return f"soak {self.number} {self.words} {self.form}"

    def answer(self, target: str) -> str:
        """The whole text that `target` answers."""
        return text_of(self.number, self.words, target if self.form == "signed" else "")

    def arguments(self, target: str) -> dict[str, str]:
        """The arguments of the tool call that `target` makes."""
        return {"asked": self.question, "by": target}


def asked_in(text: str) -> Case:
    """The case that a request is about.

    Raises:
        ValueError: It holds no question.
    """
    found = _QUESTION.search(text)
    if found is None:
        raise ValueError(f"no question of a soak in {text[:200]!r}")
    form: Form = found[3]  # type: ignore[assignment]  # the expression allows no other
    return Case(int(found[1]), int(found[2]), form)


def text_of(number: int, words: int, signature: str) -> str:
    """Numbered words, so that a missing, doubled or foreign one shows."""
    parts = [f"[{signature}]"] if signature else []
    parts += [f"{_WORDS[(number + 5 * index) % len(_WORDS)]}{index}" for index in range(words)]
    rng = random.Random(number)
    gaps = rng.choices((" ", ", ", "\n\n", " / "), (12, 2, 1, 1), k=len(parts) - 1)
    return "".join(part + gap for part, gap in zip(parts, [*gaps, "."], strict=True))


def pieces(text: str, rng: random.Random) -> list[str]:
    """`text` as a model might send it: at words, or cut anywhere."""
    if rng.random() < 0.6:
        return re.findall(r"\s*\S+|\s+\Z", text)
    found, at = [], 0
    while at < len(text):
        size = rng.randrange(1, 24)
        found.append(text[at : at + size])
        at += size
    return found
