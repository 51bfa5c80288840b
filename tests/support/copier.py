"""The copier, compiled from this checkout: as a program to run, and as an image to pull."""

from pathlib import Path

from interlock_sandbox import tools
from interlock_sandbox.images import push_image

SOURCE = Path(__file__).parents[2] / "copier"
REPOSITORY = "interlock/copier"


def program() -> Path:
    """The compiled program, from the user's cache."""
    return tools.compiled(SOURCE)


def push(registry: str) -> str:
    """Push its image; `registry/repository@sha256:…` of it."""
    files = {"copier": program().read_bytes()}
    user = {"User": "10001:10001", "Entrypoint": ["/copier"]}
    return f"{registry}/{REPOSITORY}@{push_image(registry, REPOSITORY, files, user, mode=0o555)}"
