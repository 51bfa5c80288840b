"""Which vulnerabilities are exploited, as the world saw it on one day.

An optional target of governance, made of the catalogue of known exploited vulnerabilities (KEV)
and of the exploit prediction scores (EPSS). All scores are too many for a target: those below
`epssAtLeast` are left out, and policy may not ask about what was left out.
"""

from typing import Annotated

from pydantic import Field

from interlock.api.kinds.base import Model, Time

VulnerabilityId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
"""As a database names it: `CVE-2026-1234`, `GHSA-…`. Names of other databases are other names."""
Score = Annotated[float, Field(ge=0, le=1)]
"""A probability."""


class Feed(Model):
    """`vulnerability-feed.json`."""

    date: Time
    """The day that its sources are of; nothing in it is younger."""
    kev: list[VulnerabilityId] = []
    epss: dict[VulnerabilityId, Score] = {}
    epss_at_least: Score = 0.0
    """Scores below it are not in `epss`."""
