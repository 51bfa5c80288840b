"""Gathers everything the world says of one spec: pins, evidence, approvals, whose hands were on it.

This is what the verifier runs for the controller and `interlock check` runs by itself. One job
may fail, hang or meet hostile bytes; it ends as one sentence within its time, and no other job
notices.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from pydantic import ValidationError

from interlock.api import digests, facts
from interlock.api.config import Config
from interlock.api.digests import ModelFile
from interlock.api.facts import (
    NOT_FAST_FORWARD,
    Approval,
    Change,
    Denied,
    Findings,
    Unresolved,
)
from interlock.api.kinds.deployment import AgentDeploymentSpec
from interlock.api.reasons import Reason
from interlock.api.values import Clock
from interlock.evidence import agentfile, approvals, authors, bundles
from interlock.evidence.filelock import locked
from interlock.evidence.git import Mirror, Seen, mirror_for
from interlock.evidence.gitrefs import NOTHING_SEEN
from interlock.evidence.hashing import HashCache
from interlock.evidence.http import Blob, SourceError, SourceRefused
from interlock.evidence.oci import Reference
from interlock.evidence.proven import Proven
from interlock.evidence.resolve import Resolved, World, pins, registered, resolve
from interlock.evidence.sigstore import SigstoreVerifier
from interlock.evidence.wire import MAX_SECONDS, FindingsRequest
from interlock.policy import Policy
from interlock.policy.model import NamespacePolicy, SourceGrant
from interlock.policy.parse import PolicyError, parse
from interlock.render import Unrenderable
from interlock.render.delivery import manifest

MAX_FINDINGS_BYTES = facts.MAX_FACTS_BYTES - 64 * 1024
"""Leaves room in the facts for the subject and its context."""

_log = logging.getLogger(__name__)


class Gatherer:
    """Gathers findings; what it keeps is git mirrors below `stateDir`, and its cache."""

    def __init__(
        self,
        config: Config,
        clock: Clock = lambda: datetime.now(UTC),
        seconds: float = MAX_SECONDS,
        cache: HashCache | None = None,
        policy: Policy | None = None,
    ) -> None:
        """`cache` is what was hashed and verified before, of one and the same agent.

        `policy` is the requests' own, where somebody has parsed it already.
        """
        self._config = config
        self._clock = clock
        self._seconds = seconds
        self._cache = cache or HashCache()
        self._policy = policy
        self._world = World(config, self._cache)

    async def close(self) -> None:
        """Close all connections."""
        await self._world.close()

    async def findings(self, request: FindingsRequest) -> Findings | Unresolved:
        """Return what the world says, or why it could not be asked. Never raises."""
        agent = f"{request.namespace}/{request.name}"
        try:
            async with asyncio.timeout(self._seconds):
                return _bounded(await self._gather(request))
        except SourceError as error:
            return error.unresolved()
        except TimeoutError:
            return _unresolved(
                Reason.SOURCE_UNAVAILABLE,
                f"The evidence of {agent} was not gathered within {self._seconds:.0f} s. A "
                "registry or git server is slow, or the model is very large; it is tried again.",
            )
        except (PolicyError, ValidationError, Unrenderable) as error:
            return _unresolved(Reason.INVALID, f"{agent} cannot be judged: {error}")
        except MemoryError:
            raise  # nothing that is said now could be relied on
        except Exception:  # one agent's surprise must not become another's
            _log.exception("gathering the evidence of %s failed", agent)
            return _unresolved(
                Reason.INTERNAL,
                f"The verifier failed on {agent}. Its log has the details; report them.",
            )

    async def _gather(self, request: FindingsRequest) -> Findings:
        spec = AgentDeploymentSpec.model_validate(request.spec)
        targets = {name: text.encode() for name, text in request.targets.items()}
        # Judging is the gates' business, not ours: whatever version of the revocations this is.
        policy = self._policy or parse(targets, revocation_version=0)
        resolved = await resolve(spec, self._world)
        evidence, denied = await self._evidence(spec, resolved, policy)
        granted = policy.namespaces.namespaces.get(request.namespace)
        content = digests.content(request.namespace, request.name, request.spec)
        proofs = approvals.Proofs(self._verifier_for(policy), self._clock())
        approved, refused = await self._approvals(granted, content, proofs)
        change, moved = await self._change(granted, request, content, evidence)
        return Findings(
            pins=pins(spec, resolved),
            registered=registered(resolved),
            evidence=evidence,
            denied=denied + refused + moved,
            content=resolved.model.content if resolved.model else None,
            approvals=approved,
            change=change,
            files=self._files(resolved),
        )

    def _files(self, resolved: Resolved) -> list[ModelFile]:
        """Return what init containers have to copy; nothing where the model is a volume."""
        files = resolved.model.files if resolved.model and self._config.copier else ()
        manifest(files)  # raises where the controller could not take them
        return list(files)

    async def _evidence(
        self, spec: AgentDeploymentSpec, resolved: Resolved, policy: Policy
    ) -> tuple[list[facts.Evidence], list[Denied]]:
        blobs: list[Blob] = []
        files = resolved.model.files if resolved.model else ()
        if spec.model and resolved.model and resolved.model.found:
            registry = self._world.registry(spec.model.registry)
            blobs += await registry.evidence(resolved.model.found)
        if resolved.image.value:
            image = Reference.parse(spec.image)
            blobs += await self._world.oci.evidence(image, resolved.image.value)
        verifier = self._verifier_for(policy)
        return await asyncio.to_thread(bundles.read, blobs, verifier, files, self._clock())

    async def _approvals(
        self, granted: NamespacePolicy | None, content: str, proofs: approvals.Proofs
    ) -> tuple[list[Approval], list[Denied]]:
        found: dict[str, Approval] = {}
        refused: list[Denied] = []
        ref = approvals.ref_of(content)
        for url in sorted({source.approvals for source in granted.repositories} if granted else ()):
            async with self._fetched(url, ref) as (mirror, moved):
                good, bad = await approvals.read(mirror, content, proofs)
            found |= {each.envelope: each for each in good}
            refused += [*moved, *bad]
        return [found[key] for key in sorted(found)], refused

    async def _change(
        self,
        granted: NamespacePolicy | None,
        request: FindingsRequest,
        content: str,
        evidence: Sequence[facts.Evidence],
    ) -> tuple[Change | None, list[Denied]]:
        """Return who touched the file, in the first granted repository whose file says this."""
        refused: list[Denied] = []
        for source in granted.repositories if granted else ():
            seen = _seen(request, source)
            async with self._fetched(source.url, source.ref, seen) as (mirror, moved):
                refused += moved
                found = await self._in(mirror, source, request, content)
                if found:
                    return await authors.containing(mirror, found, evidence), refused
        return None, refused

    async def _in(
        self, mirror: Mirror, source: SourceGrant, request: FindingsRequest, content: str
    ) -> Change | None:
        commit = await mirror.tip(source.ref)
        if commit is None:
            return None
        wanted = agentfile.Wanted(request.namespace, request.name, content)
        path = await agentfile.find(mirror, commit, source.path, wanted)
        if path is None:
            return None
        return await authors.change(mirror, source.url, source.ref, path, commit, request.since)

    @asynccontextmanager
    async def _fetched(
        self, url: str, ref: str, seen: Seen = NOTHING_SEEN
    ) -> AsyncIterator[tuple[Mirror, list[Denied]]]:
        """Give a mirror with a ref fetched just now, and why its new tip was not taken.

        No other job touches it meanwhile.
        """
        folder = self._config.state_dir / "git"
        async with locked(folder / f"{digests.sha256(url.encode())}.lock"):
            mirror = mirror_for(folder, url, self._config.git)
            fetched = await mirror.fetch(url, {ref: ref}, seen)
            for sentence in fetched.refused.values():
                _log.warning("%s: %s", url, sentence)
            yield mirror, [_moved(url, ref, why) for why in fetched.refused.values()]

    def _verifier_for(self, policy: Policy) -> Proven:
        def made() -> SigstoreVerifier:
            try:
                keys = (signer.key for signer in policy.trust.signers if signer.key)
                return SigstoreVerifier(policy.trusted_root, keys)
            except ValueError as error:
                raise SourceRefused(f"Governance: {error}. Sign a good one.") from error

        trust = policy.trust.model_dump_json().encode()
        return Proven(made, [policy.trusted_root, trust], self._cache)


def _seen(request: FindingsRequest, source: SourceGrant) -> Seen:
    place = (source.url, source.ref)
    tips = {tip.ref: tip.commit for tip in request.seen if (tip.repository, tip.ref) == place}
    return Seen(tips, request.rewritten)


def _moved(url: str, ref: str, why: str) -> Denied:
    return Denied(
        bundle=digests.sha256(f"{url}\n{ref}".encode()),
        location=f"{ref} of {url}",
        code=NOT_FAST_FORWARD,
        got=why,
        expected="a ref that only grows; merge the old commit back",
    )


def _bounded(findings: Findings) -> Findings:
    size = len(findings.model_dump_json(by_alias=True, exclude_none=True, exclude={"files"}))
    if size > MAX_FINDINGS_BYTES:
        raise SourceRefused(
            f"The evidence is {size} bytes when summarised, at most {MAX_FINDINGS_BYTES} can be "
            "kept in a decision. Remove old bundles from the model's run and from the registry."
        )
    return findings


def _unresolved(reason: Reason, message: str) -> Unresolved:
    return Unresolved(reason=reason, message=message[:4096])
