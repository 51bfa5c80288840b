"""A job is given the sources of its own agent, as governance grants them, and nothing besides."""

from pathlib import Path
from typing import Any

import pytest

from interlock.api.config import Config
from interlock.api.facts import Findings
from interlock.evidence.findings import Gatherer
from interlock.evidence.wire import FindingsRequest
from interlock.policy import Policy
from interlock.policy.parse import parse
from interlock.verifier import needs
from support import facts, plant, policies
from support.plant import Plant

CONFIG = Config.model_validate(
    {
        "registries": {
            name: {"mlflow": f"https://{name}.example", "passwordFile": f"/s/{name}"}
            for name in ("default", "other")
        },
        "oci": [
            {"prefix": "registry.example/", "authFile": "/s/short"},
            {"prefix": "registry.example/agents/", "authFile": "/s/agents"},
            {"prefix": "registry.example/models/", "authFile": "/s/models"},
            {"prefix": "elsewhere.example/", "authFile": "/s/elsewhere"},
        ],
        "git": [
            {"prefix": "https://git.example/", "tokenFile": "/s/all"},
            {"prefix": policies.REPOSITORY, "tokenFile": "/s/repository"},
            {"prefix": "https://git.example/governance", "tokenFile": "/s/governance"},
        ],
        "governance": {"url": "https://git.example/governance", "rootFile": "/s/root"},
        "records": {"keyFile": "/r/key"},
        "prometheus": {"url": "https://prometheus.example", "tokenFile": "/s/prometheus"},
        "verifier": {"socket": "/run/socket"},
        "stateDir": "/state",
    }
)
POLICY = parse(policies.targets(), 0)


def request(**changes: Any) -> FindingsRequest:
    spec = facts.spec(**changes)
    return FindingsRequest.model_validate(
        {"namespace": policies.NAMESPACE, "name": facts.NAME, "spec": spec, "targets": {}}
    )


def given(**changes: Any) -> Config:
    return needs.of_findings(CONFIG, request(**changes), POLICY).config


def secrets(config: Config) -> set[str]:
    """Every file that a configuration names."""
    found = set[str]()
    values: list[Any] = [config.model_dump(exclude={"state_dir"})]
    while values:
        value = values.pop()
        if isinstance(value, dict | list):
            values += value.values() if isinstance(value, dict) else value
        elif isinstance(value, Path):
            found.add(str(value))
    return found


def test_it_is_given_the_credentials_of_its_own_sources_alone() -> None:
    image = f"registry.example/agents/press@sha256:{'a' * 64}"
    volume = f"registry.example/models/press@sha256:{'b' * 64}"
    model = {"name": "press", "version": "12", "volume": volume}
    config = given(image=image, model=model)
    wanted = {"/s/default", "/s/agents", "/s/models", "/s/repository", "/s/all"}
    assert secrets(config) == wanted  # `all` is for the approvals
    assert (config.governance, config.records, config.prometheus) == (None, None, None)
    assert secrets(given(image=image, model=None, prompts=[])) == wanted - {
        "/s/default",
        "/s/models",
    }


def test_prompts_alone_need_the_default_registry() -> None:
    prompts = [{"name": "system", "version": "3"}]
    assert set(given(model=None, prompts=prompts).registries) == {"default"}


def test_a_registry_that_is_not_configured_brings_no_credentials() -> None:
    config = given(model={"registry": "third", "name": "press", "version": "12"})
    assert set(config.registries) == {"default", "other"}  # so that the sentence names them
    assert not secrets(config) & {"/s/default", "/s/other"}


def test_a_namespace_without_a_grant_has_no_git() -> None:
    asked = request().model_copy(update={"namespace": "unheard-of"})
    assert needs.of_findings(CONFIG, asked, POLICY).config.git == []


def test_it_is_given_policy_about_its_own_namespace_alone() -> None:
    part = Policy.model_validate_json(needs.of_findings(CONFIG, request(), POLICY).policy)
    assert set(part.namespaces.namespaces) == {policies.NAMESPACE}
    assert part.people.people == []
    assert (part.trust, part.trusted_root) == (POLICY.trust, POLICY.trusted_root)


def test_the_digest_is_of_the_content_and_of_nothing_operational() -> None:
    def content(**changes: Any) -> str:
        return needs.of_findings(CONFIG, request(**changes), POLICY).content

    assert content() == content(replicas=7)
    assert content() != content(port=1234)


def test_governance_is_given_its_own_source_alone() -> None:
    config = needs.of_governance(CONFIG).config
    assert secrets(config) == {"/s/governance", "/s/root"}
    assert secrets(needs.of_governance(Config()).config) == set()


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


async def test_what_it_is_given_is_enough(good: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same is found with it as with everything."""
    whole = await good.findings()

    def narrowed(config: Config, **kept: Any) -> Gatherer:
        asked = FindingsRequest.model_validate(
            {
                "namespace": policies.NAMESPACE,
                "name": facts.NAME,
                "spec": good.spec(),
                "targets": {},
            }
        )
        part = needs.of_findings(config, asked, parse(plant.targets(), 0))
        policy = Policy.model_validate_json(part.policy)
        state = {"state_dir": config.state_dir}
        return Gatherer(part.config.model_copy(update=state), policy=policy, **kept)

    monkeypatch.setattr(plant, "Gatherer", narrowed)
    assert isinstance(whole, Findings)
    assert await good.findings(targets={}) == whole


def test_a_job_knows_how_models_get_into_pods() -> None:
    copier = "registry.example/interlock/copier@sha256:" + "c0" * 32
    copied = {"model_delivery": "InitContainer", "model_copier": copier}
    told = needs.of_findings(CONFIG.model_copy(update=copied), request(), POLICY).config
    assert told.copier == copier
    assert given().copier == ""
