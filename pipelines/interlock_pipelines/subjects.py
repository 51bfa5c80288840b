"""What a scanner is put on, and what its word is then about: an image, or the folder of a model.

A scanner reads a copy or a folder, and signs a digest. Both are tied together here: an image is
fetched by digest, a folder's tree is counted before and after.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock_pipelines import claim, layout
from interlock_pipelines.claim import Claim
from interlock_pipelines.errors import BadInput
from interlock_pipelines.oci import Access, Manifest, Repository, pinned
from interlock_pipelines.progress import Told
from interlock_pipelines.tree import Tree, read_tree
from interlock_pipelines.trivy import Target, readable


@dataclass(frozen=True, slots=True)
class Image:
    """An image of a registry, and its copy."""

    reference: str
    manifest: Manifest
    folder: Path

    @classmethod
    def find(cls, reference: str, access: Access, work: Path) -> "Image":
        """Return an image that the registry has; nothing is fetched yet. Raises PipelineError."""
        found = pinned(reference)
        manifest = Repository(f"{found.registry}/{found.repository}", access).image(found.digest)
        return cls(reference, manifest, work / f"image-{manifest.hex}")

    def fetch(self, access: Access, told: Told) -> None:
        """Make the copy. Raises PipelineError."""
        found = pinned(self.reference)
        repository = Repository(f"{found.registry}/{found.repository}", access)
        layout.fetch(repository, self.manifest, self.folder, told)

    @property
    def digest(self) -> str:
        """The digest of its manifest."""
        return str(self.manifest.descriptor["digest"])

    @property
    def target(self) -> Target:
        """The copy."""
        return Target("image", self.folder)

    def confirm(self, looked_at: frozenset[str]) -> None:
        """Raise BadInput unless the scanner names this image's manifest or config."""
        config = str(self.manifest.body["config"]["digest"])
        if not looked_at & {self.digest, config}:
            raise BadInput(
                f"The scanner looked at {', '.join(sorted(looked_at)) or 'no image'}; the image is "
                f"{self.digest} with config {config}. Remove the folder of --work and scan again."
            )

    def claim(self, predicate_type: str, predicate: Mapping[str, Any]) -> Claim:
        """Return what is said about the image."""
        return claim.about_image(self.reference, predicate_type, predicate)


@dataclass(frozen=True, slots=True)
class Model:
    """The folder of a model, as it was counted first."""

    tree: Tree

    @classmethod
    def read(cls, folder: Path) -> "Model":
        """Return the model in a folder that all may read. Raises BadInput."""
        readable(folder)
        return cls(read_tree(folder))

    @property
    def digest(self) -> str:
        """The tree digest."""
        return self.tree.digest

    @property
    def target(self) -> Target:
        """The folder itself."""
        return Target("model", self.tree.folder)

    def confirm(self, looked_at: frozenset[str]) -> None:
        """Raise BadInput if a file changed meanwhile; of a folder, the scanner names no digest."""
        if read_tree(self.tree.folder) != self.tree:
            raise BadInput(
                f"Model folder {self.tree.folder} changed while it was scanned. "
                "Scan a copy that nobody writes to."
            )

    def claim(self, predicate_type: str, predicate: Mapping[str, Any]) -> Claim:
        """Return what is said about the model."""
        return claim.about_model(self.tree.digest, predicate_type, predicate)
