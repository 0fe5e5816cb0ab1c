"""`ChatFailover`: the failover engine as a LangChain chat model."""
