"""Where a holder's key may lie: in a file, behind a password, or where only a URI leads."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from interlock.cli import tufrepo
from interlock.cli.governance import governance
from interlock.cli.tufinit import Holders
from interlock.cli.tufkeys import RepositoryRefused, load_keys, new_keys, public_key
from support.govrepo import GovRepo, held, keys_of
from support.policies import targets

Private = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
SECURITY = "security-1"


def write(folder: Path, key: Private, password: bytes | None = None) -> Path:
    """Write a private key as other tools write it, and its public half; return the latter."""
    folder.mkdir()
    closed = BestAvailableEncryption(password) if password else NoEncryption()
    file = folder / f"{SECURITY}.pem"
    file.touch(mode=0o600)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, closed))
    public = folder / "public"
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return public


def held_by(tmp_path: Path, public: Path) -> GovRepo:
    """A repository of one holder who made a key of their own."""
    holders = Holders((), {SECURITY: public_key(SECURITY, public)}, 1)
    tufrepo.init(tmp_path / "repo", tmp_path / "made", targets(), holders)
    return GovRepo(tmp_path / "repo", tmp_path / "made", b"")


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_keys_of_other_kinds_sign(tmp_path: Path, kind: str) -> None:
    key = (
        ec.generate_private_key(ec.SECP256R1())
        if kind == "ecdsa"
        else rsa.generate_private_key(65537, 2048)
    )
    repo = held_by(tmp_path, write(tmp_path / "mine", key))
    tufrepo.sign(repo.directory, tmp_path / "mine")
    assert "root" in tufrepo.sign(repo.directory, repo.keys).published
    assert tufrepo.status(repo.directory).refused == ""


def test_a_password_is_asked_for(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    repo = held_by(tmp_path, write(tmp_path / "mine", key, b"long enough"))
    args = ["sign", str(repo.directory), "--yes", "--keys", str(tmp_path / "mine")]
    wrong = CliRunner().invoke(governance, args, input="guess\n")
    assert (wrong.exit_code, "can be read" in wrong.output) == (1, True)
    right = CliRunner().invoke(governance, args, input="long enough\n")
    assert right.exit_code == 0, right.output
    assert "long enough" not in right.output
    with pytest.raises(RepositoryRefused, match="can be read"):
        load_keys(tmp_path / "mine")


def test_a_key_that_is_elsewhere_is_named_by_a_uri(tmp_path: Path) -> None:
    """As with a key service: the folder holds no key, and the repository has the public half."""
    repo = held(tmp_path)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / f"{SECURITY}.uri").write_text(f"file2:{repo.keys / SECURITY / SECURITY}.pem\n")
    repo.edit("tiers.yaml", targets()["tiers.yaml"] + b"# more\n")
    assert tufrepo.sign(repo.directory, folder).added == {"targets": 2}


@pytest.mark.parametrize(
    ("name", "uri", "sentence"),
    [
        (SECURITY, "nowhere:1", "nowhere:1 cannot sign"),
        (SECURITY, "file2:/nonexistent", "cannot sign"),
        ("stranger", "file2:/nonexistent", "holds no key of this repository"),
    ],
)
def test_a_uri_that_leads_nowhere_is_refused(
    tmp_path: Path, name: str, uri: str, sentence: str
) -> None:
    repo = held(tmp_path)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / f"{name}.uri").write_text(uri)
    with pytest.raises(RepositoryRefused, match=sentence):
        tufrepo.sign(repo.directory, tmp_path / "x")


def test_a_uri_of_another_holders_key_signs_nothing_that_counts(tmp_path: Path) -> None:
    repo = held(tmp_path)
    (tmp_path / "x").mkdir()
    (tmp_path / "x/security-2.uri").write_text(f"file2:{repo.keys / SECURITY / SECURITY}.pem")
    repo.edit("tiers.yaml", targets()["tiers.yaml"] + b"# more\n")
    tufrepo.sign(repo.directory, keys_of(repo, SECURITY))
    with pytest.raises(RepositoryRefused, match="cannot sign"):
        tufrepo.sign(repo.directory, tmp_path / "x")
    assert "targets" not in tufrepo.sign(repo.directory, keys_of(repo, "ci")).published


def test_a_key_is_made_once(tmp_path: Path) -> None:
    new_keys(tmp_path, ["a"])
    with pytest.raises(RepositoryRefused, match="exists already"):
        new_keys(tmp_path, ["b", "a"])
    assert not (tmp_path / "b.pem").exists()
