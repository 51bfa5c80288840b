"""Who signs is who the token names; files that are not what they should be are told apart."""

import base64
import datetime as dt
import json
from pathlib import Path

import pytest

from interlock_pipelines.errors import BadInput, Refused, Unavailable
from interlock_pipelines.sign import Signer, _check_same
from interlock_pipelines.tree import read_tree
from interlock_sandbox.sigstore import Instance, LogVersion
from interlock_sandbox.sigstore.identity import mint
from interlock_sandbox.sigstore.keys import Key

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trust configuration of a Sigstore that nobody runs."""
    file = tmp_path_factory.mktemp("trust") / "trust_config.json"
    file.write_bytes(Instance.create().trust_config("http://127.0.0.1:9", LogVersion.V1))
    return file


def token(folder: Path, **claims: object) -> Path:
    file = folder / "token"
    file.write_text(mint(Key.generate(), "https://oidc.example", "trainer", dict(claims), NOW))
    return file


def test_the_token_names_who_signs(trust: Path, tmp_path: Path) -> None:
    signer = Signer.load(trust, token(tmp_path))
    assert (signer.identity, signer.issuer) == ("trainer", "https://oidc.example")
    assert (tmp_path / "token").read_text() not in repr(signer)


@pytest.mark.parametrize("claims", [{"aud": "other"}, {"exp": 1}, {"sub": None}])
def test_a_token_for_something_else_is_refused(
    trust: Path, tmp_path: Path, claims: dict[str, object]
) -> None:
    with pytest.raises(BadInput, match="cannot be used"):
        Signer.load(trust, token(tmp_path, **claims))


@pytest.mark.parametrize("content", [b"", b"a.b.c", b"\xff\xfe"])
def test_what_is_no_token_is_refused(trust: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(BadInput, match="cannot be"):
        Signer.load(trust, tmp_path / "token")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"trustedRoot": {}}'])
def test_what_is_no_trust_configuration_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "trust").write_text(content)
    with pytest.raises(BadInput, match="no Sigstore client trust configuration"):
        Signer.load(tmp_path / "trust", token(tmp_path))


def test_only_our_own_sentences_leave(trust: Path, tmp_path: Path) -> None:
    signer = Signer.load(trust, token(tmp_path))
    with pytest.raises(Unavailable, match="gave no answer: refused"), signer._asking():
        raise ConnectionError("refused")
    with pytest.raises(Refused, match="did not sign for trainer"), signer._asking():
        raise RuntimeError
    with pytest.raises(BadInput, match="mine"), signer._asking():
        raise BadInput("mine")


def _bundle(resources: dict[str, str]) -> bytes:
    listed = [{"name": name, "digest": digest} for name, digest in resources.items()]
    payload = json.dumps({"predicate": {"resources": listed}}).encode()
    return json.dumps({"dsseEnvelope": {"payload": base64.b64encode(payload).decode()}}).encode()


def test_a_signature_over_other_files_is_not_published(model: Path) -> None:
    tree = read_tree(model)
    signed = {file.path: file.sha256 for file in tree.files}
    _check_same(_bundle(signed), tree)
    for other in ({}, signed | {"a.json": "0" * 64}, signed | {"more": "0" * 64}):
        with pytest.raises(BadInput, match="changed while it was signed"):
            _check_same(_bundle(other), tree)
