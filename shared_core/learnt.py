"""What refusals taught about a model: its ceiling, its window, the parameters that it does not take.

It belongs to one target's model and is never applied to another. It holds while the process lives: a ceiling that
was raised meanwhile only costs tokens, and `reset` forgets it.
"""

from __future__ import annotations

from dataclasses import field

from shared_core.records import record

__all__ = ["Learnt"]


@record(slots=True)
class Learnt:
    """Facts about one model.

    Attributes:
        ceiling: Highest `max_tokens` that it takes, as a refusal stated it.
        too_high: Lowest `max_tokens` that it refused without stating a ceiling.
        window: Context window in tokens, as a refusal stated it.
        omit: Body fields that it refused.
        renames: Body fields that it wants under another name.
        refuses_prefill: It does not go on from a trailing assistant's turn.
    """

    ceiling: int | None = None
    too_high: int | None = None
    window: int | None = None
    omit: frozenset[str] = frozenset()
    renames: dict[str, str] = field(default_factory=dict)
    refuses_prefill: bool = False

    def fit(self, max_tokens: int | None) -> int | None:
        """`max_tokens` as this model will take it; None leaves it out."""
        if max_tokens is None:
            return None
        if self.ceiling is not None:
            return min(max_tokens, self.ceiling)
        if self.too_high is not None and max_tokens >= self.too_high:
            return None
        return max_tokens

    def refused_output(self, sent: int, ceiling: int | None) -> None:
        """The model refused `sent` tokens of output, and may have stated its ceiling."""
        if ceiling is not None and 0 < ceiling < sent:
            self.ceiling = ceiling
        else:
            self.too_high = sent if self.too_high is None else min(self.too_high, sent)
            self.ceiling = None

    def refused_input(self, window: int | None) -> None:
        """The input did not fit; the model may have stated its window."""
        if window is not None and window > 0:
            self.window = window

    def refused_parameter(self, parameter: str, replacement: str | None) -> bool:
        """A body field was refused; whether leaving it out or renaming it is news."""
        if replacement is not None:
            if self.renames.get(parameter) == replacement:
                return False
            self.renames = {**self.renames, parameter: replacement}
            return True
        if parameter in self.omit:
            return False
        self.omit |= {parameter}
        return True
