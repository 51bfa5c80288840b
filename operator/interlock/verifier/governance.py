"""Answers what governance says now: the git mirror says where, TUF says whether it counts."""

import asyncio
import base64
import binascii

from pydantic import ValidationError

from interlock.api.config import Config, GovernanceSource
from interlock.api.facts import Unresolved
from interlock.api.reasons import Reason
from interlock.evidence import governance
from interlock.evidence.filelock import locked
from interlock.evidence.git import Mirror, mirror_for
from interlock.evidence.governance import GovernanceRefused, GovernanceStale, Governed
from interlock.evidence.http import SourceError, SourceRefused
from interlock.evidence.predicates.base import rfc3339
from interlock.evidence.wire import MAX_SECONDS, GovernanceAnswer, GovernanceRequest


class Governance:
    """Runs one TUF refresh a request; the mirror is its alone meanwhile."""

    def __init__(self, config: Config, seconds: float = MAX_SECONDS) -> None:
        self._source = config.governance
        self._seconds = seconds
        self._folder = config.state_dir / "governance"
        if config.governance:
            self._mirror = mirror_for(self._folder, config.governance.url, config.git)

    async def answer(self, body: bytes) -> GovernanceAnswer | Unresolved:
        """Return what is verified now, or why what was verified before must stay in force."""
        if self._source is None:
            return _unresolved(
                Reason.POLICY_MISSING,
                "The configuration names no governance. Add its url and rootFile.",
            )
        try:
            async with asyncio.timeout(self._seconds), locked(self._folder / "lock"):
                return _answer(await self._fetch(self._source, self._mirror, _seed(body)))
        except GovernanceStale as error:
            return _unresolved(Reason.POLICY_STALE, str(error))
        except GovernanceRefused as error:
            return _unresolved(Reason.SOURCE_REFUSED, str(error))
        except SourceError as error:
            return error.unresolved()
        except TimeoutError:
            message = f"governance: {self._source.url} did not answer in {self._seconds:.0f} s."
            return _unresolved(Reason.SOURCE_UNAVAILABLE, message)
        except (OSError, ValidationError, binascii.Error) as error:
            return _unresolved(Reason.INVALID, f"governance: {error}")

    async def _fetch(
        self, source: GovernanceSource, mirror: Mirror, seed: dict[str, bytes]
    ) -> Governed:
        fetched = await mirror.fetch(source.url, {source.ref: source.ref})
        if fetched.refused:
            raise SourceRefused(f"governance: {fetched.refused[source.ref]}.")
        commit = await mirror.tip(source.ref)
        if commit is None:
            raise SourceRefused(f"governance: {source.url} has no {source.ref}. Push it.")
        return await governance.fetch(mirror, commit, source.root_file.read_bytes(), seed)


def _seed(body: bytes) -> dict[str, bytes]:
    request = GovernanceRequest.model_validate_json(body)
    return {name: base64.b64decode(text, validate=True) for name, text in request.metadata.items()}


def _answer(governed: Governed) -> GovernanceAnswer:
    return GovernanceAnswer(
        versions=governed.versions,
        expires=rfc3339(governed.expires),
        targets={name: data.decode() for name, data in sorted(governed.targets.items())},
        metadata={
            name: base64.b64encode(data).decode()
            for name, data in sorted(governed.metadata.items())
        },
    )


def _unresolved(reason: Reason, message: str) -> Unresolved:
    return Unresolved(reason=reason, message=message)
