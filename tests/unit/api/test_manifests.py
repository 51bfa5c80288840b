"""The manifests name the accounts that the code names, and every policy denies when in doubt."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from interlock.api import names
from interlock.api.kinds import KINDS
from interlock.evidence.gitprocess import MAX_MEMORY
from interlock.verifier.jobs import MAX_JOBS
from interlock.verifier.walls import MEMORY

MANIFESTS = Path(__file__).parents[3] / "manifests"
POLICIES = sorted((MANIFESTS / "policies").glob("*.yaml"))
OPTIONAL = {"forge-bridge.yaml", "rbac-forge-bridge.yaml", "syncer-webhook.yaml"}
"""What only some install; each says so."""
BESIDES = 256 * 1024 * 1024
"""Bytes for the verifier itself and for the process that forks its jobs."""
ACCOUNT = re.compile(r"system:serviceaccount:interlock[-a-z]*:[-a-z]+")


def documents(path: Path) -> list[dict[str, Any]]:
    return [dict(entry) for entry in yaml.safe_load_all(path.read_text())]


def workloads() -> list[dict[str, Any]]:
    parts = ("controller", "syncer", "forge-bridge")
    return [entry for name in parts for entry in documents(named(name))]


def named(name: str) -> Path:
    return MANIFESTS / f"{name}.yaml"


def test_kustomize_takes_every_file() -> None:
    listed = set(documents(named("kustomization"))[0]["resources"])
    there = {str(path.relative_to(MANIFESTS)) for path in MANIFESTS.rglob("*.yaml")}
    assert listed == there - {"kustomization.yaml", *OPTIONAL} | {"../crds"}


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_a_policy_fails_closed_and_says_why_it_is_there(path: Path) -> None:
    assert path.read_text().startswith("# ")
    found = documents(path)
    policies = [entry for entry in found if not entry["kind"].endswith("Binding")]
    bindings = [entry for entry in found if entry["kind"].endswith("Binding")]
    assert {entry["metadata"]["name"] for entry in policies} == {f"interlock-{path.stem}"}
    assert [entry["spec"]["failurePolicy"] for entry in policies] == ["Fail"] * len(policies)
    assert len(bindings) == len(policies)
    for binding in bindings:
        if binding["kind"] == "ValidatingAdmissionPolicyBinding":
            assert binding["spec"]["validationActions"] == ["Deny"]
        parameters = binding["spec"].get("paramRef")
        assert parameters is None or parameters == {
            "name": names.ADMISSION_NAME,
            "parameterNotFoundAction": "Deny",
        }


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_a_policy_names_only_accounts_and_labels_that_exist(path: Path) -> None:
    text = path.read_text()
    assert set(ACCOUNT.findall(text)) <= {names.CONTROLLER_USER, names.SYNCER_USER}
    known = {value for name, value in vars(names).items() if name.startswith(("LABEL_", "ANNOT"))}
    kinds = {f"{names.GROUP}/{kind.plural}" for kind in KINDS} | {names.API_VERSION}
    assert set(re.findall(r"interlock\.dev/[-a-z0-9]+", text)) <= known | kinds


@pytest.mark.parametrize("workload", workloads(), ids=lambda entry: entry["metadata"]["name"])
def test_a_token_is_mounted_in_one_container_only(workload: dict[str, Any]) -> None:
    pod = workload["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    with_token = [
        container["name"]
        for container in pod["containers"]
        if any(mount["name"] == "token" for mount in container["volumeMounts"])
    ]
    assert with_token == [workload["metadata"]["labels"]["app.kubernetes.io/component"]]
    for container in pod["containers"]:
        assert container["image"] == "interlock"
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_the_verifier_has_neither_token_nor_key() -> None:
    (controller,) = documents(named("controller"))
    containers = {c["name"]: c for c in controller["spec"]["template"]["spec"]["containers"]}
    mounts = {entry["name"] for entry in containers["verifier"]["volumeMounts"]}
    assert not mounts & {"token", "records"}
    assert controller["spec"]["replicas"] == 2


def test_the_verifier_shares_nothing_with_the_controller_but_configuration_and_socket() -> None:
    (controller,) = documents(named("controller"))
    containers = controller["spec"]["template"]["spec"]["containers"]
    mounts = [{each["name"] for each in container["volumeMounts"]} for container in containers]
    assert set.intersection(*mounts) == {"config", "socket"}


def test_the_forge_bridge_reads_records_alone_and_keeps_its_key_from_its_verifier() -> None:
    (role,) = [one for one in documents(named("rbac-forge-bridge")) if one["kind"] == "ClusterRole"]
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list"}
    assert {group for rule in role["rules"] for group in rule["apiGroups"]} == {names.GROUP}
    (bridge,) = documents(named("forge-bridge"))
    containers = {c["name"]: c for c in bridge["spec"]["template"]["spec"]["containers"]}
    mounts = {entry["name"] for entry in containers["verifier"]["volumeMounts"]}
    assert not mounts & {"token", "bridge"}


def test_the_verifiers_memory_has_room_for_all_of_its_jobs() -> None:
    (controller,) = documents(named("controller"))
    pod = controller["spec"]["template"]["spec"]
    (verifier,) = (each for each in pod["containers"] if each["name"] == "verifier")
    limit = int(verifier["resources"]["limits"]["memory"].removesuffix("Mi")) * 1024 * 1024
    assert limit >= (MAX_JOBS + 1) * MEMORY + BESIDES
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["securityContext"]["runAsNonRoot"] is True


def test_git_that_takes_all_it_may_leaves_room_for_the_syncer() -> None:
    (syncer,) = documents(named("syncer"))[0]["spec"]["template"]["spec"]["containers"]
    assert syncer["resources"]["limits"]["memory"] == "1Gi"
    assert MAX_MEMORY + BESIDES <= 1 << 30


def test_the_webhook_s_service_leads_to_the_syncer() -> None:
    (service,) = documents(named("syncer-webhook"))
    (syncer,) = documents(named("syncer"))
    pod = syncer["spec"]["template"]
    assert service["spec"]["selector"] == pod["metadata"]["labels"]
    (port,) = service["spec"]["ports"]
    assert port["targetPort"] in [each["name"] for each in pod["spec"]["containers"][0]["ports"]]
