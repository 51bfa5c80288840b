"""Correctly signed by the right people, about the right thing but one: none of it counts.

Wrong predicate type (CVE-2022-35929), wrong subject (CVE-2026-31830), an unrelated log entry
(CVE-2022-36056), two readings of one document.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interlock.api import facts
from interlock.api.reasons import Reason
from interlock.evidence.sigstore import Refusal
from interlock_sandbox.sigstore import Recipe
from support import plant, signed
from support.plant import Plant


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


def refused(bundle: bytes) -> Refusal:
    answer = signed.verifier().verify(bundle, signed.now())
    assert isinstance(answer, Refusal), answer
    return answer


@pytest.mark.parametrize(
    ("predicate_type", "reason"),
    [
        (facts.PROVENANCE, Reason.EVIDENCE_DENIED),
        (facts.COSIGN, Reason.UNSIGNED),
        ("https://model_signing/Digests/v0.1", Reason.UNSIGNED),
    ],
)
async def test_the_trainers_word_of_another_type_signs_no_model(
    good: Plant, predicate_type: str, reason: Reason
) -> None:
    subject = {"press": signed.root_digest()}
    good.model_bundles = [signed.signed(predicate_type, signed.oms(), subject, plant.TRAINER)]
    result = (await good.judged())["model-signature"]
    assert result.reason is reason


@pytest.mark.parametrize("subject", ["b" * 64, plant.digest(b"the config of the same image")])
async def test_a_signature_on_another_image_signs_none(good: Plant, subject: str) -> None:
    good.image_bundles[0] = plant.image_signature(subject=subject)
    assert (await good.judged())["image-signature"].reason is Reason.UNSIGNED


async def test_a_scan_of_another_image_is_no_scan(good: Plant) -> None:
    said = signed.vulns()
    other = signed.signed(facts.VULNS, said, {"oci-manifest": "b" * 64}, plant.SCANNER)
    good.image_bundles[1] = other
    assert (await good.judged())["vulnerability-scan"].reason is Reason.SCAN_MISSING


def test_an_entry_of_another_signature_does_not_log_this_one() -> None:
    first, second = (json.loads(signed.signed_image()) for _ in range(2))
    second["verificationMaterial"]["tlogEntries"] = first["verificationMaterial"]["tlogEntries"]
    assert refused(json.dumps(second).encode()).code == "BadSignature"


def _payload(value: dict[str, Any]) -> None:
    envelope = value["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"]).replace(b"a" * 64, b"b" * 64)
    envelope["payload"] = base64.b64encode(payload).decode()


def _no_promise(value: dict[str, Any]) -> None:
    del value["verificationMaterial"]["tlogEntries"][0]["inclusionPromise"]


def _snake_case(value: dict[str, Any]) -> None:
    value["verificationMaterial"]["tlogEntries"][0]["integrated_time"] = "1"


@pytest.mark.parametrize(
    "mutate", [_payload, _no_promise, _snake_case, lambda value: value.update(extra=1)]
)
def test_a_bundle_changed_after_signing_is_refused(mutate: Callable[[Any], None]) -> None:
    refused(signed.signed_image(Recipe(mutate=mutate)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("payload_type", "text/plain"),
        ("signatures", 2),
        ("signatures", 0),
        ("tlog_entries", 2),
        ("tlog_entries", 0),
        ("media_type", "application/vnd.dev.sigstore.bundle+json;version=0.3"),
        ("media_type", "application/vnd.dev.sigstore.bundle+json;version=0.1"),
        ("checkpoint_size", 9999),
        ("checkpoint_origin", "rekor.mallory.example"),
        ("checkpoint_root", b"\0" * 32),
    ],
)
def test_one_envelope_one_signature_one_entry_of_this_log(field: str, value: Any) -> None:
    refused(signed.signed_image(Recipe(**{field: value})))


def test_a_signature_on_a_file_is_no_statement() -> None:
    refused(signed.instance().sign_blob(b"weights"))


SUBJECT = '"subject": [{"name": "a", "digest": {"sha256": "%s"}}]'
TWICE = f"""{{"_type": "https://in-toto.io/Statement/v1", "predicateType": "x", "predicate": {{}},
{SUBJECT.replace("%s", "a" * 64)}, {SUBJECT.replace("%s", "b" * 64)}}}"""


@pytest.mark.parametrize(
    "payload",
    [
        TWICE.encode(),
        TWICE.replace('"predicate": {}', '"predicate": {"n": NaN}').encode(),
        TWICE.encode() + b" {}",
        b"\xff\xfe",
        b'{"a":' * 100 + b"1" + b"}" * 100,
    ],
    ids=["duplicate-key", "nan", "trailing", "not-utf8", "deep"],
)
def test_a_statement_with_two_readings_is_refused(payload: bytes) -> None:
    assert refused(signed.instance().sign_statement(payload)).code == "Malformed"


def test_a_bundle_with_two_readings_is_refused() -> None:
    text = signed.signed_image().decode()
    key = '"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"'
    assert refused(text.replace(key, f"{key}, {key}", 1).encode()).code == "Malformed"
