"""A chain in a file: TOML for both faces and the command line, with secrets by `${NAME}` from the environment.

>>> from shared_core.configuration import Configuration
>>> configuration = Configuration.parse('''
... [chain]
... model = "openai/gpt-4.1"
... fallbacks = ["ollama/llama3.2"]
...
... [profiles.openai]
... main = "${OPENAI_MAIN_KEY}"
...
... [policy]
... deadline = 60
... ''')
>>> configuration.fallbacks, configuration.policy.deadline
(('ollama/llama3.2',), 60.0)
"""

from typing import TYPE_CHECKING

from shared_core.lazy import lazily

__all__ = ["Configuration", "ConfigurationFileError", "Mistake"]

# What checkers and editors read; Python reads the table below.
if TYPE_CHECKING:
    from shared_core.configuration.file import Configuration
    from shared_core.configuration.mistakes import ConfigurationFileError, Mistake
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "Configuration": "shared_core.configuration.file",
            "ConfigurationFileError": "shared_core.configuration.mistakes",
            "Mistake": "shared_core.configuration.mistakes",
        },
    )
