"""A subject named by a weaker, shorter or second digest: two readers, two subjects.

in-toto leaves the choice of acceptable digest algorithms to the consumer; here it is SHA-256 in
64 lower-case hex digits, and nothing beside it.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from interlock.api.facts import COSIGN, VULNS
from interlock.api.values import GateResult, Outcome
from support import plant, policies, signed
from support.plant import Plant

IMAGE = plant.digest(plant.IMAGE)
CONFUSED: dict[str, dict[str, str]] = {
    "sha1": {"sha1": hashlib.sha1(plant.IMAGE, usedforsecurity=False).hexdigest()},
    "sha1 called sha256": {"sha256": hashlib.sha1(plant.IMAGE, usedforsecurity=False).hexdigest()},
    "md5": {"md5": hashlib.md5(plant.IMAGE, usedforsecurity=False).hexdigest()},
    "sha512": {"sha512": hashlib.sha512(plant.IMAGE).hexdigest()},
    "gitCommit": {"gitCommit": IMAGE},
    "upper case": {"sha256": IMAGE.upper()},
    "cut": {"sha256": IMAGE[:63]},
    "two characters": {"sha256": IMAGE[:2]},
    "longer": {"sha256": f"{IMAGE}00"},
    "with its name": {"sha256": f"sha256:{IMAGE}"},
    "with a space": {"sha256": f"{IMAGE} "},
    "with a line end": {"sha256": f"{IMAGE}\n"},
    "fullwidth digits": {"sha256": IMAGE.replace("0", "\uff10")},
    "a second one that disagrees": {"sha256": IMAGE, "sha512": "0" * 128},
    "a second one that agrees": {
        "sha256": IMAGE,
        "sha512": hashlib.sha512(plant.IMAGE).hexdigest(),
    },
    "none": {},
}


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


def scan(digest: Mapping[str, str], name: str = "oci-manifest") -> bytes:
    said = signed.vulns()
    said["scanner"]["uri"] = policies.SCANNER_URI
    return _signed(VULNS, said, {"name": name, "digest": dict(digest)})


def _signed(kind: str, said: object, subject: object) -> bytes:
    whole = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [subject],
        "predicateType": kind,
        "predicate": said,
    }
    signer = plant.SCANNER if kind == VULNS else plant.BUILDER
    return signed.instance().sign_statement(json.dumps(whole).encode(), signer)


async def answers(good: Plant, *bundles: bytes) -> dict[str, GateResult]:
    good.image_bundles = list(bundles)
    return await good.judged()


async def test_the_same_statement_with_one_plain_digest_counts(good: Plant) -> None:
    found = await answers(good, plant.image_signature(), scan({"sha256": IMAGE}))
    assert found["vulnerability-scan"].outcome is Outcome.PASS


@pytest.mark.parametrize("digest", CONFUSED.values(), ids=CONFUSED)
async def test_a_scan_of_a_confused_digest_is_no_scan(
    good: Plant, digest: Mapping[str, str]
) -> None:
    found = await answers(good, plant.image_signature(), scan(digest))
    assert found["vulnerability-scan"].outcome is Outcome.FAIL


@pytest.mark.parametrize("digest", CONFUSED.values(), ids=CONFUSED)
async def test_an_image_signature_of_a_confused_digest_is_none(
    good: Plant, digest: Mapping[str, str]
) -> None:
    forged = _signed(COSIGN, {}, {"name": "oci-manifest", "digest": dict(digest)})
    found = await answers(good, forged, plant.scan())
    assert found["image-signature"].outcome is Outcome.FAIL
