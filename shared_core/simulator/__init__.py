"""A local LLM provider that misbehaves on request: a real HTTP server on loopback, for tests, demos and rehearsals.

    >>> import httpx
    >>> from shared_core.simulator import Fault, Reply, Simulator
    >>> with Simulator() as sim:
    ...     sim.script("gpt-4.1", Fault.named("openai.rate_limit", retry_after=1), Fault.reset(), Reply("Hello there"))
    ...     sim.script("*", "openai.invalid_key", key="key-dead")
    ...     url = f"{sim.base_url}/chat/completions"
    ...     question = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "Hi"}]}
    ...     httpx.post(url, json=question, headers={"authorization": "Bearer key-dead"}).status_code
    ...     httpx.post(url, json=question).headers["retry-after"]
    401
    '1'

It speaks OpenAI Chat Completions (Azure's paths too), OpenAI Responses, Anthropic Messages and Gemini
generateContent, all with the same behaviours; a path is known by its end, so `sim.url` and `sim.base_url` both serve as
anyone's base URL. Without a script it answers healthily: it echoes, word by word.

- `Reply`: a healthy answer, to the word, or made up from the request (tools called, JSON schema satisfied).
- `Fault`: one way to misbehave; `Fault.named(…)` takes a provider's documented error from the `catalogue`.
- `Ceiling`, `RateLimit`, `Flap`: rules that choose between a fault and a reply.
- Notation: wherever a behaviour is expected, `"503*2,cut@3,ok"` will do; also after a tilde in a model's name
  (`gpt-4.1~503*2,ok`) and in the request header `x-simulate`. See `notation`.
- `sim.requests`, `sim.requests_for(model)`, `sim.connections`, `sim.wait_for(predicate)`: what the server saw.

From the command line: `python -m shared_core.simulator --port 8080 --script scenario.json`.
"""

from shared_core.simulator.behaviours import Behaviour, Ceiling, Fault, Flap, RateLimit, Reply, ToolCall
from shared_core.simulator.recorder import Connections, RequestRecord
from shared_core.simulator.server import Simulator

__all__ = [
    "Behaviour",
    "Ceiling",
    "Connections",
    "Fault",
    "Flap",
    "RateLimit",
    "Reply",
    "RequestRecord",
    "Simulator",
    "ToolCall",
]
