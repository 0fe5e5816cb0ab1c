"""`ChatFailover`: the failover engine as a LangChain chat model."""

from langchain_failover.blocks import register
from langchain_failover.chat_model import ChatFailover

__all__ = ["ChatFailover"]

register()
