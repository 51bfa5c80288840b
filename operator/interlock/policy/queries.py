"""Questions that gates, controller and commands ask of a policy, each answered in one place.

Pure and total: a question about somebody or something that policy does not know is answered
with no, never with an exception and never with a default that lets through.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, get_args

from interlock.api import digests
from interlock.api.facts import Approval, Facts, ForgeAccount, Involved
from interlock.api.kinds.deployment import Tier
from interlock.policy.evidence import EvidencePolicy, TierEvidence
from interlock.policy.model import (
    Bridge,
    Person,
    Policy,
    Slot,
    SourceGrant,
    SshKey,
    TierPolicy,
)

TIERS: tuple[Tier, ...] = get_args(Tier)
"""Risk tiers, the least first."""
_PREFIX = "sha256:"
_ESCAPES = frozenset("%\\")
_STAND_IN = re.compile(r"([0-9]{1,18})[+-][^@]*@users\.noreply\.([^@]+)")


def tier_rank(tier: str) -> int:
    """Return the place of a tier, the least at 0; -1 for a word that is no tier."""
    return TIERS.index(tier) if tier in TIERS else -1


def environment(policy: Policy, namespace: str) -> str:
    """Return the environment of a team namespace; empty where governance does not know it."""
    known = policy.namespaces.namespaces.get(namespace)
    return known.environment if known else ""


def effective_tier(policy: Policy, namespace: str, tier: str) -> Tier | Literal[""]:
    """Return the higher of the manifest's tier and the namespace's least; empty if unknown."""
    known = policy.namespaces.namespaces.get(namespace)
    if known is None or tier_rank(tier) < 0:
        return ""
    return TIERS[max(tier_rank(tier), tier_rank(known.minimum_tier))]


def tier_policy(policy: Policy, namespace: str, tier: str) -> TierPolicy | None:
    """Return what the effective tier asks for; None where namespace or tier is unknown."""
    effective = effective_tier(policy, namespace, tier)
    if not effective:
        return None
    here = policy.tiers.environments.get(environment(policy, namespace), {})
    return here.get(effective) or policy.tiers.tiers.get(effective)


def all_tiers(policy: Policy) -> Iterator[tuple[str, TierPolicy]]:
    """Yield each tier that policy defines, by the name that messages give it."""
    yield from policy.tiers.tiers.items()
    for environment, tiers in policy.tiers.environments.items():
        for tier, asked in tiers.items():
            yield f"{environment}: {tier}", asked


def evidence_of(policy: Policy, facts: Facts) -> EvidencePolicy:
    """Return what evidence has to show for a subject: what its tier says, else `gates.yaml`."""
    tier = str(facts.subject.spec.get("riskTier", ""))
    asked = tier_policy(policy, facts.subject.namespace, tier)
    own = asked.evidence if asked else TierEvidence()
    said = {name: value for name in TierEvidence.model_fields if (value := getattr(own, name))}
    return policy.gates.model_copy(update=said)


def source_of(policy: Policy, namespace: str, url: str, ref: str, path: str) -> SourceGrant | None:
    """Return the grant that lets `path` of a repository deliver this namespace's agents."""
    known = policy.namespaces.namespaces.get(namespace)
    for grant in known.repositories if known else []:
        if (grant.url, grant.ref) == (url, ref) and _within(path, grant.path):
            return grant
    return None


def granted(name: str, patterns: Iterable[str]) -> bool:
    """Whether a pattern covers `name`: equal, or a trailing `*` for any rest.

    The `*` never reaches into a host, and a name that leads out of its folder is covered by none.
    """
    return bool(name) and any(_covers(pattern, name) for pattern in patterns)


def repository(reference: str) -> str:
    """Return the OCI repository of a reference, without tag and digest."""
    named = reference.partition("@")[0]
    folder, slash, last = named.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}"


@lru_cache(maxsize=4096)
def ssh_fingerprint(line: str) -> str:
    """Return `SHA256:…` of an OpenSSH public key line, as `ssh-keygen -l` prints it.

    Raises ValueError for a line that is no `type base64 [comment]`.
    """
    words = line.split()
    if len(words) < 2:
        raise ValueError("a public key is written as `type base64 [comment]`")
    try:
        blob = base64.b64decode(words[1], validate=True)
    except binascii.Error:
        raise ValueError("the public key is not base64") from None
    named = words[0].encode()
    if not blob.startswith(len(named).to_bytes(4, "big") + named):
        raise ValueError(f"the key's data is not of the type {words[0][:64]!r} that its line names")
    digest = hashlib.sha256(blob).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def person_of_key(policy: Policy, fingerprint: str, at: datetime) -> Person | None:
    """Return whose key this was at a moment."""
    for person, key in _keys(policy):
        if ssh_fingerprint(key.ssh) == fingerprint and valid(key, at) and valid(person, at):
            return person
    return None


def person_of_identity(policy: Policy, identity: str, issuer: str, at: datetime) -> Person | None:
    """Return whose Sigstore identity this was at a moment; both are compared as they are."""
    for person in policy.people.people:
        for each in person.identities:
            if (each.identity, each.issuer) == (identity, issuer) and valid(person, at):
                return person
    return None


def person_of_account(
    policy: Policy, account: ForgeAccount, bridge: str, at: datetime
) -> Person | None:
    """Return whose account of a forge this was, if a bridge with this key speaks for the forge."""
    if not any(each.forge == account.forge for each in bridges(policy, bridge, at)):
        return None
    for person in policy.people.people:
        for each in person.accounts:
            if (each.forge, each.id) == (account.forge, account.id) and valid(person, at):
                return person
    return None


def person_of(policy: Policy, approval: Approval, at: datetime) -> Person | None:
    """Return who approved, in one of the only ways in which somebody counts as a person."""
    if approval.strength == "signed":
        return person_of_key(policy, approval.key, at)
    if approval.strength == "sigstore":
        return person_of_identity(policy, approval.identity, approval.issuer, at)
    account = approval.account
    return person_of_account(policy, account, approval.key, at) if account else None


def bridges(policy: Policy, fingerprint: str, at: datetime) -> list[Bridge]:
    """Return the bridges that have this key at a moment."""
    return [
        each
        for each in policy.trust.bridges
        if ssh_fingerprint(each.key) == fingerprint and valid(each, at)
    ]


def means(
    policy: Policy, person: Person, strengths: Collection[str], at: datetime | None = None
) -> bool:
    """Whether somebody has anything to approve with that counts; `at` no moment: if ever."""
    if at is not None and not valid(person, at):
        return False
    forges = {each.forge for each in policy.trust.bridges if at is None or valid(each, at)}
    ways = {
        "signed": any(at is None or valid(key, at) for key in person.keys),
        "sigstore": bool(person.identities),
        "forge": any(account.forge in forges for account in person.accounts),
    }
    return any(ways[each] for each in strengths)


def person_of_user(policy: Policy, user: str, at: datetime) -> Person | None:
    """Return who a cluster's user is at a moment; None for one that people.yaml does not know."""
    found = (person for person in policy.people.people if user in person.users)
    return next((person for person in found if valid(person, at)), None)


def person_involved(policy: Policy, involved: Involved) -> Person | None:
    """Return who had a hand in a change. Validity is not asked: this only excludes."""
    if involved.kind == "signer":
        found = (p for p, key in _keys(policy) if ssh_fingerprint(key.ssh) == involved.id)
    else:
        wanted, account = involved.id.casefold(), _account_in(involved.id.casefold())
        found = (
            p
            for p in policy.people.people
            if wanted in {mail.casefold() for mail in _addresses(p)}
            or any((each.forge, each.id) == account for each in p.accounts)
        )
    return next(found, None)


def unfilled(quorum: Iterable[Slot], people: Mapping[str, Collection[str]]) -> list[str]:
    """Return the roles that stay open when `people` (id to roles) fill as many slots as they can.

    Each person fills one slot only: a bipartite matching by augmenting paths.
    """
    roles = [slot.role for slot in quorum for _ in range(slot.count)]
    taken: dict[str, int] = {}
    return [role for n, role in enumerate(roles) if not _place(n, roles, people, taken, set())]


def digests_of(spec: Mapping[str, Any], content: str) -> frozenset[str]:
    """Return all digests by which a revision can be revoked, as 64 hex digits.

    `spec` is the pinned spec without absent fields and defaults.
    """
    return frozenset({content, digests.behaviour(spec), *_digests_in(spec)})


def _digests_in(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _digests_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from _digests_in(each)
    elif isinstance(value, str) and _PREFIX in value:
        yield value.rpartition(_PREFIX)[2]


def _covers(pattern: str, name: str) -> bool:
    if not pattern.endswith("*"):
        return pattern == name
    prefix = pattern.removesuffix("*")
    if not _ESCAPES.isdisjoint(name) or {".", ".."} & set(name.split("/")):
        return False
    return name.startswith(prefix) and prefix.startswith(_host(name))


def _host(name: str) -> str:
    # The part of a URL or OCI repository that no pattern may leave open.
    start = name.find("://") + len("://") if "://" in name else 0
    slash = name.find("/", start)
    if slash >= 0:
        return name[: slash + 1]
    return name if start else ""


def _within(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


def _keys(policy: Policy) -> Iterator[tuple[Person, SshKey]]:
    for person in policy.people.people:
        for key in person.keys:
            yield person, key


def _addresses(person: Person) -> list[str]:
    """Return all that a commit may call somebody."""
    return [*person.emails, *(each.identity for each in person.identities)]


def _account_in(address: str) -> tuple[str, int] | None:
    """Return the account that a forge's stand-in for an address names, as GitHub and GitLab do."""
    found = _STAND_IN.fullmatch(address)
    return (f"https://{found[2]}", int(found[1])) if found else None


def valid(entry: Person | SshKey | Bridge, at: datetime) -> bool:
    """Whether an entry of governance counts at a moment."""
    begun = entry.not_before is None or at >= moment(entry.not_before)
    return begun and (entry.not_after is None or at <= moment(entry.not_after))


def moment(text: str) -> datetime:
    """Return an RFC 3339 moment."""
    return datetime.fromisoformat(text)


def _place(
    slot: int,
    roles: list[str],
    people: Mapping[str, Collection[str]],
    taken: dict[str, int],
    tried: set[str],
) -> bool:
    """Give `slot` to a person, moving others to other slots of theirs where that helps."""
    for person in sorted(people):
        if roles[slot] not in people[person] or person in tried:
            continue
        tried.add(person)
        if person not in taken or _place(taken[person], roles, people, taken, tried):
            taken[person] = slot
            return True
    return False
