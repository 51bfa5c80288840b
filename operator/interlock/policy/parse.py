"""Makes one Policy of verified bytes, or says in a sentence why the bytes are none.

Also run before anything is signed: a policy that nobody can fulfil, or that means less than its
author thinks, is refused when it is written and not when it is needed.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Protocol, TypeVar

from pydantic import ValidationError

from interlock.api import digests
from interlock.api.kinds.base import Model, seconds
from interlock.policy import model, queries, signers, strict_json, strict_yaml
from interlock.policy.exceptions import LONGEST, Exceptions
from interlock.policy.feed import Feed
from interlock.policy.freezes import Freezes
from interlock.policy.revocations import Revocations
from interlock.policy.rules import CelRule, Rules
from interlock.policy.strict_text import StrictError

MAX_TARGET = 256 * 1024
"""Bytes of one target."""
MAX_TARGETS = 640 * 1024
"""Bytes of all targets: they go to the verifier with every request."""
REVOCATIONS = "revocations.yaml"
TRUSTED_ROOT = "trusted_root.json"
FEED = "vulnerability-feed.json"
RULES = "rules.yaml"
_TRUSTED_ROOT_TYPE = "application/vnd.dev.sigstore.trustedroot"
_APPROVAL_GATE = "change-approval"
_RULES_GATE = "rules"
_WHOLE_HOST = re.compile(r"([a-z]+://)?+[^/*]+/")

M = TypeVar("M", bound=Model)


class _Load(Protocol):
    def __call__(self, data: bytes, *, limit: int) -> object: ...


class PolicyError(ValueError):
    """The targets are no policy. The message names target, place and remedy."""


TARGETS = (
    "namespaces.yaml",
    "people.yaml",
    "trust.yaml",
    TRUSTED_ROOT,
    "tiers.yaml",
    "gates.yaml",
    "freezes.yaml",
    "exceptions.yaml",
    REVOCATIONS,
)
"""Targets that must be there."""
OPTIONAL = (FEED, RULES)
"""Targets that may be there; no other may."""


def parse(targets: Mapping[str, bytes], revocation_version: int) -> model.Policy:
    """Return the policy in these targets, cross-checked. Raises PolicyError."""
    _check_names(targets)
    policy = model.Policy(
        namespaces=_read(model.Namespaces, "namespaces.yaml", targets),
        people=_read(model.People, "people.yaml", targets),
        trust=_read(model.Trust, "trust.yaml", targets),
        tiers=_read(model.Tiers, "tiers.yaml", targets),
        gates=_read(model.Gates, "gates.yaml", targets),
        freezes=_read(Freezes, "freezes.yaml", targets),
        exceptions=_read(Exceptions, "exceptions.yaml", targets),
        feed=_read_json(Feed, FEED, targets) if FEED in targets else None,
        user_rules=_read(Rules, RULES, targets) if RULES in targets else Rules(),
        revocations=parse_revocations(targets[REVOCATIONS]),
        trusted_root=_trusted_root(targets[TRUSTED_ROOT]),
        digest=policy_digest(targets),
        root_digest=digests.sha256(targets[TRUSTED_ROOT]),
        revocation_version=revocation_version,
    )
    for check in _CHECKS:
        for sentence in check(policy):
            raise PolicyError(sentence)
    return policy


def parse_revocations(data: bytes) -> Revocations:
    """Return the revocation list alone, which changes without the rest. Raises PolicyError."""
    return _read(Revocations, REVOCATIONS, {REVOCATIONS: data})


def policy_digest(targets: Mapping[str, bytes]) -> str:
    """Return the digest of a policy: of all targets but the revocations, which change at night."""
    named = {name: digests.sha256(data) for name, data in targets.items() if name != REVOCATIONS}
    return digests.of_value(named)


def _check_names(targets: Mapping[str, bytes]) -> None:
    if missing := [name for name in TARGETS if name not in targets]:
        raise PolicyError(f"the target {missing[0]} is missing; add it, be it an empty list")
    if unknown := sorted(set(targets) - {*TARGETS, *OPTIONAL}):
        raise PolicyError(f"the target {unknown[0][:64]!r} is unknown; remove it")
    if (size := sum(len(data) for data in targets.values())) > MAX_TARGETS:
        raise PolicyError(f"all targets together have {size} bytes; at most {MAX_TARGETS} are read")


def _read(kind: type[M], name: str, targets: Mapping[str, bytes]) -> M:
    return _valid(kind, name, targets[name], strict_yaml.load)


def _read_json(kind: type[M], name: str, targets: Mapping[str, bytes]) -> M:
    return _valid(kind, name, targets[name], strict_json.load)


def _valid(kind: type[M], name: str, data: bytes, load: _Load) -> M:
    try:
        value = load(data, limit=MAX_TARGET)
        return kind.model_validate(value, strict=True, by_alias=True, by_name=False)
    except StrictError as error:
        raise PolicyError(f"{name}: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise PolicyError(f"{name}: {where}: {first['msg']}") from None


def _trusted_root(data: bytes) -> bytes:
    try:
        value = strict_json.load(data, limit=MAX_TARGET)
    except StrictError as error:
        raise PolicyError(f"{TRUSTED_ROOT}: {error}") from None
    kind = value.get("mediaType") if isinstance(value, dict) else None
    if not isinstance(kind, str) or not kind.startswith(_TRUSTED_ROOT_TYPE):
        raise PolicyError(
            f"{TRUSTED_ROOT}: this is no Sigstore trusted root: expected an object whose "
            f"mediaType begins with {_TRUSTED_ROOT_TYPE}"
        )
    return data


def _people(policy: model.Policy) -> Iterator[str]:
    """One person counts once: nothing by which somebody is known stands in two entries."""
    owners: dict[str, int] = {}
    people = policy.people.people
    for number, person in enumerate(people):
        for mark in _marks(person):
            owner = owners.setdefault(mark, number)
            if owner != number:
                yield (
                    f"people.yaml: {mark} of {person.id} is already in the entry of "
                    f"{people[owner].id}; put all that is one person's in one entry"
                )
    for bridge in policy.trust.bridges:
        owner = owners.get(queries.ssh_fingerprint(bridge.key), -1)
        if owner >= 0:
            yield (
                f"trust.yaml: the key of the bridge to {bridge.forge} is {people[owner].id}'s; "
                "a bridge only says what others did, so give it a key of its own"
            )


def _marks(person: model.Person) -> Iterator[str]:
    """Yield all by which somebody is known. A mailbox is one person's, whoever vouches for it."""
    yield person.id
    yield from (mail.casefold() for mail in person.emails)
    yield from (queries.ssh_fingerprint(key.ssh) for key in person.keys)
    yield from (f"{each.identity} ({each.issuer})" for each in person.identities)
    yield from (each.identity.casefold() for each in person.identities if "@" in each.identity)
    yield from (f"account {each.id} of {each.forge}" for each in person.accounts)
    yield from (f"user {user}" for user in person.users)


def _programs(policy: model.Policy) -> Iterator[str]:
    """No identity of a person is a program's: a build's or a service's is a URI, or says it."""
    for person in policy.people.people:
        for each in person.identities:
            if "://" in each.identity or each.identity.endswith("[bot]"):
                yield (
                    f"people.yaml: {person.id}: {each.identity} names a program, and only people "
                    "approve; name the identity with which the person logs in"
                )


def _users(policy: model.Policy) -> Iterator[str]:
    """Who breaks the glass is a human being: no account of the cluster's own."""
    for person in policy.people.people:
        for user in person.users:
            if user.startswith("system:"):
                yield f"people.yaml: {person.id}: the user {user} is a program's; name a person's"


def _keys(policy: model.Policy) -> Iterator[str]:
    """Each key is one that a signature can be compared with."""
    keys = [(f"people.yaml: {p.id}", key.ssh) for p in policy.people.people for key in p.keys]
    keys += [(f"trust.yaml: the bridge to {b.forge}", b.key) for b in policy.trust.bridges]
    for where, line in keys:
        try:
            queries.ssh_fingerprint(line)
        except ValueError as error:
            yield f"{where}: {error}"


def _tiers(policy: model.Policy) -> Iterator[str]:
    """A tier asks for gates that exist, and for no more people than there are."""
    for name, tier in queries.all_tiers(policy):
        for gate in tier.gates:
            if gate not in model.GATE_NAMES:
                known = ", ".join(model.GATE_NAMES)
                yield f"tiers.yaml: {name}: no gate is called {gate}; there are {known}"
        if (_APPROVAL_GATE in tier.gates) != bool(tier.quorum):
            yield (
                f"tiers.yaml: {name}: the gate {_APPROVAL_GATE} and a quorum go together; "
                "give both or neither"
            )
        if seconds(tier.minimum_dwell) >= seconds(tier.approval_max_age):
            yield (
                f"tiers.yaml: {name}: approvals end after {tier.approval_max_age}, before the "
                f"minimumDwell of {tier.minimum_dwell} is over; make the one longer than the other"
            )
        yield from _quorum(policy, name, tier)


def _quorum(policy: model.Policy, name: str, tier: model.TierPolicy) -> Iterator[str]:
    able = (one for one in policy.people.people if queries.means(policy, one, tier.strengths))
    people = {person.id: person.roles for person in able}
    if not (missing := queries.unfilled(tier.quorum, people)):
        return
    role = missing[0]
    wanted = sum(slot.count for slot in tier.quorum if slot.role == role)
    there = sum(role in roles for roles in people.values())
    yield (
        f"tiers.yaml: {name}: the quorum asks for {wanted} of role {role} and people.yaml has "
        f"{there} with a key, identity or account that counts ({', '.join(tier.strengths)}), each "
        "counted for one role only; add people or lower the count"
    )


def _namespaces(policy: model.Policy) -> Iterator[str]:
    """A namespace's least tier exists, and no grant leaves a host open."""
    for name, namespace in policy.namespaces.namespaces.items():
        if namespace.minimum_tier not in policy.tiers.tiers:
            yield (
                f"namespaces.yaml: {name}: minimumTier {namespace.minimum_tier} is not in "
                "tiers.yaml; define it there"
            )
        for source in namespace.repositories:
            if not source.ref.startswith("refs/"):
                yield f"namespaces.yaml: {name}: ref {source.ref!r} must be whole, as refs/heads/…"
        yield from _grants(name, namespace.grants)


def _grants(namespace: str, grants: model.Grants) -> Iterator[str]:
    hosted = [*grants.images, *grants.artifacts, *grants.tools]
    named = [*(grant.name for grant in grants.models), *grants.knowledge, *grants.metrics]
    for pattern in (*hosted, *named):
        where = f"namespaces.yaml: {namespace}: grant {pattern!r}"
        if not pattern or "*" in pattern[:-1]:
            yield f"{where}: write the whole name, or its beginning and one * at the end"
        if pattern.endswith("*") and pattern in hosted and not _WHOLE_HOST.match(pattern):
            yield f"{where}: leaves the host open; write the whole host and a slash before the *"


def _signers(policy: model.Policy) -> Iterator[str]:
    """An entry of a signer means what it says, and names no more than its author can have meant."""
    for number, signer in enumerate(policy.trust.signers):
        for fault in signers.faults(signer):
            yield f"trust.yaml: signers.{number}: {fault}"


def _times(policy: model.Policy) -> Iterator[str]:
    """What begins, begins before it ends."""
    for signer in policy.trust.signers:
        if not _ordered(signer.not_before, signer.not_after):
            yield f"trust.yaml: {signer.shown}: notAfter lies before notBefore"
    for bridge in policy.trust.bridges:
        if not _ordered(bridge.not_before, bridge.not_after):
            yield f"trust.yaml: the bridge to {bridge.forge}: notAfter lies before notBefore"
    for person in policy.people.people:
        if not _ordered(person.not_before, person.not_after):
            yield f"people.yaml: {person.id}: notAfter lies before notBefore"
        for key in person.keys:
            if not _ordered(key.not_before, key.not_after):
                yield f"people.yaml: {person.id}: a key's notAfter lies before its notBefore"


def _freezes(policy: model.Policy) -> Iterator[str]:
    """A freeze has a name of its own, and concerns somebody."""
    namespaces = policy.namespaces.namespaces
    places = {
        "environment": {each.environment for each in namespaces.values()},
        "namespace": set(namespaces),
    }
    names = [each.name for each in policy.freezes.freezes]
    for each in policy.freezes.freezes:
        where = f"freezes.yaml: {each.name}"
        if names.count(each.name) > 1:
            yield f"{where}: this name occurs twice; an override must name one of them"
        if not each.environments and not each.namespaces:
            yield f"{where}: it concerns nobody; name environments or namespaces"
        said = {"environment": each.environments, "namespace": each.namespaces}
        for kind, known in places.items():
            for name in sorted({*said[kind]} - known):
                yield f"{where}: namespaces.yaml has no {kind} {name}; correct or remove it"


def _exceptions(policy: model.Policy) -> Iterator[str]:
    """An exception is approved by somebody who may and is not its author, and ends soon."""
    people = {person.id: person for person in policy.people.people}
    for each in policy.exceptions.exceptions:
        where = f"exceptions.yaml: {each.vulnerability} in {each.purl}"
        for who in (each.author, each.approver):
            if who not in people or not people[who].roles:
                yield f"{where}: {who} is nobody with a role in people.yaml; name a person of it"
        if each.author == each.approver:
            yield f"{where}: {each.author} approves an exception of their own; ask somebody else"
        if not {*people[each.approver].roles} & {*policy.exceptions.roles}:
            known = ", ".join(policy.exceptions.roles) or "none: roles is empty"
            yield f"{where}: {each.approver} has no role that may approve exceptions ({known})"
        lasts = queries.moment(each.expires) - queries.moment(each.created)
        if not timedelta(0) < lasts <= LONGEST:
            yield (
                f"{where}: it lasts {lasts.total_seconds() / 3600:g} hours from created to "
                f"expires; at most {LONGEST.days} days, then decide again"
            )


def _feed(policy: model.Policy) -> Iterator[str]:
    """What policy asks of the feed is in the feed."""
    asked = [("gates.yaml", policy.gates.vulnerability_scan)]
    for name, tier in queries.all_tiers(policy):
        if tier.evidence.vulnerability_scan:
            asked.append((f"tiers.yaml: {name}", tier.evidence.vulnerability_scan))
    for where, scan in asked:
        if scan.asks_feed and policy.feed is None:
            yield f"{where}: it asks what is exploited; add {FEED}, or stop asking"
        least = policy.feed.epss_at_least if policy.feed else 0
        if scan.max_epss is not None and scan.max_epss < least:
            yield (
                f"{where}: maxEpss is {scan.max_epss:g} and {FEED} leaves out scores below "
                f"{least:g}; make the feed with more of them, or raise maxEpss"
            )


def _rules(policy: model.Policy) -> Iterator[str]:
    """Each rule has a name of its own and a type of its own, and somebody asks for them."""
    rules = policy.user_rules.listed
    names = [rule.name for rule in rules]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{RULES}: {name} occurs twice; give each rule a name of its own"
    yield from _ill_typed(rules)
    asking = [name for name, tier in queries.all_tiers(policy) if _RULES_GATE in tier.gates]
    if rules and not asking:
        yield f"{RULES}: no tier asks for the gate {_RULES_GATE}; name it in tiers.yaml"
    if asking and not rules:
        yield f"tiers.yaml: {asking[0]}: the gate {_RULES_GATE} needs a rule; add one to {RULES}"


def _ill_typed(rules: list[CelRule]) -> Iterator[str]:
    if rules:
        from interlock.policy import cel  # noqa: PLC0415 - 12 MiB, for policies with rules

        for rule in rules:
            try:
                cel.check(rule.expression)
            except cel.CelError as error:
                yield f"{RULES}: {rule.name}: {error}"


def _ordered(first: str | None, second: str | None) -> bool:
    return first is None or second is None or queries.moment(first) <= queries.moment(second)


_CHECKS: tuple[Callable[[model.Policy], Iterator[str]], ...] = (
    _keys,
    _users,
    _people,
    _programs,
    _tiers,
    _namespaces,
    _signers,
    _times,
    _freezes,
    _exceptions,
    _feed,
    _rules,
)
