"""What a policy that may be signed will not do as its author hopes, each with the reason.

Rules that nobody can meet as things are, rules that say less where they should say more, entries
that count nothing. What can mean nothing at all is refused by `parse`; this is advice, and some of
it is about the present moment.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from interlock.api import facts
from interlock.api.kinds.base import seconds
from interlock.api.kinds.deployment import Tier
from interlock.api.observed import Use
from interlock.policy import queries, revocations
from interlock.policy.freezes import Freeze, next_start, open_until
from interlock.policy.model import Person, Policy, TierPolicy
from interlock.policy.signers import ROLE_OF, Signer

YEAR = timedelta(days=366)
_STEPS = 2000
"""Windows that are followed when a time without freeze is searched for."""
_NEEDS: dict[str, tuple[str, ...]] = {
    "model-signature": (facts.OMS,),
    "training-record": (facts.TRAINING,),
    "evaluation": (facts.TEST_RESULT,),
    "image-signature": (facts.COSIGN,),
    "provenance": (facts.PROVENANCE,),
    "sbom": facts.SBOMS,
    "vulnerability-scan": (facts.VULNS,),
}
"""What each gate wants signed: any of these."""


def lint(policy: Policy, now: datetime) -> list[str]:
    """Return a sentence for each rule that cannot be met or does not do what it seems to."""
    return [sentence for check in _CHECKS for sentence in check(policy, now)]


def _quorums(policy: Policy, now: datetime) -> Iterator[str]:
    """A quorum can be filled now, by people who are still there, and without one of them."""
    for name, tier in queries.all_tiers(policy):
        able = {p.id: p.roles for p in policy.people.people if _able(policy, p, tier, now)}
        if open_roles := queries.unfilled(tier.quorum, able):
            yield (
                f"tiers.yaml: {name}: nobody can fill the quorum now: {', '.join(open_roles)} "
                "stays open, as people, keys or bridges have ended or were revoked"
            )
            continue
        needed = [one for one in sorted(able) if _needs(tier, able, one)]
        if needed:
            yield (
                f"tiers.yaml: {name}: changes that {', '.join(needed)} took part in can never be "
                "approved, as authors do not count and nobody stands in; add people with the role"
            )


def _able(policy: Policy, person: Person, tier: TierPolicy, now: datetime) -> bool:
    gone = revocations.why(policy.revocations, [Use("person", person.id)])
    return not gone and queries.means(policy, person, tier.strengths, now)


def _needs(tier: TierPolicy, able: dict[str, list[str]], person: str) -> bool:
    others = {one: roles for one, roles in able.items() if one != person}
    return bool(queries.unfilled(tier.quorum, others))


def _strengths(policy: Policy, now: datetime) -> Iterator[str]:
    """What a tier counts, somebody can make."""
    bridged = any(queries.valid(each, now) for each in policy.trust.bridges)
    for name, tier in queries.all_tiers(policy):
        if tier.quorum and "forge" in tier.strengths and not bridged:
            yield (
                f"tiers.yaml: {name}: strengths names forge, and trust.yaml has no bridge that is "
                "valid now; no review counts"
            )


def _evidence(policy: Policy, now: datetime) -> Iterator[str]:
    """What a gate wants signed, somebody may sign now."""
    for name, tier in queries.all_tiers(policy):
        for gate in tier.gates:
            kinds = _NEEDS.get(gate, ())
            if kinds and not any(
                _signs(policy, s, k, now) for s in policy.trust.signers for k in kinds
            ):
                yield (
                    f"tiers.yaml: {name}: {gate} can never pass: trust.yaml has no "
                    f"{ROLE_OF[kinds[0]]} who may sign {kinds[0]} now; add one, or drop the gate"
                )
        if "vulnerability-scan" in tier.gates and not policy.trust.scanners:
            yield f"tiers.yaml: {name}: vulnerability-scan can never pass: scanners is empty"


def _signs(policy: Policy, signer: Signer, kind: str, now: datetime) -> bool:
    if signer.role != ROLE_OF[kind] or (
        signer.predicate_types and kind not in signer.predicate_types
    ):
        return False
    ended = signer.not_after is not None and now > queries.moment(signer.not_after)
    return not ended and signer.compromised_since is None


def _tiers(policy: Policy, now: datetime) -> Iterator[str]:
    """A higher tier asks for no less than the one below: raising the risk eases nothing."""
    for place in ("", *sorted(policy.tiers.environments)):
        own = policy.tiers.environments.get(place, policy.tiers.tiers)
        tiers = policy.tiers.tiers | own
        for low, high in pairwise(name for name in queries.TIERS if name in tiers):
            if not {low, high} & own.keys():
                continue
            where = f"{place}: {high}" if place else high
            for less in _less(tiers[low], tiers[high]):
                yield f"tiers.yaml: {where} asks for less than {low}: {less}"


def _less(low: TierPolicy, high: TierPolicy) -> Iterator[str]:
    """Yield what the higher of two tiers does not ask for and the lower does."""
    if missing := [gate for gate in low.gates if gate not in high.gates]:
        yield f"the gates {', '.join(missing)}"
    for role in sorted({slot.role for slot in low.quorum}):
        if _count(high, role) < _count(low, role):
            yield f"{_count(low, role)} of {role} in the quorum"
    if extra := [each for each in high.strengths if low.quorum and each not in low.strengths]:
        yield f"it counts approvals made as {', '.join(extra)}, too"
    if seconds(high.minimum_dwell) < seconds(low.minimum_dwell):
        yield f"a minimumDwell of {low.minimum_dwell}"
    if low.quorum and seconds(high.approval_max_age) > seconds(low.approval_max_age):
        yield f"an approvalMaxAge of {low.approval_max_age}"
    if low.known_author and not high.known_author:
        yield "knownAuthor"
    if high.break_glass.allowed and not low.break_glass.allowed:
        yield "it allows break-glass"


def _count(tier: TierPolicy, role: str) -> int:
    return sum(slot.count for slot in tier.quorum if slot.role == role)


def _namespaces(policy: Policy, now: datetime) -> Iterator[str]:
    """In each namespace something can run, in each tier that a manifest may ask for."""
    for name, namespace in policy.namespaces.namespaces.items():
        where = f"namespaces.yaml: {name}"
        if not namespace.grants.images:
            yield f"{where}: no image is granted, so nothing can run; grant one"
        may = queries.TIERS[queries.tier_rank(namespace.minimum_tier) :]
        asked = {tier: queries.tier_policy(policy, name, tier) for tier in may}
        if missing := [tier for tier, found in asked.items() if found is None]:
            yield f"{where}: a manifest may ask for {_named(missing)}, not in tiers.yaml; add them"
        people = [tier for tier, found in asked.items() if found and found.quorum]
        if people and not namespace.repositories:
            yield (
                f"{where}: {_named(people)} ask for approvals, and without a repository no change "
                "has an author or a place for them; name one"
            )


def _named(tiers: list[Tier]) -> str:
    return f"{'tier' if len(tiers) == 1 else 'the tiers'} {', '.join(tiers)}"


def _freezes(policy: Policy, now: datetime) -> Iterator[str]:
    """A freeze ends, and who may lift it exists."""
    held = {role for person in policy.people.people for role in person.roles}
    for each in policy.freezes.freezes:
        if each.override_role and each.override_role not in held:
            yield f"freezes.yaml: {each.name}: nobody holds the overrideRole {each.override_role}"
    for name, namespace in policy.namespaces.namespaces.items():
        known = policy.freezes.of(namespace.environment, name)
        if known and not _thaws(known, now):
            names = ", ".join(each.name for each in known)
            yield f"freezes.yaml: {name} is frozen for a year and longer by {names}; leave gaps"


def _thaws(known: list[Freeze], now: datetime) -> bool:
    """Whether there is a moment within a year at which nothing is frozen."""
    at = now
    for _ in range(_STEPS):
        then = _frozen_until(known, at)
        if then is None:
            return True
        if then > now + YEAR:
            return False
        at = then
    return True  # so many windows have gaps somewhere


def _frozen_until(known: list[Freeze], at: datetime) -> datetime | None:
    """Return until when nothing can thaw that is frozen at a moment; None if nothing is."""
    ends = [open_until(each, at) for each in known if each.kind == "deny"]
    if shut := [end for end in ends if end]:
        return max(shut)
    allowing = [each for each in known if each.kind == "allow"]
    if not allowing or any(open_until(each, at) for each in allowing):
        return None
    starts = [next_start(each, at) for each in allowing]
    return min((start for start in starts if start), default=datetime.max.replace(tzinfo=UTC))


def _ended(policy: Policy, now: datetime) -> Iterator[str]:
    """What is written still counts."""
    forges = {each.forge for each in policy.trust.bridges}
    for person in policy.people.people:
        where = f"people.yaml: {person.id}"
        if person.not_after and now > queries.moment(person.not_after):
            yield f"{where}: ended {person.not_after}; nothing of theirs counts"
        for key in person.keys:
            if key.not_after and now > queries.moment(key.not_after):
                yield f"{where}: a key ended {key.not_after}; it counts nothing"
        for account in person.accounts:
            if account.forge not in forges:
                yield f"{where}: trust.yaml has no bridge to {account.forge}; the account is idle"
    for bridge in policy.trust.bridges:
        if bridge.not_after and now > queries.moment(bridge.not_after):
            yield f"trust.yaml: the bridge to {bridge.forge} ended {bridge.not_after}"
    for each in policy.exceptions.exceptions:
        if now >= each.ends:
            yield f"exceptions.yaml: {each.vulnerability} in {each.purl} ended {each.expires}"


def _break_glass(policy: Policy, now: datetime) -> Iterator[str]:
    """Where a tier allows break-glass, there are enough people whom the cluster knows."""
    known = [p for p in policy.people.people if p.users and queries.valid(p, now)]
    for name, tier in queries.all_tiers(policy):
        terms = tier.break_glass
        least = terms.persons if terms.ratify_within is None else 1
        if terms.allowed and len(known) < least:
            yield (
                f"tiers.yaml: {name}: breakGlass needs {least} persons, and people.yaml has "
                f"{len(known)} with users; nobody can break the glass"
            )


_CHECKS: tuple[Callable[[Policy, datetime], Iterator[str]], ...] = (
    _quorums,
    _strengths,
    _evidence,
    _tiers,
    _namespaces,
    _freezes,
    _break_glass,
    _ended,
)
