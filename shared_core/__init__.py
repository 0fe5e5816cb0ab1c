"""The failover engine: framework-neutral, importable with httpx and pydantic alone."""

from shared_core.classify import ClassifierRule, classify_error, classify_response

__all__ = ["ClassifierRule", "classify_error", "classify_response"]
