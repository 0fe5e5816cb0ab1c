"""`ChatFailover`: the failover engine as a LangChain chat model, with what its users need of the engine."""

from langchain_failover.blocks import register
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

register()
