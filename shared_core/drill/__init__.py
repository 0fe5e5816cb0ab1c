"""Rehearsal: the user's own chain, played through outages that have not happened yet.

    >>> from shared_core.drill import drill
    >>> report = drill(["openai/gpt-4.1", "anthropic/claude-sonnet-4-5"], ["primary down"])
    >>> report["primary down"].answered
    True
    >>> print(report["primary down"].verdict)
    your users waited 3.1 s longer in 2 of 6 calls

The engine is the real one, and so are HTTP, the wires and the providers' own words for an error; what answers is the
local provider (`shared_core.simulator`), and time is skipped where it would only pass, so that a drill of an hour takes
a second and gives the same figures each time. Calls are asynchronous. No key is read, and nothing leaves this machine.

- `drill(source, scenarios)`: plays a manager's, a configuration's or a model's chain.
- `Scenario`, `Trouble`: outages of one's own. `SCENARIOS`: the catalogue, by name.
- `DrillReport`, `Result`, `CallResult`: what came of it; `report.timeline()` is a picture.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared_core.drill.advice import advise
from shared_core.drill.cast import Cast, Rehearsable, Role, Source
from shared_core.drill.catalogue import SCENARIOS, select
from shared_core.drill.clock import played
from shared_core.drill.player import play
from shared_core.drill.report import DrillReport
from shared_core.drill.results import CallResult, Result
from shared_core.drill.scenarios import Scenario, Trouble
from shared_core.drill.timeline import Timeline
from shared_core.policy import FailoverPolicy

__all__ = [
    "SCENARIOS",
    "CallResult",
    "DrillReport",
    "Rehearsable",
    "Result",
    "Role",
    "Scenario",
    "Timeline",
    "Trouble",
    "drill",
]

_LIMIT = 120.0
"""Seconds of real time that a drill may take; the catalogue takes a few."""


def drill(
    source: Source,
    scenarios: Sequence[str | Scenario] | None = None,
    *,
    models: Sequence[str] = (),
    policy: FailoverPolicy | None = None,
    limit: float = _LIMIT,
) -> DrillReport:
    """Plays a chain through outages. May be called anywhere, inside a running event loop as well, which it blocks.

    Args:
        source: A `FailoverManager`, a `Configuration`, a `ChatFailover` or `FailoverLLM`, or model strings.
        scenarios: Names of the catalogue and scenarios of one's own; without them, the whole catalogue.
        models: Model strings behind those of `source`, before a manager's fallbacks.
        policy: Settings instead of those of `source`.
        limit: Seconds of real time that it may take.

    Raises:
        ConfigurationError: There is no chain, a model string is wrong, a scenario is not known, or a trouble is in no
            place of this chain.
        TimeoutError: It took longer than `limit`.

    Example:
        >>> payday = Scenario("payday", "openai's account is empty", [Trouble("no_credit", "openai")])
        >>> drill(["openai/gpt-4.1", "groq/llama-3.3-70b-versatile"], [payday]).survived
        True
    """
    cast = Cast.of(source, models, policy)
    chosen = select(scenarios)
    results = played(lambda: play(cast, chosen), limit=limit)
    return DrillReport(cast.roles, results, cast.notes, advise(cast, results))
