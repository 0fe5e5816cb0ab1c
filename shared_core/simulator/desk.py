"""Where a request becomes an answer: routed, recorded, its behaviour chosen, its steps planned. No I/O.

Invariants: every request is recorded, also one that no wire knows; a request that is wrong, or a script that fails,
gets an HTTP error that says so, never a dead connection.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared_core.errors import ConfigurationError
from shared_core.simulator.asked import Asked, compose
from shared_core.simulator.behaviours import Fault, Reply
from shared_core.simulator.http import HTTPRequest
from shared_core.simulator.plan import Head, Scene, Step, plan
from shared_core.simulator.recorder import Recorder, RequestRecord
from shared_core.simulator.script import Script
from shared_core.simulator.wires import Route, listed_models, route
from shared_core.simulator.wires.base import encoded

if TYPE_CHECKING:
    from shared_core.simulator.connection import Connection

__all__ = ["Desk"]

logger = logging.getLogger("shared_core.simulator")


class Desk:
    """What all connections of one server share."""

    def __init__(self, largest_body: int, *, is_strict: bool = True) -> None:
        self.largest_body = largest_body
        self._is_strict = is_strict
        self.recorder = Recorder()
        self.script = Script()
        self.connections: set[Connection] = set()

    def answer(self, request: HTTPRequest, connection: int) -> tuple[RequestRecord, Iterator[Step], int | None]:
        """Records a request and returns its record, the steps of its answer, and the size of TCP segments, if any."""
        found = route(request.path) if request.method == "POST" else None
        body = _decoded(request.body)
        asked = found.wire.read(body, found.model, found.stream) if found and isinstance(body, Mapping) else None
        record = self.recorder.arrived(
            wire=found.wire.name if found else None,
            method=request.method,
            path=request.path,
            query=request.query,
            headers=request.headers,
            body=body,
            raw=request.body,
            model=asked.model if asked else None,
            asked=asked,
            key=_key(request),
            connection=connection,
        )
        if found is None:
            return record, self._other(request), None
        if asked is None:
            error = found.wire.error(400, "We could not parse the JSON body of your request.")
            return record, _json(400, error), None
        problem = asked.problem or (asked.complaint if self._is_strict else None)
        if problem is not None:
            return record, _json(400, found.wire.error(400, problem)), None
        return self._modelled(record, asked, found)

    def _modelled(
        self, record: RequestRecord, asked: Asked, found: Route
    ) -> tuple[RequestRecord, Iterator[Step], int | None]:
        try:
            behaviour = self.script.choose(record, asked, found.wire)
            reply = behaviour.reply if isinstance(behaviour, Fault) else behaviour
            if reply.answer is not None:
                reply = reply.answer(record.body)
                behaviour = replace(behaviour, reply=reply) if isinstance(behaviour, Fault) else reply
            record.behaviour = behaviour
            scene = Scene(found.wire, asked, compose(reply, asked, record.number))
            steps = plan(behaviour, scene)
        except ConfigurationError as error:
            return record, _json(400, found.wire.error(400, str(error))), None
        except Exception as error:
            logger.exception("the script for %s failed", asked.model)
            text = f"the script failed: {type(error).__name__}: {error}"
            return record, _json(500, found.wire.error(500, text)), None
        logger.info("%s %s: %s", record.wire, asked.model, _named(behaviour))
        return record, steps, reply.split

    def _other(self, request: HTTPRequest) -> Iterator[Step]:
        if request.method == "GET":
            models = listed_models(request.path, self.script.models)
            if models is not None:
                return _json(200, models)
        message = f"Invalid URL ({request.method} {request.path})"
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
        return _json(404, {"error": error})


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _json(status: int, value: Any) -> Iterator[Step]:
    body = encoded(value)
    return iter((Head(status, {"content-type": "application/json"}, len(body)), body))


def _key(request: HTTPRequest) -> str | None:
    bearer = request.headers.get("authorization", "").partition(" ")[2]
    named = (request.headers.get(name) for name in ("x-api-key", "api-key", "x-goog-api-key"))
    return bearer or next((key for key in named if key), None) or request.query.get("key")


def _named(behaviour: Reply | Fault) -> str:
    if isinstance(behaviour, Reply):
        return "reply"
    return behaviour.name or (str(behaviour.http_status) if behaviour.kind == "status" else behaviour.kind)
