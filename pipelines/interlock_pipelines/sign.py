"""Signs with the unmodified Sigstore client, against the instance that a trust file names.

No key is kept: a certificate authority vouches for whoever the identity token names, for minutes,
and a log remembers it. So who signs is decided by whose token is given, and each role has its own.
"""

import base64
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model_signing import hashing, signing
from sigstore.dsse import StatementBuilder, Subject
from sigstore.models import ClientTrustConfig
from sigstore.oidc import IdentityError, IdentityToken
from sigstore.sign import SigningContext

from interlock.evidence.http import shown
from interlock_pipelines.errors import BadInput, PipelineError, Refused, Unavailable
from interlock_pipelines.tree import Tree


@dataclass(frozen=True, slots=True)
class Signer:
    """One identity at one Sigstore instance."""

    identity: str
    issuer: str
    _trust_config: Path
    _token: str = field(repr=False)

    @classmethod
    def load(cls, trust_config: Path, token_file: Path) -> "Signer":
        """Return who a token names. Raises BadInput for files that are not what they should be."""
        token = _text(token_file).strip()
        try:
            claims = IdentityToken(token)
        except IdentityError as error:
            raise BadInput(
                f"The identity token in {token_file} cannot be used: {error}. It must be a JSON "
                "Web Token for the audience `sigstore` that has not expired; get a new one."
            ) from error
        _read_trust(trust_config)
        return cls(claims.identity, claims.federated_issuer, trust_config, token)

    def statement(
        self, predicate_type: str, subject: tuple[str, str], predicate: Mapping[str, Any]
    ) -> bytes:
        """Sign an in-toto statement about one (name, SHA-256); the bundle. Raises PipelineError."""
        name, digest = subject
        about = [Subject(name=name, digest={"sha256": digest})]
        statement = StatementBuilder(about, predicate_type, dict(predicate)).build()
        trusted = _read_trust(self._trust_config)
        with self._asking():
            context = SigningContext.from_trust_config(trusted)
            with context.signer(IdentityToken(self._token)) as signer:
                return signer.sign_dsse(statement).to_json().encode()

    def model(self, tree: Tree) -> bytes:
        """Sign every file of a model (OMS v1.0); the bundle. Raises PipelineError.

        Git's files are signed as all others: whatever lies in the folder is published.
        """
        everything = hashing.Config().set_ignored_paths(paths=[], ignore_git_paths=False)
        with self._asking(), tempfile.TemporaryDirectory() as folder:
            place = Path(folder, "model.sigstore.json")
            signing.Config().set_hashing_config(everything).use_sigstore_signer(
                identity_token=self._token, trust_config=self._trust_config
            ).sign(tree.folder.resolve(), place)
            bundle = place.read_bytes()
        _check_same(bundle, tree)
        return bundle

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Turn what the clients raise, each of its own family, into sentences."""
        try:
            yield
        except PipelineError:
            raise
        except OSError as error:  # the clients' HTTP library derives its errors from it
            raise Unavailable(
                f"Sigstore, as {self._trust_config} names it, gave no answer: "
                f"{shown(str(error), 200)}. Check its address and whether it runs."
            ) from error
        except Exception as error:
            said = shown(str(error) or str(error.__cause__) or type(error).__name__, 300).rstrip(
                "."
            )
            raise Refused(
                f"Sigstore did not sign for {self.identity} ({self.issuer}): {said}. Is the token "
                "from an issuer that this instance accepts, and still valid?"
            ) from error


def _read_trust(path: Path) -> ClientTrustConfig:
    try:
        return ClientTrustConfig.from_json(_text(path))
    except PipelineError:
        raise
    except Exception as error:  # pydantic's, sigstore's or a parser's own
        raise BadInput(
            f"{path} is no Sigstore client trust configuration: {shown(str(error), 200)}. Take the "
            "file (trusted root and signing addresses) from whoever runs your Sigstore."
        ) from error


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {shown(str(error), 200)}.") from error


def _check_same(bundle: bytes, tree: Tree) -> None:
    """Refuse a signature over other files than those that are published."""
    payload = json.loads(bundle)["dsseEnvelope"]["payload"]
    resources = json.loads(base64.b64decode(payload))["predicate"]["resources"]
    signed = {each["name"]: each["digest"] for each in resources}
    if signed != {file.path: file.sha256 for file in tree.files}:
        raise BadInput(
            f"Model folder {tree.folder} changed while it was signed. "
            "Publish a copy that nobody writes to."
        )
