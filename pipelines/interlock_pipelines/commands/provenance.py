"""`provenance`: the builder's word of which commit an image was built of, by what, told what."""

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import click

from interlock.api.facts import PROVENANCE
from interlock_pipelines import claim
from interlock_pipelines import provenance as building
from interlock_pipelines.commands import answer, options, placing
from interlock_pipelines.errors import BadInput
from interlock_pipelines.provenance import Build


@click.command(epilog=options.EXIT)
@click.argument("image")
@click.option("--builder", help="builder.id. Default: as the CI system names its runner.")
@click.option("--build-type", help="buildType. Default: the CI system's.")
@click.option("--source", help="Repository, as git+https://git.example/line-4/agents.")
@click.option("--ref", help="Branch or tag of the source, as refs/heads/main.")
@click.option("--commit", help="Commit of the source, in full.")
@click.option(
    "--parameter",
    multiple=True,
    metavar="NAME=VALUE",
    help="An external parameter beside those of the CI system. May be given several times.",
)
@options.signing
@options.registry
@options.dry_run
@options.output
def provenance(**given: Any) -> None:
    """Sign SLSA provenance v1 of IMAGE (registry/repository@sha256:…) and attach it.

    In a job of GitHub Actions, Gitea Actions or GitLab CI all is read from the environment;
    elsewhere --builder, --source and --commit say it. Build type of both: see pipelines/README.md.
    """
    with answer.sentences():
        said = building.predicate(_build(given, os.environ), datetime.now(UTC))
        made = claim.about_image(given["image"], PROVENANCE, said)
        put = placing.beside_image(given, given["image"])
        placing.settle(given, "provenance", made, put)


def _build(given: Mapping[str, Any], environment: Mapping[str, str]) -> Build:
    """Return the CI system's build, with what options say in its place."""
    told = {
        name: given[name]
        for name in ("builder", "build_type", "source", "ref", "commit")
        if given[name] is not None
    }
    complete = {"builder", "source", "commit"} <= told.keys()
    found = None if complete else building.of_ci(environment)
    if found is None and not complete:
        raise BadInput(
            "No CI system is known by its variables here (GITHUB_ACTIONS, GITEA_ACTIONS, "
            "GITLAB_CI). Give --builder, --source and --commit."
        )
    base = found or Build("", building.OTHER, "", "", "", {})
    more = options.pairs(given["parameter"], "--parameter")
    return replace(base, **told, parameters={**base.parameters, **more})
