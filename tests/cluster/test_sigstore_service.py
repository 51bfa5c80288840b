"""The unmodified clients sign at the local Sigstore over HTTP and verify what they signed."""

import base64
import datetime as dt
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import model_signing
import pytest
from sigstore.dsse import Statement
from sigstore.errors import Error
from sigstore.models import Bundle, ClientTrustConfig
from sigstore.oidc import IdentityToken
from sigstore.sign import SigningContext
from sigstore.verify import Verifier, policy

from interlock_sandbox.sigstore import identity_token, statement
from interlock_sandbox.sigstore.keys import Key
from interlock_sandbox.sigstore.part import SigstorePart
from support.parts import running

TRAINER = "https://ci.example/trainer"
PAYLOAD = statement("https://example.com/test/v1", {}, {"model-tree": "ab" * 32})
CONFIGS = ["sigstore_trust_config", "sigstore_trust_config_v2"]
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="module")
def sigstore(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with running(SigstorePart(), tmp_path_factory.mktemp("sandbox")) as outputs:
        yield outputs


def trust(sigstore: Mapping[str, str], config: str) -> ClientTrustConfig:
    return ClientTrustConfig.from_json(Path(sigstore[config]).read_text())


def sign(sigstore: Mapping[str, str], config: str, token: str) -> Bundle:
    context = SigningContext.from_trust_config(trust(sigstore, config))
    with context.signer(IdentityToken(token)) as signer:
        return signer.sign_dsse(Statement(PAYLOAD))


def verify(sigstore: Mapping[str, str], config: str, bundle: Bundle, who: Any) -> None:
    verifier = Verifier(trusted_root=trust(sigstore, config).trusted_root)
    parsed = Bundle.from_json(bundle.to_json())
    assert verifier.verify_dsse(parsed, who) == ("application/vnd.in-toto+json", PAYLOAD)


def signer(issuer: str, identity: str = TRAINER) -> policy.VerificationPolicy:
    return policy.AllOf(
        [policy.Identity(identity=identity, issuer=issuer), policy.OIDCIssuerV2(issuer)]
    )


def post(url: str, body: bytes, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, body, dict(headers or {}))  # noqa: S310 - loopback
    try:
        with _OPENER.open(request, timeout=10) as got:
            return got.status, got.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


@pytest.mark.parametrize("config", CONFIGS)
def test_the_client_signs_and_verifies(sigstore: Mapping[str, str], config: str) -> None:
    bundle = sign(sigstore, config, identity_token(sigstore["sigstore_url"], TRAINER))
    verify(sigstore, config, bundle, signer(sigstore["sigstore_issuer"]))
    with pytest.raises(Error):
        verify(sigstore, config, bundle, signer(sigstore["sigstore_issuer"], "https://other"))


@pytest.mark.parametrize("config", CONFIGS)
def test_the_client_signs_a_file(sigstore: Mapping[str, str], config: str) -> None:
    token = IdentityToken(identity_token(sigstore["sigstore_url"], "trainer@ml.example"))
    with SigningContext.from_trust_config(trust(sigstore, config)).signer(token) as by:
        bundle = by.sign_artifact(b"weights")
    verifier = Verifier(trusted_root=trust(sigstore, config).trusted_root)
    who = signer(sigstore["sigstore_issuer"], "trainer@ml.example")
    verifier.verify_artifact(b"weights", bundle, who)
    with pytest.raises(Error):
        verifier.verify_artifact(b"other", bundle, who)


def test_claims_choose_issuer_and_certificate_extensions(sigstore: Mapping[str, str]) -> None:
    token = identity_token(
        sigstore["sigstore_url"],
        TRAINER,
        iss="https://ci.example",
        extensions={"source_repository_ref": "refs/heads/main"},
    )
    bundle = sign(sigstore, CONFIGS[0], token)
    for who in (signer("https://ci.example"), policy.OIDCSourceRepositoryRef("refs/heads/main")):
        verify(sigstore, CONFIGS[0], bundle, who)


def test_many_sign_at_once_into_one_log(sigstore: Mapping[str, str]) -> None:
    token = identity_token(sigstore["sigstore_url"], TRAINER)
    with ThreadPoolExecutor(4) as pool:
        bundles = list(pool.map(lambda n: sign(sigstore, CONFIGS[n % 2], token), range(8)))
    for bundle in bundles:
        verify(sigstore, CONFIGS[0], bundle, signer(sigstore["sigstore_issuer"]))
    entries = [json.loads(bundle.to_json())["verificationMaterial"] for bundle in bundles]
    assert len({entry["tlogEntries"][0]["logIndex"] for entry in entries}) == len(bundles)


def test_a_model_is_signed_and_verified(sigstore: Mapping[str, str], tmp_path: Path) -> None:
    model, signature = tmp_path / "model", tmp_path / "model.sig"
    model.mkdir()
    (model / "weights.safetensors").write_bytes(b"\x01" * 1000)
    (model / "config.json").write_bytes(b"{}")
    config, issuer = Path(sigstore[CONFIGS[0]]), sigstore["sigstore_issuer"]
    model_signing.signing.Config().use_sigstore_signer(
        identity_token=identity_token(sigstore["sigstore_url"], TRAINER), trust_config=config
    ).sign(model, signature)

    def check(identity: str) -> None:
        model_signing.verifying.Config().use_sigstore_verifier(
            identity=identity, oidc_issuer=issuer, trust_config=config
        ).verify(model, signature)

    check(TRAINER)
    with pytest.raises(Error):
        check("https://ci.example/other")
    (model / "weights.safetensors").write_bytes(b"\x02" * 1000)
    with pytest.raises(ValueError, match=r"weights\.safetensors"):
        check(TRAINER)


def test_discovery_leads_to_the_key_of_the_tokens(sigstore: Mapping[str, str]) -> None:
    with _OPENER.open(f"{sigstore['sigstore_url']}/.well-known/openid-configuration") as answer:
        found = json.load(answer)
    with _OPENER.open(found["jwks_uri"]) as answer:
        key = jwt.PyJWKSet.from_dict(json.load(answer)).keys[0]
    token = identity_token(sigstore["sigstore_url"], TRAINER)
    claims = jwt.decode(token, key, algorithms=["ES256"], audience="sigstore")
    assert (claims["sub"], claims["iss"]) == (TRAINER, found["issuer"])


def forged(issuer: str) -> str:
    now = dt.datetime.now(dt.UTC)
    claims = {"iss": issuer, "sub": TRAINER, "aud": "sigstore", "iat": now}
    claims["exp"] = now + dt.timedelta(minutes=5)
    return jwt.encode(claims, Key.generate().private, "ES256")


def test_the_authority_believes_only_its_own_tokens(sigstore: Mapping[str, str]) -> None:
    url = sigstore["sigstore_url"]
    tokens = {
        "forged": forged(url),
        "expired": identity_token(url, TRAINER, exp=1),
        "for another audience": identity_token(url, TRAINER, aud="other"),
        "unsigned": jwt.encode({"sub": TRAINER, "aud": "sigstore"}, "", "none"),
        "none": "",
    }
    for case, token in tokens.items():
        headers = {"Authorization": f"Bearer {token}"}
        status, body = post(f"{url}/api/v2/signingCert", b"{}", headers)
        assert status == 401, case
        assert "token was not accepted" in json.loads(body)["message"], case
    assert post(f"{url}/api/v2/signingCert", b"{}")[0] == 401


def test_the_log_takes_no_signature_that_does_not_fit(sigstore: Mapping[str, str]) -> None:
    url, token = sigstore["sigstore_url"], identity_token(sigstore["sigstore_url"], TRAINER)
    bundle = json.loads(sign(sigstore, CONFIGS[0], token).to_json())
    certificate = bundle["verificationMaterial"]["certificate"]
    signature = bundle["dsseEnvelope"]["signatures"][0]["sig"]
    v2 = {"verifier": {"x509Certificate": certificate}, "content": signature}
    digest = base64.b64encode(b"\0" * 32).decode()
    request = {"hashedRekordRequestV002": {"digest": digest, "signature": v2}}
    status, body = post(f"{url}/api/v2/log/entries", json.dumps(request).encode())
    assert (status, b"did not make this signature" in body) == (400, True)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/token", b"<html>", 400),
        ("/token", b"[]", 400),
        ("/token", b'{"subject": 7}', 400),
        ("/token", b"[" * 100_000, 400),
        ("/api/v1/log/entries", b'{"kind": "intoto", "apiVersion": "0.0.1"}', 400),
        ("/api/v1/log/entries", b'{"kind": "dsse", "apiVersion": "0.0.1", "spec": {}}', 400),
        ("/api/v2/log/entries", b"null", 400),
        ("/api/v1/timestamp", b"\xff", 400),
        ("/nowhere", b"{}", 404),
    ],
)
def test_a_malformed_request_is_refused_in_words(
    sigstore: Mapping[str, str], path: str, body: bytes, status: int
) -> None:
    got, answer = post(sigstore["sigstore_url"] + path, body)
    assert got == status
    assert json.loads(answer)["message"].endswith(".")


def test_a_huge_request_is_not_read(sigstore: Mapping[str, str]) -> None:
    huge = {"Content-Length": str(1 << 40)}
    status, _ = post(f"{sigstore['sigstore_url']}/token", b"", huge)
    assert status == 413
    assert identity_token(sigstore["sigstore_url"], TRAINER)
