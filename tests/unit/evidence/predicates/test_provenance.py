"""An SLSA provenance v1 predicate becomes facts in full, or not at all."""

from typing import Any

import pytest

from interlock.api.proofs import Provenance
from interlock.evidence.predicates import provenance
from interlock.evidence.predicates.base import Told
from interlock.evidence.statement import Refused
from support import proofs, signed

TOLD = Told(signed.now(), ())


def read(**definition: Any) -> Provenance:
    return provenance.read(proofs.slsa(**definition), TOLD)


def dependency(uri: str = proofs.SOURCE, **digest: str) -> dict[str, Any]:
    return {"uri": uri, "digest": digest}


def test_who_built_it_of_what_told_what() -> None:
    assert read() == Provenance(
        builder=proofs.BUILDER_ID,
        build_type=proofs.BUILD_TYPE,
        source=proofs.SOURCE,
        commit=proofs.COMMIT,
        parameters={"workflow.ref": "refs/heads/main", "debug": "false"},
        dependencies=2,
    )


def test_a_name_with_a_dot_is_not_a_nested_name() -> None:
    said = read(externalParameters={"workflow.ref": "evil", "workflow": {"ref": "good"}})
    assert said.parameters == {"workflow\\.ref": "evil", "workflow.ref": "good"}


def test_a_list_and_an_empty_object_are_their_json() -> None:
    said = read(externalParameters={"inputs": {}, "args": ["b", {"z": 1, "a": None}]})
    assert said.parameters == {"inputs": "{}", "args": '["b", {"a": null, "z": 1}]'}


@pytest.mark.parametrize(
    "dependencies",
    [
        [],
        [dependency("pkg:pypi/x@1", sha256="ee" * 32)],
        [dependency(gitCommit="c1" * 20), dependency("git+https://evil", gitCommit="e7" * 20)],
        [dependency(gitCommit="c1" * 20), dependency(gitCommit="e7" * 20)],
        [dependency("https://git.example/archive.tar", sha1="c1" * 20)],
    ],
    ids=["none", "a-package", "two-sources", "two-commits", "sha1-of-a-file"],
)
def test_no_source_or_two_are_none(dependencies: list[dict[str, Any]]) -> None:
    said = read(resolvedDependencies=dependencies)
    assert (said.source, said.commit) == ("", "")


@pytest.mark.parametrize("kind", ["gitCommit", "sha1"])
def test_the_commit_of_a_git_dependency_is_the_source(kind: str) -> None:
    twice = [dependency(**{kind: "c1" * 20})] * 2
    assert read(resolvedDependencies=twice).commit == "c1" * 20


@pytest.mark.parametrize("commit", ["C1" * 20, "c1" * 19, "main", "c1" * 20 + "\n"])
def test_a_commit_is_a_whole_id(commit: str) -> None:
    with pytest.raises(Refused, match="git commit"):
        read(resolvedDependencies=[dependency(gitCommit=commit)])


@pytest.mark.parametrize(
    "definition",
    [
        {"buildType": ""},
        {"buildType": None},
        {"externalParameters": None},
        {"externalParameters": []},
        {"externalParameters": {str(n): n for n in range(65)}},
        {"externalParameters": {"x": "y" * 1025}},
        {"externalParameters": {"x" * 257: "y"}},
        {"resolvedDependencies": {}},
        {"resolvedDependencies": [{"digest": {"gitCommit": 7}}]},
    ],
)
def test_what_cannot_be_read_in_full_is_refused(definition: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        read(**definition)
    assert refused.value.code == "BadPredicate"


def test_nobody_built_it() -> None:
    with pytest.raises(Refused, match="runDetails"):
        provenance.read(proofs.slsa() | {"runDetails": {}}, TOLD)
