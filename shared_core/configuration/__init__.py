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

from shared_core.configuration.file import Configuration
from shared_core.configuration.mistakes import ConfigurationFileError, Mistake

__all__ = ["Configuration", "ConfigurationFileError", "Mistake"]
