"""Who built an image, of which commit, told what: a SLSA provenance v1 predicate of a CI job.

A CI system tells its jobs by environment variables where they are. A job could say anything here;
what makes the statement worth something is the identity that signs it, which the CI system's own
token service vouches for. So nothing is guessed: a variable that is missing is asked for.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from interlock.evidence.http import shown
from interlock.evidence.predicates.base import rfc3339
from interlock_pipelines.errors import BadInput

GITHUB = "https://actions.github.io/buildtypes/workflow/v1"
GITEA = "https://interlock.dev/buildtypes/gitea-actions/v1"
GITLAB = "https://interlock.dev/buildtypes/gitlab-ci/v1"
OTHER = "https://interlock.dev/buildtypes/other/v1"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Build:
    """One run of a CI job."""

    builder: str
    """`builder.id`: what ran the job, as exactly as the CI system names it."""
    build_type: str
    source: str
    """URI of the repository, `git+https://…`."""
    ref: str
    commit: str
    parameters: Mapping[str, Any]
    """What whoever started the job could choose."""
    invocation: str = ""
    """Address of the run, for people."""


def of_ci(environment: Environment) -> Build | None:
    """Return the build that a CI system's variables describe; None outside of the known ones."""
    for mark, read in _SYSTEMS.items():
        if environment.get(mark) == "true":
            return read(environment)
    return None


def predicate(build: Build, finished: datetime) -> dict[str, Any]:
    """Return the SLSA provenance v1 predicate. Raises BadInput for what is no commit or source."""
    _check(build)
    ref = f"@{build.ref}" if build.ref else ""
    source = {"uri": f"{build.source}{ref}", "digest": {"gitCommit": build.commit}}
    about = {"finishedOn": rfc3339(finished)}
    return {
        "buildDefinition": {
            "buildType": build.build_type,
            "externalParameters": dict(build.parameters),
            "resolvedDependencies": [source],
        },
        "runDetails": {
            "builder": {"id": build.builder},
            "metadata": {"invocationId": build.invocation, **about} if build.invocation else about,
        },
    }


def _check(build: Build) -> None:
    if not _COMMIT.fullmatch(build.commit):
        raise BadInput(
            f"The commit is {shown(build.commit, 80)!r}, expected 40 or 64 lower-case hex digits. "
            "Give the full name: `git rev-parse HEAD`."
        )
    if not build.source.startswith("git+https://") or "@" in build.source:
        raise BadInput(
            f"The source is {shown(build.source, 120)!r}, expected an address without a login, as "
            "git+https://git.example/line-4/agents."
        )


def _github(environment: Environment) -> Build:
    """Read GitHub's variables, into the layout of GitHub's own attestations."""
    said = _Asked(environment, "GitHub Actions")
    workflow = said("GITHUB_WORKFLOW_REF")  # OWNER/NAME/PATH@REF
    path = workflow.partition("@")[0].removeprefix(f"{said('GITHUB_REPOSITORY')}/")
    run, attempt = said("GITHUB_RUN_ID"), environment.get("GITHUB_RUN_ATTEMPT", "1")
    return _named_by_github(said, GITHUB, workflow, {"path": path}, f"{run}/attempts/{attempt}")


def _gitea(environment: Environment) -> Build:
    """Read Gitea's variables: GitHub's names, without the workflow's path."""
    said = _Asked(environment, "Gitea Actions")
    about = {"name": said("GITHUB_WORKFLOW"), "event": said("GITHUB_EVENT_NAME")}
    builder = f"{said('GITHUB_REPOSITORY')}/actions"
    return _named_by_github(said, GITEA, builder, about, said("GITHUB_RUN_NUMBER"))


def _named_by_github(
    said: "_Asked", build_type: str, builder: str, workflow: dict[str, str], run: str
) -> Build:
    server, ref = said("GITHUB_SERVER_URL"), said("GITHUB_REF")
    repository = f"{server}/{said('GITHUB_REPOSITORY')}"
    return Build(
        builder=f"{server}/{builder}",
        build_type=build_type,
        source=f"git+{repository}",
        ref=ref,
        commit=said("GITHUB_SHA"),
        parameters={"workflow": {"ref": ref, "repository": repository, **workflow}},
        invocation=f"{repository}/actions/runs/{run}",
    )


def _gitlab(environment: Environment) -> Build:
    said = _Asked(environment, "GitLab CI")
    project = said("CI_PROJECT_URL")
    tag = environment.get("CI_COMMIT_TAG", "")
    ref = f"refs/tags/{tag}" if tag else f"refs/heads/{said('CI_COMMIT_REF_NAME')}"
    return Build(
        builder=f"{said('CI_SERVER_URL')}/-/runners/{said('CI_RUNNER_ID')}",
        build_type=GITLAB,
        source=f"git+{project}",
        ref=ref,
        commit=said("CI_COMMIT_SHA"),
        parameters={
            "workflow": {
                "ref": ref,
                "repository": project,
                "path": environment.get("CI_CONFIG_PATH") or ".gitlab-ci.yml",
                "job": said("CI_JOB_NAME"),
                "event": said("CI_PIPELINE_SOURCE"),
            }
        },
        invocation=said("CI_JOB_URL"),
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """Variables that must be there."""

    environment: Environment
    system: str

    def __call__(self, name: str) -> str:
        value = self.environment.get(name, "")
        if not value:
            raise BadInput(
                f"This is a job of {self.system}, and its variable {name} is not set. Pass it into "
                "the container that runs this command, or give --builder, --source and --commit."
            )
        return value


_SYSTEMS: dict[str, Callable[[Environment], Build]] = {
    "GITEA_ACTIONS": _gitea,  # first: Gitea sets GITHUB_ACTIONS too
    "GITHUB_ACTIONS": _github,
    "GITLAB_CI": _gitlab,
}
