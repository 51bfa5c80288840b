"""How an agent stands when it rests, said without names, so that two agents can be compared.

Names carry digests that differ from agent to agent; here a revision goes by the mark of its image.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from interlock.actions.evidence_export import PREFIX
from interlock.api import names
from interlock.render.namespace import QUOTA_NAME
from support.controller import image
from support.engine import Agent, plural
from support.kube import OURS

Object = dict[str, Any]
COLUMNS = ("serving", "candidate", "gate", "reason", "rollback", "breakGlass")
DIGEST = re.compile(r"\b[0-9a-f]{10}\b")
CLUSTERS_OWN = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}
"""What Kubernetes puts into each namespace."""
FIRST = {
    ("ServiceAccount", names.AGENT_ACCOUNT),
    ("NetworkPolicy", "default-deny"),
    ("NetworkPolicy", "allow-dns"),
    ("ResourceQuota", QUOTA_NAME),
    ("Service", names.POINTER_SERVICE),
    ("Service", names.PREVIEW_SERVICE),
    ("AgentAdmission", names.ADMISSION_NAME),
}
HELD = ("ConfigMap", "Service", "ServiceAccount", "ResourceQuota", "NetworkPolicy", "Deployment")
REQUESTS = ("AgentRollback", "AgentQuarantine", "AgentRelease", "AgentBreakGlass")


def mark(agent: Agent, one: str) -> str:
    """The mark of an image that no other agent has."""
    return f"{one} of {agent.team}"


def ending(agent: Agent, marks: tuple[str, ...]) -> Object:
    """Everything that must be the same, whenever the operator died."""
    if not agent.api.get(agent.path).ok:
        gone = not agent.api.get(f"/api/v1/namespaces/{agent.home}").ok
        return {"deployment": "gone", "namespace": "gone" if gone else "there"}
    known = _Marks(agent, marks)
    service = agent.api.get(agent.place("Service", names.PREVIEW_SERVICE)).body
    selector = (service.get("spec") or {}).get("selector") or {}
    quota = agent.api.get(agent.place("ResourceQuota", QUOTA_NAME)).body
    return {
        "pointer": known.of(agent.pointer()),
        "preview": known.of(selector.get(names.LABEL_REVISION, "")),
        "admitted": {known.of(name): fit for name, fit in agent.admitted().items()},
        "deployments": {known.of(_name(one)): _stand(one) for one in agent.objects("Deployment")},
        "pods": dict(Counter(known.of(_revision(pod)) for pod in agent.objects("Pod"))),
        "revisions": sorted(known.by_name.values()),
        "transitions": [*_transitions(agent, known)],
        "status": _status(agent, known),
        "requests": [*_requests(agent)],
        "told": dict(told(agent)),
        "quota": ((quota.get("spec") or {}).get("hard") or {}).get("pods"),
    }


def told(agent: Agent) -> Counter[str]:
    """How often the team's Events gave each reason."""
    found = agent.api.get(f"/api/v1/namespaces/{agent.team}/events").body.get("items") or []
    return Counter(one["reason"] for one in found)


def orphans(agent: Agent) -> set[tuple[str, str]]:
    """Objects of the agent's namespace that nobody rendered, or whose revision is gone."""
    rendered = {
        (obj["kind"], obj["metadata"]["name"])
        for revision in agent.objects("AgentRevision")
        for obj in revision["spec"]["objects"]
    }
    there = {(kind, _name(one)) for kind in HELD for one in agent.objects(kind)}
    evidence = {one for one in there if one[0] == "ConfigMap" and one[1].startswith(PREFIX)}
    deployed = {name for kind, name in rendered if kind == "Deployment"}
    stray = {("Pod", _name(pod)) for pod in agent.objects("Pod") if _revision(pod) not in deployed}
    return stray | (there - rendered - evidence - FIRST - CLUSTERS_OWN)


def homeless(agent: Agent) -> bool:
    """Whether a namespace of the agent exists without an AgentDeployment."""
    left = agent.api.get(f"/api/v1/namespaces/{agent.home}").ok
    return left and not agent.api.get(agent.path).ok


class _Marks:
    """The agent's revisions by mark."""

    def __init__(self, agent: Agent, marks: tuple[str, ...]) -> None:
        by_image = {image("", mark(agent, one)).rpartition("@")[2]: one for one in marks}
        self.by_name = {
            _name(one): by_image[one["spec"]["content"]["image"].rpartition("@")[2]]
            for one in agent.objects("AgentRevision")
        }

    def of(self, name: str) -> str:
        """The mark of a revision; one that was forgotten has none."""
        return name if name in ("", names.NO_REVISION) else self.by_name.get(name, "gone")

    def of_digest(self, short: str) -> str:
        """The mark of the revision with this short digest."""
        fitting = [one for name, one in self.by_name.items() if name.endswith(short)]
        return fitting[0] if fitting else short


def _stand(deployment: Mapping[str, Any]) -> Object:
    marks = deployment["metadata"].get("annotations") or {}
    return {
        "replicas": deployment["spec"].get("replicas"),
        "ready": (deployment.get("status") or {}).get("readyReplicas", 0),
        "retiring": names.ANNOTATION_RETIRING in marks,
    }


def _transitions(agent: Agent, known: _Marks) -> Iterator[Object]:
    """A promotion that was abandoned moved nothing and is made again; it does not count."""
    for one in agent.transitions():
        spec, status = one["spec"], one.get("status") or {}
        outcome = (status.get("end") or {}).get("outcome", "open")
        if (spec["type"], outcome) == ("Promotion", "Abandoned"):
            continue
        yield {
            "type": spec["type"],
            "outcome": outcome,
            "from": known.of(spec.get("from", "")),
            "to": known.of(spec.get("to", "")),
            "cause": spec.get("cause", ""),
            "reason": spec.get("reason", ""),
            "healthy": bool(status.get("healthy")),
        }


def _status(agent: Agent, known: _Marks) -> Object:
    status = agent.status()
    shown = {name: status.get(name, "") for name in COLUMNS}
    shown["reason"] = DIGEST.sub("*", shown["reason"].partition(":")[0])
    shown |= {one: known.of_digest(shown[one]) for one in ("serving", "candidate")}
    rows = status.get("conditions") or []
    return shown | {row["type"]: f"{row['status']} {row['reason']}" for row in rows}


def _requests(agent: Agent) -> Iterator[str]:
    for kind in REQUESTS:
        found = agent.api.get(f"{OURS}/namespaces/{agent.team}/{plural(kind)}").body
        for one in found.get("items") or []:
            yield f"{kind} {(one.get('status') or {}).get('phase', 'Pending')}"


def _name(obj: Mapping[str, Any]) -> str:
    return str(obj["metadata"]["name"])


def _revision(pod: Mapping[str, Any]) -> str:
    return str((pod["metadata"].get("labels") or {}).get(names.LABEL_REVISION, ""))
