"""The failover engine: framework-neutral, importable with httpx and pydantic alone."""
