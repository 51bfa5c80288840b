"""A real Prometheus on loopback, Debian's own, that scrapes what tests and the demo tell it to.

It is the judge of signals, so no pod may say whose series its own are: namespace, pod and revision
come from the scrape, and what a pod says of the same name is kept aside as `exported_…`.
"""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from interlock.signals.promql import NAMESPACE, REVISION
from interlock_sandbox import pod_targets
from interlock_sandbox.process import Spec, free_port, http_ok

INTERVAL = "1s"
NOBODY = "none"
"""What a target is called that was given no label: an absent one the target itself could give."""


class Prometheus:
    """One server; its targets are files that anybody may add: see `add_target`."""

    name = "prometheus"

    def __init__(self) -> None:
        self._targets = Path()
        self._url = ""

    def specs(self, home: Path) -> Sequence[Spec]:
        """One program; what it measured lies under `home/prometheus/data`."""
        program = shutil.which("prometheus")
        if program is None:
            raise RuntimeError(
                "Prometheus is not installed. On Debian or Ubuntu run: apt-get install prometheus"
            )
        folder = home / self.name
        self._targets = folder / "targets"
        self._targets.mkdir(mode=0o700, parents=True, exist_ok=True)
        config, address = folder / "prometheus.json", f"127.0.0.1:{free_port()}"
        config.write_text(json.dumps(self._config(), indent=2))  # which is YAML, too
        self._url = f"http://{address}"
        argv = (
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            "--log.level=warn",
        )
        ready = f"{self._url}/-/ready"
        return [Spec(name=self.name, argv=argv, cwd=folder, ready=lambda: http_ok(ready))]

    def outputs(self) -> Mapping[str, str]:
        """Where it is asked, and the folder of its targets."""
        return {"prometheus": self._url, "prometheus_targets": str(self._targets)}

    def _config(self) -> dict[str, Any]:
        scrape = {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL}
        return {"global": scrape, "scrape_configs": [self._job()]}

    def _job(self) -> dict[str, Any]:
        """What it scrapes: files. Debian's is built without discovery in Kubernetes."""
        found = {"files": [f"{self._targets}/*.json"], "refresh_interval": INTERVAL}
        return {
            "job_name": "agents",
            "file_sd_configs": [found],
            "relabel_configs": [_or_nobody(label) for label in (NAMESPACE, REVISION)],
            "honor_labels": False,
            "follow_redirects": False,
            "body_size_limit": "1MB",
            "sample_limit": 5000,
        }


class ClusterPrometheus(Prometheus):
    """The same, and it scrapes the agents' pods of the control plane that was started before it."""

    def specs(self, home: Path) -> Sequence[Spec]:
        """The server, and the program that tells it of pods."""
        served = super().specs(home)
        found = self._targets / pod_targets.FILE
        argv = (sys.executable, "-m", pod_targets.__name__, str(home), str(self._targets))
        return [*served, Spec(name="prometheus-pods", argv=argv, ready=found.exists)]


def add_target(targets: Path, address: str, namespace: str, revision: str) -> Path:
    """Have `host:port` scraped as a pod of this revision, as long as the returned file exists."""
    labels = {NAMESPACE: namespace, REVISION: revision}
    file = targets / f"{address.replace(':', '-')}.json"
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps([{"targets": [address], "labels": labels}]))
    return draft.rename(file)


def _or_nobody(label: str) -> dict[str, Any]:
    empty = {"regex": "", "replacement": NOBODY}
    return {"source_labels": [label], "target_label": label, **empty}
