"""The failover engine: framework-neutral, importable with httpx and pydantic alone.

>>> from shared_core import FailoverManager, LLMRequest, Message
>>> from shared_core.simulator import Simulator
>>> with Simulator() as sim:
...     sim.script("broken", "503")
...     with FailoverManager(base_urls={"one": sim.base_url, "two": sim.base_url}) as manager:
...         chain = LLMRequest(model="one/broken", fallback_models=("two/sound",), messages=(Message.of("user", "Hi"),))
...         answer = manager.complete(chain, policy=manager.policy.replace(transient_backoffs=()))
>>> answer.text, answer.report.model
('You said: Hi', 'two/sound')
"""

from typing import TYPE_CHECKING

from shared_core.lazy import lazily

__all__ = [
    "Answer",
    "ChainExhaustedError",
    "ClassifierRule",
    "ConfigurationError",
    "ErrorKind",
    "FailoverError",
    "FailoverManager",
    "FailoverPolicy",
    "Hooks",
    "LLMRequest",
    "Message",
    "Notice",
    "ProviderError",
    "ProviderHealthRegistry",
    "ProviderRegistry",
    "Report",
    "RequestRejectedError",
    "RetryConfig",
    "StreamInterruptedError",
    "Tool",
    "Vendor",
    "backoff_delay",
    "classify_error",
    "classify_response",
]

# What checkers and editors read; Python reads the table below.
if TYPE_CHECKING:
    from shared_core.answer import Answer
    from shared_core.classify import ClassifierRule, classify_error, classify_response
    from shared_core.errors import (
        ChainExhaustedError,
        ConfigurationError,
        ErrorKind,
        FailoverError,
        ProviderError,
        RequestRejectedError,
        StreamInterruptedError,
    )
    from shared_core.health import ProviderHealthRegistry
    from shared_core.hooks import Hooks, Notice
    from shared_core.manager import FailoverManager
    from shared_core.messages import Message
    from shared_core.policy import FailoverPolicy, RetryConfig, backoff_delay
    from shared_core.providers.base import Vendor
    from shared_core.registry import ProviderRegistry
    from shared_core.report import Report
    from shared_core.request import LLMRequest, Tool
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "Answer": "shared_core.answer",
            "ChainExhaustedError": "shared_core.errors",
            "ClassifierRule": "shared_core.classify",
            "ConfigurationError": "shared_core.errors",
            "ErrorKind": "shared_core.errors",
            "FailoverError": "shared_core.errors",
            "FailoverManager": "shared_core.manager",
            "FailoverPolicy": "shared_core.policy",
            "Hooks": "shared_core.hooks",
            "LLMRequest": "shared_core.request",
            "Message": "shared_core.messages",
            "Notice": "shared_core.hooks",
            "ProviderError": "shared_core.errors",
            "ProviderHealthRegistry": "shared_core.health",
            "ProviderRegistry": "shared_core.registry",
            "Report": "shared_core.report",
            "RequestRejectedError": "shared_core.errors",
            "RetryConfig": "shared_core.policy",
            "StreamInterruptedError": "shared_core.errors",
            "Tool": "shared_core.request",
            "Vendor": "shared_core.providers.base",
            "backoff_delay": "shared_core.policy",
            "classify_error": "shared_core.classify",
            "classify_response": "shared_core.classify",
        },
    )
