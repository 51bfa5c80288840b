"""A real OCI registry (distribution), so that images and model volumes are pulled by digest."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from interlock_sandbox import tools
from interlock_sandbox.process import Spec, free_port, http_ok

# Deleting is on: taking an image away after approval is an attack that tests make.
_CONFIG = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: '{images}'}}
  delete: {{enabled: true}}
http: {{addr: '{address}'}}
"""


class Registry:
    """One registry on loopback: plain HTTP, no accounts, files in the sandbox's own folder."""

    name = "registry"

    def __init__(self) -> None:
        self._address = ""

    def specs(self, home: Path) -> Sequence[Spec]:
        """One program; what was pushed lies under `home/registry/images`."""
        folder = home / self.name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._address = f"127.0.0.1:{free_port()}"
        config = folder / "config.yaml"
        config.write_text(_CONFIG.format(images=folder / "images", address=self._address))
        return [
            Spec(
                name=self.name,
                argv=(str(tools.find("registry")), "serve", str(config)),
                env={"OTEL_TRACES_EXPORTER": "none"},  # else it calls a collector on localhost
                cwd=folder,
                ready=lambda: http_ok(f"http://{self._address}/v2/"),
            )
        ]

    def outputs(self) -> Mapping[str, str]:
        """`registry`: host and port, as image references begin."""
        return {"registry": self._address}
