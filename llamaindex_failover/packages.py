"""LLM objects made from strings, by LlamaIndex's own packages: every provider that has one is reachable.

LlamaIndex keeps each provider in a package of its own, `llama_index.llms.<provider>`, and has no function that makes an
LLM from a string. The package's main class is the one that is called like the provider, else the first that it offers.
"""

from __future__ import annotations

import importlib
import re
from types import ModuleType

from llama_index.core.llms.llm import LLM

from shared_core.errors import ConfigurationError
from shared_core.scrub import cut, scrub

__all__ = ["made"]

_NAME = re.compile(r"(?P<provider>[A-Za-z][\w-]*)[:/](?P<model>.+)")


def made(text: str) -> LLM:
    """The LLM of a string such as "mistralai/mistral-large-latest", with its key from the environment.

    Args:
        text: `provider/model` or `provider:model`, where `llama_index.llms.<provider>` is a package that is installed.

    Raises:
        ConfigurationError: No LLM can be made of it.
    """
    found = _NAME.fullmatch(text)
    if found is None:
        raise ConfigurationError(f"provider_style='llamaindex' needs model strings like 'openai/gpt-4.1', not {text!r}")
    name = found["provider"].replace("-", "_").lower()
    package = f"llama_index.llms.{name}"
    try:
        module = importlib.import_module(package)
    except ImportError as error:
        wanted = f"llama-index-llms-{name.replace('_', '-')}"
        raise ConfigurationError(f"{text!r} needs the package {wanted}: {cut(scrub(str(error)))}") from error
    cls = _main_class(module, name)
    setting = next((field for field in ("model", "model_name") if field in cls.model_fields), None)
    if setting is None:
        raise ConfigurationError(f"{cls.__name__} of {package} takes no model; give an object in place of {text!r}")
    try:
        llm: LLM = cls(**{setting: found["model"]})
    except Exception as error:
        # A missing key, an unknown model: each package has errors of its own, and pydantic's show what they refuse.
        problem = type(error).__name__ if hasattr(error, "errors") else cut(scrub(str(error)))
        raise ConfigurationError(f"no LLM can be made of {text!r}: {problem}") from error
    return llm


def _main_class(module: ModuleType, name: str) -> type[LLM]:
    offered = getattr(module, "__all__", None) or vars(module)
    classes = [cls for each in offered if isinstance(cls := getattr(module, each), type) and issubclass(cls, LLM)]
    if not classes:
        raise ConfigurationError(f"{module.__name__} offers no LLM")
    plain = name.replace("_", "")
    return next((cls for cls in classes if cls.__name__.lower() == plain), classes[0])
