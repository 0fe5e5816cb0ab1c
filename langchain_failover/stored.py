"""Settings that are objects, as plain JSON values for dumps and pickles, and back.

What is as usual is left out, so that a dump shows what was chosen, and follows new defaults when it is loaded. So are a
vendor's headers, and what in its query looks like a key by its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from pydantic import BaseModel

from shared_core.errors import ConfigurationError
from shared_core.policy import FailoverPolicy
from shared_core.providers.base import Vendor
from shared_core.providers.models import ModelInfo

__all__ = ["model_values", "policy_values", "to_vendors", "vendor_values"]

_FIELDS = {field.name: field for field in fields(Vendor)}

_SECRET = re.compile(r"key|token|secret|sig|pass", re.IGNORECASE)
"""Names of query parameters that do not leave the process."""


def policy_values(policy: FailoverPolicy) -> dict[str, Any]:
    """What was chosen in a policy; `FailoverPolicy(**values)` makes it again."""
    return {name: _plain(getattr(policy, name)) for name in sorted(policy.model_fields_set)}


def model_values(info: ModelInfo) -> dict[str, Any]:
    """What is known of a model; `ModelInfo(**values)` makes it again."""
    found = {field.name: getattr(info, field.name) for field in fields(ModelInfo)}
    return {name: _plain(value) for name, value in found.items() if value not in {None, frozenset()}}


def vendor_values(vendor: Vendor) -> dict[str, Any]:
    """What is special of a vendor; `to_vendors` reads it."""
    found: dict[str, Any] = {}
    for name, field in _FIELDS.items():
        value = _without_keys(name, getattr(vendor, name))
        usual = field.default_factory() if field.default_factory is not MISSING else field.default
        if value != usual:
            found[name] = _plain(value)
    return found


def _without_keys(name: str, value: Any) -> Any:
    match name:
        case "headers":
            return {}
        case "query":
            return {parameter: part for parameter, part in value.items() if not _SECRET.search(parameter)}
    return value


def to_vendors(given: Iterable[Vendor | Mapping[str, Any]] | None) -> tuple[Vendor, ...]:
    """Vendors, from themselves or from their values.

    Raises:
        ConfigurationError: A mapping describes none.
    """
    return tuple(row if isinstance(row, Vendor) else _vendor(row) for row in given or ())


def _vendor(row: Mapping[str, Any]) -> Vendor:
    try:
        return Vendor(**{name: _as_declared(name, value) for name, value in row.items()})
    except (KeyError, TypeError) as error:
        raise ConfigurationError(f"a vendor cannot be read: {error}") from None


def _as_declared(name: str, value: Any) -> Any:
    """JSON knows one kind of list, a vendor has tuples and sets."""
    default = _FIELDS[name].default
    return type(default)(value) if isinstance(default, tuple | frozenset) else value


def _plain(value: Any) -> Any:
    match value:
        case Mapping():
            return {str(name): _plain(part) for name, part in value.items()}
        case BaseModel():
            return value.model_dump(mode="json", exclude_unset=True)
        case frozenset():
            return sorted(value)
        case tuple():
            return list(value)
    return value
