"""A document of somebody else's is read as strictly as the API server reads it."""

import pytest
from pydantic import ValidationError

from interlock.api.kinds import KINDS, AgentDeployment, AgentDeploymentSpec, AgentRevision, Kind
from support.documents import BASES, CASES, Case

BY_NAME: dict[str, type[Kind]] = {kind.__name__: kind for kind in KINDS}


def test_every_kind_is_among_the_documents() -> None:
    assert BY_NAME.keys() == BASES.keys()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_parse_agrees_with_the_table(case: Case) -> None:
    try:
        BY_NAME[case.kind].parse(case.document())
    except ValidationError:
        assert not case.good
    else:
        assert case.good


def test_a_null_is_an_absent_field_and_changes_no_digest() -> None:
    written = AgentDeployment.parse(Case("AgentDeployment", "spec.fallback", None, True).document())
    assert "fallback" not in written.spec.dump()


def test_what_was_rendered_keeps_its_nulls() -> None:
    document = Case("AgentRevision", "spec.objects", [{"a": None}], True).document()
    assert AgentRevision.parse(document).spec.objects == [{"a": None}]


def test_a_rule_says_what_it_wants() -> None:
    document = Case("AgentDeployment", "spec.model.alias", "champion", False).document()
    with pytest.raises(ValidationError, match="give either version or alias, not both"):
        AgentDeployment.parse(document)


def test_a_spec_without_its_object_obeys_the_rules_too() -> None:
    spec = BASES["AgentDeployment"]["spec"]
    twice = {**spec, "tools": spec["tools"] * 2}
    with pytest.raises(ValidationError, match="each of tools has a name of its own"):
        AgentDeploymentSpec.model_validate(twice)
