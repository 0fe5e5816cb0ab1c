"""Properties of whole histories: gates, cooldowns and health under any sequence of events; walks that interleave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared_core.chain import Link, Profile
from shared_core.cooldown import Cooldowns, Scoped
from shared_core.decisions import Attempt, GiveUp, Wait
from shared_core.errors import (
    ChainExhaustedError,
    ErrorKind,
    FailoverError,
    ProviderError,
    StreamInterruptedError,
)
from shared_core.gate import Gate
from shared_core.health import ProviderHealthRegistry
from shared_core.memory import Memory
from shared_core.policy import RULES, FailoverPolicy
from shared_core.report import AttemptRecord, SkipRecord
from shared_core.verdict import judge_link, judge_profile
from shared_core.walk import Walk

K = ErrorKind
EXAMPLES = settings.get_profile(settings.get_current_profile_name()).max_examples
SECONDS = st.sampled_from([0.0, 0.1, 1.0, 5.0, 10.0, 31.0, 301.0, 4000.0])
LEASE = 50.0


class GateMachine(RuleBasedStateMachine):
    """One gate and a few callers that come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate()
        self.now = 100.0
        self.taken: dict[int, float] = {}  # holders of a permit, and when they took it

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(holder=st.integers(0, 3))
    def take(self, holder: int) -> None:
        before = self.gate.state(self.now)
        admitted = self.gate.admits(self.now, holder)
        has_it = self.gate.take(self.now, holder, LEASE)
        assert has_it == (before == "ajar" or (before == "probing" and holder in self.taken))
        assert admitted == (before == "open" or has_it)
        if has_it:
            self.taken = {holder: self.now}

    @rule(holder=st.integers(0, 3))
    def give_back(self, holder: int) -> None:
        self.gate.give_back(holder)
        self.taken.pop(holder, None)

    @rule(holder=st.integers(0, 3))
    def answered(self, holder: int) -> None:
        assert self.gate.answered(holder) == (holder in self.taken)
        if holder in self.taken:
            assert self.gate.state(self.now) == "open"
            self.taken.clear()

    @rule(seconds=SECONDS, age=st.none() | SECONDS)
    def shut(self, seconds: float, age: float | None) -> None:
        started = None if age is None else self.now - age
        before, until, hits = self.gate.state(self.now), self.gate.until, self.gate.hits
        is_news = started is None or started >= self.gate.shut_at
        assert self.gate.shut(self.now, seconds, K.AUTH, "", started=started) == is_news
        if is_news:
            assert self.gate.hits == hits + 1
            assert self.gate.until == self.now + seconds
            self.taken.clear()
        elif before in {"open", "probing"}:
            assert (self.gate.state(self.now), self.gate.until, self.gate.hits) == (before, until, hits)
        else:
            assert self.gate.until == max(until, self.now + seconds)
            assert self.gate.hits == hits
            self.taken.clear()

    @invariant()
    def a_probe_has_one_holder_and_a_lease(self) -> None:
        assert len(self.taken) <= 1
        if self.gate.state(self.now) == "probing":
            assert self.gate.probe in self.taken
            assert self.now < self.taken[self.gate.probe] + LEASE  # type: ignore[index]

    @invariant()
    def nobody_passes_while_it_cools(self) -> None:
        if self.gate.state(self.now) == "cooling":
            assert not any(self.gate.admits(self.now, holder) for holder in range(4))
            assert self.now < self.gate.until


class MemoryMachine(RuleBasedStateMachine):
    """Cooldowns and health of two providers, two profiles, two models."""

    providers = st.sampled_from(["a", "b"])
    profiles = st.sampled_from(["one", "two"])
    models = st.sampled_from(["x", "y"])
    kinds = st.sampled_from(list(K))

    def __init__(self) -> None:
        super().__init__()
        self.policy = FailoverPolicy(failure_memory=60, max_model_cooldown=600)
        self.cooldowns = Cooldowns(self.policy.failure_memory)
        self.health = ProviderHealthRegistry(self.policy)
        self.now = 100.0
        self.disabled: set[str] = set()

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(provider=providers, profile=profiles, model=st.none() | models, kind=kinds, stated=st.none() | SECONDS)
    def profile_fails(self, provider: str, profile: str, model: str | None, kind: K, stated: float | None) -> None:
        error = ProviderError("no", kind=kind, retry_after=stated)
        others = {scope: gate.state(self.now) for scope, gate in self.cooldowns}
        scope = Scoped(provider, profile, model)
        seconds = self.cooldowns.shut(scope, error, self.policy, now=self.now)
        longest = 3600 if kind is K.BALANCE else self.policy.max_cooldown
        assert self.policy.min_cooldown <= seconds <= longest
        assert self.cooldowns.is_cooling(provider, profile, model or "", now=self.now)
        after = {other: gate.state(self.now) for other, gate in self.cooldowns if other != scope}
        assert all(others[other] == state for other, state in after.items())

    @rule(provider=providers, profile=profiles, model=models)
    def profile_succeeds(self, provider: str, profile: str, model: str) -> None:
        self.cooldowns.succeeded(provider, profile, model, started=self.now)
        assert not self.cooldowns.is_cooling(provider, profile, model, now=self.now)
        assert self.cooldowns.hit_count(provider, profile) == 0

    @rule(provider=providers, profile=profiles, model=models)
    def key_changes(self, provider: str, profile: str, model: str) -> None:
        assert self.cooldowns.gates(provider, profile, model, "another", self.now) == []

    @rule(model=models, kind=kinds)
    def model_fails(self, model: str, kind: K) -> None:
        hits = self.health.gate(model, self.now).hits
        seconds = self.health.record_failure(model, kind, "no", self.now)
        base = self.policy.model_cooldowns.get(kind, 10.0)
        assert seconds == min(base * 2**hits, 600)
        assert not self.health.is_callable(model, self.now)

    @rule(model=models)
    def model_succeeds(self, model: str) -> None:
        had_hits = self.health.gate(model, self.now).hits > 0
        assert self.health.record_success(model, started=self.now) == had_hits
        assert self.health.is_callable(model, self.now) == (model not in self.disabled)

    @rule(model=models)
    def a_person_disables(self, model: str) -> None:
        self.health.disable(model, "out")
        self.disabled.add(model)

    @rule(model=models, everything=st.booleans())
    def a_person_enables(self, model: str, everything: bool) -> None:
        if everything:
            self.health.reset()
            self.disabled.clear()
        else:
            self.health.enable(model)
            self.disabled.discard(model)

    @invariant()
    def nobody_is_locked_out_for_ever(self) -> None:
        for model in ("x", "y"):
            assert self.health.is_callable(model, self.now + 601) == (model not in self.disabled)

    @invariant()
    def the_snapshot_tells_the_truth(self) -> None:
        for each in self.health.snapshot(self.now):
            assert each.retry_after == 0.0 or each.state == "cooling"
            assert (each.kind is None) == (each.failures == 0)
            assert (each.disabled is not None) == (each.model in self.disabled)


@dataclass
class Trip:
    """A walk under way, and what was seen of it."""

    walk: Walk
    chain: tuple[Link, ...]
    began: float
    deadline: float | None
    running: Attempt | None = None
    started: float = 0.0
    permits: list[Gate] = field(default_factory=list)
    shown: str | None = None
    has_content: bool = False
    steps: int = 0
    end: FailoverError | str | None = None


chains = st.lists(st.integers(0, 5), min_size=1, max_size=6, unique=True)
errors = st.builds(
    ProviderError,
    st.just("no"),
    kind=st.sampled_from(list(K)),
    retry_after=st.sampled_from([None, None, 1e-6, 1.0, 2.5, 60.0]),
    ceiling=st.sampled_from([None, 500, 2000]),
    scope=st.sampled_from(["model", "account"]),
    is_timeout=st.booleans(),
    is_sum=st.booleans(),
    parameter=st.sampled_from([None, "temperature", "top_p", "tools"]),
)
actions = st.dictionaries(
    st.sampled_from(list(K)), st.sampled_from(["next_profile", "next_model", "larger_window", "raise"]), max_size=3
)
policies = st.builds(
    FailoverPolicy,
    fail_fast=st.booleans(),
    retry_reserve=st.sampled_from([0.0, 1.0, 10.0]),
    failure_memory=st.sampled_from([0.0, 300.0]),
    min_cooldown=st.sampled_from([0.0, 5.0]),
    deadline=st.sampled_from([None, None, 5.0, 60.0]),
    actions=actions,
)


class WalkMachine(RuleBasedStateMachine):
    """Several calls at once, over six models with up to three profiles, that share one memory."""

    @initialize(
        profiles=st.lists(st.integers(1, 3), min_size=6, max_size=6),
        windows=st.lists(st.sampled_from([None, 8_000, 32_000]), min_size=6, max_size=6),
        policy=policies,
    )
    def a_world(self, profiles: list[int], windows: list[int | None], policy: FailoverPolicy) -> None:
        self.policy = policy
        self.memory = Memory(self.policy)
        self.now = 1000.0
        self.models = [
            Link(
                "ab"[index % 2],
                f"m{index}",
                tuple(Profile(name) for name in ("one", "two", "three")[:count]),
                unavailable="no such provider" if index == 5 else None,
                window=window,
            )
            for index, (count, window) in enumerate(zip(profiles, windows, strict=True))
        ]
        self.trips: list[Trip] = []

    def open_trips(self) -> list[Trip]:
        return [trip for trip in getattr(self, "trips", []) if trip.end is None]

    def running(self) -> list[Trip]:
        return [trip for trip in self.open_trips() if trip.running is not None]

    def pick(self, data: st.DataObject, trips: list[Trip]) -> Trip:
        return trips[data.draw(st.integers(0, len(trips) - 1))]

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: len(self.open_trips()) < 4)
    @rule(order=chains, deadline=st.sampled_from([None, None, 1.0, 20.0]), max_tokens=st.none() | st.just(1000))
    def a_call_begins(self, order: list[int], deadline: float | None, max_tokens: int | None) -> None:
        chain = tuple(self.models[index] for index in order)
        walk = Walk(
            chain, memory=self.memory, policy=self.policy, now=self.now, max_tokens=max_tokens, deadline=deadline
        )
        seconds = deadline or self.policy.deadline
        self.trips.append(Trip(walk, chain, self.now, None if seconds is None else self.now + seconds))

    @precondition(lambda self: any(trip.running is None for trip in self.open_trips()))
    @rule(data=st.data())
    def a_decision(self, data: st.DataObject) -> None:
        trip = self.pick(data, [trip for trip in self.open_trips() if trip.running is None])
        free = {
            (link.name, profile.name)
            for link in trip.chain
            for profile in link.profiles
            if judge_link(link, self.memory, self.now, trip.walk) is None
            and judge_profile(link, profile, self.memory, self.now, trip.walk) is None
        }
        decision = trip.walk.next(self.now)
        trip.steps += 1
        assert trip.steps < 300, "the walk does not end"
        match decision:
            case Attempt(target=target):
                trip.running, trip.started, trip.has_content = decision, self.now, False
                assert (target.link.name, target.profile.name) in free, "asked while it was shut"
                assert trip.deadline is None or self.now < trip.deadline
                assert decision.first_token_timeout > 0
                assert trip.deadline is None or self.now + decision.first_token_timeout <= trip.deadline + 1e-6
                trip.permits = list(trip.walk._permits)
            case Wait(seconds):
                assert 0 < seconds <= self.policy.patience
                assert trip.deadline is None or self.now + seconds < trip.deadline
                self.now += seconds
            case GiveUp(error):
                trip.end = error
                self.check_end(trip, error)

    def check_end(self, trip: Trip, error: FailoverError) -> None:
        steps = trip.walk.report.steps
        assert all(step.outcome == "failed" for step in steps if isinstance(step, AttemptRecord))
        if isinstance(error, StreamInterruptedError):
            assert error.partial == trip.shown
        if isinstance(error, ChainExhaustedError):
            attempted = {(step.model, step.profile) for step in steps if isinstance(step, AttemptRecord)}
            skipped = {(step.model, step.profile) for step in steps if isinstance(step, SkipRecord)}
            for link in trip.chain:
                whole = (link.name, None) in skipped
                for profile in link.profiles:
                    one = (link.name, profile.name)
                    assert one in attempted or one in skipped or whole, f"{one} was forgotten"
            assert all(step.reason for step in steps if isinstance(step, SkipRecord))
            assert len(error.errors) == len([step for step in steps if isinstance(step, AttemptRecord)])

    @precondition(lambda self: self.running())
    @rule(data=st.data(), seconds=SECONDS)
    def content_comes(self, data: st.DataObject, seconds: float) -> None:
        trip = self.pick(data, self.running())
        if not trip.has_content:
            self.now += seconds
            trip.walk.answered(self.now)
            trip.has_content = True
            assert all(gate.probe is not trip.walk for gate in trip.permits)

    @precondition(lambda self: self.running())
    @rule(data=st.data(), seconds=SECONDS)
    def an_answer(self, data: st.DataObject, seconds: float) -> None:
        trip = self.pick(data, self.running())
        self.now += seconds
        trip.walk.succeeded(self.now)
        trip.running, trip.end = None, "answered"
        assert trip.walk.report.attempts[-1].outcome == "succeeded"

    @precondition(lambda self: self.running())
    @rule(data=st.data(), error=errors, seconds=SECONDS, may_go_on=st.booleans())
    def a_failure(self, data: st.DataObject, error: ProviderError, seconds: float, may_go_on: bool) -> None:
        trip = self.pick(data, self.running())
        self.now += seconds
        shown = None
        if trip.has_content:
            shown = trip.shown = (trip.shown or "") + "text"
        trip.walk.failed(error, self.now, shown=shown, may_go_on=may_go_on)
        trip.running = None
        if shown is not None and not may_go_on:
            decision = trip.walk.next(self.now)
            assert isinstance(decision, GiveUp), "it failed over after something was shown"
            assert isinstance(decision.error, StreamInterruptedError)
            trip.end = decision.error

    @precondition(lambda self: self.open_trips())
    @rule(data=st.data(), seconds=SECONDS)
    def the_caller_leaves(self, data: st.DataObject, seconds: float) -> None:
        trip = self.pick(data, self.open_trips())
        self.now += seconds
        trip.walk.abandoned(self.now)
        trip.running, trip.end = None, "abandoned"

    @precondition(lambda self: hasattr(self, "models"))
    @rule(provider=st.sampled_from(["a", "b"]))
    def a_key_changes(self, provider: str) -> None:
        """The first profile of a provider, for all its models."""
        for index, link in enumerate(self.models):
            if link.provider == provider:
                first, *rest = link.profiles
                changed = Profile(first.name, f"{first.fingerprint}+")
                self.models[index] = replace(link, profiles=(changed, *rest))

    @precondition(lambda self: hasattr(self, "memory"))
    @rule(index=st.integers(0, 4), what=st.sampled_from(["disable", "enable", "reset"]))
    def a_person_acts(self, index: int, what: str) -> None:
        name = self.models[index].name
        match what:
            case "disable":
                self.memory.health.disable(name, "out")
            case "enable":
                self.memory.health.enable(name)
            case _:
                self.memory.reset(name)

    def gates(self) -> Iterator[Gate]:
        for link in self.models:
            yield self.memory.health.gate(link.name, self.now)
        for _, gate in self.memory.cooldowns:
            yield gate

    @invariant()
    def one_probe_a_gate_by_a_walk_that_is_open(self) -> None:
        if hasattr(self, "memory"):
            open_walks = {id(trip.walk) for trip in self.open_trips()}
            for gate in self.gates():
                if gate.state(self.now) == "probing":
                    assert id(gate.probe) in open_walks, "a permit was not given back"

    @invariant()
    def every_attempt_has_ended_or_runs(self) -> None:
        for trip in getattr(self, "trips", []):
            running = [step for step in trip.walk.report.attempts if step.outcome == "running"]
            assert len(running) == (trip.running is not None)
            assert all((step.ended is None) == (step.outcome == "running") for step in trip.walk.report.attempts)

    @invariant()
    def the_budget_is_never_negative(self) -> None:
        if hasattr(self, "memory"):
            assert 0 <= self.memory.budget.tokens <= max(self.policy.retry_reserve, 0)

    def teardown(self) -> None:
        """Whatever is still under way comes to an end by itself when everything fails."""
        for trip in self.open_trips():
            while trip.end is None:
                if trip.running is not None:
                    trip.walk.failed(ProviderError("no", kind=K.TRANSIENT), self.now)
                    trip.running = None
                decision = trip.walk.next(self.now)
                trip.steps += 1
                assert trip.steps < 300, "the walk does not end"
                match decision:
                    case Attempt():
                        trip.running = decision
                    case Wait(seconds):
                        self.now += seconds
                    case GiveUp(error):
                        trip.end = error
        if hasattr(self, "memory"):
            assert all(gate.state(self.now) != "probing" for gate in self.gates())


def test_the_rules_cover_every_kind() -> None:
    """What the machines draw from is the whole table."""
    assert set(RULES) == set(K)


TestGate, TestMemory, TestWalks = GateMachine.TestCase, MemoryMachine.TestCase, WalkMachine.TestCase
# A machine's example is a whole history, many times as long as a property's.
TestGate.settings = settings(max_examples=EXAMPLES // 5)
TestMemory.settings = settings(max_examples=EXAMPLES // 5)
TestWalks.settings = settings(max_examples=EXAMPLES // 2)
