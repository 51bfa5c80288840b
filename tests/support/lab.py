"""A real Docker Engine with the real Trivy in it, and what it is put on.

Images and models are a few files each: a list of Debian packages, installed Python packages, a
lock file. What is wrong with them everybody can look up.
"""

import base64
import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from interlock.api.config import Oci
from interlock.api.facts import Evidence
from interlock.evidence import bundles
from interlock.evidence.oci import OciRegistries, Reference
from interlock.evidence.sigstore import SigstoreVerifier
from interlock_pipelines.container import LIMITS, Engine, Job, Limits
from interlock_pipelines.main import main
from interlock_sandbox import images, tools
from interlock_sandbox.sigstore import identity_token

SCANNER = "scanner@sec.example"
DEBIAN = {
    "etc/os-release": b'ID=debian\nVERSION_ID="12"\n',
    "etc/debian_version": b"12.5\n",
}
OLD_DEBIAN = {
    "etc/os-release": b'ID=debian\nVERSION_ID="9"\n',
    "etc/debian_version": b"9.13\n",
}


def dpkg(**packages: str) -> dict[str, bytes]:
    """The list of Debian packages; `name="version"`, each of the source of that name."""
    entries = (
        f"Package: {name}\nStatus: install ok installed\nVersion: {version}\nArchitecture: amd64\n"
        for name, version in packages.items()
    )
    return {"var/lib/dpkg/status": "\n".join(entries).encode()}


def wheel(name: str, version: str) -> dict[str, bytes]:
    """An installed Python package, as its metadata."""
    place = f"usr/lib/python3/dist-packages/{name}-{version}.dist-info/METADATA"
    return {place: f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()}


VULNERABLE = DEBIAN | dpkg(libwebp="1.2.4-0.2", zlib="1:1.2.13.dfsg-1") | wheel("werkzeug", "0.11")
MENDED = DEBIAN | dpkg(libwebp="1.2.4-0.2+deb12u1") | wheel("werkzeug", "3.1.3")


@dataclass(frozen=True)
class Lab:
    """Everything that a scan takes, up and running."""

    outputs: Mapping[str, str]
    trivy: str
    database: Path
    folder: Path

    def job(self, job: Job, limits: Limits = LIMITS) -> bytes:
        """What a container printed."""
        with Engine.connect(self.outputs["docker_host"]) as engine:
            return engine.run(job, limits)

    def image(self, name: str, files: Mapping[str, bytes]) -> str:
        """An image in the registry, by digest."""
        digest = images.push_image(self.outputs["registry"], f"agents/{name}", files)
        return f"{self.outputs['registry']}/agents/{name}@{digest}"

    def thief(self, mode: str, *volumes: str, **variables: str) -> str:
        """An image of a scanner that was taken over, by digest."""
        program = tools.compiled(Path(__file__).parent / "thief").read_bytes()
        env = [f"{name}={value}" for name, value in {"MODE": mode, **variables}.items()]
        config: dict[str, object] = {"Entrypoint": ["/thief"], "Env": env, "User": "0"}
        config["Volumes"] = {place: {} for place in volumes}
        files = {"thief": program}
        registry = self.outputs["registry"]
        digest = images.push_image(registry, "tools/thief", files, config, mode=0o555)
        return f"{registry}/tools/thief@{digest}"

    def run(self, verb: str, target: str | Path, *more: str | Path, trivy: str = "") -> Result:
        """What a job types."""
        said = self.outputs
        arguments = [verb, target, "--trivy", trivy or self.trivy, "--database", self.database]
        arguments += ["--docker", said["docker_host"], "--plain-http", *more]
        return CliRunner().invoke(main, list(map(str, arguments)))

    def statement(self, verb: str, target: str | Path, *more: str | Path) -> dict[str, Any]:
        """What would be signed."""
        result = self.run(verb, target, "--dry-run", *more)
        assert result.exit_code == 0, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def findings(self, target: str | Path, *more: str | Path) -> set[tuple[str, str]]:
        """Vulnerability and package of each finding of a scan."""
        said = self.statement("scan", target, *more)["predicate"]["scanner"]["result"]
        return {(each["id"], one["package"]) for each in said for one in each["annotations"]}

    def signing(self) -> tuple[str, ...]:
        """Who signs, as options."""
        token = self.folder / "token"
        token.write_text(identity_token(self.outputs["sigstore_url"], SCANNER))
        trust = self.outputs["sigstore_trust_config"]
        return ("--trust-config", trust, "--identity-token-file", str(token))

    async def evidence(self, image: str) -> list[Evidence]:
        """What Interlock reads beside an image; nothing of it is denied."""
        reference, registries = Reference.parse(image), self._registries()
        try:
            blobs = await registries.evidence(reference, reference.digest)
        finally:
            await registries.close()
        root = Path(self.outputs["sigstore_trusted_root"]).read_bytes()
        now = dt.datetime.now(dt.UTC)
        found, denied = bundles.read(blobs, SigstoreVerifier(root), (), now)
        assert denied == []
        return found

    def _registries(self) -> OciRegistries:
        prefix = f"{self.outputs['registry']}/"
        return OciRegistries([Oci.model_validate({"prefix": prefix, "plainHTTP": True})])


def payload(bundle: bytes) -> dict[str, Any]:
    """The statement in a bundle."""
    found: dict[str, Any] = json.loads(
        base64.b64decode(json.loads(bundle)["dsseEnvelope"]["payload"])
    )
    return found
