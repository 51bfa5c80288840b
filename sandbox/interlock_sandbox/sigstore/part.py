"""The local Sigstore as a part of the sandbox."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from interlock_sandbox.process import Spec, free_port, http_ok
from interlock_sandbox.sigstore import service


class SigstorePart:
    """Runs the service in a process of its own; its keys stay in the sandbox's home."""

    name = "sigstore"

    def __init__(self) -> None:
        self._url = ""
        self._folder = Path()

    def specs(self, home: Path) -> Sequence[Spec]:
        """One program; it writes its keys and trust files itself."""
        port = free_port()
        self._url = f"http://{service.HOST}:{port}"
        self._folder = home / self.name
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ready = f"{self._url}/.well-known/openid-configuration"
        options = ("--dir", str(self._folder), "--port", str(port))
        return [
            Spec(
                name=self.name,
                argv=(sys.executable, "-m", service.__name__, *options),
                ready=lambda: http_ok(ready),
                timeout=20,
                hint="Remove its folder to start with new keys.",
            )
        ]

    def outputs(self) -> Mapping[str, str]:
        """Addresses, and the files that clients take to sign and to verify."""
        return {
            "sigstore_url": self._url,
            "sigstore_issuer": self._url,
            "sigstore_trusted_root": str(self._folder / service.TRUSTED_ROOT),
            "sigstore_trust_config": str(self._folder / service.TRUST_CONFIG),
            "sigstore_trust_config_v2": str(self._folder / service.TRUST_CONFIG_V2),
        }
