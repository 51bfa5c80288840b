"""One list of what no longer counts, and everything by which a thing can be on it."""

from typing import Any

import pytest

from interlock.api.observed import Use
from interlock.policy import revocations
from interlock.policy.parse import PolicyError
from interlock.policy.revocations import Revocations, why
from support.facts import NOW, at, quality, scan, scan_evidence
from support.policies import ISSUER, SCANNER, SCANNER_URI, fingerprint, good_policy

STATEMENT = "5e" * 32
IMAGE = "sha256:" + "1f" * 32
SCAN = scan_evidence(statement=STATEMENT, scan=scan(scannerImage=IMAGE))
APPROVAL = quality()
SIGNED_AT = at(NOW, hours=-2)


def listed(**lists: Any) -> Revocations:
    whole = {name: [entry | {"reason": "stolen"}] for name, entry in lists.items()}
    return good_policy(revocations=whole).revocations


def test_nothing_is_revoked_by_an_empty_list() -> None:
    uses = [*revocations.of_evidence(SCAN), *revocations.of_approval(APPROVAL)]
    assert why(listed(), uses) == ""


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ({"digests": {"digest": SCAN.bundle}}, f"digest {SCAN.bundle[:10]}"),
        ({"digests": {"digest": STATEMENT}}, f"digest {STATEMENT[:10]}"),
        ({"signers": {"identity": SCANNER, "issuer": ISSUER}}, f"signer {SCANNER} ({ISSUER})"),
        ({"scanners": {"scanner": SCANNER_URI}}, f"scanner {SCANNER_URI}"),
        ({"scanners": {"scanner": IMAGE}}, f"scanner {IMAGE}"),
    ],
)
def test_a_bundle_is_revoked_by_itself_its_statement_its_signer_or_its_scanner(
    entry: dict[str, Any], shown: str
) -> None:
    assert why(listed(**entry), revocations.of_evidence(SCAN)) == f"{shown} is revoked: stolen"


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ({"digests": {"digest": APPROVAL.envelope}}, f"digest {APPROVAL.envelope[:10]}"),
        ({"keys": {"key": fingerprint("quality-1")}}, f"key {fingerprint('quality-1')}"),
        ({"persons": {"person": "quality-1"}}, "person quality-1"),
        ({"approvals": {"nonce": APPROVAL.nonce}}, f"approval {APPROVAL.nonce}"),
    ],
)
def test_an_approval_is_revoked_by_itself_its_nonce_its_key_or_its_person(
    entry: dict[str, Any], shown: str
) -> None:
    assert why(listed(**entry), revocations.of_approval(APPROVAL)) == f"{shown} is revoked: stolen"


def test_a_managed_key_is_revoked_as_a_key() -> None:
    print_ = f"sha256:{'4e' * 32}"
    signed = scan_evidence(identity=f"key:{print_}", issuer="")
    assert why(listed(keys={"key": print_}), revocations.of_evidence(signed))
    named = scan_evidence(identity=f"key:{print_}")
    assert not why(listed(keys={"key": print_}), revocations.of_evidence(named))


@pytest.mark.parametrize(
    "entry",
    [
        {"signers": {"identity": SCANNER, "issuer": ISSUER}},
        {"scanners": {"scanner": SCANNER_URI}},
    ],
)
@pytest.mark.parametrize(
    ("since", "hit"), [(SIGNED_AT, True), (at(SIGNED_AT, seconds=1), False), (None, True)]
)
def test_since_is_compared_with_the_witnessed_moment(
    entry: dict[str, Any], since: str | None, hit: bool
) -> None:
    ((name, value),) = entry.items()
    revoked = listed(**{name: value | ({"since": since} if since else {})})
    assert bool(why(revoked, revocations.of_evidence(SCAN))) is hit


def test_a_person_s_own_word_on_when_they_signed_saves_no_approval() -> None:
    """The thief of a key writes whatever date he likes."""
    revoked = listed(keys={"key": fingerprint("quality-1"), "since": at(NOW, hours=999)})
    assert why(revoked, revocations.of_approval(quality(not_before=at(NOW, hours=-999))))


def test_the_latest_of_several_signatures_decides() -> None:
    revoked = listed(signers={"identity": "a", "issuer": "b", "since": SIGNED_AT})
    late, early = (SCAN.model_copy(update={"at": at(SIGNED_AT, hours=h)}) for h in (1, -1))
    uses = [
        u._replace(name="a", issuer="b")
        for e in (late, early)
        for u in revocations.of_evidence(e)
        if u.kind == "signer"
    ]
    assert why(revoked, uses)
    assert why(revoked, uses[::-1])
    assert not why(revoked, uses[1:])


def test_a_digest_is_revoked_however_it_is_written() -> None:
    revoked = listed(digests={"digest": "a" * 64})
    for written in ("a" * 64, "sha256:" + "a" * 64):
        assert why(revoked, revocations.of_digests([written]))
    assert not why(revoked, revocations.of_digests(["b" * 64, ""]))


def test_a_name_of_one_kind_is_none_of_another() -> None:
    revoked = listed(persons={"person": "quality-1"})
    assert not why(revoked, [Use("approval", "quality-1"), Use("scanner", "quality-1")])


@pytest.mark.parametrize("key", ["SHA256:short", "sha256:" + "G" * 64, "quality-1"])
def test_a_key_is_named_by_a_fingerprint(key: str) -> None:
    with pytest.raises(PolicyError, match=r"revocations\.yaml: keys\.0\.key"):
        listed(keys={"key": key})
