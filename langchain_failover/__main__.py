"""A LangChain chain that answers through a provider that misbehaves; needs no key and no network.

`python -m langchain_failover` starts the local provider, breaks the primary model in several ways one after another,
and lets an ordinary `prompt | model | parser` chain stream through it.
"""

from __future__ import annotations

import sys
from typing import Any

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from langchain_failover.chat_model import ChatFailover
from shared_core.simulator import Fault, Simulator

_OUTAGES = (
    ("the primary is healthy", "ok"),
    ("it is overloaded", "openai.overloaded"),
    ("it has retired", "openai.model_not_found"),
    ("an error comes inside a 200, after a role-only chunk", Fault.error_event("openai.server_error")),
    ("it sends nothing but keepalives", Fault.keepalive()),
    ("its key is dead", "openai.invalid_key"),
)


def main() -> int:
    """Plays the outages; the exit code."""
    for outage, behaviour in _OUTAGES:
        with Simulator() as provider:
            provider.script("gpt-4.1", behaviour)
            model = ChatFailover(
                model="openai/gpt-4.1",
                fallbacks=["groq/llama-3.3-70b-versatile"],
                profiles={"openai": {"main": "key-main"}, "groq": {"main": "key-groq"}},
                base_urls={"openai": provider.base_url, "groq": provider.base_url},
                first_token_timeout=0.5,
            )
            chain = ChatPromptTemplate.from_template("{what} streams through.") | model
            sys.stdout.write(f"\n{outage}\n  ")
            whole: Any = None
            for chunk in chain.stream({"what": "This sentence"}):
                whole = chunk if whole is None else whole + chunk
                sys.stdout.write(StrOutputParser().invoke(chunk))
                sys.stdout.flush()
            if whole is None:
                return 1
            trail = whole.response_metadata["failover"]
            failed = [step for step in trail["trail"] if step.get("outcome") == "failed"]
            kinds = ", ".join(f"{step['model']} failed: {step['kind']}" for step in failed) or "nothing failed"
            sys.stdout.write(f"\n  served by {trail['model']} ({kinds})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
