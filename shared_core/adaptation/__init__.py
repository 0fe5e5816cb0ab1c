"""What one target can do of a request, and the request as that target gets it.

`needs` and `unfit` are the capability gate (`capability`); `adapt` changes settings, built-in tools and schemas on a
copy (`settings`, and `claude` for the Anthropic wire), with a note for each thing that is sent otherwise than asked.
Pure throughout. What refusals taught about a model is `learnt`'s, and the conversation is `history`'s.
"""

from shared_core.adaptation.capability import Needs, needs, unfit
from shared_core.adaptation.settings import SETTINGS, adapt

__all__ = ["SETTINGS", "Needs", "adapt", "needs", "unfit"]
