"""`FailoverLLM`: the failover engine as a LlamaIndex LLM."""
