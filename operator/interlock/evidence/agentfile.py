"""Finds the file of a repository that says what is judged, so that its authors can be known.

Names prove nothing: a file is the one if the content that it declares has the digest in question,
for the same namespace and name.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from interlock.api import digests
from interlock.api.kinds.deployment import AgentDeploymentSpec
from interlock.evidence.git import MAX_FILE, GitRefused, Mirror
from interlock.policy import strict_yaml

MAX_FILES = 256
MAX_VALUES = 5000
"""Values of one file: reading them is what takes time, and teams share who reads."""
_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Wanted:
    """An agent's content, as it is judged."""

    namespace: str
    name: str
    content: str
    """The content digest."""


async def find(mirror: Mirror, commit: str, folder: str, wanted: Wanted) -> str | None:
    """Return the path of the file that declares this content, or None. Raises GitUnavailable."""
    try:
        entries = await mirror.tree(commit, folder, recursive=True)
    except GitRefused:
        return None
    files = [each for each in entries if each.name.endswith(_SUFFIXES)][:MAX_FILES]
    for entry, data in zip(files, await mirror.blobs(files), strict=True):
        if isinstance(data, bytes) and declares(data, wanted):
            return f"{folder}/{entry.name}" if folder else entry.name
    return None


def declares(data: bytes, wanted: Wanted) -> bool:
    """Whether a file is an AgentDeployment with this content. A file we cannot read is not."""
    if wanted.name.encode() not in data:  # a name has no character that must be escaped
        return False
    try:
        value = strict_yaml.load(data, limit=MAX_FILE, values=MAX_VALUES)
    except ValueError:
        return False
    if not isinstance(value, Mapping) or value.get("kind") != "AgentDeployment":
        return False
    metadata = value.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("name") != wanted.name:
        return False
    if metadata.get("namespace", wanted.namespace) != wanted.namespace:
        return False
    try:
        spec = AgentDeploymentSpec.model_validate(value.get("spec")).dump()
    except ValidationError:
        return False
    return digests.content(wanted.namespace, wanted.name, spec) == wanted.content
