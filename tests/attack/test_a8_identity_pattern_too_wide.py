"""A pattern covers a whole identity, and no host but the one that is written there.

CVE-2025-29778: patterns over identities were ignored, and any identity of the authority counted.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interlock.api.reasons import Reason
from interlock.policy.parse import PolicyError
from interlock_sandbox.sigstore import Recipe
from support import plant, policies
from support.plant import Plant

CI = "https://ci.example/line-4/agents/.ci/build.yaml@refs/heads/main"
WANTED = {
    "role": "builder",
    "identity": "https://ci.example/line-4/*/.ci/build.yaml@refs/heads/*",
    "issuer": policies.ISSUER,
    "extensions": {
        "sourceRepositoryURI": "https://git.example/line-4/*",
        "sourceRepositoryRef": "refs/heads/*",
        "buildTrigger": "push",
    },
}
CLAIMS = {
    "source_repository_uri": "https://git.example/line-4/agents",
    "source_repository_ref": "refs/heads/main",
    "build_trigger": "push",
}
HONEST = Recipe(identity=CI, issuer=policies.ISSUER, extensions=CLAIMS)


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


def trusting(builder: dict[str, Any]) -> dict[str, Any]:
    trust: dict[str, Any] = policies.documents()["trust"]
    others = [each for each in trust["signers"] if each["role"] != "builder"]
    return trust | {"signers": [*others, builder]}


async def judged(good: Plant, recipe: Recipe, builder: dict[str, Any] | None = None) -> Reason:
    good.image_bundles[0] = plant.image_signature(recipe)
    return (await good.judged(trust=trusting(builder or WANTED)))["image-signature"].reason


async def test_the_build_that_is_meant_counts(good: Plant) -> None:
    assert await judged(good, HONEST) is Reason.PASSED


@pytest.mark.parametrize(
    "identity",
    [
        "https://ci.example.mallory.example/line-4/agents/.ci/build.yaml@refs/heads/main",
        "https://mallory.example/https://ci.example/line-4/agents/.ci/build.yaml@refs/heads/main",
        "https://mallory.example/?https://ci.example/line-4/x/.ci/build.yaml@refs/heads/main",
        "https://ci.example@mallory.example/line-4/agents/.ci/build.yaml@refs/heads/main",
        "https://ci.example/line-5/agents/.ci/build.yaml@refs/heads/main",
        "https://ci.example/line-4/agents/evil/.ci/build.yaml@refs/heads/main",
        "https://ci.example/line-4/../.ci/build.yaml@refs/heads/main",
        "https://ci.example/line-4/%2e%2e/.ci/build.yaml@refs/heads/main",
        f"{CI}/../../x",
        f"{CI}?x=/y",
        f"x{CI}",
        CI.upper(),
        CI.replace("build.yaml", "release.yaml"),
        CI.replace("heads", "pull"),
        "https://ci.example/line-4/*/.ci/build.yaml@refs/heads/main#/x",
    ],
)
async def test_a_neighbour_of_what_the_pattern_covers(good: Plant, identity: str) -> None:
    assert await judged(good, replace(HONEST, identity=identity)) is Reason.WRONG_SIGNER


@pytest.mark.parametrize(
    "claims",
    [
        {},
        CLAIMS | {"build_trigger": "pull_request"},
        CLAIMS | {"source_repository_ref": "refs/pull/7/merge"},
        CLAIMS | {"source_repository_uri": "https://git.example/mallory/agents"},
        CLAIMS | {"source_repository_uri": "https://git.example.mallory.example/line-4/agents"},
        {name: value for name, value in CLAIMS.items() if name != "build_trigger"},
    ],
    ids=["none", "trigger", "ref", "repository", "host", "one missing"],
)
async def test_the_right_workflow_in_the_wrong_build(good: Plant, claims: dict[str, str]) -> None:
    assert await judged(good, replace(HONEST, extensions=claims)) is Reason.WRONG_SIGNER


@pytest.mark.parametrize("issuer", ["https://oidc.mallory.example", f"{policies.ISSUER}/x"])
async def test_the_right_identity_from_another_issuer(good: Plant, issuer: str) -> None:
    assert await judged(good, replace(HONEST, issuer=issuer)) is Reason.WRONG_SIGNER


@pytest.mark.parametrize(
    "change",
    [
        {"identity": "*"},
        {"identity": "https://*/line-4/agents/.ci/build.yaml@refs/heads/main"},
        {"identity": "https://*.example/line-4/*"},
        {"identity": "*@*"},
        {"issuer": "https://*"},
        {"extensions": {"sourceRepositoryURI": "https://git.*/line-4/agents"}},
    ],
)
def test_a_pattern_that_leaves_the_host_open_is_no_policy(change: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match="leaves the host open"):
        policies.good_policy(trust=trusting(WANTED | change))


async def test_what_looks_like_a_pattern_is_never_a_regular_expression(good: Plant) -> None:
    dotted = WANTED | {"identity": CI.replace("agents", "a.ents").replace("main", "[a-z]+")}
    assert await judged(good, HONEST, dotted) is Reason.WRONG_SIGNER
