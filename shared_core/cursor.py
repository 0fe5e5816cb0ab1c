"""Where a walk stands in its chain, and what lies ahead of it.

It judges what is ahead by the shared memory and by what the other walk of a hedged call has asked; it neither attempts
nor skips anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shared_core.chain import Link, Profile, Target
from shared_core.memory import Memory
from shared_core.verdict import Verdict, judge_link, judge_profile

__all__ = ["Cursor"]


class Cursor:
    """A place in a chain.

    Args:
        chain: The links in order.
        memory: What is known of targets.
        holder: The walk, as holder of probe permits.

    Attributes:
        chain: The links in order.
        link: Index of the link at hand.
        profile: Index of that link's next profile.
        min_window: The request is known not to fit into a window of so many tokens.
        mine: Targets that this walk has asked, by model and profile.
        others: Targets that the other walk of the call has asked.
    """

    def __init__(self, chain: Sequence[Link], memory: Memory, holder: object) -> None:
        self.chain = chain
        self.link = 0
        self.profile = 0
        self.min_window = 0
        self.mine: set[tuple[str, str]] = set()
        self.others: set[tuple[str, str]] = set()
        self._memory = memory
        self._holder = holder

    @property
    def here(self) -> Link | None:
        """The link at hand; None behind the end."""
        return self.chain[self.link] if self.link < len(self.chain) else None

    def next_link(self) -> None:
        """Goes on to the next link."""
        self.link += 1
        self.profile = 0

    def rewind(self) -> None:
        """Goes back to the beginning."""
        self.link = self.profile = 0

    def judge_link(self, link: Link, now: float) -> Verdict | None:
        """Why no profile of a model may be asked now; None if they may."""
        return judge_link(link, self._memory, now, self._holder, self.min_window)

    def judge_profile(self, link: Link, profile: Profile, now: float) -> Verdict | None:
        """Why a profile may not be asked now; None if it may."""
        if (link.name, profile.name) in self.others:
            return Verdict("asked as a hedge")
        return judge_profile(link, profile, self._memory, now, self._holder)

    def judge(self, target: Target, now: float) -> Verdict | None:
        """Why a target of this walk's own may not be asked again now; None if it may."""
        verdict = self.judge_link(target.link, now)
        return verdict or judge_profile(target.link, target.profile, self._memory, now, self._holder)

    def count_ahead(self, now: float) -> int:
        """How many targets could still be attempted after the one at hand."""
        count = 0
        for index in range(self.link, len(self.chain)):
            link = self.chain[index]
            if index > self.link and self.judge_link(link, now) is not None:
                continue
            first = self.profile if index == self.link else 0
            count += sum(self.judge_profile(link, profile, now) is None for profile in link.profiles[first:])
        return count

    def has_free_sibling(self, link: Link, now: float) -> bool:
        """Whether another profile of the model at hand could be attempted next."""
        return any(self.judge_profile(link, profile, now) is None for profile in link.profiles[self.profile :])

    def rest(self, link: Link) -> tuple[Link, ...]:
        """What a rival may ask: the links behind, since it is the model that is slow, then `link`'s other profiles."""
        others = replace(link, profiles=link.profiles[self.profile :], is_part=True)
        return (*self.chain[self.link + 1 :], others)

    def take_back(self, other: Cursor, abandoned: set[tuple[str, str]]) -> None:
        """The other walk was cut: what it was asking may be asked here, at the end unless it lies ahead anyway."""
        self.others = other.mine - abandoned
        ahead = {
            (link.name, profile.name)
            for index, link in enumerate(self.chain[self.link :])
            for profile in (link.profiles[self.profile :] if index == 0 else link.profiles)
        }
        back = [
            replace(link, profiles=(profile,), is_part=True)
            for link in other.chain
            for profile in link.profiles
            if (link.name, profile.name) in abandoned - ahead
        ]
        self.chain = (*self.chain, *back)
