"""`interlock pin` writes what the world says, in place, and refuses what cannot be pinned."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from interlock.api import digests
from interlock.api.kinds import AgentDeploymentSpec
from interlock.cli import exits, pin
from interlock.evidence.http import SourceUnavailable
from interlock.evidence.resolve import Answer, Resolved, ResolvedModel
from support import facts, policies

OLD = "registry.example/agents/press-scheduler:1.4.2"
TREE, IMAGE = f"sha256:{facts.TREE}", f"sha256:{facts.IMAGE}"
VOLUME = f"sha256:{facts.VOLUME}"
PROMPT = f"sha256:{facts.PROMPT}"
MODEL = {"name": "press-scheduler", "version": "12", "volume": "registry.example/models/press:12"}


class Bench:
    """A file to pin, and a world that answers."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self.file = home, home / "press.yaml"
        self.asked: list[AgentDeploymentSpec] = []
        self.tree = self.volume_tree = TREE
        (home / "config.yaml").write_text("{}")
        monkeypatch.setattr(pin, "resolve", self._resolve)
        self.write(image=OLD, model=MODEL, prompts=[{"name": "system", "version": "3"}])

    async def _resolve(self, spec: AgentDeploymentSpec, world: object) -> Resolved:
        self.asked.append(spec)
        model = ResolvedModel(
            version=Answer("12"),
            tree=Answer(self.tree),
            volume=Answer(VOLUME),
            volume_tree=Answer(self.volume_tree),
        )
        prompts = {prompt.name: Answer(PROMPT) for prompt in spec.prompts}
        return Resolved(Answer(IMAGE), model if spec.model else None, prompts)

    def write(self, **changes: Any) -> None:
        """Write the agent's file with these fields of its spec changed."""
        metadata = {"name": facts.NAME, "namespace": policies.NAMESPACE}
        kind = {"apiVersion": "interlock.dev/v1alpha1", "kind": "AgentDeployment"}
        document = kind | {"metadata": metadata, "spec": facts.spec(**changes)}
        self.file.write_text(yaml.safe_dump(document, sort_keys=False))

    def write_config_map(self, name: str, data: dict[str, str]) -> None:
        """Write the manifest of a ConfigMap beside the file."""
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        (self.home / f"{name}.yaml").write_text(yaml.safe_dump(body))

    def pin(self, *args: str) -> int:
        """Run `interlock pin`; its exit code."""
        config = ["--config", str(self.home / "config.yaml")]
        return exits.main(pin.pin, "interlock pin", [str(self.file), *config, *args])

    @property
    def spec(self) -> dict[str, Any]:
        """The spec as the file says it now."""
        value: dict[str, Any] = yaml.safe_load(self.file.read_text())["spec"]
        return value


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_every_digest_is_written_and_printed(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.pin() == 0
    assert bench.spec["image"] == f"{OLD}@{IMAGE}"
    assert bench.spec["model"] == MODEL | {
        "tree": TREE,
        "volume": f"registry.example/models/press:12@{VOLUME}",
    }
    assert bench.spec["prompts"][0]["digest"] == PROMPT
    assert f"model.tree  (none) → {TREE}" in capsys.readouterr().out


def test_what_is_pinned_already_changes_nothing(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.pin()
    before = bench.file.read_bytes()
    capsys.readouterr()
    assert bench.pin() == 0
    assert bench.file.read_bytes() == before
    assert "every pin is true already" in capsys.readouterr().out


def test_a_tag_is_asked_for_anew_although_a_digest_stands_beside_it(bench: Bench) -> None:
    bench.write(image=f"{OLD}@sha256:{'00' * 32}", model=MODEL)
    bench.pin()
    assert bench.asked[0].image == OLD
    assert bench.spec["image"] == f"{OLD}@{IMAGE}"


def test_an_alias_becomes_the_version_that_it_names(bench: Bench) -> None:
    bench.write(model={key: MODEL[key] for key in ("name", "volume")} | {"alias": "champion"})
    assert bench.pin() == 0
    assert "alias" not in bench.spec["model"]
    assert (bench.spec["model"]["version"], bench.spec["model"]["tree"]) == ("12", TREE)


def test_a_dry_run_writes_nothing(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    before = bench.file.read_bytes()
    assert bench.pin("--dry-run", "-o", "json") == 0
    assert bench.file.read_bytes() == before
    said = json.loads(capsys.readouterr().out)
    assert {one["field"] for one in said["changed"]} == {
        "image",
        "model.tree",
        "model.volume",
        "prompts[system].digest",
    }


def test_a_config_map_beside_the_file_is_pinned(bench: Bench) -> None:
    bench.write_config_map("limits", {"policy.cedar": "permit;"})
    bench.write(model=MODEL, policies=[{"name": "limits", "configMap": "limits"}])
    assert bench.pin() == 0
    expected = digests.config_map({"policy.cedar": "permit;"})
    assert bench.spec["policies"][0]["digest"] == f"sha256:{expected}"


def test_a_config_map_that_is_nowhere_is_refused(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.write(model=MODEL, policies=[{"name": "limits", "configMap": "limits"}])
    assert bench.pin() == 2
    assert "no manifest of it lies beside the file" in capsys.readouterr().err


def test_a_volume_with_other_files_than_the_registry_is_refused(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.volume_tree = f"sha256:{'ee' * 32}"
    before = bench.file.read_bytes()
    assert bench.pin() == 1
    assert f"the registry has {TREE}" in capsys.readouterr().err
    assert bench.file.read_bytes() == before


def test_a_registry_that_is_away_is_exit_3(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def away(spec: object, world: object) -> Resolved:
        raise SourceUnavailable("https://mlflow.example cannot be reached")

    monkeypatch.setattr(pin, "resolve", away)
    assert bench.pin() == 3
    assert "mlflow.example cannot be reached" in capsys.readouterr().err


def test_a_file_goes_to_one_namespace(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.pin("--namespace", "line-5") == 2
    assert "metadata.namespace is 'line-4', --namespace is 'line-5'" in capsys.readouterr().err
    bench.file.write_text(bench.file.read_text().replace("  namespace: line-4\n", ""))
    assert bench.pin() == 2
    assert "metadata.namespace is missing" in capsys.readouterr().err
    assert bench.pin("--namespace", "line-5") == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kind: Deployment\n", "expected kind: AgentDeployment"),
        ("a: 1\na: 2\n", "occurs twice"),
        ("\tx: 1\n", "this is not YAML"),
        (
            "apiVersion: interlock.dev/v1alpha1\nkind: AgentDeployment\n"
            "metadata: {name: a, namespace: b}\nspec: {riskTier: low, imagine: x}\n",
            "spec.image: Field required; spec.imagine: Extra inputs are not permitted",
        ),
    ],
)
def test_a_bad_file_is_refused_by_a_sentence(
    bench: Bench, text: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.file.write_text(text)
    assert bench.pin() == 2
    assert sentence in capsys.readouterr().err
