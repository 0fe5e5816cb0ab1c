"""The engine's advice in the words of this command line, and of configuration files.

The engine speaks to programs: "give base_urls={…}". Whoever reads it here has options or a file instead. A sentence
that holds no such advice stays as it is, so an engine that words it otherwise is still understood.
"""

from __future__ import annotations

import re

__all__ = ["in_file", "in_options"]

_OPTIONS = (
    (re.compile(r"profiles=\{'([^']+)': \{[^}]*\}\}"), r"--key-env \1=VARIABLE"),
    (re.compile(r"base_urls=\{'([^']+)': '[^']*'\}(?: or a Vendor row)?"), r"--base-url \1=URL"),
    (re.compile(r"base_urls\['([^']+)'\]"), r"--base-url \1=URL"),
)


_TABLES = (
    (re.compile(r"give profiles=\{'([^']+)': \{[^}]*\}\}"), r"name another variable in [profiles.\1]"),
    (re.compile(r"give base_urls=\{'([^']+)': '[^']*'\}(?: or a Vendor row)?"), r"give it a line in [base_urls]"),
)


def in_file(text: str) -> str:
    """`text`, with settings of the engine's Python interface as tables of a configuration file.

    >>> in_file("no API key: set GROQ_API_KEY, or give profiles={'groq': {'main': …}}")
    'no API key: set GROQ_API_KEY, or name another variable in [profiles.groq]'
    """
    for setting, table in _TABLES:
        text = setting.sub(table, text)
    return text


def in_options(text: str) -> str:
    """`text`, with settings of the engine's Python interface as command-line options.

    >>> in_options("no API key: set GROQ_API_KEY, or give profiles={'groq': {'main': …}}")
    'no API key: set GROQ_API_KEY, or give --key-env groq=VARIABLE'
    """
    for setting, option in _OPTIONS:
        text = setting.sub(option, text)
    return text
