"""What a CI system says of itself becomes provenance that Interlock reads in full."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result

from interlock.api.facts import PROVENANCE
from interlock.api.proofs import Provenance
from interlock.evidence.predicates import provenance as reader
from interlock.evidence.predicates.base import Told
from interlock_pipelines import provenance
from interlock_pipelines.errors import BadInput
from interlock_pipelines.main import main

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
COMMIT = "c" * 40
IMAGE = f"registry.example/agents/press@sha256:{'a' * 64}"
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_REPOSITORY": "line-4/agents",
    "GITHUB_WORKFLOW_REF": "line-4/agents/.github/workflows/build.yml@refs/heads/main",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_SHA": COMMIT,
    "GITHUB_RUN_ID": "17",
    "GITHUB_RUN_ATTEMPT": "2",
}
GITEA = {
    "GITHUB_ACTIONS": "true",
    "GITEA_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://gitea.example",
    "GITHUB_REPOSITORY": "line-4/agents",
    "GITHUB_WORKFLOW": "build.yml",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_SHA": COMMIT,
    "GITHUB_RUN_NUMBER": "17",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_SERVER_URL": "https://gitlab.example",
    "CI_PROJECT_URL": "https://gitlab.example/line-4/agents",
    "CI_RUNNER_ID": "4",
    "CI_COMMIT_REF_NAME": "main",
    "CI_COMMIT_SHA": COMMIT,
    "CI_JOB_NAME": "build",
    "CI_PIPELINE_SOURCE": "push",
    "CI_JOB_URL": "https://gitlab.example/line-4/agents/-/jobs/17",
}


def read(environment: dict[str, str]) -> Provenance:
    build = provenance.of_ci(environment)
    assert build
    said = reader.read(provenance.predicate(build, NOW), Told(NOW, ()))
    assert isinstance(said, Provenance)
    return said


@pytest.mark.parametrize(
    ("environment", "builder", "build_type", "host"),
    [
        (
            GITHUB,
            "https://github.example/line-4/agents/.github/workflows/build.yml@refs/heads/main",
            provenance.GITHUB,
            "github",
        ),
        (GITEA, "https://gitea.example/line-4/agents/actions", provenance.GITEA, "gitea"),
        (GITLAB, "https://gitlab.example/-/runners/4", provenance.GITLAB, "gitlab"),
    ],
)
def test_each_ci_system_names_builder_source_and_commit(
    environment: dict[str, str], builder: str, build_type: str, host: str
) -> None:
    said = read(environment)
    assert (said.builder, said.build_type, said.commit) == (builder, build_type, COMMIT)
    assert said.source == f"git+https://{host}.example/line-4/agents@refs/heads/main"
    assert said.parameters["workflow.ref"] == "refs/heads/main"
    assert said.parameters["workflow.repository"] == f"https://{host}.example/line-4/agents"
    assert said.dependencies == 1


def test_the_workflow_is_named_by_its_file() -> None:
    assert read(GITHUB).parameters["workflow.path"] == ".github/workflows/build.yml"
    assert read(GITLAB).parameters["workflow.path"] == ".gitlab-ci.yml"


def test_a_tag_is_a_tag_at_gitlab() -> None:
    said = read(GITLAB | {"CI_COMMIT_TAG": "v1", "CI_COMMIT_REF_NAME": "v1"})
    assert said.source.endswith("@refs/tags/v1")


@pytest.mark.parametrize("environment", [GITHUB, GITEA, GITLAB])
def test_a_variable_that_is_missing_is_asked_for_and_never_guessed(
    environment: dict[str, str],
) -> None:
    optional = {"GITHUB_RUN_ATTEMPT"}
    marks = {"GITHUB_ACTIONS", "GITEA_ACTIONS", "GITLAB_CI"}
    for name in environment.keys() - optional - marks:
        with pytest.raises(BadInput, match=f"its variable {name} is not set"):
            read(environment | {name: ""})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"GITHUB_SHA": "main"}, "expected 40 or 64"),
        ({"GITHUB_SHA": "C" * 40}, "expected 40 or 64"),
        ({"GITHUB_SERVER_URL": "https://user:x@github.example"}, "without a login"),
        ({"GITHUB_SERVER_URL": "http://github.example"}, "expected an address"),
    ],
)
def test_what_is_no_commit_or_source_is_refused(change: dict[str, str], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        read(GITHUB | change)


def run(*arguments: str, environment: dict[str, str]) -> Result:
    clean = dict.fromkeys({*GITHUB, *GITEA, *GITLAB})
    return CliRunner().invoke(main, ["provenance", IMAGE, *arguments], env={**clean, **environment})


def statement(*arguments: str, environment: dict[str, str]) -> Any:
    result = run(*arguments, "--dry-run", environment=environment)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_dry_run_prints_the_statement_and_needs_no_token() -> None:
    said = statement(environment=GITHUB)
    assert said["predicateType"] == PROVENANCE
    assert said["subject"] == [{"name": "oci-manifest", "digest": {"sha256": "a" * 64}}]


def test_options_stand_in_place_of_what_the_ci_system_says() -> None:
    more = ("--builder", "https://builder.example/b", "--parameter", "target=release")
    said = statement(*more, environment=GITHUB)["predicate"]
    assert said["runDetails"]["builder"]["id"] == "https://builder.example/b"
    parameters = said["buildDefinition"]["externalParameters"]
    assert (parameters["target"], set(parameters)) == ("release", {"workflow", "target"})


def test_without_a_ci_system_options_say_it_all() -> None:
    told = ("--builder", "https://b.example", "--source", "git+https://g.example/a", "--commit")
    said = statement(*told, COMMIT, environment={})["predicate"]
    assert said["buildDefinition"]["buildType"] == provenance.OTHER
    assert said["buildDefinition"]["resolvedDependencies"] == [
        {"uri": "git+https://g.example/a", "digest": {"gitCommit": COMMIT}}
    ]


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        ((), {}, "No CI system is known"),
        (("--commit", COMMIT), {}, "No CI system is known"),
        (("--parameter", "x"), GITHUB, "expected NAME=VALUE"),
        (("--parameter", "x=1", "--parameter", "x=2"), GITHUB, "each name once"),
        (("--parameter", f"x={'y' * 2000}"), GITHUB, "Interlock would refuse this statement"),
        ((), GITHUB, "--trust-config and --identity-token-file are needed"),
    ],
)
def test_a_bad_argument_ends_with_2(
    arguments: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    result = run(*arguments, environment=environment)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
