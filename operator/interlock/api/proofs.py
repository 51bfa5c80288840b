"""What signed statements say, in the parts that policy can ask about; see `facts.py` for the rest.

Each class is one predicate, strictly read. Who signed it and what it is about stand beside it in
`facts.Evidence`.
"""

from typing import Annotated, Literal

from pydantic import Field

from interlock.api.kinds.base import Hex64, Model, Time

MAX_NAMED = 64
"""Entries of a list that facts keep; totals count all of them."""
Names = Annotated[list[str], Field(max_length=MAX_NAMED)]


class Provenance(Model):
    """SLSA provenance v1: who built it, of what, told what."""

    builder: str
    """`runDetails.builder.id`."""
    build_type: str
    source: str = ""
    """URI of the one resolved dependency with a commit; empty where none or several have one."""
    commit: str = ""
    """That commit, 40 or 64 lower-case hex digits."""
    parameters: dict[str, str] = {}
    """`externalParameters`, nested names joined by dots; what is no text is its JSON."""
    dependencies: int = 0


class Sbom(Model):
    """A bill of materials: an inventory, whose text nobody vouches for but its signer."""

    format: Literal["CycloneDX", "SPDX"]
    version: str
    components: int
    unidentified: int = 0
    """Packages among them without a package URL, or with one that has no version."""
    describes: Annotated[list[Hex64], Field(max_length=MAX_NAMED)] = []
    """SHA-256 of what the document itself says that it is about; empty where it does not say."""
    models: Annotated[list[Hex64], Field(max_length=MAX_NAMED)] = []
    """SHA-256 of each machine-learning model that it lists (an ML-BOM)."""
    unlisted: int = 0
    """Files of the agent's model whose SHA-256 it does not list."""
    unlisted_files: Names = []
    """The first of them."""


class Evaluation(Model):
    """An in-toto test-result v0.1: an evaluation or a red team's attack on a model."""

    result: Literal["PASSED", "WARNED", "FAILED"]
    suite: Hex64
    """Digest of the suite of tests."""
    suite_name: str = ""
    datasets: Annotated[list[Hex64], Field(max_length=MAX_NAMED)] = []
    """Digests of the data that it ran on."""
    failed: Names = []
    """Tests that failed."""
    passed: int = 0
    metrics: dict[str, float] = {}


class Training(Model):
    """How a model came to be, as its trainer says."""

    run: str
    """Identifier of the run that made it."""
    datasets: Annotated[list[Hex64], Field(max_length=MAX_NAMED)]
    parameters: Hex64
    """SHA-256 over RFC 8785 of the training's parameters."""
    commit: str = ""
    """Commit of the training's code."""
    finished: Time
