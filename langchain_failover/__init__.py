"""`ChatFailover`: the failover engine as a LangChain chat model, with what its users need of the engine."""

from typing import TYPE_CHECKING

from shared_core.lazy import lazily

__all__ = [
    "ChainExhaustedError",
    "ChatFailover",
    "ConfigurationError",
    "FailoverError",
    "FailoverManager",
    "FailoverPolicy",
    "Hooks",
    "RequestRejectedError",
    "StreamInterruptedError",
    "Vendor",
]

# What checkers and editors read; Python reads the table below.
if TYPE_CHECKING:
    from langchain_failover.chat_model import ChatFailover
    from shared_core.errors import (
        ChainExhaustedError,
        ConfigurationError,
        FailoverError,
        RequestRejectedError,
        StreamInterruptedError,
    )
    from shared_core.hooks import Hooks
    from shared_core.manager import FailoverManager
    from shared_core.policy import FailoverPolicy
    from shared_core.providers.base import Vendor
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "ChainExhaustedError": "shared_core.errors",
            "ChatFailover": "langchain_failover.chat_model",
            "ConfigurationError": "shared_core.errors",
            "FailoverError": "shared_core.errors",
            "FailoverManager": "shared_core.manager",
            "FailoverPolicy": "shared_core.policy",
            "Hooks": "shared_core.hooks",
            "RequestRejectedError": "shared_core.errors",
            "StreamInterruptedError": "shared_core.errors",
            "Vendor": "shared_core.providers.base",
        },
    )
