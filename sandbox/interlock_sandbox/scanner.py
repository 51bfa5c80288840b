"""The real Trivy as an image, and a vulnerability database of a few real advisories.

Its own database is hundreds of megabytes from the internet. Trivy reads this one the same way:
a handful of vulnerabilities that everybody can look up, in packages of Debian and of PyPI.
"""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from interlock_sandbox import tools
from interlock_sandbox.golang import TOOLCHAIN
from interlock_sandbox.images import push_image

REPOSITORY = "tools/trivy"
USER = "65532:65532"
_PYPI, _DEBIAN = "pip::GitHub Security Advisory Pip", "debian 12"
_SOURCES = {
    _PYPI: {
        "ID": "ghsa",
        "Name": "GitHub Security Advisory pip",
        "URL": "https://github.com/advisories?query=type%3Areviewed+ecosystem%3Apip",
    },
    _DEBIAN: {
        "ID": "debian",
        "Name": "Debian Security Tracker",
        "URL": "https://salsa.debian.org/security-tracker-team/security-tracker",
    },
}
_SEVERITIES = ("UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL")  # as Trivy numbers them
_WILL_NOT_FIX = 5  # as Trivy numbers what vendors say of a fix
_SCHEMA = 2


@dataclass(frozen=True, slots=True)
class Advisory:
    """A vulnerability in one package; with no fix, its vendor will not give one."""

    id: str
    source: str
    package: str
    severity: str
    published: str
    title: str
    fixed: str = ""
    also: str = "nvd"
    """Who rates it so."""

    def detail(self) -> dict[str, Any]:
        """What is said about the vulnerability itself."""
        return {
            "Title": self.title,
            "Severity": self.severity,
            "VendorSeverity": {self.also: _SEVERITIES.index(self.severity)},
            "PublishedDate": self.published,
        }

    def value(self) -> dict[str, Any]:
        """What is said about the package, in the form of its source."""
        if self.source == _PYPI:
            return {"PatchedVersions": [self.fixed], "VulnerableVersions": [f"< {self.fixed}"]}
        return {"FixedVersion": self.fixed} if self.fixed else {"Status": _WILL_NOT_FIX}


ADVISORIES = (
    Advisory(
        id="CVE-2019-14806",
        source=_PYPI,
        package="werkzeug",
        severity="HIGH",
        published="2019-08-09T15:15:00Z",
        title="python-werkzeug: insufficient debugger PIN randomness vulnerability",
        fixed="0.15.3",
        also="ghsa",
    ),
    Advisory(
        id="CVE-2020-14343",
        source=_PYPI,
        package="pyyaml",
        severity="CRITICAL",
        published="2021-02-09T21:15:00Z",
        title="PyYAML: incomplete fix for CVE-2020-1747",
        fixed="5.4",
        also="ghsa",
    ),
    Advisory(
        id="CVE-2023-4863",
        source=_DEBIAN,
        package="libwebp",
        severity="HIGH",
        published="2023-09-12T15:15:00Z",
        title="libwebp: Heap buffer overflow in WebP Codec",
        fixed="1.2.4-0.2+deb12u1",
    ),
    Advisory(
        id="CVE-2023-45853",
        source=_DEBIAN,
        package="zlib",
        severity="CRITICAL",
        published="2023-10-14T02:15:00Z",
        title="zlib: integer overflow and heap-based buffer overflow in zipOpenNewFileInZip4_6",
    ),
)


def push_trivy(registry: str) -> str:
    """Pushes the scanner's image, of one program and nothing else; `…@sha256:…` of it.

    Raises ToolError if the program cannot be compiled.
    """
    program = {"trivy": tools.find("trivy").read_bytes()}
    config = {"Entrypoint": ["/trivy"], "User": USER}
    return (
        f"{registry}/{REPOSITORY}@{push_image(registry, REPOSITORY, program, config, mode=0o555)}"
    )


def write_database(
    cache: Path, updated: datetime, advisories: tuple[Advisory, ...] = ADVISORIES
) -> Path:
    """Makes the new folder `cache` a cache of Trivy with a database, readable for all; returns it.

    Raises ToolError if the program that writes it cannot be compiled.
    """
    folder = cache / "db"
    folder.mkdir(parents=True)
    program = tools.compiled(TOOLCHAIN / "vulndb")
    tree = json.dumps(_tree(advisories))
    subprocess.run((program, folder / "trivy.db"), input=tree, text=True, check=True)
    (folder / "metadata.json").write_text(json.dumps(_metadata(updated)))
    for path in (cache, folder, *folder.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return cache


def _metadata(updated: datetime) -> Mapping[str, object]:
    said = updated.astimezone(UTC)
    next_one = said + timedelta(days=1)
    times = {"UpdatedAt": said, "NextUpdate": next_one, "DownloadedAt": said}
    return {"Version": _SCHEMA, **{name: time.isoformat() for name, time in times.items()}}


def _tree(advisories: tuple[Advisory, ...]) -> Mapping[str, Any]:
    """Buckets in buckets, and values as the JSON that Trivy expects."""
    tree: dict[str, dict[str, Any]] = {
        "data-source": {name: json.dumps(about) for name, about in _SOURCES.items()},
        "vulnerability": {each.id: json.dumps(each.detail()) for each in advisories},
    }
    for each in advisories:
        package = tree.setdefault(each.source, {}).setdefault(each.package, {})
        package[each.id] = json.dumps(each.value())
    return tree
