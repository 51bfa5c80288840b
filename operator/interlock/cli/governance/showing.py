"""What changes in policy, and for whom: the difference that a holder reads before signing.

Entries are compared by what they are about (a namespace, a person, a tier), never by line, so
that order and comments are no change. Whatever is added to policy later is shown as well: the
comparison knows the shape of a document, not its fields.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from interlock.api.digests import sha256, short
from interlock.api.kinds.base import Model
from interlock.cli.tufsession import Joining
from interlock.policy import Policy, queries
from interlock.policy.parse import REVOCATIONS, TRUSTED_ROOT, parse
from interlock.policy.signers import key_identity

SUBJECTS = {
    "namespaces": "namespace",
    "people": "person",
    "tiers": "tier",
    "environments": "environment",
    "signers": "signer",
    "bridges": "bridge",
    "exceptions": "exception",
    "freezes": "freeze",
    "rules": "rule",
    "digests": "revoked digest",
    "keys": "revoked key",
    "scanners": "scanner",
    "persons": "revoked person",
    "approvals": "revoked approval",
}
"""What an entry of a list or mapping is called."""
_LABELS = ("id", "name", "digest", "key", "scanner", "person", "nonce", "forge", "identity")
"""Fields that say what an entry is about, the first that it has."""


class Change(NamedTuple):
    """One subject that differs."""

    subject: str
    lines: tuple[str, ...]
    concerns: str
    """For whom it matters; empty where that is plain."""


def changes(old: Policy | None, new: Policy) -> Iterator[Change]:
    """Yield each subject that differs, in the order of the targets."""
    before, after = _subjects(old) if old else {}, _subjects(new)
    for key in dict.fromkeys((*before, *after)):
        was, now = before.get(key), after.get(key)
        if was != now:
            target, subject = key
            yield Change(subject or target, tuple(_lines(was, now)), _concerns(key, old, new))


def lines(old: Policy | None, new: Policy) -> Iterator[str]:
    """Yield the difference as people read it."""
    for change in changes(old, new):
        yield change.subject + (f"   ({change.concerns})" if change.concerns else "")
        yield from (f"  {line}" for line in change.lines)


def proposal(joining: Joining) -> Iterator[str]:
    """Yield what a proposal of somebody else's changes."""
    yield from (f"  {line}" for line in joining.keys)
    if joining.role != "targets":
        names = sorted({*joining.before, *joining.after})
        changed = [name for name in names if joining.before.get(name) != joining.after.get(name)]
        yield from (f"  {name}" for name in changed)
        return
    old = _alone(joining.before) if joining.before else None
    yield from (f"  {line}" for line in lines(old, _alone(joining.after)))


def _alone(targets: Mapping[str, bytes]) -> Policy:
    """Return the policy in the targets of one role; revocations are another's, and left empty."""
    return parse({REVOCATIONS: b"digests: []\n", **targets}, 1)


def _subjects(policy: Policy) -> dict[tuple[str, str], Any]:
    found: dict[tuple[str, str], Any] = {}
    for name in type(policy).model_fields:
        value = getattr(policy, name)
        if isinstance(value, Model):
            for subject, body in _parts(value.model_dump(mode="json", by_alias=True)):
                found[name, subject] = body
    found[TRUSTED_ROOT, ""] = {"sha256": short(sha256(policy.trusted_root))}
    return found


def _parts(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the entries of a document's lists and mappings, then all that is left."""
    rest = {}
    for field, value in document.items():
        word = SUBJECTS.get(field)
        if word and isinstance(value, dict):
            for name, body in value.items():
                yield from _nested(f"{word} {name}", body)
        elif word and isinstance(value, list) and all(isinstance(each, dict) for each in value):
            for body in value:
                yield f"{word} {_label(body)}", body
        else:
            rest[field] = value
    yield "", rest


def _nested(subject: str, body: Any) -> Iterator[tuple[str, Any]]:
    """Yield an entry, or the tiers of an environment, which have policies of their own."""
    if subject.startswith("environment "):
        environment = subject.removeprefix("environment ")
        for tier, own in body.items():
            yield f"tier {tier} in {environment}", own
    else:
        yield subject, body


def _label(body: Mapping[str, Any]) -> str:
    if body.get("vulnerability"):
        return f"{body['vulnerability']} in {body['purl']} of {short(body['image'][7:])}"
    words = [str(body["role"])] if "role" in body else []
    name = next((body[label] for label in _LABELS if body.get(label)), "")
    words.append(_shown(name))
    return " ".join(words + ([f"({body['issuer']})"] if body.get("issuer") else []))


def _lines(was: Any, now: Any) -> Iterator[str]:
    if was is None:
        yield "is new"
    if now is None:
        yield "is gone"
        return
    before, after = dict(_flat("", was)), dict(_flat("", now))
    for field in dict.fromkeys((*before, *after)):
        old, new = before.get(field, ()), after.get(field, ())
        if was is None and not new:
            continue
        if isinstance(old, str) and isinstance(new, str) and old != new:
            yield f"{field}: {old} → {new}"
        elif old != new:
            yield from (f"{field}: - {each}" for each in _list(old) if each not in _list(new))
            yield from (f"{field}: + {each}" for each in _list(new) if each not in _list(old))


def _list(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def _flat(name: str, value: Any) -> Iterator[tuple[str, str | tuple[str, ...]]]:
    """Yield each leaf by its path; a list is one leaf, an entry of it one text."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _flat(f"{name}.{key}" if name else key, each)
    elif isinstance(value, list):
        yield name, tuple(_shown(each) for each in value)
    elif value is not None:
        yield name, _shown(value)


def _shown(value: Any) -> str:
    """Return a value in few words: a key by its fingerprint, an entry by its fields."""
    if isinstance(value, dict):
        said = {key: _shown(each) for key, each in value.items() if each not in (None, [], "")}
        return ", ".join(f"{key} {each}" for key, each in said.items())
    if isinstance(value, list):
        return " ".join(_shown(each) for each in value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if text.startswith("-----BEGIN"):
        return key_identity(text)
    if text.startswith(("ssh-", "ecdsa-", "sk-")) and " " in text:
        return queries.ssh_fingerprint(text)
    return text or '""'


def _concerns(key: tuple[str, str], old: Policy | None, new: Policy) -> str:
    """Return which namespaces a change of a tier or a person matters to."""
    word, _, name = key[1].partition(" ")
    policies = [each for each in (old, new) if each]
    if word == "tier":
        tier, _, environment = name.partition(" in ")
        there = {n for each in policies for n in _under(each, tier, environment)}
        return f"namespaces {', '.join(sorted(there))}" if there else "no namespace"
    if word == "person":
        may = dict.fromkeys(n for each in policies for n in _approves(each, name))
        return f"may approve in {', '.join(may)}" if may else "approves nowhere"
    return ""


def _under(policy: Policy, tier: str, environment: str) -> Iterator[str]:
    """Yield the namespaces whose agents may be in a tier."""
    for name, one in policy.namespaces.namespaces.items():
        overridden = tier in policy.tiers.environments.get(one.environment, {})
        here = one.environment == environment if environment else not overridden
        if here and queries.tier_rank(tier) >= queries.tier_rank(one.minimum_tier):
            yield name


def _approves(policy: Policy, person: str) -> Iterator[str]:
    roles = {role for one in policy.people.people if one.id == person for role in one.roles}
    for name in policy.namespaces.namespaces:
        for tier in queries.TIERS:
            asked = queries.tier_policy(policy, name, tier)
            if asked and roles & {slot.role for slot in asked.quorum}:
                yield f"{name} ({queries.effective_tier(policy, name, tier)})"
