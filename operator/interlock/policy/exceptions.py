"""Findings that security lets pass for a while: which, in what, why, who said so, until when.

An exception is a target of governance: nothing beside the evidence, and nobody who ships the
image, can make one. It names one vulnerability in one package of one image, and it ends.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from interlock.api.facts import Finding
from interlock.api.kinds.base import Model, Sha256, Time
from interlock.policy.feed import VulnerabilityId

LONGEST = timedelta(days=30)
"""How long an exception may last."""
Justification = Literal[
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
]
"""Why a finding does no harm, in the words of OpenVEX 0.2.0."""
Purl = Annotated[
    str, Field(pattern=r"^pkg:[a-z][a-z0-9.+-]*(/[^\s/@?#*]+)+(@[^\s/@?#*]+)?$", max_length=512)
]
"""A package URL without qualifiers: with a version that one, without it every version."""


class Allowance(Model):
    """One exception."""

    vulnerability: VulnerabilityId
    purl: Purl
    image: Sha256
    justification: Justification
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    author: str
    """Who asked for it, an id of `people.yaml`."""
    approver: str
    """Who let it pass: another person, in one of the `roles`."""
    created: Time
    expires: Time

    def about(self, finding: Finding, image: str) -> bool:
        """Whether it names this finding in this image (64 hex), in force or not."""
        return (
            self.vulnerability == finding.id
            and self.image == f"sha256:{image}"
            and _names(self.purl, finding.purl)
        )

    def in_force(self, now: datetime) -> bool:
        """Whether it has begun and has not ended."""
        return datetime.fromisoformat(self.created) <= now < self.ends

    @property
    def ends(self) -> datetime:
        """When the finding returns."""
        return datetime.fromisoformat(self.expires)


class Exceptions(Model):
    """`exceptions.yaml`."""

    roles: list[str] = []
    """Roles of people who may approve an exception."""
    exceptions: list[Allowance] = []

    def about(self, finding: Finding, image: str) -> Iterator[Allowance]:
        """Yield those that name a finding in an image (64 hex), in force or not."""
        return (each for each in self.exceptions if each.about(finding, image))


def _names(purl: str, found: str) -> bool:
    """Whether a package URL is of the package, or of the version, that an exception names."""
    bare = found.partition("#")[0].partition("?")[0]
    return bare == purl or ("@" not in purl and bare.rpartition("@")[0] == purl)
