"""The controller's side of the socket: asks the verifier, and survives whatever becomes of it.

The verifier parses bytes that strangers made; it may be slow, killed or answer nonsense. Each of
these is an Unresolved with a sentence, so that the agent in question waits and all others go on.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import ValidationError

from interlock.api.facts import Findings, Unresolved
from interlock.api.reasons import Reason
from interlock.evidence import wire

_GRACE = 10.0
"""Seconds that the verifier may take longer than it promises before we hang up."""
_OK = 200


class VerifierClient:
    """Talks to one verifier. Its methods never raise for what the verifier does."""

    def __init__(self, socket: Path, seconds: float = wire.MAX_SECONDS + _GRACE) -> None:
        self._socket = socket
        self._timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=5)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    async def findings(
        self,
        *,
        namespace: str,
        name: str,
        spec: Mapping[str, Any],
        targets: Mapping[str, bytes],
        since: str,
        seen: Sequence[wire.SeenTip] = (),
        rewritten: Sequence[str] = (),
    ) -> Findings | Unresolved:
        """Return what the world says of a spec, or why it could not be asked."""
        request = {
            "namespace": namespace,
            "name": name,
            "spec": dict(spec),
            "targets": {target: data.decode() for target, data in targets.items()},
            "since": since,
            "seen": [tip.dump() for tip in seen],
            "rewritten": list(rewritten),
        }
        answer = await self._post(wire.FINDINGS, request, wire.MAX_FINDINGS_BYTES)
        if isinstance(answer, Unresolved):
            return answer
        try:
            return Findings.model_validate_json(answer)
        except ValidationError:
            return self._unavailable("answered what is not findings; are versions mixed?")

    async def governance(self, request: Mapping[str, Any]) -> bytes | Unresolved:
        """Return the JSON of what governance says, or why it could not be asked."""
        return await self._post(wire.GOVERNANCE, request, wire.MAX_GOVERNANCE_BYTES)

    async def _post(self, path: str, body: Mapping[str, Any], limit: int) -> bytes | Unresolved:
        data = json.dumps(body).encode()
        if len(data) > wire.MAX_REQUEST_BYTES:
            return Unresolved(
                reason=Reason.INVALID,
                message=f"Spec and policy are {len(data)} bytes together, the verifier takes at "
                f"most {wire.MAX_REQUEST_BYTES}. Make the policy's targets smaller.",
            )
        try:
            async with self._opened().post(f"http://verifier{path}", data=data) as response:
                answer = await _read(response, limit)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            return self._unavailable(f"cannot be asked: {why}")
        if answer is None:
            return self._unavailable(f"answered more than {limit} bytes")
        if response.status == _OK:
            return answer
        try:
            return Unresolved.model_validate_json(answer)
        except ValidationError:
            return self._unavailable(f"answered {response.status} without saying why")

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.UnixConnector(path=str(self._socket))
            self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        return self._session

    def _unavailable(self, what: str) -> Unresolved:
        message = (
            f"The verifier {what} (socket {self._socket}). It is asked again; look at the verifier "
            "container's log."
        )
        return Unresolved(reason=Reason.VERIFIER_UNAVAILABLE, message=message)


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)
