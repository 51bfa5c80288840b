"""Every example is one that the programs take, and says what its README says."""

import importlib.util
import json
import struct
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from interlock.api.facts import Facts
from interlock.api.kinds import KINDS, AgentDeployment, Kind
from interlock.api.values import Outcome
from interlock.evidence.predicates import vulns
from interlock.evidence.predicates.base import Told, rfc3339
from interlock.gates import grants, vulnerability_scan
from interlock.policy import strict_yaml
from interlock.policy.parse import TRUSTED_ROOT, parse
from interlock_pipelines import oci, scan, volume
from interlock_pipelines.evaluation import parse_results
from interlock_pipelines.materials import material
from interlock_pipelines.tree import read_tree
from interlock_sandbox.sigstore import Instance
from support import policies
from support.facts import good_facts, scan_evidence, subject

EXAMPLES = Path(__file__).parents[3] / "examples"
FOLDER = EXAMPLES / "press-scheduler"
DOCUMENTS = (
    "press-scheduler/agent",
    "repository",
    "rollback",
    "release",
    "break-glass",
    "argocd/repository",
    "flux/repository",
)
OTHERS = {"argocd/application.yaml", "flux/sync.yaml"}
"""What Argo CD and Flux read."""


def document(name: str) -> Any:
    return strict_yaml.load((EXAMPLES / f"{name}.yaml").read_bytes(), limit=1 << 16)


def parsed(name: str) -> Kind:
    value = document(name)
    (kind,) = [each for each in KINDS if each.__name__ == value["kind"]]
    return kind.parse(value)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_an_example_is_a_valid_object(name: str) -> None:
    assert parsed(name).metadata.namespace == "line-4"


def test_every_example_is_tested() -> None:
    there = {path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.yaml")}
    governance = {name for name in there if name.startswith("governance/")}
    assert there - governance - OTHERS == {f"{name}.yaml" for name in DOCUMENTS}


def test_argo_cd_delivers_what_its_repository_reads() -> None:
    spec = document("argocd/repository")["spec"]
    source = document("argocd/application")["spec"]["source"]
    assert source["repoURL"] == spec["url"]
    assert f"refs/heads/{source['targetRevision']}" == spec["ref"]
    assert source["path"] == spec["path"]


def test_flux_delivers_what_its_repository_reads() -> None:
    spec = document("flux/repository")["spec"]
    text = (EXAMPLES / "flux/sync.yaml").read_bytes()
    source, sync = (strict_yaml.load(one, limit=1 << 16) for one in text.split(b"\n---\n"))
    assert source["spec"]["url"] == spec["url"]
    assert f"refs/heads/{source['spec']['ref']['branch']}" == spec["ref"]
    assert sync["spec"]["path"] == f"./{spec['path']}"
    assert sync["spec"]["sourceRef"]["name"] == source["metadata"]["name"]


def governance() -> dict[str, bytes]:
    files = (EXAMPLES / "governance").glob("*.yaml")
    root = {TRUSTED_ROOT: Instance.create().trusted_root()}
    return {file.name: file.read_bytes() for file in files} | root


def test_governance_is_a_policy_that_grants_the_example() -> None:
    policy = parse(governance(), revocation_version=1)
    agent = parsed("press-scheduler/agent")
    repository = document("repository")["spec"]
    namespace = policy.namespaces.namespaces["line-4"]
    assert isinstance(agent, AgentDeployment)
    assert agent.spec.risk_tier == namespace.minimum_tier
    (source,) = namespace.repositories
    assert (source.url, source.ref, source.path) == tuple(
        repository[key] for key in ("url", "ref", "path")
    )
    spec = agent.spec.dump()
    changed = good_facts(subject=subject(**dict.fromkeys(subject().spec) | spec))
    assert grants.evaluate(changed, policy).outcome is Outcome.PASS


def test_governance_asks_for_the_suite_and_the_data_that_lie_beside_the_model() -> None:
    policy = parse(governance(), revocation_version=1)
    (suite,) = policy.gates.evaluation.suites
    assert suite.digest == material(str(FOLDER / "evaluate.py")).sha256
    assert suite.datasets == [material(str(FOLDER / "orders.csv")).sha256]


def test_the_model_passes_its_suite(capsys: pytest.CaptureFixture[str]) -> None:
    policy = parse(governance(), revocation_version=1)
    (suite,) = policy.gates.evaluation.suites
    program("evaluate").main([str(FOLDER / "model"), str(FOLDER / "orders.csv")])
    found = parse_results(capsys.readouterr().out.encode(), "evaluate.py")
    assert (found.verdict, len(found.passed)) == ("PASSED", 2)
    assert found.metrics["agreement"] >= suite.minimum["agreement"]


def test_a_broken_model_fails_its_suite(tmp_path: Path) -> None:
    generator().main([str(tmp_path)])
    weights = tmp_path / "weights.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[:-60] + struct.pack("<15f", *[float("nan")] * 15))
    harness, orders = program("evaluate"), [dict.fromkeys(generator().FEATURES, "1")]
    found = harness.results(harness.read(tmp_path), [one | {"press": "press-1"} for one in orders])
    assert "scores-are-finite" in found["failed"]


def generator() -> ModuleType:
    return program("make_model")


def program(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generator_writes_the_same_model_again(tmp_path: Path) -> None:
    generator().main([str(tmp_path)])
    assert read_tree(tmp_path).files == read_tree(FOLDER / "model").files
    generator().main([str(tmp_path), "2"])
    assert read_tree(tmp_path).digest != read_tree(FOLDER / "model").digest


def test_the_model_is_valid_safetensors() -> None:
    data = (FOLDER / "model" / "weights.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    values, end = data[8 + size :], 0
    del header["__metadata__"]
    for tensor in sorted(header.values(), key=lambda each: each["data_offsets"]):
        first, last = tensor["data_offsets"]
        count = 1
        for width in tensor["shape"]:
            count *= width
        assert (first, last - first, tensor["dtype"]) == (end, 4 * count, "F32")
        end = last
    assert (size % 8, end) == (0, len(values))


class Pushed(oci.Repository):
    """A repository that only counts."""

    def push(self, blob: oci.Descriptor, chunks: Any) -> oci.Descriptor:
        """Take all."""
        return blob

    def push_manifest(self, body: Mapping[str, object], name: str = "") -> oci.Descriptor:
        """Take all."""
        content = oci.canonical(body)
        return oci.describe(content, "")


def test_the_agent_pins_the_model_that_lies_beside_it() -> None:
    pinned = document("press-scheduler/agent")["spec"]["model"]
    tree = read_tree(FOLDER / "model")
    repository = Pushed("registry.example/models/press-scheduler", oci.Access())
    assert pinned["tree"] == tree.digest
    assert pinned["volume"] == volume.push_volume(tree, repository).reference


def judged(name: str) -> Any:
    report = scan.read_report(EXAMPLES / "scans" / f"{name}.json")
    now = report.finished + timedelta(minutes=1)
    said = vulns.read(scan.predicate(report, report.finished, now), Told(now, ()))
    evidence = scan_evidence(scan=said)
    policy = policies.good_policy(
        trust=policies.documents()["trust"] | {"scanners": [report.scanner]}
    )
    changed: Facts = good_facts(now=rfc3339(now), evidence=[evidence])
    return vulnerability_scan.evaluate(changed, policy)


def test_the_clean_scan_passes() -> None:
    result = judged("clean")
    assert result.outcome is Outcome.PASS
    assert "0 critical, 0 high in 10 packages" in result.message


def test_the_critical_scan_is_blocked_by_name_package_and_fix() -> None:
    result = judged("critical")
    assert result.outcome is Outcome.FAIL
    assert "CVE-2020-14343 CRITICAL in PyYAML 5.3.1 (fixed in 5.4)" in result.message


def test_the_scans_are_about_the_agents_image_by_a_known_scanner() -> None:
    image = document("press-scheduler/agent")["spec"]["image"]
    trusted = document("governance/trust")["scanners"]
    for name in ("clean", "critical"):
        report = scan.read_report(EXAMPLES / "scans" / f"{name}.json")
        scan.check_about(report, image.partition("@")[2], "")
        assert report.scanner in trusted
