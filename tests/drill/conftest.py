"""Pictures, read back."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest


@pytest.fixture(scope="session")
def parsed() -> Callable[[str], ET.Element]:
    """Reads an SVG text; one that is not well-formed fails the test."""
    return ET.fromstring
