"""The table of the walk as data, and every number that it uses, each with its reason.

`RULES` says what follows from each kind of error: on the same target, for the profile, for the model's health, and
where the walk goes then. `FailoverPolicy` is the one object of settings: frozen, flat, validated. All durations are
seconds. Nothing here acts.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from inspect import Signature
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from shared_core.errors import ErrorKind

__all__ = ["DEFAULT_POLICY", "RULES", "Action", "FailoverPolicy", "RetryConfig", "Rule", "backoff_delay"]

Action = Literal["next_profile", "next_model", "larger_window", "raise"]
"""Where the walk goes after a failure that was not mended in place."""


class Rule(NamedTuple):
    """One row of the table.

    Attributes:
        in_place: What may be tried on the same target first: nothing; wait once for a short stated wait; repair the
            request and ask once more at once; ask again after `transient_backoffs`.
        profile: What of the profile is left alone: nothing, its use for this model, or all of it.
        health: When the model itself is left alone: never, at once, or when its last profile failed.
        then: Where the walk goes.
    """

    in_place: Literal["none", "wait", "repair", "retry"]
    profile: Literal["none", "model", "account"]
    health: Literal["none", "now", "last_profile"]
    then: Action


RULES: Mapping[ErrorKind, Rule] = MappingProxyType(
    {
        ErrorKind.RATE_LIMIT: Rule("wait", "model", "last_profile", "next_profile"),
        ErrorKind.AUTH: Rule("none", "account", "last_profile", "next_profile"),
        ErrorKind.BALANCE: Rule("none", "account", "last_profile", "next_profile"),
        ErrorKind.MODEL_MISSING: Rule("none", "none", "now", "next_model"),
        ErrorKind.OUTPUT_LIMIT: Rule("repair", "none", "none", "raise"),
        ErrorKind.TRANSIENT: Rule("retry", "none", "now", "next_model"),
        ErrorKind.UNKNOWN: Rule("retry", "none", "none", "next_model"),
        ErrorKind.CONTEXT_EXCEEDED: Rule("repair", "none", "none", "larger_window"),
        ErrorKind.CONTENT_FILTER: Rule("none", "none", "none", "raise"),
        # A refused parameter that can be left out or renamed is repaired; any other mistake is the caller's.
        ErrorKind.BAD_REQUEST: Rule("repair", "none", "none", "raise"),
    }
)

_MODEL_COOLDOWNS: Mapping[ErrorKind, float] = MappingProxyType(
    {
        ErrorKind.RATE_LIMIT: 30.0,
        ErrorKind.TRANSIENT: 10.0,
        ErrorKind.UNKNOWN: 10.0,
        ErrorKind.AUTH: 60.0,
        ErrorKind.BALANCE: 60.0,
        ErrorKind.MODEL_MISSING: 60.0,
    }
)
"""A model's own trouble passes sooner than a key's or an account's."""


class _Signature:
    """What an editor or a notebook asks a class for before its first object is made: builds it."""

    def __get__(self, instance: object, owner: type[BaseModel]) -> Signature:
        owner.model_rebuild()
        return owner.__signature__


class _Settings(BaseModel):
    """Frozen settings. What checks them takes longer to build than this module, so it is built for the first object."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    __signature__: ClassVar[Signature] = cast("Signature", _Signature())


class RetryConfig(_Settings):
    """How fast a profile's cooldown grows with its hits.

    Attributes:
        attempts: Tries that a loop of its own would make with these delays; the walk's are `transient_backoffs`.
        min_delay_ms: Delay of the first hit.
        max_delay_ms: Ceiling of the exponential part.
        jitter: Share of the delay that is added at most.
    """

    attempts: Annotated[int, Field(ge=1)] = 3
    min_delay_ms: Annotated[int, Field(ge=0)] = 400
    max_delay_ms: Annotated[int, Field(ge=0)] = 30_000
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.1


_DEFAULT_RETRY = RetryConfig.model_construct()


def backoff_delay(attempt: int, retry: RetryConfig = _DEFAULT_RETRY) -> float:
    """Seconds to leave something alone after `attempt` earlier hits: exponential, held to a maximum, with jitter.

    The jitter is a function of `attempt`, not of chance, so that a walk can be played through twice alike.

    >>> [round(backoff_delay(n), 4) for n in range(4)]
    [0.4, 0.8248, 1.6992, 3.4976]
    """
    # 2^40 · 1 ms is far beyond any maximum; a larger exponent would only build a huge integer.
    clamped = min(retry.min_delay_ms << min(max(attempt, 0), 40), retry.max_delay_ms)
    return (clamped + clamped * retry.jitter * (attempt * 0.31 % 1)) / 1000


Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveSeconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class FailoverPolicy(_Settings):
    """All settings of the walk. Frozen: `policy.replace(deadline=30)` makes another one.

    Attributes:
        retry: Growth of a profile's cooldown; see `backoff_delay`.
        transient_backoffs: Pauses before each repetition on the same target after a quick transient failure. Two,
            short: most blips are over within 2.5 s, and a longer pause is time that the next target could have used.
        quick_failure: A failure that took longer than this is not repeated in place while another target is left.
        patience: Longest wait for a target that says when to come back, or is about to. About as long as a person
            accepts a pause without noticing an outage.
        connect_timeout: Longest time for TCP and TLS. Three SYN retransmissions fit into 10 s.
        first_token_timeout: Longest time from sending until the first content.
        silent_first_token_timeout: The same for models known to think in silence.
        whole_timeout: The same for members that answer in one piece, and so are silent for as long as their answer is.
            The SDKs of OpenAI and Anthropic wait as long for one.
        last_first_token_timeout: The same for the last target left: a late answer beats none.
        idle_timeout: Longest time between two pieces of content. Keepalives do not count.
        linger: Longest time that a finished stream is read on, for usage and so that its connection can be reused.
        deadline: Seconds for a whole call; None for no bound beyond the other timers.
        min_cooldown: Shortest cooldown of a profile after a rate limit or a refused key.
        max_cooldown: Longest one, whatever the provider states: a probe every five minutes costs little.
        balance_cooldown: First cooldown of a profile with an empty account; doubles as it repeats. An account is
            topped up by a person, not by a moment.
        failure_memory: How long after a cooldown its count of hits is remembered, so that it grows if the trouble
            is still there. 0 forgets at once.
        model_cooldowns: First cooldown of a model by kind; doubles with each consecutive failure.
        max_model_cooldown: Longest cooldown of a model.
        cooldown_scope: "model" meters rate limits per (provider, profile, model), as providers do; "profile" lets
            every rate limit cool the whole profile.
        actions: Overrides of where the walk goes, by kind: `{"context_exceeded": "raise"}`.
        fail_fast: While another target is left, do not repeat in place.
        retry_budget: Share of calls that may be repeated in place over time, so that an outage cannot multiply load.
        retry_reserve: Repetitions in place that are free before the share counts.
        hedge_after: When the first content is so late, the next target is asked as well; the first to have content
            answers, the other is abandoned. None, the default: never, since it costs tokens.
        hedge_budget: Share of calls that may be hedged over time, so that a slow hour does not double the bill.
        mid_stream: What happens when a stream breaks after its content was shown. "raise" raises
            `StreamInterruptedError`; "continue" asks the next target to go on from there and joins the two, where that
            is safe, and raises where it is not; "restart" yields a `Restart` event, which says that what was shown is
            void, and then the next target's whole answer.
    """

    retry: RetryConfig = _DEFAULT_RETRY
    transient_backoffs: tuple[Seconds, ...] = (0.5, 2.0)
    quick_failure: Seconds = 10.0
    patience: Seconds = 2.5
    connect_timeout: PositiveSeconds = 10.0
    first_token_timeout: PositiveSeconds = 30.0
    silent_first_token_timeout: PositiveSeconds = 120.0
    whole_timeout: PositiveSeconds = 600.0
    last_first_token_timeout: PositiveSeconds = 120.0
    idle_timeout: PositiveSeconds = 30.0
    linger: Seconds = 1.0
    deadline: PositiveSeconds | None = None
    min_cooldown: Seconds = 5.0
    max_cooldown: Seconds = 300.0
    balance_cooldown: Seconds = 900.0
    failure_memory: Seconds = 300.0
    model_cooldowns: Mapping[ErrorKind, Seconds] = Field(default_factory=lambda: dict(_MODEL_COOLDOWNS))
    max_model_cooldown: Seconds = 3600.0
    cooldown_scope: Literal["model", "profile"] = "model"
    actions: Mapping[ErrorKind, Action] = Field(default_factory=dict)
    fail_fast: bool = False
    retry_budget: Annotated[float, Field(ge=0, le=1)] = 0.2
    retry_reserve: Annotated[float, Field(ge=0)] = 10.0
    hedge_after: PositiveSeconds | None = None
    hedge_budget: Annotated[float, Field(ge=0, le=1)] = 0.05
    mid_stream: Literal["raise", "continue", "restart"] = "raise"

    @field_validator("model_cooldowns", mode="after")
    @classmethod
    def _complete_cooldowns(cls, given: Mapping[ErrorKind, float]) -> Mapping[ErrorKind, float]:
        return {**_MODEL_COOLDOWNS, **given}

    @field_validator("actions", mode="after")
    @classmethod
    def _copy_actions(cls, given: Mapping[ErrorKind, Action]) -> Mapping[ErrorKind, Action]:
        return dict(given)

    @model_validator(mode="after")
    def _check_bounds(self) -> FailoverPolicy:
        if self.min_cooldown > self.max_cooldown:
            raise ValueError(f"min_cooldown ({self.min_cooldown}) is above max_cooldown ({self.max_cooldown})")
        return self

    def rule(self, kind: ErrorKind) -> Rule:
        """The row for `kind`, with the user's override."""
        return self._rules[kind]

    def replace(self, **changes: Any) -> FailoverPolicy:
        """A validated copy with `changes`.

        Raises:
            pydantic.ValidationError: A change is not valid.
        """
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return FailoverPolicy(**{**given, **changes})

    @cached_property
    def _rules(self) -> Mapping[ErrorKind, Rule]:
        return {kind: _overridden(rule, self.actions.get(kind)) for kind, rule in RULES.items()}


def _overridden(rule: Rule, action: Action | None) -> Rule:
    if action is None:
        return rule
    # A model that cools at once would keep the walk from the next profile, where the user sends it.
    waits = action == "next_profile" and rule.health == "now"
    return rule._replace(then=action, health="last_profile" if waits else rule.health)


DEFAULT_POLICY = FailoverPolicy.model_construct()
"""The policy where nothing is set: equal to `FailoverPolicy()`, without building what would check it."""
