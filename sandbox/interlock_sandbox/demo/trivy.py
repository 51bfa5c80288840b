"""Who scans in the story: the real Trivy where Docker Engine can be started, else kept reports."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from interlock_sandbox import docker, scanner, tools
from interlock_sandbox.docker import DockerError
from interlock_sandbox.golang import TOOLCHAIN, ToolError
from interlock_sandbox.sandbox import NotUp, Sandbox

FINDING = next(each for each in scanner.ADVISORIES if each.id == "CVE-2020-14343")
"""What is wrong with the story's second image; the kept report says the same."""
_DATABASE_AGE = timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class Trivy:
    """The real one, and what it takes to run it as a container."""

    image: str
    """`registry/repository@sha256:…`"""
    database: Path
    docker: str
    """The engine's address."""

    def options(self) -> tuple[str, ...]:
        """The same for `interlock-pipeline`."""
        return (
            *("--trivy", self.image, "--database", str(self.database)),
            *("--docker", self.docker, "--plain-http"),
        )


@contextmanager
def engine(lacking: str) -> Iterator[tuple[str, str]]:
    """The address of a Docker Engine of the story's own; empty where there is none, and why.

    Nothing is started where `prepare` found something `lacking`.
    """
    with ExitStack() as stack:
        address = ""
        try:
            if not lacking:
                address = stack.enter_context(Sandbox(("docker",))).outputs["docker_host"]
        except NotUp as error:
            lacking = str(error)
        yield address, lacking


def prepare() -> str:
    """Compile what scans while anything can still be fetched; empty, or why it cannot be had."""
    try:
        docker.check()
        tools.find("trivy")
        tools.compiled(TOOLCHAIN / "vulndb")
    except (DockerError, ToolError) as error:
        return str(error)
    return ""


def told(why_not: str) -> str:
    """Which of the two it is, in words."""
    if why_not:
        return (
            "Scans: kept reports of examples/scans, and no bills of materials, because Trivy "
            f"cannot run here: {why_not}"
        )
    return (
        "Scans: the real Trivy, as a container in a Docker Engine of the story's own, with a "
        f"database of {len(scanner.ADVISORIES)} real advisories."
    )


def load(registry: str, folder: Path, address: str) -> Trivy:
    """Trivy's image in the story's registry, and a database of a few hours ago."""
    updated = datetime.now(UTC) - _DATABASE_AGE
    database = scanner.write_database(folder / "trivy", updated)
    return Trivy(scanner.push_trivy(registry), database, address)
