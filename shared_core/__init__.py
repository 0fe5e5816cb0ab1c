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
