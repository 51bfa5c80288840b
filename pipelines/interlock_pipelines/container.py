"""Runs somebody else's program on somebody else's bytes, as a container with nothing in its hands.

Scanners have been taken over before: in March 2026 released Trivy images carried a stealer of
credentials. So the image is named by digest, and what runs in it has no network, no capability,
no file that it may write but a small `/tmp`, nobody's user and none of our environment; what it
prints comes through a pipe that is cut when too much or too late. No Docker socket is passed in.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker import DockerClient
from docker.errors import DockerException, ImageNotFound
from docker.models.containers import Container
from docker.models.images import Image
from docker.types import LogConfig, Mount, Ulimit

from interlock.evidence.http import shown
from interlock_pipelines.errors import PipelineError, Refused, Unavailable
from interlock_pipelines.oci import pinned

_NOBODY = 65532
USER = f"{_NOBODY}:{_NOBODY}"
"""What is mounted must be readable for all."""
MEMORY_BYTES = 2 * 1024**3
TMP_BYTES = 1024**3
PROCESSES = 256
PROCESSORS = 2
SECONDS = 900.0
MAX_OUTPUT_BYTES = 64 * 1024 * 1024
MAX_ERRORS_BYTES = 64 * 1024
"""What is kept of its messages: the end."""
_SHOWN = 600
_TMP = f"rw,noexec,nosuid,nodev,size={TMP_BYTES},mode=0700,uid={_NOBODY},gid={_NOBODY}"
_WALLS: dict[str, Any] = {
    "network_mode": "none",
    "use_config_proxy": False,  # addresses of proxies hold passwords
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],  # beside the engine's own seccomp profile
    "user": USER,
    "ipc_mode": "none",
    "nano_cpus": PROCESSORS * 10**9,
    "pids_limit": PROCESSES,
    "tmpfs": {"/tmp": _TMP},  # noqa: S108 - the container's own
    "working_dir": "/tmp",  # noqa: S108 - empty: tools read settings from where they stand
    "environment": {"HOME": "/tmp", "TMPDIR": "/tmp"},  # noqa: S108
    "log_config": LogConfig(type="none"),  # else its output fills the engine's disk
}
_Piece = tuple[bytes | None, bytes | None]
"""Of what is printed, and of what is complained about."""


@dataclass(frozen=True, slots=True)
class Job:
    """A command line for the entry point of an image."""

    image: str
    """`registry/repository@sha256:…`"""
    argv: tuple[str, ...]
    mounts: Mapping[str, Path]
    """Place inside to folder of ours; all read-only."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a job is ended from outside: seconds, and bytes."""

    seconds: float = SECONDS
    output: int = MAX_OUTPUT_BYTES
    memory: int = MEMORY_BYTES


LIMITS = Limits()


class Engine:
    """A Docker Engine on this machine: folders are mounted by their paths."""

    def __init__(self, client: DockerClient) -> None:
        self._client = client

    @classmethod
    @contextmanager
    def connect(cls, url: str | None) -> Iterator["Engine"]:
        """The engine at an address (default: `$DOCKER_HOST`). Raises Unavailable."""
        with _asking():
            client = DockerClient(base_url=url) if url else DockerClient.from_env()
        try:
            with _asking():
                client.ping()
            yield cls(client)
        finally:
            client.close()

    def fetch(self, image: str) -> Image:
        """Return an image by digest, pulled under the user's own login. Raises PipelineError."""
        found = pinned(image)
        with _asking():
            try:
                return self._client.images.get(image)
            except ImageNotFound:
                name = f"{found.registry}/{found.repository}"
                return self._client.images.pull(name, tag=found.digest)

    def run(self, job: Job, limits: Limits = LIMITS) -> bytes:
        """Return what a job printed. Raises Refused where it failed or was cut off."""
        with _asking():
            _check_writes_nowhere(self.fetch(job.image), job.image)
            with self._created(job, limits.memory) as container:
                return _Run(container, job, limits).output()

    @contextmanager
    def _created(self, job: Job, memory: int) -> Iterator[Container]:
        mounts = [
            Mount(place, str(folder.resolve()), type="bind", read_only=True)
            for place, folder in job.mounts.items()
        ]
        container = self._client.containers.create(
            job.image,
            list(job.argv),
            mounts=mounts,
            mem_limit=memory,
            memswap_limit=memory,
            ulimits=[Ulimit(name="core", soft=0, hard=0)],
            **_WALLS,
        )
        try:
            yield container
        finally:
            container.remove(force=True, v=True)


class _Run:
    """One container from its start to its end."""

    def __init__(self, container: Container, job: Job, limits: Limits) -> None:
        self._container, self._limits = container, limits
        self._what = f"`{' '.join(job.argv[:1])}` of {job.image}"
        self._late = threading.Event()

    def output(self) -> bytes:
        with self._attached() as stream:  # before the start: nothing that it prints is missed
            self._container.start()
            with self._alarm():
                said, errors = self._read(stream)
                code = int(self._container.wait()["StatusCode"])
        if self._late.is_set():
            raise Refused(
                f"{self._what} was ended after {self._limits.seconds:.0f} s without an answer."
            )
        if code:
            raise Refused(f"{self._what} {self._ended(code)}. {_last(errors)}")
        return said

    @contextmanager
    def _attached(self) -> Iterator[Iterator[_Piece]]:
        """Its output, in pieces; closed before it is removed, for it may still be talking."""
        stream = self._container.attach(stdout=True, stderr=True, stream=True, demux=True)
        try:
            yield stream
        finally:
            stream.close()
            vars(stream)["_response"].close()  # which leaves the file of the socket open

    def _read(self, stream: Iterator[_Piece]) -> tuple[bytes, bytes]:
        said, errors = bytearray(), bytearray()
        for out, err in stream:
            said += out or b""
            errors += err or b""
            del errors[:-MAX_ERRORS_BYTES]
            if len(said) > self._limits.output:
                raise Refused(
                    f"{self._what} printed more than {self._limits.output} bytes and was ended."
                )
        return bytes(said), bytes(errors)

    @contextmanager
    def _alarm(self) -> Iterator[None]:
        timer = threading.Timer(self._limits.seconds, self._kill)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def _kill(self) -> None:
        self._late.set()
        with suppress(DockerException, OSError):  # it ended by itself just now
            self._container.kill()

    def _ended(self, code: int) -> str:
        self._container.reload()
        if self._container.attrs["State"]["OOMKilled"]:
            return f"needed more than {self._limits.memory >> 20} MiB of memory and was ended"
        return f"ended with exit code {code}"


def _check_writes_nowhere(image: Image, name: str) -> None:
    """Refuse an image that declares volumes: those are folders of the engine's, without a limit."""
    if volumes := (image.attrs.get("Config") or {}).get("Volumes"):
        raise Refused(
            f"{name} declares the volumes {shown(', '.join(sorted(volumes)), 120)}, in which it "
            "could write without limit. Use an image of the scanner's that declares none."
        )


def _last(errors: bytes) -> str:
    text = errors.decode(errors="replace").strip()
    return f"It said: {shown(text[-_SHOWN:], _SHOWN)}" if text else "It said nothing."


@contextmanager
def _asking() -> Iterator[None]:
    """Turn what the client and its HTTP library raise into sentences."""
    try:
        yield
    except PipelineError:
        raise
    except DockerException as error:
        said = shown(str(getattr(error, "explanation", None) or error), 300).rstrip(".")
        if getattr(error, "response", None) is not None:
            raise Refused(f"The Docker Engine refused: {said}.") from error
        raise Unavailable(_NOT_THERE.format(said)) from error
    except OSError as error:
        raise Unavailable(_NOT_THERE.format(shown(str(error), 300).rstrip("."))) from error


_NOT_THERE = (
    "The Docker Engine gave no answer: {}. Is it running, and is its address right (--docker, or "
    "DOCKER_HOST)? `interlock-sandbox docker` starts one; Debian and Ubuntu have it as `docker.io`."
)
