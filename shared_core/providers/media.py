"""Media types and data of images, audio and documents, in the form in which wires with base64 sources want them.

Owns data URLs and the guesses that a missing media type calls for. Never fetches anything.
"""

from __future__ import annotations

import mimetypes
from base64 import b64decode, b64encode
from typing import NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

__all__ = ["Inline", "inline", "mime_type_of_url", "text_of"]

_SIGNATURES = {
    "/9j/": "image/jpeg",
    "iVBORw0KGgo": "image/png",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
    "JVBERi0": "application/pdf",
}
"""Base64 of the first bytes of a file."""


_ALIASES = {"image/jpg": "image/jpeg", "audio/mp3": "audio/mpeg", "audio/x-wav": "audio/wav", "audio/wave": "audio/wav"}
"""Media types that are no registered ones, though files are often labelled so."""


class Inline(NamedTuple):
    """Data that travels inside the request, as base64 text."""

    mime_type: str
    data: str


def inline(data: str | None, url: str | None, mime_type: str | None, *, default: str) -> Inline | None:
    """The data of a block, from its base64 text or from a data URL; None if it has neither.

    The media type is the stated one, else the data URL's, else what the first bytes tell, else `default`.

    >>> inline(None, "data:image/gif;base64,R0lGODlh", None, default="image/png")
    Inline(mime_type='image/gif', data='R0lGODlh')
    """
    stated = mime_type
    if data is None and url is not None and url[:5].lower() == "data:":
        head, _, data = url[5:].partition(",")
        kind, *parameters = head.split(";")
        stated = stated or kind or None
        if "base64" not in parameters:
            data = b64encode(unquote_to_bytes(data)).decode()
    if not data:
        return None
    guessed = next((kind for start, kind in _SIGNATURES.items() if data.startswith(start)), default)
    return Inline(_ALIASES.get(stated or guessed, stated or guessed), data)


def text_of(found: Inline) -> str:
    """The text that inline data of a text type holds; empty if it is not base64 of UTF-8."""
    try:
        return b64decode(found.data, validate=True).decode()
    except ValueError:
        return ""


def mime_type_of_url(url: str, default: str) -> str:
    """What the ending of a URL's path tells of its media type."""
    return mimetypes.guess_type(urlsplit(url).path)[0] or default
