from typing import Any

import pytest
import yaml

from interlock.evidence.agentfile import MAX_VALUES
from interlock.policy import strict_yaml
from interlock.sync.documents import Documents, parse
from support.facts import spec


def agent(**changes: Any) -> dict[str, Any]:
    whole = {
        "apiVersion": "interlock.dev/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": "press-scheduler"},
        "spec": spec(health=None),
    }
    return whole | changes


def config_map(**changes: Any) -> dict[str, Any]:
    whole = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "mes-tools-1f09c2"},
        "immutable": True,
        "data": {"schema.json": "{}"},
    }
    return whole | changes


def read(**files: object) -> Documents:
    data = {f"{n}.yaml": v if isinstance(v, bytes) else _yaml(v) for n, v in files.items()}
    return parse(data, "line-4", "agents")


def _yaml(value: object) -> bytes:
    return yaml.safe_dump(value).encode()


def refusal(value: object) -> str:
    found = read(a=value)
    assert not found.found
    return found.refused[0].message


def test_what_is_declared_gets_namespace_and_label_config_maps_first() -> None:
    found = read(a=agent(), b=config_map())
    assert [one.key for one in found.found] == [
        ("ConfigMap", "mes-tools-1f09c2"),
        ("AgentDeployment", "press-scheduler"),
    ]
    for one in found.found:
        assert one.object["metadata"]["namespace"] == "line-4"
        assert one.object["metadata"]["labels"] == {"interlock.dev/repository": "agents"}
    assert found.found[1].object["spec"] == agent()["spec"]
    assert not found.refused


def test_a_team_s_own_labels_stay() -> None:
    labelled = agent(metadata={"name": "a", "labels": {"line": "4"}})
    assert read(a=labelled).found[0].object["metadata"]["labels"]["line"] == "4"


def test_one_bad_file_does_not_stop_the_others() -> None:
    found = read(a=b"{", b=agent(), c=b"kind: [")
    assert [one.path for one in found.found] == ["b.yaml"]
    assert [one.path for one in found.refused] == ["a.yaml", "c.yaml"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"", "empty"),
        (b"- a", "no mapping"),
        (b"a: 1\na: 2", "occurs twice"),
        (b"a: &x 1\nb: *x", "anchor"),
        (b"a: 1\n---\nb: 2", "second document"),
        (b"\xff\xfe", "not UTF-8"),
        ({"apiVersion": "v1", "kind": "Secret"}, "Secret of v1 is not synced"),
        (agent(apiVersion="v1"), "AgentDeployment of v1 is not synced"),
        (agent(kind=["ConfigMap"]), "is not synced"),
        (agent(metadata={}), "metadata.name is missing"),
        (agent(metadata={"name": "A_B"}), "DNS subdomain"),
        (agent(metadata={"name": "a", "namespace": "line-5"}), "expected line-4"),
        (agent(metadata={"name": "a", "finalizers": ["x"]}), "metadata.finalizers is not synced"),
        (
            agent(metadata={"name": "a", "labels": {"interlock.dev/repository": "b"}}),
            "Interlock's own",
        ),
        (agent(metadata={"name": "a", "labels": {"a": 1}}), "not a mapping of strings"),
        (agent(status={"ready": "True"}), "status is the operator's"),
        (agent(spec=spec(template={})), "spec.template"),
        (agent(spec=spec(replicas="2")), "spec.replicas"),
        (config_map(immutable=False), "immutable is not true"),
        (config_map(binaryData={"a": "eA=="}), "binaryData is not synced"),
        (config_map(data={"a": 1}), "not a mapping of strings"),
    ],
)
def test_what_is_refused_says_why(value: object, said: str) -> None:
    assert said in refusal(value)


def test_a_field_that_is_not_there_is_said_with_its_line_and_where_to_look() -> None:
    good = yaml.safe_dump(agent(), sort_keys=False)
    line = good.count("\n") + 1
    said = refusal(f"{good}  rollout:\n    brake: 'on'\n".encode())
    assert said == (
        f"line {line + 1}: spec.rollout.brake: no such field; "
        "`kubectl explain agentdeployment.spec.rollout` lists them"
    )


def test_a_namespace_that_is_its_own_may_be_written_out() -> None:
    assert read(a=agent(metadata={"name": "a", "namespace": "line-4"})).found


def test_two_files_for_one_object_are_one_too_many() -> None:
    found = read(a=agent(), b=agent())
    assert [one.path for one in found.found] == ["a.yaml"]
    assert "declared in a.yaml already" in found.refused[0].message


def test_a_file_above_the_limit_is_refused() -> None:
    assert "at most" in refusal(config_map(data={"a": "x" * 300_000}))


def test_control_characters_are_shown_and_not_obeyed() -> None:
    assert refusal(b'kind: "\\e[31mred"').isprintable()


@pytest.mark.parametrize("data", [b"a: [" + b"1," * 100_000 + b"1]", b"- a\n" * 60_000])
def test_a_file_of_very_many_values_is_refused_before_they_are_read(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may push would keep the syncer of all teams busy for minutes."""
    read = 0
    whole = strict_yaml._scalar

    def counting(event: Any) -> object:
        nonlocal read
        read += 1
        return whole(event)

    monkeypatch.setattr(strict_yaml, "_scalar", counting)
    assert refusal(data) == "it has more than 5000 values; keep large texts in one string each"
    assert read <= MAX_VALUES
