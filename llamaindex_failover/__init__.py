"""`FailoverLLM`: the failover engine as a LlamaIndex LLM.

It takes the place of any LLM of the framework, and an outage of the primary no longer reaches the program:

    >>> from llamaindex_failover import FailoverLLM
    >>> from shared_core.policy import FailoverPolicy
    >>> from shared_core.simulator import Simulator
    >>> with Simulator({"gpt-4.1": "503"}) as provider:
    ...     llm = FailoverLLM(
    ...         model="openai/gpt-4.1",
    ...         fallbacks=["openai/gpt-4.1-mini"],
    ...         profiles={"openai": {"main": "key-main"}},
    ...         base_urls={"openai": provider.base_url},
    ...         policy=FailoverPolicy(fail_fast=True),
    ...     )
    ...     answer = llm.complete("Hello")
    ...     streamed = [response.delta for response in llm.stream_complete("Hello")]
    ...     llm.manager.close()
    >>> answer.text
    'You said: Hello'
    >>> streamed
    ['You', ' said:', ' Hello', '']
    >>> trail = answer.additional_kwargs["failover"]
    >>> trail["model"], [(step["model"], step.get("kind")) for step in trail["trail"]]
    ('openai/gpt-4.1-mini', [('openai/gpt-4.1', 'transient'), ('openai/gpt-4.1-mini', None)])

Rooms: `settings` (what an LLM is made of), `messages` and `tools` (LlamaIndex to the engine), `request` (one call),
`growing` and `responses` (the engine to LlamaIndex), `trusted` (its objects without validation), `observing` (whether a
call has to be told of), `streaming` (who closes what is told of), `structured`, and `llm` itself.
LLM objects in the chain: `links` (their names and dumps), `members` (how they are asked), `native` (the call in their
words), `histories` (a conversation that is valid for them), `readings` (what the engine sees of their answers),
`retries` (there is one owner of them), `holding` and `blocking` (streams that end, and leave the event loop free).
"""

from typing import TYPE_CHECKING

from shared_core.lazy import lazily

__all__ = ["FailoverLLM"]

# What checkers and editors read; Python reads the table below.
if TYPE_CHECKING:
    from llamaindex_failover.llm import FailoverLLM
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "FailoverLLM": "llamaindex_failover.llm",
        },
    )
