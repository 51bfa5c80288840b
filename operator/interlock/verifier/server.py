"""The verifier's side of the socket: a few routes around `evidence/`.

Whatever happens inside one request ends inside it: as findings, or as an Unresolved that says why
there are none. Nothing of a request is logged but whose it was, how long it took and how it ended.
"""

import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Protocol

from aiohttp import web
from pydantic import BaseModel, ValidationError

from interlock.api.facts import Findings, Unresolved
from interlock.api.reasons import Reason
from interlock.evidence import wire
from interlock.evidence.wire import FindingsRequest

_log = logging.getLogger(__name__)
_JSON = "application/json"


class Gathers(Protocol):
    """Gathers findings; `evidence.findings.Gatherer` is the real one."""

    async def findings(self, request: FindingsRequest) -> Findings | Unresolved:
        """Return what the world says of a spec, or why it could not be asked."""

    async def close(self) -> None:
        """Close what it holds open."""


Governs = Callable[[bytes], Awaitable[BaseModel]]
"""Answers a governance request's body with what governance says, or with an Unresolved."""


def application(gatherer: Gathers, govern: Governs) -> web.Application:
    """Return the verifier's application; it closes the gatherer when it ends."""

    async def healthz(_: web.Request) -> web.Response:
        """Say that the process serves."""
        return web.Response(text="ok")

    async def findings(request: web.Request) -> web.Response:
        """Answer a request for findings."""
        return await _answered(wire.FINDINGS, request, lambda body: _findings(gatherer, body))

    async def governance(request: web.Request) -> web.Response:
        """Answer a request for governance."""
        return await _answered(wire.GOVERNANCE, request, govern)

    async def close(_: web.Application) -> None:
        """Close what the gatherer holds open."""
        await gatherer.close()

    app = web.Application(client_max_size=wire.MAX_REQUEST_BYTES)
    app.router.add_get(wire.HEALTH, healthz)
    app.router.add_post(wire.FINDINGS, findings)
    app.router.add_post(wire.GOVERNANCE, governance)
    app.on_cleanup.append(close)
    return app


async def _findings(gatherer: Gathers, body: bytes) -> BaseModel:
    try:
        request = FindingsRequest.model_validate_json(body)
    except ValidationError as error:
        where = error.errors(include_url=False, include_input=False)[0]
        return Unresolved(
            reason=Reason.INVALID,
            message=f"The request is not one for findings: {where['loc']}: {where['msg']}.",
        )
    return await gatherer.findings(request)


async def _answered(path: str, request: web.Request, answer: Governs) -> web.Response:
    started = monotonic()
    try:
        said = await answer(await request.read())
    except web.HTTPRequestEntityTooLarge:
        limit = wire.MAX_REQUEST_BYTES
        message = f"The request is larger than {limit} bytes. Make the policy's targets smaller."
        said = Unresolved(reason=Reason.INVALID, message=message)
    except Exception:  # the next request must find a verifier
        _log.exception("%s failed", path)
        said = Unresolved(
            reason=Reason.INTERNAL, message="The verifier failed. Its log has the details."
        )
    unresolved = isinstance(said, Unresolved)
    ended = said.reason if isinstance(said, Unresolved) else "answered"
    _log.info("%s %s after %.3f s", path, ended, monotonic() - started)
    return web.Response(
        status=wire.UNRESOLVED if unresolved else 200,
        text=said.model_dump_json(by_alias=True, exclude_none=True),
        content_type=_JSON,
    )
