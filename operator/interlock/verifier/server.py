"""The verifier's side of the socket: a few routes, and an end to every request.

Whatever happens inside one request ends inside it: as findings, or as an Unresolved that says why
there are none. Nothing of a request is logged but which it was, how long it took and how it ended.
"""

import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Protocol

from aiohttp import web
from pydantic import ValidationError

from interlock.api.reasons import Reason
from interlock.evidence import wire
from interlock.evidence.wire import FindingsRequest
from interlock.verifier.jobs import Answer

_log = logging.getLogger(__name__)
_JSON = "application/json"


class Answers(Protocol):
    """Whoever answers; `verifier.desk.Desk` is the real one."""

    async def findings(self, request: FindingsRequest, body: bytes) -> Answer:
        """Return what the world says of an agent, or why it could not be asked."""

    async def governance(self, body: bytes) -> Answer:
        """Return what governance says, or why it could not be asked."""

    async def close(self) -> None:
        """End all jobs."""


def application(desk: Answers) -> web.Application:
    """Return the verifier's application; it closes `desk` when it ends."""

    async def healthz(_: web.Request) -> web.Response:
        """Say that the process serves."""
        return web.Response(text="ok")

    async def findings(request: web.Request) -> web.Response:
        """Answer a request for findings."""
        return await _answered(wire.FINDINGS, request, lambda body: _findings(desk, body))

    async def governance(request: web.Request) -> web.Response:
        """Answer a request for governance."""
        return await _answered(wire.GOVERNANCE, request, desk.governance)

    async def close(_: web.Application) -> None:
        """End all jobs."""
        await desk.close()

    app = web.Application(client_max_size=wire.MAX_REQUEST_BYTES)
    app.router.add_get(wire.HEALTH, healthz)
    app.router.add_post(wire.FINDINGS, findings)
    app.router.add_post(wire.GOVERNANCE, governance)
    app.on_cleanup.append(close)
    return app


async def _findings(desk: Answers, body: bytes) -> Answer:
    try:
        request = FindingsRequest.model_validate_json(body)
    except ValidationError as error:
        where = error.errors(include_url=False, include_input=False)[0]
        return Answer.unresolved(
            Reason.INVALID,
            f"The request is not one for findings: {where['loc']}: {where['msg']}.",
        )
    return await desk.findings(request, body)


async def _answered(
    path: str, request: web.Request, answer: Callable[[bytes], Awaitable[Answer]]
) -> web.Response:
    started = monotonic()
    try:
        said = await answer(await request.read())
    except web.HTTPRequestEntityTooLarge:
        limit = wire.MAX_REQUEST_BYTES
        message = f"The request is larger than {limit} bytes. Make the policy's targets smaller."
        said = Answer.unresolved(Reason.INVALID, message)
    except Exception:  # the next request must find a verifier
        _log.exception("%s failed", path)
        said = Answer.unresolved(Reason.INTERNAL, "The verifier failed. Its log has the details.")
    ended = "answered" if said.resolved else "unresolved"
    _log.info("%s %s after %.3f s", path, ended, monotonic() - started)
    status = 200 if said.resolved else wire.UNRESOLVED
    return web.Response(status=status, body=said.body, content_type=_JSON)
