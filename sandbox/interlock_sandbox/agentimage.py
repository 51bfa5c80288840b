"""The sample agent as real images: compiled once, any number of versions in milliseconds.

A story needs a good version and several bad ones. They differ in their environment alone, so all
share one layer with one program, and the failure is the agent's own.
"""

import functools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from interlock_sandbox import tools
from interlock_sandbox.golang import ToolError
from interlock_sandbox.images import (
    CONFIG,
    LAYER,
    MANIFEST,
    architecture,
    digest,
    layer,
    push_blob,
    push_manifest,
)

SOURCE = Path(__file__).parents[2] / "examples" / "agent"
REPOSITORY = "agents/sample"
PROGRAM = "agent"
USER = "10001:10001"
"""As the pods of agents run; an image that names root is refused by `runAsNonRoot`."""
VERSION_VARIABLE = "AGENT_VERSION"
_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")  # as a tag may be
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


def push_agent(
    registry: str,
    *,
    version: str,
    defaults: Mapping[str, str] | None = None,
    repository: str = REPOSITORY,
    beside: Mapping[str, bytes] | None = None,
) -> str:
    """Pushes a version whose environment is `defaults`, tagged `version`; `…@sha256:…` of it.

    Files `beside` the program are a layer of their own. The same input gives the same digest.
    Raises ToolError if the program cannot be built.
    """
    contents = [_layer(program()), *([layer(beside)] if beside else [])]
    config = image_config(contents, version, defaults or {})
    about = json.dumps(config, sort_keys=True).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": push_blob(registry, repository, about, CONFIG),
        "layers": [push_blob(registry, repository, each, LAYER) for each in contents],
    }
    return f"{registry}/{repository}@{push_manifest(registry, repository, manifest, version)}"


def image_config(
    contents: Sequence[bytes], version: str, defaults: Mapping[str, str]
) -> dict[str, object]:
    """The image's configuration: what starts, as whom, told what. Raises ValueError."""
    if not _VERSION.fullmatch(version):
        raise ValueError(f"the version {version!r} is no tag; use letters, digits, '.', '_', '-'.")
    for name, value in defaults.items():
        if not _VARIABLE.fullmatch(name) or name == VERSION_VARIABLE or "\0" in value:
            raise ValueError(
                f"the default {name!r} is no variable that an image may set; use upper-case "
                f"letters, digits and '_', and set {VERSION_VARIABLE} by `version`."
            )
    environment = {**defaults, VERSION_VARIABLE: version}
    return {
        "architecture": architecture(),
        "os": "linux",
        "config": {
            "Entrypoint": [f"/{PROGRAM}"],
            "Env": [f"{name}={value}" for name, value in sorted(environment.items())],
            "ExposedPorts": {"8080/tcp": {}},
            "User": USER,
        },
        "rootfs": {"type": "layers", "diff_ids": [digest(each) for each in contents]},
    }


def program() -> Path:
    """The compiled agent: static, in the user's cache, made anew when a source or Go changes."""
    if not (SOURCE / "go.mod").is_file():
        raise ToolError(
            f"agent: {SOURCE} holds no go.mod. The sample agent is compiled from a checkout of "
            "the repository: run from there."
        )
    return tools.compiled(SOURCE)


@functools.cache
def _layer(compiled: Path) -> bytes:
    return layer({PROGRAM: compiled.read_bytes()}, mode=0o555)
