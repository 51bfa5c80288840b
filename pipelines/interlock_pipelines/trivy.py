"""Trivy in a container: which command lines it gets, and what is taken from its answers.

It is judged by its report, never by its exit code, which is 0 whatever it finds. Nothing that lies
in the target may quiet it: settings and lists of exceptions are given explicitly, empty, and it
does not stand where it scans, for it reads `.trivyignore`, `trivy.yaml` and `trivy-secret.yaml`
from there by default. Unsigned VEX documents are never asked for.
"""

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from interlock.evidence.http import shown
from interlock_pipelines.container import SECONDS, Engine, Job
from interlock_pipelines.errors import BadInput
from interlock_pipelines.oci import pinned
from interlock_pipelines.scan import moment

_CACHE, _TARGET = "/cache", "/target"
_DATABASE = ("db/trivy.db", "db/metadata.json")
_FOR_ALL_FOLDER, _FOR_ALL = 0o005, 0o004
_NOTHING = "/dev/null"
_COMMON = (
    "--quiet",
    *("--config", _NOTHING),
    *("--cache-dir", _CACHE),
    *("--cache-backend", "memory"),  # the mounted cache is read-only
    *("--timeout", f"{SECONDS - 30:.0f}s"),  # that it may say so itself
    "--skip-db-update",
    "--skip-java-db-update",
    "--skip-check-update",
    "--skip-vex-repo-update",
    "--skip-version-check",
    "--offline-scan",
    "--disable-telemetry",
)
_JUDGE = (
    *("--format", "json"),
    *("--scanners", "vuln,secret"),
    *("--ignorefile", _NOTHING),
    *("--secret-config", ""),  # its own rules, none of the target's
    "--show-suppressed",
    *("--exit-code", "0"),
)
_INVENTORY = ("--format", "cyclonedx")


@dataclass(frozen=True, slots=True)
class Target:
    """What is looked at."""

    kind: Literal["image", "model"]
    folder: Path
    """An OCI image layout, or the folder of a model."""

    def argv(self) -> tuple[str, ...]:
        """Return the subcommand and where it finds the target."""
        return ("image", "--input", _TARGET) if self.kind == "image" else ("fs", _TARGET)


@dataclass(frozen=True, slots=True)
class Trivy:
    """One Trivy image with one database."""

    engine: Engine
    image: str
    """`registry/repository@sha256:…`"""
    cache: Path
    """Trivy's cache folder, with `db` in it."""

    @classmethod
    def load(cls, engine: Engine, image: str, cache: Path) -> "Trivy":
        """Return a Trivy whose files are there. Raises BadInput."""
        pinned(image)
        readable(cache)
        if missing := [name for name in _DATABASE if not (cache / name).is_file()]:
            raise BadInput(
                f"{cache} has no {missing[0]}: it is no cache folder of Trivy with a database. "
                "Fetch one with `trivy image --download-db-only --cache-dir …`."
            )
        return cls(engine, image, cache)

    @property
    def digest(self) -> str:
        """The digest of its image, `sha256:…`."""
        return pinned(self.image).digest

    def database_updated(self) -> datetime:
        """Return how new its database is; asked before a scan, so never newer than what was used.

        Raises PipelineError.
        """
        said = self._json(("version", "--format", "json", "--cache-dir", _CACHE), {})
        database = said.get("VulnerabilityDB")
        updated = database.get("UpdatedAt") if isinstance(database, dict) else None
        if not isinstance(updated, str):
            raise BadInput(
                f"Trivy finds no vulnerability database in {self.cache}. Fetch one with "
                "`trivy image --download-db-only --cache-dir …`."
            )
        return moment(updated, f"UpdatedAt of {self.cache}")

    def report(self, target: Target) -> dict[str, Any]:
        """Return what it finds, as its JSON report. Raises PipelineError."""
        return self._json((*target.argv(), *_COMMON, *_JUDGE), {_TARGET: target.folder})

    def inventory(self, target: Target) -> dict[str, Any]:
        """Return what is there, as CycloneDX. Raises PipelineError."""
        return self._json((*target.argv(), *_COMMON, *_INVENTORY), {_TARGET: target.folder})

    def _json(self, argv: tuple[str, ...], mounts: dict[str, Path]) -> dict[str, Any]:
        output = self.engine.run(Job(self.image, argv, {_CACHE: self.cache, **mounts}))
        try:
            value = json.loads(output)
        except ValueError as error:
            raise BadInput(
                f"{self.image} printed no JSON ({shown(str(error), 120)}). Is it a Trivy image?"
            ) from error
        if not isinstance(value, dict):
            raise BadInput(f"{self.image} printed no JSON object. Is it a Trivy image?")
        return value


def readable(folder: Path) -> None:
    """Raise BadInput unless all may read a folder: what a scanner cannot read, it passes over."""
    for path in _below(folder):
        mode = path.lstat().st_mode
        wanted = _FOR_ALL_FOLDER if stat.S_ISDIR(mode) else _FOR_ALL
        if mode & wanted != wanted:
            raise BadInput(
                f"{path} is not readable for all, and Trivy runs as nobody. Have its owner run "
                f"`chmod -R a+rX {folder}`."
            )


def _below(folder: Path) -> Iterator[Path]:
    """Yield a folder, then what is in it: none is entered before it was looked at."""
    yield folder
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            yield from _below(entry)
        else:
            yield entry
