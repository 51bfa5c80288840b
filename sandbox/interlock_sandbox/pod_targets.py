"""Tells Prometheus which of the cluster's pods to scrape, and whose they are.

Debian's Prometheus is built without discovery in Kubernetes; it reads files, so this program
writes one, once a second. The labels come from the API server: no pod says itself whose it is.
"""

import json
import logging
import ssl
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from interlock.api import names
from interlock.render.namespace import PORT_NAME
from interlock.signals.promql import NAMESPACE, REVISION
from interlock_sandbox.kubernetes import Kubernetes, kubeconfig_file

PERIOD = 1.0
FILE = "pods.json"
_PODS = f"/api/v1/pods?resourceVersion=0&labelSelector={quote(names.LABEL_REVISION)}"
log = logging.getLogger(__name__)


def targets(pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what to scrape: the agent's port of each pod that runs."""
    return [entry for pod in pods for entry in _entries(pod)]


def main() -> None:
    """Write `<folder>/pods.json` about the control plane of the sandbox in `home` until ended."""
    home, folder = (Path(argument) for argument in sys.argv[1:])
    opener = _as_admin(home)
    config = json.loads(kubeconfig_file(home, "admin").read_bytes())
    url = config["clusters"][0]["cluster"]["server"] + _PODS
    written = ""
    while True:
        try:
            with opener.open(url, timeout=5) as answer:
                text = json.dumps(targets(json.load(answer)["items"]))
            if text != written:
                _write(folder / FILE, text)
                written = text
        except (OSError, ValueError) as error:  # an API server that restarts is asked again
            log.warning("the pods cannot be listed: %s", error)
        time.sleep(PERIOD)


def _entries(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    meta, status = pod["metadata"], pod.get("status", {})
    if status.get("phase") != "Running" or not status.get("podIP"):
        return
    labels = {
        NAMESPACE: meta["namespace"],
        "pod": meta["name"],
        REVISION: meta["labels"][names.LABEL_REVISION],
    }
    for container in pod["spec"]["containers"]:
        for port in container.get("ports", []):
            if port.get("name") == PORT_NAME:
                address = f"{status['podIP']}:{port['containerPort']}"
                yield {"targets": [address], "labels": labels}


def _as_admin(home: Path) -> urllib.request.OpenerDirector:
    folder = home / Kubernetes.name
    context = ssl.create_default_context(cafile=folder / "ca.crt")
    context.load_cert_chain(folder / "admin.crt", folder / "admin.key")
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )


def _write(file: Path, text: str) -> None:
    draft = file.with_suffix(".new")
    draft.write_text(text)
    draft.rename(file)


if __name__ == "__main__":
    main()
