"""The configuration that operator and command line share. Files are mounted; no Secret is read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Protocol, TypeVar

from pydantic import Field

from interlock.api.kinds.base import Duration, Model, Reference, Rule


class Registry(Model):
    """One MLflow registry."""

    mlflow: str
    username_file: Path | None = None
    password_file: Path | None = None
    ca_file: Path | None = None


class Oci(Model):
    """How to reach OCI registries below a prefix such as `registry.example/models/`."""

    prefix: str
    auth_file: Path | None = None
    """A file with `user:password`."""
    ca_file: Path | None = None
    plain_http: Annotated[bool, Field(alias="plainHTTP")] = False


class Git(Model):
    """How to reach git repositories below a URL prefix."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!self.prefix.startsWith('ssh://')",
            "git over SSH is not built; give a prefix that begins with https:// and a tokenFile",
            lambda git: not git.prefix.startswith("ssh://"),
        ),
    )

    prefix: str
    token_file: Path | None = None
    """A file with `user:token`."""
    ca_file: Path | None = None


class GovernanceSource(Model):
    """Where governance lies, and the root of trust that was agreed out of band."""

    url: str
    ref: str = "refs/heads/main"
    root_file: Path
    interval: Duration = "30s"


class RecordKeys(Model):
    """The key that signs records, and public keys that signed them before."""

    key_file: Path
    """Ed25519 private key, PKCS#8 PEM."""
    former_public_keys: list[Path] = []


class Prometheus(Model):
    """Where signals are measured."""

    url: str
    ca_file: Path | None = None
    token_file: Path | None = None
    """A file with a bearer token."""


class Alerts(Model):
    """Where Falco or Tetragon deliver alerts of the nodes' runtimes."""

    listen: str = "0.0.0.0:9444"
    cert_file: Path
    key_file: Path
    client_ca_file: Path


class Webhook(Model):
    """How git forges may wake the syncer before an interval is over."""

    secret_file: Path
    """What forges sign or send with each delivery."""


class Forge(Model):
    """A forge whose pull requests the bridge reads, with an account of its own there."""

    url: Annotated[str, Field(pattern=r"^https://[a-z0-9][a-z0-9.:-]*(/[A-Za-z0-9._-]+)*$")]
    """As `people.yaml` and `trust.yaml` name it."""
    kind: Literal["gitea", "github", "gitlab"]
    api: Annotated[str, Field(pattern=r"^(https?://[^\s?#]+[^\s?#/])?$")] = ""
    """Where its API is, if not where such forges have it."""
    token_file: Path
    ca_file: Path | None = None
    interval: Duration = "30s"


class ForgeBridge(Model):
    """The process that signs what it saw of reviews."""

    key_file: Path
    """SSH private key (ed25519) without a passphrase; its public half is in `trust.yaml`."""
    forges: Annotated[list[Forge], Field(min_length=1, max_length=16)]


class VerifierSocket(Model):
    """Where the verifier listens."""

    socket: Path


INIT_CONTAINER = "InitContainer"


class Config(Model):
    """The whole file."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.modelDelivery != 'InitContainer' || self.modelCopier.contains('@')",
            "modelDelivery: InitContainer needs modelCopier, an image with @sha256:…",
            lambda config: config.model_delivery != INIT_CONTAINER or "@" in config.model_copier,
        ),
    )

    cluster: str = "default"
    registries: dict[str, Registry] = {}
    oci: list[Oci] = []
    git: list[Git] = []
    governance: GovernanceSource | None = None
    records: RecordKeys | None = None
    verifier: VerifierSocket | None = None
    prometheus: Prometheus | None = None
    alerts: Alerts | None = None
    webhook: Webhook | None = None
    forge_bridge: ForgeBridge | None = None
    model_delivery: Literal["ImageVolume", "InitContainer"] = "ImageVolume"
    """How a model gets into its pod; init containers are for clusters without image volumes."""
    model_copier: Reference | Literal[""] = ""
    """The image of what copies models there, by digest."""
    state_dir: Path = Path("/var/lib/interlock")
    """Caches only."""

    @property
    def copier(self) -> str:
        """The image that copies models into pods; empty where they are image volumes."""
        return self.model_copier if self.model_delivery == INIT_CONTAINER else ""


class _Prefixed(Protocol):
    @property
    def prefix(self) -> str: ...


P = TypeVar("P", bound=_Prefixed)


def longest_prefix(entries: Sequence[P], target: str) -> P | None:
    """Return the entry whose prefix matches most of `target`, or None.

    A prefix ends where a name ends: no token for `git.example` goes to `git.example.evil.example`.
    """
    fitting = [entry for entry in entries if f"{target}/".startswith(_whole(entry.prefix))]
    return max(fitting, key=lambda entry: len(entry.prefix), default=None)


def _whole(prefix: str) -> str:
    return prefix if prefix.endswith("/") else f"{prefix}/"
